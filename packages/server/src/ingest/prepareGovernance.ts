import { hex, utf8 } from '@sworn/evidence';
import { eventFacts, spanFacts } from '../otlp/map/facts.js';
import { eventRule, type GovernedFields, governedFields, spanRules } from '../otlp/map/governance.js';
import type { GovernanceRules } from '../otlp/map/governanceRules.js';
import { GOVERNANCE_KIND } from '../otlp/map/log.js';
import type { Mapper, StepFields } from '../otlp/map/step.js';
import type { Vocabulary } from '../otlp/map/vocabulary.js';
import type { SpanView } from '../otlp/span.js';
import type { LeafDraft } from '../record/draft.js';
import { recordedAtOffset } from '../record/ownLeaf.js';
import { auditCells } from '../store/eventRows.js';
import { hintedMember } from './hintedMember.js';
import { encodeProducerLeaf, hashOffset, type Members, STEP_ROOM, timestampOf, timestampOfNs } from './prepareLeaf.js';
import { duplicateMac, type Tenancy } from './tenancy.js';

/** Events of governance that one span makes; a span has a handful, and a sender of thousands would make each cost a leaf. */
const MAX_EVENTS = 16;

/** What governance is read by. */
export interface GovernanceReading {
  readonly mapper: Mapper;
  readonly vocabulary: Vocabulary;
  readonly governance: GovernanceRules;
}

/** A span that a STEP draft was made of. */
export interface GovernedStep {
  readonly tenancy: Tenancy;
  readonly span: SpanView;
  readonly fields: StepFields;
  readonly foreign: boolean;
  /** Event key and digest of the STEP draft. */
  readonly eventKey: Uint8Array;
  readonly digest: Uint8Array;
}

/**
 * What a span says of rules that touched it, each as the draft of a GOVERNANCE leaf that names the STEP leaf it was read from. Of more than there may be
 * the last says how many are left out: they stand in the body of the step alone.
 */
export function governanceDrafts(reading: GovernanceReading, step: GovernedStep): LeafDraft[] {
  const seen = new Map<string, number>();
  const { governed, leftOut } = governedBy(reading, step);
  return governed.map((one, i) => {
    const { rule } = one.said;
    const ordinal = seen.get(rule) ?? 0;
    seen.set(rule, ordinal + 1);
    return draftOf(reading, step, { ...one, ordinal, leftOut: i === governed.length - 1 ? leftOut : 0 });
  });
}

interface Governed {
  readonly said: GovernedFields;
  /** The event on the span that says it: its name, and which of those of that name. Null: the span itself does. */
  readonly event: { readonly event_name: string; readonly event_ordinal: number } | null;
  /** When it happened, nanoseconds since 1970; 0: not said. */
  readonly atNs: bigint;
}

/** The first events of a span, and how many more there are. */
function governedBy(
  { mapper, vocabulary, governance }: GovernanceReading,
  { span, fields }: GovernedStep,
): { readonly governed: readonly Governed[]; readonly leftOut: number } {
  const facts = spanFacts(mapper.mapping, span, fields);
  const rules = spanRules(governance, facts);
  const governed = rules
    .slice(0, MAX_EVENTS)
    .map(
      (rule): Governed => ({ said: governedFields(rule, vocabulary.decisions, facts), event: null, atNs: endOf(span) }),
    );
  let leftOut = rules.length - governed.length;
  const seen = new Map<string, number>();
  for (const event of span.events) {
    if (!governance.events.has(event.name)) continue;
    const ordinal = seen.get(event.name) ?? 0;
    seen.set(event.name, ordinal + 1);
    const rule = eventRule(governance, event.name, eventFacts(event));
    if (rule === null) continue;
    if (governed.length >= MAX_EVENTS) {
      leftOut++;
      continue;
    }
    const said = governedFields(rule, vocabulary.decisions, eventFacts(event));
    governed.push({
      said,
      event: { event_name: event.name, event_ordinal: ordinal },
      atNs: event.timeNs > 0n ? event.timeNs : endOf(span),
    });
  }
  return { governed, leftOut };
}

/** A verdict is there when its span ends. */
function endOf({ startNs, endNs }: SpanView): bigint {
  return endNs >= startNs ? endNs : startNs;
}

/** What of a step its events repeat. */
const OF_STEP = [
  'trace_id',
  'span_id',
  'service',
  'instance',
  'environment',
  'release',
  'agent_id',
  'conversation_id',
  'run_hint',
  'run_asserted',
] as const satisfies readonly (keyof StepFields)[];

function draftOf(
  { mapper }: GovernanceReading,
  step: GovernedStep,
  { said, event, atNs, ordinal, leftOut }: Governed & { readonly ordinal: number; readonly leftOut: number },
): LeafDraft {
  const { tenancy, fields, foreign } = step;
  const shared = Object.fromEntries(
    OF_STEP.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
  ) as Members;
  const members: Members = {
    ...shared,
    ...hintedMember(shared, foreign),
    ...(said as unknown as Members),
    ...event,
    ...(leftOut > 0 && { events_left_out: leftOut }),
    correlation_id: fields.correlation_id ?? fields.trace_id,
    ...STEP_ROOM,
    ...mapper.mapping.version,
    ...(atNs === 0n && { occurred_basis: 'received' }),
    ...(foreign && { foreign: true }),
  };
  const origin = tenancy.auditOrigin;
  const occurredAt = atNs === 0n ? timestampOf(tenancy.at) : timestampOfNs(atNs);
  const written = Buffer.alloc(4);
  written.writeUInt32BE(ordinal);
  const name = utf8(`GOVERNANCE\0${tenancy.stepOrigin}\0${said.rule}\0`);
  const eventKey = duplicateMac(tenancy, name, step.eventKey, written);
  const leaf = encodeProducerLeaf(
    { origin, kind: GOVERNANCE_KIND, keyId: tenancy.credential.keyId, eventKey, occurredAt, body: null, dk: null },
    members,
  );
  const source = hex(step.eventKey);
  return {
    topic: 'audit',
    kind: GOVERNANCE_KIND,
    eventKey,
    digest: step.digest,
    traceId: null,
    runId: null,
    occurredAt,
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [{ offset: hashOffset(leaf, 'source'), eventKey: source }],
    source,
    body: null,
    dk: null,
    projection: { table: 'audit_ledger', cells: auditCells({ kind: GOVERNANCE_KIND, occurredAt, members }) },
    conflict: null,
  };
}
