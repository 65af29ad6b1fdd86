import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { destroyKeyFile, KeyRefused, privateDirectory, readKey, readOrMakeKey, refuseNested } from './keyFile.js';
import { type HeldSigningKey, heldKey, openSigningKeyFiles, type SigningKeyFiles } from './signingKeyFiles.js';

/** Days a tenant's epoch key lives: a dump of the database opens with stolen keys only until its epoch was destroyed. */
export const EPOCH_DAYS = 30;
const EPOCH_MS = EPOCH_DAYS * 86_400_000;
/** Tenants whose keys are held in memory, so that a process that serves very many stays bounded (about 1 KB each). */
const TENANTS_HELD = 4096;

/** Keys of the deployment that are used by value; one purpose each. */
export interface DeploymentKeys {
  /** Batch authenticators. */
  readonly recorder: Uint8Array;
  /** Pepper of stored API-key MACs. */
  readonly apiKeyPepper: Uint8Array;
  /** Seals page cursors. */
  readonly cursor: Uint8Array;
  /** What the passwords of the database roles are derived from. */
  readonly databaseSecret: Uint8Array;
  /** Vouches for the `control` leaves that Sworn acts on: tenants, API keys, check values, accepted clocks. */
  readonly directory: Uint8Array;
}

/** Keys of one tenant that are used by value; one purpose each, no epochs. */
export interface TenantKeys {
  /** Tokens (`tok_…`). Losing it loses only the link between tokens and people. */
  readonly pseudonym: Uint8Array;
  /** Digests of bytes as sent, and event keys made of them. */
  readonly duplicate: Uint8Array;
  /** Content hashes in answers (`hmac-sha256:`). */
  readonly contentHash: Uint8Array;
}

/** A data key as `data_key` stores it. */
export interface WrappedKey {
  readonly epoch: number;
  /** nonce[12] ‖ ciphertext[32] ‖ tag[16]. */
  readonly wrapped: Uint8Array;
}

/**
 * Everything secret that lives outside the database. Wrapping and signing happen behind it, so that a KMS can hold those keys.
 * Losing it loses bodies, never proofs (INTEGRITY.md, "Bodies, keys, erasure").
 */
export interface KeyStore {
  readonly deployment: DeploymentKeys;
  /** The deployment's newest Ed25519 key for checkpoints. */
  readonly noteSigner: HeldSigningKey;
  /** All keys for checkpoints that are here, and how they rotate. */
  readonly signing: SigningKeyFiles;
  /** Signs the attestations of bundles. Each names it in a leaf of `access`, so a lost one is made anew and older attestations stay what they are. */
  readonly attestation: HeldSigningKey;
  /** Signs bearer links to bundles, which hold for minutes: a lost one is made anew, and ends those that are out. */
  readonly linkKey: Uint8Array;
  /** Makes the keys of a new tenant; harmless when they exist. */
  createTenant(tenantId: string): Promise<void>;
  /** @throws KeyRefused `missing` for a tenant whose keys were never made, or were lost. */
  tenant(tenantId: string): Promise<TenantKeys>;
  /** The epoch of a moment (milliseconds since 1970): days since 1970 divided by 30. */
  epochAt(ms: number): number;
  /** The epoch that `wrap` uses now. */
  currentEpoch(): number;
  /** Wraps data keys (by id, 32 bytes each) under the tenant's key of the current epoch. */
  wrap(tenantId: string, keys: readonly { readonly dk: string; readonly key: Uint8Array }[]): Promise<WrappedKey[]>;
  /** @throws KeyRefused `missing` when the epoch was destroyed, `wrong_key` when row and key do not belong together. */
  unwrap(tenantId: string, dk: string, stored: WrappedKey): Promise<Uint8Array>;
  /** Epochs of a tenant whose keys exist, ascending. */
  epochs(tenantId: string): Promise<number[]>;
  /** Destroys an epoch's key for good. Refuses the current one and later. */
  destroyEpoch(tenantId: string, epoch: number): Promise<void>;
  /**
   * Check values by key name, hex: of the deployment's keys, or of one tenant's. Recorded in `control` when a key is made and
   * compared at start-up, so that a wrong key is refused before it wraps or signs anything.
   */
  checkValues(tenantId: string | null): Promise<Readonly<Record<string, string>>>;
}

