import { hex, utf8 } from '@sworn/evidence';
import type { SpanSlice } from '../otlp/decoded.js';
import { mapSpan } from '../otlp/map/step.js';
import { readSpan } from '../otlp/span.js';
import { type DataKey, sealBody } from '../record/body.js';
import type { FirstLeaf, LeafDraft } from '../record/draft.js';
import { recordedAtOffset } from '../record/ownLeaf.js';
import type { Redactor } from '../record/redact/redactor.js';
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
import { governanceDrafts, type GovernanceReading } from './prepareGovernance.js';
import { duplicateMac, eventKeyOf, humanToken, redactionToken, type Tenancy } from './tenancy.js';

/** The scope of an ingest key whose `sworn.*` attributes take effect (CONTRACT.md §7). */
export const ASSERT_SCOPE = 'ingest:assert';

/** What a span or a log record came under. */
export interface ItemSources {
  readonly resource: PreparedSource;
  readonly scope: PreparedSource;
}

/** A span redacted and mapped: all that its STEP leaf, or a CONFLICT leaf in its stead, is made of. */
interface ReadStep {
  readonly tenancy: Tenancy;
  readonly traceId: Uint8Array;
  readonly sources: ItemSources;
  readonly dataKey: DataKey;
  /** The body: the span's own bytes after redaction. */
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
  readonly occurred: Occurred;
  readonly members: Members;
}

interface Occurred {
  readonly at: string;
  /** Absent: the start of the span. */
  readonly basis: 'end' | 'received' | null;
}

/** What turns a span's bytes into what may be said of it. */
export interface StepReading extends GovernanceReading {
  readonly redactor: Redactor;
}

/** A span's STEP draft, and those of the governance that is read from it. */
export interface PreparedStep {
  readonly step: LeafDraft;
  readonly governance: readonly LeafDraft[];
}

/** One span as the draft of its STEP leaf. */
export function prepareStep(
  tenancy: Tenancy,
  reading: StepReading,
  slice: SpanSlice,
  sources: ItemSources,
  dataKey: DataKey,
): PreparedStep {
  const { redactor, mapper } = reading;
  const { bytes, removed } = redactor.redact('span', slice.bytes, (text) => redactionToken(tenancy, text));
  const span = readSpan(bytes);
  const { fields, human } = mapSpan(
    mapper,
    span,
    sources.resource.view,
    tenancy.credential.scopes.includes(ASSERT_SCOPE),
  );
  const occurred = occurredAt(span.startNs, span.endNs, tenancy.at);
  const step: ReadStep = {
    tenancy,
    traceId: slice.traceId,
    sources,
    dataKey,
    bytes,
    digest: duplicateMac(tenancy, slice.bytes),
    occurred,
    members: {
      // A StepFields is JSON all through; its optional members are just not declared as an index.
      ...(fields as unknown as Members),
      ...redactedMembers(removed),
      ...SOURCE_ROOM,
      ...mapper.mapping.version,
      ...(occurred.basis !== null && { occurred_basis: occurred.basis }),
      ...(human !== null && { human_actor_id: humanToken(tenancy, human) }),
      ...(sources.resource.foreign && { foreign: true }),
    },
  };
  const { foreign } = sources.resource;
  const eventKey = eventKeyOf(tenancy, foreign, Buffer.concat([slice.traceId, slice.spanId]));
  return {
    step: {
      ...draftOf(step, 'STEP', eventKey, null),
      conflict: (first) => Promise.resolve(conflictOf(step, eventKey, first)),
    },
    governance: governanceDrafts(reading, { tenancy, span, fields, foreign, eventKey, digest: step.digest }),
  };
}

/**
 * The same span id with other bytes: kept beside the first, which counts. Its event key is made of both, so that a resend of
 * the conflicting copy is a duplicate like any other.
 */
function conflictOf(step: ReadStep, stepKey: Uint8Array, first: FirstLeaf): LeafDraft {
  const eventKey = duplicateMac(step.tenancy, utf8('CONFLICT\0'), stepKey, step.digest);
  return draftOf(step, 'CONFLICT', eventKey, {
    first: hex(first.leafHash),
    first_index: first.index,
    // Of an own step it is what trace and span id say.
    ...(step.sources.resource.foreign && { first_key: hex(stepKey) }),
  });
}

function draftOf(step: ReadStep, kind: 'STEP' | 'CONFLICT', eventKey: Uint8Array, more: Members | null): LeafDraft {
  const { tenancy, dataKey, occurred, sources } = step;
  const origin = tenancy.stepOrigin;
  const body = sealBody(dataKey, { origin, eventKey, path: 'body' }, step.bytes);
  const leaf = encodeProducerLeaf(
    {
      origin,
      kind,
      keyId: tenancy.credential.keyId,
      eventKey,
      occurredAt: occurred.at,
      body,
      dk: dataKey.id,
    },
    more === null ? step.members : { ...step.members, ...more },
  );
  return {
    topic: 'llm-runs',
    kind,
    eventKey,
    digest: step.digest,
    traceId: step.traceId,
    runId: null,
    occurredAt: occurred.at,
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [
      { offset: hashOffset(leaf, 'resource'), eventKey: sources.resource.eventKey },
      { offset: hashOffset(leaf, 'scope'), eventKey: sources.scope.eventKey },
    ],
    body: body.body,
    dk: dataKey.id,
    projection: null,
    conflict: null,
  };
}

/**
 * When it happened: the start of the span, as the sender says, however odd; its end where it has no start; and only where it has
 * neither the server's clock. The leaf says which, unless it is the start.
 */
function occurredAt(startNs: bigint, endNs: bigint, received: Date): Occurred {
  if (startNs > 0n) return { at: timestampOfNs(startNs), basis: null };
  if (endNs > 0n) return { at: timestampOfNs(endNs), basis: 'end' };
  return { at: timestampOf(received), basis: 'received' };
}
