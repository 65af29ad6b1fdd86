import type { Tx } from './database.js';
import type { RunFilters } from './runFilters.js';
import { type Sql, sql } from './sql.js';

/** Which part of one log a list looks at, and in which order. */
export interface RunWindow {
  readonly log: string;
  /** Leaves at and beyond it are not seen. */
  readonly pin: number;
  readonly order: 'place_desc' | 'place_asc' | 'occurred_desc';
  /** Place (index of the OPENED leaf) from which, and below which, runs count. */
  readonly fromPlace: number;
  readonly belowPlace: number;
}

/**
 * Index entries that one page examines at most (CONTRACT.md §1). Each names a run by its place, which is then looked at: about 150 ms when none
 * of them matches.
 */
export const MAX_EXAMINED = 20_000;
/** Entries of a leading index that are all looked at, whatever the order of the list: about 20 ms. */
export const MAX_NARROW = 5_000;
/** Runs sealed above the pin that a crawl of RUNNING ones looks through; after more, it goes by status as by any other column. */
const MAX_SEALED_ABOVE_PIN = 20_000;
/** Runs that the sealer opened in a turn and has not noted yet: it follows 2,000 leaves in one. */
const MAX_NOT_NOTED = 4_000;
/** Runs of one trace: 64 by the sealer, and those they were superseded by. */
const MAX_RUNS_OF_TRACE = 1_000;
/** MEMBER leaves of one trace: each carves out at least one of the 100,000 steps whose place is looked up (seal/membership.ts). */
const MAX_MEMBERS_OF_TRACE = 100_000;

/**
 * Where the runs that a list looks at come from: one index, or several merged. A place may come up more than once, and need not match.
 * `branches`: selects of `run_index`, each of which is served in the order of places once that column's range and the order are added.
 */
export interface Lead {
  readonly branches: readonly Sql[];
  /** It has at most `MAX_NARROW` entries in the window; null: nobody asked. */
  readonly isNarrow: boolean | null;
}

/**
 * The asked filter that leads: one that is narrow, else the one that is likely the most selective; null: none is asked that has an index. One
 * only: the entries of two could be searched without end for a run that has both.
 */
export async function leadOf(
  tx: Tx,
  tenantId: string,
  filters: RunFilters,
  window: RunWindow,
  { mustKnow }: { readonly mustKnow: boolean },
): Promise<Lead | null> {
  const leads = await leadsOf(tx, tenantId, filters, window);
  const [first] = leads;
  if (first === undefined) return null;
  if (leads.length === 1 && !mustKnow) return { branches: first, isNarrow: null };
  for (const branches of leads) {
    const entries = entriesOf(branches, { ...window, order: 'place_desc' });
    const [more] = await tx.query(sql`select run_index from (${entries}) e offset ${MAX_NARROW} limit 1`);
    if (more === undefined) return { branches, isNarrow: true };
  }
  return { branches: first, isNarrow: false };
}

/** At most `MAX_EXAMINED` entries of a lead in the order of their places: one column, `run_index`. */
export function entriesOf(branches: Lead['branches'], window: RunWindow): Sql {
  if (branches.length === 0) return sql`select null::bigint as run_index limit 0`;
  const along = window.order === 'place_asc' ? sql`run_index` : sql`run_index desc`;
  // Ordered each by itself, or the planner reads all of them before it puts them in order.
  const ordered = branches.map(
    (branch) => sql`(${branch} and ${inWindow(window)} order by ${along} limit ${MAX_EXAMINED})`,
  );
  return sql`select run_index from (${sql.join(ordered, ' union all ')}) b order by ${along} limit ${MAX_EXAMINED}`;
}

/** The places of a window. */
export function inWindow({ fromPlace, belowPlace }: RunWindow): Sql {
  return sql`run_index >= ${fromPlace} and run_index < ${belowPlace}`;
}

