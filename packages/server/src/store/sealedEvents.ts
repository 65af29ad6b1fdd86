import type { Tx } from './database.js';
import { type Sql, sql } from './sql.js';

/** A log of topic `audit`, and how far the sealer came in it. */
export interface AuditLog {
  readonly log: string;
  readonly size: number;
  /** Leaves below it were followed. */
  readonly followed: number;
}

/** The tenant's logs of topic `audit`, closed ones too, from the first generation on. */
export async function readAuditLogs(tx: Tx, tenantId: string): Promise<AuditLog[]> {
  return tx.query<AuditLog>(sql`
    select h.log, h.next_index as size, coalesce(c.next_index, 0) as followed
      from sworn.log_head h
      left join sworn.seal_cursor c on c.tenant_id = h.tenant_id and c.log = h.log
     where h.tenant_id = ${tenantId}::uuid and h.topic = 'audit'
     order by h.generation`);
}

/** What may tie an event to a run: that it says so, its hint, its trace. */
export type EventTie = 'RUN' | 'HINT' | 'TRACE';

/** Where an event stands, and by which value it was found. */
export interface FoundEvent {
  readonly value: string;
  readonly index: number;
  readonly occurredAt: string;
}

/** Which events of one log. */
export interface EventWindow {
  readonly log: string;
  /** Events with a leaf index below it. */
  readonly below: number;
  /** Goes on behind this one, of a single value. */
  readonly after: Pick<FoundEvent, 'index' | 'occurredAt'> | null;
  /** Events of each value. */
  readonly each: number;
}

/**
 * Events that a RUN leaf may heed, of each value (run ids; trace ids in hex) at most `each`, in the order of time: of a category, a policy or an
 * incident, and no copy that contradicts another. Indexes `audit_ledger_run_time`, `…_hinted_run` and `…_trace`, a range of each value.
 */
export async function findEvents(
  tx: Tx,
  tenantId: string,
  { tie, values }: { readonly tie: EventTie; readonly values: readonly string[] },
  { log, below, after, each }: EventWindow,
): Promise<FoundEvent[]> {
  const asked =
    tie === 'TRACE' ? sql`${values.map((id) => Buffer.from(id, 'hex'))}::bytea[]` : sql`${[...values]}::text[]`;
  const value = tie === 'TRACE' ? sql`encode(asked.value, 'hex')` : sql`asked.value`;
  const behind =
    after === null
      ? sql`true`
      : sql`(occurred_at, leaf_index) > (${after.occurredAt}::timestamptz, ${after.index}::bigint)`;
  return tx.query<FoundEvent>(sql`
    select ${value} as value, e.leaf_index as index, e.occurred_at as "occurredAt"
      from unnest(${asked}) as asked(value)
     cross join lateral (
       select leaf_index, occurred_at from sworn.audit_ledger
        where tenant_id = ${tenantId}::uuid and ${TIED_BY[tie]} and log is not distinct from ${log}::text and leaf_index < ${below}::bigint
          and conflict_of is null and (category is not null or policy_id is not null or incident_id is not null) and ${behind}
        order by occurred_at, leaf_index limit ${each}) e`);
}

const TIED_BY: Readonly<Record<EventTie, Sql>> = {
  RUN: sql`run_id = asked.value`,
  HINT: sql`hinted_run = asked.value and run_id is null`,
  TRACE: sql`trace_id = asked.value and run_id is null`,
};

/** Which of these steps, by event key (hex), came with a leaf index below `below`. Unique index (tenant_id, log, event_key). */
export async function readCome(
  tx: Tx,
  tenantId: string,
  log: string,
  { keys, below }: { readonly keys: readonly string[]; readonly below: number },
): Promise<Set<string>> {
  const rows = await tx.query<{ key: string }>(sql`
    select encode(asked.event_key, 'hex') as key
      from unnest(${keys.map((key) => Buffer.from(key, 'hex'))}::bytea[]) as asked(event_key)
     cross join lateral (
       select leaf_index from sworn.leaf
        where tenant_id = ${tenantId}::uuid and event_key = asked.event_key and log is not distinct from ${log}::text
        limit 1) l
     where l.leaf_index < ${below}`);
  return new Set(rows.map((row) => row.key));
}
