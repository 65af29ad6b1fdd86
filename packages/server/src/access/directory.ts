import { hex } from '@sworn/evidence';
import { ownEventKey } from '../record/ownLeaf.js';
import { type LeafMembers, vouchedMembers } from '../record/vouched.js';
import type { ApiKeyRow } from '../store/apiKey.js';
import { boundFields, type KeyBounds } from './keyBounds.js';
import { hasControlOf, readControlOf } from '../store/control.js';
import type { Tx } from '../store/database.js';
import { readControlLeaf, type TenantRow } from '../store/tenant.js';

// Directory rows are no evidence: whoever owns the database can write them, and leaves with the right hashes too. A row counts only if a
// `control` leaf says the same and carries our own MAC.

/** What holding the directory against its leaves needs. */
export interface ProofDeps {
  /** Not in the database. */
  readonly directoryKey: Uint8Array;
  /** Origin of a log by its stored name. */
  readonly originOf: (tenantId: string, log: string) => string;
}

/** What a KEY_CREATED leaf says of its key; `access/keys.ts` writes it from the same function. */
export function keyFields(
  key: Pick<ApiKeyRow, 'keyId' | 'role' | 'scopes' | 'services' | 'secretMac' | 'expiresAt'> & KeyBounds,
) {
  return {
    key_id: key.keyId,
    role: key.role,
    scopes: [...key.scopes],
    services: [...key.services],
    secret_mac: hex(key.secretMac),
    expires_at: key.expiresAt,
    ...boundFields(key),
  };
}

/** What a TENANT_CREATED leaf says of its tenant. The name stays out: it may be a person's. */
export function tenantFields(tenant: Pick<TenantRow, 'tenantId' | 'synthetic' | 'platform'>) {
  return { tenant_id: tenant.tenantId, synthetic: tenant.synthetic, platform: tenant.platform };
}

/**
 * Whether the key's row is what its KEY_CREATED leaf says, and nothing says that it was revoked.
 *
 * A revocation is looked for in three places (row, leaf by event key, projection by subject) and any one kills the key, vouched for or not:
 * to undo it takes three edits that agree. Who makes all three has changed or taken away a signed leaf, which only a verification of the
 * log finds (checks V4 and V5), not a read of one row.
 */
export async function isKeyProven(deps: ProofDeps, tx: Tx, tenantId: string, row: ApiKeyRow): Promise<boolean> {
  if (row.revokedAt !== null) return false;
  if ((await readControlLeaf(tx, tenantId, ownEventKey('KEY_REVOKED', row.keyId))) !== null) return false;
  if (await hasControlOf(tx, tenantId, 'KEY_REVOKED', row.keyId)) return false;
  return says(await readVouched(deps, tx, tenantId, 'KEY_CREATED', row.keyId), keyFields(row));
}

/** Whether the tenant's row is what its TENANT_CREATED leaf says. */
export async function isTenantProven(deps: ProofDeps, tx: Tx, tenant: TenantRow): Promise<boolean> {
  const { tenantId } = tenant;
  return says(await readVouched(deps, tx, tenantId, 'TENANT_CREATED', tenantId), tenantFields(tenant));
}

/** What the `control` leaf of this kind and identity says; null when there is none that Sworn wrote. */
export async function readVouched(
  { directoryKey, originOf }: ProofDeps,
  tx: Tx,
  tenantId: string,
  kind: string,
  ...identity: readonly string[]
): Promise<LeafMembers | null> {
  const eventKey = ownEventKey(kind, ...identity);
  const stored = await readControlLeaf(tx, tenantId, eventKey);
  if (stored === null) return null;
  return vouchedMembers(directoryKey, { ...stored, origin: originOf(tenantId, stored.log), kind, eventKey });
}

/** A `control` leaf that Sworn wrote. */
export interface VouchedLeaf {
  readonly kind: string;
  readonly members: LeafMembers;
}

/** All `control` leaves of these kinds that Sworn wrote, oldest first, whatever the log's generation. */
export async function readVouchedOf(
  { directoryKey, originOf }: ProofDeps,
  tx: Tx,
  tenantId: string,
  kinds: readonly string[],
): Promise<readonly VouchedLeaf[]> {
  const vouched: VouchedLeaf[] = [];
  for (const { kind, ...stored } of await readControlOf(tx, tenantId, kinds)) {
    const claim = { ...stored, origin: originOf(tenantId, stored.log), kind, eventKey: null };
    const members = vouchedMembers(directoryKey, claim);
    if (members !== null) vouched.push({ kind, members });
  }
  return vouched;
}

function says(members: LeafMembers | null, claimed: Readonly<Record<string, unknown>>): boolean {
  if (members === null) return false;
  return Object.entries(claimed).every(
    ([name, value]) => JSON.stringify(members[name] ?? null) === JSON.stringify(value),
  );
}
