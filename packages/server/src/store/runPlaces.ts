import type { Tx } from './database.js';
import { type Sql, sql } from './sql.js';

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
 * The newest revision below the pin of each run that matches, in the asked order, at most `limit`. Examines at most `MAX_EXAMINED` rows, by
 * the index of the filter in `ledBy` if there is one, else by `llm_run_records_place` or `…_occurred`.
 */
export async function findRunPlaces(
  tx: Tx,
  tenantId: string,
  filters: RunFilters,
  window: RunWindow,
): Promise<RunPlace[]> {
  return tx.query<RunPlace>(sql`
    select r.leaf_index as index, r.run_index as place, r.run_occurred_at as "occurredAt"
      from (select distinct on (${placeOf(window)}) * from (${examined(tenantId, filters, window)}) e order by ${orderOf(window)}) r
     where ${conditions(filters)} and ${isNewest(tenantId, filters, window)}
     limit ${window.limit}`);
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

/** How many runs match, all of them, below the pin. Bounded by the reader's statement timeout alone. */
export async function countRuns(tx: Tx, tenantId: string, filters: RunFilters, window: RunWindow): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total
      from (select distinct on (run_index) * from sworn.llm_run_records
             where ${inWindow(tenantId, filters, { ...window, after: null })} order by run_index, revision desc) r
     where ${conditions(filters)} and ${isNewest(tenantId, filters, window)}`);
  return row?.total ?? 0;
}

function examined(tenantId: string, filters: RunFilters, window: RunWindow): Sql {
  return sql`select * from sworn.llm_run_records where ${inWindow(tenantId, filters, window)} order by ${orderOf(window)} limit ${MAX_EXAMINED}`;
}

function placeOf({ order }: RunWindow): Sql {
  return order === 'occurred_desc' ? sql`run_occurred_at, run_index` : sql`run_index`;
}

function orderOf({ order }: RunWindow): Sql {
  switch (order) {
    case 'occurred_desc':
      return sql`run_occurred_at desc, run_index desc, revision desc`;
    case 'place_desc':
      return sql`run_index desc, revision desc`;
    case 'place_asc':
      return sql`run_index, revision desc`;
    default:
      return order satisfies never;
  }
}

/** The rows a page examines: what holds for every revision of a run alike, and the one filter whose index leads. */
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
  const led = ledBy(filters);
  if (led !== null) parts.push(led);
  return sql.join(parts, ' and ');
}

/**
 * The asked filter that is likely the most selective and has an index (tenant_id, column, run_index). One only: the rows of two could be
 * searched without end for one that has both.
 */
function ledBy(f: RunFilters): Sql | null {
  if (f.conversationId !== null) return sql`conversation_id = ${f.conversationId}`;
  if (f.correlationId !== null) return sql`correlation_id = ${f.correlationId}`;
  if (f.humanActorId !== null) return sql`human_actor_id = ${f.humanActorId}`;
  if (f.errorType !== null) return sql`error_type = ${f.errorType}`;
  if (f.agentId !== null) return sql`agent_id = ${f.agentId}`;
  if (f.release !== null) return sql`release = ${f.release}`;
  if (f.model !== null) return sql`model = ${f.model}`;
  if (f.service !== null) return sql`service = ${f.service}`;
  if (f.provider !== null) return sql`provider = ${f.provider}`;
  if (f.outcome !== null) return sql`outcome = ${f.outcome}`;
  if (f.executionStatus !== null) return sql`execution_status = ${f.executionStatus}`;
  if (f.environment !== null) return sql`environment = ${f.environment}`;
  if (f.source !== null) return sql`source = ${f.source}`;
  return null;
}

/** Under a leading filter the newest row that matches need not be the newest of its run. Unique index (tenant_id, log, run_id, revision). */
function isNewest(tenantId: string, filters: RunFilters, window: RunWindow): Sql {
  if (ledBy(filters) === null) return sql`true`;
  return sql`not exists (
    select from sworn.llm_run_records n
     where n.tenant_id = ${tenantId}::uuid and n.log = r.log and n.run_id = r.run_id and n.revision > r.revision and n.leaf_index < ${window.pin})`;
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

/**
 * First place whose leaf was recorded at or after `time`: `recorded_at` never goes back, so a binary search over the primary key finds it. The
 * leaf in the middle is asked for by a subquery, which can only be a look at one row: a join may be planned as one over the whole log.
 */
export async function findPlaceOf(tx: Tx, tenantId: string, log: string, size: number, time: string): Promise<number> {
  const [row] = await tx.query<{ place: number }>(sql`
    with recursive search(lo, hi) as (
      select 0::bigint, ${size}::bigint
      union all
      select case when is_before then mid + 1 else lo end, case when is_before then hi else mid end
        from search
       cross join lateral (select (lo + hi) / 2 as mid) middle
       cross join lateral (
         select coalesce((select recorded_at from sworn.leaf where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = mid)
                         < ${time}::timestamptz, true) as is_before) looked
       where lo < hi)
    select lo as place from search where lo >= hi limit 1`);
  return row?.place ?? 0;
}
