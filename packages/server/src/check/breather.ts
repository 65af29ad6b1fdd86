import type { Breathe } from './checking.js';

/** Works so long at once, in milliseconds: requests wait no longer for it. */
const AT_ONCE_MS = 4;
/** Rests so many times as long as it works: a quarter of the one thread at most. */
const REST = 3;

/** The server stops in the middle of a round. */
export class Stopped extends Error {}

/** Lets others have the thread every few milliseconds, and rests in proportion to how long it worked. What it returns rejects with Stopped. */
export function breather(stopping: () => boolean): Breathe {
  let begun = performance.now();
  return () => {
    const worked = performance.now() - begun;
    if (worked < AT_ONCE_MS && !stopping()) return null;
    return new Promise((resolve, reject) => {
      const goOn = (): void => {
        begun = performance.now();
        if (stopping()) reject(new Stopped());
        else resolve();
      };
      setTimeout(goOn, stopping() ? 0 : worked * REST);
    });
  };
}
