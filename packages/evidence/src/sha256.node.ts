import { createHash, hash } from 'node:crypto';
import type { Sha256 } from './sha256.js';

/** Parts up to this many bytes are joined and hashed in one call, which is twice as fast as a hash object; a leaf always fits. */
const JOIN_BYTES = 32 * 1024;
const DIGEST_BYTES = 32;
const joined = new Uint8Array(JOIN_BYTES);

/** SHA-256 of the parts, one after another: Node's own. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) {
    if (length + part.length > JOIN_BYTES) return streamed(parts);
    joined.set(part, length);
    length += part.length;
  }
  return fromLatin1(hash('sha256', joined.subarray(0, length), 'latin1'));
}

/** Begins a hash that is fed piece by piece: Node's own. */
export function startSha256(): Sha256 {
  const hash = createHash('sha256');
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => fromLatin1(hash.digest('latin1')),
  };
}

function streamed(parts: readonly Uint8Array[]): Uint8Array {
  const hash = startSha256();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/**
 * The digest whose bytes are the characters. Node answers with a `Buffer` that owns memory outside of the heap, which costs as much as the hash and
 * again when it is collected; an array this small, made here, lies within it.
 */
function fromLatin1(text: string): Uint8Array {
  const digest = new Uint8Array(DIGEST_BYTES);
  for (let i = 0; i < DIGEST_BYTES; i++) digest[i] = text.charCodeAt(i);
  return digest;
}
