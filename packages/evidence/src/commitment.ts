import { utf8 } from './bytes.js';
import { hmacSha256 } from './hmac.js';

/** Values below this share one size class: how short a prompt was is nobody's business. */
const SMALLEST_SIZE_CLASS = 16;

/**
 * `pc`: HMAC-SHA256(salt, "sworn.commit/1" ‖ 00 ‖ path ‖ 00 ‖ value), 32 bytes. Without the salt it says nothing of the value; with it, that it was this one.
 * @param salt 32 bytes, derived from the data key
 * @param path `[a-z0-9_.]{1,64}`, a member of the leaf's `c`; holds no NUL
 */
export function commit(salt: Uint8Array, path: string, value: Uint8Array): Uint8Array {
  return hmacSha256(salt, utf8(`sworn.commit/1\0${path}\0`), value);
}

/** Smallest power of two ≥ `bytes`, at least 16: as much as a leaf says of a value's length. */
export function sizeClass(bytes: number): number {
  let size = SMALLEST_SIZE_CLASS;
  while (size < bytes) size *= 2;
  return size;
}

/** Whether `n` is a size class. */
export function isSizeClass(n: number): boolean {
  return n >= SMALLEST_SIZE_CLASS && sizeClass(n) === n;
}
