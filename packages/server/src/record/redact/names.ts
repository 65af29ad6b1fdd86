import { foundIn, isLeftBehind, takes } from './engine.js';
import type { Finder, Found } from './rule.js';

/** Which names, and what counts as their value. */
export interface NamedValues {
  /** Lower case, `_` between words. */
  readonly names: readonly string[];
  /** Pattern of the values that count; null: all of them. */
  readonly shape: string | null;
  /** A name counts only where no letter stands before it: `db_pass`, not `bypass`. */
  readonly word: boolean;
}

/** `api_key` as it is really written: API-Key, apiKey, api_key. The longest name first, or `secret` would hide `secret_key`. */
function written({ names, word }: NamedValues): string {
  const longestFirst = [...names].sort((a, b) => b.length - a.length);
  return `${word ? '(?<![A-Za-z])' : ''}(?:${longestFirst.map((name) => name.replaceAll('_', '[_-]?')).join('|')})`;
}

/** Matches attribute keys that are, or end in, one of the names. */
export function namePattern(values: NamedValues): RegExp {
  return new RegExp(`${written(values)}$`, 'i');
}

const QUOTED = `"((?:[^"\\\\]|\\\\[\\s\\S]){1,65536})|'((?:[^'\\\\]|\\\\[\\s\\S]){1,65536})`;
const BARE = `[^\\s&;,"'<>(){}\\[\\]\\\\]{1,4096}`;

/** A way to write a value after its name. `before` is asked about the text up to the name. */
interface Way {
  readonly before: RegExp | null;
  /** From the end of the name; the group is the value. */
  readonly after: RegExp;
}

/**
 * How values follow names. Quantifiers are bounded and no two of them share characters at their border, so each of these patterns
 * takes time by the length of what it matches.
 */
const WAYS: readonly Way[] = [
  // JSON and Python members; a list of texts as a whole.
  way(`["']\\s{0,8}[:=]>?\\s{0,8}(?:b?(?:${QUOTED})|(-?[0-9.]{1,64}))`),
  way(`["']?\\s{0,8}[:=]>?\\s{0,8}\\[\\s{0,8}["']([^\\[\\]{}]{1,65536}?)["']\\s{0,8}\\]`),
  // Assignments.
  way(`\\s{0,4}:?=>?(?!=)\\s{0,4}(?:${QUOTED}|(${BARE}))`),
  // Prose says "password: please ask"; a value with a digit in it, or in quotes, is taken for one.
  way(`:\\s{0,4}(?=[^\\s]{0,64}[0-9])([^\\s,;"'<>\\\\]{4,4096})`),
  way(`:\\s{0,4}(?:${QUOTED})`),
  // Command-line options.
  way(`\\s{1,4}(?!-)(${BARE})`, /(?:^|[^-])--[A-Za-z-]{0,32}$/),
  ...apart(`${QUOTED}|(${BARE})`, `(?=[^"']{0,256}[0-9 ]|[^"']{24})([^"']{4,4096})`),
];

function waysOfShape(shape: string): readonly Way[] {
  return [
    way(`["']?\\s{0,8}[=:]>?\\s{0,8}["']?(${shape})`),
    ...apart(`["']?(${shape})`, `(?=[^"']{0,256}[0-9])(${shape})`),
  ];
}

/** A name and its value as things of their own. */
function apart(value: string, item: string): readonly Way[] {
  return [
    // A pair in brackets. A list of two names looks the same, so this value must not look like a name.
    way(`["']\\s{0,4},\\s{0,4}b?["']${item}["']\\s{0,4}[\\])]`, /[[(]\s{0,4}b?["'][A-Za-z0-9_.-]{0,40}$/),
    // Two members, as Kubernetes, HAR and OTLP have them.
    way(
      `["']?[\\s,]{1,64}["']?value["']?\\s{0,4}[:=]\\s{0,4}(?:\\{\\s{0,8}["']string_?Value["']\\s{0,4}:\\s{0,4})?(?:${value})`,
      /(?:name|key|header|variable)["']?\s{0,4}[:=]\s{0,4}["']?[A-Za-z0-9_.-]{0,40}$/i,
    ),
  ];
}

function way(after: string, before: RegExp | null = null): Way {
  return { before, after: new RegExp(after, 'diy') };
}

/** Characters before a name that a `before` looks at: more than it can match. */
const BEFORE = 96;
/** What stands under such names without being a secret. A word by itself may also be a count: `pass: 12`. */
const NO_VALUE = /^(?:true|false|null|none|undefined|nil|yes|no)$/i;
const NO_VALUE_OF_A_WORD = /^(?:true|false|null|none|undefined|nil|yes|no|ok|[0-9.]{1,3})$/i;

/** Finds the values of names inside a text, however they are written there. One pass looks for all the names. */
export function namedValueFinder(values: NamedValues): Finder {
  const name = new RegExp(written(values), 'gi');
  const ways = values.shape === null ? WAYS : waysOfShape(values.shape);
  const noValue = noValueOf(values);
  return (text, _bytes, work) => {
    // As much as two of the patterns of values.
    if (!takes(work, text.length * 2)) return null;
    const found: Found[] = [];
    name.lastIndex = 0;
    for (let match = name.exec(text); match !== null; match = name.exec(text)) {
      if (--work.stops < 0) return null;
      const value = valueAfter(text, match.index, name.lastIndex, ways);
      const part = value === null ? '' : text.slice(value.start, value.end);
      if (value !== null && !isLeftBehind(part) && !noValue.test(part)) {
        found.push(value);
        name.lastIndex = value.end;
      } else {
        // A longer name may begin inside this one: `secret_key` in `client_secret_key`.
        name.lastIndex = match.index + 1;
      }
    }
    return found;
  };
}

/** Matches values of the names that are none. */
export function noValueOf({ word }: NamedValues): RegExp {
  return word ? NO_VALUE_OF_A_WORD : NO_VALUE;
}

/** What every way but that of command-line options begins with. Most names stand in prose and have no value. */
const MAY_FOLLOW = /["']?[\s,]{0,64}(?:[:=]|b?["']|value)/iy;

function valueAfter(text: string, nameStart: number, nameEnd: number, ways: readonly Way[]): Found | null {
  MAY_FOLLOW.lastIndex = nameEnd;
  if (!MAY_FOLLOW.test(text) && !/[A-Za-z-]/.test(text.charAt(nameStart - 1))) return null;
  for (const { before, after } of ways) {
    after.lastIndex = nameEnd;
    const match = after.exec(text);
    if (match === null) continue;
    if (before === null || before.test(text.slice(Math.max(0, nameStart - BEFORE), nameStart))) return foundIn(match);
  }
  return null;
}
