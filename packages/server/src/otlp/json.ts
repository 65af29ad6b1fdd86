import { MAX_NESTING } from './check.js';
import type { DecodedLogs, DecodedTraces, Refused } from './decoded.js';
import { JsonCursor } from './jsonCursor.js';
import { base64Value, doubleValue, hexValue, integerValue } from './jsonScalar.js';
import { RefusedPart, Rejections, UndecodableRequest } from './rejections.js';
import { type Field, type MessageSchema, MESSAGES, type ScalarField } from './schema.js';
import { LOGS, type Signal, TRACES } from './signal.js';
import { type Mark, Sink } from './sink.js';
import { decodeLogs, decodeTraces } from './wire.js';

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
    this.#source(MESSAGES[this.#signal.group], 'resource', () => this.#scoped());
  }

  #scoped(): void {
    this.#source(MESSAGES[this.#signal.scoped], 'scope', () => this.#item());
  }

  /** Items of one resource or scope: field 2 repeats what they hold, the others describe it. A bad description costs what is held. */
  #source(schema: MessageSchema, part: string, held: () => void): void {
    const start = this.sink.pos;
    const writtenBefore = this.#written;
    let fault: string | null = null;
    this.#members(schema, (field) => {
      if (field.number === 2) {
        this.#elements(field, held);
        return;
      }
      fault ??= this.#attempt(() => this.#field(field, 0));
    });
    if (fault === null) return;
    this.sink.pos = start;
    this.rejections.add(`${part}: ${fault as string}`, this.#written - writtenBefore);
    this.#written = writtenBefore;
  }

  #item(): void {
    const fault = this.#attempt(() => this.#message(MESSAGES[this.#signal.item], 1));
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
    this.#members(schema, (field) => this.#field(field, nesting));
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
      if (schema.oneof && marks.length > 0) throw new RefusedPart(`more than one value in one ${schema.name}`);
      const from = this.sink.pos;
      write(field);
      marks.push({ number: field.number, start: from, end: this.sink.pos });
    });
    this.sink.order(start, marks);
  }

  /** The elements of an array, each with its tag; `write` writes the message inside. What it refuses to write leaves nothing. */
  #elements(field: Field, write: () => void): void {
    this.#cursor.array(() => {
      const before = this.sink.pos;
      const counted = this.rejections.total;
      this.sink.tag(field.number, field.wireType);
      const start = this.sink.fork();
      write();
      if (this.sink.pos === start && this.rejections.total > counted) this.sink.pos = before;
      else this.sink.join(start);
    });
  }

  #field(field: Field, nesting: number): void {
    if (field.repeated) this.#cursor.array(() => this.#element(field, nesting));
    else this.#element(field, nesting);
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
      case 'string': {
        const raw = cursor.rawString();
        sink.lengthDelimited(raw === null ? Buffer.from(cursor.string()) : cursor.slice(raw));
        return;
      }
      case 'bytes':
        sink.lengthDelimited(field.hexId ? hexValue(cursor.string()) : base64Value(cursor.string()));
        return;
      case 'int64':
        sink.varint64(integerValue(cursor.numeral(), 'int64'));
        return;
      case 'enum':
        sink.varint64(integerValue(cursor.number(), 'int32'));
        return;
      case 'uint32':
        sink.varint64(integerValue(cursor.numeral(), 'uint32'));
        return;
      case 'fixed64':
        sink.fixed64(integerValue(cursor.numeral(), 'uint64'));
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
