import { Refusal } from './refusal.js';

/** Runs a piece of work when its turn has come. @throws Refusal `unavailable` at once when too many wait. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

/** A gate that lets `atOnce` pieces of work through at a time, first come first served, while at most `waiting` more wait. */
export function createGate(atOnce: number, waiting: number, detail: string): Gate {
  const turns: (() => void)[] = [];
  let inside = 0;
  return async (work) => {
    if (inside >= atOnce) {
      if (turns.length >= waiting) throw new Refusal('unavailable', detail);
      // Whoever leaves hands over his place, so that nobody slips in between.
      await new Promise<void>((resolve) => turns.push(resolve));
    } else inside += 1;
    try {
      return await work();
    } finally {
      const next = turns.shift();
      if (next === undefined) inside -= 1;
      else next();
    }
  };
}
