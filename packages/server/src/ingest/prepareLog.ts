import { hex, utf8 } from '@sworn/evidence';
import type { LogSlice } from '../otlp/decoded.js';
import { type LogView, readLogRecord } from '../otlp/logRecord.js';
import { type LogMapper, type MappedLog, mapLog } from '../otlp/map/log.js';
import { type DataKey, sealBody } from '../record/body.js';
import { dayScope, type KeyScope, traceScope } from '../record/dataKeys.js';
import type { FirstLeaf, LeafDraft } from '../record/draft.js';
import { recordedAtOffset } from '../record/ownLeaf.js';
import type { Redactor } from '../record/redact/redactor.js';
import { auditCells, systemCells } from '../store/eventRows.js';
import { hintedMember, runNamed } from './hintedMember.js';
import {
  encodeProducerLeaf,
  hashOffset,
  type Members,
  redactedMembers,
  SOURCE_ROOM,
  timestampOf,
  timestampOfNs,
} from './prepareLeaf.js';
import { ASSERT_SCOPE, type ItemSources } from './prepareStep.js';
import { duplicateMac, eventKeyOf, humanToken, redactionToken, type Tenancy } from './tenancy.js';

/** A log record redacted and mapped: all that its leaf, or a CONFLICT leaf in its stead, is made of. */
export interface ReadLog {
  readonly slice: LogSlice;
  readonly sources: ItemSources;
  readonly topic: MappedLog['topic'];
  readonly kind: string;
  /** HMAC of the bytes as sent. */
  readonly digest: Uint8Array;
  /** `log.record.uid` as sent. */
  readonly uid: string | null;
  /** The body: the record's own bytes after redaction. */
  readonly bytes: Uint8Array;
  readonly occurredAt: string;
  readonly members: Members;
  /** What its data key is for. */
  readonly keyScope: KeyScope;
}

/** What turns a record's bytes into what may be said of it. */
interface LogReading {
  readonly redactor: Redactor;
  readonly mapper: LogMapper;
}

const UID = 'log.record.uid';

/** Reads, redacts and maps one record. */
export function readLog(
  tenancy: Tenancy,
  { redactor, mapper }: LogReading,
  slice: LogSlice,
  sources: ItemSources,
): ReadLog {
  const { bytes, removed } = redactor.redact('log', slice.bytes, (text) => redactionToken(tenancy, text));
  const sent = readLogRecord(slice.bytes);
  const record = bytes === slice.bytes ? sent : readLogRecord(bytes);
  const { topic, kind, fields, human, subject, signIn } = mapLog(mapper, {
    sent,
    record,
    traceId: slice.traceId === null ? null : hex(slice.traceId),
    spanId: slice.spanId === null ? null : hex(slice.spanId),
    resource: sources.resource.view,
    scopeName: sources.scope.name,
    assert: tenancy.credential.scopes.includes(ASSERT_SCOPE),
  });
  const person = human === null ? null : humanToken(tenancy, human);
  const occurred = occurredAt(record, tenancy.at);
  return {
    slice,
    sources,
    topic,
    kind,
    digest: duplicateMac(tenancy, slice.bytes),
    uid: sent.attributes.text(UID),
    bytes,
    occurredAt: occurred.at,
    members: {
      ...fields,
      ...redactedMembers(removed),
      ...SOURCE_ROOM,
      ...mapper.mapping.version,
      ...(occurred.basis !== null && { occurred_basis: occurred.basis }),
      ...(person !== null && { human_actor_id: person }),
      ...(subject !== null && { entity_id: humanToken(tenancy, subject) }),
      ...(signIn.source !== null && { source: humanToken(tenancy, signIn.source) }),
      ...(signIn.session !== null && { session: humanToken(tenancy, signIn.session) }),
      ...(sources.resource.foreign && { foreign: true }),
      ...(topic === 'audit' && hintedMember(fields, sources.resource.foreign)),
    },
    keyScope:
      slice.traceId === null
        ? dayScope(topic, person, tenancy.at.toISOString().slice(0, 10))
        : traceScope(slice.traceId),
  };
}

/** How many items of one content a request has had until now, by that content. Of one request, also where it is prepared share by share. */
export type Ordinals = Map<string, number>;

