import {
  type AccessItem,
  AUDIT_EVENTS,
  type AuditCategory,
  type AuditItem,
  type AuthorizationItem,
  ENDPOINTS,
  type ENTITY_TYPES,
} from '@sworn/contract';
import { decodeLeaf, type JsonValue, type Members, parseRecordId, recordId } from '@sworn/evidence';
import type { SoundEntry } from './checkEntry.js';
import { GOVERNANCE_KIND } from '../otlp/map/log.js';
import { entryMetadata, topicOf } from './entryMetadata.js';
import { idOf } from './runItem.js';
import type { Covered } from './tier.js';

/** How an endpoint shows an entry. `covered`: by the verified checkpoint. */
export type ShowEntry<I> = (tenantId: string, entry: SoundEntry, covered: Covered | null) => I;

/** An entry of any log. */
export const auditItem: ShowEntry<AuditItem> = (tenantId, entry, covered) => {
  const { stored, members: m } = entry;
  const topic = topicOf(entry);
  return {
    ...requestOf(entry),
    log: topic,
    category: (m.text('category') as AuditCategory | null) ?? CATEGORY_OF.get(stored.kind) ?? null,
    ...entityOf(entry),
    endpoint: m.text('endpoint'),
    reason: m.text('reason_code'),
    action: m.text('action'),
    native_decision: m.text('native_decision'),
    policy_id: m.text('policy_id'),
    policy_version: m.text('policy_version'),
    rule_id: m.text('rule_id'),
    incident_id: m.text('incident_id'),
    severity: m.text('severity'),
    service: m.text('service'),
    reported_by: m.text('reported_by') as AuditItem['reported_by'],
    key_id: m.text('key'),
    events_left_out: m.count('events_left_out') ?? 0,
    conflict_of: firstOf(entry),
    metadata: entryMetadata(tenantId, entry, covered),
  };
};

/** Of a conflict the entry that has the event key: it stands in the same log. */
export function firstOf({ stored, members: m }: SoundEntry): string | null {
  const index = m.count('first_index');
  const place = parseRecordId(idOf(stored));
  return index === null || place === null ? null : recordId({ ...place, index });
}

/** An access record as a decision. */
export const authorizationItem: ShowEntry<AuthorizationItem> = (tenantId, entry, covered) => ({
  ...requestOf(entry),
  subject: entry.members.text('credential_id') ?? entry.members.text('source'),
  resource: entry.members.text('endpoint'),
  resource_id: entry.members.text('run_id') ?? entry.members.text('record_id'),
  action: entry.members.text('method'),
  rule: authorizationRule(entry),
  reason_code: entry.members.text('reason_code'),
  override: entry.members.text('override'),
  metadata: entryMetadata(tenantId, entry, covered),
});

/** The rule that its record names; older ones name what it came to. What is refused after it is refused for what was asked. */
export function authorizationRule({ members: m }: SoundEntry): string | null {
  const rule = m.text('rule');
  if (rule !== null)
    return m.text('decision') === 'ALLOW' || m.text('reason_code') === 'permission_denied' ? rule : null;
  const [role, permission, reason] = [m.text('role'), m.text('permission'), m.text('reason_code')];
  if (role === null || permission === null) return null;
  if (reason === 'permission_denied') return `role ${role} lacks ${permission}`;
  return m.text('decision') === 'ALLOW' ? `role ${role} has ${permission}` : null;
}

/** An access record as an access. */
export const accessItem: ShowEntry<AccessItem> = (tenantId, entry, covered) => {
  const { members: m } = entry;
  return {
    ...requestOf(entry),
    action: actionOf(entry.stored.kind, m.text('endpoint')),
    scope: scopeOf(m),
    purpose: m.text('purpose'),
    endpoint: m.text('endpoint'),
    reason_code: m.text('reason_code'),
    filters: filtersOf(entry),
    pins: m.objects('pins').map((pin) => ({ log: pin.text('log') ?? '', size: pin.count('size') ?? 0 })),
    answer: m.text('answer'),
    metadata: entryMetadata(tenantId, entry, covered),
  };
};

function filtersOf(entry: SoundEntry): AccessItem['filters'] {
  return Object.entries(objectOf(fieldsOf(entry)['filters']) ?? {}).map(([name, value]) => ({
    name,
    value: typeof value === 'string' ? value : JSON.stringify(value),
  }));
}

/** A member of a leaf that has members of its own; null: it is none. */
export function objectOf(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : null;
}

/** All that a leaf says, by name. */
export function fieldsOf({ stored }: SoundEntry): Readonly<Record<string, JsonValue>> {
  return decodeLeaf(stored.leaf).fields;
}

const CATEGORY_OF: ReadonlyMap<string, AuditCategory> = new Map(
  Object.entries(AUDIT_EVENTS).flatMap(([category, kinds]) =>
    kinds.map((kind) => [kind, category as AuditCategory] as const),
  ),
);