/** Where the file key store lives, and what it must not touch. */
export interface KeyStorePlace {
  readonly keyDir: string;
  readonly dataDir: string;
  /** Milliseconds since 1970; decides the epoch. */
  readonly now: () => number;
}

/** Purposes, which are also file names and the names of check values. */
const DEPLOYMENT = {
  recorder: 'recorder',
  apiKeyPepper: 'api_key_pepper',
  cursor: 'cursor',
  databaseSecret: 'database_secret',
  directory: 'directory',
} as const;
const TENANT = { pseudonym: 'pseudonym', duplicate: 'duplicate', contentHash: 'content_hash' } as const;
const EPOCH = 'epoch';

/**
 * Opens the file key store, making the deployment's keys on first use. One file a key, 0600, written whole and fsynced.
 * @throws KeyRefused when the directory lies in the data directory, is open to others, or holds a file that is no key.
 */
export async function openKeyStore(place: KeyStorePlace): Promise<KeyStore> {
  await refuseNested(place.keyDir, place.dataDir);
  await privateDirectory(place.keyDir);
  // Again, now that it exists: a parent may have been a link that led back.
  await refuseNested(place.keyDir, place.dataDir);
  const deploymentDir = join(place.keyDir, 'deployment');
  await privateDirectory(deploymentDir);
  const deployment = await readKeys(DEPLOYMENT, (purpose) =>
    readOrMakeKey(join(deploymentDir, `${purpose}.key`), purpose),
  );
  const attestation = heldKey(await readOrMakeKey(join(deploymentDir, 'attestation.key'), 'attestation'));
  const linkKey = await readOrMakeKey(join(deploymentDir, 'link.key'), 'link');
  return fileKeyStore(place, { deployment, attestation, linkKey, signing: await openSigningKeyFiles(deploymentDir) });
}

function fileKeyStore(
  place: KeyStorePlace,
  { deployment, attestation, linkKey, signing }: Pick<KeyStore, 'deployment' | 'attestation' | 'linkKey' | 'signing'>,
): KeyStore {
  const tenants = new Map<string, TenantKeys>();
  const epochKeys = new Map<string, Uint8Array>();
  const dirOf = (tenantId: string): string => {
    if (!isUuid(tenantId)) throw new Error('not a tenant id');
    return join(place.keyDir, 'tenants', tenantId);
  };
  const epochFile = (tenantId: string, epoch: number): string => join(dirOf(tenantId), 'epochs', `${epoch}.key`);
  const epochAt = (ms: number): number => Math.floor(ms / EPOCH_MS);
  const currentEpoch = (): number => epochAt(place.now());

  async function createTenant(tenantId: string): Promise<void> {
    await privateDirectory(join(place.keyDir, 'tenants'));
    await privateDirectory(dirOf(tenantId));
    await privateDirectory(join(dirOf(tenantId), 'epochs'));
    await readKeys(TENANT, (purpose) => readOrMakeKey(join(dirOf(tenantId), `${purpose}.key`), purpose));
  }

  async function tenant(tenantId: string): Promise<TenantKeys> {
    const held = tenants.get(tenantId);
    if (held !== undefined) return held;
    const keys = await readKeys(TENANT, (purpose) => readExisting(join(dirOf(tenantId), `${purpose}.key`), purpose));
    hold(tenants, tenantId, keys);
    return keys;
  }

  async function epochKey(tenantId: string, epoch: number, make: boolean): Promise<Uint8Array> {
    const name = `${tenantId}/${epoch}`;
    const held = epochKeys.get(name);
    if (held !== undefined) return held;
    const file = epochFile(tenantId, epoch);
    // Only a tenant whose other keys are here gets new epochs: a lost directory is never refilled in silence.
    if (make) await tenant(tenantId);
    const key = make ? await readOrMakeKey(file, EPOCH) : await readExisting(file, EPOCH);
    hold(epochKeys, name, key);
    return key;
  }

  async function destroyEpoch(tenantId: string, epoch: number): Promise<void> {
    if (epoch >= currentEpoch()) throw new Error('the current epoch is not destroyed');
    epochKeys.delete(`${tenantId}/${epoch}`);
    await destroyKeyFile(epochFile(tenantId, epoch));
  }

  return {
    deployment,
    get noteSigner() {
      return signing.newest;
    },
    signing,
    attestation,
    linkKey,
    createTenant,
    tenant,
    epochAt,
    currentEpoch,
    async wrap(tenantId, keys) {
      const epoch = currentEpoch();
      const under = await epochKey(tenantId, epoch, true);
      return keys.map(({ dk, key }) => ({ epoch, wrapped: seal(under, wrapContext(tenantId, dk, epoch), key) }));
    },
    async unwrap(tenantId, dk, stored) {
      const under = await epochKey(tenantId, stored.epoch, false);
      return unseal(under, wrapContext(tenantId, dk, stored.epoch), stored.wrapped);
    },
    async epochs(tenantId) {
      const names = await readdir(join(dirOf(tenantId), 'epochs'));
      return names
        .flatMap((name) => (/^\d{1,9}\.key$/.test(name) ? [Number.parseInt(name, 10)] : []))
        .sort((a, b) => a - b);
    },
    destroyEpoch,
    async checkValues(tenantId) {
      if (tenantId !== null) return checksOf(TENANT, await tenant(tenantId));
      return checksOf(DEPLOYMENT, deployment);
    },
  };
}

