import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A log as the signer sees it: its length, and the newest checkpoint the database holds. */
export interface SignableLog {
  readonly log: string;
  readonly generation: number;
  /** Nothing is appended to it any more; a claim, whoever owns the database can write it. */
  readonly closed: boolean;
  readonly nextIndex: number;
  /** As the head has it; whoever owns the database can write it. */
  readonly root: Uint8Array;
  /** Null: no checkpoint is stored. */
  readonly checkpointSize: number | null;
  readonly checkpointNote: string | null;
}

/** A stored batch authenticator. */
export interface StoredBatch {
  readonly first: number;
  readonly count: number;
  readonly rootBefore: Uint8Array;
  readonly rootAfter: Uint8Array;
  readonly at: string;
  readonly mac: Uint8Array;
}

/** All logs of a tenant with their newest checkpoints. Primary keys of `log_head` and `checkpoint`. */
export async function readSignableLogs(tx: Tx, tenantId: string): Promise<SignableLog[]> {
  return tx.query<SignableLog>(sql`
    select h.log, h.generation, h.closed, h.next_index as "nextIndex", h.root, c.size as "checkpointSize", c.note as "checkpointNote"
      from sworn.log_head h
      left join lateral (
        select size, note from sworn.checkpoint
         where tenant_id = h.tenant_id and log = h.log
         order by size desc limit 1) c on true
     where h.tenant_id = ${tenantId}::uuid
     order by h.log`);
}

/** Batch authenticators with `from` ≤ first index < `below`, in order, at most `limit`. Primary key. */
export async function readBatches(
  tx: Tx,
  tenantId: string,
  log: string,
  { from, below, limit }: { readonly from: number; readonly below: number; readonly limit: number },
): Promise<StoredBatch[]> {
  return tx.query<StoredBatch>(sql`
    select first_index as first, count, root_before as "rootBefore", root_after as "rootAfter", at, mac
      from sworn.batch_authenticator
     where tenant_id = ${tenantId}::uuid and log = ${log} and first_index >= ${from} and first_index < ${below}
     order by first_index limit ${limit}`);
}

/** A signed checkpoint to store. */
export interface CheckpointRow {
  readonly log: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

/** Stores checkpoints; one that is there already stays as it is. `signed_at` is the database's clock. */
export async function insertCheckpoints(tx: Tx, tenantId: string, rows: readonly CheckpointRow[]): Promise<void> {
  await tx.query(sql`
    insert into sworn.checkpoint (tenant_id, log, size, root, note, signed_at)
    select ${tenantId}::uuid, c.log, c.size, c.root, c.note, clock_timestamp()
      from unnest(${rows.map((r) => r.log)}::text[], ${rows.map((r) => r.size)}::bigint[], ${rows.map((r) => r.root)}::bytea[],
        ${rows.map((r) => r.note)}::text[]) as c(log, size, root, note)
        on conflict do nothing`);
}

/**
 * What is off of the settings without which an acknowledged record could be lost: for the server and this session, and what is set aside
 * for roles of ours or this database, which other sessions get. Empty: nothing.
 */
export async function readUndurable(tx: Tx, rolePrefix: string): Promise<string[]> {
  const rows = await tx.query<{ off: string }>(sql`
    select name || ' off' as off from pg_catalog.pg_settings
     where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off'
    union
    select 'synchronous_commit off for ' || coalesce(r.rolname, 'all roles') from pg_catalog.pg_db_role_setting s
      left join pg_catalog.pg_roles r on r.oid = s.setrole
     where (s.setrole = 0 or starts_with(r.rolname, ${`${rolePrefix}_`}))
       and (s.setdatabase = 0 or s.setdatabase = (select oid from pg_catalog.pg_database where datname = current_database()))
       and exists (select from unnest(s.setconfig) as c where lower(c) in ('synchronous_commit=off', 'synchronous_commit=false', 'synchronous_commit=no', 'synchronous_commit=0'))
     order by off`);
  return rows.map((row) => row.off);
}
