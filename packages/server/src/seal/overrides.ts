import { hex, type JsonValue } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import { auditCells } from '../store/eventRows.js';
import type { SealedEvent } from './event.js';
import type { EventFold } from './events.js';

/** A verdict that was not what happened in the end, as Sworn concludes from what was reported. Stands in `audit`. */
export const OVERRIDE_KIND = 'OVERRIDE';

/** What an override is concluded by; whatever changes in the rules below has another number. */
const RULE_VERSION = 1;
/** Events of one run that name a call of a tool, held until all are there, about 1 KB each: of later ones no override is concluded. */
const MAX_HELD = 10_000;
/** Overrides of one run, the first by time: each is a leaf. */
const MAX_OVERRIDES = 1_000;

/** A verdict, and the event by which something else happened: the same one where a client tells both. */
export interface Override {
  readonly rule: 'override.enforced' | 'override.human';
  readonly verdict: SealedEvent;
  readonly by: SealedEvent;
  /** What happened. */
  readonly decision: string;
}

/** Finds overrides among the events of one run, whatever order they come in. */
export interface OverrideFold extends EventFold {
  /** By time. */
  finish(): readonly Override[];
}

/**
 * Overrides (OTLP.md 4.2): a client that says what it did beside the verdict, and did the opposite; a human who decided on a call of a tool against the
 * newest result of a policy on the same call before. That something was let happen with conditions is letting it happen.
 */
export function createOverrideFold(): OverrideFold {
  const calls = new Map<string, SealedEvent[]>();
  const enforced: Override[] = [];
  let held = 0;
  return {
    addEvent(event) {
      const { callId, enforced: done } = event;
      if (done !== null && differ(event.decision, done) && enforced.length < MAX_OVERRIDES)
        enforced.push({ rule: 'override.enforced', verdict: event, by: event, decision: done });
      if (callId === null || lets(event.decision) === null || held >= MAX_HELD) return;
      held++;
      const ofCall = calls.get(callId);
      if (ofCall === undefined) calls.set(callId, [event]);
      else ofCall.push(event);
    },
    finish: () =>
      [...enforced, ...[...calls.values()].flatMap(humanOverrides)]
        .sort((a, b) => byTime(a.by, b.by))
        .slice(0, MAX_OVERRIDES),
  };
}

/** Of one call. What several records tell of one decision is one override. */
function humanOverrides(events: readonly SealedEvent[]): Override[] {
  const found: Override[] = [];
  let verdict: SealedEvent | null = null;
  for (const event of events.toSorted(byTime)) {
    if (!event.isHuman) {
      if (event.category === 'POLICY_EVALUATION' || event.category === 'VIOLATION') verdict = event;
    } else if (verdict !== null && differ(verdict.decision, event.decision)) {
      found.push({ rule: 'override.human', verdict, by: event, decision: event.decision ?? 'NONE' });
      verdict = null;
    }
  }
  return found;
}

/** Whether a decision lets something happen; null: it decides nothing, or not yet. */
function lets(decision: string | null): boolean | null {
  if (decision === 'ALLOW' || decision === 'CONDITIONAL') return true;
  return decision === 'DENY' ? false : null;
}

function differ(one: string | null, other: string | null): boolean {
  const [a, b] = [lets(one), lets(other)];
  return a !== null && b !== null && a !== b;
}

/** What happened at once, in the order of the log: a verdict comes before what somebody makes of it. */
function byTime(a: SealedEvent, b: SealedEvent): number {
  if (a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt ? -1 : 1;
  return a.log === b.log ? a.index - b.index : a.log < b.log ? -1 : 1;
}

/** Said by the event by which it happened: whose the override is follows from the same members (events.ts). */
const OF_THE_EVENT = [
  'run_id',
  'hinted_run',
  'trace_id',
  'span_id',
  'correlation_id',
  'conversation_id',
  'agent_id',
  'service',
  'tool',
  'call_id',
  'enforced_by',
] as const;
/** Said by the verdict. */
const OF_THE_VERDICT = ['policy_id', 'policy_version', 'rule_id', 'observed', 'threshold', 'unit'] as const;

/**
 * The leaf of an override, with the identity of its rule and its sources: concluded again, by a sealer that died or a later revision, it is the same.
 * `origin`: of the open log of topic `audit`.
 */
export function overrideLeaf(origin: string, { rule, verdict, by, decision }: Override): LeafDraft {
  const sources = verdict === by ? [by] : [verdict, by];
  const fields: Record<string, JsonValue> = {
    ...taken(by, OF_THE_EVENT),
    ...taken(verdict, OF_THE_VERDICT),
    event_type: 'OVERRIDE',
    category: 'OVERRIDE',
    reported_by: 'DERIVED',
    decision,
    rule,
    rule_version: RULE_VERSION,
    sources: sources.map(({ log, index, leafHash }) => ({ log, index, hash: hex(leafHash) })),
    ...(by.isHuman && { decided_by: 'HUMAN', ...taken(by, ['human_actor_id']) }),
  };
  return ownLeaf({
    topic: 'audit',
    origin,
    kind: OVERRIDE_KIND,
    identity: [rule, ...sources.map(({ leafHash }) => hex(leafHash))],
    occurredAt: by.occurredAt,
    runId: by.runId,
    fields,
    projection: {
      table: 'audit_ledger',
      cells: auditCells({ kind: OVERRIDE_KIND, occurredAt: by.occurredAt, members: fields }),
    },
  });
}

function taken({ said }: SealedEvent, names: readonly string[]): Record<string, JsonValue> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = said[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
