import { MAX_NESTING } from './check.js';
import type { DecodedLogs, DecodedMetrics, DecodedTraces, Refused } from './decoded.js';
import { JsonCursor } from './jsonCursor.js';
import { base64Value, doubleValue, hexValue, integerValue } from './jsonScalar.js';
import { RefusedPart, Rejections, UndecodableRequest } from './rejections.js';
import { type Field, type MessageSchema, MESSAGES, type ScalarField } from './schema.js';
import { LOGS, METRICS, type Signal, TRACES } from './signal.js';
import { type Mark, Sink } from './sink.js';
import { decodeLogs, decodeTraces } from './wire.js';
import { decodeMetrics } from './wireMetrics.js';

/**
 * Reads an OTLP/JSON ExportTraceServiceRequest (OTLP 1.9, "JSON Protobuf Encoding"): ids are hex in any case, enums are
 * integers, 64-bit integers are strings or numbers, names are lowerCamelCase and unknown ones are passed over.
 * What comes out is as if the same request had been sent as protobuf with its fields in order.
 * Throws UndecodableRequest for a body that is not JSON or whose envelope is not a request, TooManyParts past the bound.
 */
export function decodeTracesJson(body: Uint8Array): DecodedTraces {
  const { bytes, rejections } = tracesFromJson(body);
  const decoded = decodeTraces(bytes);
  return { spans: decoded.spans, ...together(rejections, decoded) };
}

/** The same of an ExportLogsServiceRequest. */
export function decodeLogsJson(body: Uint8Array): DecodedLogs {
  const { bytes, rejections } = transcoded(body, LOGS);
  const decoded = decodeLogs(bytes);
  return { records: decoded.records, ...together(rejections, decoded) };
}

/** The same of an ExportMetricsServiceRequest; what is refused by itself, and counted, are data points. */
export function decodeMetricsJson(body: Uint8Array): DecodedMetrics {
  const { bytes, rejections } = transcoded(body, METRICS);
  const decoded = decodeMetrics(bytes);
  return { ...decoded, ...together(rejections, decoded) };
}

/** The request as protobuf, without the spans that have no protobuf form; those are counted. */
export function tracesFromJson(body: Uint8Array): Transcoded {
  return transcoded(body, TRACES);
}

interface Transcoded {
  readonly bytes: Uint8Array;
  readonly rejections: Rejections;
}

function transcoded(body: Uint8Array, signal: Signal): Transcoded {
  const transcoder = new Transcoder(body, signal);
  transcoder.request();
  return { bytes: transcoder.sink.bytes(), rejections: transcoder.rejections };
}

/** What had no protobuf form, and what of the protobuf was refused. */
function together(rejections: Rejections, { rejected, message }: Refused): Refused {
  if (rejections.total === 0) return { rejected, message };
  return {
    rejected: rejected + rejections.total,
    message: [rejections.message, message].filter((said) => said !== null).join('; '),
  };
}

class Transcoder {
  readonly sink = new Sink();
  readonly rejections: Rejections;
  readonly #signal: Signal;
  readonly #cursor: JsonCursor;
  #written = 0;

  constructor(body: Uint8Array, signal: Signal) {
    this.rejections = new Rejections(signal.noun);
    this.#signal = signal;
    this.#cursor = new JsonCursor(body);
  }

