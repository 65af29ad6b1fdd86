import type { Attributes, AttributeValue } from '../attributes.js';
import type { LogView } from '../logRecord.js';
import type { ResourceView } from '../span.js';
import { eventNameOf } from './eventName.js';
import { logFacts } from './facts.js';
import { eventRule, governedFields, isMeasure } from './governance.js';
import type { GovernanceRule, GovernanceRules } from './governanceRules.js';
import { nameShaped } from './name.js';
import { severityOf } from './severity.js';
import { Sources } from './source.js';
import { assertedFields, hintOf, name, resourceFields } from './step.js';
import type { Mapping } from './tables.js';
import { type AuditEvent, type AuditField, CATEGORIES, type SystemEventType, type Vocabulary } from './vocabulary.js';

/** Kind of every leaf that a producer's audit event becomes. What it is stands in its `event_type`. */
export const AUDIT_KIND = 'AUDIT';

/** Kind of a leaf that says what a rule read in a span. */
export const GOVERNANCE_KIND = 'GOVERNANCE';

/** Attributes of an audit event that say what something was before and after: a mapping, or a text with a JSON object. They stand in the body alone. */
export const STATE_ATTRIBUTES = { before: 'sworn.audit.before', after: 'sworn.audit.after' } as const;

/** What log records are read by. */
export interface LogMapper {
  readonly mapping: Mapping;
  readonly vocabulary: Vocabulary;
  readonly governance: GovernanceRules;
}

/** A record as it came in, and what it came under. */
interface ReceivedLog {
  /** As sent: what it is taken for, so that no rule of redaction decides that. */
  readonly sent: LogView;
  /** After redaction: what is said of it. */
  readonly record: LogView;
  /** Lower-case hex. */
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly resource: ResourceView;
  readonly scopeName: string;
  /** The ingest key has scope `ingest:assert`, so `sworn.*` attributes come first. */
  readonly assert: boolean;
}

/** Members of a leaf: every text in them is name-shaped, of our own making, or an id in hex. */
type LogFields = Readonly<Record<string, string | number | true | readonly string[]>>;

/** What a record becomes: its log, the kind of its leaf (ours, never the sender's), what the leaf says, and the human it names, in clear. */
export interface MappedLog {
  readonly topic: 'system' | 'audit';
  readonly kind: SystemEventType | typeof AUDIT_KIND;
  readonly fields: LogFields;
  readonly human: string | null;
  /** A person whom it happened to, in clear: `entity_id` is to be the token. */
  readonly subject: string | null;
  /** Where somebody signed in from and his session, in clear: their tokens are to stand in the leaf. */
  readonly signIn: { readonly source: string | null; readonly session: string | null };
}

const NO_SIGN_IN = { source: null, session: null } as const;

/** Maps a log record by the vocabulary, and by the same tables as spans what it says of conversation, agent, human and service. */
export function mapLog({ mapping, vocabulary, governance }: LogMapper, log: ReceivedLog): MappedLog {
  const { sent, record } = log;
  const sources = new Sources(record.attributes, mapping.index);
  const named = eventNameOf(sent);
  const audited = named === null ? undefined : vocabulary.audit.get(named);
  const { sdk: _, ...resource } = resourceFields(mapping, log.resource);
  const shared: LogFields = {
    ...name('event_name', sent === record ? named : eventNameOf(record)),
    severity: severityOf(record.severityNumber, record.severityText),
    ...(record.severityNumber !== 0 && { severity_number: record.severityNumber }),
    ...name('severity_text', record.severityText),
    ...(log.traceId !== null && { trace_id: log.traceId }),
    ...(log.spanId !== null && { span_id: log.spanId }),
    ...name('logger', log.scopeName),
    ...name('agent_id', sources.firstText(mapping.agent, nameShaped)),
    ...name('conversation_id', sources.firstText(mapping.conversation, nameShaped)),
    ...name('run_hint', hintOf(sources.firstText(mapping.run_hint))),
    ...resource,
    ...(log.assert && assertedFields(sources)),
  };
  const asserted = log.assert ? sources.text('sworn.human.id') : null;
  const user = asserted ?? sources.firstText(mapping.human);
  if (audited !== undefined) return auditEvent(vocabulary, { record, shared, audited, asserted, user });
  const rule = eventRule(governance, named, logFacts(sent));
  if (rule !== null) return governed(vocabulary, rule, { record, shared, asserted, user });
  const event = named === null ? undefined : vocabulary.system.get(named);
  const component = resource.service ?? (nameShaped(log.scopeName) ? log.scopeName : undefined);
  return {
    topic: 'system',
    kind: event?.eventType ?? 'LOG',
    fields: {
      ...shared,
      ...(component !== undefined && { component }),
      ...(event !== undefined && event.causedBy !== null && { caused_by: event.causedBy }),
      ...correlation(shared, null),
    },
    human: clear(user),
    subject: null,
    signIn: NO_SIGN_IN,
  };
}