/** What an access record says of a request, wherever it is shown. */
export function requestOf(entry: SoundEntry) {
  const { stored, members: m } = entry;
  return {
    id: idOf(stored),
    event_type: topicOf(entry) === 'audit' ? (m.text('event_type') ?? stored.kind) : stored.kind,
    ...actorOf(entry),
    actor_role: m.text('credential_id') === null ? null : m.text('role'),
    permission: m.text('permission'),
    decision: m.text('decision') as AuditItem['decision'],
    status: m.count('status'),
    // Of what was read from a span it is the leaf of that.
    source: stored.kind === GOVERNANCE_KIND ? null : m.text('source'),
    correlation_id: m.text('correlation_id'),
    view: m.text('view'),
    run_id: m.text('run_id'),
    record_id: m.text('record_id'),
    count: m.count('count'),
    complete: m.flag('complete'),
    folded: m.flag('folded') ?? false,
  };
}

/** Who acted. */
export function actorOf(entry: SoundEntry): Pick<AuditItem, 'actor_type' | 'actor_id'> {
  const { members: m } = entry;
  const topic = topicOf(entry);
  if (topic === 'control') return signerIn(entry);
  if (topic === 'access') return readerIn(m);
  const named = NAMED.find(([member]) => m.text(member) !== null);
  return { actor_type: named?.[1] ?? null, actor_id: named === undefined ? null : m.text(named[0]) };
}

/** Who read, by an access record. */
export function readerIn(m: Members): Pick<AuditItem, 'actor_type' | 'actor_id'> {
  const key = m.text('credential_id');
  if (key !== null) return { actor_type: m.text('human_actor_id') === null ? 'API_KEY' : 'HUMAN', actor_id: key };
  return { actor_type: m.text('method') === 'CLI' ? 'COMMAND' : 'UNKNOWN', actor_id: null };
}

/** Of Sworn's own life it is Sworn; of a sign-in whoever signed in, or tried to. */
function signerIn({ stored, members: m }: SoundEntry): Pick<AuditItem, 'actor_type' | 'actor_id'> {
  if (stored.kind === 'LOGIN') return { actor_type: 'HUMAN', actor_id: m.text('human_actor_id') };
  return { actor_type: stored.kind === 'LOGIN_FAILED' ? 'UNKNOWN' : 'SWORN', actor_id: null };
}

/** Whom a producer's record names as having acted: the first that is there, as its row has it. */
const NAMED = [
  ['human_actor_id', 'HUMAN'],
  ['agent_id', 'AGENT'],
  ['system_id', 'SYSTEM'],
] as const;

/** Of a control leaf its subject, where that is one thing. */
export const ENTITIES: Readonly<Record<string, (typeof ENTITY_TYPES)[number]>> = {
  TENANT_CREATED: 'TENANT',
  QUOTA_SET: 'TENANT',
  KEY_CREATED: 'KEY',
  KEY_REVOKED: 'KEY',
  TOKEN_FIRST_USED: 'KEY',
  LOGIN: 'PERSON',
  SIGNING_KEY_ADDED: 'SIGNING_KEY',
  SIGNING_KEY_RETIRED: 'SIGNING_KEY',
  SIGNER_ADOPTED: 'LOG',
  LOG_RECOVERED: 'LOG',
  FINDING: 'FINDING',
  FINDING_CLEARED: 'FINDING',
};

/** What it is about. */
export function entityOf(entry: SoundEntry): Pick<AuditItem, 'entity_type' | 'entity_id'> {
  const { stored, members: m } = entry;
  if (topicOf(entry) === 'audit') return { entity_type: m.text('entity_type'), entity_id: m.text('entity_id') };
  const [run, record, subject] = [m.text('run_id'), m.text('record_id'), stored.cells?.['subject']];
  if (run !== null) return { entity_type: 'RUN', entity_id: run };
  if (record !== null) return { entity_type: 'RECORD', entity_id: record };
  const type = ENTITIES[stored.kind] ?? null;
  return type === null || typeof subject !== 'string'
    ? { entity_type: null, entity_id: null }
    : { entity_type: type, entity_id: subject };
}

const READING: ReadonlySet<string> = new Set([...ENDPOINTS.map(({ id }) => id), 'cli:leaf']);

function scopeOf(m: Members): AccessItem['scope'] {
  if (m.text('run_id') !== null) return 'RUN';
  if (m.text('record_id') !== null) return 'RECORD';
  const endpoint = m.text('endpoint') ?? '';
  if (endpoint.startsWith('tlog.')) return 'LOG';
  return READING.has(endpoint) ? 'MANY' : 'NOTHING';
}

function actionOf(kind: string, endpoint: string | null): AccessItem['action'] {
  if (kind === 'EXPORT_DELIVERED') return 'DOWNLOAD';
  if (kind.startsWith('EXPORT_')) return 'EXPORT';
  if (endpoint === null) return 'OTHER';
  if (READING.has(endpoint) || endpoint === 'exports.download') return 'VIEW';
  if (endpoint.startsWith('tlog.')) return 'DOWNLOAD';
  return endpoint === 'method_not_allowed' ? 'CHANGE' : 'OTHER';
}
