import type { RecordMetadata, SystemItem } from '@sworn/contract';
import { type Members, recordIdAt } from '@sworn/evidence';
import { jsonText } from '../otlp/attributes.js';
import { readLogRecord } from '../otlp/logRecord.js';
import { lifeSummary, OWN_COMPONENT } from '../record/lifeEvents.js';
import type { SoundEntry } from './checkEntry.js';
import { checksumOf, originOf, type Spine, systemOf } from './metadata.js';
import { idOf } from './runItem.js';
import type { Covered } from './tier.js';

/** Longest body that is opened for a list: a page holds at most a hundred. Bytes, as the leaf's size class says it. */
const MAX_SUMMARISED = 1 << 16;
/** Characters of a summary. */
const MAX_SUMMARY = 1_024;

/** What a record's body says in a line. */
export interface Summary {
  readonly text: string | null;
  readonly isCut: boolean;
}

/** Whether the body of a record is short enough for a list. */
export function isSummarised({ members }: Pick<SoundEntry, 'members'>): boolean {
  const length = bodyLength(members);
  return length !== null && length <= MAX_SUMMARISED;
}

/** A record as the list shows it. `body`: its LogRecord; null: it has none, or it was too long to open. */
export function systemItem(
  tenantId: string,
  entry: SoundEntry,
  covered: Covered | null,
  body: Uint8Array | null,
): SystemItem {
  const { stored, members: m } = entry;
  const summary = summaryOf(entry, body);
  const resource = m.text('resource');
  const first = m.count('first_index');
  return {
    id: idOf(stored),
    scope: isShared(m) ? 'PLATFORM' : 'TENANT',
    component: m.text('component'),
    event_type: eventTypeOf(entry),
    event_name: m.text('event_name'),
    severity: m.text('severity') as SystemItem['severity'],
    severity_text: m.text('severity_text'),
    severity_number: m.count('severity_number'),
    summary: summary.text,
    summary_cut: summary.isCut,
    caused_by: m.text('caused_by') as SystemItem['caused_by'],
    correlation_id: m.text('correlation_id'),
    service: m.text('service'),
    trace_id: m.text('trace_id'),
    span_id: m.text('span_id'),
    conflict_of: first === null ? null : recordIdAt(stored.log, first),
    resource: {
      service: m.text('service'),
      instance: m.text('instance'),
      environment: m.text('environment'),
      release: m.text('release'),
      checksum: resource === null ? null : `sha256:${resource}`,
    },
    metadata: systemMetadata(tenantId, entry, covered),
  };
}

/** What a record is shown as: what its kind is, but of those that are of a kind of their own. */
export function eventTypeOf({ stored, members }: SoundEntry): SystemItem['event_type'] {
  return (members.text('event_type') ?? stored.kind) as SystemItem['event_type'];
}

/** Whether a record is Sworn's own. */
export function isOwn(m: Members): boolean {
  return m.text('by') === 'sworn';
}

function isShared(m: Members): boolean {
  return isOwn(m) && m.flag('shared') === true;
}

function bodyLength(m: Members): number | null {
  return m.object('c').object('body').count('n');
}

export function summaryOf({ members }: SoundEntry, body: Uint8Array | null): Summary {
  if (isOwn(members)) return { text: ownSummary(members), isCut: false };
  if (body === null) return { text: null, isCut: bodyLength(members) !== null };
  const said = readLogRecord(body).body;
  if (said === null) return { text: null, isCut: false };
  const text = typeof said === 'string' ? said : jsonText(said);
  if (text.length <= MAX_SUMMARY) return { text, isCut: false };
  // Not in the middle of a character of two units.
  const end = (text.codePointAt(MAX_SUMMARY - 1) ?? 0) > 0xffff ? MAX_SUMMARY - 1 : MAX_SUMMARY;
  return { text: text.slice(0, end), isCut: true };
}

function ownSummary(m: Members): string | null {
  const said = lifeSummary(m.text('event_name'));
  const facts = [
    ...m.texts('changed'),
    ...[m.text('service'), m.text('signal')].filter((fact) => fact !== null),
    ...(m.text('silent_since') === null ? [] : [`silent since ${m.text('silent_since')}`]),
  ];
  return facts.length === 0 ? said : `${said}: ${facts.join(', ')}`;
}

/** Metadata of a producer's record of `system`. */
export function systemMetadata(
  tenantId: string,
  { stored, members: m }: SoundEntry,
  covered: Covered | null,
): RecordMetadata {
  const spine = systemSpine(m);
  return {
    tenant_id: isShared(m) ? 'platform' : tenantId,
    run_id: spine.runId,
    human_actor_id: spine.human,
    agent_id: spine.agent,
    system_id: spine.system,
    actor_basis: isOwn(m) ? 'AUTHENTICATED' : 'CLAIMED',
    occurred_at: stored.occurredAt,
    recorded_at: stored.recordedAt,
    timezone: 'UTC',
    trace_id: spine.traceId,
    correlation_id: spine.correlationId,
    export_id: null,
    policy_ids: [...spine.policyIds],
    incident_ids: [...spine.incidentIds],
    source_domain: 'SYSTEM',
    source_component: isOwn(m) ? 'SystemRecordWriter' : `otlp:${m.text('service') ?? 'unknown_service'}`,
    origin: originOf(m),
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

/** The spine of a record. Its run is what a producer that may assert it says; which other runs it goes with is not said by the record. */
export function systemSpine(m: Members): Spine {
  return {
    runId: m.flag('run_asserted') === true ? m.text('run_hint') : null,
    traceId: m.text('trace_id'),
    correlationId: m.text('correlation_id'),
    human: m.text('human_actor_id'),
    agent: m.text('agent_id'),
    system: isOwn(m) ? ownSystem(m) : systemOf(m),
    policyIds: m.texts('policy_ids'),
    incidentIds: m.texts('incident_ids'),
  };
}

/** Sworn, and of a process which one. */
function ownSystem(m: Members): string {
  const instance = m.text('instance');
  return instance === null ? OWN_COMPONENT : `${OWN_COMPONENT}/${instance}`;
}
