import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A leaf of `llm-runs` as the sealer follows it. */
export interface FollowedLeaf {
  readonly index: number;
  readonly kind: string;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly traceId: Uint8Array | null;
  readonly recordedAt: string;
}

const leafColumns = sql`l.leaf_index as index, l.kind, l.leaf, l.leaf_hash as "leafHash", l.trace_id as "traceId", l.recorded_at as "recordedAt"`;

/** The open log of each topic and how many leaves it has. */
export async function readOpenSizes(
  tx: Tx,
  tenantId: string,
): Promise<ReadonlyMap<string, { readonly log: string; readonly size: number }>> {
  const rows = await tx.query<{ topic: string; log: string; size: number }>(sql`
    select topic, log, next_index as size from sworn.log_head where tenant_id = ${tenantId}::uuid and not closed`);
  return new Map(rows.map((r) => [r.topic, { log: r.log, size: r.size }]));
}

/** Where the sealer goes on in `log`; 0 when it never looked. */
export async function readCursor(tx: Tx, tenantId: string, log: string): Promise<number> {
  const [row] = await tx.query<{ next: number }>(sql`
    select next_index as next from sworn.seal_cursor where tenant_id = ${tenantId}::uuid and log = ${log}`);
  return row?.next ?? 0;
}

/** Leaves from `from` on, in order, at most `limit`. Primary key of `leaf`. */
export async function readLeavesFrom(
  tx: Tx,
  tenantId: string,
  log: string,
  from: number,
  limit: number,
): Promise<FollowedLeaf[]> {
  return tx.query<FollowedLeaf>(sql`
    select ${leafColumns}
      from sworn.leaf l
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from}
     order by leaf_index limit ${limit}`);
}

/** Steps of one trace with `from` ≤ leaf index < `below`, in order, at most `limit`. Index `leaf_trace`; see `findByEventKey` on `is not distinct from`. */
export async function readTraceLeaves(
  tx: Tx,
  tenantId: string,
  log: string,
  traceId: string,
  { from, below, limit }: { readonly from: number; readonly below: number; readonly limit: number },
): Promise<FollowedLeaf[]> {
  return tx.query<FollowedLeaf>(sql`
    select ${leafColumns}
      from sworn.leaf l
     where tenant_id = ${tenantId}::uuid and trace_id = decode(${traceId}, 'hex') and leaf_index >= ${from} and leaf_index < ${below}
       and log is not distinct from ${log}::text and kind in ('STEP', 'CONFLICT')
     order by leaf_index limit ${limit}`);
}

/** The first steps of each of many traces, at most `limit` each, below a leaf index; trace by trace, in leaf order. Index `leaf_trace`. */
export async function readTracesBegun(
  tx: Tx,
  tenantId: string,
  log: string,
  { traceIds, below, limit }: { readonly traceIds: readonly string[]; readonly below: number; readonly limit: number },
): Promise<FollowedLeaf[]> {
  return tx.query<FollowedLeaf>(sql`
    select ${leafColumns}
      from unnest(${traceIds.map((id) => Buffer.from(id, 'hex'))}::bytea[]) as asked(trace_id)
     cross join lateral (
       select leaf_index, kind, leaf, leaf_hash, trace_id, recorded_at
         from sworn.leaf
        where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and leaf_index < ${below}
          and log is not distinct from ${log}::text and kind in ('STEP', 'CONFLICT')
        order by leaf_index limit ${limit}) l`);
}

/** Leaf indexes of the steps of one trace and of what contradicts them, `from` ≤ index < `below`, in order, at most `limit`. Index `leaf_trace`. */
export async function readTraceIndexes(
  tx: Tx,
  tenantId: string,
  log: string,
  traceId: string,
  { from, below, limit }: { readonly from: number; readonly below: number; readonly limit: number },
): Promise<number[]> {
  const rows = await tx.query<{ index: number }>(sql`
    select leaf_index as index
      from sworn.leaf
     where tenant_id = ${tenantId}::uuid and trace_id = decode(${traceId}, 'hex') and leaf_index >= ${from} and leaf_index < ${below}
       and log is not distinct from ${log}::text and kind in ('STEP', 'CONFLICT')
     order by leaf_index limit ${limit}`);
  return rows.map((row) => row.index);
}

