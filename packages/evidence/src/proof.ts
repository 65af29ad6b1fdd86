import { equalBytes } from './bytes.js';
import {
  EMPTY_ROOT,
  emptyFrontier,
  extendBySubtree,
  type Frontier,
  frontierRoot,
  HASH_BYTES,
  nodeHash,
} from './tree.js';

/** Root of the perfect subtree of 2^level leaves whose first leaf is index·2^level. Called only for subtrees that lie wholly in the tree. */
export type ReadNode = (level: number, index: number) => Uint8Array;

/**
 * The inclusion proof of a leaf (RFC 6962 §2.1.1), lowest sibling first. At most 53 hashes.
 * @param index 0 ≤ index < size; anything else is a bug of the caller
 */
export function inclusionProof(index: number, size: number, read: ReadNode): Uint8Array[] {
  demandOrder(0, index, size - 1);
  const path: Uint8Array[] = [];
  for (let begin = 0, end = size; end - begin > 1; ) {
    const middle = begin + splitOf(end - begin);
    if (index < middle) {
      path.push(rootBetween(middle, end, read));
      end = middle;
    } else {
      path.push(rootBetween(begin, middle, read));
      begin = middle;
    }
  }
  return path.toReversed();
}

/** A claim that a leaf stands at `index` in the tree of `size` leaves with this root. */
export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the claim holds (RFC 9162 §2.1.3.2). False for any malformed claim; never throws. */
export function verifyInclusion({ index, size, leafHash, path, root }: InclusionClaim): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leafHash, root, ...path])) return false;
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(hash, root);
}

/**
 * The proof that the tree of `to` leaves continues the one of `from` leaves (RFC 6962 §2.1.2); empty when `from` is 0 or `to`. At most 54 hashes.
 * @param from 0 ≤ from ≤ to; anything else is a bug of the caller
 */
export function consistencyProof(from: number, to: number, read: ReadNode): Uint8Array[] {
  demandOrder(0, from, to);
  const path: Uint8Array[] = [];
  if (from === 0 || from === to) return path;
  let begin = 0;
  let end = to;
  while (from !== end) {
    const middle = begin + splitOf(end - begin);
    if (from <= middle) {
      path.push(rootBetween(middle, end, read));
      end = middle;
    } else {
      path.push(rootBetween(begin, middle, read));
      begin = middle;
    }
  }
  // What is left is a subtree of the old tree. When that is all of it, the verifier knows its root.
  if (begin > 0) path.push(rootBetween(begin, end, read));
  return path.toReversed();
}

/** A claim that the tree (to, toRoot) begins with all of the tree (from, fromRoot). */
export interface ConsistencyClaim {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Whether the claim holds (RFC 9162 §2.1.4.2; from the empty tree everything follows). False for any malformed claim; never throws. */
export function verifyConsistency({ from, to, fromRoot, toRoot, path }: ConsistencyClaim): boolean {
  if (!isSize(from) || !isSize(to) || from > to || !areHashes([fromRoot, toRoot, ...path])) return false;
  if (from === to)
    return path.length === 0 && equalBytes(fromRoot, toRoot) && (to > 0 || equalBytes(toRoot, EMPTY_ROOT));
  if (from === 0) return path.length === 0 && equalBytes(fromRoot, EMPTY_ROOT);
  let node = from - 1;
  let last = to - 1;
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  const [seed, ...rest] = node === 0 ? [fromRoot, ...path] : path;
  if (seed === undefined) return false;
  let oldHash = seed;
  let newHash = seed;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(oldHash, fromRoot) && equalBytes(newHash, toRoot);
}

/**
 * The proof of all leaves from `begin` up to but not `end`, at once: the frontier of the tree of `begin` leaves, left to right, then the roots of the
 * perfect subtrees that fill `end` to `size`, left to right. At most 106 hashes, however long the range.
 * @param range 0 ≤ begin < end ≤ size; anything else is a bug of the caller
 */
export function rangeProof({ begin, end, size }: LeafRange, read: ReadNode): Uint8Array[] {
  demandOrder(0, begin, end - 1);
  demandOrder(1, end, size);
  return [...subtreesBetween(0, begin), ...subtreesBetween(end, size)].map(({ level, index }) => read(level, index));
}

/** Leaves `begin` to `end`−1 of a tree of `size`. */
export interface LeafRange {
  readonly begin: number;
  readonly end: number;
  readonly size: number;
}

/** A claim that these are the hashes of all leaves from `begin`, in order, in the tree of `size` leaves with this root. */
export interface RangeClaim {
  readonly begin: number;
  readonly size: number;
  /** At least one; the range ends where they do. */
  readonly leafHashes: readonly Uint8Array[];
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the claim holds. False for any malformed claim; never throws. */
export function verifyRange({ leafHashes, ...claim }: RangeClaim): boolean {
  return verifySubtrees({ ...claim, level: 0, roots: leafHashes });
}

/** A claim that these are the roots of the perfect subtrees of 2^level leaves from leaf `begin`, side by side, as a tile holds them. */
export interface SubtreesClaim extends Omit<RangeClaim, 'leafHashes'> {
  /** 0 to 52; `begin` is a multiple of 2^level. */
  readonly level: number;
  /** At least one; the range of `path` ends where the last subtree does. */
  readonly roots: readonly Uint8Array[];
}

/** Whether the claim holds, by the proof of that range of leaves. False for any malformed claim; never throws. */
export function verifySubtrees({ begin, size, level, roots, path, root }: SubtreesClaim): boolean {
  const width = 2 ** level;
  const end = begin + roots.length * width;
  if (!isSize(begin) || !isSize(size) || !isSize(end) || roots.length === 0 || end > size) return false;
  if (!Number.isInteger(level) || level < 0 || begin % width !== 0) return false;
  if (!areHashes([root]) || !areHashes(roots) || !areHashes(path)) return false;
  const left = subtreesBetween(0, begin).length;
  const right = subtreesBetween(end, size);
  if (path.length !== left + right.length) return false;
  let frontier: Frontier = { size: begin, hashes: path.slice(0, left) };
  for (const hash of roots) frontier = extendBySubtree(frontier, width, hash);
  right.forEach((subtree, i) => {
    frontier = extendBySubtree(frontier, 2 ** subtree.level, path[left + i] as Uint8Array);
  });
  return equalBytes(frontierRoot(frontier), root);
}

/** The largest perfect subtrees that together are the leaves `begin` to `end`−1, left to right. */
function subtreesBetween(begin: number, end: number): { readonly level: number; readonly index: number }[] {
  const subtrees: { level: number; index: number }[] = [];
  for (let at = begin; at < end; ) {
    let level = 0;
    for (let width = 2; at % width === 0 && at + width <= end; width *= 2) level++;
    subtrees.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return subtrees;
}

/** MTH of the leaves `begin` to `end`−1, which are a subtree of the tree. */
export function rootBetween(begin: number, end: number, read: ReadNode): Uint8Array {
  const hashes = subtreesBetween(begin, end).map(({ level, index }) => read(level, index));
  return frontierRoot({ ...emptyFrontier, hashes });
}

/** The largest power of two below `width` (RFC 6962's k). */
export function splitOf(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function isSize(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((hash) => hash.length === HASH_BYTES);
}

function demandOrder(low: number, middle: number, high: number): void {
  if (!Number.isSafeInteger(middle) || !Number.isSafeInteger(high) || middle < low || middle > high)
    throw new RangeError(`${middle} is not from ${low} to ${high}`);
}
