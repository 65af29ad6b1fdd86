import { token, utf8 } from '@sworn/evidence';
import type { Attributes } from '../otlp/attributes.js';
import type { MetricsSlice } from '../otlp/decoded.js';
import { nameShaped } from '../otlp/map/name.js';
import { readMetricNames } from '../otlp/metrics.js';
import { type DataKey, sealBody } from '../record/body.js';
import type { LeafDraft } from '../record/draft.js';
import { recordedAtOffset } from '../record/ownLeaf.js';
import type { Redactor } from '../record/redact/redactor.js';
import { telemetryCells } from '../store/telemetryRow.js';
import type { Ordinals } from './prepareLog.js';
import {
  encodeProducerLeaf,
  hashOffset,
  type Members,
  redactedMembers,
  SOURCE_ROOM,
  timestampOf,
  timestampOfNs,
} from './prepareLeaf.js';
import type { PreparedSource } from './prepareResource.js';
import { duplicateMac, eventKeyOf, redactionToken, type Tenancy } from './tenancy.js';

/** The kind of a record of metrics, in `system`. */
const TELEMETRY_KIND = 'TELEMETRY';

/** Names of metrics that a leaf lists; it counts the others. As many as a list of a leaf holds. */
const NAMES_LISTED = 64;

/** Metrics of one resource, with what names them. */
export interface ReadBatch {
  readonly slice: MetricsSlice;
  readonly resource: PreparedSource;
  /** HMAC of the bytes as sent. */
  readonly digest: Uint8Array;
}

/** Digests the bytes as sent. */
export function readBatch(tenancy: Tenancy, slice: MetricsSlice, resource: PreparedSource): ReadBatch {
  return { slice, resource, digest: duplicateMac(tenancy, slice.bytes) };
}

/**
 * What identifies a record of metrics: its bytes with those of its resource. Equal ones of one request are told apart by their ordinal, as
 * log records are.
 */
export function batchEventKeys(tenancy: Tenancy, batches: readonly ReadBatch[], seen: Ordinals): Uint8Array[] {
  return batches.map(({ digest, resource }) => {
    const content = [resource.draft.digest, digest];
    const name = Buffer.concat(content).toString('latin1');
    const ordinal = seen.get(name) ?? 0;
    seen.set(name, ordinal + 1);
    const written = Buffer.alloc(4);
    written.writeUInt32BE(ordinal);
    return eventKeyOf(tenancy, resource.foreign, duplicateMac(tenancy, utf8('METRICS\0'), ...content, written));
  });
}

/** What one record is sealed with. */
interface Sealing {
  readonly redactor: Redactor;
  readonly eventKey: Uint8Array;
  readonly dataKey: DataKey;
}

/** One record of metrics as the draft of its leaf. */
export function batchDraft(
  tenancy: Tenancy,
  { slice, resource, digest }: ReadBatch,
  { redactor, eventKey, dataKey }: Sealing,
): LeafDraft {
  const { bytes, removed } = redactor.redact('metrics', slice.bytes, (text) => redactionToken(tenancy, text));
  const origin = tenancy.systemOrigin;
  const body = sealBody(dataKey, { origin, eventKey, path: 'body' }, bytes);
  const hasTime = slice.lastNs > 0n;
  const occurredAt = hasTime ? timestampOfNs(slice.lastNs) : timestampOf(tenancy.at);
  const members: Members = {
    metrics: slice.metrics,
    points: slice.points,
    ...(hasTime ? { first_at: timestampOfNs(slice.firstNs) } : { occurred_basis: 'received' }),
    ...namesIn(bytes),
    ...identityOf(tenancy, resource.view.attributes),
    ...(resource.foreign && { foreign: true }),
    ...redactedMembers(removed),
    resource: SOURCE_ROOM.resource,
  };
  const leaf = encodeProducerLeaf(
    { origin, kind: TELEMETRY_KIND, keyId: tenancy.credential.keyId, eventKey, occurredAt, body, dk: dataKey.id },
    members,
  );
  return {
    topic: 'system',
    kind: TELEMETRY_KIND,
    eventKey,
    digest,
    traceId: null,
    runId: null,
    occurredAt,
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [{ offset: hashOffset(leaf, 'resource'), eventKey: resource.eventKey }],
    body: body.body,
    dk: dataKey.id,
    // Trimming takes lists alone out of such a leaf, and no cell is one.
    projection: { table: 'telemetry_batches', cells: telemetryCells(occurredAt, members) },
    // The event key is made of the bytes: other bytes have another.
    conflict: null,
  };
}

/** Of the body as it is stored: a secret in a name was taken out. */
function namesIn(bytes: Uint8Array): Members {
  const names = readMetricNames(bytes);
  const listed = [...names].filter(nameShaped).slice(0, NAMES_LISTED);
  const more = names.size - listed.length;
  return { ...(listed.length > 0 && { metric_names: listed }), ...(more > 0 && { metric_names_more: more }) };
}

/** Members that a run is joined by (OTLP.md 5.2), by the attributes that name them. */
const IDENTITY: Readonly<Record<string, readonly string[]>> = {
  service: ['service.name'],
  environment: ['deployment.environment.name', 'deployment.environment'],
  instance: ['service.instance.id'],
  host_id: ['host.id'],
  container_id: ['container.id'],
  pod_uid: ['k8s.pod.uid'],
};

function identityOf(tenancy: Tenancy, attributes: Attributes): Members {
  const members: Record<string, string | number> = {};
  for (const [member, names] of Object.entries(IDENTITY)) {
    const value = names.map((name) => attributes.text(name)).find((text) => text !== null && nameShaped(text));
    if (value !== undefined && value !== null) members[member] = value;
  }
  const host = attributes.text('host.name');
  if (host !== null) members['host_name'] = token(tenancy.keys.pseudonym, host);
  const pid = attributes.get('process.pid');
  if (typeof pid === 'bigint' && pid >= 0n && pid <= BigInt(Number.MAX_SAFE_INTEGER))
    members['process_pid'] = Number(pid);
  return members;
}
