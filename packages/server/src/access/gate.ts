import { Refusal } from './refusal.js';

/** Runs a piece of work when its turn has come. @throws Refusal `unavailable` at once when too many wait, and when its turn does not come in time. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

/** Milliseconds to wait for a turn: with a database that says nothing each of those before takes as long as it may. */
const TURN_TIMEOUT_MS = 5_000;

/** A gate that lets `atOnce` pieces of work through at a time, first come first served, while at most `waiting` more wait. */
export function createGate(atOnce: number, waiting: number, detail: string): Gate {
  const turns: (() => void)[] = [];
  let inside = 0;
  return async (work) => {
    if (inside >= atOnce) {
      if (turns.length >= waiting) throw new Refusal('unavailable', detail);
      // Whoever leaves hands over his place, so that nobody slips in between.
      await inTime(turns, detail);
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

function inTime(turns: (() => void)[], detail: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const turn = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      turns.splice(turns.indexOf(turn), 1);
      reject(new Refusal('unavailable', detail));
    }, TURN_TIMEOUT_MS);
    turns.push(turn);
  });
}
