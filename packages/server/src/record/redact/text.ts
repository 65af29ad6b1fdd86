import { takes } from './engine.js';
import type { Found, Rule, Work } from './rule.js';

/**
 * Depth of escapes in escapes (JSON in JSON, a URL in JSON) that is read: each level turns the escapes of the one above into the
 * characters they mean.
 */
const ESCAPE_LEVELS = 8;
/** Longest text that patterns run over, bytes: a million tokens of prose. Its copies for a level of escapes take six times as much. */
export const TEXT_BYTES = 4 * 1024 * 1024;
/** Resolving one byte's escapes costs as much as so many bytes under a pattern. */
const UNESCAPE_COST = 2;
/** Pieces taken out of one text one by one. */
const TEXT_MATCHES = 256;
const BACKSLASH = 0x5c;
const PERCENT = 0x25;

/** What one rule found: byte offsets in the text as it stands on the wire. */
export interface Match extends Found {
  readonly rule: Rule;
}

/**
 * Everything that `rules` find in a text, at every level of escaping, as disjoint ranges of the raw bytes in order. Where two
 * overlap they are one, under the rule of the first. Null: the text is longer, more deeply escaped or fuller than what is looked
 * through, so nothing is known of it.
 */
export function findAll(bytes: Uint8Array, rules: readonly Rule[], work: Work): Match[] | null {
  if (bytes.length > TEXT_BYTES) return null;
  const matches: Match[] = [];
  let level: Level = { bytes, starts: null };
  for (let depth = 0; ; depth++) {
    const text = latin1(level.bytes);
    for (const rule of rules) {
      for (const finder of rule.finders) {
        const found = finder(text, level.bytes, work);
        if (found === null || found.length + matches.length > TEXT_MATCHES * (depth + 1)) return null;
        for (const each of found) matches.push({ rule, ...onTheWire(each, level, bytes.length) });
      }
    }
    const next = unescaped(level, work);
    if (next === null) {
      const disjoint = merged(matches);
      return disjoint.length > TEXT_MATCHES ? null : disjoint;
    }
    if (next === 'too_much' || depth === ESCAPE_LEVELS) return null;
    level = next;
  }
}

/** Latin-1 keeps every byte at its place, and ASCII as it is; patterns for ASCII need no more. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function onTheWire({ start, end }: Found, { starts }: Level, rawLength: number): Found {
  return starts === null ? { start, end } : { start: starts[start] ?? 0, end: starts[end] ?? rawLength };
}

function merged(matches: Match[]): Match[] {
  if (matches.length < 2) return matches;
  matches.sort((a, b) => a.start - b.start || b.end - a.end);
  const disjoint: Match[] = [];
  for (const match of matches) {
    const last = disjoint.at(-1);
    if (last === undefined || match.start >= last.end) disjoint.push(match);
    else if (match.end > last.end) disjoint[disjoint.length - 1] = { ...last, end: match.end };
  }
  return disjoint;
}

/** A text with escapes resolved; `starts[i]` is where byte `i` starts in the raw text (null: they are the same). */
interface Level {
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array | null;
}

/**
 * One level of escapes fewer, or null when there is none. The escapes are JSON's, \' and \xNN of Python and JavaScript, and the
 * %NN of URLs.
 */
function unescaped({ bytes, starts }: Level, work: Work): Level | null | 'too_much' {
  const first = firstEscape(bytes);
  if (first < 0) return null;
  if (!takes(work, bytes.length * UNESCAPE_COST)) return 'too_much';
  // Never longer than before: the longest character of an escape, three bytes of UTF-8, is written with six.
  const out = new Uint8Array(bytes.length);
  const origin = new Uint32Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] as number;
    const from = starts === null ? at : (starts[at] as number);
    const escape = at >= first && (byte === BACKSLASH || byte === PERCENT) ? escapeAt(bytes, at) : null;
    if (escape === null) {
      out[length] = byte;
      origin[length++] = from;
      at++;
      continue;
    }
    for (const meant of escape.bytes) {
      out[length] = meant;
      origin[length++] = from;
    }
    at += escape.length;
  }
  return { bytes: out.subarray(0, length), starts: origin.subarray(0, length) };
}

/** Index of the first escape, -1 when there is none. */
function firstEscape(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if ((byte === BACKSLASH || byte === PERCENT) && escapeAt(bytes, at) !== null) return at;
  }
  return -1;
}

interface Escape {
  /** What it means. */
  readonly bytes: readonly number[];
  /** Characters it is written with. */
  readonly length: number;
}

const SIMPLE_ESCAPES: ReadonlyMap<number, Escape> = new Map(
  [
    [0x6e, 0x0a],
    [0x72, 0x0d],
    [0x74, 0x09],
    [0x62, 0x08],
    [0x66, 0x0c],
    [0x22, 0x22],
    [0x27, 0x27],
    [0x2f, 0x2f],
    [BACKSLASH, BACKSLASH],
  ].map(([letter = 0, meant = 0]) => [letter, { bytes: [meant], length: 2 }]),
);

/** The escape that begins at `at`. A byte of %NN is a byte, as UTF-8 there has several of them. */
function escapeAt(bytes: Uint8Array, at: number): Escape | null {
  const isPercent = bytes[at] === PERCENT;
  const kind = bytes[at + 1] ?? 0;
  if (!isPercent) {
    const simple = SIMPLE_ESCAPES.get(kind);
    if (simple !== undefined) return simple;
  }
  const digits = isPercent || kind === 0x78 ? 2 : kind === 0x75 ? 4 : 0;
  const from = at + (isPercent ? 1 : 2);
  if (digits === 0 || from + digits > bytes.length) return null;
  let code = 0;
  for (let i = from; i < from + digits; i++) {
    const digit = hexDigit(bytes[i] as number);
    if (digit < 0) return null;
    code = code * 16 + digit;
  }
  return { bytes: isPercent ? [code] : utf8Of(code), length: from + digits - at };
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** UTF-8 of a code unit; halves of a surrogate pair come out one by one, which no pattern of ours asks about. */
function utf8Of(code: number): number[] {
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 0x3f)];
  return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)];
}
