import type { Tx } from './database.js';
import { type Sql, sql } from './sql.js';

/** A leaf with the columns beside it, as check V6 holds them against each other. */
export interface StoredLeaf {
  readonly log: string;
  readonly index: number;
  readonly kind: string;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly eventKey: Uint8Array;
  readonly traceId: Uint8Array | null;
  readonly runId: string | null;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly dk: string | null;
  /** Our clock's time of the first checkpoint that covers it; null until one does. */
  readonly coveredAt: string | null;
}

/** The columns of `llm_run_records` that its leaf must agree with, by their names. */
export type RunColumns = Readonly<Record<string, string | number | boolean | Uint8Array | readonly string[] | null>>;

/** A run as one OPENED or RUN leaf has it, with its projection row. */
export interface StoredRun extends StoredLeaf {
  readonly columns: RunColumns;
}

/** What a list of runs asks for. Null: not asked. */
export interface RunFilters {
  readonly runId: string | null;
  readonly traceId: Uint8Array | null;
  readonly conversationId: string | null;
  readonly correlationId: string | null;
  readonly agentId: string | null;
  /** A token. */
  readonly humanActorId: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly tool: string | null;
  readonly service: string | null;
  readonly environment: string | null;
  readonly release: string | null;
  readonly executionStatus: string | null;
  readonly outcome: string | null;
  readonly errorType: string | null;
  readonly policyId: string | null;
  readonly incidentId: string | null;
  readonly hadErrors: boolean | null;
  readonly isSynthetic: boolean | null;
  readonly source: string | null;
  readonly minCostNanoUsd: number | null;
  readonly minDurationUs: number | null;
  readonly occurredAfter: string | null;
  readonly occurredBefore: string | null;
}

/** Which part of one log a page looks at, and in which order. */
export interface RunWindow {
  readonly log: string;
  /** Leaves at and beyond it are not seen. */
  readonly pin: number;
  readonly order: 'place_desc' | 'place_asc' | 'occurred_desc';
  /** Place (index of the OPENED leaf) from which, and below which, runs count. */
  readonly fromPlace: number;
  readonly belowPlace: number;
  /** `occurred_desc`: where the page before ended. */
  readonly after: { readonly occurredAt: string; readonly place: number } | null;
  readonly limit: number;
}

/** The place of a run in a page: what the page's next cursor is made of. */
export interface RunPlace {
  readonly index: number;
  readonly place: number;
  readonly occurredAt: string;
}

/** Rows of `llm_run_records` that one page examines at most (CONTRACT.md §1): about 40 ms. */
const MAX_EXAMINED = 20_000;

/**
 * The newest revision below the pin of each run that matches, in the asked order, at most `limit`.
 * Walks index `llm_run_records_place` (or `…_occurred`) over at most `MAX_EXAMINED` rows.
 */
export async function findRunPlaces(
  tx: Tx,
  tenantId: string,
  filters: RunFilters,
  window: RunWindow,
): Promise<RunPlace[]> {
  const newest =
    window.order === 'occurred_desc'
      ? sql`select distinct on (run_occurred_at, run_index) * from (${examined(tenantId, filters, window)}) e
             order by run_occurred_at desc, run_index desc, revision desc`
      : window.order === 'place_desc'
        ? sql`select distinct on (run_index) * from (${examined(tenantId, filters, window)}) e order by run_index desc, revision desc`
        : sql`select distinct on (run_index) * from (${examined(tenantId, filters, window)}) e order by run_index, revision desc`;
  return tx.query<RunPlace>(sql`
    select leaf_index as index, run_index as place, run_occurred_at as "occurredAt" from (${newest}) r
     where ${conditions(filters)} limit ${window.limit}`);
}

/** How far a page that came back short has looked: null when it saw everything there is. */
export async function findExaminedEnd(
  tx: Tx,
  tenantId: string,
  filters: RunFilters,
  window: RunWindow,
): Promise<RunPlace | null> {
  const rows = await tx.query<RunPlace>(sql`
    select leaf_index as index, run_index as place, run_occurred_at as "occurredAt"
      from (${examined(tenantId, filters, window)}) e
    offset ${MAX_EXAMINED - 1} limit 1`);
  return rows[0] ?? null;
}

