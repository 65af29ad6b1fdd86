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

/** Checkpoints of a log from the newest down, at most `limit`, all with a smaller size than `below`. Primary key of `checkpoint`. */
export async function readNewestCheckpoints(
  tx: Tx,
  tenantId: string,
  log: string,
  { below, limit }: { readonly below: number; readonly limit: number },
): Promise<StoredCheckpoint[]> {
  return tx.query<StoredCheckpoint>(sql`
    select size, root, note, signed_at as "signedAt" from sworn.checkpoint
     where tenant_id = ${tenantId}::uuid and log = ${log} and size < ${below}
     order by size desc limit ${limit}`);
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
