import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { concat, hkdfExpand, hkdfExtract, sha256, utf8 } from '@sworn/evidence';
import type { DataKey } from '../record/body.js';

/** nonce[12] ‖ ciphertext[32] ‖ tag[16]. */
export const WRAPPED_BYTES = 60;
const SHARE = utf8('sworn.kept-share/1\0');
const WRAP = utf8('sworn.kept-wrap/1\0');

/**
 * Wraps the key of a kept bundle under all of these data keys together: once any of them is destroyed, nothing unwraps it.
 * @param context says whose it is; bound in, so that it opens nowhere else
 */
export function wrapFileKey(keys: readonly DataKey[], context: Uint8Array, fileKey: Uint8Array): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey(keys, context), nonce);
  cipher.setAAD(context);
  return Buffer.concat([nonce, cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
}

/** Null: it was not wrapped under these keys for this context. */
export function unwrapFileKey(keys: readonly DataKey[], context: Uint8Array, wrapped: Uint8Array): Uint8Array | null {
  const nonce = wrapped.subarray(0, 12);
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey(keys, context), nonce, { authTagLength: 16 });
  decipher.setAAD(context);
  decipher.setAuthTag(wrapped.subarray(44));
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(12, 44)), decipher.final()]);
  } catch {
    return null;
  }
}

/** HKDF (RFC 5869) over a share of each data key in the order of their ids, none of which can be left out. A share says nothing of its key. */
function wrappingKey(keys: readonly DataKey[], context: Uint8Array): Uint8Array {
  if (keys.length === 0) throw new Error('a key of no data keys would be no secret');
  const sorted = keys.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  // Its digest: it names all of the keys, and goes in once for each of them.
  const of = sha256(context);
  const shares = sorted.map(({ prk }) => hkdfExpand(prk, concat(SHARE, of), 32));
  return hkdfExpand(hkdfExtract(new Uint8Array(32), Buffer.concat(shares)), concat(WRAP, of), 32);
}
