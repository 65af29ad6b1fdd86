import type { KeyBounds } from '../access/keyBounds.js';
import type { Tx } from './database.js';
import { sql } from './sql.js';

/** An API key in the directory. No evidence: it counts only if its KEY_CREATED leaf says the same and no KEY_REVOKED leaf stands. */
export interface ApiKeyRow extends KeyBounds {
  readonly keyId: string;
  readonly role: 'ingest' | 'reader' | 'auditor';
  readonly scopes: readonly string[];
  readonly services: readonly string[];
  readonly label: string | null;
  /** HMAC of the secret under the pepper, which is not in the database. */
  readonly secretMac: Uint8Array;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
}

const columns = sql`key_id as "keyId", role, scopes, services, label, secret_mac as "secretMac", created_at as "createdAt",
  expires_at as "expiresAt", revoked_at as "revokedAt", topics, occurred_from as "occurredFrom", occurred_before as "occurredBefore", payloads`;

/** Enters a key, once its leaf is durable. */
export async function insertApiKey(
  tx: Tx,
  tenantId: string,
  key: Omit<ApiKeyRow, 'createdAt' | 'revokedAt'>,
  controlIndex: number,
): Promise<void> {
  await tx.query(sql`
    insert into sworn.api_key (tenant_id, key_id, role, scopes, services, label, secret_mac, created_at, expires_at, control_index,
      topics, occurred_from, occurred_before, payloads)
    values (${tenantId}::uuid, ${key.keyId}::uuid, ${key.role}, ${[...key.scopes]}::text[], ${[...key.services]}::text[], ${key.label},
      ${key.secretMac}, clock_timestamp(), ${key.expiresAt}::timestamptz, ${controlIndex},
      ${key.topics === null ? null : [...key.topics]}::text[], ${key.occurredFrom}::timestamptz, ${key.occurredBefore}::timestamptz, ${key.payloads})`);
}

/** The key with this MAC, or null. Unique index (tenant_id, secret_mac). */
export async function findApiKey(tx: Tx, tenantId: string, secretMac: Uint8Array): Promise<ApiKeyRow | null> {
  const [row] = await tx.query<ApiKeyRow>(sql`
    select ${columns} from sworn.api_key where tenant_id = ${tenantId}::uuid and secret_mac = ${secretMac}`);
  return row ?? null;
}

/** The key of this id, or null. Primary key. */
export async function findApiKeyById(tx: Tx, tenantId: string, keyId: string): Promise<ApiKeyRow | null> {
  const [row] = await tx.query<ApiKeyRow>(sql`
    select ${columns} from sworn.api_key where tenant_id = ${tenantId}::uuid and key_id = ${keyId}::uuid`);
  return row ?? null;
}

/** Keys of a tenant, oldest first. Primary key. */
export async function readApiKeys(tx: Tx, tenantId: string): Promise<ApiKeyRow[]> {
  return tx.query<ApiKeyRow>(sql`
    select ${columns} from sworn.api_key where tenant_id = ${tenantId}::uuid order by created_at, key_id`);
}

/** Keys of a tenant that are neither revoked nor expired at `at` (RFC 3339). Primary key. */
export async function countLivingKeys(tx: Tx, tenantId: string, at: string): Promise<number> {
  const [row] = await tx.query<{ living: number }>(sql`
    select count(*) as living from sworn.api_key
     where tenant_id = ${tenantId}::uuid and revoked_at is null and expires_at > ${at}::timestamptz`);
  return row?.living ?? 0;
}

/** Marks a key as revoked; the KEY_REVOKED leaf is what counts. Returns whether there is such a key. */
export async function markRevoked(tx: Tx, tenantId: string, keyId: string): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    update sworn.api_key set revoked_at = coalesce(revoked_at, clock_timestamp())
     where tenant_id = ${tenantId}::uuid and key_id = ${keyId}::uuid returning 1 as one`);
  return rows.length > 0;
}
