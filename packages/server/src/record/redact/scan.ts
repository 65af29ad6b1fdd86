import { DOUBLE_TAG, INT_TAG, isLargeNumber, isLetter, isNumberLike } from './scanNumbers.js';
import type { Anchor, Follow, Rule } from './rule.js';

/**
 * Looks once over the bytes of a record and marks the rules that could match anywhere in it, so that a clean record costs one
 * pass and no pattern. Never misses: every rule names an anchor that its matches contain, and the pass reads through the
 * escapes of nested JSON and of URLs (`\/`, `\\\"`, `\u0041`, `%3D`) as it goes. It may mark too much; the rules decide.
 */
export interface Scan {
  /**
   * Marks of the rules by index, or null when no rule can match. The array is reused by the next call. With `any`, it stops at the
   * first mark: enough to know that there is one.
   */
  (bytes: Uint8Array, any?: 'any'): Uint8Array | null;
}

interface Entry {
  readonly rule: number;
  /** The first three bytes, folded, as one number. */
  readonly first: number;
  /** The folded bytes after them. */
  readonly rest: Uint8Array;
  readonly follow: Follow;
}

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
/** Lower case for ASCII capitals, everything else as it is. */
const FOLD = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte));
/** 1: a character that tokens consist of. A backslash too: what it hides is not looked into here. */
const TOKEN = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9_./+=~%\\-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
const HEX = Int8Array.from({ length: 256 }, (_, byte) =>
  /[0-9A-Fa-f]/.test(String.fromCharCode(byte)) ? Number.parseInt(String.fromCharCode(byte), 16) : -1,
);

const DIGIT = 1;
const TAG = 2;
const ESCAPE = 3;
/** What a byte is beside a part of a text; 0 for most, which the loop then passes by. */
const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x30 && byte <= 0x39) return DIGIT;
  if (byte === BACKSLASH || byte === PERCENT) return ESCAPE;
  return byte === INT_TAG || byte === DOUBLE_TAG ? TAG : 0;
});

/** Bits of the table of first bytes: 32 KB stay in a fast cache, and with 200 anchors one position in 80 is looked at again. */
const SLOT_BITS = 14;

/** Spreads three folded bytes over the table (Fibonacci hashing). */
function slotOf(window: number): number {
  return Math.imul(window, 0x9e3779b1) >>> (32 - SLOT_BITS);
}

export function createScan(rules: readonly Rule[]): Scan {
  const slots = new Uint16Array(1 << SLOT_BITS);
  const buckets: Entry[][] = [[]];
  for (const rule of rules) for (const anchor of rule.anchors) enter(anchor, rule.index);
  const always = rules.filter((rule) => rule.always).map((rule) => rule.index);
  const digitRules = rules.filter((rule) => rule.digits).map((rule) => rule.index);
  const marks = new Uint8Array(rules.length);
  let marked = false;

  function enter({ text, follow }: Anchor, rule: number): void {
    const folded = Uint8Array.from(text, (char) => FOLD[char.charCodeAt(0)] ?? 0);
    const first = ((folded[0] ?? 0) << 16) | ((folded[1] ?? 0) << 8) | (folded[2] ?? 0);
    const slot = slotOf(first);
    if (slots[slot] === 0) slots[slot] = buckets.push([]) - 1;
    const bucket = buckets[slots[slot] as number] ?? [];
    const rest = folded.subarray(3);
    const isKnown = bucket.some(
      (known) =>
        known.rule === rule &&
        known.first === first &&
        known.follow === follow &&
        Buffer.compare(known.rest, rest) === 0,
    );
    if (!isKnown) bucket.push({ rule, first, rest, follow });
  }

  function mark(indexes: readonly number[]): void {
    for (const index of indexes) marks[index] = 1;
    marked ||= indexes.length > 0;
  }

  function tryAnchors(entries: readonly Entry[], window: number, bytes: Uint8Array, after: number): void {
    // Read once for all entries, or a text of backslashes would be read once for each.
    const next = FOLD[bytes[after] as number] ?? 0;
    const isEscape = next === BACKSLASH || next === PERCENT;
    const start = isEscape ? unhidden(bytes, after) : after;
    const second = isEscape ? (FOLD[characterAt(bytes, start) & 0xff] as number) : next;
    for (const entry of entries) {
      if (entry.first !== window || marks[entry.rule] !== 0) continue;
      // Most words part here: `too` from `tok`, `session` from `session_token`.
      if (entry.rest.length > 0 && second !== entry.rest[0]) continue;
      if (followed(bytes, restEnd(bytes, entry.rest.length > 0 ? start : after, entry.rest), entry.follow)) {
        marks[entry.rule] = 1;
        marked = true;
      }
    }
  }

  return (bytes, any) => {
    if (marked) marks.fill(0);
    marked = false;
    mark(always);
    const length = bytes.length;
    // Locals: a table reached through a closure or module is looked up anew for every byte.
    const table = slots;
    const fold = FOLD;
    const kinds = KIND;
    let window = 0;
    let digits = 0;
    let group = 0;
    let digitsFrom = 0;
    let gap = false;
    let dotted = 0;
    let dottedAt = 0;
    for (let at = 0; at < length; at++) {
      let byte = bytes[at] as number;
      let kind = kinds[byte] as number;
      if (kind === ESCAPE) {
        const hidden = hiddenCharacter(bytes, at);
        if (hidden >= 0) {
          byte = hidden & 0xff;
          kind = kinds[byte] as number;
          at += hidden >> 8;
        } else if (byte === BACKSLASH) continue;
      }
      window = ((window << 8) | (fold[byte] as number)) & 0xffffff;
      const slot = table[slotOf(window)] as number;
      if (slot !== 0) {
        tryAnchors(buckets[slot] as Entry[], window, bytes, at + 1);
        if (marked && any !== undefined) return marks;
      }
      if (kind === DIGIT) {
        if (digits === 0) {
          digitsFrom = at;
          if (dottedAt !== at - 1) dotted = 0;
          group = 0;
        }
        digits++;
        if (gap) group = 0;
        group++;
        gap = false;
      } else if (digits !== 0) {
        // One blank or dash between digits still belongs to the number.
        if ((byte === 0x20 || byte === 0x2d) && !gap) {
          gap = true;
        } else {
          if (digits >= 9 && isNumberLike(bytes, digitsFrom, at, digits)) mark(digitRules);
          // Groups between dots, four bits each: a card's begin 4.4.4. or 4.6. (an address of the internet 3.3.3.)
          dotted = byte === 0x2e && group < 8 ? ((dotted << 4) | group) & 0xfff : 0;
          dottedAt = at;
          if (dotted === 0x444 || (dotted & 0xff) === 0x46) mark(digitRules);
          digits = 0;
          gap = false;
        }
      }
      if (kind === TAG && isLargeNumber(bytes, byte, at + 1)) mark(digitRules);
    }
    if (digits >= 9 && isNumberLike(bytes, digitsFrom, length, digits)) mark(digitRules);
    return marked ? marks : null;
  };
}

