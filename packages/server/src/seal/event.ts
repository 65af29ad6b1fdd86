import type { JsonValue } from '@sworn/evidence';
import type { FollowedLeaf } from '../store/sealing.js';

/** What a leaf of `audit` says of a rule that touched a run, or of an incident, as the sealer folds it. Absent members of the leaf are null here. */
export interface SealedEvent {
  /** Which of the logs of topic `audit`. */
  readonly log: string;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly occurredAt: string;
  /** The run that it says it is about. */
  readonly runId: string | null;
  /** The run that its hint names. */
  readonly hintedRun: string | null;
  /** Lower-case hex. */
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly category: string | null;
  readonly decision: string | null;
  readonly policyId: string | null;
  readonly incidentId: string | null;
  readonly observed: string | null;
  readonly threshold: string | null;
  /** Who decided, where it says who. */
  readonly actor: string | null;
  /** The call of a tool that it is about, as its client names it. */
  readonly callId: string | null;
  /** What was done, where that is told beside the verdict. */
  readonly enforced: string | null;
  /** A person decided. */
  readonly isHuman: boolean;
  /** All members of the leaf. */
  readonly said: Readonly<Record<string, JsonValue>>;
}

/** Kinds of leaves of `audit` that say what is said of a run. What Sworn concludes from them (overrides.ts) is none: nothing of a RUN leaf comes from it. */
const EVENT_KINDS: readonly string[] = ['GOVERNANCE', 'AUDIT'];

/**
 * Reads a leaf of `audit`; null where no RUN leaf heeds it: it is of no rule, policy or incident (a note, a sign-in), a copy that contradicts another,
 * or what a foreign key sent, which changes nothing.
 */
export function readEvent(leaf: Pick<FollowedLeaf, 'index' | 'kind' | 'leaf' | 'leafHash'>): SealedEvent | null {
  if (!EVENT_KINDS.includes(leaf.kind)) return null;
  const f = membersOf(leaf.leaf);
  const text = (name: string): string | null => (typeof f[name] === 'string' ? f[name] : null);
  const [category, policyId, incidentId] = [text('category'), text('policy_id'), text('incident_id')];
  if (f.foreign === true || (category === null && policyId === null && incidentId === null)) return null;
  const human = text('human_actor_id');
  // The user of a session is not who decided in it: of what a rule read, only whom the sender says.
  const isRead = text('rule') !== null;
  const isByHuman = isRead ? text('decided_by') === 'HUMAN' : category === 'APPROVAL_DECISION' && human !== null;
  return {
    // The last part of its origin.
    log: text('log')?.split('/').at(-1) ?? '',
    index: leaf.index,
    leafHash: leaf.leafHash,
    occurredAt: text('occurred_at') ?? '',
    runId: text('run_id'),
    hintedRun: text('hinted_run'),
    traceId: text('trace_id'),
    spanId: text('span_id'),
    category,
    decision: text('decision'),
    policyId,
    incidentId,
    observed: text('observed'),
    threshold: text('threshold'),
    actor: isRead ? (isByHuman ? human : null) : (human ?? text('agent_id') ?? text('system_id')),
    callId: text('call_id'),
    enforced: text('enforced'),
    isHuman: isByHuman,
    said: f,
  };
}

/** Of bytes that are no JSON any more, which the checks tell of, nothing: they keep no run from being sealed. */
function membersOf(leaf: Uint8Array): Readonly<Record<string, JsonValue>> {
  try {
    const bytes = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength);
    return JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, JsonValue>>;
  } catch {
    return {};
  }
}

/** Event key (hex) of the step that an event names; null: it names none. */
export function stepOfEvent({ traceId, spanId }: Pick<SealedEvent, 'traceId' | 'spanId'>): string | null {
  return traceId === null || spanId === null ? null : traceId + spanId;
}

/** Whether it says that something was forbidden: where a run may have turned. */
export function isDenial({ category, decision }: SealedEvent): boolean {
  return category === 'VIOLATION' || decision === 'DENY';
}
