import { fromUtf8 } from './bytes.js';
import { checkText, DOCUMENT, type JsonRules, type JsonValue } from './json.js';

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

function textOf(bytes: Uint8Array, rules: JsonRules): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw rules.refuse('not_utf8', 'not UTF-8');
  }
}

/**
 * Reads one JSON text (RFC 8259) under the rules of docs/spec/leaf.md. `JSON.parse` would not do: it keeps the last of two members with one
 * name in silence, rounds 2^53+1, and takes any depth.
 */
function readJson(text: string, rules: JsonRules): JsonValue {
  const reader: Reader = { text, rules, at: 0 };
  skipSpace(reader);
  const value = readValue(reader, 1);
  skipSpace(reader);
  if (reader.at !== text.length) throw notJson(reader);
  return value;
}

interface Reader {
  readonly text: string;
  readonly rules: JsonRules;
  at: number;
}

function readValue(r: Reader, depth: number): JsonValue {
  switch (r.text.charAt(r.at)) {
    case '{':
      return readObject(r, depth);
    case '[':
      return readList(r, depth);
    case '"':
      return readString(r);
    case 't':
      return readWord(r, 'true', true);
    case 'f':
      return readWord(r, 'false', false);
    case 'n':
      return readWord(r, 'null', null);
    default:
      return readInteger(r);
  }
}

function readObject(r: Reader, depth: number): JsonValue {
  enter(r, depth);
  const object: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
  for (let first = true; !ended(r, '}', first); first = false) {
    if (r.text.charAt(r.at) !== '"') throw notJson(r);
    const member = readString(r);
    if (!r.rules.memberName.test(member)) throw r.rules.refuse('member_name', `member name ${JSON.stringify(member)}`);
    if (member in object) throw r.rules.refuse('duplicate_member', `member ${JSON.stringify(member)} twice`);
    skipSpace(r);
    if (r.text.charAt(r.at++) !== ':') throw notJson(r);
    skipSpace(r);
    object[member] = readValue(r, depth + 1);
  }
  return object;
}

function readList(r: Reader, depth: number): JsonValue {
  enter(r, depth);
  const list: JsonValue[] = [];
  for (let first = true; !ended(r, ']', first); first = false) {
    if (list.length === r.rules.maxListItems)
      throw r.rules.refuse('list_too_long', `more than ${r.rules.maxListItems} items`);
    list.push(readValue(r, depth + 1));
  }
  return list;
}

function enter(r: Reader, depth: number): void {
  if (depth > r.rules.maxDepth) throw r.rules.refuse('too_deep', `deeper than ${r.rules.maxDepth}`);
  r.at++;
}

/** Steps over the closing bracket, or over the comma to the next item. */
function ended(r: Reader, closing: '}' | ']', first: boolean): boolean {
  skipSpace(r);
  const next = r.text.charAt(r.at);
  if (next === closing) {
    r.at++;
    return true;
  }
  if (!first) {
    if (next !== ',') throw notJson(r);
    r.at++;
    skipSpace(r);
  }
  return false;
}

/** A run of what needs no unescaping; control characters must be escaped. */
const RUN = /[ !#-[\]-\u{10ffff}]*/uy;
const SIMPLE_ESCAPE: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

function readString(r: Reader): string {
  let value = '';
  for (r.at++; ; ) {
    RUN.lastIndex = r.at;
    RUN.test(r.text);
    value += r.text.slice(r.at, RUN.lastIndex);
    r.at = RUN.lastIndex;
    const next = r.text.charAt(r.at++);
    if (next === '"') break;
    if (next !== '\\') throw notJson(r);
    value += readEscape(r);
  }
  checkText(value, r.rules);
  return value;
}

function readEscape(r: Reader): string {
  const letter = r.text.charAt(r.at++);
  if (letter === 'u') {
    const digits = r.text.slice(r.at, r.at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw notJson(r);
    r.at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }
  const simple = Object.hasOwn(SIMPLE_ESCAPE, letter) ? SIMPLE_ESCAPE[letter] : undefined;
  if (simple === undefined) throw notJson(r);
  return simple;
}

/** A whole JSON number, so that `1.5` is called a wrong number and not wrong syntax. */
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** Sixteen digits are enough for 2^53−1. */
const INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/;

function readInteger(r: Reader): number {
  NUMBER.lastIndex = r.at;
  const [literal] = NUMBER.exec(r.text) ?? [];
  if (literal === undefined) throw notJson(r);
  const value = Number(literal);
  if (!INTEGER.test(literal) || !Number.isSafeInteger(value))
    throw r.rules.refuse('number', `${literal.slice(0, 32)} is not an integer within ±(2^53−1)`);
  r.at += literal.length;
  return value;
}

function readWord<T>(r: Reader, word: string, value: T): T {
  if (!r.text.startsWith(word, r.at)) throw notJson(r);
  r.at += word.length;
  return value;
}

function skipSpace(r: Reader): void {
  for (
    let c = r.text.charCodeAt(r.at);
    c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
    c = r.text.charCodeAt(r.at)
  )
    r.at++;
}

function notJson(r: Reader): Error {
  return r.rules.refuse('not_json', `not JSON at character ${r.at}`);
}
