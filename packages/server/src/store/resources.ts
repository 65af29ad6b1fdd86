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
