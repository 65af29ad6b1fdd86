import { MESSAGES, type MessageSchema } from '../../otlp/schema.js';
import { encodeVarint, type WireField, readFields } from './wireFields.js';

/** Depth of messages that is walked; deeper ones are looked at as text, whole. OTLP values nest by the sender's will. */
const DEPTH = 32;

/** What a rewrite asks at each place. Each answer is the bytes to put there, or null to leave what is there. */
export interface Rewriter {
  /** A text or bytes field, or one the schema does not know: new bytes for it. */
  text(bytes: Uint8Array, path: Path): Uint8Array | null;
  /** A KeyValue: the new AnyValue (empty: no value at all), decided by its key. */
  named(key: Uint8Array, value: Uint8Array, path: Path): Uint8Array | null;
  /** A number inside an AnyValue: the text that takes its place. */
  number(digits: string, path: Path): Uint8Array | null;
}

/** Names and list indexes from the record down, by the schema: never anything that the sender wrote. */
export type Path = readonly (string | number)[];

/**
 * Walks a message by its schema and rewrites what the rewriter answers for; everything else keeps its bytes, lengths of enclosing
 * messages aside. Null when nothing was answered for.
 */
export function rewrite(
  bytes: Uint8Array,
  schema: MessageSchema,
  rewriter: Rewriter,
  path: (string | number)[],
): Uint8Array | null {
  const fields = readFields(bytes);
  // Not a message after all: the sender wrote something else where the schema has one.
  if (fields === null || path.length > DEPTH * 2) return rewriter.text(bytes, path);
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
    const edit = editOf(bytes, field, isKnown ? known : null, schema, fields, rewriter, path);
    if (edit !== null) edits.push(edit);
    path.length = depth;
  }
  return edits.length === 0 ? null : applied(bytes, edits);
}

/** New bytes for a whole field, tag and length included; empty to leave it out. */
interface Edit {
  readonly field: WireField;
  readonly bytes: readonly Uint8Array[];
}

type Known = MessageSchema['fields'][number];

function editOf(
  bytes: Uint8Array,
  field: WireField,
  known: Known | null,
  schema: MessageSchema,
  siblings: readonly WireField[],
  rewriter: Rewriter,
  path: (string | number)[],
): Edit | null {
  const value = bytes.subarray(field.valueStart, field.end);
  if (field.wireType !== 2) {
    // A group (3) is no OTLP; its content is looked at whole and taken out whole.
    if (field.wireType === 3) return rewriter.text(value, path) === null ? null : { field, bytes: [] };
    if (schema.name !== 'AnyValue' || known === null) return null;
    const digits = numberText(bytes, field);
    const text = digits === null ? null : rewriter.number(digits, path);
    return text === null ? null : { field, bytes: [STRING_VALUE_TAG, encodeVarint(text.length), text] };
  }
  if (schema.name === 'KeyValue' && known?.name === 'value') {
    const replaced = namedValue(bytes, value, siblings, rewriter, path);
    if (replaced !== null) return { field, bytes: replaced.length === 0 ? [] : sized(bytes, field, replaced) };
  }
  if (known?.type === 'bytes' && known.hexId) return null;
  const rewritten = known?.message != null ? rewrite(value, known.message, rewriter, path) : rewriter.text(value, path);
  return rewritten === null ? null : { field, bytes: sized(bytes, field, rewritten) };
}

/** A sender may write the key twice, or behind the value: any of its keys decides. */
function namedValue(
  bytes: Uint8Array,
  value: Uint8Array,
  siblings: readonly WireField[],
  rewriter: Rewriter,
  path: Path,
): Uint8Array | null {
  for (const sibling of siblings) {
    if (sibling.number !== 1 || sibling.wireType !== 2) continue;
    const replaced = rewriter.named(bytes.subarray(sibling.valueStart, sibling.end), value, path);
    if (replaced !== null) return replaced;
  }
  return null;
}

/** AnyValue.string_value: field 1, length-delimited. */
const STRING_VALUE_TAG = Uint8Array.of(0x0a);

/** An AnyValue that holds a text. */
export function textValue(text: Uint8Array): Uint8Array {
  return Buffer.concat([STRING_VALUE_TAG, encodeVarint(text.length), text]);
}

/** The texts of an AnyValue that holds nothing else; null when it holds anything else. */
export function textOf(anyValue: Uint8Array): Uint8Array | null {
  const fields = readFields(anyValue);
  const only = fields?.length === 1 ? fields[0] : undefined;
  return only?.number === 1 && only.wireType === 2 ? anyValue.subarray(only.valueStart, only.end) : null;
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

function sized(bytes: Uint8Array, field: WireField, value: Uint8Array): Uint8Array[] {
  return [bytes.subarray(field.start, field.tagEnd), encodeVarint(value.length), value];
}

function applied(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let copied = 0;
  for (const { field, bytes: replacement } of edits) {
    pieces.push(bytes.subarray(copied, field.start), ...replacement);
    copied = field.end;
  }
  pieces.push(bytes.subarray(copied));
  return Buffer.concat(pieces);
}

/**
 * Takes top-level fields out of a record. `overlaps` gets the byte range of each; identity and times (ids and numbers the schema
 * knows) always stay.
 */
export function withoutFields(
  bytes: Uint8Array,
  schema: MessageSchema,
  overlaps: (start: number, end: number) => boolean,
): Taken {
  const edits: Edit[] = [];
  const paths: (string | number)[][] = [];
  const counts: number[] = [];
  for (const field of readFields(bytes) ?? []) {
    const known = schema.byNumber[field.number];
    const ordinal = counts[field.number] ?? 0;
    counts[field.number] = ordinal + 1;
    const isKnown = known !== undefined && known.wireType === field.wireType;
    if (isKnown && (field.wireType !== 2 || (known.type === 'bytes' && known.hexId))) continue;
    if (!overlaps(field.start, field.end)) continue;
    edits.push({ field, bytes: [] });
    paths.push(isKnown ? [snakeCase(known.name), ...(known.repeated ? [ordinal] : [])] : ['unknown', field.number]);
  }
  return {
    bytes: edits.length === 0 ? bytes : applied(bytes, edits),
    taken: edits.map(({ field }, at) => ({ path: paths[at] ?? [], length: field.end - field.start })),
  };
}

export interface Taken {
  readonly bytes: Uint8Array;
  readonly taken: readonly { readonly path: Path; readonly length: number }[];
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

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Records that are redacted, by their message. */
export const RECORD_SCHEMAS = {
  span: MESSAGES.Span,
  resource: MESSAGES.ResourceSpans,
  scope: MESSAGES.ScopeSpans,
} as const;