/** Every revision of every run, by `llm_run_records_place`. */
export function allRuns(tenantId: string, { log }: RunWindow): Sql {
  return sql`select run_index from sworn.llm_run_records where tenant_id = ${tenantId}::uuid and log = ${log}`;
}

/**
 * The asked filters as their indexes have them, the likely most selective first. `had_errors=false` and `is_synthetic=false` are what nearly all
 * runs are, and lead to nothing.
 */
async function leadsOf(tx: Tx, tenantId: string, f: RunFilters, window: RunWindow): Promise<Lead['branches'][]> {
  const leads: Lead['branches'][] = [];
  const rows = (condition: Sql): unknown =>
    leads.push([sql`select run_index from sworn.llm_run_records where tenant_id = ${tenantId}::uuid and ${condition}`]);
  const named = (field: 'tool' | 'policy' | 'incident', value: string): unknown =>
    leads.push([
      sql`select run_index from sworn.run_names
           where tenant_id = ${tenantId}::uuid and log = ${window.log} and field = ${field} and value = ${value}`,
    ]);
  // Alone, because no column of the run says it.
  if (f.traceId !== null) return [[ofTrace(tenantId, f.traceId, window)]];
  if (f.runId !== null) return [[ofRun(tenantId, f.runId, window)]];
  if (f.conversationId !== null) rows(sql`conversation_id = ${f.conversationId}`);
  if (f.correlationId !== null) rows(sql`correlation_id = ${f.correlationId}`);
  if (f.incidentId !== null) named('incident', f.incidentId);
  if (f.humanActorId !== null) rows(sql`human_actor_id = ${f.humanActorId}`);
  if (f.policyId !== null) named('policy', f.policyId);
  if (f.errorType !== null) rows(sql`error_type = ${f.errorType}`);
  const running = f.executionStatus === 'RUNNING' ? await runningLead(tx, tenantId, window) : null;
  if (running !== null) leads.push(running);
  if (f.agentId !== null) rows(sql`agent_id = ${f.agentId}`);
  if (f.release !== null) rows(sql`release = ${f.release}`);
  if (f.tool !== null) named('tool', f.tool);
  if (f.hadErrors === true) rows(sql`had_errors`);
  if (f.isSynthetic === true) rows(sql`is_synthetic`);
  if (f.minCostNanoUsd !== null) leads.push(await costing(tx, tenantId, f.minCostNanoUsd));
  if (f.minDurationUs !== null) leads.push(await lasting(tx, tenantId, f.minDurationUs));
  if (f.model !== null) rows(sql`model = ${f.model}`);
  if (f.service !== null) rows(sql`service = ${f.service}`);
  if (f.provider !== null) rows(sql`provider = ${f.provider}`);
  if (f.outcome !== null) rows(sql`outcome = ${f.outcome}`);
  if (f.executionStatus !== null && running === null) rows(sql`execution_status = ${f.executionStatus}`);
  if (f.environment !== null) rows(sql`environment = ${f.environment}`);
  if (f.source !== null) rows(sql`source = ${f.source}`);
  return leads;
}

/** Unique index (tenant_id, log, run_id, revision). */
function ofRun(tenantId: string, runId: string, window: RunWindow): Sql {
  return few(sql`${allRuns(tenantId, window)} and run_id = ${runId} order by revision limit 1`);
}

/**
 * A run may have several traces, and a trace several runs, each by several MEMBER leaves: all in `run_members`. Index `run_members_trace`, then one
 * look each.
 */
function ofTrace(tenantId: string, traceId: Uint8Array, { log, pin }: RunWindow): Sql {
  return few(sql`
    select r.run_index
      from (select run_id
              from (select run_id, leaf_index from sworn.run_members
                     where tenant_id = ${tenantId}::uuid and trace_id = ${traceId} and leaf_index < ${pin}
                       and log is not distinct from ${log}::text
                     order by leaf_index limit ${MAX_MEMBERS_OF_TRACE}) e
             group by run_id order by min(leaf_index) limit ${MAX_RUNS_OF_TRACE}) m
     cross join lateral (
       select run_index from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and log = ${log} and run_id = m.run_id
        order by revision limit 1) r`);
}

