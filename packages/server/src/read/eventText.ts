import type { ContentState, Finding } from '@sworn/contract';
import { hex, leafHash, type Members, membersOf } from '@sworn/evidence';
import { eventFacts, logFacts, spanFacts } from '../otlp/map/facts.js';
import { type Facts, governedTexts } from '../otlp/map/governance.js';
import type { GovernanceRule } from '../otlp/map/governanceRules.js';
import { readLogRecord } from '../otlp/logRecord.js';
import { readSpan, type SpanView } from '../otlp/span.js';
import type { FactsOfStep } from '../otlp/map/facts.js';
import type { Tx } from '../store/database.js';
import { readKeyedLeaves, type StoredLeaf } from '../store/runs.js';
import { readBodies, readStepsAt } from '../store/steps.js';
import type { SoundEntry } from './checkEntry.js';
import type { ReadDeps } from './reading.js';
import { openBodies, type RecordBody } from './recordBody.js';
import type { RunEvent } from './runEvents.js';
import type { PinnedRun } from './settled.js';

/** Characters of a reason or a native value that an answer shows; the whole stays in the body. */
const MAX_TEXT = 1_024;

/** Free text of an event, from the body of its record or of the step that it was read from. */
export interface EventText {
  readonly kind: 'open';
  readonly reason: string | null;
  readonly native: string | null;
  readonly content: ContentState;
}

/** The event's own body is not what its leaf committed to, or is gone (V8, V5). */
export interface DamagedText {
  readonly kind: 'damaged';
  readonly finding: Finding;
}

/** A sealed body, and what opens it. */
interface Sealed {
  readonly stored: Pick<StoredLeaf, 'log' | 'index' | 'eventKey' | 'dk'>;
  readonly members: Members;
  /** Null: it is gone. */
  readonly body: Uint8Array | null;
}

/** Where an event's text stands; null: nowhere, or it is gone. */
export interface SealedText {
  readonly own: Sealed | null;
  readonly parent: Sealed | null;
  /** Bytes once opened. */
  readonly bytes: number;
}

const NOTHING: SealedText = { own: null, parent: null, bytes: 0 };

/** Reads, still sealed, what the texts of events stand in: their own bodies, or those of the steps that they were read from and of the steps above. */
export async function sealedTexts(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, events }: { readonly run: PinnedRun; readonly events: readonly RunEvent[] },
): Promise<readonly SealedText[]> {
  const own = await ownBodies(tx, tenantId, events);
  const sources = await sourceSteps(deps, tx, tenantId, { run, events });
  return events.map(({ checked, step }) => {
    if (checked.kind === 'compromised') return NOTHING;
    const { stored, members } = checked;
    if (members.text('source') === null) {
      const body = own.get(`${stored.log} ${stored.index}`) ?? null;
      return stored.dk === null ? NOTHING : { own: { stored, members, body }, parent: null, bytes: sizeOf(members) };
    }
    const source = step === null ? undefined : sources.get(step.index);
    // A step of another generation of the log may have the same key, and is not the one it was read from.
    if (source === undefined || source.hash !== members.text('source')) return NOTHING;
    return {
      own: source,
      parent: source.parent,
      bytes: sizeOf(source.members) + (source.parent === null ? 0 : sizeOf(source.parent.members)),
    };
  });
}

function sizeOf(members: Members): number {
  return members.object('c').object('body').count('n') ?? 0;
}

async function ownBodies(
  tx: Tx,
  tenantId: string,
  events: readonly RunEvent[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const log of new Set(events.map(({ place }) => place.log))) {
    const indexes = events
      .filter(({ place, step, checked }) => place.log === log && !isRead(checked, step))
      .map(({ place }) => place.index);
    for (const [index, body] of await readBodies(tx, tenantId, log, indexes)) found.set(`${log} ${index}`, body);
  }
  return found;
}

