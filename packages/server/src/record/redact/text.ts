import type { Finder, Found, Rule } from './rule.js';

/** Depth of JSON in JSON in JSON … that is read: each level turns the escapes of the one above into the characters they mean. */
const ESCAPE_LEVELS = 8;
const BACKSLASH = 0x5c;

/** What one rule found: byte offsets in the text as it stands on the wire. */
export interface Match extends Found {
  readonly rule: Rule;
}

/**
 * Everything that `rules` find in a text, at every level of escaping, as disjoint ranges of the raw bytes in order. Where two
 * overlap they are one, under the rule of the first.
 */
export function findAll(bytes: Uint8Array, rules: readonly Rule[]): Match[] {
  const matches: Match[] = [];
  let level: Level = { bytes, starts: null };
  for (let depth = 0; ; depth++) {
    const text = latin1(level.bytes);
    for (const rule of rules) {
      for (const finder of rule.finders) collect(finder, rule, text, level, bytes.length, matches);
    }
    const next = depth < ESCAPE_LEVELS ? unescaped(level) : null;
    if (next === null) return merged(matches);
    level = next;
  }
}

/** Latin-1 keeps every byte at its place, and ASCII as it is; patterns for ASCII need no more. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function collect(finder: Finder, rule: Rule, text: string, level: Level, rawLength: number, into: Match[]): void {
  for (const { start, end } of finder(text, level.bytes)) {
    if (level.starts === null) into.push({ rule, start, end });
    else into.push({ rule, start: level.starts[start] ?? 0, end: level.starts[end] ?? rawLength });
  }
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

const SIMPLE: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x22, 0x22],
  [0x27, 0x27],
  [0x2f, 0x2f],
  [BACKSLASH, BACKSLASH],
]);

/** One level of escapes fewer, or null when there is none. The escapes are JSON's, and \' and \xNN of Python and JavaScript. */
function unescaped({ bytes, starts }: Level): Level | null {
  let at = bytes.indexOf(BACKSLASH);
  if (at < 0) return null;
  // Never longer than before: the longest character of an escape, three bytes of UTF-8, is written with six.
  const out = new Uint8Array(bytes.length);
  const origin = new Uint32Array(bytes.length);
  let length = 0;
  let changed = false;
  const put = (byte: number, from: number): void => {
    out[length] = byte;
    origin[length++] = starts === null ? from : (starts[from] ?? 0);
  };
  for (let i = 0; i < at; i++) put(bytes[i] ?? 0, i);
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    const escape = byte === BACKSLASH ? escapeAt(bytes, at + 1) : null;
    if (escape === null) {
      put(byte, at++);
      continue;
    }
    for (const meant of escape.bytes) put(meant, at);
    at += 1 + escape.length;
    changed = true;
  }
  return changed ? { bytes: out.subarray(0, length), starts: origin.subarray(0, length) } : null;
}

/** The escape behind a backslash: the bytes it means, and the characters it takes. */
function escapeAt(
  bytes: Uint8Array,
  at: number,
): { readonly bytes: readonly number[]; readonly length: number } | null {
  const byte = bytes[at] ?? 0;
  const simple = SIMPLE.get(byte);
  if (simple !== undefined) return { bytes: [simple], length: 1 };
  const digits = byte === 0x75 ? 4 : byte === 0x78 ? 2 : 0;
  if (digits === 0) return null;
  const code = latin1(bytes.subarray(at + 1, at + 1 + digits));
  if (code.length !== digits || !/^[0-9A-Fa-f]+$/.test(code)) return null;
  return { bytes: utf8Of(Number.parseInt(code, 16)), length: 1 + digits };
}

/** UTF-8 of a code unit; halves of a surrogate pair come out one by one, which no pattern of ours asks about. */
function utf8Of(code: number): number[] {
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 0x3f)];
  return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)];
}
