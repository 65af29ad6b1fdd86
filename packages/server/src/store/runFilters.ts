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

/** Nothing is asked. */
export const NO_FILTER: RunFilters = {
  runId: null,
  traceId: null,
  conversationId: null,
  correlationId: null,
  agentId: null,
  humanActorId: null,
  provider: null,
  model: null,
  tool: null,
  service: null,
  environment: null,
  release: null,
  executionStatus: null,
  outcome: null,
  errorType: null,
  policyId: null,
  incidentId: null,
  hadErrors: null,
  isSynthetic: null,
  source: null,
  minCostNanoUsd: null,
  minDurationUs: null,
  occurredAfter: null,
  occurredBefore: null,
};

/**
 * What the newest revision below the pin must be for its run to match, as columns of `llm_run_records`. `trace_id` is not among them: a run
 * may have several traces, and `run_members` names them (store/runWalk.ts).
 */
export function matches(f: RunFilters): Sql {
  const parts: Sql[] = [sql`superseded_by is null`];
  if (f.runId !== null) parts.push(sql`run_id = ${f.runId}`);
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
  if (f.occurredAfter !== null) parts.push(sql`run_occurred_at >= ${f.occurredAfter}::timestamptz`);
  if (f.occurredBefore !== null) parts.push(sql`run_occurred_at < ${f.occurredBefore}::timestamptz`);
  return sql.join(parts, ' and ');
}
