import { hex, sha256, STEP_KINDS, type StepKind, utf8 } from '@sworn/evidence';
import { SHIPPED } from './shipped.js';
import type { Source, SourceIndex, SourceTable } from './source.js';
import { type KindPrefixes, type Mapping, type Mark, MARKS, type Meanings, type TableName } from './tables.js';

/** A file of a mapping, read: its name and what its YAML says. */
export interface MappingFile {
  readonly name: string;
  readonly content: unknown;
}

/** Something wrong with a mapping, and where: the keys and indexes that lead there. */
export interface MappingMistake {
  readonly file: string;
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Thrown for a mapping that cannot be used; names every mistake. */
export class MappingRefused extends Error {
  readonly mistakes: readonly MappingMistake[];

  constructor(mistakes: readonly MappingMistake[]) {
    super(`mapping:\n${mistakes.map((m) => `  - ${m.file}: ${m.path.join('.')}: ${m.why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** Entries of one list. The hot path asks for each source of a table in turn. */
const MAX_ENTRIES = 256;

/** Characters of one attribute, word or prefix. */
const MAX_TEXT = 256;

/** Members that a source goes into. */
const MAX_MEMBERS = 6;

/**
 * Compiles the files of a mapping (`config/mapping`). Strict: a table that is unknown, missing, twice there or of another form is a mistake.
 * @throws MappingRefused naming every mistake of every file.
 */
export function compileMapping(files: readonly MappingFile[]): Mapping {
  const mistakes: MappingMistake[] = [];
  const at = new Map<string, Place>();
  for (const { name, content } of files) {
    const file = new Place(content, name, [], mistakes);
    for (const [table, place] of file.entries()) {
      if (table !== 'version' && !Object.hasOwn(TABLES, table)) place.refuse('is no table of a mapping');
      else if (at.has(table)) place.refuse(`stands in ${at.get(table)?.file ?? ''} too`);
      else at.set(table, place);
    }
  }
  const missing = new Place(undefined, files.at(0)?.name ?? 'mapping', [], mistakes);
  const placeOf = (table: string): Place => {
    const place = at.get(table);
    if (place === undefined) mistakes.push({ file: missing.file, path: [table], why: 'is missing' });
    return place ?? new Place(undefined, missing.file, [table], []);
  };
  const version = placeOf('version').version();
  const tables: Partial<Record<TableName, unknown>> = {};
  for (const name of Object.keys(TABLES) as TableName[]) tables[name] = TABLES[name](placeOf(name), placeOf);
  if (mistakes.length > 0) throw new MappingRefused(mistakes);
  const hash = hashOf(at);
  const edit = SHIPPED.version === version && SHIPPED.hash === hash ? {} : { map_edit: hash };
  return {
    ...(tables as unknown as Omit<Mapping, 'version' | 'index'>),
    version: { map: version, ...edit },
    index: indexOf(Object.values(tables).filter(isSourceTable)),
  };
}

/** Of what the tables say, in the order of `TABLES`; the files they stand in and their comments do not count. */
function hashOf(at: ReadonlyMap<string, Place>): string {
  const said = Object.keys(TABLES).map((name) => [name, at.get(name)?.value]);
  return hex(sha256(utf8(JSON.stringify(said)))).slice(0, 12);
}

/** Lists of sources, told from lists of other texts. */
const SOURCE_TABLES = new WeakSet<object>();

function isSourceTable(table: unknown): table is SourceTable {
  return typeof table === 'object' && table !== null && SOURCE_TABLES.has(table);
}

function indexOf(tables: readonly SourceTable[]): SourceIndex {
  const index = new Map<string, { table: SourceTable; source: Source; rank: number }[]>();
  for (const table of tables) {
    for (const [rank, source] of table.entries()) {
      const attribute = typeof source === 'string' ? source : source[0];
      index.set(attribute, [...(index.get(attribute) ?? []), { table, source, rank }]);
    }
  }
  return index;
}

type Compile<T> = (place: Place, placeOf: (table: string) => Place) => T;

const sources: Compile<SourceTable> = (place) => {
  const table = place.list().map((entry) => entry.source());
  SOURCE_TABLES.add(table);
  return table;
};
const source: Compile<Source> = (place) => place.source();
const attributes: Compile<readonly string[]> = (place) => place.list().map((entry) => entry.text());
const words: Compile<ReadonlySet<string>> = (place) => new Set(place.list().map((entry) => entry.word()));
const values: Compile<Meanings<true>> = (place) =>
  place
    .entries()
    .map(([name, list]) => [list.sourceOf(name), new Map(list.list().map((entry) => [entry.word(), true as const]))]);
const names: Compile<ReadonlyMap<string, string>> = (place) =>
  new Map(place.entries().map(([name, entry]) => [name.toLowerCase(), entry.text()]));
const contents: Compile<readonly string[]> = attributes;

/** How each table is read. */
const TABLES: { readonly [T in TableName]: Compile<Mapping[T]> } = {
  kind_by_value: (place) =>
    place.entries().map(([name, byKind]) => {
      const meanings = new Map<string, StepKind>();
      for (const [kind, list] of byKind.entries()) {
        for (const entry of list.list()) {
          const word = entry.word();
          if (meanings.has(word)) entry.refuse(`${word} means two kinds`);
          meanings.set(word, list.kindOf(kind));
        }
      }
      return [byKind.sourceOf(name), meanings];
    }),
  kind_by_prefix: (place): KindPrefixes =>
    place.entries().map(([kind, list]) => [list.kindOf(kind), list.list().map((entry) => entry.text())]),
  vector_systems: words,
  db_system: sources,
  infra_attributes: attributes,
  handoff_tools: attributes,
  handoff_spans: attributes,
  worker_attributes: attributes,
  not_worker_values: values,

  provider: sources,
  provider_before_dot: source,
  provider_last: source,
  no_provider: (place) => {
    const names = place.list().map((entry) => escaped(entry.text()));
    return new RegExp(`^(?:${names.join('|') || '(?!)'})`, 'i');
  },
  requested_model: sources,
  used_model: sources,
  response_id: sources,
  error_type: sources,
  tool: sources,
  named_by_kind: sources,
  agent: sources,
  parent_agent: sources,
  human: sources,
  conversation: sources,
  run_hint: sources,
  retry_count: sources,
  attempt: sources,
  service: sources,
  instance: sources,
  environment: sources,
  release: sources,
  span_environment: sources,
  span_release: sources,

  input_tokens: sources,
  output_tokens: sources,
  cache_read_tokens: sources,
  cache_write_tokens: sources,
  reasoning_tokens: sources,
  disjoint_input: (place, placeOf) => place.indexesIn(placeOf('input_tokens')),
  disjoint_reasoning: (place, placeOf) => place.indexesIn(placeOf('reasoning_tokens')),
  usage_buckets: (place) => place.text(),
  reported_cost: sources,
  cost_buckets: (place) => place.text(),
  price_providers: names,
  price_provider_prefixes: names,
  unpriced_providers: words,

  finish_reasons: sources,
  finish_reason_words: (place) =>
    new Map(place.entries().flatMap(([word, list]) => list.list().map((entry) => [entry.word(), word] as const))),
  failed_values: values,
  tripwire_values: values,
  tripwire_members: sources,
  tripwire_types: attributes,
  denied_messages: attributes,
  interrupt_types: attributes,
  failure_words: (place) => place.entries().map(([mark, how]) => [how.markOf(mark), how.failurePattern()]),
  resume_inputs: attributes,
  approval_inputs: attributes,
  decision_words: (place) =>
    new Map(
      place.entries().flatMap(([mark, list]) => list.list().map((entry) => [entry.word(), list.markOf(mark)] as const)),
    ),

  step_name: contents,
  instructions: contents,
  tool_input: contents,
  tool_output: contents,
  prompt: contents,
  response: contents,
};

/** A value in a file, and where it stands. Each reader gives something of its type, and notes a mistake where there is none. */
class Place {
  readonly value: unknown;
  readonly file: string;
  readonly #path: readonly (string | number)[];
  readonly #mistakes: MappingMistake[];

  constructor(value: unknown, file: string, path: readonly (string | number)[], mistakes: MappingMistake[]) {
    this.value = value;
    this.file = file;
    this.#path = path;
    this.#mistakes = mistakes;
  }

  refuse(why: string): void {
    this.#mistakes.push({ file: this.file, path: this.#path, why });
  }

  entries(): [name: string, place: Place][] {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse('must have named entries');
      return [];
    }
    return Object.entries(value).map(([name, inner]) => [name, this.#inner(name, inner)]);
  }

  list(): Place[] {
    const { value } = this;
    if (!Array.isArray(value) || value.length > MAX_ENTRIES) {
      this.refuse(`must be a list of up to ${MAX_ENTRIES}`);
      return [];
    }
    const seen = new Set<unknown>();
    return value.map((inner, index) => {
      const place = this.#inner(index, inner);
      if (seen.has(inner)) place.refuse(`${String(inner)} stands in this list already`);
      seen.add(inner);
      return place;
    });
  }

  text(): string {
    const { value } = this;
    if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT && !HIDDEN.test(value)) return value;
    this.refuse(`must be a text of up to ${MAX_TEXT} characters; put quotes around numbers, true and false`);
    return 'nothing';
  }

  /** A text that is compared with values in lower case. */
  word(): string {
    const text = this.text();
    if (text !== text.toLowerCase()) this.refuse('must be in lower case, as it is compared');
    return text;
  }

  /** Words with one space between each two, which stands for a space, `_`, `-` or nothing: two such in a row could be matched in too many ways. */
  phrase(): string {
    const text = this.text();
    if (/[ _-] | [_-]/.test(text)) this.refuse('must have no space beside another, _ or -');
    return text;
  }

  source(): Source {
    return this.sourceOf(this.text());
  }

  sourceOf(text: string): Source {
    const [attribute = '', ...members] = text.split(' > ');
    const bad = [attribute, ...members].some((part) => part === '' || part !== part.trim() || part.includes('>'));
    if (bad || members.length > MAX_MEMBERS) this.refuse(`${text} is no source: attribute > member > …`);
    return members.length === 0 ? attribute : [attribute, ...members];
  }

  kindOf(name: string): StepKind {
    const kind = STEP_KINDS.find((known) => known === name);
    if (kind === undefined) this.refuse(`${name} is no kind of step: ${STEP_KINDS.join(' ')}`);
    return kind ?? 'OTHER';
  }

  markOf(name: string): Mark {
    const mark = MARKS.find((known) => known === name);
    if (mark === undefined) this.refuse(`${name} is no mark: ${MARKS.join(' ')}`);
    return mark ?? 'failed';
  }

  version(): number {
    const { value } = this;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
    this.refuse('must be a whole number from 1');
    return 1;
  }

  /** The entries of this list, by their places in another. */
  indexesIn(other: Place): ReadonlySet<number> {
    const all: unknown[] = Array.isArray(other.value) ? other.value : [];
    return new Set(
      this.list().map((entry) => {
        const index = all.indexOf(entry.value);
        if (index < 0) entry.refuse(`${String(entry.value)} is no source there`);
        return index;
      }),
    );
  }

  failurePattern(): RegExp {
    const alternatives: string[] = [];
    for (const [how, list] of this.entries()) {
      const [before, after] = WORD_PLACES.get(how) ?? ['', ''];
      if (!WORD_PLACES.has(how)) list.refuse(`${how} is none of ${[...WORD_PLACES.keys()].join(', ')}`);
      const phrases = list.list().map((entry) => escaped(entry.phrase()).replaceAll(' ', '[ _-]?'));
      if (phrases.length > 0) alternatives.push(`${before}(?:${phrases.join('|')})${after}`);
    }
    if (alternatives.length === 0) this.refuse('needs a word');
    return new RegExp(alternatives.join('|') || '(?!)', 'i');
  }

  #inner(name: string | number, value: unknown): Place {
    return new Place(value, this.file, [...this.#path, name], this.#mistakes);
  }
}

/** What no name, word or prefix holds. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const HIDDEN = /[\u0000-\u001f\u007f]/;

/** Where the words of `failure_words` are looked for, as what stands around them in a pattern. */
const WORD_PLACES: ReadonlyMap<string, readonly [before: string, after: string]> = new Map([
  ['contains', ['', '']],
  ['whole', ['\\b', '\\b']],
  ['begins', ['(?:^|\\n)', '\\b']],
]);

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
