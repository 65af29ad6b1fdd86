import { CHECKS, type Check } from './checks.js';
import { linearFinder, nativeFinder } from './engine.js';
import { namedValueFinder, namePattern, type NamedValues, noValueOf } from './names.js';
import type { Anchor, Finder, Rule, TextTest } from './rule.js';

type Path = readonly (string | number)[];

/** Something wrong with the rules, and where. */
interface RulesMistake {
  readonly path: Path;
  readonly why: string;
}

/** Thrown for a rules file that cannot be used; names every mistake. */
export class RulesRefused extends Error {
  readonly mistakes: readonly RulesMistake[];

  constructor(mistakes: readonly RulesMistake[]) {
    super(`redaction rules:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** Stands where a rule's id would, for what was removed because looking through it would have taken too much. */
export const BEYOND_BOUNDS = 'beyond_bounds';

/** A rules file: what it says, and whose it is. `own` patterns run in a linear-time engine; `built_in` ones are checked by tests. */
export interface RulesFile {
  readonly content: unknown;
  readonly from: 'built_in' | 'own';
}

/**
 * Compiles rules files (`config/redaction.yaml` documents the form).
 * @throws RulesRefused naming every mistake of every file.
 */
export function compileRules(files: readonly RulesFile[]): readonly Rule[] {
  const mistakes: RulesMistake[] = [];
  const rules: Rule[] = [];
  const seen = new Set<string>([BEYOND_BOUNDS]);
  for (const { content, from } of files) {
    const reader = new RulesReader(from, { mistakes, seen, first: rules.length });
    rules.push(...reader.read(content));
  }
  if (mistakes.length > 0) throw new RulesRefused(mistakes);
  return rules;
}

type Entry = Readonly<Record<string, unknown>>;

/** Kinds of rules, in the order in which they are numbered. */
const LISTS = ['drop', 'names', 'values'] as const;

/** What the files before have said. */
interface SoFar {
  readonly mistakes: RulesMistake[];
  readonly seen: Set<string>;
  readonly first: number;
}

class RulesReader {
  readonly #from: RulesFile['from'];
  readonly #so: SoFar;
  /** Where each entry stands. */
  readonly #places = new Map<Entry, Path>();

  constructor(from: RulesFile['from'], so: SoFar) {
    this.#from = from;
    this.#so = so;
  }

  read(file: unknown): Rule[] {
    if (!isEntry(file)) return this.#refuse([], `must have version, and lists of ${LISTS.join(', ')}`, []);
    this.#places.set(file, []);
    if (file['version'] !== 1) this.#refuse(['version'], 'must be 1', null);
    this.#unknown(file, ['version', ...LISTS]);
    const compiled = [
      ...this.#entries(file, 'drop').map((entry) => this.#dropRule(entry)),
      ...this.#entries(file, 'names').map((entry) => this.#nameRule(entry)),
      ...this.#entries(file, 'values').map((entry) => this.#valueRule(entry)),
    ];
    return compiled.map((rule, at) => ({ ...rule, index: this.#so.first + at }));
  }

  #dropRule(entry: Entry): Omit<Rule, 'index'> {
    const keys = new Set(this.#texts(entry, 'keys'));
    const anchors = [...keys].map((text) => ({ text, follow: 0 }));
    return {
      ...this.#head(entry, ['keys']),
      ofKey: { matches: (key) => keys.has(key), shape: null },
      finders: [],
      anchors,
      action: 'drop',
    };
  }

  #nameRule(entry: Entry): Omit<Rule, 'index'> {
    const names = this.#texts(entry, 'names').filter(
      (name) =>
        /^[a-z0-9]+(_[a-z0-9]+)*$/.test(name) ||
        this.#refuse(this.#at(entry, 'names'), `${name} is not a name: lower case, _ between words`, false),
    );
    const shape = entry.shape === undefined ? null : this.#text(entry, 'shape');
    // A shape runs in JavaScript's engine, whose time is only known of patterns that a test has seen.
    if (shape !== null && this.#from === 'own')
      this.#refuse(this.#at(entry, 'shape'), 'is for built-in rules; write a value rule', null);
    const word = entry.word === true;
    const values: NamedValues = { names, shape, word };
    const ends = namePattern(values);
    return {
      ...this.#head(entry, ['names', 'shape', 'word']),
      ofKey: {
        matches: (key) => ends.test(key),
        shape: shape === null ? (word ? anyValueBut(noValueOf(values)) : null) : this.#whole(entry, shape),
      },
      finders: [namedValueFinder(values)],
      anchors: names.flatMap((name) =>
        ['', '_', '-'].flatMap((between) => {
          const text = name.replaceAll('_', between);
          return word
            ? [
                { text, follow: 'value' as const },
                { text: `--${text}`, follow: 'word_end' as const },
              ]
            : [{ text, follow: 'word_end' as const }];
        }),
      ),
    };
  }

  #whole(entry: Entry, shape: string): TextTest | null {
    return this.#regExp(this.#at(entry, 'shape'), `^(?:${shape})$`, '');
  }

  #valueRule(entry: Entry): Omit<Rule, 'index'> {
    const shapes = this.#entries(entry, 'shapes');
    if (shapes.length === 0) this.#refuse(this.#at(entry), 'has no shapes', null);
    const anchors: Anchor[] = [];
    let digits = false;
    let always = false;
    const finders = shapes.map((shape) => {
      const follow = shape.follow === 'userinfo' ? shape.follow : this.#count(shape, 'follow');
      const texts = shape.anchors === undefined && this.#from === 'own' ? [] : this.#texts(shape, 'anchors');
      always ||= texts.length === 0;
      for (const text of texts) {
        if (text === 'digits') digits = true;
        else anchors.push({ text, follow });
      }
      const check = shape.check === undefined ? null : CHECKS.get(this.#text(shape, 'check'));
      if (check === undefined)
        this.#refuse(this.#at(shape, 'check'), `must be one of ${[...CHECKS.keys()].join(', ')}`, null);
      this.#unknown(shape, ['anchors', 'follow', 'pattern', 'flags', 'check']);
      return this.#finder(shape, shape.flags === 'i' ? 'i' : '', check ?? null);
    });
    return { ...this.#head(entry, ['shapes']), ofKey: null, finders, anchors, digits, always };
  }

  #head(entry: Entry, known: readonly string[]): Pick<Rule, 'id' | 'action' | 'digits' | 'always'> {
    this.#unknown(entry, ['id', 'action', ...known]);
    const id = this.#text(entry, 'id');
    if (!/^[a-z0-9_]{1,64}$/.test(id))
      this.#refuse(this.#at(entry, 'id'), `${id} is not an id: a-z, 0-9 and _, at most 64`, null);
    if (this.#so.seen.has(id))
      this.#refuse(this.#at(entry, 'id'), `${id} is taken; the built-in rules have ids too`, null);
    this.#so.seen.add(id);
    const action = entry.action ?? 'mask';
    if (action === 'mask' || action === 'token' || action === 'drop')
      return { id, action, digits: false, always: false };
    const instead = { id, action: 'mask', digits: false, always: false } as const;
    return this.#refuse(this.#at(entry, 'action'), 'must be mask, token or drop', instead);
  }

  #finder(shape: Entry, flags: '' | 'i', check: Check | null): Finder {
    const pattern = this.#text(shape, 'pattern');
    const at = this.#at(shape, 'pattern');
    if (this.#from === 'built_in') {
      const compiled = this.#regExp(at, pattern, `dg${flags}`);
      return compiled === null ? () => [] : nativeFinder(compiled, check);
    }
    try {
      return linearFinder(pattern, flags);
    } catch (error) {
      return this.#refuse(at, `${messageOf(error)}; patterns are RE2's: no look-around, no back-reference`, () => []);
    }
  }

