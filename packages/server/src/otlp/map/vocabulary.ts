import { nameShaped } from './name.js';

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
type Category = (typeof CATEGORIES)[number];

const DECISIONS = ['ALLOW', 'DENY', 'CONDITIONAL', 'PENDING'] as const;
type Decision = (typeof DECISIONS)[number];

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
] as const;
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

/** Something wrong with a vocabulary, and where: the keys and indexes that lead there. */
interface VocabularyMistake {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Thrown for a vocabulary that cannot be used; names every mistake. */
export class VocabularyRefused extends Error {
  readonly mistakes: readonly VocabularyMistake[];

  constructor(mistakes: readonly VocabularyMistake[]) {
    super(`vocabulary:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** Entries of one list. */
const MAX_ENTRIES = 1_024;

const EVENT_TYPE = /^[A-Z][A-Z0-9_]{0,63}$/;

/**
 * Compiles a vocabulary. Strict: what is unknown, missing, twice there or of another form is a mistake.
 * @throws VocabularyRefused naming every mistake.
 */
export function compileVocabulary(content: unknown): Vocabulary {
  const reading = new Reading();
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

type Path = readonly (string | number)[];
type Entry = Readonly<Record<string, unknown>>;

/** Reads parsed YAML by what it should be, and notes what is otherwise. */
class Reading {
  readonly mistakes: VocabularyMistake[] = [];

  refuse(path: Path, why: string): void {
    this.mistakes.push({ path, why });
  }

  /** An object with these members, and, of those that are `optional`, any. */
  object(value: unknown, path: Path, members: readonly string[], optional: readonly string[] = []): Entry {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse(path, 'must be a mapping');
      return {};
    }
    for (const name of Object.keys(value))
      if (!members.includes(name) && !optional.includes(name)) this.refuse([...path, name], 'is unknown');
    for (const name of members) if (!Object.hasOwn(value, name)) this.refuse([...path, name], 'is missing');
    return value as Entry;
  }

  list(value: unknown, path: Path): readonly unknown[] {
    if (Array.isArray(value) && value.length <= MAX_ENTRIES) return value as unknown[];
    this.refuse(path, `must be a list of at most ${MAX_ENTRIES}`);
    return [];
  }

  entries(value: unknown, path: Path, members: readonly string[], optional: readonly string[]) {
    return this.list(value, path).map((item, at) => ({
      entry: this.object(item, [...path, at], members, optional),
      path: [...path, at],
    }));
  }

  texts(value: unknown, path: Path): string[] {
    return this.list(value, path).filter((text, at): text is string => {
      const fits = typeof text === 'string' && nameShaped(text);
      if (!fits) this.refuse([...path, at], 'must be a name of at most 128 characters');
      return fits;
    });
  }

  oneOf<T extends string>(known: readonly T[], value: unknown, path: Path): T | null {
    const found = known.find((one) => one === value) ?? null;
    if (found === null) this.refuse(path, `must be one of ${known.join(', ')}`);
    return found;
  }

  eventName(value: unknown, path: Path, names: Map<string, string>): string | null {
    if (typeof value !== 'string' || !nameShaped(value)) {
      this.refuse([...path, 'event'], 'must be a name of at most 128 characters');
      return null;
    }
    const before = names.get(value);
    if (before !== undefined) this.refuse([...path, 'event'], `${value} stands at ${before} too`);
    names.set(value, path.join('.'));
    return value;
  }
}
