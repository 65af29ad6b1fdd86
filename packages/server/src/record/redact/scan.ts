import type { Anchor, Follow, Rule } from './rules.js';

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
  /** Folded bytes after the first three. */
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

/** Spreads three folded bytes over a table of 2^16: with 200 anchors one position of a text in 300 is looked at again. */
function slotOf(window: number): number {
  return Math.imul(window, 0x9e3779b1) >>> 16;
}

export function createScan(rules: readonly Rule[]): Scan {
  const slots = new Uint16Array(65_536);
  const buckets: Entry[][] = [[]];
  for (const rule of rules) for (const anchor of rule.anchors) enter(anchor, rule.index);
  const always = rules.filter((rule) => rule.always).map((rule) => rule.index);
  const digitRules = rules.filter((rule) => rule.digits).map((rule) => rule.index);
  const marks = new Uint8Array(rules.length);
  let marked = false;

  function enter({ text, follow }: Anchor, rule: number): void {
    const folded = Uint8Array.from(text, (char) => FOLD[char.charCodeAt(0)] ?? 0);
    const slot = slotOf(((folded[0] ?? 0) << 16) | ((folded[1] ?? 0) << 8) | (folded[2] ?? 0));
    if (slots[slot] === 0) slots[slot] = buckets.push([]) - 1;
    buckets[slots[slot] ?? 0]?.push({ rule, rest: folded.subarray(3), follow });
  }

  function mark(indexes: readonly number[]): void {
    for (const index of indexes) marks[index] = 1;
    marked ||= indexes.length > 0;
  }

  function tryBucket(bucket: readonly Entry[], bytes: Uint8Array, after: number): void {
    for (const entry of bucket) {
      if (marks[entry.rule] === 0 && followed(bytes, restEnd(bytes, after, entry.rest), entry.follow)) {
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
    let window = 0;
    let digits = 0;
    let digitsFrom = 0;
    let gap = false;
    for (let at = 0; at < length; at++) {
      let byte = bytes[at] as number;
      if (byte === BACKSLASH) {
        const hidden = hiddenCharacter(bytes, at + 1);
        if (hidden < 0) continue;
        byte = hidden & 0xff;
        at += hidden >> 8;
      }
      window = ((window << 8) | (FOLD[byte] as number)) & 0xffffff;
      const slot = slots[Math.imul(window, 0x9e3779b1) >>> 16] as number;
      if (slot !== 0) tryBucket(buckets[slot] as Entry[], bytes, at + 1);
      if (byte >= 0x30 && byte <= 0x39) {
        if (digits === 0) digitsFrom = at;
        digits++;
        gap = false;
      } else if (digits !== 0) {
        if ((byte === 0x20 || byte === 0x2d) && !gap) {
          gap = true;
        } else {
          if (digits >= 9 && isNumberLike(bytes, digitsFrom, at, digits)) mark(digitRules);
          digits = 0;
          gap = false;
        }
      } else if (
        (byte === INT_TAG && isLongVarint(bytes, at + 1)) ||
        (byte === DOUBLE_TAG && isLargeDouble(bytes, at + 1))
      ) {
        mark(digitRules);
      }
    }
    if (digits >= 9 && isNumberLike(bytes, digitsFrom, length, digits)) mark(digitRules);
    return marked ? marks : null;
  };
}

/** AnyValue.int_value and AnyValue.double_value on the wire: numbers that the digits of a text would not show. */
const INT_TAG = 0x18;
const DOUBLE_TAG = 0x21;

/** A varint of six bytes or more: at least 2^35, which every card and tax number of ours is. */
function isLongVarint(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 5; i++) if ((bytes[i] ?? 0) < 0x80) return false;
  return true;
}

/** A positive double from about 8.6e9 to 1.8e19, by the high byte of its exponent and the nibble after it. */
function isLargeDouble(bytes: Uint8Array, at: number): boolean {
  const high = bytes[at + 7];
  return (high === 0x42 || high === 0x43) && (bytes[at + 6] ?? 0) < 0xf1;
}

/** Ten digits and more, but not a date with an hour (`2026-11-25 01`); nine only in a social security number's 3-2-4. */
function isNumberLike(bytes: Uint8Array, from: number, to: number, digits: number): boolean {
  if (digits > 10) return true;
  if (digits === 10) return bytes[from + 4] !== 0x2d || bytes[from + 7] !== 0x2d;
  // Longer than its nine digits and two dashes: escapes, or a separator behind it.
  return to - from > 12 || (bytes[from + 3] === 0x2d && bytes[from + 6] === 0x2d);
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
  // The last word of a name: `tokens` and `token_count` are not it. Other letters may be the next field's tag.
  if (follow === 'word_end') return bytes[at] !== 0x73 && bytes[at] !== 0x5f && bytes[at] !== 0x2e;
  for (let i = at; i < at + follow; i++) {
    const byte = bytes[i];
    if (byte === BACKSLASH) return true;
    if (byte === undefined || TOKEN[byte] === 0) return false;
  }
  return true;
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
