import type { StoredLeaf } from './runs.js';
import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A STEP or CONFLICT leaf without its body. */
export type StoredStep = StoredLeaf;

/** A STEP or CONFLICT leaf as the order of a run asks for it: a third of a whole row's cost. */
export interface StepLeaf {
  readonly log: string;
  readonly index: number;
  readonly kind: string;
  /** Lower-case hex. */
  readonly traceId: string;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** Which leaves of traces: `from` ≤ index < `below`. */
interface AskedLeaves {
  readonly log: string;
  readonly from: number;
  readonly below: number;
}

/** Leaves of one trace, in leaf order, at most `limit`. Index `leaf_trace`; see `findByEventKey` on `is not distinct from`. */
export async function readSteps(
  tx: Tx,
  tenantId: string,
  asked: AskedLeaves & { readonly traceId: string; readonly limit: number },
): Promise<StepLeaf[]> {
  return tx.query<StepLeaf>(sql`
    select l.log, l.leaf_index as index, l.kind, encode(l.trace_id, 'hex') as "traceId", l.leaf, l.leaf_hash as "leafHash"
      from sworn.leaf l
     where l.tenant_id = ${tenantId}::uuid and l.trace_id = ${bytesOf(asked.traceId)} and l.leaf_index >= ${asked.from}
       and l.leaf_index < ${asked.below} and l.log is not distinct from ${asked.log}::text and l.kind in ('STEP', 'CONFLICT')
     order by l.leaf_index limit ${asked.limit}`);
}

/** The first leaves of each of these traces, at most `limit` of one; within a trace in leaf order. Index `leaf_trace`. */
export async function readFirstSteps(
  tx: Tx,
  tenantId: string,
  asked: Omit<AskedLeaves, 'from'> & { readonly traceIds: readonly string[]; readonly limit: number },
): Promise<StepLeaf[]> {
  return tx.query<StepLeaf>(sql`
    select l.log, l.leaf_index as index, l.kind, encode(l.trace_id, 'hex') as "traceId", l.leaf, l.leaf_hash as "leafHash"
      from unnest(${asked.traceIds.map(bytesOf)}::bytea[]) with ordinality as asked(trace_id, ordinal)
     cross join lateral (
       select log, leaf_index, kind, trace_id, leaf, leaf_hash from sworn.leaf
        where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and leaf_index < ${asked.below}
          and log is not distinct from ${asked.log}::text and kind in ('STEP', 'CONFLICT')
        order by leaf_index limit ${asked.limit}) l
     order by asked.ordinal, l.leaf_index`);
}

/** Whether any of these traces has a step there. Index `leaf_trace`. */
export async function haveSteps(
  tx: Tx,
  tenantId: string,
  asked: AskedLeaves & { readonly traceIds: readonly string[] },
): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    select 1 as one
      from unnest(${asked.traceIds.map(bytesOf)}::bytea[]) as asked(trace_id)
     cross join lateral (
       select 1 from sworn.leaf
        where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and leaf_index >= ${asked.from} and leaf_index < ${asked.below}
          and log is not distinct from ${asked.log}::text and kind = 'STEP'
        limit 1) l
     limit 1`);
  return rows.length > 0;
}

/**
 * The steps at these leaves, in leaf order. Primary key: looked up leaf by leaf, since a join is made, on tables without statistics, by
 * reading all of the log.
 */
export async function readStepsAt(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<StoredStep[]> {
  return tx.query<StoredStep>(sql`
    select l.log, l.leaf_index as index, l.kind, l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey", l.trace_id as "traceId",
           l.run_id as "runId", l.occurred_at as "occurredAt", l.recorded_at as "recordedAt", l.dk
      from unnest(${[...indexes]}::bigint[]) as asked(leaf_index)
     cross join lateral (
       select * from sworn.leaf where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = asked.leaf_index limit 1) l
     order by l.leaf_index`);
}

/** Bodies of these leaves by index; one that is gone is absent. Primary key, as `readStepsAt`. */
export async function readBodies(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const rows = await tx.query<{ index: number; body: Uint8Array }>(sql`
    select l.leaf_index as index, l.body
      from unnest(${[...indexes]}::bigint[]) as asked(leaf_index)
     cross join lateral (
       select leaf_index, body from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = asked.leaf_index limit 1) l
     where l.body is not null`);
  return new Map(rows.map((row) => [row.index, row.body]));
}

/** One leaf with its columns, or null. Primary key. */
export async function readLeafAt(tx: Tx, tenantId: string, log: string, index: number): Promise<StoredLeaf | null> {
  const [row] = await tx.query<StoredLeaf>(sql`
    select l.log, l.leaf_index as index, l.kind, l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey", l.trace_id as "traceId",
           l.run_id as "runId", l.occurred_at as "occurredAt", l.recorded_at as "recordedAt", l.dk
      from sworn.leaf l
     where l.tenant_id = ${tenantId}::uuid and l.log = ${log} and l.leaf_index = ${index}`);
  return row ?? null;
}

function bytesOf(traceId: string): Uint8Array {
  return Buffer.from(traceId, 'hex');
}
