import type { Members } from './members.js';
import { milliseconds, money } from './quantity.js';

/** What the RUN leaf of a run says of it, by the names of CONTRACT.md §3, endpoint 1. Of an OPENED leaf most of it is null. */
export function sealedRun(m: Members) {
  const cost = m.count('cost_nano_usd');
  const began = m.text('started_at') ?? m.text('occurred_at') ?? '';
  return {
    run_id: m.text('run_id') ?? '',
    trace_id: m.text('trace_id'),
    conversation_id: m.text('conversation_id'),
    executor_type: m.text('executor_type'),
    executor_id: executorOf(m),
    service: m.text('service'),
    environment: m.text('environment'),
    release: m.text('release'),
    provider: m.text('provider'),
    model: m.text('model'),
    input_tokens: m.count('input_tokens'),
    output_tokens: m.count('output_tokens'),
    cost_usd: money(cost),
    cost_source: cost === null ? 'UNKNOWN' : (m.text('cost_source') ?? 'REPORTED'),
    execution_status: m.text('execution_status') ?? 'RUNNING',
    outcome: m.text('outcome'),
    waiting_for: m.text('waiting_for'),
    resumed_by: m.text('resumed_by'),
    started_at: began,
    // A sealed run that waits has not completed; its revision is dated by the end of its last step.
    last_activity_at: m.text('completed_at') ?? m.text('occurred_at') ?? '',
    completed_at: m.text('completed_at'),
    duration_ms: milliseconds(m.count('duration_us')),
    total_steps: m.count('steps'),
    had_errors: m.flag('had_errors'),
    inflection: inflectionOf(m.object('inflection')),
    source: m.text('source'),
    is_synthetic: m.flag('is_synthetic') ?? false,
  };
}

/** Its sums beyond those, by the names of endpoint 2. */
export function sealedFigures(m: Members) {
  return {
    reported_cost_usd: money(m.count('reported_nano_usd')),
    priced_cost_usd: money(m.count('priced_nano_usd')),
    price_book: m.text('price_book'),
    unpriced_calls: counted(m, 'unpriced_calls'),
    merged_calls: m.count('merged_steps'),
    cached_tokens: m.count('cached_tokens'),
    cache_write_tokens: m.count('cache_write_tokens'),
    reasoning_tokens: m.count('reasoning_tokens'),
  };
}

/** A count that a RUN leaf leaves out where it is 0; one from before its figures named their mapping did not count it. */
export function counted(m: Members, name: string): number | null {
  return m.count(name) ?? (m.count('map') === null ? null : 0);
}

function executorOf(m: Members): string | null {
  switch (m.text('executor_type')) {
    case 'AGENT':
      return m.text('agent_id');
    case 'HUMAN':
      return m.text('human_actor_id');
    case 'LLM':
      return m.text('model');
    default:
      return null;
  }
}

function inflectionOf(m: Members) {
  const [timestamp, reason] = [m.text('timestamp'), m.text('reason')];
  if (timestamp === null || reason === null) return null;
  return {
    timestamp,
    reason,
    step_index: m.count('step_index'),
    span_id: m.text('span_id'),
    observed: m.text('observed'),
    threshold: m.text('threshold'),
    actor: m.text('actor'),
  };
}
