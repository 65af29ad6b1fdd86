import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A row of `data_key`: a working table, no evidence; erasure deletes from it, and leaves name what was there. */
export interface DataKeyRow {
  /** UUID. */
  readonly dk: string;
  /** What the key is for; unique in the tenant (`record/dataKeys.ts`). */
  readonly scope: Uint8Array;
  readonly epoch: number;
  readonly wrapped: Uint8Array;
}

/**
 * Inserts keys for scopes that have none; returns the ids of those that were inserted. A scope that another process takes at
 * this moment is waited for, and left out of the answer: read it in the next statement, which sees it. Rows come in the order of
 * their scopes, so that two processes cannot wait for each other. Unique index (tenant_id, scope).
 */
export async function insertDataKeys(tx: Tx, tenantId: string, rows: readonly DataKeyRow[]): Promise<Set<string>> {
  const sorted = [...rows].sort((a, b) => Buffer.compare(a.scope, b.scope));
  const inserted = await tx.query<{ dk: string }>(sql`
    insert into sworn.data_key (tenant_id, dk, scope, epoch, wrapped, created_at)
    select ${tenantId}::uuid, k.dk, k.scope, k.epoch, k.wrapped, clock_timestamp()
      from unnest(${sorted.map((r) => r.dk)}::uuid[], ${sorted.map((r) => r.scope)}::bytea[], ${sorted.map((r) => r.epoch)}::int[],
        ${sorted.map((r) => r.wrapped)}::bytea[]) with ordinality as k(dk, scope, epoch, wrapped, ordinal)
     order by k.ordinal
        on conflict (tenant_id, scope) do nothing
    returning dk`);
  return new Set(inserted.map((row) => row.dk));
}

/** The keys of `scopes`. Unique index (tenant_id, scope); the lateral keeps it an index lookup before there are statistics. */
export async function readDataKeysByScope(
  tx: Tx,
  tenantId: string,
  scopes: readonly Uint8Array[],
): Promise<DataKeyRow[]> {
  return tx.query<DataKeyRow>(sql`
    select d.dk, d.scope, d.epoch, d.wrapped
      from unnest(${[...scopes]}::bytea[]) as k(scope)
     cross join lateral (
       select dk, scope, epoch, wrapped from sworn.data_key where tenant_id = ${tenantId}::uuid and scope = k.scope limit 1) d`);
}

/** The keys of these ids; one that was erased is not in the answer. Primary key. */
export async function readDataKeysById(tx: Tx, tenantId: string, ids: readonly string[]): Promise<DataKeyRow[]> {
  return tx.query<DataKeyRow>(sql`
    select d.dk, d.scope, d.epoch, d.wrapped
      from unnest(${[...ids]}::uuid[]) as k(dk)
     cross join lateral (
       select dk, scope, epoch, wrapped from sworn.data_key where tenant_id = ${tenantId}::uuid and dk = k.dk limit 1) d`);
}

/** The next keys after `afterDk` (null: from the first) that are not under `epoch`, at most `limit`, by id. Walks the primary key. */
export async function readDataKeysOutside(
  tx: Tx,
  tenantId: string,
  epoch: number,
  afterDk: string | null,
  limit: number,
): Promise<DataKeyRow[]> {
  return tx.query<DataKeyRow>(sql`
    select dk, scope, epoch, wrapped from sworn.data_key
     where tenant_id = ${tenantId}::uuid and dk > coalesce(${afterDk}::uuid, '00000000-0000-0000-0000-000000000000'::uuid) and epoch <> ${epoch}
     order by dk limit ${limit}`);
}

/** Stores keys wrapped anew; a row that was erased or re-wrapped meanwhile is left as it is. Primary key. */
export async function rewrapDataKeys(
  tx: Tx,
  tenantId: string,
  moves: readonly {
    readonly dk: string;
    readonly fromEpoch: number;
    readonly epoch: number;
    readonly wrapped: Uint8Array;
  }[],
): Promise<void> {
  await tx.query(sql`
    update sworn.data_key d set epoch = m.epoch, wrapped = m.wrapped
      from unnest(${moves.map((m) => m.dk)}::uuid[], ${moves.map((m) => m.fromEpoch)}::int[], ${moves.map((m) => m.epoch)}::int[],
        ${moves.map((m) => m.wrapped)}::bytea[]) as m(dk, from_epoch, epoch, wrapped)
     where d.tenant_id = ${tenantId}::uuid and d.dk = m.dk and d.epoch = m.from_epoch`);
}
