import type { TestDatabase } from '@sworn/testkit';
import type { RunFilters } from '../src/store/runFilters.js';
import type { RunWindow } from '../src/store/runLead.js';

/** Leaves between one run's OPENED leaf and the next one's: its MEMBER and RUN leaf, and its steps. */
export const LEAVES_A_RUN = 12;

/**
 * Rows of `count` runs as the sealer would have left them, newest last, written by SQL: they have no leaves, so that only what reads
 * projections can be asked of them (plans, counts, places; not pages, whose items are checked against their leaves). What is called `rare` is
 * held by the ten oldest runs alone, what is called `common` by nearly all.
 * @returns the size of the log they would stand in.
 */
export async function fillRuns(database: TestDatabase, tenantId: string, count: number): Promise<number> {
  // As a restore would: neither triggers nor row-level security see it.
  await database.admin('set session_replication_role = replica');
  for (let from = 0; from < count; from += BATCH) {
    await database.admin(FILL, [tenantId, from, Math.min(from + BATCH, count) - 1]);
  }
  const size = (count + SEALED_AFTER + 2) * LEAVES_A_RUN;
  await database.admin(`insert into sworn.seal_cursor values ($1, 'llm-runs', $2)`, [tenantId, size]);
  await database.admin('set session_replication_role = origin');
  return size;
}
/** Leaves of that many runs, each with `LEAVES_A_RUN`, for what looks leaves up; what they say is nothing. Event key: SHA-256 of the index. */
export async function fillLeaves(database: TestDatabase, tenantId: string, count: number): Promise<void> {
  await database.admin('set session_replication_role = replica');
  await database.admin(
    `insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, trace_id, run_id, occurred_at, recorded_at)
     select $1, 'llm-runs', i, case when o > 2 then 'STEP' else (array['OPENED', 'MEMBER', 'RUN'])[o + 1] end, convert_to(repeat('x', 400), 'UTF8'),
            sha256(int8send(i)), sha256(int8send(i)), sha256(int8send(i)), case when o > 2 then decode(run, 'hex') end, case when o <= 2 then run end, now(), now()
       from generate_series(0, $2::bigint * ${LEAVES_A_RUN} - 1) i
      cross join lateral (select (i % ${LEAVES_A_RUN})::int as o, lpad(to_hex(i / ${LEAVES_A_RUN}), 32, '0') as run) r`,
    [tenantId, count],
  );
  await database.admin('set session_replication_role = origin');
}

/** Runs written by one statement. */
const BATCH = 50_000;
/** A run is sealed when so many more were opened. */
const SEALED_AFTER = 10;

