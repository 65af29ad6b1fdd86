import type { Topic } from '@sworn/evidence';
import type { Tx } from './database.js';
import type { StoredConfirmation } from './sinks.js';
import { sql } from './sql.js';

/** A log and how many leaves it has, as of one statement. */
export interface LogSize {
  readonly topic: Topic;
  readonly log: string;
  readonly generation: number;
  readonly size: number;
  /** The largest checkpoint that a sink outside confirmed and that is stored; null: none. No evidence until its MAC was verified. */
  readonly held: StoredConfirmation | null;
}

/** A checkpoint as its row has it. No evidence until its note was verified. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  readonly signedAt: string;
}

interface LogSizeRow extends Omit<LogSize, 'held'> {
  readonly sink: string | null;
  readonly heldSize: number;
  readonly root: Uint8Array;
  readonly mac: Uint8Array;
}

/** All logs of a tenant with their sizes, newest generation of a topic first. Primary keys of `log_head`, `sink_confirmation` and `checkpoint`. */
export async function readLogSizes(tx: Tx, tenantId: string): Promise<LogSize[]> {
  const rows = await tx.query<LogSizeRow>(sql`
    select h.topic, h.log, h.generation, h.next_index as size, k.sink, k.size as "heldSize", k.root, k.mac
      from sworn.log_head h
      left join lateral (
        select s.sink, s.size, s.root, s.mac from sworn.sink_confirmation s
         where s.tenant_id = h.tenant_id and s.log = h.log and s.outside and exists (
           select from sworn.checkpoint c
            where c.tenant_id = h.tenant_id and c.log = h.log and c.size = s.size and c.root = s.root)
         order by s.size desc limit 1) k on true
     where h.tenant_id = ${tenantId}::uuid
     order by h.topic, h.generation desc`);
  return rows.map(({ topic, log, generation, size, sink, heldSize, root, mac }) => ({
    topic,
    log,
    generation,
    size,
    held: sink === null ? null : { sink, size: heldSize, root, outside: true, mac },
  }));
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

/** When the newest record was stored that lies under a checkpoint, of all logs of a tenant; null: none does. Primary keys of `log_head`, `checkpoint` and `leaf`. */
export async function readNewestCovered(tx: Tx, tenantId: string): Promise<string | null> {
  const [row] = await tx.query<{ at: string | null }>(sql`
    select max(l.recorded_at) as at
      from sworn.log_head h
     cross join lateral (
        select c.size from sworn.checkpoint c
         where c.tenant_id = ${tenantId}::uuid and c.log = h.log order by c.size desc limit 1) c
      join sworn.leaf l on l.tenant_id = ${tenantId}::uuid and l.log = h.log and l.leaf_index = c.size - 1
     where h.tenant_id = ${tenantId}::uuid`);
  return row?.at ?? null;
}
