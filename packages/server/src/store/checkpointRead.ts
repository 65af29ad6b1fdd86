import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A log and how many leaves it has, as of one statement. */
export interface LogSize {
  readonly topic: string;
  readonly log: string;
  readonly generation: number;
  readonly size: number;
}

/** A checkpoint as its row has it. No evidence until its note was verified. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  readonly signedAt: string;
}

/** All logs of a tenant with their sizes, newest generation of a topic first. Primary key of `log_head`. */
export async function readLogSizes(tx: Tx, tenantId: string): Promise<LogSize[]> {
  return tx.query<LogSize>(sql`
    select topic, log, generation, next_index as size from sworn.log_head
     where tenant_id = ${tenantId}::uuid order by topic, generation desc`);
}

/** The first stored checkpoint that covers leaf `index`, or null. Primary key of `checkpoint`. */
export async function readCovering(
  tx: Tx,
  tenantId: string,
  log: string,
  index: number,
): Promise<StoredCheckpoint | null> {
  const [row] = await tx.query<StoredCheckpoint>(sql`
    select size, root, note, signed_at as "signedAt" from sworn.checkpoint
     where tenant_id = ${tenantId}::uuid and log = ${log} and size > ${index}
     order by size limit 1`);
  return row ?? null;
}

/** The full tile, or null while it is still filling. Primary key of `tile`. */
export async function readTile(
  tx: Tx,
  tenantId: string,
  log: string,
  level: number,
  index: number,
): Promise<Uint8Array | null> {
  const [row] = await tx.query<{ hashes: Uint8Array }>(sql`
    select hashes from sworn.tile
     where tenant_id = ${tenantId}::uuid and log = ${log} and level = ${level} and tile_index = ${index}`);
  return row?.hashes ?? null;
}

/** Leaf hashes `from` ≤ index < `to` that are there, in order. Primary key of `leaf`. */
export async function readHashes(
  tx: Tx,
  tenantId: string,
  log: string,
  from: number,
  to: number,
): Promise<Uint8Array[]> {
  const rows = await tx.query<{ hash: Uint8Array }>(sql`
    select leaf_hash as hash from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from} and leaf_index < ${to}
     order by leaf_index`);
  return rows.map((row) => row.hash);
}

/** Newest leaf below `size`: its times, for an answer that holds no record of its own. Primary key of `leaf`. */
export async function readNewestTimes(
  tx: Tx,
  tenantId: string,
  log: string,
  size: number,
): Promise<{ readonly occurredAt: string; readonly recordedAt: string } | null> {
  const [row] = await tx.query<{ occurredAt: string; recordedAt: string }>(sql`
    select occurred_at as "occurredAt", recorded_at as "recordedAt" from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index < ${size}
     order by leaf_index desc limit 1`);
  return row ?? null;
}
