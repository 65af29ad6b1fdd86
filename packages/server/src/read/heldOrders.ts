import type { Skeleton } from './runOrder.js';

/** Bytes of tree orders that one process holds: some ten runs of the longest kind. */
const MAX_HELD_BYTES = 64 << 20;
/** Steps from which an order is held. Shorter ones are read, and checked, again each time: it costs less than a page does. */
const MIN_STEPS = 1_000;
/**
 * How long an order is held after its run was checked. Within it pages show their own steps checked, and held against the hashes of the
 * tree that was checked; that a step elsewhere in the run was taken away or put in is seen by the first read after it. New records are
 * checked once a minute for the same reason (INTEGRITY.md, "Checks").
 */
const HELD_MS = 60_000;

/**
 * Tree orders of long runs at sizes that do not change, so that paging through one is linear. What is not held is read: no answer depends
 * on it.
 */
export interface HeldOrders {
  get(key: string): Skeleton | null;
  keep(key: string, skeleton: Skeleton): void;
  drop(key: string): void;
}

/** A new one, for one process. `now`: milliseconds on a clock that never goes back. */
export function createHeldOrders(now: () => number = () => performance.now(), maxBytes = MAX_HELD_BYTES): HeldOrders {
  // In the order of last use.
  const held = new Map<string, { readonly skeleton: Skeleton; readonly until: number }>();
  let bytes = 0;
  const drop = (key: string) => {
    const one = held.get(key);
    if (one === undefined) return;
    bytes -= one.skeleton.bytes;
    held.delete(key);
  };
  return {
    drop,
    get(key) {
      const one = held.get(key);
      if (one === undefined) return null;
      held.delete(key);
      held.set(key, one);
      if (one.until > now()) return one.skeleton;
      drop(key);
      return null;
    },
    keep(key, skeleton) {
      drop(key);
      if (skeleton.length < MIN_STEPS || skeleton.bytes > maxBytes) return;
      held.set(key, { skeleton, until: now() + HELD_MS });
      bytes += skeleton.bytes;
      for (const oldest of held.keys()) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
    },
  };
}
