import { isUtf8 } from 'node:buffer';
import { RefusedPart, UndecodableRequest } from './rejections.js';

/** Open arrays and objects while passing over a value that has no meaning here. The messages themselves stop at MAX_NESTING. */
const MAX_SKIPPED_DEPTH = 10_000;

/** Longest number literal that is read: the longest int64 has 20 characters, the longest shortest double 25. */
const MAX_NUMBER_LENGTH = 128;

/** Members of one object: their names are remembered to find repeated ones. No message has more than 16 that it knows. */
const MAX_MEMBERS = 1_000;

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** With the `u` flag a pair is one character, so only a lone half is a surrogate. */
const LONE_SURROGATE = /\p{Surrogate}/u;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

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
    if (raw !== null) return this.#bytes.toString('utf8', raw.start, raw.end);
    return this.#escapedString();
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

  /** The bytes of a range, as `rawString` gives it. */
  slice(range: { start: number; end: number }): Uint8Array {
    return this.#bytes.subarray(range.start, range.end);
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
    if (this.rawString() === null) this.#eachStringPiece(() => undefined);
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

  #escapedString(): string {
    const pieces: string[] = [];
    this.#eachStringPiece((piece) => pieces.push(piece));
    const text = pieces.join('');
    if (LONE_SURROGATE.test(text)) throw new RefusedPart('a JSON string holds a lone surrogate');
    return text;
  }

  /** Pieces between escapes and the decoded escapes, in order; moves past the closing quote. */
  #eachStringPiece(piece: (text: string) => void): void {
    const bytes = this.#bytes;
    let from = this.pos + 1;
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte < 0x20) throw this.#syntax();
      if (byte !== QUOTE && byte !== BACKSLASH) continue;
      if (at > from) piece(bytes.toString('utf8', from, at));
      if (byte === QUOTE) {
        this.pos = at + 1;
        return;
      }
      const sign = String.fromCharCode(bytes[at + 1] ?? 0);
      const digits = bytes.toString('latin1', at + 2, at + 6);
      if (sign === 'u' && /^[0-9a-fA-F]{4}$/.test(digits)) {
        piece(String.fromCharCode(Number.parseInt(digits, 16)));
        at += 5;
      } else {
        const meant = Object.hasOwn(ESCAPES, sign) ? ESCAPES[sign] : undefined;
        if (meant === undefined) throw this.#syntax();
        piece(meant);
        at += 1;
      }
      from = at + 1;
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
