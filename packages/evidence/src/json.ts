import { fromUtf8, utf8 } from './bytes.js';
import { Malformed, type MalformedCode } from './malformed.js';
import { readJson } from './jsonReader.js';

/** JSON as evidence is written in it: numbers are integers within ±(2^53−1), strings hold no lone surrogate and no noncharacter (RFC 7493). */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** Member names to values. */
export interface JsonObject {
  readonly [member: string]: JsonValue;
}

/** Bounds of a JSON text, and how a breach is reported. */
export interface JsonRules {
  readonly maxBytes: number;
  /** Nested lists and objects, the outermost counted. */
  readonly maxDepth: number;
  readonly maxListItems: number;
  /** What a member name must match. */
  readonly memberName: RegExp;
  readonly refuse: (code: MalformedCode, detail: string) => Malformed;
}

/** Bounds of any JSON that is not a leaf: far above what Sworn writes, far below what hurts. */
const DOCUMENT: JsonRules = {
  maxBytes: 16 * 1024 * 1024,
  maxDepth: 64,
  maxListItems: Number.POSITIVE_INFINITY,
  memberName: /^/,
  refuse: (code, detail) => new Malformed(code, detail),
};

/**
 * The canonical bytes of a value (RFC 8785), after all of I-JSON was checked.
 * @throws Malformed `number`, `string`, `too_deep`, `too_large`
 */
export function canonicalize(value: JsonValue): Uint8Array {
  return writeCanonical(value, DOCUMENT);
}

/**
 * Parses UTF-8 JSON that must be I-JSON: no byte order mark, no duplicate member, integers in their shortest form only, well-formed strings.
 * Objects come without a prototype, so that a member named `__proto__` is a member like any other.
 * @throws Malformed `not_utf8`, `not_json`, `duplicate_member`, `number`, `string`, `too_deep`, `too_large`
 */
export function parseStrict(bytes: Uint8Array): JsonValue {
  return parseJson(bytes, DOCUMENT);
}

/** `parseStrict` under other bounds. */
export function parseJson(bytes: Uint8Array, rules: JsonRules): JsonValue {
  if (bytes.length > rules.maxBytes) throw rules.refuse('too_large', `${bytes.length} bytes`);
  return readJson(textOf(bytes, rules), rules);
}

/** `canonicalize` under other bounds. */
export function writeCanonical(value: JsonValue, rules: JsonRules): Uint8Array {
  const bytes = utf8(write(value, rules, 1));
  if (bytes.length > rules.maxBytes) throw rules.refuse('too_large', `${bytes.length} bytes`);
  return bytes;
}

/** Code points that RFC 7493 §2.1 forbids: surrogates on their own, and noncharacters. */
const FORBIDDEN = /[\p{Cs}\p{Noncharacter_Code_Point}]/u;
/** Printable ASCII without quote and backslash: written as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Refuses what I-JSON does not allow in a string. */
export function checkText(text: string, rules: JsonRules): void {
  if (!PLAIN.test(text) && FORBIDDEN.test(text)) throw forbidden(rules);
}

function forbidden(rules: JsonRules): Malformed {
  return rules.refuse('string', 'a lone surrogate or a noncharacter');
}

// Text is put together by hand, not through an object with sorted members: JavaScript orders members like "10" by number, and one named
// `__proto__` is not a member at all. Strings and integers are written by RFC 8785 just as ECMAScript writes them.
function write(value: JsonValue, rules: JsonRules, depth: number): string {
  switch (typeof value) {
    case 'string':
      if (PLAIN.test(value)) return `"${value}"`;
      if (FORBIDDEN.test(value)) throw forbidden(rules);
      return JSON.stringify(value);
    case 'number':
      if (!Number.isSafeInteger(value)) throw rules.refuse('number', 'not an integer within ±(2^53−1)');
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth > rules.maxDepth) throw rules.refuse('too_deep', `deeper than ${rules.maxDepth}`);
      return Array.isArray(value) ? writeList(value, rules, depth) : writeObject(value as JsonObject, rules, depth);
    default:
      throw rules.refuse('not_json', `a ${typeof value} is not JSON`);
  }
}

function writeList(list: readonly JsonValue[], rules: JsonRules, depth: number): string {
  if (list.length > rules.maxListItems) throw rules.refuse('list_too_long', `${list.length} items`);
  let text = '[';
  for (let i = 0; i < list.length; i++) text += (i === 0 ? '' : ',') + write(list[i] as JsonValue, rules, depth + 1);
  return `${text}]`;
}

function writeObject(object: JsonObject, rules: JsonRules, depth: number): string {
  // The default order of `sort` is by UTF-16 code unit, which is what RFC 8785 §3.2.3 asks for.
  const members = Object.keys(object).sort();
  let text = '{';
  for (const member of members) {
    if (!rules.memberName.test(member)) throw rules.refuse('member_name', `member name ${JSON.stringify(member)}`);
    text += `${text.length === 1 ? '' : ','}${write(member, rules, depth)}:${write(object[member] as JsonValue, rules, depth + 1)}`;
  }
  return `${text}}`;
}

function textOf(bytes: Uint8Array, rules: JsonRules): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw rules.refuse('not_utf8', 'not UTF-8');
  }
}