/** Index of the next character from `at` on, past backslashes that belong to deeper escapes; an escape of its own begins there. */
function unhidden(bytes: Uint8Array, at: number): number {
  let next = at;
  while (bytes[next] === BACKSLASH && hiddenCharacter(bytes, next) < 0) next++;
  return next;
}

/** The character at `at`, or the one that the escape there stands for; above it, shifted by 8, how far its last byte is. */
function characterAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] ?? 0;
  const hidden = byte === BACKSLASH || byte === PERCENT ? hiddenCharacter(bytes, at) : -1;
  return hidden >= 0 ? hidden : byte;
}

/** Index after `rest`, read through escapes from `at`; -1 when the text goes on differently. */
function restEnd(bytes: Uint8Array, at: number, rest: Uint8Array): number {
  let next = at;
  for (const wanted of rest) {
    next = unhidden(bytes, next);
    const character = characterAt(bytes, next);
    if (FOLD[character & 0xff] !== wanted) return -1;
    next += (character >> 8) + 1;
  }
  return next;
}

function followed(bytes: Uint8Array, at: number, follow: Follow): boolean {
  if (at < 0) return false;
  if (follow === 'userinfo') return hasUserInfo(bytes, at);
  if (follow === 'word_end') return isWordEnd(bytes[at] ?? 0, bytes[at + 1] ?? 0);
  if (follow === 'value') return isBeforeValue(bytes, at);
  for (let i = at; i < at + follow; i++) {
    const byte = bytes[i];
    if (byte === BACKSLASH) return true;
    if (byte === undefined || TOKEN[byte] === 0) return false;
  }
  return true;
}

/**
 * The last word of a name, which `tokens`, `token_count` and `tokenUsage` are not. On the wire a tag follows a name; it is a letter
 * only where a sender wrote the key behind its value, and then one of those of OTLP's repeated fields.
 */
function isWordEnd(next: number, afterNext: number): boolean {
  if (next === 0x73 || next === 0x5f || next === 0x2e) return false;
  return !isLetter(next) || !isLetter(afterNext) || 'JZjzbr'.includes(String.fromCharCode(next));
}

/** What stands between a name and its value: a quote, `=`, `:`, an escape; on the wire, the tag of what comes after the name. */
function isBeforeValue(bytes: Uint8Array, at: number): boolean {
  const next = bytes[at] ?? 0;
  if (next === 0x20) return bytes[at + 1] === 0x3d || bytes[at + 1] === 0x3a;
  return (
    next < 0x20 ||
    '"\'=:%\\'.includes(String.fromCharCode(next)) ||
    (isLetter(next) && isWordEnd(next, bytes[at + 1] ?? 0))
  );
}

/** Longest user info looked for, as in the pattern: user 256, password 512, and the characters between. */
const USER_INFO_BYTES = 770;

function hasUserInfo(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + USER_INFO_BYTES; i++) {
    const byte = bytes[i];
    if (byte === 0x40 || byte === BACKSLASH || byte === PERCENT) return true;
    if (byte === undefined || byte === 0x2f || byte === 0x20 || byte === 0x22 || byte === 0x27 || byte < 0x20)
      return false;
  }
  return false;
}

/**
 * The character that the escape at `at` (`\uXXXX`, `\xXX`, `%XX`) stands for, and above it, shifted by 8, how far its last
 * character is; not ASCII: 0x1f, which stands in no anchor. -1 when it is no such escape.
 */
function hiddenCharacter(bytes: Uint8Array, at: number): number {
  const kind = bytes[at + 1];
  const prefix = bytes[at] === PERCENT ? 0 : 1;
  const length = prefix === 0 ? 2 : kind === 0x75 ? 4 : kind === 0x78 ? 2 : 0;
  if (length === 0) return -1;
  let code = 0;
  for (let i = at + prefix + 1; i <= at + prefix + length; i++) {
    const digit = HEX[bytes[i] ?? 0] as number;
    if (digit < 0) return -1;
    code = (code << 4) | digit;
  }
  return ((prefix + length) << 8) | (code < 0x80 ? code : 0x1f);
}
