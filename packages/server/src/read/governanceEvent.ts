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
  return {
    id: idOf(stored),
    timestamp: stored.occurredAt,
    category: m.text('category') as GovernanceEvent['category'],
    event_type: m.text('event_type') ?? stored.kind,
    event_name: m.text('event_name'),
    policy_id: m.text('policy_id'),
    policy_version: m.text('policy_version'),
    rule_id: m.text('rule_id'),
    incident_id: m.text('incident_id'),
    decision: (m.text('decision') ?? 'NONE') as GovernanceEvent['decision'],
    native: value === null ? null : { field, value },
    enforced: m.text('enforced') as GovernanceEvent['enforced'],
    reason: of.text?.reason ?? null,
    content: of.text?.content ?? null,
    enforced_by: m.text('enforced_by'),
    observed: m.text('observed'),
    threshold: m.text('threshold'),
    unit: m.text('unit'),
    trace_id: m.text('trace_id'),
    span_id: m.text('span_id'),
    step_index: of.stepIndex,
    tool: m.text('tool'),
    call_id: m.text('call_id'),
    ...actorOf({ stored, members: m } as SoundEntry),
    reported_by: (m.text('reported_by') ?? 'CLIENT') as GovernanceEvent['reported_by'],
    rule: m.text('rule'),
    rule_version: m.count('rule_version'),
    derived_from: m
      .objects('sources')
      .map((source) => idOf({ log: source.text('log') ?? 'audit', index: source.count('index') ?? 0 })),
    foreign: m.flag('foreign') ?? false,
    events_left_out: m.count('events_left_out') ?? 0,
    leaf_index: stored.index,
    checksum: checksumOf(stored.leafHash),
    recorded_at: stored.recordedAt,
  };
}

/** Who decided, where a rule read who; who acted, in an event that says it itself. */
function actorOf({ members: m }: SoundEntry): Pick<GovernanceEvent, 'actor_type' | 'actor_id'> {
  const human = m.text('human_actor_id');
  if (m.text('rule') !== null) {
    const decider = m.text('decided_by') as GovernanceEvent['actor_type'];
    return { actor_type: decider, actor_id: decider === 'HUMAN' ? human : null };
  }
  const [agent, system] = [m.text('agent_id'), m.text('system_id')];
  return {
    actor_type: human !== null ? 'HUMAN' : agent !== null ? 'AGENT' : system !== null ? 'SYSTEM' : null,
    actor_id: human ?? agent ?? system,
  };
}

/** Our clock's time of the verified checkpoint that covers an event; null: none does. */
export function checkedCover(deps: ReadDeps, tenantId: string, { stored }: SoundEntry): Promise<string | null> {
  return coveredAt(deps.verifyCheckpoint, tenantId, stored);
}