function isRead(checked: RunEvent['checked'], step: RunEvent['step']): boolean {
  return checked.kind === 'sound' && step !== null && checked.members.text('source') !== null;
}

type Source = Sealed & { readonly hash: string; readonly parent: Sealed | null };

/** Steps that events were read from, by leaf index. */
async function sourceSteps(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, events }: { readonly run: PinnedRun; readonly events: readonly RunEvent[] },
): Promise<ReadonlyMap<number, Source>> {
  const wanted = events.filter(({ checked, step }) => isRead(checked, step));
  const steps = await sealedSteps(
    tx,
    tenantId,
    run.log,
    wanted.flatMap(({ step }) => step?.index ?? []),
  );
  const above = new Map<string, number>();
  const asking = wanted.filter(({ checked }) => checked.kind === 'sound' && asksParent(deps, checked));
  const keys = [...new Set(asking.flatMap(({ step }) => parentKey(steps.get(step?.index ?? -1)) ?? []))];
  for (const { eventKey, index } of keys.length === 0
    ? []
    : await readKeyedLeaves(
        tx,
        tenantId,
        run.log,
        keys.map((key) => Buffer.from(key, 'hex')),
      ))
    above.set(Buffer.from(eventKey).toString('hex'), index);
  const parents = await sealedSteps(tx, tenantId, run.log, [...above.values()]);
  return new Map(
    [...steps].map(([index, step]) => [
      index,
      { ...step, parent: parents.get(above.get(parentKey(step) ?? '') ?? -1) ?? null },
    ]),
  );
}

function asksParent({ governance }: ReadDeps, { members }: SoundEntry): boolean {
  const rule = governance.byName.get(members.text('rule') ?? '');
  return (
    members.text('decision') !== 'ALLOW' &&
    rule?.texts.reason.some((from) => from.kind === 'fact' && from.name === '@parent_message') === true
  );
}

function parentKey(step: Sealed | undefined): string | null {
  const [traceId, parent] = [step?.members.text('trace_id') ?? null, step?.members.text('parent_span_id') ?? null];
  return traceId === null || parent === null ? null : traceId + parent;
}

