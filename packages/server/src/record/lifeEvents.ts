import type { JsonValue } from '@sworn/evidence';

/** What an event of Sworn's own life is. Every word of it is ours: it is shown to tenants as it stands. */
export interface LifeKind {
  /** Kind of the leaf. */
  readonly kind: 'STARTUP' | 'SHUTDOWN' | 'MIGRATION' | 'CONFIG_CHANGE' | 'AUTH_CHANGE' | 'GAP';
  /** What it is shown as, where its kind is not that: a kind has one writer, and TELEMETRY_GAP is what producers send. */
  readonly eventType?: 'TELEMETRY_GAP';
  readonly severity: 'INFO' | 'WARN';
  /** Shown to every tenant. What is about one tenant's keys, or tells how many tenants there are, is not. */
  readonly shared: boolean;
  readonly summary: string;
}

/** The fixed vocabulary, by `event_name`. */
export const LIFE_EVENTS = {
  'sworn.started': { kind: 'STARTUP', severity: 'INFO', shared: true, summary: 'Sworn started' },
  'sworn.stopped': { kind: 'SHUTDOWN', severity: 'INFO', shared: true, summary: 'Sworn stopped' },
  'sworn.migrated': {
    kind: 'MIGRATION',
    severity: 'INFO',
    shared: true,
    summary: 'The database was brought to the schema of this version',
  },
  'sworn.configuration.changed': {
    kind: 'CONFIG_CHANGE',
    severity: 'INFO',
    shared: true,
    summary: 'Sworn started with another configuration than before',
  },
  'sworn.clock.accepted': {
    kind: 'CONFIG_CHANGE',
    severity: 'WARN',
    shared: true,
    summary: 'The clock was accepted after a jump',
  },
  'sworn.signer.adopted': {
    kind: 'AUTH_CHANGE',
    severity: 'WARN',
    shared: true,
    summary: 'The signer took stored checkpoints as what it signed last',
  },
  'sworn.signer.rotated': {
    kind: 'AUTH_CHANGE',
    severity: 'INFO',
    shared: true,
    summary: 'The signer changed over to a new key',
  },
  'sworn.tenant.created': { kind: 'AUTH_CHANGE', severity: 'INFO', shared: false, summary: 'A tenant was created' },
  'sworn.tenant.quota_set': {
    kind: 'CONFIG_CHANGE',
    severity: 'INFO',
    shared: false,
    summary: 'What a tenant may use was changed',
  },
  'sworn.key.created': { kind: 'AUTH_CHANGE', severity: 'INFO', shared: false, summary: 'A key was created' },
  'sworn.key.revoked': { kind: 'AUTH_CHANGE', severity: 'INFO', shared: false, summary: 'A key was revoked' },
  // Of a tenant's own `system`: they name its services (producerWatch.ts).
  'sworn.producer.silent': {
    kind: 'GAP',
    eventType: 'TELEMETRY_GAP',
    severity: 'WARN',
    shared: false,
    summary: 'A producer that should report is silent',
  },
  'sworn.producer.reported': {
    kind: 'GAP',
    eventType: 'TELEMETRY_GAP',
    severity: 'INFO',
    shared: false,
    summary: 'A producer that was silent has reported',
  },
} as const satisfies Record<string, LifeKind>;

/** Name of an event of Sworn's own life. */
export type LifeEventName = keyof typeof LIFE_EVENTS;

/** `component` of Sworn's own records; one that a producer calls so is still a producer's. */
export const OWN_COMPONENT = 'sworn';

/** One event, as it is told. */
export interface LifeEvent {
  readonly name: LifeEventName;
  /** What tells it from others of its name; telling it again changes nothing. */
  readonly identity: readonly string[];
  /** What the leaf says beside (docs/spec/leaf.md): versions, numbers, names of settings and files; no text of anybody's, no id of a tenant. */
  readonly fields?: Readonly<Record<string, JsonValue>>;
}

/** The sentence for an event of ours; null: it is none. */
export function lifeSummary(name: string | null): string | null {
  return name !== null && Object.hasOwn(LIFE_EVENTS, name) ? LIFE_EVENTS[name as LifeEventName].summary : null;
}
