import { equalBytes } from './bytes.js';
import { type ReadNode, rootBetween, splitOf } from './proof.js';
import { HASH_BYTES, nodeHash } from './tree.js';

/** Leaves `begin` to `end`−1 of a tree. */
export interface LeafSpan {
  readonly begin: number;
  readonly end: number;
}

/**
 * The subtrees whose roots prove a set of leaves at once (docs/spec/bundle.md, "range.json"): walking down from the root, left before right, each subtree
 * that holds none of them, as high as it can be. Never more than ⌈log₂ size⌉ for each leaf, and none for leaves side by side.
 * @param indexes strictly ascending, each below `size`; anything else is a bug of the caller
 */
export function* subtreesBeside(indexes: readonly number[], size: number): Generator<LeafSpan> {
  const [first = 0, last = -1] = [indexes[0], indexes.at(-1)];
  if (first < 0 || last >= size || indexes.some((index, at) => at > 0 && index <= (indexes[at - 1] as number)))
    throw new RangeError('not a set of leaves of this tree');
  yield* beside({ begin: 0, end: size }, indexes, 0, indexes.length);
}

function* beside(span: LeafSpan, indexes: readonly number[], from: number, to: number): Generator<LeafSpan> {
  const { begin, end } = span;
  if (from === to) {
    yield span;
    return;
  }
  // Every leaf below is asked for: there is nothing beside them.
  if (to - from === end - begin) return;
  const middle = begin + splitOf(end - begin);
  const split = firstAtOrAbove(indexes, middle, from, to);
  yield* beside({ begin, end: middle }, indexes, from, split);
  yield* beside({ begin: middle, end }, indexes, split, to);
}

/** The roots of these subtrees. */
export function rootsOf(spans: Iterable<LeafSpan>, read: ReadNode): Uint8Array[] {
  return Array.from(spans, ({ begin, end }) => rootBetween(begin, end, read));
}

/** A claim that these leaves stand at these places in the tree of `size` leaves with this root. */
export interface SetClaim {
  /** At least one, strictly ascending. */
  readonly indexes: readonly number[];
  readonly size: number;
  /** One for each index. */
  readonly leafHashes: readonly Uint8Array[];
  /** Roots of `subtreesBeside`. */
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the claim holds. False for any malformed claim; never throws. */
export function verifySet({ indexes, size, leafHashes, path, root }: SetClaim): boolean {
  if (!Number.isSafeInteger(size) || indexes.length === 0 || indexes.length !== leafHashes.length) return false;
  if (!indexes.every((index, at) => Number.isSafeInteger(index) && index > (indexes[at - 1] ?? -1) && index < size))
    return false;
  if (![root, ...path].every((hash) => hash.length === HASH_BYTES)) return false;
  if (!leafHashes.every((hash) => hash.length === HASH_BYTES)) return false;
  let used = 0;
  const rootOf = (begin: number, end: number, from: number, to: number): Uint8Array | null => {
    if (from === to) return path[used++] ?? null;
    if (end - begin === 1) return leafHashes[from] as Uint8Array;
    const middle = begin + splitOf(end - begin);
    const split = firstAtOrAbove(indexes, middle, from, to);
    const left = rootOf(begin, middle, from, split);
    const right = left === null ? null : rootOf(middle, end, split, to);
    return left === null || right === null ? null : nodeHash(left, right);
  };
  const computed = rootOf(0, size, 0, indexes.length);
  return computed !== null && used === path.length && equalBytes(computed, root);
}

/** Place of the first index that is not below `value`, between `from` and `to`. */
function firstAtOrAbove(indexes: readonly number[], value: number, from: number, to: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((indexes[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
