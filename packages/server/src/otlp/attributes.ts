import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { exact, mergedMessage, readElements } from './read.js';
import { MESSAGES } from './schema.js';

/** A value of OTLP's AnyValue; null is an AnyValue with no member set. int64 is a bigint, never a double. */
export type AttributeValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | null
  | readonly AttributeValue[]
  | ReadonlyMap<string, AttributeValue>;

const decoder = new TextDecoder();

/**
 * The attributes of a span, event, link, resource or scope. Keys are read at once, values when asked for: a mapping asks
 * for a dozen of them, and prompts are long. Of a repeated key the last counts.
 */
export class Attributes {
  readonly #values = new Map<string, Uint8Array>();

  /** `keyValues`: bytes of KeyValue messages, in wire order. */
  constructor(keyValues: readonly Uint8Array[]) {
    for (const bytes of keyValues) {
      const { key, value } = readKeyValue(bytes);
      this.#values.set(key, value);
    }
  }

  get size(): number {
    return this.#values.size;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  /** undefined: no such attribute. */
  get(key: string): AttributeValue | undefined {
    const bytes = this.#values.get(key);
    return bytes === undefined ? undefined : readAnyValue(bytes);
  }

  /** The value if it is a string with something in it. */
  text(key: string): string | null {
    const value = this.get(key);
    return typeof value === 'string' && value !== '' ? value : null;
  }
}

function readKeyValue(bytes: Uint8Array): { key: string; value: Uint8Array } {
  let key = '';
  const value: Uint8Array[] = [];
  readElements(bytes, MESSAGES.KeyValue, (field, reader, end) => {
    if (field.number === 1) key = text(bytes, reader, end);
    else value.push(bytes.subarray(reader.pos, end));
  });
  return { key, value: mergedMessage(value) };
}

/** Decodes an AnyValue. The last member on the wire counts; the same message member again is merged into it. */
function readAnyValue(bytes: Uint8Array): AttributeValue {
  let scalar: AttributeValue = null;
  let member = '';
  let parts: Uint8Array[] = [];
  readElements(bytes, MESSAGES.AnyValue, (field, reader, end) => {
    if (member !== field.name) parts = [];
    member = field.name;
    switch (member) {
      case 'stringValue':
        scalar = text(bytes, reader, end);
        return;
      case 'boolValue':
        scalar = reader.bool();
        return;
      case 'intValue':
        scalar = exact(reader.int64());
        return;
      case 'doubleValue':
        scalar = reader.double();
        return;
      case 'bytesValue':
        scalar = bytes.subarray(reader.pos, end);
        return;
      default:
        parts.push(bytes.subarray(reader.pos, end));
    }
  });
  if (member === 'arrayValue') return readArray(mergedMessage(parts));
  if (member === 'kvlistValue') return readKeyValueList(mergedMessage(parts));
  return scalar;
}

/** A value, or one parsed from JSON, as JSON text: int64 as digits, bytes as base64. For readers, not for hashing. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === 'bigint') return member.toString();
    if (member instanceof Map) return Object.fromEntries(member) as unknown;
    if (member instanceof Uint8Array) return Buffer.from(member).toString('base64');
    return member;
  });
}

function readArray(bytes: Uint8Array): AttributeValue[] {
  const values: AttributeValue[] = [];
  readElements(bytes, MESSAGES.ArrayValue, (_, reader, end) => {
    values.push(readAnyValue(bytes.subarray(reader.pos, end)));
  });
  return values;
}

function readKeyValueList(bytes: Uint8Array): ReadonlyMap<string, AttributeValue> {
  const values = new Map<string, AttributeValue>();
  readElements(bytes, MESSAGES.KeyValueList, (_, reader, end) => {
    const { key, value } = readKeyValue(bytes.subarray(reader.pos, end));
    values.set(key, readAnyValue(value));
  });
  return values;
}

/** A string field's text. Short names are most of them, and almost all are ASCII. */
export function text(bytes: Uint8Array, reader: BinaryReader, end: number): string {
  const start = reader.pos;
  if (end - start > 64) return decoder.decode(bytes.subarray(start, end));
  let ascii = '';
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > 0x7f) return decoder.decode(bytes.subarray(start, end));
    ascii += String.fromCharCode(byte);
  }
  return ascii;
}
