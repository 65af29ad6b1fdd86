import type { StoredLeaf } from './runs.js';
import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A STEP or CONFLICT leaf without its body. */
export type StoredStep = StoredLeaf;

/** Leaves of one trace, `from` ≤ index < `pin`, in leaf order, at most `limit`. Index `leaf_trace`. */
export async function readSteps(
  tx: Tx,
  tenantId: string,
  asked: {
    readonly log: string;
    readonly traceId: Uint8Array;
    readonly from: number;
    readonly pin: number;
    readonly limit: number;
  },
): Promise<StoredStep[]> {
  return tx.query<StoredStep>(sql`
    select l.log, l.leaf_index as index, l.kind, l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey", l.trace_id as "traceId",
           l.run_id as "runId", l.occurred_at as "occurredAt", l.recorded_at as "recordedAt", l.dk
      from sworn.leaf l
     where l.tenant_id = ${tenantId}::uuid and l.trace_id = ${asked.traceId} and l.leaf_index >= ${asked.from}
       and l.leaf_index < ${asked.pin} and l.log = ${asked.log} and l.kind in ('STEP', 'CONFLICT')
     order by l.leaf_index limit ${asked.limit}`);
}

/** Whether the trace has a step at or beyond leaf `from`. Index `leaf_trace`. */
export async function hasStepsBeyond(
  tx: Tx,
  tenantId: string,
  asked: { readonly log: string; readonly traceId: Uint8Array; readonly from: number },
): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    select 1 as one from sworn.leaf l
     where l.tenant_id = ${tenantId}::uuid and l.trace_id = ${asked.traceId} and l.leaf_index >= ${asked.from} and l.log = ${asked.log}
       and l.kind = 'STEP'
     limit 1`);
  return rows.length > 0;
}

/** The steps at these leaves, in leaf order. Primary key. */
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
      join sworn.leaf l on l.tenant_id = ${tenantId}::uuid and l.log = ${log} and l.leaf_index = asked.leaf_index
     order by l.leaf_index`);
}

/** Bytes of the bodies of these leaves, by index. Primary key. */
export async function readBodySizes(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const rows = await tx.query<{ index: number; bytes: number }>(sql`
    select l.leaf_index as index, coalesce(octet_length(l.body), 0) as bytes
      from unnest(${[...indexes]}::bigint[]) as asked(leaf_index)
      join sworn.leaf l on l.tenant_id = ${tenantId}::uuid and l.log = ${log} and l.leaf_index = asked.leaf_index`);
  return new Map(rows.map((row) => [row.index, row.bytes]));
}

/** Bodies of these leaves by index; one that is gone is absent. Primary key. */
export async function readBodies(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const rows = await tx.query<{ index: number; body: Uint8Array }>(sql`
    select l.leaf_index as index, l.body
      from unnest(${[...indexes]}::bigint[]) as asked(leaf_index)
      join sworn.leaf l on l.tenant_id = ${tenantId}::uuid and l.log = ${log} and l.leaf_index = asked.leaf_index
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
