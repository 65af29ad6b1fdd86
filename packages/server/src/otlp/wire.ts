import { checkElement, readLength, readTag, type Walk } from './check.js';
import type { DecodedLogs, DecodedTraces, ItemSlice, LogSlice, SourceSlice, SpanSlice } from './decoded.js';
import { Envelope, join, LENGTH_DELIMITED, type Level, type Parts, type Range, reasonOf } from './envelope.js';
import { RefusedPart, Rejections } from './rejections.js';
import { MESSAGES } from './schema.js';
import { levelsOf, LOGS, type Signal, TRACES } from './signal.js';

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/**
 * Walks an ExportTraceServiceRequest once and hands over each good span as its own bytes: views into `bytes`.
 * A span that is malformed or has no identity is counted, with its reason, and costs no other; a malformed resource or
 * scope costs the spans it holds. Throws UndecodableRequest where the envelope's framing is broken, TooManyParts past the bound.
 */
export function decodeTraces(bytes: Uint8Array): DecodedTraces {
  const { items, rejections } = new Decoder(bytes, TRACES, checkSpan).request();
  return { spans: items, rejected: rejections.total, message: rejections.message };
}

/** The same of an ExportLogsServiceRequest. A record needs no identity; one that cannot be read is counted. */
export function decodeLogs(bytes: Uint8Array): DecodedLogs {
  const { items, rejections } = new Decoder(bytes, LOGS, checkLogRecord).request();
  return { records: items, rejected: rejections.total, message: rejections.message };
}

/** A source and its fault; its bytes are put together when its first item comes. */
interface Source {
  readonly parts: Parts;
  slice: SourceSlice | null;
}

/** Checks the whole item in this range and reads whatever it is known by. */
type Check<Ids> = (walk: Walk, range: Range) => Ids;

class Decoder<Ids> {
  readonly #envelope: Envelope;
  readonly #levels: readonly [request: Level, group: Level, scoped: Level];
  readonly #check: Check<Ids>;
  readonly #items: (ItemSlice & Ids)[] = [];
  readonly #rejections: Rejections;

  constructor(bytes: Uint8Array, signal: Signal, check: Check<Ids>) {
    this.#envelope = new Envelope(bytes, signal);
    this.#levels = levelsOf(signal);
    this.#check = check;
    this.#rejections = new Rejections(signal.noun);
  }

  request(): { readonly items: readonly (ItemSlice & Ids)[]; readonly rejections: Rejections } {
    const [request, group, scoped] = this.#levels;
    for (const ofResource of this.#envelope.split(this.#envelope.whole, request).held) {
      const resource: Source = { parts: this.#envelope.split(ofResource, group), slice: null };
      for (const ofScope of resource.parts.held) {
        const scope: Source = { parts: this.#envelope.split(ofScope, scoped), slice: null };
        for (const item of scope.parts.held) this.#item(item, resource, scope);
      }
    }
    return { items: this.#items, rejections: this.#rejections };
  }

  #item(range: Range, resource: Source, scope: Source): void {
    const sourceFault = resource.parts.fault ?? scope.parts.fault;
    if (sourceFault !== null) {
      this.#rejections.add(sourceFault);
      return;
    }
    const { walk } = this.#envelope;
    try {
      const ids = this.#check(walk, range);
      this.#items.push({
        bytes: walk.bytes.subarray(range.start, range.end),
        resource: this.#slice(resource, 'resource'),
        scope: this.#slice(scope, 'scope'),
        ...ids,
      });
    } catch (error) {
      this.#rejections.add(reasonOf(error));
    }
  }

  #slice(source: Source, part: SourceSlice['part']): SourceSlice {
    source.slice ??= { part, bytes: join(this.#envelope.walk.bytes, source.parts.source) };
    return source.slice;
  }
}

const TRACE_ID_TAG = 1 * 8 + LENGTH_DELIMITED;
const SPAN_ID_TAG = 2 * 8 + LENGTH_DELIMITED;
const PARENT_SPAN_ID_TAG = 4 * 8 + LENGTH_DELIMITED;

/** Of a repeated singular field the last counts, as everywhere in protobuf. */
function checkSpan(walk: Walk, range: Range): Pick<SpanSlice, 'traceId' | 'spanId'> {
  const { reader, bytes } = walk;
  let traceId: Uint8Array | null = null;
  let spanId: Uint8Array | null = null;
  let parentLength = 0;
  reader.pos = range.start;
  while (reader.pos < range.end) {
    const tag = readTag(reader);
    if (tag === TRACE_ID_TAG || tag === SPAN_ID_TAG || tag === PARENT_SPAN_ID_TAG) {
      const end = readLength(reader, range.end);
      const start = reader.pos;
      if (tag === TRACE_ID_TAG) traceId = bytes.subarray(start, end);
      else if (tag === SPAN_ID_TAG) spanId = bytes.subarray(start, end);
      else parentLength = end - start;
      reader.pos = end;
    } else {
      checkElement(walk, range.end, MESSAGES.Span, tag, 1);
    }
  }
  if (!isId(traceId, TRACE_ID_BYTES)) throw new RefusedPart('trace_id is not 16 bytes or is all zero');
  if (!isId(spanId, SPAN_ID_BYTES)) throw new RefusedPart('span_id is not 8 bytes or is all zero');
  if (parentLength !== 0 && parentLength !== SPAN_ID_BYTES) {
    throw new RefusedPart('parent_span_id is neither empty nor 8 bytes');
  }
  return { traceId, spanId };
}

const LOG_TRACE_ID_TAG = 9 * 8 + LENGTH_DELIMITED;
const LOG_SPAN_ID_TAG = 10 * 8 + LENGTH_DELIMITED;

/** Ids that are none count as absent: many senders write empty or zero ones where there is no trace. */
function checkLogRecord(walk: Walk, range: Range): Pick<LogSlice, 'traceId' | 'spanId'> {
  const { reader, bytes } = walk;
  let traceId: Uint8Array | null = null;
  let spanId: Uint8Array | null = null;
  reader.pos = range.start;
  while (reader.pos < range.end) {
    const tag = readTag(reader);
    if (tag === LOG_TRACE_ID_TAG || tag === LOG_SPAN_ID_TAG) {
      const end = readLength(reader, range.end);
      const id = bytes.subarray(reader.pos, end);
      if (tag === LOG_TRACE_ID_TAG) traceId = id;
      else spanId = id;
      reader.pos = end;
    } else {
      checkElement(walk, range.end, MESSAGES.LogRecord, tag, 1);
    }
  }
  if (!isId(traceId, TRACE_ID_BYTES)) return { traceId: null, spanId: null };
  return { traceId, spanId: isId(spanId, SPAN_ID_BYTES) ? spanId : null };
}

function isId(id: Uint8Array | null, length: number): id is Uint8Array {
  return id !== null && id.length === length && id.some((byte) => byte !== 0);
}