/** What a rule reads. Who is said to have decided is the user where a person did; else the user is somebody whose session it was. */
function governed(
  vocabulary: Vocabulary,
  rule: GovernanceRule,
  { record, shared, asserted, user }: Omit<Audited, 'audited'>,
): MappedLog {
  const fields = governedFields(rule, vocabulary.decisions, logFacts(record));
  return {
    topic: 'audit',
    kind: AUDIT_KIND,
    fields: { ...shared, ...fields, ...correlation(shared, null) },
    human: clear(fields.decided_by === 'HUMAN' ? user : asserted),
    subject: null,
    signIn: NO_SIGN_IN,
  };
}

interface Audited {
  readonly record: LogView;
  readonly shared: LogFields;
  readonly audited: AuditEvent;
  readonly asserted: string | null;
  readonly user: string | null;
}

function auditEvent(vocabulary: Vocabulary, { record, shared, audited, asserted, user }: Audited): MappedLog {
  const first = (field: AuditField) => firstText(record.attributes, vocabulary.fields[field]);
  const measure = (field: 'observed' | 'threshold'): LogFields => {
    const said = vocabulary.fields[field]
      .map((attribute) => scalarText(record.attributes.get(attribute)))
      .find(isMeasure);
    return said === undefined ? {} : { [field]: said };
  };
  const actor = first('actor_id');
  const actorType = first('actor_type')?.toUpperCase();
  const isThing = actor !== null && (actorType === 'AGENT' || actorType === 'SYSTEM');
  const entityType = first('entity_type');
  const entity = first('entity_id');
  const isPerson = entityType !== null && vocabulary.people.has(entityType.toLowerCase());
  const word = first('decision');
  const field = vocabulary.fields.decision.find((attribute) => record.attributes.text(attribute) !== null) ?? null;
  const said = first('category')?.toUpperCase();
  const category = audited.category ?? CATEGORIES.find((known) => known === said);
  return {
    topic: 'audit',
    kind: AUDIT_KIND,
    fields: {
      ...shared,
      event_type: audited.eventType,
      reported_by: 'CLIENT',
      ...(category !== undefined && { category }),
      ...name('action', first('action')),
      ...name('entity_type', entityType),
      ...(!isPerson && name('entity_id', entity)),
      ...(word !== null && { decision: vocabulary.decisions.get(word.toLowerCase()) ?? 'NONE' }),
      ...(word !== null && name('native_field', field)),
      ...name('native_decision', word),
      ...name('enforced_by', first('enforced_by')),
      ...measure('observed'),
      ...measure('threshold'),
      ...name('unit', first('unit')),
      ...name('tool', first('tool')),
      ...name('call_id', first('call_id')),
      ...name('run_id', hintOf(first('run_id'))),
      ...name('policy_id', first('policy_id')),
      ...name('policy_version', first('policy_version')),
      ...name('rule_id', first('rule_id')),
      ...name('incident_id', first('incident_id')),
      ...name('method', first('method')),
      ...name('identity_provider', first('identity_provider')),
      ...(isThing && actorType === 'AGENT' && name('agent_id', actor)),
      ...(isThing && actorType === 'SYSTEM' && name('system_id', actor)),
      ...correlation(shared, first('correlation_id')),
    },
    // Who acted, as far as the event says; the user whose session it was is somebody else.
    human: clear(asserted ?? (isThing ? null : (actor ?? user))),
    subject: isPerson ? clear(entity) : null,
    signIn: { source: clear(first('source')), session: clear(first('session')) },
  };
}

/** What binds it to others: what is asserted, what the event itself says, its trace, its conversation. */
function correlation(shared: LogFields, own: string | null): LogFields {
  if (shared['correlation_id'] !== undefined) return {};
  if (own !== null && nameShaped(own)) return { correlation_id: own };
  const found = shared['trace_id'] ?? shared['conversation_id'];
  return found === undefined ? {} : { correlation_id: found };
}

function firstText(attributes: Attributes, names: readonly string[]): string | null {
  for (const attribute of names) {
    const text = attributes.text(attribute);
    if (text !== null) return text;
  }
  return null;
}

/** A number as its sender would write it; of what is neither number nor text, nothing. */
function scalarText(value: AttributeValue | undefined): string {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string' ? String(value) : '';
}

/** What redaction put in a name's place is nobody. */
function clear(human: string | null): string | null {
  return human === null || human.includes('[REDACTED:') ? null : human;
}