/** How many runs match, all of them, below the pin. */
export async function countRuns(tx: Tx, tenantId: string, filters: RunFilters, window: RunWindow): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total
      from (select distinct on (run_index) * from sworn.llm_run_records
             where ${inWindow(tenantId, filters, { ...window, after: null })} order by run_index, revision desc) r
     where ${conditions(filters)}`);
  return row?.total ?? 0;
}

function examined(tenantId: string, filters: RunFilters, window: RunWindow): Sql {
  const order =
    window.order === 'occurred_desc'
      ? sql`run_occurred_at desc, run_index desc, revision desc`
      : window.order === 'place_desc'
        ? sql`run_index desc, revision desc`
        : sql`run_index, revision desc`;
  return sql`select * from sworn.llm_run_records where ${inWindow(tenantId, filters, window)} order by ${order} limit ${MAX_EXAMINED}`;
}

/** What holds for every revision of a run alike, so that it may narrow the rows before the newest is taken. */
function inWindow(tenantId: string, filters: RunFilters, window: RunWindow): Sql {
  const parts: Sql[] = [
    sql`tenant_id = ${tenantId}::uuid and log = ${window.log} and leaf_index < ${window.pin}`,
    sql`run_index >= ${window.fromPlace} and run_index < ${window.belowPlace}`,
  ];
  if (filters.runId !== null) parts.push(sql`run_id = ${filters.runId}`);
  if (filters.traceId !== null) parts.push(sql`trace_id = ${filters.traceId}`);
  if (filters.occurredAfter !== null) parts.push(sql`run_occurred_at >= ${filters.occurredAfter}::timestamptz`);
  if (filters.occurredBefore !== null) parts.push(sql`run_occurred_at < ${filters.occurredBefore}::timestamptz`);
  if (window.after !== null) {
    parts.push(
      sql`(run_occurred_at, run_index) < (${window.after.occurredAt}::timestamptz, ${window.after.place}::bigint)`,
    );
  }
  return sql.join(parts, ' and ');
}

/** What only the newest revision below the pin is asked. */
function conditions(f: RunFilters): Sql {
  const parts: Sql[] = [sql`true`];
  if (f.conversationId !== null) parts.push(sql`conversation_id = ${f.conversationId}`);
  if (f.correlationId !== null) parts.push(sql`correlation_id = ${f.correlationId}`);
  if (f.agentId !== null) parts.push(sql`agent_id = ${f.agentId}`);
  if (f.humanActorId !== null) parts.push(sql`human_actor_id = ${f.humanActorId}`);
  if (f.provider !== null) parts.push(sql`provider = ${f.provider}`);
  if (f.model !== null) parts.push(sql`model = ${f.model}`);
  if (f.tool !== null) parts.push(sql`${f.tool} = any(tools)`);
  if (f.service !== null) parts.push(sql`service = ${f.service}`);
  if (f.environment !== null) parts.push(sql`environment = ${f.environment}`);
  if (f.release !== null) parts.push(sql`release = ${f.release}`);
  if (f.executionStatus !== null) parts.push(sql`execution_status = ${f.executionStatus}`);
  if (f.outcome !== null) parts.push(sql`outcome = ${f.outcome}`);
  if (f.errorType !== null) parts.push(sql`error_type = ${f.errorType}`);
  if (f.policyId !== null) parts.push(sql`${f.policyId} = any(policy_ids)`);
  if (f.incidentId !== null) parts.push(sql`${f.incidentId} = any(incident_ids)`);
  if (f.hadErrors !== null) parts.push(sql`had_errors = ${f.hadErrors}`);
  if (f.isSynthetic !== null) parts.push(sql`is_synthetic = ${f.isSynthetic}`);
  if (f.source !== null) parts.push(sql`source = ${f.source}`);
  if (f.minCostNanoUsd !== null) parts.push(sql`cost_nano_usd >= ${f.minCostNanoUsd}::bigint`);
  if (f.minDurationUs !== null) parts.push(sql`duration_us >= ${f.minDurationUs}::bigint`);
  return sql.join(parts, ' and ');
}

const COLUMN_NAMES = [
  'kind',
  'run_id',
  'revision',
  'run_index',
  'run_occurred_at',
  'trace_id',
  'conversation_id',
  'correlation_id',
  'agent_id',
  'human_actor_id',
  'executor_type',
  'provider',
  'model',
  'tools',
  'service',
  'environment',
  'release',
  'execution_status',
  'outcome',
  'error_type',
  'policy_ids',
  'incident_ids',
  'had_errors',
  'is_synthetic',
  'source',
  'cost_nano_usd',
  'duration_us',
  'started_at',
  'completed_at',
] as const;

type RunRow = Omit<StoredLeaf, 'index'> &
  Readonly<Record<(typeof COLUMN_NAMES)[number], RunColumns[string]>> & { readonly at: number };

/** The leaf and its columns are named apart from the projection's, whose own `kind`, `run_id` and `trace_id` are held against them. */
const runColumns = sql`r.log, r.leaf_index as at, l.kind as "leafKind", l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey",
  l.trace_id as "traceId", l.run_id as "runId", l.occurred_at as "occurredAt", l.recorded_at as "recordedAt", l.dk,
  c.signed_at as "coveredAt", r.kind, r.run_id, r.revision, r.run_index, r.run_occurred_at, r.trace_id, r.conversation_id, r.correlation_id,
  r.agent_id, r.human_actor_id, r.executor_type, r.provider, r.model, r.tools, r.service, r.environment, r.release, r.execution_status,
  r.outcome, r.error_type, r.policy_ids, r.incident_ids, r.had_errors, r.is_synthetic, r.source, r.cost_nano_usd, r.duration_us,
  r.started_at, r.completed_at`;

/** The leaf may be gone (a finding, not an error), so it joins from the left. */
const besideRun = sql`left join sworn.leaf l on l.tenant_id = r.tenant_id and l.log = r.log and l.leaf_index = r.leaf_index
  left join lateral (
    select signed_at from sworn.checkpoint
     where tenant_id = r.tenant_id and log = r.log and size > r.leaf_index
     order by size limit 1) c on true`;

/** A projection row whose leaf is not there. */
export interface LeaflessRun {
  readonly log: string;
  readonly index: number;
  readonly leaf: null;
  readonly columns: RunColumns;
}

/** The runs at these leaves, in their order. Primary keys. */
export async function readRunsAt(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<(StoredRun | LeaflessRun)[]> {
  const rows = await tx.query<RunRow & { readonly leafKind: string }>(sql`
    select ${runColumns}
      from unnest(${[...indexes]}::bigint[]) with ordinality as asked(leaf_index, ordinal)
      join sworn.llm_run_records r on r.tenant_id = ${tenantId}::uuid and r.log = ${log} and r.leaf_index = asked.leaf_index
      ${besideRun}
     order by asked.ordinal`);
  return rows.map(toRun);
}

/** All revisions of one run, OPENED first, in the newest generation that has it. Unique index (tenant_id, log, run_id, revision). */
export async function readRevisions(
  tx: Tx,
  tenantId: string,
  log: string,
  runId: string,
  limit: number,
): Promise<(StoredRun | LeaflessRun)[]> {
  const rows = await tx.query<RunRow & { readonly leafKind: string }>(sql`
    select * from (
      select ${runColumns}
        from sworn.llm_run_records r
        ${besideRun}
       where r.tenant_id = ${tenantId}::uuid and r.log = ${log} and r.run_id = ${runId}
       order by r.revision desc limit ${limit}) newest
     order by revision`);
  return rows.map(toRun);
}

/** First place whose leaf was recorded at or after `time`: `recorded_at` never goes back, so a binary search over the primary key finds it. */
export async function findPlaceOf(tx: Tx, tenantId: string, log: string, size: number, time: string): Promise<number> {
  const [row] = await tx.query<{ place: number }>(sql`
    with recursive search(lo, hi) as (
      select 0::bigint, ${size}::bigint
      union all
      select case when coalesce(m.recorded_at < ${time}::timestamptz, true) then (lo + hi) / 2 + 1 else lo end,
             case when coalesce(m.recorded_at < ${time}::timestamptz, true) then hi else (lo + hi) / 2 end
        from search
        left join sworn.leaf m on m.tenant_id = ${tenantId}::uuid and m.log = ${log} and m.leaf_index = (lo + hi) / 2
       where lo < hi)
    select lo as place from search where lo >= hi limit 1`);
  return row?.place ?? 0;
}

function toRun(row: RunRow & { readonly leafKind: string }): StoredRun | LeaflessRun {
  const columns = Object.fromEntries(COLUMN_NAMES.map((name) => [name, row[name]]));
  if (row.leaf === null) return { log: row.log, index: row.at, leaf: null, columns };
  return {
    log: row.log,
    index: row.at,
    kind: row.leafKind,
    leaf: row.leaf,
    leafHash: row.leafHash,
    eventKey: row.eventKey,
    traceId: row.traceId,
    runId: row.runId,
    occurredAt: row.occurredAt,
    recordedAt: row.recordedAt,
    dk: row.dk,
    coveredAt: row.coveredAt,
    columns,
  };
}
