import { saidEvent } from '@sworn/evidence';
import type { GovernanceEvent } from '@sworn/contract';
import type { SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import type { EventText } from './eventText.js';
import { checksumOf } from './metadata.js';
import type { ReadDeps } from './reading.js';
import { idOf } from './runItem.js';

/** An event as the governance of a run shows it. `text`: null where its body is gone. */
export function governanceEvent(
  { stored, members: m }: SoundEntry,
  of: { readonly stepIndex: number | null; readonly text: EventText | null },
): GovernanceEvent {
  const field = m.text('native_field');
  const value = m.text('native_decision') ?? of.text?.native ?? null;
  // Words of closed lists, as in a run's item.
  const said = saidEvent(m) as Omit<
    GovernanceEvent,
    'id' | 'native' | 'reason' | 'content' | 'step_index' | 'derived_from' | 'leaf_index' | 'checksum' | 'recorded_at'
  >;
  return {
    id: idOf(stored),
    ...said,
    native: value === null ? null : { field, value },
    reason: of.text?.reason ?? null,
    content: of.text?.content ?? null,
    step_index: of.stepIndex,
    derived_from: m
      .objects('sources')
      .map((source) => idOf({ log: source.text('log') ?? 'audit', index: source.count('index') ?? 0 })),
    leaf_index: stored.index,
    checksum: checksumOf(stored.leafHash),
    recorded_at: stored.recordedAt,
  };
}

/** Our clock's time of the verified checkpoint that covers an event; null: none does. */
export function checkedCover(deps: ReadDeps, tenantId: string, { stored }: SoundEntry): Promise<string | null> {
  return coveredAt(deps.verifyCheckpoint, tenantId, stored);
}
