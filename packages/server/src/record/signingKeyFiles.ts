import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { link, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '@sworn/evidence';
import { destroyKeyFile, KeyRefused, readKey, readOrMakeKey, syncDirectory } from './keyFile.js';

/** Purpose of every file here. */
const SIGNING = 'signing';

/** Signs notes and key hand-overs; the private half stays here. */
export interface HeldSigningKey {
  /** Raw Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/**
 * The signing keys of a deployment. One file, `signing.key`; while a rotation is under way a second one, `signing.next.key`. Which of the two
 * signs a tenant's logs is not said here: the tenant's `control` says it, so a rotation that was cut short leaves nothing undecided.
 */
export interface SigningKeyFiles {
  /** The newest key as it was last read: new tenants begin with it. */
  readonly newest: HeldSigningKey;
  /** The keys whose private halves are here, oldest first, read anew: another process may have begun or ended a rotation. */
  held(): Promise<readonly HeldSigningKey[]>;
  /** The key with this public half; null when it is not here. The files are read only for one that was not seen before. */
  find(publicKey: Uint8Array): Promise<HeldSigningKey | null>;
  /** Makes the next key, or finds the one that an earlier call made. */
  beginRotation(): Promise<{ readonly outgoing: HeldSigningKey; readonly incoming: HeldSigningKey }>;
  /** Puts the next key in the place of the current one, whose private half is destroyed. Harmless when there is no next one. */
  endRotation(): Promise<void>;
}

/** Opens the signing keys in `dir`, making the first one. @throws KeyRefused */
export async function openSigningKeyFiles(dir: string): Promise<SigningKeyFiles> {
  const current = join(dir, 'signing.key');
  const next = join(dir, 'signing.next.key');
  const retired = join(dir, 'signing.retired.key');
  await destroyRetired();
  await readOrMakeKey(current, SIGNING);
  let seen: readonly HeldSigningKey[] = [];

  async function held(): Promise<readonly HeldSigningKey[]> {
    // The next one first: if it takes the current one's place between the two looks, it is seen twice, and not missed.
    const coming = await readKey(next, SIGNING);
    const now = await readKey(current, SIGNING);
    if (now === null) throw new KeyRefused('missing', `key file ${current} is not there: restore it from your backup`);
    seen = (coming === null || coming.equals(now) ? [now] : [now, coming]).map(heldKey);
    return seen;
  }

  /** What a rotation that was killed at its end may have left: another name of the current key, or the old key. */
  async function destroyRetired(): Promise<void> {
    const [left, kept] = await Promise.all([inodeOf(retired), inodeOf(current)]);
    if (left === null) return;
    if (left === kept) await unlink(retired).catch(passIfGone);
    else await destroyKeyFile(retired);
  }

  await held();
  return {
    get newest() {
      const newest = seen.at(-1);
      if (newest === undefined) throw new Error('no signing key was read');
      return newest;
    },
    held,
    async find(publicKey) {
      const among = (keys: readonly HeldSigningKey[]) => keys.find((key) => equalBytes(key.publicKey, publicKey));
      return among(seen) ?? among(await held()) ?? null;
    },
    async beginRotation() {
      const outgoing = heldKey(await readOrMakeKey(current, SIGNING));
      const incoming = heldKey(await readOrMakeKey(next, SIGNING));
      seen = [outgoing, incoming];
      return { outgoing, incoming };
    },
    async endRotation() {
      await destroyRetired();
      if ((await inodeOf(next)) === null) return;
      // The old key gets a second name, and loses the first by a rename: at every moment `signing.key` is a whole key.
      await link(current, retired);
      await rename(next, current).catch(passIfGone);
      await syncDirectory(dir);
      await destroyRetired();
    },
  };
}

/** The key of a seed of 32 bytes. */
export function heldKey(seed: Uint8Array): HeldSigningKey {
  // RFC 8410: PKCS#8 of an Ed25519 seed is this prefix and the 32 bytes.
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const privateKey: KeyObject = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey, sign: (message) => sign(null, message, privateKey) };
}

async function inodeOf(file: string): Promise<bigint | null> {
  try {
    return (await stat(file, { bigint: true })).ino;
  } catch (error) {
    passIfGone(error);
    return null;
  }
}

function passIfGone(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
