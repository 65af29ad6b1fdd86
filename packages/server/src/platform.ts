import { equalBytes, hex, type JsonValue } from '@sworn/evidence';
import { type ProofDeps, readVouched } from './access/directory.js';
import { timestamp } from './access/keys.js';
import type { Tenants } from './access/tenants.js';
import type { LeafDraft } from './record/draft.js';
import { KeyRefused } from './record/keyFile.js';
import type { KeyStore } from './record/keyStore.js';
import { ownLeaf } from './record/ownLeaf.js';
import { readSigningKeys } from './sign/signingKeys.js';
import { hasControl } from './store/control.js';
import { type Database, inTenant } from './store/database.js';

/** What looking after the platform tenant needs of its deployment. */
export interface PlatformDeps {
  readonly db: Database;
  readonly keyStore: KeyStore;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly platformTenant: string;
  readonly tenants: Pick<Tenants, 'create'>;
}

/**
 * Makes the platform tenant on first use; afterwards compares the keys with what its `control` log remembers of them.
 * @throws KeyRefused `wrong_key` when they are others, or when the log does not hold what we wrote of them: nothing may be wrapped,
 * authenticated or signed with them.
 */
export async function keepPlatform({
  db,
  keyStore,
  originOf: origin,
  platformTenant,
  tenants,
}: PlatformDeps): Promise<void> {
  const isThere = await inTenant(db, 'reader', platformTenant, (tx) => hasControl(tx, platformTenant));
  // The tenant's first batch holds the check values too: a log that has any leaf and no check values was tampered with.
  if (!isThere) {
    await tenants.create({ name: 'platform', platformId: platformTenant });
    return;
  }
  const proof: ProofDeps = { directoryKey: keyStore.deployment.directory, originOf: origin };
  const recorded = (kind: string, subject: string) =>
    inTenant(db, 'reader', platformTenant, (tx) => readVouched(proof, tx, platformTenant, kind, subject));
  const held = await keyStore.signing.held();
  const keys = await inTenant(db, 'reader', platformTenant, (tx) => readSigningKeys(proof, tx, platformTenant));
  const signing = keys.at(-1)?.publicKey;
  const same =
    signing !== undefined &&
    held.some(({ publicKey }) => equalBytes(publicKey, signing)) &&
    sameChecks((await recorded('KEYS_CHECK', 'deployment'))?.checks, await keyStore.checkValues(null)) &&
    sameChecks((await recorded('KEYS_CHECK', 'tenant'))?.checks, await keyStore.checkValues(platformTenant));
  if (!same)
    throw new KeyRefused(
      'wrong_key',
      'the key directory holds other keys than this database was made with, or its record of them was changed: restore the right one from your backup',
    );
}

function sameChecks(recorded: JsonValue | undefined, found: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(found);
  return (
    typeof recorded === 'object' &&
    recorded !== null &&
    Object.keys(recorded).length === names.length &&
    names.every((name) => Object.entries(recorded).some(([of, value]) => of === name && value === found[name]))
  );
}

/** What a tenant's `control` says of its keys: which one signs its checkpoints, and the check values of the others. */
export async function keyLeaves(keyStore: KeyStore, tenantId: string, origin: string): Promise<LeafDraft[]> {
  const at = timestamp(Date.now());
  // Read anew: since a rotation began, new tenants start with the next key.
  await keyStore.signing.held();
  const publicKey = hex(keyStore.noteSigner.publicKey);
  const leaf = (kind: string, subject: string, fields: Readonly<Record<string, JsonValue>>) =>
    ownLeaf({
      topic: 'control',
      origin,
      kind,
      identity: [subject],
      occurredAt: at,
      fields,
      vouchedBy: keyStore.deployment.directory,
      projection: { table: 'control_records', kind, subject },
    });
  return [
    leaf('SIGNING_KEY_ADDED', publicKey, { public_key: publicKey, algorithm: 'ed25519', from_size: 0 }),
    leaf('KEYS_CHECK', 'tenant', { checks: await keyStore.checkValues(tenantId) }),
    leaf('KEYS_CHECK', 'deployment', { checks: await keyStore.checkValues(null) }),
  ];
}
