import { concat, hex, utf8 } from '../bytes.js';
import { hmacSha256 } from '../hmac.js';

/** A leaf that may be drawn. */
export interface Drawable {
  readonly log: string;
  readonly index: number;
  /** Of the checkpoint that the leaves of its log are proven against. */
  readonly root: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** Which leaves of each log were drawn. */
export type Drawn = ReadonlyMap<string, ReadonlySet<number>>;

/**
 * Draws `size` leaves, or all where there are fewer: those with the smallest HMAC-SHA256(root ‖ nonce, leaf hash), as bytes compare (docs/spec/bundle.md,
 * "A sample"). Nobody can steer it who does not know the nonce before the roots are fixed, and anyone can repeat it. Holds twice as many as are drawn.
 */
export function drawSample(
  leaves: Iterable<Drawable>,
  { size, nonce }: { readonly size: number; readonly nonce: string },
): Drawn {
  const keys = new Map<string, Uint8Array>();
  let drawn: { readonly value: string; readonly log: string; readonly index: number }[] = [];
  const keepSmallest = () => {
    drawn.sort((a, b) => (a.value < b.value ? -1 : 1));
    drawn = drawn.slice(0, size);
  };
  for (const { log, index, root, leafHash } of leaves) {
    let key = keys.get(log);
    if (key === undefined) {
      key = concat(root, utf8(nonce));
      keys.set(log, key);
    }
    drawn.push({ value: hex(hmacSha256(key, leafHash)), log, index });
    if (drawn.length >= 2 * size + 1_024) keepSmallest();
  }
  keepSmallest();
  const byLog = new Map<string, Set<number>>();
  for (const { log, index } of drawn) byLog.set(log, (byLog.get(log) ?? new Set()).add(index));
  return byLog;
}
