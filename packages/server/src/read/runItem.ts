import type { CompromisedItem, RunItem } from '@sworn/contract';
import { type Members, recordId, type Topic } from '@sworn/evidence';
import type { LeaflessRun, StoredLeaf, StoredRun } from '../store/runs.js';
import type { Checked } from './check.js';
import type { LiveFigures } from './liveFigures.js';
import { runMetadata } from './metadata.js';
import type { Covered } from './tier.js';

/** A run as lists and its envelope show it. `covered`: by the verified checkpoint. `live` only for a run that was never sealed. */
export function runItem(
  tenantId: string,
  run: Extract<Checked<StoredRun>, { kind: 'sound' }>,
  covered: Covered | null,
  live: LiveFigures | null,
): RunItem {
  const { stored, members: m } = run;
  const cost = live === null ? m.count('cost_nano_usd') : live.costNanoUsd;
  return {
    id: idOf(stored),
    run_id: m.text('run_id') ?? '',
    trace_id: m.text('trace_id'),
    conversation_id: m.text('conversation_id'),
    executor_type: live === null ? word(m, 'executor_type') : live.executorType,
    executor_id: live === null ? executorOf(m) : live.executorType === 'AGENT' ? live.agentId : live.model,
    service: m.text('service'),
    environment: m.text('environment'),
    release: m.text('release'),
    provider: live === null ? m.text('provider') : live.provider,
    model: live === null ? m.text('model') : live.model,
    input_tokens: live === null ? m.count('input_tokens') : live.inputTokens,
    output_tokens: live === null ? m.count('output_tokens') : live.outputTokens,
    cost_usd: money(cost),
    cost_source: live?.costSource ?? (cost === null ? 'UNKNOWN' : (word(m, 'cost_source') ?? 'REPORTED')),
    execution_status: word(m, 'execution_status') ?? 'RUNNING',
    outcome: word(m, 'outcome'),
    waiting_for: m.text('waiting_for'),
    resumed_by: m.text('resumed_by'),
    started_at: m.text('started_at') ?? stored.occurredAt,
    // A sealed run that waits has not completed; its revision is dated by the end of its last step.
    last_activity_at: live === null ? (m.text('completed_at') ?? stored.occurredAt) : live.lastActivityAt,
    completed_at: m.text('completed_at'),
    duration_ms: milliseconds(m.count('duration_us')),
    total_steps: live?.steps ?? m.count('steps'),
    had_errors: live?.hadErrors ?? m.flag('had_errors'),
    inflection: live === null ? inflectionOf(m.object('inflection')) : liveInflection(live),
    source: word(m, 'source'),
    is_synthetic: m.flag('is_synthetic') ?? false,
    provisional: live !== null,
    metadata: runMetadata(tenantId, stored, m, covered),
  };
}

/** Stands in the place of a run that failed its check. */
export function compromisedItem({
  stored,
  finding,
}: Extract<Checked<unknown>, { kind: 'compromised' }>): CompromisedItem {
  return { id: idOf(stored), compromised: true, leaf_index: stored.index, finding };
}

/** Public id of a record: topic, generation and leaf index. */
export function idOf({ log, index }: Pick<StoredLeaf | LeaflessRun, 'log' | 'index'>): string {
  const [topic, generation] = log.split('.');
  return recordId({ topic: topic as Topic, generation: generation === undefined ? 1 : Number(generation), index });
}

/** Nano-dollars as an exact decimal; null stays null. */
export function money(nanoUsd: number | null): string | null {
  if (nanoUsd === null) return null;
  const digits = String(nanoUsd).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** Microseconds as milliseconds, exact to the microsecond. */
export function milliseconds(us: number | null): number | null {
  return us === null ? null : us / 1000;
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

function inflectionOf(m: Members): RunItem['inflection'] {
  const timestamp = m.text('timestamp');
  const reason = m.text('reason');
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

/** An open run turns, for now, at its last event. */
function liveInflection({ lastEvent }: LiveFigures): RunItem['inflection'] {
  if (lastEvent === null) return null;
  const { timestamp, spanId } = lastEvent;
  const unknown = { step_index: null, observed: null, threshold: null, actor: null };
  return { timestamp, reason: 'LAST_EVENT', span_id: spanId, ...unknown };
}

/** A word of a closed list: the leaf passed its check, and the serialiser refuses what the schema does not name. */
function word<N extends keyof RunItem>(m: Members, name: N): RunItem[N] | null {
  return m.text(name) as RunItem[N] | null;
}