/** One in a hundred was superseded, one in a hundred is sealed twice, one in two hundred waits, one in five hundred is open. */
const FILL = `
with run as (
  select i, i::bigint * ${LEAVES_A_RUN} as place, i < 10 as rare, lpad(to_hex(i), 32, '0') as run_id,
         timestamptz '2026-01-01 00:00:00Z' + i * interval '7 seconds' + (hashint4(i) % 300) * interval '1 second' as at,
         abs(hashint4(i * 7 + 1)) % 1000 as dice, abs(hashint4(i * 5 + 2)) % 1000 as coin
    from generate_series($2::int, $3::int) i),
revision as (
  select run.*, 0 as revision, place as leaf_index from run
  union all select run.*, 1, place + ${LEAVES_A_RUN * SEALED_AFTER + 2} from run where i % 500 <> 7
  union all select run.*, 2, place + ${LEAVES_A_RUN * SEALED_AFTER + 3} from run where i % 100 = 5),
record as (
  insert into sworn.llm_run_records (tenant_id, log, leaf_index, kind, run_id, revision, run_index, run_occurred_at, trace_id,
      conversation_id, correlation_id, agent_id, human_actor_id, executor_type, provider, model, tools, service, environment, release,
      execution_status, outcome, error_type, policy_ids, incident_ids, had_errors, is_synthetic, source, cost_nano_usd, duration_us,
      started_at, completed_at, superseded_by, waiting_for)
  select $1::uuid, 'llm-runs', leaf_index, case revision when 0 then 'OPENED' else 'RUN' end, run_id, revision, place, at,
         decode(run_id, 'hex'), s.conversation, s.correlation, s.agent, s.human, case when sealed then 'AGENT' end, s.provider, s.model, s.tools,
         case when rare then 'rare' else 'common' end, case when rare then 'rare' when dice < 100 then 'staging' else 'common' end,
         case when rare then 'rare' else 'r-' || i / 5000 end,
         case when not sealed or i % 200 = 3 then 'RUNNING' when rare then 'TIMEOUT' when coin < 50 then 'FAILED' else 'SUCCEEDED' end,
         case when not sealed or i % 200 = 3 then null when rare then 'TERMINATED' when coin < 50 then 'FAILURE' else 'SUCCESS' end,
         case when sealed and rare then 'rare' when sealed and coin < 50 then 'e-' || dice % 8 end, s.policies, s.incidents,
         sealed and (rare or coin < 50), rare, case when rare then 'SYNTHETIC' when dice < 300 then 'SDK' else 'API' end,
         case when sealed then case when rare then 9000000000 else (exp(dice / 100.0) * 1000)::bigint end end,
         case when sealed then case when rare then 9000000000 else (exp(coin / 100.0) * 10000)::bigint end end,
         at, case when sealed then at + interval '5 seconds' end, case when sealed and i % 100 = 9 then 'r-other' end,
         case when sealed and i % 200 = 3 then 'approval' end
    from revision cross join lateral (select revision > 0 as sealed) k
   cross join lateral (
     select case when sealed then case when rare then 'rare' else 'c-' || i / 4 end end as conversation,
            case when sealed and (rare or dice < 10) then case when rare then 'rare' else 'case-' || i end end as correlation,
            case when sealed then case when rare then 'rare' else 'a-' || dice % 30 end end as agent,
            case when sealed then case when rare then 'tok_rare' else 'tok_' || coin * 5 end end as human,
            case when sealed then case when rare then 'rare' when coin < 700 then 'common' else 'other' end end as provider,
            case when sealed then case when rare then 'rare' else 'm-' || dice % 20 end end as model,
            case when not sealed then '{}' when rare then array['rare'] else array['common', 't-' || dice % 40] end as tools,
            case when not sealed then '{}' when rare then array['rare'] when dice < 30 then array['p-' || coin % 5] else '{}' end as policies,
            case when not sealed then '{}' when rare then array['rare'] when dice < 2 then array['i-' || i] else '{}' end as incidents) s
  returning leaf_index, run_index, tools, policy_ids, incident_ids),
name as (
  insert into sworn.run_names (tenant_id, log, leaf_index, field, value, run_index)
  select $1::uuid, 'llm-runs', leaf_index, n.field, n.value, run_index from record
   cross join lateral (select 'tool' as field, unnest(tools) as value union all select 'policy', unnest(policy_ids)
     union all select 'incident', unnest(incident_ids)) n),
member as (
  insert into sworn.run_members (tenant_id, log, leaf_index, run_id, trace_id, whole)
  select $1::uuid, 'llm-runs', place + 1, run_id, decode(run_id, 'hex'), true from run)
insert into sworn.open_run (tenant_id, run_id, trace_id, opened_index, run_occurred_at, revision, steps, last_index, last_seen_at, grace_ms, idle_ms, due_at)
select $1::uuid, run_id, decode(run_id, 'hex'), place, at, 0, 1, place + 2, at, 0, 0, at from run where i % 500 = 7`;

