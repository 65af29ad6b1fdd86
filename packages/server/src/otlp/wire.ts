import { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkElement, readLength, readTag, skipValue, type Walk } from './check.js';
import type { DecodedLogs, DecodedTraces, ItemSlice, LogSlice, SourceSlice, SpanSlice } from './decoded.js';
import { RefusedPart, Rejections, TooManyParts, UndecodableRequest } from './rejections.js';
import { type MessageName, MESSAGES } from './schema.js';
import { LOGS, type Signal, TRACES } from './signal.js';

/**
 * Resource groups, scope groups and items one request may hold, together. Real batches are 512 (SDK) to some 10k
 * (collector); an attacker can write 32 million empty groups into 64 MiB, each of which costs some hundred bytes here.
 */
export const MAX_PARTS_PER_REQUEST = 131_072;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const LENGTH_DELIMITED = 2;

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

/** Byte ranges of what belongs to a source, and of the messages it repeats. */
interface Parts {
  readonly source: readonly Range[];
  readonly repeated: readonly Range[];
  /** Why the source itself cannot be read; its items go with it. */
  readonly fault: string | null;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A source and its fault; its bytes are put together when its first item comes. */
interface Source {
  readonly parts: Parts;
  slice: SourceSlice | null;
}

/** Checks the whole item in this range and reads whatever it is known by. */
type Check<Ids> = (walk: Walk, range: Range) => Ids;

class Decoder<Ids> {
  readonly #walk: Walk;
  readonly #signal: Signal;
  readonly #check: Check<Ids>;
  readonly #items: (ItemSlice & Ids)[] = [];
  readonly #rejections: Rejections;
  #parts = 0;

  constructor(bytes: Uint8Array, signal: Signal, check: Check<Ids>) {
    this.#walk = { reader: new BinaryReader(bytes), bytes };
    this.#signal = signal;
    this.#check = check;
    this.#rejections = new Rejections(signal.noun);
  }

  request(): { readonly items: readonly (ItemSlice & Ids)[]; readonly rejections: Rejections } {
    const { request, group, scoped } = this.#signal;
    const { repeated } = this.#split({ start: 0, end: this.#walk.bytes.length }, request, 1);
    for (const ofResource of repeated) {
      const resource: Source = { parts: this.#split(ofResource, group, 2), slice: null };
      for (const ofScope of resource.parts.repeated) {
        const scope: Source = { parts: this.#split(ofScope, scoped, 2), slice: null };
        for (const item of scope.parts.repeated) this.#item(item, resource, scope);
      }
    }
    return { items: this.#items, rejections: this.#rejections };
  }

  /** Envelope framing: the elements of field `repeatedField`, and all others as the source's own ranges. */
  #split(range: Range, name: MessageName, repeatedField: number): Parts {
    const { reader } = this.#walk;
    const repeatedTag = repeatedField * 8 + LENGTH_DELIMITED;
    const source: Range[] = [];
    const repeated: Range[] = [];
    let fault: string | null = null;
    try {
      reader.pos = range.start;
      while (reader.pos < range.end) {
        const start = reader.pos;
        const tag = readTag(reader);
        if (tag === repeatedTag) {
          this.#countPart();
          const end = readLength(reader, range.end);
          repeated.push({ start: reader.pos, end });
          reader.pos = end;
          continue;
        }
        const valueStart = reader.pos;
        skipValue(reader, tag, range.end);
        const end = reader.pos;
        extend(source, { start, end });
        fault ??= this.#sourceFault(name, tag, { start: valueStart, end });
        reader.pos = end;
      }
    } catch (error) {
      if (error instanceof TooManyParts) throw error;
      throw new UndecodableRequest(`not a protobuf ${this.#signal.request}: ${reasonOf(error)} (in ${name})`);
    }
    return { source, repeated, fault };
  }

  #countPart(): void {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS_PER_REQUEST) {
      throw new TooManyParts(
        `more than ${MAX_PARTS_PER_REQUEST} resource groups, scope groups and ${this.#signal.noun}s in one request`,
      );
    }
  }

  #sourceFault(name: MessageName, tag: number, value: Range): string | null {
    const { reader } = this.#walk;
    try {
      reader.pos = value.start;
      checkElement(this.#walk, value.end, MESSAGES[name], tag, 0);
      return null;
    } catch (error) {
      return `${name === this.#signal.group ? 'resource' : 'scope'}: ${reasonOf(error)}`;
    }
  }

  #item(range: Range, resource: Source, scope: Source): void {
    const sourceFault = resource.parts.fault ?? scope.parts.fault;
    if (sourceFault !== null) {
      this.#rejections.add(sourceFault);
      return;
    }
    try {
      const ids = this.#check(this.#walk, range);
      this.#items.push({
        bytes: this.#walk.bytes.subarray(range.start, range.end),
        resource: this.#slice(resource, 'resource'),
        scope: this.#slice(scope, 'scope'),
        ...ids,
      });
    } catch (error) {
      this.#rejections.add(reasonOf(error));
    }
  }

  #slice(source: Source, part: SourceSlice['part']): SourceSlice {
    source.slice ??= { part, bytes: join(this.#walk.bytes, source.parts.source) };
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

/** Adds a range, grown onto the last one where they touch: only the repeated messages between them keep two apart. */
function extend(ranges: Range[], next: Range): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.end === next.start) ranges[ranges.length - 1] = { start: last.start, end: next.end };
  else ranges.push(next);
}

/** One range is a view; several are copied together. */
function join(bytes: Uint8Array, ranges: readonly Range[]): Uint8Array {
  const [first] = ranges;
  if (first === undefined) return new Uint8Array(0);
  if (ranges.length === 1) return bytes.subarray(first.start, first.end);
  const joined = new Uint8Array(ranges.reduce((sum, range) => sum + range.end - range.start, 0));
  let at = 0;
  for (const range of ranges) {
    joined.set(bytes.subarray(range.start, range.end), at);
    at += range.end - range.start;
  }
  return joined;
}

/** The reader's own errors (end of input, overlong varint) are refusals of the sender's bytes too; anything else is a bug. */
function reasonOf(error: unknown): string {
  if (error instanceof RefusedPart) return error.message;
  if (error instanceof RangeError) return 'the bytes end inside a field';
  if (error instanceof Error && READER_ERRORS.test(error.message)) return 'a varint or tag is malformed';
  throw error;
}

const READER_ERRORS = /^(invalid varint|illegal tag|invalid end group tag|maximum recursion depth|cant skip wire type)/;
