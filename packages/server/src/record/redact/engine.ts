import { RE2JS } from 're2js';
import type { Check } from './checks.js';
import type { Finder, Found } from './rule.js';

/** What rules leave behind: not a match again, or the second look would drop every field that the first one cleaned. */
const LEFT_BEHIND = /^(?:\[REDACTED:[a-z0-9_]{1,64}\]?|tok_[0-9a-f]{32}|null)$/;

/**
 * Runs a built-in pattern in JavaScript's own engine, ten times as fast as a linear-time one. `pattern` must carry the flags d
 * and g; its first group that took part, or all of it, is what is found.
 */
export function nativeFinder(pattern: RegExp, check: Check | null): Finder {
  return (text) => {
    const found: Found[] = [];
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      if (match[0] === '') pattern.lastIndex++;
      const [start, end] = spanOf(match);
      const part = text.slice(start, end);
      const length = check === null ? part.length : check(part);
      if (length > 0 && !LEFT_BEHIND.test(part)) found.push({ start, end: start + length });
      // A refused match may hide one that starts inside it.
      else if (check !== null) pattern.lastIndex = match.index + 1;
    }
    return found;
  };
}

function spanOf(match: RegExpExecArray): readonly [number, number] {
  const spans = match.indices ?? [];
  for (let group = 1; group < spans.length; group++) {
    const span = spans[group];
    if (span !== undefined) return span;
  }
  return [match.index, match.index + match[0].length];
}

/**
 * Runs a pattern of the operator's in RE2JS, over UTF-8 and in time linear in the text, whatever the pattern.
 * @throws Error naming what RE2 syntax does not have.
 */
export function linearFinder(pattern: string, flags: '' | 'i'): Finder {
  const compiled = RE2JS.compile(pattern, flags === 'i' ? RE2JS.CASE_INSENSITIVE : 0);
  return (_text, bytes) => {
    const found: Found[] = [];
    const matcher = compiled.matcher(bytes);
    while (matcher.find()) {
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
