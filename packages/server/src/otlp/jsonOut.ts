import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { text } from './attributes.js';
import { exact, mergedMessage, readElements } from './read.js';
import { type MessageSchema, MESSAGES, type ScalarField, type ScalarType } from './schema.js';

/** OTLP/JSON as plain data, ready for `JSON.stringify`: 64-bit integers are strings, so is every double JSON has no literal for. */
export type OtlpJson = string | number | boolean | OtlpJson[] | { [name: string]: OtlpJson };

/** An object of OTLP/JSON. Member names come from the schema alone. */
export type OtlpObject = { [name: string]: OtlpJson };

/** A Span as OTLP/JSON: what is on the wire, explicit zeros included; unknown fields have no JSON form and stay out. */
export function spanToJson(bytes: Uint8Array): OtlpObject {
  return messageToJson(bytes, MESSAGES.Span);
}

/** An ExportTraceServiceRequest as OTLP/JSON. */
export function tracesToJson(bytes: Uint8Array): OtlpObject {
  return messageToJson(bytes, MESSAGES.ExportTraceServiceRequest);
}

/** A SourceSlice as OTLP/JSON: ResourceSpans without scopeSpans, or ScopeSpans without spans. */
export function sourceToJson(part: 'resource' | 'scope', bytes: Uint8Array): OtlpObject {
  return messageToJson(bytes, part === 'resource' ? MESSAGES.ResourceSpans : MESSAGES.ScopeSpans);
}

function messageToJson(bytes: Uint8Array, schema: MessageSchema): OtlpObject {
  const members = new Map<string, OtlpJson>();
  const singular = new Map<string, { message: MessageSchema; parts: Uint8Array[] }>();
  let last = '';
  readElements(bytes, schema, (field, reader, end) => {
    if (schema.oneof && last !== field.name) {
      members.clear();
      singular.clear();
    }
    last = field.name;
    if (field.type === 'message' && !field.repeated) {
      const value = bytes.subarray(reader.pos, end);
      const before = singular.get(field.name);
      if (before === undefined) singular.set(field.name, { message: field.message, parts: [value] });
      else before.parts.push(value);
      if (before === undefined) members.set(field.name, {});
      return;
    }
    const value =
      field.type === 'message'
        ? messageToJson(bytes.subarray(reader.pos, end), field.message)
        : scalarToJson(field, bytes, reader, end);
    if (!field.repeated) members.set(field.name, value);
    else {
      const list = members.get(field.name);
      if (Array.isArray(list)) list.push(value);
      else members.set(field.name, [value]);
    }
  });
  for (const [name, { message, parts }] of singular) members.set(name, messageToJson(mergedMessage(parts), message));
  return Object.fromEntries(members);
}

/** How each type stands in OTLP/JSON; `end` is where a LEN value ends. */
const SCALARS: Readonly<
  Record<Exclude<ScalarType, 'bytes'>, (reader: BinaryReader, bytes: Uint8Array, end: number) => OtlpJson>
> = {
  string: (reader, bytes, end) => text(bytes, reader, end),
  int64: (reader) => exact(reader.int64()).toString(),
  fixed64: (reader) => exact(reader.fixed64()).toString(),
  fixed32: (reader) => reader.fixed32(),
  uint32: (reader) => reader.uint32(),
  enum: (reader) => reader.int32(),
  double: (reader) => doubleToJson(reader.double()),
  bool: (reader) => reader.bool(),
};

function scalarToJson(field: ScalarField, bytes: Uint8Array, reader: BinaryReader, end: number): OtlpJson {
  if (field.type !== 'bytes') return SCALARS[field.type](reader, bytes, end);
  return Buffer.from(bytes.subarray(reader.pos, end)).toString(field.hexId ? 'hex' : 'base64');
}

/** `JSON.stringify` writes null for what is not finite and loses the sign of zero; proto3 JSON takes strings for both. */
function doubleToJson(value: number): OtlpJson {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}
