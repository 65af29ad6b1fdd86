import { sha256 } from '#sha256';
import { concat } from './bytes.js';

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** Most that HKDF-Expand can give: 255 blocks (RFC 5869 §2.3). */
const MAX_EXPANDED_BYTES = 255 * HASH_BYTES;

/** HMAC-SHA256 (RFC 2104) of the parts, one after another: 32 bytes. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const padded = key.length > BLOCK_BYTES ? sha256(key) : key;
  const inner = new Uint8Array(BLOCK_BYTES);
  const outer = new Uint8Array(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = padded[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  return sha256(outer, sha256(inner, ...parts));
}

/** HKDF-Extract (RFC 5869 §2.2); an empty salt is 32 zero bytes. */
export function hkdfExtract(salt: Uint8Array, ikm: Uint8Array): Uint8Array {
  return hmacSha256(salt.length === 0 ? new Uint8Array(HASH_BYTES) : salt, ikm);
}

/** HKDF-Expand (RFC 5869 §2.3) to `length` bytes, 1 to 8160; anything else is a bug of the caller. */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 1 || length > MAX_EXPANDED_BYTES) throw new RangeError('HKDF length');
  const blocks: Uint8Array[] = [];
  let previous: Uint8Array = new Uint8Array(0);
  for (let counter = 1; (counter - 1) * HASH_BYTES < length; counter++) {
    previous = hmacSha256(prk, previous, info, Uint8Array.of(counter));
    blocks.push(previous);
  }
  return concat(...blocks).slice(0, length);
}