/**
 * What identifies a record: its own uid, or its bytes with those of resource and scope. Equal records of one request are told apart by
 * their ordinal, so that a request that is sent again has the same keys and a line that was logged twice stands twice.
 */
export function logEventKeys(tenancy: Tenancy, records: readonly ReadLog[], seen: Ordinals): Uint8Array[] {
  return records.map(({ uid, digest, sources }) => {
    const { foreign } = sources.resource;
    if (uid !== null) return eventKeyOf(tenancy, foreign, duplicateMac(tenancy, utf8('LOG_UID\0'), utf8(uid)));
    const content = [sources.resource.draft.digest, sources.scope.draft.digest, digest];
    const name = Buffer.concat(content).toString('latin1');
    const ordinal = seen.get(name) ?? 0;
    seen.set(name, ordinal + 1);
    const written = Buffer.alloc(4);
    written.writeUInt32BE(ordinal);
    return eventKeyOf(tenancy, foreign, duplicateMac(tenancy, utf8('LOG\0'), ...content, written));
  });
}

/** One record as the draft of its leaf. */
export function logDraft(tenancy: Tenancy, read: ReadLog, eventKey: Uint8Array, dataKey: DataKey): LeafDraft {
  return {
    ...draftOf({ tenancy, read, dataKey }, eventKey, null),
    conflict: (first) => Promise.resolve(conflictOf({ tenancy, read, dataKey }, eventKey, first)),
  };
}

interface Drafting {
  readonly tenancy: Tenancy;
  readonly read: ReadLog;
  readonly dataKey: DataKey;
}

/** The same uid with other bytes: kept beside the first, which counts (as of spans, prepareStep.ts). */
function conflictOf(drafting: Drafting, logKey: Uint8Array, first: FirstLeaf): LeafDraft {
  const eventKey = duplicateMac(drafting.tenancy, utf8('CONFLICT\0'), logKey, drafting.read.digest);
  return draftOf(drafting, eventKey, { ...first, eventKey: logKey });
}

function draftOf(
  { tenancy, read, dataKey }: Drafting,
  eventKey: Uint8Array,
  first: (FirstLeaf & { readonly eventKey: Uint8Array }) | null,
): LeafDraft {
  const { topic, digest, occurredAt, sources } = read;
  const kind = first === null ? read.kind : 'CONFLICT';
  const origin = topic === 'audit' ? tenancy.auditOrigin : tenancy.systemOrigin;
  const members: Members = {
    ...read.members,
    ...(first !== null && { first: hex(first.leafHash), first_index: first.index, first_key: hex(first.eventKey) }),
    // Of a conflict the kind does not say it.
    ...(first !== null && topic === 'system' && { event_type: read.kind }),
  };
  const body = sealBody(dataKey, { origin, eventKey, path: 'body' }, read.bytes);
  const leaf = encodeProducerLeaf(
    { origin, kind, keyId: tenancy.credential.keyId, eventKey, occurredAt, body, dk: dataKey.id },
    members,
  );
  const { run_id: runId } = members;
  return {
    topic,
    kind,
    eventKey,
    digest,
    // The column is of steps alone: a record of a trace is found by its projection.
    traceId: null,
    runId: typeof runId === 'string' ? runId : null,
    occurredAt,
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [
      { offset: hashOffset(leaf, 'resource'), eventKey: sources.resource.eventKey },
      { offset: hashOffset(leaf, 'scope'), eventKey: sources.scope.eventKey },
    ],
    body: body.body,
    dk: dataKey.id,
    // Trimming takes lists alone out of such a leaf, and no cell is one.
    projection:
      topic === 'audit'
        ? { table: 'audit_ledger', cells: auditCells({ kind, occurredAt, members }) }
        : { table: 'system_records', cells: systemCells({ kind, occurredAt, members }, runNamed(members)) },
    conflict: null,
  };
}

interface Occurred {
  readonly at: string;
  /** Absent: the record's own time. */
  readonly basis: 'observed' | 'received' | null;
}

/** When it happened, as the sender says; where it does not, when its collection saw it; else the server's clock. The leaf says which. */
function occurredAt({ timeNs, observedNs }: LogView, received: Date): Occurred {
  if (timeNs > 0n) return { at: timestampOfNs(timeNs), basis: null };
  if (observedNs > 0n) return { at: timestampOfNs(observedNs), basis: 'observed' };
  return { at: timestampOf(received), basis: 'received' };
}
