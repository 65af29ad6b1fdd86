import type { CompromisedItem, RunItem } from '@sworn/contract';
import { money, recordIdAt, sealedRun } from '@sworn/evidence';
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
  // Words of closed lists: the leaf passed its check, and the serialiser refuses what the schema does not name.
  const sealed = sealedRun(m) as Omit<RunItem, 'id' | 'provisional' | 'metadata'>;
  return {
    id: idOf(stored),
    ...sealed,
    ...(live === null ? {} : liveRun(live)),
    provisional: live !== null,
    metadata: runMetadata(tenantId, stored, m, covered),
  };
}

/** What an open run is, for now, by its steps so far. */
function liveRun(live: LiveFigures): Partial<RunItem> {
  return {
    executor_type: live.executorType,
    executor_id: live.executorType === 'AGENT' ? live.agentId : live.model,
    provider: live.provider,
    model: live.model,
    input_tokens: live.inputTokens,
    output_tokens: live.outputTokens,
    cost_usd: money(live.costNanoUsd),
    cost_source: live.costSource,
    last_activity_at: live.lastActivityAt,
    total_steps: live.steps,
    had_errors: live.hadErrors,
    inflection: liveInflection(live),
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
  return recordIdAt(log, index);
}

/** An open run turns, for now, at its last event. */
function liveInflection({ lastEvent }: LiveFigures): RunItem['inflection'] {
  if (lastEvent === null) return null;
  const { timestamp, spanId } = lastEvent;
  const unknown = { step_index: null, observed: null, threshold: null, actor: null };
  return { timestamp, reason: 'LAST_EVENT', span_id: spanId, ...unknown };
}
