import { type Mistake, StrictReading } from './strictReading.js';

/** What a record of `system` may be (CONTRACT.md §3, endpoint 7): the kind of its leaf. */
export const SYSTEM_EVENT_TYPES = [
  'STARTUP',
  'SHUTDOWN',
  'RESTART',
  'DEPLOY',
  'MIGRATION',
  'AUTH_CHANGE',
  'CONFIG_CHANGE',
  'ERROR',
  'HEALTH_CHECK',
  'SCALE',
  'EVICTION',
  'OOM',
  'THROTTLED',
  'DISK',
  'PROVIDER_OUTAGE',
  'TELEMETRY_GAP',
  'LOG',
] as const;
export type SystemEventType = (typeof SYSTEM_EVENT_TYPES)[number];

/** Categories of governance (CONTRACT.md §3, endpoint 4). */
export const CATEGORIES = [
  'THRESHOLD_CHECK',
  'POLICY_EVALUATION',
  'NEAR_BREACH',
  'VIOLATION',
  'OVERRIDE',
  'APPROVAL_REQUEST',
  'APPROVAL_DECISION',
  'EVALUATION',
] as const;
export type Category = (typeof CATEGORIES)[number];

/** What a verdict may mean (CONTRACT.md §3, endpoint 4); NONE: it means nothing that is known. */
export const DECISIONS = ['ALLOW', 'DENY', 'CONDITIONAL', 'PENDING'] as const;
export type Decision = (typeof DECISIONS)[number];

const CAUSES = ['SYSTEM', 'HUMAN', 'AUTOMATION'] as const;

/** What of an audit event comes from its attributes. */
const AUDIT_FIELDS = [
  'action',
  'entity_type',
  'entity_id',
  'actor_type',
  'actor_id',
  'category',
  'decision',
  'run_id',
  'policy_id',
  'policy_version',
  'rule_id',
  'incident_id',
  'correlation_id',
  'enforced_by',
  'observed',
  'threshold',
  'unit',
  'tool',
  'call_id',
  'reason',
  'method',
  'identity_provider',
  'source',
  'session',
] as const;
/** A field of an audit event. */
export type AuditField = (typeof AUDIT_FIELDS)[number];

/** An event name of the audit. */
export interface AuditEvent {
  readonly eventType: string;
  readonly category: Category | null;
}

/** An event name of the environment. */
interface SystemEvent {
  readonly eventType: SystemEventType;
  readonly causedBy: (typeof CAUSES)[number] | null;
}

/** `config/audit-vocabulary.yaml`, compiled. */
export interface Vocabulary {
  readonly audit: ReadonlyMap<string, AuditEvent>;
  readonly system: ReadonlyMap<string, SystemEvent>;
  /** Attributes to ask for each field, in order. */
  readonly fields: Readonly<Record<AuditField, readonly string[]>>;
  /** Types of entities that are people, in lower case. */
  readonly people: ReadonlySet<string>;
  /** By word, in lower case. */
  readonly decisions: ReadonlyMap<string, Decision>;
}

/** Thrown for a vocabulary that cannot be used; names every mistake. */
export class VocabularyRefused extends Error {
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    super(`vocabulary:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

const EVENT_TYPE = /^[A-Z][A-Z0-9_]{0,63}$/;

/**
 * Compiles a vocabulary. Strict: what is unknown, missing, twice there or of another form is a mistake.
 * @throws VocabularyRefused naming every mistake.
 */
export function compileVocabulary(content: unknown): Vocabulary {
  const reading = new StrictReading();
  const file = reading.object(content, [], ['version', 'audit', 'fields', 'people', 'decisions', 'system']);
  if (file['version'] !== 1) reading.refuse(['version'], 'must be 1');
  const names = new Map<string, string>();
  const audit = new Map<string, AuditEvent>();
  reading.entries(file['audit'], ['audit'], ['event', 'event_type'], ['category']).forEach(({ entry, path }) => {
    const name = reading.eventName(entry['event'], path, names);
    const eventType = entry['event_type'];
    const said = entry['category'];
    const category = said === undefined ? null : reading.oneOf(CATEGORIES, said, [...path, 'category']);
    if (typeof eventType !== 'string' || !EVENT_TYPE.test(eventType))
      reading.refuse([...path, 'event_type'], 'must be capitals, digits and _');
    else if (name !== null) audit.set(name, { eventType, category });
  });
  const system = new Map<string, SystemEvent>();
  reading.entries(file['system'], ['system'], ['event', 'event_type'], ['caused_by']).forEach(({ entry, path }) => {
    const name = reading.eventName(entry['event'], path, names);
    const eventType = reading.oneOf(SYSTEM_EVENT_TYPES, entry['event_type'], [...path, 'event_type']);
    const said = entry['caused_by'];
    const causedBy = said === undefined ? null : reading.oneOf(CAUSES, said, [...path, 'caused_by']);
    if (name !== null && eventType !== null) system.set(name, { eventType, causedBy });
  });
  const asked = reading.object(file['fields'], ['fields'], AUDIT_FIELDS);
  const fields = {} as Record<AuditField, readonly string[]>;
  for (const field of AUDIT_FIELDS) fields[field] = reading.texts(asked[field], ['fields', field]);
  const people = new Set(reading.texts(file['people'], ['people']).map((type) => type.toLowerCase()));
  const said = reading.object(file['decisions'], ['decisions'], DECISIONS);
  const decisions = new Map<string, Decision>();
  for (const decision of DECISIONS) {
    for (const word of reading.texts(said[decision], ['decisions', decision])) {
      if (decisions.has(word.toLowerCase())) reading.refuse(['decisions', decision], `${word} stands there twice`);
      decisions.set(word.toLowerCase(), decision);
    }
  }
  if (reading.mistakes.length > 0) throw new VocabularyRefused(reading.mistakes);
  return { audit, system, fields, people, decisions };
}
