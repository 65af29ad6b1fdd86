import { MESSAGES, type MessageSchema } from '../../otlp/schema.js';
import { encodeVarint, fieldAt, readFields, type WireField } from './wireFields.js';

/** Depth of messages that is walked; deeper ones are looked at as text, whole. OTLP values nest by the sender's will. */
const DEPTH = 32;

/**
 * Fields of a record that are walked, at all depths together: twice what OpenTelemetry's SDKs let a span have by default (128 attributes, and
 * 128 events with as many, at four fields each).
 */
const FIELDS = 131_072;

/** What a rewrite asks at each place. Each answer is the bytes to put there, or null to leave what is there. */
export interface Rewriter {
  /** A text or bytes field, or one the schema does not know: new bytes for it. */
  text(bytes: Uint8Array, path: Path): Uint8Array | null;
  /** What the keys of a KeyValue decide of its AnyValue, null when nothing. */
  named(keys: readonly Uint8Array[]): Named | null;
  /** A number inside an AnyValue: the text that takes its place. */
  number(digits: string, path: Path): Uint8Array | null;
}

/** The new AnyValue (empty: no value at all), or null to leave what is there. */
export type Named = (value: Uint8Array, path: Path) => Uint8Array | null;

/** Names and list indexes from the record down, by the schema: never anything that the sender wrote. */
export type Path = readonly (string | number)[];

/**
 * Walks a message by its schema and rewrites what the rewriter answers for; everything else keeps its bytes, lengths of enclosing
 * messages aside. Null when nothing was answered for; `too_many` when there are more fields than are walked.
 */
export function rewrite(bytes: Uint8Array, schema: MessageSchema, rewriter: Rewriter): Uint8Array | null | 'too_many' {
  const walk: Walk = { rewriter, path: [], fieldsLeft: FIELDS };
  const pieces = rewritten(bytes, schema, walk);
  if (walk.fieldsLeft < 0) return 'too_many';
  return pieces === null ? null : Buffer.concat(pieces);
}

interface Walk {
  readonly rewriter: Rewriter;
  readonly path: (string | number)[];
  fieldsLeft: number;
}

/** New bytes in pieces: put together once and not at each of the messages that enclose them. */
type Pieces = readonly Uint8Array[];

function rewritten(bytes: Uint8Array, schema: MessageSchema, walk: Walk): Pieces | null {
  const { path, rewriter } = walk;
  const fields = readFields(bytes, walk.fieldsLeft);
  // Not a message after all: the sender wrote something else where the schema has one.
  if (fields === null || path.length > DEPTH * 2) return single(rewriter.text(bytes, path));
  walk.fieldsLeft -= fields.length;
  if (walk.fieldsLeft < 0) return null;
  const named = schema.name === 'KeyValue' ? rewriter.named(keysOf(bytes, fields)) : null;
  const edits: Edit[] = [];
  const counts: number[] = [];
  for (const field of fields) {
    const known = schema.byNumber[field.number];
    const isKnown = known !== undefined && known.wireType === field.wireType;
    const depth = path.length;
    path.push(isKnown ? snakeCase(known.name) : 'unknown');
    if (!isKnown || known.repeated) {
      const ordinal = isKnown ? (counts[field.number] ?? 0) : field.number;
      counts[field.number] = ordinal + 1;
      path.push(ordinal);
    }
    const pieces = editOf(bytes, field, { schema, known: isKnown ? known : null, named, walk });
    if (pieces !== null) edits.push({ field, pieces });
    path.length = depth;
  }
  return edits.length === 0 ? null : applied(bytes, edits);
}

function single(bytes: Uint8Array | null): Pieces | null {
  return bytes === null ? null : [bytes];
}

/** A sender may write the key twice, or behind the value: any of its keys decides. */
function keysOf(bytes: Uint8Array, fields: readonly WireField[]): Uint8Array[] {
  return fields
    .filter(({ number, wireType }) => number === 1 && wireType === 2)
    .map(({ valueStart, end }) => bytes.subarray(valueStart, end));
}

/** New bytes for a whole field, tag and length included; none to leave it out. */
interface Edit {
  readonly field: WireField;
  readonly pieces: Pieces;
}

interface Place {
  readonly schema: MessageSchema;
  readonly known: MessageSchema['fields'][number] | null;
  readonly named: Named | null;
  readonly walk: Walk;
}

function editOf(bytes: Uint8Array, field: WireField, { schema, known, named, walk }: Place): Pieces | null {
  const { rewriter, path } = walk;
  const value = bytes.subarray(field.valueStart, field.end);
  if (field.wireType !== 2) {
    // A group (3) is no OTLP; its content is looked at whole and taken out whole.
    if (field.wireType === 3) return rewriter.text(value, path) === null ? null : [];
    if (schema.name !== 'AnyValue' || known === null) return null;
    const digits = numberText(bytes, field);
    const text = digits === null ? null : rewriter.number(digits, path);
    return text === null ? null : [STRING_VALUE_TAG, encodeVarint(text.length), text];
  }
  if (named !== null && known?.name === 'value') {
    const replaced = named(value, path);
    if (replaced !== null) return replaced.length === 0 ? [] : sized(bytes, field, [replaced]);
  }
  if (known?.type === 'bytes' && known.hexId) return null;
  const pieces = known?.message != null ? rewritten(value, known.message, walk) : single(rewriter.text(value, path));
  return pieces === null ? null : sized(bytes, field, pieces);
}

