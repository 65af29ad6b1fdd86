import { sha256 } from '#sha256';
import { concat } from './bytes.js';
import { Malformed } from './malformed.js';

/** Bytes of every hash here. */
export const HASH_BYTES = 32;
const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** Hash of a leaf's bytes: SHA-256(00 ‖ leaf) (RFC 6962 §2.1). */
export function leafHash(leaf: Uint8Array): Uint8Array {
  return sha256(LEAF_PREFIX, leaf);
}

/** Hash of a node: SHA-256(01 ‖ left ‖ right) (RFC 6962 §2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE_PREFIX, left, right);
}

/** Root of the empty tree: the hash of nothing. Not to be written to. */
export const EMPTY_ROOT: Uint8Array = sha256();

/**
 * A tree as its compact range: the roots of the perfect subtrees that its size has as binary digits, largest (leftmost) first.
 * All that is needed to append, never more than 53 hashes.
 */
export interface Frontier {
  /** Leaves, an integer from 0 to 2^53−1. */
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

/** The frontier of the empty tree. */
export const emptyFrontier: Frontier = { size: 0, hashes: [] };

/** The frontier after these leaf hashes were appended. One node hash a leaf, on average. */
export function extendFrontier(frontier: Frontier, leafHashes: readonly Uint8Array[]): Frontier {
  const hashes = [...frontier.hashes];
  let { size } = frontier;
  for (const hash of leafHashes) {
    pushSubtree(hashes, size, 1, hash);
    size++;
  }
  return { size, hashes };
}

/** The frontier after a perfect subtree of `width` leaves (a power of two that divides the size) was appended. */
export function extendBySubtree(frontier: Frontier, width: number, root: Uint8Array): Frontier {
  const hashes = [...frontier.hashes];
  pushSubtree(hashes, frontier.size, width, root);
  return { size: frontier.size + width, hashes };
}

/** A new subtree merges with its left neighbour as long as there is one of its own width. */
function pushSubtree(hashes: Uint8Array[], size: number, width: number, root: Uint8Array): void {
  let merged = root;
  // Division, not shifts: a size may be above 2^31.
  for (let digits = size / width; digits % 2 === 1; digits = (digits - 1) / 2)
    merged = nodeHash(hashes.pop() as Uint8Array, merged);
  hashes.push(merged);
}

/** Root of the tree (RFC 6962 MTH). */
export function frontierRoot(frontier: Frontier): Uint8Array {
  const [smallest, ...larger] = frontier.hashes.toReversed();
  return smallest === undefined ? EMPTY_ROOT : larger.reduce((root, left) => nodeHash(left, root), smallest);
}

/** The hashes one after another, 32 bytes each; the size is kept beside them. */
export function encodeFrontier(frontier: Frontier): Uint8Array {
  return concat(...frontier.hashes);
}

/**
 * The frontier of a tree of `size` leaves from its hashes.
 * @throws Malformed `frontier` when `size` is no size or does not ask for this many hashes
 */
export function decodeFrontier(size: number, bytes: Uint8Array): Frontier {
  if (!Number.isSafeInteger(size) || size < 0) throw new Malformed('frontier', `${size} is not a tree size`);
  if (bytes.length !== HASH_BYTES * binaryOnes(size))
    throw new Malformed('frontier', `${bytes.length} bytes for a tree of ${size}`);
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) hashes.push(bytes.slice(at, at + HASH_BYTES));
  return { size, hashes };
}

function binaryOnes(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

/** Root of the tree over these leaf hashes; the hash of nothing for none. */
export function treeHash(leafHashes: readonly Uint8Array[]): Uint8Array {
  return frontierRoot(extendFrontier(emptyFrontier, leafHashes));
}
