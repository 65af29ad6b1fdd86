import {
  type AccessItem,
  AUDIT_EVENTS,
  type AuditCategory,
  type AuditItem,
  type AuthorizationItem,
  ENDPOINTS,
  type RecordMetadata,
} from '@sworn/contract';
import { decodeLeaf, type JsonValue } from '@sworn/evidence';
import type { SoundEntry } from './checkEntry.js';
import type { Members } from './members.js';
import { checksumOf, type Spine } from './metadata.js';
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
    category: CATEGORY_OF.get(stored.kind) ?? null,
    ...entityOf(entry),
    endpoint: m.text('endpoint'),
    reason: m.text('reason_code'),
    metadata: entryMetadata(tenantId, entry, covered),
  };
};

/** An access record as a decision. */
export const authorizationItem: ShowEntry<AuthorizationItem> = (tenantId, entry, covered) => ({
  ...requestOf(entry),
  resource: entry.members.text('endpoint'),
  action: entry.members.text('method'),
  reason_code: entry.members.text('reason_code'),
  metadata: entryMetadata(tenantId, entry, covered),
});

/** An access record as an access. */
export const accessItem: ShowEntry<AccessItem> = (tenantId, entry, covered) => {
  const { members: m } = entry;
  return {
    ...requestOf(entry),
    action: actionOf(m.text('endpoint')),
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

/** Topic of the entry's log. */
export function topicOf({ stored }: SoundEntry): AuditItem['log'] {
  return stored.log.split('.')[0] as AuditItem['log'];
}

function requestOf(entry: SoundEntry) {
  const { stored, members: m } = entry;
  return {
    id: idOf(stored),
    event_type: stored.kind,
    actor_type: actorTypeOf(entry),
    actor_id: m.text('credential_id'),
    actor_role: m.text('credential_id') === null ? null : m.text('role'),
    permission: m.text('permission'),
    decision: m.text('decision') as AuditItem['decision'],
    status: m.count('status'),
    source: m.text('source'),
    correlation_id: m.text('correlation_id'),
    view: m.text('view'),
    run_id: m.text('run_id'),
    record_id: m.text('record_id'),
    count: m.count('count'),
    complete: m.flag('complete'),
    folded: m.flag('folded') ?? false,
  };
}

function actorTypeOf(entry: SoundEntry): AuditItem['actor_type'] {
  const { members: m } = entry;
  if (topicOf(entry) !== 'access') return 'SWORN';
  if (m.text('credential_id') !== null) return 'API_KEY';
  return m.text('method') === 'CLI' ? 'COMMAND' : 'UNKNOWN';
}

/** Of a control leaf its subject, where that is one thing. */
const ENTITIES: Readonly<Record<string, AuditItem['entity_type']>> = {
  TENANT_CREATED: 'TENANT',
  KEY_CREATED: 'KEY',
  KEY_REVOKED: 'KEY',
  SIGNING_KEY_ADDED: 'SIGNING_KEY',
  SIGNING_KEY_RETIRED: 'SIGNING_KEY',
  SIGNER_ADOPTED: 'LOG',
  LOG_RECOVERED: 'LOG',
  FINDING: 'FINDING',
  FINDING_CLEARED: 'FINDING',
};

function entityOf({ stored, members: m }: SoundEntry): Pick<AuditItem, 'entity_type' | 'entity_id'> {
  const [run, record, subject] = [m.text('run_id'), m.text('record_id'), stored.cells?.['subject']];
  if (run !== null) return { entity_type: 'RUN', entity_id: run };
  if (record !== null) return { entity_type: 'RECORD', entity_id: record };
  const type = ENTITIES[stored.kind] ?? null;
  return type === null || typeof subject !== 'string'
    ? { entity_type: null, entity_id: null }
    : { entity_type: type, entity_id: subject };
}

const READING: ReadonlySet<string> = new Set([...ENDPOINTS.map(({ id }) => id), 'cli:leaf']);

function actionOf(endpoint: string | null): AccessItem['action'] {
  if (endpoint === null) return 'OTHER';
  if (READING.has(endpoint)) return 'VIEW';
  if (endpoint.startsWith('tlog.')) return 'DOWNLOAD';
  return endpoint === 'method_not_allowed' ? 'CHANGE' : 'OTHER';
}

/** Metadata of one entry. A key is a system's; who held it, no record says. Who approved a recovery is named by his token. */
function entryMetadata(tenantId: string, entry: SoundEntry, covered: Covered | null): RecordMetadata {
  const { stored, members: m } = entry;
  return {
    tenant_id: tenantId,
    run_id: m.text('run_id'),
    human_actor_id: m.text('approver'),
    agent_id: null,
    system_id: m.text('credential_id'),
    actor_basis: basisOf(entry),
    occurred_at: stored.occurredAt,
    recorded_at: stored.recordedAt,
    timezone: 'UTC',
    trace_id: null,
    correlation_id: m.text('correlation_id'),
    export_id: null,
    policy_ids: [],
    incident_ids: [],
    source_domain: 'LOGS',
    source_component: 'AccessRecorder',
    origin: m.text('approver') === null ? 'SYSTEM' : 'HUMAN',
    checksum: checksumOf(stored.leafHash),
    immutable: covered !== null,
    integrity: {
      log: stored.log,
      leaf_index: stored.index,
      state: covered === null ? 'DURABLE' : 'COVERED',
      covered_at: covered?.at ?? null,
      tier: covered?.tier ?? 'SELF_ATTESTED',
    },
  };
}

/** Who came without a key was only seen on the wire. */
export function basisOf(entry: SoundEntry): RecordMetadata['actor_basis'] {
  return topicOf(entry) === 'access' && entry.members.text('credential_id') === null ? 'OBSERVED' : 'AUTHENTICATED';
}

/** The spine of an entry. */
export function entrySpine(m: Members): Spine {
  return {
    runId: m.text('run_id'),
    traceId: null,
    correlationId: m.text('correlation_id'),
    human: m.text('approver'),
    agent: null,
    system: m.text('credential_id'),
    policyIds: [],
    incidentIds: [],
  };
}
