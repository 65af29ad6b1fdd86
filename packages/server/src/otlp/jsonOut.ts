import { Message } from './message.js';
import type { ScalarType } from './messages.js';
import { type MessageSchema, MESSAGES, type ScalarField } from './schema.js';

/** OTLP/JSON as plain data, ready for `JSON.stringify`: 64-bit integers are strings, so is every double JSON has no literal for. */
export type OtlpJson = string | number | boolean | OtlpJson[] | { [name: string]: OtlpJson };

/** An object of OTLP/JSON. Member names come from the schema alone. */
export type OtlpObject = { [name: string]: OtlpJson };

/** A Span as OTLP/JSON: what is on the wire, explicit zeros included; unknown fields have no JSON form and stay out. */
export function spanToJson(bytes: Uint8Array): OtlpObject {
  return messageToJson(Message.of(bytes), MESSAGES.Span);
}

/** An ExportTraceServiceRequest as OTLP/JSON. */
export function tracesToJson(bytes: Uint8Array): OtlpObject {
  return messageToJson(Message.of(bytes), MESSAGES.ExportTraceServiceRequest);
}

/** A SourceSlice as OTLP/JSON: ResourceSpans without scopeSpans, or ScopeSpans without spans. */
export function sourceToJson(part: 'resource' | 'scope', bytes: Uint8Array): OtlpObject {
  return messageToJson(Message.of(bytes), part === 'resource' ? MESSAGES.ResourceSpans : MESSAGES.ScopeSpans);
}

function messageToJson(message: Message, schema: MessageSchema): OtlpObject {
  const members = new Map<string, OtlpJson>();
  const singular = new Map<string, { schema: MessageSchema; parts: Message[] }>();
  let last = '';
  message.elements(schema, (field) => {
    if (field.oneof) {
      if (last !== field.name) {
        members.delete(last);
        singular.delete(last);
      }
      last = field.name;
    }
    if (field.type === 'message' && !field.repeated) {
      const before = singular.get(field.name);
      if (before !== undefined) before.parts.push(message.inner());
      else {
        singular.set(field.name, { schema: field.message, parts: [message.inner()] });
        members.set(field.name, {});
      }
      return;
    }
    if (field.packed !== null) {
      const list = (members.get(field.name) ?? []) as OtlpJson[];
      message.numbers(field.packed, () => list.push(scalarToJson(field, message)));
      members.set(field.name, list);
      return;
    }
    const value =
      field.type === 'message' ? messageToJson(message.inner(), field.message) : scalarToJson(field, message);
    const list = field.repeated ? members.get(field.name) : undefined;
    if (Array.isArray(list)) list.push(value);
    else members.set(field.name, field.repeated ? [value] : value);
  });
  for (const [name, { schema: inner, parts }] of singular)
    members.set(name, messageToJson(Message.merged(parts), inner));
  return Object.fromEntries(members);
}

/** How each type stands in OTLP/JSON. */
const SCALARS: Readonly<Record<Exclude<ScalarType, 'bytes'>, (message: Message) => OtlpJson>> = {
  string: (message) => message.text(),
  int64: (message) => message.int64().toString(),
  uint64: (message) => message.uint64().toString(),
  sint32: (message) => message.sint32(),
  sfixed64: (message) => message.sfixed64().toString(),
  fixed64: (message) => message.fixed64().toString(),
  fixed32: (message) => message.fixed32(),
  uint32: (message) => message.uint32(),
  enum: (message) => message.enum(),
  double: (message) => doubleToJson(message.double()),
  bool: (message) => message.bool(),
};

function scalarToJson(field: ScalarField, message: Message): OtlpJson {
  if (field.type !== 'bytes') return SCALARS[field.type](message);
  return field.hexId ? message.hex() : message.base64();
}

/** `JSON.stringify` writes null for what is not finite and loses the sign of zero; proto3 JSON takes strings for both. */
function doubleToJson(value: number): OtlpJson {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}
