import { createPublicKey, verify } from 'node:crypto';
import type { VerifySignature } from './signature.js';

/** RFC 8410's SubjectPublicKeyInfo of an Ed25519 key, without the key. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Verifies by Node's own OpenSSL. */
export const verifyEd25519: VerifySignature = (publicKey, message, signature) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
    signature,
  );
