import { RE2JS } from 're2js';
import type { Check } from './checks.js';
import type { Finder, Found, Work } from './rule.js';

/** What rules leave behind: not a match again, or the second look would drop every field that the first one cleaned. */
const LEFT_BEHIND = /^(?:\[REDACTED:[a-z0-9_]{1,64}\]?|tok_[0-9a-f]{32}|null)$/;

/** A byte under a pattern of RE2JS costs as much time as so many under one of JavaScript's engine. */
const LINEAR_ENGINE_COST = 8;

/** Takes a text of `length` bytes from what may be looked at; false when that is too much. */
export function takes(work: Work, length: number): boolean {
  work.bytes -= length;
  return work.bytes >= 0;
}

/**
 * Runs a built-in pattern in JavaScript's own engine, ten times as fast as a linear-time one. `pattern` must carry the flags d
 * and g; its first group that took part, or all of it, is what is found.
 */
export function nativeFinder(pattern: RegExp, check: Check | null): Finder {
  return (text, _bytes, work) => {
    if (!takes(work, text.length)) return null;
    const found: Found[] = [];
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      if (--work.stops < 0) return null;
      if (match[0] === '') pattern.lastIndex++;
      const { start, end } = foundIn(match);
      const part = text.slice(start, end);
      const length = check === null ? part.length : check(part);
      if (length > 0 && !isLeftBehind(part)) found.push({ start, end: start + length });
      // A refused match may hide one that starts inside it.
      else if (check !== null) pattern.lastIndex = match.index + 1;
    }
    return found;
  };
}

/** Whether a text is what a rule put in the place of another. */
export function isLeftBehind(text: string): boolean {
  return LEFT_BEHIND.test(text);
}

/** The first group that took part in a match of a pattern with the flag d, or all of it. */
export function foundIn(match: RegExpExecArray): Found {
  const spans = match.indices ?? [];
  for (let group = 1; group < spans.length; group++) {
    const span = spans[group];
    if (span !== undefined) return { start: span[0], end: span[1] };
  }
  return { start: match.index, end: match.index + match[0].length };
}

/**
 * Runs a pattern of the operator's in RE2JS, over UTF-8 and in time linear in the text, whatever the pattern.
 * @throws Error naming what RE2 syntax does not have.
 */
export function linearFinder(pattern: string, flags: '' | 'i'): Finder {
  const compiled = RE2JS.compile(pattern, flags === 'i' ? RE2JS.CASE_INSENSITIVE : 0);
  return (_text, bytes, work) => {
    if (!takes(work, bytes.length * LINEAR_ENGINE_COST)) return null;
    const found: Found[] = [];
    const matcher = compiled.matcher(bytes);
    while (matcher.find()) {
      if (--work.stops < 0) return null;
      const group = firstGroup(matcher);
      const start = matcher.start(group);
      const end = matcher.end(group);
      if (end > start) found.push({ start, end });
    }
    return found;
  };
}

function firstGroup(matcher: { groupCount(): number; start(group: number): number }): number {
  for (let group = 1; group <= matcher.groupCount(); group++) if (matcher.start(group) >= 0) return group;
  return 0;
}
