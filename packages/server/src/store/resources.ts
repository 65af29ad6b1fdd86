import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A RESOURCE leaf. */
export interface ResourceLeaf {
  readonly log: string;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** The RESOURCE leaves with these hashes (hex) that are there. Index `resources_hash`, then the primary key of `leaf`. */
export async function readResources(tx: Tx, tenantId: string, hashes: readonly string[]): Promise<ResourceLeaf[]> {
  return tx.query<ResourceLeaf>(sql`
    select l.log, l.leaf_index as index, l.leaf, l.leaf_hash as "leafHash"
      from unnest(${hashes.map((hash) => Buffer.from(hash, 'hex'))}::bytea[]) as asked(leaf_hash)
     cross join lateral (
       select log, leaf_index from sworn.resources
        where tenant_id = ${tenantId}::uuid and leaf_hash = asked.leaf_hash limit 1) r
     cross join lateral (
       select log, leaf_index, leaf, leaf_hash from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = r.log and leaf_index between r.leaf_index and r.leaf_index
        order by leaf_index limit 1) l`);
}

/** Where the RESOURCE record of this leaf hash stands; null: nowhere. Index `resources_hash`. */
export async function findResource(
  tx: Tx,
  tenantId: string,
  leafHash: Uint8Array,
): Promise<{ readonly log: string; readonly index: number } | null> {
  const [row] = await tx.query<{ log: string; index: number }>(sql`
    select log, leaf_index as index from sworn.resources
     where tenant_id = ${tenantId}::uuid and leaf_hash = ${leafHash} limit 1`);
  return row ?? null;
}

/** Place of the last start, deployment or change of configuration of an instance at or before a time, below an index. Index `system_records_change`. */
export async function findLastChange(
  tx: Tx,
  tenantId: string,
  {
    log,
    below,
    instance,
    at,
  }: { readonly log: string; readonly below: number; readonly instance: string; readonly at: string },
): Promise<number | null> {
  const [row] = await tx.query<{ index: number }>(sql`
    select leaf_index as index from sworn.system_records
     where tenant_id = ${tenantId}::uuid and log is not distinct from ${log} and leaf_index < ${below} and instance = ${instance}
       and event_type in ('STARTUP', 'DEPLOY', 'CONFIG_CHANGE') and conflict_of is null and occurred_at <= ${at}::timestamptz
     order by occurred_at desc, leaf_index desc limit 1`);
  return row?.index ?? null;
}