async function sealedSteps(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Sealed & { readonly hash: string }>> {
  const distinct = [...new Set(indexes)];
  if (distinct.length === 0) return new Map();
  const bodies = await readBodies(tx, tenantId, log, distinct);
  const found = new Map<number, Sealed & { readonly hash: string }>();
  for (const stored of await readStepsAt(tx, tenantId, log, distinct)) {
    const body = bodies.get(stored.index);
    const members = leafMembers(stored.leaf);
    if (body !== undefined && members !== null)
      found.set(stored.index, { stored, members, body, hash: hex(leafHash(stored.leaf)) });
  }
  return found;
}

function leafMembers(leaf: Uint8Array): Members | null {
  try {
    return membersOf(JSON.parse(Buffer.from(leaf).toString('utf8')));
  } catch {
    // What stands there is no leaf; the trace of the run says so.
    return null;
  }
}

/**
 * Opens them. To be called outside any transaction (see `openSteps`). Null: it has no body, or one of a step that cannot be read, of which the trace tells.
 */
export async function openTexts(
  deps: ReadDeps,
  tenantId: string,
  events: readonly { readonly entry: SoundEntry; readonly sealed: SealedText }[],
): Promise<readonly (EventText | DamagedText | null)[]> {
  const opened = await openAll(
    deps,
    tenantId,
    events.flatMap(({ sealed: { own, parent } }) => [own ?? [], parent ?? []].flat()),
  );
  const bodyOf = (sealed: Sealed | null) => (sealed === null ? null : (opened.get(placeOf(sealed)) ?? null));
  return events.map(({ entry, sealed }) => {
    const own = bodyOf(sealed.own);
    if (own === null || sealed.own === null) return null;
    // Of a step that it was read from, the trace of the run tells.
    if (own.kind === 'compromised')
      return sealed.own.stored.log === entry.stored.log ? { kind: 'damaged', finding: own.finding } : null;
    const { members } = sealed.own;
    const content: ContentState = members.objects('redacted').length > 0 ? 'REDACTED' : 'FULL';
    const parent = bodyOf(sealed.parent);
    const said = textsOf(deps, entry, {
      bytes: own.value,
      members,
      parent: parent?.kind === 'open' ? parent.value : null,
    });
    return { kind: 'open', reason: cut(said.reason), native: cut(said.native), content };
  });
}

/** The bodies that are there or should be, by their place. */
async function openAll(
  deps: ReadDeps,
  tenantId: string,
  sealed: readonly Sealed[],
): Promise<ReadonlyMap<string, RecordBody>> {
  const opened = new Map<string, RecordBody>();
  for (const log of new Set(sealed.map(({ stored }) => stored.log))) {
    const records = [
      ...new Map(sealed.filter(({ stored }) => stored.log === log).map((one) => [one.stored.index, one])).values(),
    ];
    const bodies = new Map(
      records.flatMap(({ stored, body }) => (body === null ? [] : [[stored.index, body] as const])),
    );
    for (const [index, body] of await openBodies(deps, tenantId, records, bodies)) opened.set(`${log} ${index}`, body);
  }
  return opened;
}

function placeOf({ stored: { log, index } }: Sealed): string {
  return `${log} ${index}`;
}

interface Opened {
  readonly bytes: Uint8Array;
  readonly members: Members;
  readonly parent: Uint8Array | null;
}

function textsOf(
  { governance, vocabulary, mapping }: ReadDeps,
  { members: m }: SoundEntry,
  { bytes, members, parent }: Opened,
): Pick<EventText, 'reason' | 'native'> {
  const rule = governance.byName.get(m.text('rule') ?? '');
  if (m.text('source') === null) {
    const record = readLogRecord(bytes);
    if (rule !== undefined) return governedTexts(rule, logFacts(record));
    const first = (names: readonly string[]) =>
      names.map((name) => record.attributes.text(name)).find((text) => text !== null) ?? null;
    const { body } = record;
    return {
      reason: first(vocabulary.fields.reason) ?? (typeof body === 'string' ? body : null),
      native: first(vocabulary.fields.decision),
    };
  }
  if (rule === undefined) return { reason: null, native: null };
  const span = readSpan(bytes);
  const above = parent === null ? null : readSpan(parent).status.message;
  return governedTexts(rule, factsOf(rule, m, { span, facts: spanFacts(mapping, span, stepOf(members), above) }));
}

/** Of what an event on the span said, that event: the one of its name at its ordinal is found again by the rule and its time. */
function factsOf(
  rule: GovernanceRule,
  m: Members,
  { span, facts }: { readonly span: SpanView; readonly facts: Facts },
): Facts {
  if (rule.on !== 'event') return facts;
  const name = m.text('event_name');
  const events = span.events.filter((event) => event.name === name);
  const event = events[m.count('event_ordinal') ?? 0] ?? events[0];
  return event === undefined ? facts : eventFacts(event);
}

function stepOf(m: Members): FactsOfStep {
  const [error, tool, tokens] = [m.text('error_type'), m.text('tool'), m.count('output_tokens')];
  return {
    step_kind: (m.text('step_kind') ?? 'OTHER') as FactsOfStep['step_kind'],
    status: (m.text('status') ?? 'UNSET') as FactsOfStep['status'],
    marks: m.texts('marks') as NonNullable<FactsOfStep['marks']>,
    finish_reasons: m.texts('finish_reasons'),
    ...(error !== null && { error_type: error }),
    ...(tool !== null && { tool }),
    ...(tokens !== null && { output_tokens: tokens }),
  };
}

function cut(text: string | null): string | null {
  return text === null ? null : text.slice(0, MAX_TEXT);
}