/** AnyValue.string_value: field 1, length-delimited. */
const STRING_VALUE_TAG = Uint8Array.of(0x0a);

/** An AnyValue that holds a text. */
export function textValue(text: Uint8Array): Uint8Array {
  return Buffer.concat([STRING_VALUE_TAG, encodeVarint(text.length), text]);
}

/** The text of an AnyValue, or the digits of its whole number; null when it holds anything else, or more than one. */
export function textOf(anyValue: Uint8Array): Uint8Array | null {
  const fields = readFields(anyValue, 1);
  const only = fields?.length === 1 ? fields[0] : undefined;
  if (only?.number === 1 && only.wireType === 2) return anyValue.subarray(only.valueStart, only.end);
  const digits = only === undefined ? null : numberText(anyValue, only);
  return digits === null ? null : Buffer.from(digits);
}

function numberText(bytes: Uint8Array, field: WireField): string | null {
  if (field.wireType === 0 && field.number === 3) {
    let value = 0n;
    for (let at = field.end - 1; at >= field.valueStart; at--) value = (value << 7n) | BigInt((bytes[at] ?? 0) & 0x7f);
    return BigInt.asIntN(64, value).toString();
  }
  if (field.wireType === 1 && field.number === 4) {
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readDoubleLE(field.valueStart);
    return Number.isInteger(value) ? BigInt(value).toString() : null;
  }
  return null;
}

function sized(bytes: Uint8Array, field: WireField, value: Pieces): Pieces {
  const length = value.reduce((sum, piece) => sum + piece.length, 0);
  return [bytes.subarray(field.start, field.tagEnd), encodeVarint(length), ...value];
}

function applied(bytes: Uint8Array, edits: readonly Edit[]): Pieces {
  const all: Uint8Array[] = [];
  let copied = 0;
  for (const { field, pieces } of edits) {
    all.push(bytes.subarray(copied, field.start), ...pieces);
    copied = field.end;
  }
  all.push(bytes.subarray(copied));
  return all;
}

/** A top-level field of a record that may be taken out, by its place in the record's bytes. */
export interface TopField {
  readonly start: number;
  readonly end: number;
  readonly path: Path;
}

/** The top-level fields of a record but identity and times: ids, and numbers the schema knows, always stay. */
export function removableFields(bytes: Uint8Array, schema: MessageSchema): TopField[] {
  const removable: TopField[] = [];
  const counts: number[] = [];
  for (const field of readFields(bytes, FIELDS) ?? []) {
    const known = schema.byNumber[field.number];
    const ordinal = counts[field.number] ?? 0;
    counts[field.number] = ordinal + 1;
    if (isIdentity(field, schema)) continue;
    const isKnown = known !== undefined && known.wireType === field.wireType;
    const path = isKnown ? [snakeCase(known.name), ...(known.repeated ? [ordinal] : [])] : ['unknown', field.number];
    removable.push({ start: field.start, end: field.end, path });
  }
  return removable;
}

/** The bytes without some of their ranges, which are in order. */
export function without(
  bytes: Uint8Array,
  ranges: readonly { readonly start: number; readonly end: number }[],
): Uint8Array {
  const out = Buffer.allocUnsafeSlow(bytes.length);
  let length = 0;
  let copied = 0;
  for (const { start, end } of [...ranges, { start: bytes.length, end: bytes.length }]) {
    out.set(bytes.subarray(copied, start), length);
    length += start - copied;
    copied = end;
  }
  return out.subarray(0, length);
}

/**
 * Identity and times of a record, and nothing else. Of one with more fields than are walked, those that stand among the first: a
 * tail that no client writes could be anything.
 */
export function bareRecord(bytes: Uint8Array, schema: MessageSchema): Uint8Array {
  const out = Buffer.alloc(bytes.length);
  let length = 0;
  let at = 0;
  for (let walked = 0; at < bytes.length && walked < FIELDS; walked++) {
    const field = fieldAt(bytes, at);
    if (field === null) break;
    if (isIdentity(field, schema)) {
      out.set(bytes.subarray(field.start, field.end), length);
      length += field.end - field.start;
    }
    at = field.end;
  }
  return Buffer.from(out.subarray(0, length));
}

/** An id, or a number the schema knows. */
function isIdentity({ number, wireType }: WireField, schema: MessageSchema): boolean {
  const known = schema.byNumber[number];
  if (known === undefined || known.wireType !== wireType) return false;
  return wireType !== 2 || (known.type === 'bytes' && known.hexId);
}

/** Characters of a path in a leaf. */
const PATH_CHARACTERS = 64;

/** A path as a leaf writes it, cut at a dot where it is too long. Indexes count in the message as it was sent. */
export function pathText(path: Path): string {
  let text = '';
  for (const part of path) {
    const longer = text === '' ? String(part) : `${text}.${part}`;
    if (longer.length > PATH_CHARACTERS) break;
    text = longer;
  }
  return text;
}

const SNAKE_CASE = new Map<string, string>();

function snakeCase(name: string): string {
  let written = SNAKE_CASE.get(name);
  if (written === undefined) {
    written = inSnakeCase(name);
    SNAKE_CASE.set(name, written);
  }
  return written;
}

function inSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Records that are redacted, by their message. */
export const RECORD_SCHEMAS = {
  span: MESSAGES.Span,
  log: MESSAGES.LogRecord,
  resource: MESSAGES.ResourceSpans,
  scope: MESSAGES.ScopeSpans,
  metrics: MESSAGES.ResourceMetrics,
} as const;