/** The leaves at these indexes, in order. Primary key. */
export async function readLeavesAt(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<FollowedLeaf[]> {
  return tx.query<FollowedLeaf>(sql`
    select ${leafColumns}
      from unnest(${[...indexes]}::bigint[]) as asked(leaf_index)
     cross join lateral (
       select leaf_index, kind, leaf, leaf_hash, trace_id, recorded_at from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index between asked.leaf_index and asked.leaf_index
        order by leaf_index limit 1) l
     order by l.leaf_index`);
}

/** A run that was opened before: its newest revision and that revision's leaf. */
export interface KnownRun {
  readonly runId: string;
  /** Of its OPENED leaf, lower-case hex. */
  readonly traceId: string;
  readonly revision: number;
  readonly runIndex: number;
  readonly runOccurredAt: string;
  /** Leaf index of the newest revision. */
  readonly index: number;
  readonly leaf: Uint8Array;
}

/**
 * The newest revision of each of `runIds` that was opened before. Unique index (tenant_id, log, run_id, revision), and the primary key of `leaf`:
 * by a range of one in its order, which no other index has.
 */
export async function findRuns(tx: Tx, tenantId: string, log: string, runIds: readonly string[]): Promise<KnownRun[]> {
  return tx.query<KnownRun>(sql`
    select r.run_id as "runId", encode(r.trace_id, 'hex') as "traceId", r.revision, r.run_index as "runIndex",
           r.run_occurred_at as "runOccurredAt", r.leaf_index as index, l.leaf
      from unnest(${[...runIds]}::text[]) as asked(run_id)
     cross join lateral (
       select * from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and log = ${log} and run_id = asked.run_id
        order by revision desc limit 1) r
     cross join lateral (
       select leaf from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index between r.leaf_index and r.leaf_index
        order by leaf_index limit 1) l`);
}

/** What new steps say of a run that is open, or opens again. */
export interface RunActivity {
  readonly runId: string;
  /** The trace that opened it, lower-case hex. */
  readonly traceId: string;
  readonly openedIndex: number;
  readonly runOccurredAt: string;
  /** Newest sealed revision, 0 when none. */
  readonly revision: number;
  readonly steps: number;
  readonly lastIndex: number;
  /** Place, in all logs of `audit` one after another, of the newest event that may be about it; -1: none is new. */
  readonly lastEvent: number;
  readonly lastSeenAt: string;
  /** Only a foreign key has sent something: a run that is open waits no longer for it. */
  readonly isForeign: boolean;
  /** `recorded_at` of the root step; null while none came. */
  readonly rootSeenAt: string | null;
  /** Milliseconds of quiet until it is sealed: with a root, and without one. */
  readonly graceMs: number;
  readonly idleMs: number;
}

/**
 * Notes the activity of runs of `log` and moves the cursor of the log that told of it (`of`), in one transaction, so that a crash loses neither or both.
 * @returns false when another process moved the cursor first, or the log of the runs was closed: nothing was written.
 */
export async function noteActivity(
  tx: Tx,
  tenantId: string,
  log: string,
  cursor: { readonly of: string; readonly from: number; readonly to: number },
  runs: readonly RunActivity[],
): Promise<boolean> {
  const moved = await tx.query<{ one: number }>(sql`
    insert into sworn.seal_cursor (tenant_id, log, next_index)
    select tenant_id, ${cursor.of}::text, ${cursor.to}::bigint from sworn.log_head
     where tenant_id = ${tenantId}::uuid and log = ${log} and not closed
        on conflict (tenant_id, log) do update set next_index = excluded.next_index
        where sworn.seal_cursor.next_index = ${cursor.from}
    returning 1 as one`);
  if (moved.length === 0) return false;
  await openRuns(tx, tenantId, runs);
  return true;
}

/** Opens runs, again or for the first time, or says of open ones what is new. Primary key of `open_run`. */
export async function openRuns(tx: Tx, tenantId: string, runs: readonly RunActivity[]): Promise<void> {
  if (runs.length === 0) return;
  const still = runs.filter((r) => r.isForeign).map((r) => r.runId);
  await tx.query(sql`
    insert into sworn.open_run as o (tenant_id, run_id, trace_id, opened_index, run_occurred_at, revision, steps, last_index, last_event, last_seen_at, root_seen_at, grace_ms, idle_ms, due_at)
    select ${tenantId}::uuid, r.run_id, decode(r.trace_id, 'hex'), r.opened_index, r.run_occurred_at, r.revision, r.steps, r.last_index, r.last_event, r.last_seen_at, r.root_seen_at, r.grace_ms, r.idle_ms,
           r.last_seen_at + (case when r.root_seen_at is null then r.idle_ms else r.grace_ms end) * interval '1 millisecond'
      from unnest(${runs.map((r) => r.runId)}::text[], ${runs.map((r) => r.traceId)}::text[], ${runs.map((r) => r.openedIndex)}::bigint[],
        ${runs.map((r) => r.runOccurredAt)}::timestamptz[], ${runs.map((r) => r.revision)}::int[], ${runs.map((r) => r.steps)}::bigint[],
        ${runs.map((r) => r.lastIndex)}::bigint[], ${runs.map((r) => r.lastEvent)}::bigint[], ${runs.map((r) => r.lastSeenAt)}::timestamptz[], ${runs.map((r) => r.rootSeenAt)}::timestamptz[],
        ${runs.map((r) => r.graceMs)}::int[], ${runs.map((r) => r.idleMs)}::int[])
        as r(run_id, trace_id, opened_index, run_occurred_at, revision, steps, last_index, last_event, last_seen_at, root_seen_at, grace_ms, idle_ms)
        on conflict (tenant_id, run_id) do update
       set steps = o.steps + excluded.steps, last_index = greatest(o.last_index, excluded.last_index),
           last_event = greatest(o.last_event, excluded.last_event),
           last_seen_at = case when o.run_id = any(${still}::text[]) then o.last_seen_at else greatest(o.last_seen_at, excluded.last_seen_at) end,
           root_seen_at = coalesce(o.root_seen_at, excluded.root_seen_at), grace_ms = excluded.grace_ms, idle_ms = excluded.idle_ms,
           due_at = case when o.run_id = any(${still}::text[]) then o.due_at else greatest(o.last_seen_at, excluded.last_seen_at)
             + (case when coalesce(o.root_seen_at, excluded.root_seen_at) is null then excluded.idle_ms else excluded.grace_ms end) * interval '1 millisecond' end`);
}

/** A run whose time to be sealed has come. */
export interface DueRun {
  readonly runId: string;
  /** The trace that opened it, lower-case hex. */
  readonly traceId: string;
  readonly openedIndex: number;
  readonly runOccurredAt: string;
  readonly lastIndex: number;
  /** As of `RunActivity`. */
  readonly lastEvent: number;
}

/** Runs that were due at `asOf`, null: by the database's clock now; longest due first, at most `limit`. Index (tenant_id, due_at). */
export async function readDueRuns(tx: Tx, tenantId: string, asOf: string | null, limit: number): Promise<DueRun[]> {
  return tx.query<DueRun>(sql`
    select run_id as "runId", encode(trace_id, 'hex') as "traceId", opened_index as "openedIndex", run_occurred_at as "runOccurredAt",
           last_index as "lastIndex", last_event as "lastEvent"
      from sworn.open_run
     where tenant_id = ${tenantId}::uuid and due_at <= coalesce(${asOf}::timestamptz, clock_timestamp())
     order by due_at limit ${limit}`);
}

/** A run that was sealed with all of its steps below a leaf index, and all of its events below a place in the logs of `audit`. */
export interface CoveredRun {
  readonly runId: string;
  readonly below: number;
  readonly eventsBelow: number;
}

/** Forgets sealed runs, unless something newer than what was sealed came since. Primary key of `open_run`. */
export async function closeRuns(tx: Tx, tenantId: string, runs: readonly CoveredRun[]): Promise<void> {
  if (runs.length === 0) return;
  await tx.query(sql`
    delete from sworn.open_run o
     using unnest(${runs.map((r) => r.runId)}::text[], ${runs.map((r) => r.below)}::bigint[], ${runs.map((r) => r.eventsBelow)}::bigint[])
           as c(run_id, below, events_below)
     where o.tenant_id = ${tenantId}::uuid and o.run_id = c.run_id and o.last_index < c.below and o.last_event < c.events_below`);
}

/** Makes runs due again in `forMs`. Primary key of `open_run`. */
export async function putOffRuns(tx: Tx, tenantId: string, runIds: readonly string[], forMs: number): Promise<void> {
  if (runIds.length === 0) return;
  await tx.query(sql`
    update sworn.open_run set due_at = clock_timestamp() + ${forMs}::int * interval '1 millisecond'
     where tenant_id = ${tenantId}::uuid and run_id = any(${[...runIds]}::text[])`);
}

/** That a run is of a conversation of one service (null: of none that was named), and when it started. */
export interface Spoken {
  readonly conversationId: string;
  readonly service: string | null;
  readonly startedAt: string;
}

/**
 * The newest waiting revisions of a conversation that are looked at when runs of it were sealed: twice as many as are sealed together, each of which
 * may wait for the next.
 */
const MAX_WAITING = 1_024;

/** Runs whose newest revision waits for somebody, and that started before one of these of the same conversation. Index `llm_run_records_waiting`. */
export async function readWaitingRuns(
  tx: Tx,
  tenantId: string,
  log: string,
  spoken: readonly Spoken[],
): Promise<Omit<KnownRun, 'index' | 'leaf'>[]> {
  return tx.query<Omit<KnownRun, 'index' | 'leaf'>>(sql`
    select w.run_id as "runId", encode(w.trace_id, 'hex') as "traceId", w.revision, w.run_index as "runIndex", w.run_occurred_at as "runOccurredAt"
      from (
       select conversation_id, service, max(started_at) as latest
         from unnest(${spoken.map((s) => s.conversationId)}::text[], ${spoken.map((s) => s.service)}::text[], ${spoken.map((s) => s.startedAt)}::timestamptz[])
           as said(conversation_id, service, started_at)
        group by conversation_id, service) asked
     cross join lateral (
       select * from sworn.llm_run_records r
        where r.tenant_id = ${tenantId}::uuid and r.conversation_id = asked.conversation_id and r.waiting_for is not null
          and r.log is not distinct from ${log}::text and r.service is not distinct from asked.service
        order by r.run_index desc limit ${MAX_WAITING}) w
     where w.started_at < asked.latest and not exists (
       select from sworn.llm_run_records n
        where n.tenant_id = ${tenantId}::uuid and n.log = ${log} and n.run_id = w.run_id and n.revision = w.revision + 1)`);
}

/** Runs of its conversation, on either side of a run in the order of the log, among which the one that resumed it is looked for. */
const MAX_NEIGHBOURS = 64;

/**
 * The sealed run of the conversation that started first after `startedAt`, other than `runId`: its id and the leaf of its newest revision.
 * Null while there is none. Index `llm_run_records_conversation`.
 */
export async function readNextRun(
  tx: Tx,
  tenantId: string,
  log: string,
  of: Spoken & { readonly runId: string; readonly runIndex: number },
): Promise<{ readonly runId: string; readonly leaf: Uint8Array } | null> {
  const candidate = sql`r.tenant_id = ${tenantId}::uuid and r.conversation_id = ${of.conversationId}
          and r.log is not distinct from ${log}::text and r.kind = 'RUN' and r.run_id <> ${of.runId} and not exists (
            select from sworn.llm_run_records l
             where l.tenant_id = ${tenantId}::uuid and l.log = ${log} and l.run_id = r.run_id and l.revision = r.revision + 1)`;
  const [next] = await tx.query<{ runId: string; leaf: Uint8Array }>(sql`
    select n.run_id as "runId", l.leaf
      from (
       (select * from sworn.llm_run_records r where ${candidate} and r.run_index > ${of.runIndex} order by r.run_index limit ${MAX_NEIGHBOURS})
       union all
       (select * from sworn.llm_run_records r where ${candidate} and r.run_index < ${of.runIndex} order by r.run_index desc limit ${MAX_NEIGHBOURS})) n
      join sworn.leaf l on l.tenant_id = n.tenant_id and l.log = n.log and l.leaf_index = n.leaf_index
     where n.service is not distinct from ${of.service}::text and n.started_at > ${of.startedAt}::timestamptz
     order by n.started_at, n.run_id limit 1`);
  return next ?? null;
}
