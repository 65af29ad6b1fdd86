import { setTimeout as sleep } from 'node:timers/promises';
import type { Breathe } from './checking.js';

/** Works so long at once, in milliseconds: requests wait no longer for it. */
const AT_ONCE_MS = 4;
/** Rests so many times as long as it works: a quarter of the one thread at most. */
const REST = 3;
/** Longest rest in milliseconds: what seemed to work longer than a third of it waited for the database, and used no thread. */
const MAX_REST_MS = 300;

/** The server stops in the middle of a round. */
export class Stopped extends Error {}

/** Lets others have the thread every few milliseconds, and rests in proportion to how long it worked. What it returns rejects with Stopped. */
export function breather(stopping: AbortSignal): Breathe {
  let begun = performance.now();
  async function rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: stopping }).catch(() => undefined);
    if (stopping.aborted) throw new Stopped();
    begun = performance.now();
  }
  return () => {
    const worked = performance.now() - begun;
    if (worked < AT_ONCE_MS && !stopping.aborted) return null;
    return rest(Math.min(worked * REST, MAX_REST_MS));
  };
}
