import type { Filled } from '../fill/filled.js';
import { ASKED } from '../fill/turn.js';
import type { Depths } from './depths.js';

/** What is asked of the facade, as paths that are asked in turn; all of one question cost about the same. */
export interface Question {
  readonly name: string;
  readonly paths: readonly string[];
  /** As NDJSON: the whole, not a page. */
  readonly whole: boolean;
  /** More connections than this are not measured: an answer takes seconds of the server's one thread. */
  readonly maxConnections: number;
}

const RUNS = '/api/v1/logs/llm-runs';

/** All of them, for one deployment. */
export function questionsOf(filled: Filled, depths: Depths): Question[] {
  const list = (name: string, ...queries: string[]): Question => ({
    name,
    paths: queries.map((query) => `${RUNS}?limit=50${query}`),
    whole: false,
    maxConnections: Number.POSITIVE_INFINITY,
  });
  const trace = (steps: number, whole: boolean): Question => ({
    name: `trace of ${steps} steps${whole ? ', whole as NDJSON' : steps > 1_000 ? ', page 1 of 1,000' : ''}`,
    paths: (filled.longTraces.find((long) => long.steps === steps)?.traceIds ?? []).map(
      (id) => `${RUNS}/${id}/trace${whole ? '' : '?limit=1000'}`,
    ),
    whole,
    maxConnections: whole ? 1 : Number.POSITIVE_INFINITY,
  });
  return [
    list('list, page 1', ''),
    list('list, deep by recorded_before', `&recorded_before=${depths.recordedBefore}`),
    list('list, deep by cursor', `&cursor=${depths.cursor}`),
    list('by conversation', ...depths.conversations.map((id) => `&conversation_id=${id}`)),
    list('by model', `&model=${ASKED.model}`),
    list('by model, rare', `&model=${ASKED.rareModel}`),
    list('by tool', `&tool=${ASKED.tool}`),
    list('RUNNING', '&execution_status=RUNNING'),
    list('FAILED', '&execution_status=FAILED'),
    list('by least cost', `&min_cost_usd=${ASKED.minCostUsd}`),
    {
      name: 'envelope',
      paths: depths.runIds.map((id) => `${RUNS}/${id}/envelope`),
      whole: false,
      maxConnections: Number.POSITIVE_INFINITY,
    },
    trace(50, false),
    trace(2_000, false),
    trace(20_000, false),
    trace(20_000, true),
  ];
}
