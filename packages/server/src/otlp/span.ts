import { Attributes } from './attributes.js';
import { readFields } from './fields.js';
import { Message } from './message.js';
import { MESSAGES } from './schema.js';

/** A span as the mapping and the readers see it. Ids are lower-case hex, times nanoseconds since 1970. */
export interface SpanView {
  readonly traceId: string;
  readonly spanId: string;
  /** null: a root. */
  readonly parentSpanId: string | null;
  readonly traceState: string;
  readonly name: string;
  /** OTLP's SpanKind: 1 INTERNAL, 2 SERVER, 3 CLIENT, 4 PRODUCER, 5 CONSUMER; 0 or any other number: unspecified. */
  readonly kind: number;
  readonly startNs: bigint;
  /** May lie before the start: what the sender said is kept. */
  readonly endNs: bigint;
  readonly attributes: Attributes;
  readonly events: readonly EventView[];
  readonly links: readonly LinkView[];
  readonly status: StatusView;
  /** W3C trace flags in bits 0–7; bit 8: bit 9 has a meaning; bit 9: the parent is remote. */
  readonly flags: number;
}

export interface EventView {
  readonly timeNs: bigint;
  readonly name: string;
  readonly attributes: Attributes;
}

export interface LinkView {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: Attributes;
  readonly flags: number;
}

/** `code`: 0 UNSET, 1 OK, 2 ERROR. */
export interface StatusView {
  readonly code: number;
  readonly message: string;
}

/** What a SourceSlice of a resource says, whichever signal it came with. */
export interface ResourceView {
  readonly attributes: Attributes;
  readonly schemaUrl: string;
}

/** What a SourceSlice of a scope says. */
export interface ScopeView {
  readonly name: string;
  readonly version: string;
  readonly attributes: Attributes;
  readonly schemaUrl: string;
}

/** Reads the bytes of a Span that the wire reader has checked (or the redactor has written). */
export function readSpan(bytes: Uint8Array): SpanView {
  const fields = readFields(Message.of(bytes), MESSAGES.Span);
  return {
    traceId: fields.hex('traceId'),
    spanId: fields.hex('spanId'),
    parentSpanId: fields.hex('parentSpanId') || null,
    traceState: fields.text('traceState'),
    name: fields.text('name'),
    kind: fields.number('kind'),
    startNs: fields.ns('startTimeUnixNano'),
    endNs: fields.ns('endTimeUnixNano'),
    attributes: new Attributes(fields.messages('attributes')),
    status: readStatus(fields.message('status')),
    flags: fields.number('flags'),
    get events() {
      return fields.messages('events').map(readEvent);
    },
    get links() {
      return fields.messages('links').map(readLink);
    },
  };
}

/** Reads a SourceSlice of part `resource`. */
export function readResource(bytes: Uint8Array): ResourceView {
  const fields = readFields(Message.of(bytes), MESSAGES.ResourceSpans);
  const resource = readFields(fields.message('resource'), MESSAGES.Resource);
  return { attributes: new Attributes(resource.messages('attributes')), schemaUrl: fields.text('schemaUrl') };
}

/** Reads a SourceSlice of part `scope`. */
export function readScope(bytes: Uint8Array): ScopeView {
  const fields = readFields(Message.of(bytes), MESSAGES.ScopeSpans);
  const scope = readFields(fields.message('scope'), MESSAGES.InstrumentationScope);
  return {
    name: scope.text('name'),
    version: scope.text('version'),
    attributes: new Attributes(scope.messages('attributes')),
    schemaUrl: fields.text('schemaUrl'),
  };
}

function readEvent(event: Message): EventView {
  const fields = readFields(event, MESSAGES.Event);
  return {
    timeNs: fields.ns('timeUnixNano'),
    name: fields.text('name'),
    attributes: new Attributes(fields.messages('attributes')),
  };
}

function readLink(link: Message): LinkView {
  const fields = readFields(link, MESSAGES.Link);
  return {
    traceId: fields.hex('traceId'),
    spanId: fields.hex('spanId'),
    traceState: fields.text('traceState'),
    attributes: new Attributes(fields.messages('attributes')),
    flags: fields.number('flags'),
  };
}

function readStatus(status: Message): StatusView {
  const fields = readFields(status, MESSAGES.Status);
  return { code: fields.number('code'), message: fields.text('message') };
}
