// RFC 6962 §2.1 word for word, on a hash nobody here wrote. Slow and recursive on purpose: it shares no idea with src/proof.ts.
import { sha256 } from '@noble/hashes/sha2.js';

/** A leaf's bytes: its index in decimal. */
export function entry(index: number): Uint8Array {
  return new TextEncoder().encode(String(index));
}

/** SHA-256(00 ‖ entry). */
export function referenceLeafHash(bytes: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(0, ...bytes));
}

/** MTH(D[n]). */
export function mth(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const k = splitPoint(leaves.length);
  return sha256(Uint8Array.of(1, ...mth(leaves.slice(0, k)), ...mth(leaves.slice(k))));
}

/** PATH(m, D[n]). */
export function path(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = splitPoint(leaves.length);
  return m < k
    ? [...path(m, leaves.slice(0, k)), mth(leaves.slice(k))]
    : [...path(m - k, leaves.slice(k)), mth(leaves.slice(0, k))];
}

/** PROOF(m, D[n]) for 0 < m < n. */
export function proof(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  return subproof(m, leaves, true);
}

function subproof(m: number, leaves: readonly Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [mth(leaves)];
  const k = splitPoint(leaves.length);
  return m <= k
    ? [...subproof(m, leaves.slice(0, k), whole), mth(leaves.slice(k))]
    : [...subproof(m - k, leaves.slice(k), false), mth(leaves.slice(0, k))];
}

/** Largest power of two below n. */
function splitPoint(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1);
}
