import type { Members } from '@sworn/evidence';
import type { ReplayEvent } from '@sworn/contract';
import type { SoundEntry } from './checkEntry.js';
import { checksumOf, systemOf } from './metadata.js';
import type { LaneEvent, ReplayPlace } from './replayLanes.js';
import type { ReplayWindow } from './replayWindow.js';
import { idOf } from './runItem.js';
import type { SoundStep } from './stepBody.js';
import type { shownStep } from './step.js';
import { eventTypeOf, summaryOf } from './systemItem.js';
import { microsecondsOf } from './time.js';

/** A step, as a trace shows it. */
export function stepEvent(
  window: ReplayWindow,
  place: ReplayPlace,
  { stored, members: m }: SoundStep,
  step: ReturnType<typeof shownStep>,
): ReplayEvent {
  const tokens = step.input_tokens === null && step.output_tokens === null;
  return {
    source: 'llm',
    ...timesOf(window, place),
    ended_at: step.ended_at,
    step_index: step.step_index,
    kind: step.kind,
    action: step.tool ?? step.name,
    detail: step.error,
    outcome: step.outcome_category,
    severity: null,
    tokens: tokens ? null : (step.input_tokens ?? 0) + (step.output_tokens ?? 0),
    cost_usd: step.cost_usd,
    duration_ms: step.duration_ms,
    input_hash: step.input_hash,
    retry: step.retry_count,
    association: null,
    events_left_out: 0,
    actor: actorOf(m),
    ref: { ...refOf(stored, m), trace_id: step.trace_id, span_id: step.span_id },
    ...leafOf(stored),
  };
}

/** A record of `system`. `body`: its LogRecord; null: it was not opened. */
export function systemEvent(
  window: ReplayWindow,
  { place, association }: Extract<LaneEvent, { source: 'system' }>,
  entry: SoundEntry,
  body: Uint8Array | null,
): ReplayEvent {
  const { stored, members: m } = entry;
  return {
    source: 'system',
    ...timesOf(window, place),
    ...NO_FIGURES,
    kind: eventTypeOf(entry),
    action: m.text('event_name'),
    detail: summaryOf(entry, body).text,
    outcome: null,
    severity: m.text('severity') as ReplayEvent['severity'],
    association,
    actor: actorOf(m),
    ref: { ...refOf(stored, m), log: place.log },
    ...leafOf(stored),
  };
}

/** A record of governance. */
export function policyEvent(
  window: ReplayWindow,
  { place, stepIndex }: Extract<LaneEvent, { source: 'policy' }>,
  { stored, members: m }: SoundEntry,
): ReplayEvent {
  const eventType = m.text('event_type');
  const isRead = m.text('rule') !== null;
  return {
    source: 'policy',
    ...timesOf(window, place),
    ...NO_FIGURES,
    step_index: stepIndex,
    kind: m.text('category') ?? eventType ?? stored.kind,
    action: m.text('action') ?? eventType,
    detail: m.text('native_decision'),
    outcome: m.text('decision') ?? 'NONE',
    severity: m.text('severity') as ReplayEvent['severity'],
    association: null,
    events_left_out: m.count('events_left_out') ?? 0,
    // Of what a rule read out of a span or record, who sent that is not who decided.
    actor: isRead && m.text('decided_by') !== 'HUMAN' ? null : actorOf(m),
    ref: refOf(stored, m),
    ...leafOf(stored),
  };
}

const NO_FIGURES = {
  ended_at: null,
  step_index: null,
  tokens: null,
  cost_usd: null,
  duration_ms: null,
  input_hash: null,
  retry: null,
  events_left_out: 0,
} as const;

function timesOf({ inflection }: ReplayWindow, { timestamp }: ReplayPlace) {
  return { timestamp, offset_ms: (microsecondsOf(timestamp) - inflection.us) / 1000 };
}

/** The human, else the agent, else the system that the record names. */
function actorOf(m: Members): ReplayEvent['actor'] {
  const [human, agent, system] = [m.text('human_actor_id'), m.text('agent_id'), m.text('system_id') ?? systemOf(m)];
  if (human !== null) return { type: 'HUMAN', id: human };
  if (agent !== null) return { type: 'AGENT', id: agent };
  return system === null ? null : { type: 'SYSTEM', id: system };
}

type Stored = SoundEntry['stored'] | SoundStep['stored'];

function refOf(stored: Stored, m: Members): ReplayEvent['ref'] {
  return {
    id: idOf(stored),
    log: stored.log,
    trace_id: m.text('trace_id'),
    span_id: m.text('span_id'),
    policy_id: m.text('policy_id'),
    rule_id: m.text('rule_id'),
  };
}

function leafOf({ index, leafHash, recordedAt }: Stored) {
  return { leaf_index: index, checksum: checksumOf(leafHash), recorded_at: recordedAt };
}
