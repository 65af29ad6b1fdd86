import { parse } from 'yaml';
import { CHECKS, type Check } from './checks.js';
import { linearFinder, nativeFinder } from './engine.js';
import { namedValueFinder, namePattern, type NamedValues, noValueOf } from './names.js';
import type { Anchor, Finder, Rule, TextTest } from './rule.js';

/** Thrown for a rules file that cannot be used; names every mistake. */
export class RulesRefused extends Error {
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(`redaction rules:\n${mistakes.map((m) => `  - ${m}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** Stands where a rule's id would, for what was removed because looking through it would have taken too much. */
export const BEYOND_BOUNDS = 'beyond_bounds';

/** A rules file: its YAML text, and whose it is. `own` patterns run in a linear-time engine; `built_in` ones are checked by tests. */
export interface RulesFile {
  readonly yaml: string;
  readonly from: 'built_in' | 'own';
}

/**
 * Compiles rules files (`config/redaction.yaml` documents the form).
 * @throws RulesRefused naming every mistake of every file.
 */
export function compileRules(files: readonly RulesFile[]): readonly Rule[] {
  const mistakes: string[] = [];
  const rules: Rule[] = [];
  for (const file of files) {
    const reader = new RulesReader(file.from, mistakes, rules.length);
    rules.push(...reader.read(parse(file.yaml)));
  }
  const seen = new Set<string>([BEYOND_BOUNDS]);
  for (const { id } of rules) {
    if (seen.has(id)) mistakes.push(`${id}: this id is taken`);
    seen.add(id);
  }
  if (mistakes.length > 0) throw new RulesRefused(mistakes);
  return rules;
}

type Entry = Readonly<Record<string, unknown>>;

class RulesReader {
  readonly #from: RulesFile['from'];
  readonly #mistakes: string[];
  readonly #first: number;

  constructor(from: RulesFile['from'], mistakes: string[], first: number) {
    this.#from = from;
    this.#mistakes = mistakes;
    this.#first = first;
  }

  read(file: unknown): Rule[] {
    if (!isEntry(file) || file.version !== 1) return this.#refuse('file', 'must say version: 1', []);
    for (const name of Object.keys(file)) {
      if (!['version', 'drop', 'names', 'values'].includes(name))
        this.#refuse(name, 'is not part of a rules file', null);
    }
    const compiled = [
      ...this.#entries(file.drop, 'drop').map((entry) => this.#dropRule(entry)),
      ...this.#entries(file.names, 'names').map((entry) => this.#nameRule(entry)),
      ...this.#entries(file.values, 'values').map((entry) => this.#valueRule(entry)),
    ];
    return compiled.map((rule, at) => ({ ...rule, index: this.#first + at }));
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
        this.#refuse(name, 'is not a name: lower case, _ between words', false),
    );
    const shape = entry.shape === undefined ? null : this.#text(entry, 'shape');
    // A shape runs in JavaScript's engine, whose time is only known of patterns that a test has seen.
    if (shape !== null && this.#from === 'own')
      this.#refuse(entry.id, 'shape is for built-in rules; write a value rule', null);
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
    return this.#regExp(entry, `^(?:${shape})$`, '');
  }

  #valueRule(entry: Entry): Omit<Rule, 'index'> {
    const shapes = this.#entries(entry.shapes, 'shapes');
    if (shapes.length === 0) this.#refuse(entry.id, 'has no shapes', null);
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
      if (check === undefined) this.#refuse(entry.id, 'there is no such check', null);
      this.#unknown(shape, ['anchors', 'follow', 'pattern', 'flags', 'check']);
      return this.#finder(entry, this.#text(shape, 'pattern'), shape.flags === 'i' ? 'i' : '', check ?? null);
    });
    return { ...this.#head(entry, ['shapes']), ofKey: null, finders, anchors, digits, always };
  }

  #head(entry: Entry, known: readonly string[]): Pick<Rule, 'id' | 'action' | 'digits' | 'always'> {
    this.#unknown(entry, ['id', 'action', ...known]);
    const id = this.#text(entry, 'id');
    if (!/^[a-z0-9_]{1,64}$/.test(id)) this.#refuse(id, 'is not an id: a-z, 0-9 and _, at most 64', null);
    const action = entry.action ?? 'mask';
    if (action !== 'mask' && action !== 'token' && action !== 'drop')
      return this.#refuse(id, 'action must be mask, token or drop', {
        id,
        action: 'mask',
        digits: false,
        always: false,
      });
    return { id, action, digits: false, always: false };
  }

  #finder(entry: Entry, pattern: string, flags: '' | 'i', check: Check | null): Finder {
    if (this.#from === 'built_in') return this.#native(entry, pattern, flags, check);
    try {
      return linearFinder(pattern, flags);
    } catch (error) {
      return this.#refuse(entry.id, error instanceof Error ? error.message : 'bad pattern', () => []);
    }
  }

  #native(entry: Entry, pattern: string, flags: '' | 'i', check: Check | null): Finder {
    const compiled = this.#regExp(entry, pattern, `dg${flags}`);
    return compiled === null ? () => [] : nativeFinder(compiled, check);
  }

  #regExp(entry: Entry, pattern: string, flags: string): RegExp | null {
    try {
      return new RegExp(pattern, flags);
    } catch (error) {
      return this.#refuse(entry.id, error instanceof Error ? error.message : 'bad pattern', null);
    }
  }

  #entries(value: unknown, name: string): Entry[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) return this.#refuse(name, 'must be a list', []);
    return value.filter(
      (entry): entry is Entry => isEntry(entry) || this.#refuse(name, 'holds something that is no entry', false),
    );
  }

  #texts(entry: Entry, name: string): string[] {
    const value = entry[name];
    if (!Array.isArray(value) || value.length === 0) return this.#refuse(entry.id ?? name, `needs ${name}, a list`, []);
    return value.filter((text): text is string => {
      const fits = typeof text === 'string' && /^[\x20-\x7e]{3,128}$/.test(text) && !text.includes('\\');
      return fits || this.#refuse(entry.id ?? name, `${name}: ${String(text)} is not 3 to 128 plain characters`, false);
    });
  }

  #text(entry: Entry, name: string): string {
    const value = entry[name];
    if (typeof value === 'string' && value !== '' && value.length <= 4096) return value;
    return this.#refuse(entry.id ?? name, `needs ${name}, a text`, 'unnamed');
  }

  #count(entry: Entry, name: string): number {
    const value = entry[name] ?? 0;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 256) return value;
    return this.#refuse(name, 'must be a whole number up to 256', 0);
  }

  #unknown(entry: Entry, known: readonly string[]): void {
    for (const name of Object.keys(entry)) {
      if (!known.includes(name)) this.#refuse(entry.id ?? 'shape', `${name} is not known here`, null);
    }
  }

  #refuse<T>(what: unknown, why: string, instead: T): T {
    this.#mistakes.push(`${String(what)}: ${why}`);
    return instead;
  }
}

function anyValueBut(none: RegExp): TextTest {
  return { test: (text) => !none.test(text) };
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
