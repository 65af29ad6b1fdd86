import { isUtf8 } from 'node:buffer';
import { RefusedPart, UndecodableRequest } from './rejections.js';

/** Open arrays and objects while passing over a value that has no meaning here. The messages themselves stop at MAX_NESTING. */
const MAX_SKIPPED_DEPTH = 10_000;

/** Longest number literal that is read: the longest int64 has 20 characters, the longest shortest double 25. */
const MAX_NUMBER_LENGTH = 128;

/** Members of one object: their names are remembered to find repeated ones. No message has more than 16 that it knows. */
const MAX_MEMBERS = 1_000;

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SIGN_U = 0x75;
/** What the byte after a backslash means; -1: nothing. */
const ESCAPES = new Int16Array(256).fill(-1);
for (const [sign, meant] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'])
  ESCAPES[sign?.charCodeAt(0) ?? 0] = meant?.charCodeAt(0) ?? 0;

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;

/**
 * A strict RFC 8259 reader over the bytes of a body, one token at a time: no tree is built and no number becomes a double.
 * Broken syntax throws UndecodableRequest (the whole body); a value of the wrong sort throws RefusedPart (what holds it).
 */
export class JsonCursor {
  readonly #bytes: Buffer;
  pos = 0;

  /** Throws UndecodableRequest unless the body is valid UTF-8 without a byte order mark. */
  constructor(body: Uint8Array) {
    if (!isUtf8(body)) throw new UndecodableRequest('the JSON body is not valid UTF-8');
    this.#bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  }

  /** Calls `member` with each name of the object at the cursor, standing before its value; it must consume the value. */
  object(member: (name: string) => void): void {
    this.#open('{', 'an object');
    if (this.#closes('}')) return;
    const names = new Set<string>();
    do {
      this.#space();
      if (this.#bytes[this.pos] !== QUOTE) throw this.#syntax();
      const name = this.string();
      if (names.has(name)) throw new RefusedPart('a JSON member appears twice');
      if (names.size >= MAX_MEMBERS) throw new RefusedPart('a JSON object has too many members');
      names.add(name);
      this.#expect(':');
      this.#space();
      member(name);
    } while (this.#continues('}'));
  }

  /** Calls `element` before each element of the array at the cursor; it must consume the element. */
  array(element: () => void): void {
    this.#open('[', 'an array');
    if (this.#closes(']')) return;
    do {
      this.#space();
      element();
    } while (this.#continues(']'));
  }

  /** True, and past it, if the value is `null`: proto3 JSON for an unset field. */
  null(): boolean {
    return this.#literal('null');
  }

  /** The decoded text of a string. Refuses lone surrogates: they have no UTF-8. */
  string(): string {
    const raw = this.rawString();
    return raw === null ? this.#unescaped().toString('utf8') : this.#bytes.toString('utf8', raw.start, raw.end);
  }

  /** The same as UTF-8. Without escapes it is a view of the body. */
  stringBytes(): Uint8Array {
    const raw = this.rawString();
    return raw === null ? this.#unescaped() : this.#bytes.subarray(raw.start, raw.end);
  }

  /** Byte range of a string without escapes, which is its UTF-8; null, and not moved, if it has some. */
  rawString(): { start: number; end: number } | null {
    if (this.#bytes[this.pos] !== QUOTE) throw this.#not('a string');
    const bytes = this.#bytes;
    const start = this.pos + 1;
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.pos = at + 1;
        return { start, end: at };
      }
      if (byte === BACKSLASH) return null;
      if (byte < 0x20) throw this.#syntax();
    }
    this.pos = bytes.length;
    throw this.#syntax();
  }

  /** The literal of a number, or the text of a string that stands for one (proto3 JSON allows both). */
  numeral(): string {
    if (this.#bytes[this.pos] === QUOTE) {
      const raw = this.rawString();
      if (raw === null || raw.end - raw.start > MAX_NUMBER_LENGTH) throw this.#not('a number');
      return this.#bytes.toString('latin1', raw.start, raw.end);
    }
    return this.number();
  }

  /** The literal of a number, exactly as written. */
  number(): string {
    const start = this.pos;
    this.#passNumber();
    if (this.pos === start) throw this.#not('a number');
    if (this.pos - start > MAX_NUMBER_LENGTH) throw new RefusedPart('a number is too long');
    const literal = this.#bytes.toString('latin1', start, this.pos);
    if (!NUMBER.test(literal)) throw this.#syntax();
    return literal;
  }

  boolean(): boolean {
    if (this.#literal('true')) return true;
    if (this.#literal('false')) return false;
    throw this.#not('a boolean');
  }

  /** Passes over any value, checking syntax alone. Iterative: the sender chooses the depth. */
  skip(): void {
    const open: ('{' | '[')[] = [];
    for (;;) {
      this.#space();
      if (this.#opens(open)) continue;
      while (this.#closesInnermost(open)) {
        // A value has ended; so may have what holds it.
      }
      if (open.length === 0) return;
    }
  }

  /** Throws UndecodableRequest if anything but white space is left. */
  end(): void {
    this.#space();
    if (this.pos !== this.#bytes.length) throw this.#syntax();
  }

  /** White space before the first value. */
  start(): void {
    this.#space();
  }

  /** One step into a skipped value; true if it opened an array or object that is not empty. */
  #opens(open: ('{' | '[')[]): boolean {
    const byte = this.#bytes[this.pos];
    if (byte === 0x7b || byte === 0x5b) {
      const kind = byte === 0x7b ? '{' : '[';
      this.pos += 1;
      if (this.#closes(kind === '{' ? '}' : ']')) return false;
      if (open.length >= MAX_SKIPPED_DEPTH) throw new UndecodableRequest('the JSON body is nested too deep');
      open.push(kind);
      if (kind === '{') this.#skipName();
      return true;
    }
    if (byte === QUOTE) this.#passString();
    else if (!this.#literal('true') && !this.#literal('false') && !this.#literal('null')) {
      const start = this.pos;
      this.#passNumber();
      if (!NUMBER.test(this.#bytes.toString('latin1', start, this.pos))) throw this.#syntax();
    }
    return false;
  }

  /** After a value: true if the innermost array or object ends here. */
  #closesInnermost(open: ('{' | '[')[]): boolean {
    const innermost = open.at(-1);
    if (innermost === undefined) return false;
    if (this.#continues(innermost === '{' ? '}' : ']')) {
      if (innermost === '{') this.#skipName();
      return false;
    }
    open.pop();
    return open.length > 0;
  }

  #skipName(): void {
    this.#space();
    this.#passString();
    this.#expect(':');
  }

  #passString(): void {
    if (this.#bytes[this.pos] !== QUOTE) throw this.#syntax();
    if (this.rawString() === null) this.#eachEscape(() => undefined);
  }

  #passNumber(): void {
    const bytes = this.#bytes;
    let at = this.pos;
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      const digit = byte >= 0x30 && byte <= 0x39;
      if (!digit && byte !== 0x2d && byte !== 0x2b && byte !== 0x2e && byte !== 0x65 && byte !== 0x45) break;
    }
    this.pos = at;
  }

  /** Byte by byte into one buffer: a body may be nothing but escapes, thirty million of them. */
  #unescaped(): Buffer {
    const bytes = this.#bytes;
    const start = this.pos + 1;
    // No escape is shorter than the UTF-8 of what it means.
    const out = Buffer.allocUnsafe(this.#lengthToQuote(start));
    let length = 0;
    let from = start;
    let high = 0;
    let isLone = false;
    this.#eachEscape((unit, at, next) => {
      if (at > from) length += bytes.copy(out, length, from, at);
      const isPair = high !== 0 && at === from && isLow(unit);
      isLone ||= (high !== 0 && !isPair) || (isLow(unit) && !isPair);
      if (isPair) length = putUtf8(out, length, ((high - 0xd800) << 10) + (unit - 0xdc00) + 0x10000);
      high = isHigh(unit) ? unit : 0;
      if (high === 0 && !isPair) length = putUtf8(out, length, unit);
      from = next;
    });
    if (isLone || high !== 0) throw new RefusedPart('a JSON string holds a lone surrogate');
    length += bytes.copy(out, length, from, this.pos - 1);
    return out.subarray(0, length);
  }

  /** Bytes until the string that begins at `start` ends, or the body does. */
  #lengthToQuote(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    return Math.min(at, bytes.length) - start;
  }

  /** Tells of each escape the UTF-16 unit it means, where it starts and what comes after it; moves past the closing quote. */
  #eachEscape(tell: (unit: number, at: number, next: number) => void): void {
    const bytes = this.#bytes;
    for (let at = this.pos + 1; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte < 0x20) throw this.#syntax();
      if (byte === QUOTE) {
        this.pos = at + 1;
        return;
      }
      if (byte !== BACKSLASH) continue;
      const sign = bytes[at + 1] ?? 0;
      const unit = sign === SIGN_U ? hex4(bytes, at + 2) : (ESCAPES[sign] ?? -1);
      if (unit < 0) throw this.#syntax();
      const next = at + (sign === SIGN_U ? 6 : 2);
      tell(unit, at, next);
      at = next - 1;
    }
    this.pos = bytes.length;
    throw this.#syntax();
  }

  #open(bracket: string, what: string): void {
    if (this.#bytes[this.pos] !== bracket.charCodeAt(0)) throw this.#not(what);
    this.pos += 1;
  }

  #closes(bracket: string): boolean {
    this.#space();
    if (this.#bytes[this.pos] !== bracket.charCodeAt(0)) return false;
    this.pos += 1;
    return true;
  }

  /** After an element: past a comma (true) or past the closing bracket (false). */
  #continues(bracket: string): boolean {
    if (this.#closes(bracket)) return false;
    if (this.#bytes[this.pos] !== 0x2c) throw this.#syntax();
    this.pos += 1;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#closes(sign)) throw this.#syntax();
  }

  #literal(word: string): boolean {
    const end = this.pos + word.length;
    if (this.#bytes[this.pos] !== word.charCodeAt(0) || this.#bytes.toString('latin1', this.pos, end) !== word)
      return false;
    this.pos = end;
    return true;
  }

  #space(): void {
    const bytes = this.#bytes;
    let byte = bytes[this.pos];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.pos];
  }

  /** Of a value of another sort; where the body ends there is none. */
  #not(what: string): UndecodableRequest | RefusedPart {
    return this.pos < this.#bytes.length ? new RefusedPart(`a JSON value is not ${what}`) : this.#syntax();
  }

  #syntax(): UndecodableRequest {
    if (this.pos >= this.#bytes.length)
      return new UndecodableRequest('the body is not JSON: it ends in the middle of a value');
    return new UndecodableRequest(`the body is not JSON: unexpected input at byte ${this.pos}`);
  }
}

/** The number that four hexadecimal digits stand for; -1 when they are none. */
function hex4(bytes: Uint8Array, from: number): number {
  let value = 0;
  for (let at = from; at < from + 4; at++) {
    const byte = bytes[at] ?? 0;
    const letter = byte | 0x20;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** Writes a code point at `at`. Returns where the next one goes. */
function putUtf8(out: Uint8Array, at: number, point: number): number {
  let next = at;
  if (point < 0x80) {
    out[next++] = point;
    return next;
  }
  const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  // As many leading ones as the character has bytes.
  out[next++] = ((0xff00 >> (more + 1)) & 0xff) | (point >> (6 * more));
  for (let left = more - 1; left >= 0; left--) out[next++] = 0x80 | ((point >> (6 * left)) & 0x3f);
  return next;
}