/**
 * AES-256-GCM with a random 96-bit nonce. One epoch key wraps one key a trace: 1,000 new traces a second for 30 days are
 * 2^31.3, under NIST SP 800-38D's 2^32 for random nonces.
 */
function seal(under: Uint8Array, context: Uint8Array, key: Uint8Array): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', under, nonce);
  cipher.setAAD(context);
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

function unseal(under: Uint8Array, context: Uint8Array, wrapped: Uint8Array): Uint8Array {
  if (wrapped.length !== 12 + 32 + 16) throw new KeyRefused('wrong_key', 'a wrapped key of the wrong length');
  const decipher = createDecipheriv('aes-256-gcm', under, wrapped.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(context);
  decipher.setAuthTag(wrapped.subarray(44));
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(12, 44)), decipher.final()]);
  } catch {
    throw new KeyRefused('wrong_key', 'a wrapped key does not open under the key of its tenant, id and epoch');
  }
}

/** tenant[16] ‖ dk[16] ‖ epoch[4]: a wrapped key moved to another row does not open. */
function wrapContext(tenantId: string, dk: string, epoch: number): Uint8Array {
  const context = Buffer.alloc(36);
  context.write(tenantId.replaceAll('-', ''), 0, 'hex');
  context.write(dk.replaceAll('-', ''), 16, 'hex');
  context.writeUInt32BE(epoch, 32);
  return context;
}

type Purposes<K extends string> = Readonly<Record<K, string>>;

async function readKeys<K extends string>(
  purposes: Purposes<K>,
  read: (purpose: string) => Promise<Uint8Array>,
): Promise<Record<K, Uint8Array>> {
  const keys = {} as Record<K, Uint8Array>;
  for (const name of Object.keys(purposes) as K[]) keys[name] = await read(purposes[name]);
  return keys;
}

function checksOf<K extends string>(
  purposes: Purposes<K>,
  keys: Readonly<Record<K, Uint8Array>>,
): Record<string, string> {
  const names = Object.keys(purposes) as K[];
  return Object.fromEntries(names.map((name) => [purposes[name], checkValue(purposes[name], keys[name])]));
}

/** HMAC of a constant: says nothing of the key, and differs when the key does. */
function checkValue(purpose: string, key: Uint8Array): string {
  return createHmac('sha256', key).update(`sworn.key-check/1\0${purpose}`).digest('hex');
}

async function readExisting(file: string, purpose: string): Promise<Uint8Array> {
  const key = await readKey(file, purpose);
  if (key === null) throw new KeyRefused('missing', `key file ${file} is not there: lost, destroyed, or never made`);
  return key;
}

/** Keeps the newest `TENANTS_HELD`; a Map remembers the order of insertion. */
function hold<V>(held: Map<string, V>, name: string, value: V): void {
  if (held.size >= TENANTS_HELD) {
    const oldest = held.keys().next();
    if (!oldest.done) held.delete(oldest.value);
  }
  held.set(name, value);
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
