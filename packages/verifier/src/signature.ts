import { type Checkpoint, parseVkey, signatureBy, utf8, vkeyOf } from '@sworn/evidence';

/** Verifies an Ed25519 signature (64 bytes) of a message under a public key (32 bytes): at once, as Node does, or later, as a browser does. */
export type VerifySignature = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>;

/** The first of these public keys that signed a checkpoint under its origin; null: none did. */
export async function signerOf(
  { note, origin }: Checkpoint,
  candidates: readonly Uint8Array[],
  verify: VerifySignature,
): Promise<Uint8Array | null> {
  for (const publicKey of candidates) {
    const signature = signatureBy(note, parseVkey(vkeyOf(origin, publicKey)));
    if (signature !== null && (await verify(publicKey, utf8(note.text), signature))) return publicKey;
  }
  return null;
}

/**
 * Verifies by Web Crypto, as every browser of 2025 and later has it; on pages that came over TLS or from this computer.
 * @throws TypeError where there is no `crypto.subtle`; DOMException `NotSupportedError` where it does not know Ed25519
 */
export const verifyByWebCrypto: VerifySignature = async (publicKey, message, signature) => {
  const key = await crypto.subtle.importKey('raw', own(publicKey), 'Ed25519', false, ['verify']).catch((error) => {
    // 32 bytes that are no point of the curve: nothing was signed by such a key.
    if (error instanceof DOMException && error.name === 'DataError') return null;
    throw error;
  });
  return key !== null && crypto.subtle.verify('Ed25519', key, own(signature), own(message));
};

/** Web Crypto takes no window on memory that is shared. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
