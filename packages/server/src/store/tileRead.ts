import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Places of one level, or of leaves: `from` ≤ place < `to`. */
export interface Places {
  readonly from: number;
  readonly to: number;
}

/** Full tiles of a level that are there, in order. Primary key of `tile`. */
export async function readTiles(
  tx: Tx,
  tenantId: string,
  log: string,
  { level, from, to }: Places & { readonly level: number },
): Promise<{ readonly index: number; readonly hashes: Uint8Array }[]> {
  return tx.query(sql`
    select tile_index as index, hashes from sworn.tile
     where tenant_id = ${tenantId}::uuid and log = ${log} and level = ${level} and tile_index >= ${from} and tile_index < ${to}
     order by tile_index`);
}

/** Leaf hashes that are there, in order. Primary key of `leaf`. */
export async function readHashes(
  tx: Tx,
  tenantId: string,
  log: string,
  { from, to }: Places,
): Promise<{ readonly index: number; readonly hash: Uint8Array }[]> {
  return tx.query(sql`
    select leaf_index as index, leaf_hash as hash from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from} and leaf_index < ${to}
     order by leaf_index`);
}

/** Bytes of the leaves that are there, in order. Primary key of `leaf`. */
export async function readLeaves(
  tx: Tx,
  tenantId: string,
  log: string,
  { from, to }: Places,
): Promise<{ readonly index: number; readonly leaf: Uint8Array }[]> {
  return tx.query(sql`
    select leaf_index as index, leaf from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from} and leaf_index < ${to}
     order by leaf_index`);
}