  request(): void {
    try {
      this.#cursor.start();
      this.#members(MESSAGES[this.#signal.request], (field) => {
        this.#elements(field, () => this.#group());
      });
      this.#cursor.end();
    } catch (error) {
      if (error instanceof RefusedPart) throw new UndecodableRequest(`not an export request: ${error.message}`);
      throw error;
    }
  }

  #group(): void {
    this.#source(MESSAGES[this.#signal.group], 'resource', isSecond, () => this.#scoped());
  }

  #scoped(): void {
    const { scoped, item } = this.#signal;
    const held = item === 'Metric' ? () => this.#metric() : () => this.#item(MESSAGES[item]);
    this.#source(MESSAGES[scoped], 'scope', isSecond, held);
  }

  /** A metric holds its points through one of five messages, of which it has one. */
  #metric(): void {
    this.#source(MESSAGES.Metric, 'metric', isData, ({ message: data }) => {
      if (data === null) throw new Error('data of a metric that is no message');
      this.#source(data, 'metric', isFirst, ({ message: point }) => {
        if (point === null) throw new Error('a data point that is no message');
        this.#item(point);
      });
    });
  }

  /** Items of one resource, scope or metric: some fields are what it holds, the others describe it. A bad description costs what is held. */
  #source(schema: MessageSchema, part: string, holds: (field: Field) => boolean, held: (field: Field) => void): void {
    const start = this.sink.pos;
    const writtenBefore = this.#written;
    let fault: string | null = null;
    let chosen = false;
    this.#members(schema, (field) => {
      if (!holds(field)) {
        fault ??= this.#attempt(() => this.#field(field, 0));
        return;
      }
      if (field.oneof && chosen) fault ??= `more than one value in one ${schema.name}`;
      chosen = true;
      this.#elements(field, () => held(field));
    });
    if (fault === null) return;
    this.sink.pos = start;
    this.rejections.add(`${part}: ${fault as string}`, this.#written - writtenBefore);
    this.#written = writtenBefore;
  }

  #item(schema: MessageSchema): void {
    const fault = this.#attempt(() => this.#message(schema, 1));
    if (fault === null) this.#written += 1;
    else this.rejections.add(fault);
  }

  /** Runs `write`; if the value cannot be written, winds back, passes over it and returns why. Syntax errors go through. */
  #attempt(write: () => void): string | null {
    const valueAt = this.#cursor.pos;
    const sinkAt = this.sink.pos;
    try {
      write();
      return null;
    } catch (error) {
      if (!(error instanceof RefusedPart)) throw error;
      this.#cursor.pos = valueAt;
      this.sink.pos = sinkAt;
      this.#cursor.skip();
      return error.message;
    }
  }

  #message(schema: MessageSchema, nesting: number): void {
    if (nesting > MAX_NESTING) throw new RefusedPart(`nested deeper than ${MAX_NESTING} messages`);
    let chosen = false;
    this.#members(schema, (field) => {
      if (field.oneof && chosen) throw new RefusedPart(`more than one value in one ${schema.name}`);
      chosen ||= field.oneof;
      this.#field(field, nesting);
    });
  }

  /** The known, non-null members of an object, written in field order. */
  #members(schema: MessageSchema, write: (field: Field) => void): void {
    const start = this.sink.pos;
    const marks: Mark[] = [];
    this.#cursor.object((name) => {
      const field = schema.byName.get(name);
      if (field === undefined) {
        this.#cursor.skip();
        return;
      }
      if (this.#cursor.null()) return;
      const from = this.sink.pos;
      write(field);
      marks.push({ number: field.number, start: from, end: this.sink.pos });
    });
    this.sink.order(start, marks);
  }

  /** The elements of an array, each with its tag; `write` writes the message inside. What it refuses to write leaves nothing. */
  #elements(field: Field, write: () => void): void {
    const each = (): void => {
      const before = this.sink.pos;
      const counted = this.rejections.total;
      this.sink.tag(field.number, field.wireType);
      const start = this.sink.fork();
      write();
      if (this.sink.pos === start && this.rejections.total > counted) this.sink.pos = before;
      else this.sink.join(start);
    };
    if (field.repeated) this.#cursor.array(each);
    else each();
  }

  #field(field: Field, nesting: number): void {
    if (field.packed !== null) this.#packed(field);
    else if (field.repeated) this.#cursor.array(() => this.#element(field, nesting));
    else this.#element(field, nesting);
  }

  /** Protobuf knows no empty list. */
  #packed(field: ScalarField): void {
    const before = this.sink.pos;
    this.sink.tag(field.number, field.wireType);
    const start = this.sink.fork();
    this.#cursor.array(() => this.#scalar(field));
    if (this.sink.pos === start) this.sink.pos = before;
    else this.sink.join(start);
  }

  #element(field: Field, nesting: number): void {
    this.sink.tag(field.number, field.wireType);
    if (field.type !== 'message') {
      this.#scalar(field);
      return;
    }
    const start = this.sink.fork();
    this.#message(field.message, nesting + 1);
    this.sink.join(start);
  }

  #scalar(field: ScalarField): void {
    const { sink } = this;
    const cursor = this.#cursor;
    switch (field.type) {
      case 'string':
        sink.lengthDelimited(cursor.stringBytes());
        return;
      case 'bytes':
        sink.lengthDelimited(field.hexId ? hexValue(cursor.string()) : base64Value(cursor.string()));
        return;
      case 'int64':
        sink.varint64(integerValue(cursor.numeral(), 'int64'));
        return;
      case 'enum':
        sink.varint64(integerValue(cursor.number(), 'int32'));
        return;
      case 'uint64':
        sink.varint64(integerValue(cursor.numeral(), 'uint64'));
        return;
      case 'sint32': {
        // Zigzag: small numbers of either sign are short (protobuf encoding guide).
        const value = integerValue(cursor.numeral(), 'int32');
        sink.varint64(value < 0n ? -2n * value - 1n : 2n * value);
        return;
      }
      case 'uint32':
        sink.varint64(integerValue(cursor.numeral(), 'uint32'));
        return;
      case 'fixed64':
        sink.fixed64(integerValue(cursor.numeral(), 'uint64'));
        return;
      case 'sfixed64':
        sink.fixed64(BigInt.asUintN(64, integerValue(cursor.numeral(), 'int64')));
        return;
      case 'fixed32':
        sink.fixed32(Number(integerValue(cursor.numeral(), 'uint32')));
        return;
      case 'double':
        sink.double(doubleValue(cursor.numeral()));
        return;
      case 'bool':
        sink.varint(cursor.boolean() ? 1 : 0);
        return;
    }
  }
}

const isFirst = ({ number }: Field): boolean => number === 1;
const isSecond = ({ number }: Field): boolean => number === 2;
const isData = ({ oneof }: Field): boolean => oneof;
