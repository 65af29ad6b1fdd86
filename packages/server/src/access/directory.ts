import { decodeLeaf, equalBytes, hex, leafHash } from '@sworn/evidence';
import { ownEventKey } from '../record/ownLeaf.js';
import type { ApiKeyRow } from '../store/apiKey.js';
import type { Tx } from '../store/database.js';
import { readControlLeaf, type TenantRow } from '../store/tenant.js';

// Directory rows are no evidence: whoever owns the database can write them. One counts only if its `control` leaf says the same.

/** What a KEY_CREATED leaf says of its key; `access/keys.ts` writes it from the same function. */
export function keyFields(key: Pick<ApiKeyRow, 'keyId' | 'role' | 'scopes' | 'services' | 'secretMac' | 'expiresAt'>) {
  return {
    key_id: key.keyId,
    role: key.role,
    scopes: [...key.scopes],
    services: [...key.services],
    secret_mac: hex(key.secretMac),
    expires_at: key.expiresAt,
  };
}

/** What a TENANT_CREATED leaf says of its tenant. The name stays out: it may be a person's. */
export function tenantFields(tenant: Pick<TenantRow, 'synthetic' | 'platform'>) {
  return { synthetic: tenant.synthetic, platform: tenant.platform };
}

/** Whether the key's row is what its KEY_CREATED leaf says, and no KEY_REVOKED leaf stands. */
export async function isKeyProven(tx: Tx, tenantId: string, row: ApiKeyRow): Promise<boolean> {
  if ((await readControlLeaf(tx, tenantId, ownEventKey('KEY_REVOKED', row.keyId))) !== null) return false;
  return says(tx, tenantId, { kind: 'KEY_CREATED', identity: [row.keyId], fields: keyFields(row) });
}

/** Whether the tenant's row is what its TENANT_CREATED leaf says. */
export async function isTenantProven(tx: Tx, tenant: TenantRow): Promise<boolean> {
  return says(tx, tenant.tenantId, {
    kind: 'TENANT_CREATED',
    identity: [tenant.tenantId],
    fields: tenantFields(tenant),
  });
}

interface Claimed {
  readonly kind: string;
  readonly identity: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

async function says(tx: Tx, tenantId: string, claimed: Claimed): Promise<boolean> {
  const stored = await readControlLeaf(tx, tenantId, ownEventKey(claimed.kind, ...claimed.identity));
  if (stored === null || !equalBytes(leafHash(stored.leaf), stored.leafHash)) return false;
  const leaf = decodeLeaf(stored.leaf);
  if (leaf.kind !== claimed.kind || leaf.by !== 'sworn') return false;
  return Object.entries(claimed.fields).every(
    ([name, value]) => JSON.stringify(leaf.fields[name]) === JSON.stringify(value),
  );
}