  #regExp(at: Path, pattern: string, flags: string): RegExp | null {
    try {
      return new RegExp(pattern, flags);
    } catch (error) {
      return this.#refuse(at, messageOf(error), null);
    }
  }

  #entries(within: Entry, name: string): Entry[] {
    const value = within[name];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) return this.#refuse(this.#at(within, name), 'must be a list', []);
    return value.filter((entry, at): entry is Entry => {
      const place = [...this.#at(within, name), at];
      if (!isEntry(entry)) return this.#refuse(place, 'must have members', false);
      this.#places.set(entry, place);
      return true;
    });
  }

  #texts(entry: Entry, name: string): string[] {
    const value = entry[name];
    if (!Array.isArray(value) || value.length === 0) return this.#refuse(this.#at(entry), `needs ${name}, a list`, []);
    return value.filter((text, at): text is string => {
      const fits = typeof text === 'string' && /^[\x20-\x7e]{3,128}$/.test(text) && !text.includes('\\');
      const place = [...this.#at(entry, name), at];
      return fits || this.#refuse(place, `${String(text)} is not 3 to 128 plain characters`, false);
    });
  }

  #text(entry: Entry, name: string): string {
    const value = entry[name];
    if (typeof value === 'string' && value !== '' && value.length <= 4096) return value;
    return this.#refuse(this.#at(entry), `needs ${name}, a text`, 'unnamed');
  }

  #count(entry: Entry, name: string): number {
    const value = entry[name] ?? 0;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 256) return value;
    return this.#refuse(this.#at(entry, name), 'must be a whole number up to 256', 0);
  }

  #unknown(entry: Entry, known: readonly string[]): void {
    for (const name of Object.keys(entry))
      if (!known.includes(name))
        this.#refuse(this.#at(entry, name), `is no part of it; there is ${known.join(', ')}`, null);
  }

  #at(entry: Entry, ...members: readonly string[]): Path {
    return [...(this.#places.get(entry) ?? []), ...members];
  }

  #refuse<T>(path: Path, why: string, instead: T): T {
    this.#so.mistakes.push({ path, why });
    return instead;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'bad pattern';
}

function anyValueBut(none: RegExp): TextTest {
  return { test: (text) => !none.test(text) };
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