/**
 * Every run is RUNNING when it is opened, so the status alone says little. What can be RUNNING at the pin is open now, or was sealed as one that
 * waits, or was sealed above the pin; or was opened so lately that the sealer has not noted it as open. Null: too many were sealed above the pin.
 */
export async function runningLead(tx: Tx, tenantId: string, window: RunWindow): Promise<Lead['branches'] | null> {
  const above = sql`${allRuns(tenantId, window)} and leaf_index >= ${window.pin} and kind = 'RUN' order by leaf_index`;
  const [tooMany] = await tx.query(sql`${above} offset ${MAX_SEALED_ABOVE_PIN} limit 1`);
  if (tooMany !== undefined) return null;
  const [cursor] = await tx.query<{ next: number }>(sql`
    select next_index as next from sworn.seal_cursor where tenant_id = ${tenantId}::uuid and log = ${window.log}`);
  return [
    few(sql`${above} limit ${MAX_SEALED_ABOVE_PIN}`),
    sql`select run_index from (select opened_index as run_index from sworn.open_run where tenant_id = ${tenantId}::uuid) o where true`,
    sql`${allRuns(tenantId, window)} and waiting_for is not null`,
    few(sql`${allRuns(tenantId, window)} and leaf_index >= ${cursor?.next ?? 0} and kind = 'OPENED'
             order by leaf_index desc limit ${MAX_NOT_NOTED}`),
  ];
}

/** Runs of each class of cost that is there, from that of `nanoUsd` up. Index `llm_run_records_cost`: a skip scan, then one branch a class. */
async function costing(tx: Tx, tenantId: string, nanoUsd: number): Promise<Lead['branches']> {
  const classes = await tx.query<{ magnitude: number }>(sql`
    with recursive there(magnitude) as (
      (select cost_magnitude from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and cost_magnitude >= ${magnitudeOf(nanoUsd)}::int order by cost_magnitude limit 1)
      union all
      select (select r.cost_magnitude from sworn.llm_run_records r
               where r.tenant_id = ${tenantId}::uuid and r.cost_magnitude > there.magnitude order by r.cost_magnitude limit 1)
        from there where there.magnitude is not null)
    select magnitude from there where magnitude is not null`);
  return classes.map(
    ({ magnitude }) =>
      sql`select run_index from sworn.llm_run_records where tenant_id = ${tenantId}::uuid and cost_magnitude = ${magnitude}::int`,
  );
}

/** As `costing`, by index `llm_run_records_duration`. */
async function lasting(tx: Tx, tenantId: string, us: number): Promise<Lead['branches']> {
  const classes = await tx.query<{ magnitude: number }>(sql`
    with recursive there(magnitude) as (
      (select duration_magnitude from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and duration_magnitude >= ${magnitudeOf(us)}::int order by duration_magnitude limit 1)
      union all
      select (select r.duration_magnitude from sworn.llm_run_records r
               where r.tenant_id = ${tenantId}::uuid and r.duration_magnitude > there.magnitude order by r.duration_magnitude limit 1)
        from there where there.magnitude is not null)
    select magnitude from there where magnitude is not null`);
  return classes.map(
    ({ magnitude }) =>
      sql`select run_index from sworn.llm_run_records where tenant_id = ${tenantId}::uuid and duration_magnitude = ${magnitude}::int`,
  );
}

/** Bits of a count, as the columns `…_magnitude` have them: 0 for 0. */
function magnitudeOf(count: number): number {
  return count === 0 ? 0 : BigInt(count).toString(2).length;
}

/** A select that is bounded by itself, behind a subquery: no condition and no order that is added to it changes how it is read. */
function few(bounded: Sql): Sql {
  return sql`select run_index from (${bounded}) few where true`;
}
