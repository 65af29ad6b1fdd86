import type { Anchor, Follow, Rule } from './rule.js';

/**
 * Looks once over the bytes of a record and marks the rules that could match anywhere in it, so that a clean record costs one
 * pass and no pattern. Never misses: every rule names an anchor that its matches contain, and the pass reads through the
 * escapes of nested JSON (`\/`, `\\\"`, `\u0041`) as it goes. It may mark too much; the rules decide.
 */
export interface Scan {
  /** Marks of the rules by index, or null when no rule can match. The array is reused by the next call. */
  (bytes: Uint8Array): Uint8Array | null;
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
/** Lower case for ASCII capitals, everything else as it is. */
const FOLD = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte));
/** 1: a character that tokens consist of. A backslash too: what it hides is not looked into here. */
const TOKEN = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9_./+=~%\\-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
const HEX = Int8Array.from({ length: 256 }, (_, byte) =>
  /[0-9A-Fa-f]/.test(String.fromCharCode(byte)) ? Number.parseInt(String.fromCharCode(byte), 16) : -1,
);

/** AnyValue.int_value and AnyValue.double_value on the wire: numbers that the digits of a text would not show. */
const INT_TAG = 0x18;
const DOUBLE_TAG = 0x21;
const DIGIT = 1;
const TAG = 2;
const ESCAPE = 3;
/** What a byte is beside a part of a text; 0 for most, which the loop then passes by. */
const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x30 && byte <= 0x39) return DIGIT;
  if (byte === BACKSLASH) return ESCAPE;
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
    buckets[slots[slot] as number]?.push({ rule, first, rest: folded.subarray(3), follow });
  }

  function mark(indexes: readonly number[]): void {
    for (const index of indexes) marks[index] = 1;
    marked ||= indexes.length > 0;
  }

  function tryAnchors(entries: readonly Entry[], window: number, bytes: Uint8Array, after: number): void {
    const next = bytes[after] ?? 0;
    for (const entry of entries) {
      if (entry.first !== window || marks[entry.rule] !== 0) continue;
      // Most words part here: `too` from `tok`, `session` from `session_token`.
      if (entry.rest.length > 0 && FOLD[next] !== entry.rest[0] && next !== BACKSLASH) continue;
      if (followed(bytes, restEnd(bytes, after, entry.rest), entry.follow)) {
        marks[entry.rule] = 1;
        marked = true;
      }
    }
  }

  return (bytes) => {
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
    let digitsFrom = 0;
    let gap = false;
    for (let at = 0; at < length; at++) {
      let byte = bytes[at] as number;
      let kind = kinds[byte] as number;
      if (kind === ESCAPE) {
        const hidden = hiddenCharacter(bytes, at + 1);
        if (hidden < 0) continue;
        byte = hidden & 0xff;
        kind = kinds[byte] as number;
        at += hidden >> 8;
      }
      window = ((window << 8) | (fold[byte] as number)) & 0xffffff;
      const slot = table[slotOf(window)] as number;
      if (slot !== 0) tryAnchors(buckets[slot] as Entry[], window, bytes, at + 1);
      if (kind === DIGIT) {
        if (digits === 0) digitsFrom = at;
        digits++;
        gap = false;
      } else if (digits !== 0) {
        // One blank or dash between digits still belongs to the number.
        if ((byte === 0x20 || byte === 0x2d) && !gap) {
          gap = true;
        } else {
          if (digits >= 9 && isNumberLike(bytes, digitsFrom, at, digits)) mark(digitRules);
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

/** A number of eleven digits or more in an AnyValue, moments in time aside. */
function isLargeNumber(bytes: Uint8Array, tag: number, at: number): boolean {
  if (tag === DOUBLE_TAG) {
    // From 2^33 to 2^64, by the high bits of the exponent.
    const high = bytes[at + 7];
    return (high === 0x42 || high === 0x43) && (bytes[at + 6] ?? 0) < 0xf1;
  }
  let value = 0;
  let scale = 1;
  for (let i = at; i < at + 10; i++) {
    const byte = bytes[i] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    scale *= 128;
  }
  return value >= 1e10 && !isMoment(value);
}

/** Milliseconds, micro- or nanoseconds of our decades: no card begins with 1, and no tax number is that long. */
function isMoment(value: number): boolean {
  return (value >= 1e12 && value < 2e12) || (value >= 1e15 && value < 2e15) || (value >= 1e18 && value < 2e18);
}

/**
 * Whether a run of digits, blanks and dashes can hold a number that a rule looks for. Without dashes: ten digits and more, but no
 * moment in time (seconds to nanoseconds of our decades, unless letters stand before it as in an IBAN). With dashes, as dates
 * and UUIDs have them: the groups of a card or a social security number, or ten digits between two of them.
 */
function isNumberLike(bytes: Uint8Array, from: number, to: number, digits: number): boolean {
  const unbroken = to - from === digits;
  if (unbroken)
    return digits > 9 && (bytes[from] !== 0x31 || digits % 3 !== 1 || digits > 19 || isLetter(bytes[from - 1] ?? 0));
  let before = 0;
  let last = 0;
  let group = 0;
  let undashed = 0;
  for (let at = from; at <= to; at++) {
    const byte = at < to ? (bytes[at] as number) : 0x2d;
    if (KIND[byte] === DIGIT) {
      group++;
      undashed++;
      continue;
    }
    if (byte !== 0x20 && byte !== 0x2d) return true; // written with escapes
    if (group > 9 || isGrouped(before, last, group)) return true;
    before = last;
    last = group;
    group = 0;
    if (byte === 0x2d) {
      if (undashed > 9) return true;
      undashed = 0;
    }
  }
  return false;
}

/** 4-4-4 and 4-6-4 begin a card's groups, 3-2-4 are a social security number's. */
function isGrouped(first: number, second: number, third: number): boolean {
  return (first === 4 && (second === 4 || second === 6) && third >= 4) || (first === 3 && second === 2 && third === 4);
}

/** Index after `rest`, read through escapes from `at`; -1 when the text goes on differently. */
function restEnd(bytes: Uint8Array, at: number, rest: Uint8Array): number {
  let next = at;
  for (const wanted of rest) {
    let byte = bytes[next] ?? 0;
    while (byte === BACKSLASH) {
      const hidden = hiddenCharacter(bytes, next + 1);
      if (hidden >= 0) {
        byte = hidden & 0xff;
        next += hidden >> 8;
        break;
      }
      byte = bytes[++next] ?? 0;
    }
    if (FOLD[byte] !== wanted) return -1;
    next++;
  }
  return next;
}

function followed(bytes: Uint8Array, at: number, follow: Follow): boolean {
  if (at < 0) return false;
  if (follow === 'userinfo') return hasUserInfo(bytes, at);
  if (follow === 'word_end') return isWordEnd(bytes[at] ?? 0, bytes[at + 1] ?? 0);
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

function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

/** Longest user info looked for, as in the pattern: user 256, password 512, and the characters between. */
const USER_INFO_BYTES = 770;

function hasUserInfo(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + USER_INFO_BYTES; i++) {
    const byte = bytes[i];
    if (byte === 0x40 || byte === BACKSLASH) return true;
    if (byte === undefined || byte === 0x2f || byte === 0x20 || byte === 0x22 || byte === 0x27 || byte < 0x20)
      return false;
  }
  return false;
}

/**
 * The character of `uXXXX` or `xXX` at `at` (behind a backslash), and above it, shifted by 8, how long that is; not ASCII: 0x1f,
 * which stands in no anchor. -1 when it is no such escape.
 */
function hiddenCharacter(bytes: Uint8Array, at: number): number {
  const length = bytes[at] === 0x75 ? 4 : bytes[at] === 0x78 ? 2 : 0;
  if (length === 0) return -1;
  let code = 0;
  for (let i = at + 1; i <= at + length; i++) {
    const digit = HEX[bytes[i] ?? 0] as number;
    if (digit < 0) return -1;
    code = (code << 4) | digit;
  }
  return ((length + 1) << 8) | (code < 0x80 ? code : 0x1f);
}