/** Every filter of endpoint 1, with values that the ten oldest runs alone have, that many have, and that none has. */
export function everyFilter(): [name: string, filters: Partial<RunFilters>][] {
  const id = '5'.padStart(32, '0');
  const cases: Partial<RunFilters>[] = [
    {},
    { runId: id },
    { runId: 'none' },
    { traceId: Buffer.from(id, 'hex') },
    { traceId: Buffer.alloc(16, 255) },
    ...['rare', 'c-100', 'none'].map((conversationId) => ({ conversationId })),
    ...['rare', 'none'].map((correlationId) => ({ correlationId })),
    ...['rare', 'a-5'].map((agentId) => ({ agentId })),
    ...['tok_rare', 'tok_500'].map((humanActorId) => ({ humanActorId })),
    ...['rare', 'common'].map((provider) => ({ provider })),
    ...['rare', 'm-3'].map((model) => ({ model })),
    ...['rare', 'common', 'none'].map((tool) => ({ tool })),
    ...['rare', 'common'].map((service) => ({ service })),
    ...['rare', 'staging', 'common'].map((environment) => ({ environment })),
    ...['rare', 'r-0'].map((release) => ({ release })),
    ...['RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'TIMEOUT'].map((executionStatus) => ({ executionStatus })),
    ...['SUCCESS', 'FAILURE', 'NEAR_THRESHOLD', 'TERMINATED'].map((outcome) => ({ outcome })),
    ...['rare', 'e-1'].map((errorType) => ({ errorType })),
    ...['rare', 'p-1'].map((policyId) => ({ policyId })),
    ...['rare', 'none'].map((incidentId) => ({ incidentId })),
    ...[true, false].map((hadErrors) => ({ hadErrors })),
    ...[true, false].map((isSynthetic) => ({ isSynthetic })),
    ...['API', 'SDK', 'SYNTHETIC', 'WORKER'].map((source) => ({ source })),
    ...[0, 20_000_000, 9_000_000_000, 9_000_000_001].map((minCostNanoUsd) => ({ minCostNanoUsd })),
    ...[0, 200_000_000, 9_000_000_000, 9_000_000_001].map((minDurationUs) => ({ minDurationUs })),
    { service: 'common', conversationId: 'c-100', hadErrors: false },
    { provider: 'common', source: 'SYNTHETIC', hadErrors: false },
    { executionStatus: 'RUNNING', environment: 'staging' },
  ];
  return cases.map((filters) => [JSON.stringify(filters), filters]);
}

/** A row as the reference sees it. */
interface Row {
  readonly leaf_index: number;
  readonly run_index: number;
  readonly revision: number;
  readonly run_occurred_at: string;
  readonly superseded_by: string | null;
  readonly [column: string]: unknown;
}

/** Every row of a tenant, in leaf order. */
export async function readRows(database: TestDatabase, tenantId: string): Promise<Row[]> {
  const rows = await database.admin<{ row: Row }>(
    `select to_jsonb(r) as row from sworn.llm_run_records r where tenant_id = $1 order by leaf_index`,
    [tenantId],
  );
  return rows.map(({ row }) => row);
}

/** Leaf indexes that a list must show, by the plainest of ways. */
export function referenceOf(
  rows: readonly Row[],
  filters: Partial<RunFilters>,
  { pin, order }: Pick<RunWindow, 'pin' | 'order'>,
): number[] {
  const newest = new Map<number, Row>();
  for (const row of rows) if (row.leaf_index < pin) newest.set(row.run_index, row);
  const matching = [...newest.values()].filter((row) => row.superseded_by === null && matchesReference(row, filters));
  const byPlace = (a: Row, b: Row) => a.run_index - b.run_index;
  switch (order) {
    case 'place_asc':
      return matching.toSorted(byPlace).map((row) => row.leaf_index);
    case 'place_desc':
      return matching.toSorted((a, b) => byPlace(b, a)).map((row) => row.leaf_index);
    case 'occurred_desc':
      return matching
        .toSorted((a, b) => Date.parse(b.run_occurred_at) - Date.parse(a.run_occurred_at) || byPlace(b, a))
        .map((row) => row.leaf_index);
    default:
      return order satisfies never;
  }
}

function matchesReference(row: Row, filters: Partial<RunFilters>): boolean {
  return Object.entries(filters).every(([name, value]) => {
    switch (name) {
      case 'traceId':
        return row['trace_id'] === `\\x${Buffer.from(value as Uint8Array).toString('hex')}`;
      case 'tool':
        return (row['tools'] as unknown[]).includes(value);
      case 'policyId':
        return (row['policy_ids'] as unknown[]).includes(value);
      case 'incidentId':
        return (row['incident_ids'] as unknown[]).includes(value);
      case 'minCostNanoUsd':
        return row['cost_nano_usd'] !== null && Number(row['cost_nano_usd']) >= Number(value);
      case 'minDurationUs':
        return row['duration_us'] !== null && Number(row['duration_us']) >= Number(value);
      default:
        return row[name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] === value;
    }
  });
}
