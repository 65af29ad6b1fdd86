import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A row of `directory`: a token and its value, encrypted. A working table, no evidence; erasure deletes from it. */
export interface DirectoryRow {
  /** `tok_` and 32 hex digits. */
  readonly token: string;
  /** nonce ‖ ciphertext ‖ tag, under `dk`. */
  readonly value: Uint8Array;
  readonly dk: string;
}

/** Enters tokens that are not there yet; the first value stays. Sorted, so that two processes cannot wait for each other. Primary key. */
export async function insertDirectory(tx: Tx, tenantId: string, rows: readonly DirectoryRow[]): Promise<void> {
  const sorted = [...rows].sort((a, b) => (a.token < b.token ? -1 : 1));
  await tx.query(sql`
    insert into sworn.directory (tenant_id, token, value, dk)
    select ${tenantId}::uuid, * from unnest(${sorted.map((r) => r.token)}::text[], ${sorted.map((r) => r.value)}::bytea[], ${sorted.map((r) => r.dk)}::uuid[])
        on conflict (tenant_id, token) do nothing`);
}

/** The entries of these tokens; one that was erased is not in the answer. Primary key. */
export async function readDirectory(tx: Tx, tenantId: string, tokens: readonly string[]): Promise<DirectoryRow[]> {
  return tx.query<DirectoryRow>(sql`
    select d.token, d.value, d.dk
      from unnest(${[...tokens]}::text[]) as k(token)
     cross join lateral (select token, value, dk from sworn.directory where tenant_id = ${tenantId}::uuid and token = k.token limit 1) d`);
}
