import { DEFAULT_PAGE, type RunListQuery } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import type { RunFilters } from '../store/runFilters.js';
import { filterTime } from './time.js';

/** A list of runs, as asked: filters parsed, values that name people as tokens. */
export interface RunQuery {
  readonly filters: RunFilters;
  readonly recordedAfter: string | null;
  readonly recordedBefore: string | null;
  /** `occurred`: an `occurred_*` filter is set, and orders the list. */
  readonly by: 'place' | 'occurred';
  readonly order: 'desc' | 'asc';
  readonly limit: number;
  readonly cursor: string | null;
  readonly includeTotal: boolean;
  /** As shown in the answer, and as the cursor is bound to. */
  readonly applied: Readonly<Record<string, string | number | boolean>>;
}

const TOKEN = /^tok_[0-9a-f]{32}$/;
const NOT_FILTERS: ReadonlySet<string> = new Set(['limit', 'cursor', 'include_total']);

/** What was asked for in clear, or as a token, as a token. */
export async function asToken<V extends string | undefined>(
  value: V,
  tokenOf: (value: string) => Promise<string>,
): Promise<V | string> {
  return value === undefined || TOKEN.test(value) ? value : tokenOf(value);
}

/** Parses a list's parameters, which passed their schema. @throws Refusal `invalid_parameter`. */
export async function readRunQuery(
  query: RunListQuery,
  tokenOf: (value: string) => Promise<string>,
): Promise<RunQuery> {
  const human = await asToken(query.human_actor_id, tokenOf);
  const time = (name: 'occurred_after' | 'occurred_before' | 'recorded_after' | 'recorded_before') =>
    query[name] === undefined ? null : filterTime(name, query[name]);
  const occurredAfter = time('occurred_after');
  const occurredBefore = time('occurred_before');
  const by = occurredAfter !== null || occurredBefore !== null ? 'occurred' : 'place';
  const order = query.order ?? 'desc';
  if (by === 'occurred' && order === 'asc')
    throw invalidParameter('order', 'asc is a tail and cannot go with occurred_*');
  return {
    filters: {
      runId: query.run_id ?? null,
      traceId: query.trace_id === undefined ? null : Buffer.from(query.trace_id, 'hex'),
      conversationId: query.conversation_id ?? null,
      correlationId: query.correlation_id ?? null,
      agentId: query.agent_id ?? null,
      humanActorId: human ?? null,
      provider: query.provider ?? null,
      model: query.model ?? null,
      tool: query.tool ?? null,
      service: query.service ?? null,
      environment: query.environment ?? null,
      release: query.release ?? null,
      executionStatus: query.execution_status ?? null,
      outcome: query.outcome ?? null,
      errorType: query.error_type ?? null,
      policyId: query.policy_id ?? null,
      incidentId: query.incident_id ?? null,
      hadErrors: query.had_errors ?? null,
      isSynthetic: query.is_synthetic ?? null,
      source: query.source ?? null,
      minCostNanoUsd: query.min_cost_usd === undefined ? null : nanoUsd(query.min_cost_usd),
      minDurationUs: query.min_duration_ms === undefined ? null : query.min_duration_ms * 1000,
      occurredAfter,
      occurredBefore,
    },
    recordedAfter: time('recorded_after'),
    recordedBefore: time('recorded_before'),
    by,
    order,
    limit: query.limit ?? DEFAULT_PAGE,
    cursor: query.cursor ?? null,
    includeTotal: query.include_total ?? false,
    applied: Object.fromEntries(
      Object.entries({ ...query, ...(human === undefined ? {} : { human_actor_id: human }) }).filter(
        (entry): entry is [string, string | number | boolean] => entry[1] !== undefined && !NOT_FILTERS.has(entry[0]),
      ),
    ),
  };
}

/** A plain decimal of US dollars, checked by its schema, in nano-dollars: at most 10^15, exact. */
function nanoUsd(text: string): number {
  const [whole, fraction] = text.split('.');
  return Number(whole) * 1e9 + Number((fraction ?? '').padEnd(9, '0'));
}
