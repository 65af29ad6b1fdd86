import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type Checkpoint, Malformed, parseCheckpoint, parseVkey, verifyNote, vkeyOf } from '@sworn/evidence';

/** What a note says, if it is a checkpoint of the log `origin` under this key (raw Ed25519, 32 bytes); else null. */
export function signedCheckpoint(note: string, origin: string, publicKey: Uint8Array): Checkpoint | null {
  try {
    const checkpoint = parseCheckpoint(note);
    const isOurs = verifyNote(checkpoint.note, parseVkey(vkeyOf(origin, publicKey)), (key, message, signature) =>
      verify(null, message, ed25519Key(key), signature),
    );
    return isOurs && checkpoint.origin === origin ? checkpoint : null;
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** A raw 32-byte Ed25519 key as Node's; the prefix is RFC 8410's SubjectPublicKeyInfo. */
export function ed25519Key(raw: Uint8Array): KeyObject {
  return createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]),
    format: 'der',
    type: 'spki',
  });
}
