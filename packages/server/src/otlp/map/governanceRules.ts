import { nameShaped } from './name.js';
import type { Source } from './source.js';
import { type Mistake, StrictReading } from './strictReading.js';
import { CATEGORIES, type Category, type Decision, DECISIONS } from './vocabulary.js';

/** Where a value stands: an attribute or a member of one, or what is no attribute (`@kind`). */
export type FactSource =
  | { readonly kind: 'attribute'; readonly source: Source }
  | { readonly kind: 'fact'; readonly name: string };

/** That a value is there, is not, or is one of these words (lower case), or begins or ends so. */
export interface Condition {
  readonly from: FactSource;
  readonly is: 'there' | 'absent' | 'said';
  readonly words: ReadonlySet<string>;
  readonly begins: readonly string[];
  readonly ends: readonly string[];
}

/** Where a verdict stands, and what it means; `said`: what being told of the event means. */
export interface Verdict {
  readonly from: readonly FactSource[];
  /** Null: the words of the vocabulary. */
  readonly words: ReadonlyMap<string, Decision> | null;
  readonly said: Decision | null;
}

/** Who decides: a person, or settings and code. */
const DECIDERS = ['HUMAN', 'SYSTEM'] as const;
type Decider = (typeof DECIDERS)[number];

/** What an event is read from besides its verdict. */
export const GOVERNED_TEXTS = [
  'policy_id',
  'policy_version',
  'rule_id',
  'enforced_by',
  'observed',
  'threshold',
  'tool',
  'call_id',
  'reason',
] as const;
export type GovernedText = (typeof GOVERNED_TEXTS)[number];

/** A rule of `config/governance.yaml`, compiled. */
export interface GovernanceRule {
  readonly rule: string;
  readonly on: 'span' | 'event' | 'log';
  readonly when: readonly Condition[];
  readonly eventType: string;
  readonly category: Category;
  /** The first that fits comes before `category`. */
  readonly categoryWhen: readonly (readonly [Category, Condition])[];
  readonly decision: Verdict | null;
  /** Where no verdict stands anywhere: the fields that speak, the first that is there. */
  readonly native: readonly FactSource[];
  readonly enforced: Verdict | null;
  readonly decidedBy: Decider | null;
  readonly decidedByWhen: readonly (readonly [Decider, Condition])[];
  readonly unit: string | null;
  readonly texts: Readonly<Record<GovernedText, readonly FactSource[]>>;
}

/** All rules, by what they are asked of. */
export interface GovernanceRules {
  readonly byName: ReadonlyMap<string, GovernanceRule>;
  readonly spans: readonly GovernanceRule[];
  /** By the name of a log record or of an event on a span. */
  readonly events: ReadonlyMap<string, GovernanceRule>;
  /** Of log records without a name. */
  readonly logs: readonly GovernanceRule[];
}

/** Thrown for rules that cannot be used; names every mistake. */
export class GovernanceRefused extends Error {
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    super(`governance:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** What is no attribute, by what it may be asked of. */
const FACTS: Readonly<Record<GovernanceRule['on'], ReadonlySet<string>>> = {
  span: new Set([
    '@kind',
    '@status',
    '@mark',
    '@resume',
    '@finish_reason',
    '@error_type',
    '@message',
    '@root',
    '@tool',
    '@output_tokens',
    '@parent_message',
  ]),
  event: new Set(['@body']),
  log: new Set(['@body']),
};

const NEEDED = ['rule', 'on', 'event_type', 'category'] as const;
const OPTIONAL = [
  'events',
  'when',
  'category_when',
  'decision',
  'native',
  'enforced',
  'decided_by',
  'decided_by_when',
  'unit',
  ...GOVERNED_TEXTS,
] as const;
const EVENT_TYPE = /^[A-Z][A-Z0-9_]{0,63}$/;

/**
 * Compiles the rules of governance. Strict: what is unknown, missing, twice there or of another form is a mistake.
 * @throws GovernanceRefused naming every mistake.
 */
export function compileGovernance(content: unknown): GovernanceRules {
  const reading = new StrictReading();
  const file = reading.object(content, [], ['version', 'rules']);
  if (file['version'] !== 1) reading.refuse(['version'], 'must be 1');
  const byName = new Map<string, GovernanceRule>();
  const events = new Map<string, GovernanceRule>();
  const names = new Map<string, string>();
  for (const { entry, path } of reading.entries(file['rules'], ['rules'], NEEDED, OPTIONAL)) {
    const rule = ruleOf(new RuleReading(reading, path, entry), entry);
    if (byName.has(rule.rule)) reading.refuse([...path, 'rule'], `${rule.rule} stands there twice`);
    byName.set(rule.rule, rule);
    if (rule.on !== 'event') continue;
    for (const name of reading.texts(entry['events'] ?? [], [...path, 'events'])) {
      reading.eventName(name, path, names);
      events.set(name, rule);
    }
  }
  if (reading.mistakes.length > 0) throw new GovernanceRefused(reading.mistakes);
  const all = [...byName.values()];
  const on = (what: GovernanceRule['on']) => all.filter((rule) => rule.on === what);
  return { byName, spans: on('span'), events, logs: on('log') };
}

type Path = readonly (string | number)[];
type Entry = Readonly<Record<string, unknown>>;

function ruleOf(of: RuleReading, entry: Entry): GovernanceRule {
  const texts = {} as Record<GovernedText, readonly FactSource[]>;
  for (const text of GOVERNED_TEXTS) texts[text] = of.sources(entry[text] ?? [], [text]);
  return {
    rule: of.name('rule'),
    on: of.on,
    when: Object.entries(of.mapping(entry['when'] ?? {}, ['when'])).map(([name, said]) =>
      of.condition(name, said, ['when', name]),
    ),
    eventType: of.eventType(),
    category: of.oneOf(CATEGORIES, entry['category'], ['category']),
    categoryWhen: of.choices(CATEGORIES, 'category_when'),
    decision: entry['decision'] === undefined ? null : of.verdict('decision'),
    native: of.sources(entry['native'] ?? [], ['native']),
    enforced: entry['enforced'] === undefined ? null : of.verdict('enforced'),
    decidedBy: entry['decided_by'] === undefined ? null : of.oneOf(DECIDERS, entry['decided_by'], ['decided_by']),
    decidedByWhen: of.choices(DECIDERS, 'decided_by_when'),
    unit: entry['unit'] === undefined ? null : of.name('unit'),
    texts,
  };
}

/** Reads one rule; what is wrong is noted and stood in for. */
class RuleReading {
  readonly on: GovernanceRule['on'];
  readonly #reading: StrictReading;
  readonly #path: Path;
  readonly #entry: Entry;

  constructor(reading: StrictReading, path: Path, entry: Entry) {
    this.#reading = reading;
    this.#path = path;
    this.#entry = entry;
    this.on = this.oneOf(['span', 'event', 'log'] as const, entry['on'], ['on']);
  }

  refuse(where: Path, why: string): void {
    this.#reading.refuse([...this.#path, ...where], why);
  }

  name(member: string): string {
    const value = this.#entry[member];
    if (typeof value === 'string' && nameShaped(value)) return value;
    this.refuse([member], 'must be a name of at most 128 characters');
    return 'nothing';
  }

  eventType(): string {
    const value = this.#entry['event_type'];
    if (typeof value === 'string' && EVENT_TYPE.test(value)) return value;
    this.refuse(['event_type'], 'must be capitals, digits and _');
    return 'NOTHING';
  }

  oneOf<T extends string>(known: readonly [T, ...T[]], value: unknown, where: Path): T {
    return this.#reading.oneOf(known, value, [...this.#path, ...where]) ?? known[0];
  }

  mapping(value: unknown, where: Path): Entry {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Entry;
    this.refuse(where, 'must have members');
    return {};
  }

  source(value: unknown, where: Path): FactSource {
    const text = typeof value === 'string' ? value : '';
    if (text.startsWith('@')) {
      if (!FACTS[this.on].has(text)) this.refuse(where, `${text} is nothing that a ${this.on} has`);
      return { kind: 'fact', name: text };
    }
    const [attribute = '', ...members] = text.split(' > ');
    if ([attribute, ...members].some((part) => !nameShaped(part) || part.includes('>')))
      this.refuse(where, 'must be an attribute, or attribute > member');
    return { kind: 'attribute', source: members.length === 0 ? attribute : [attribute, ...members] };
  }

  sources(value: unknown, where: Path): readonly FactSource[] {
    return this.#reading
      .list(value, [...this.#path, ...where])
      .map((source, at) => this.source(source, [...where, at]));
  }

  words(value: unknown, where: Path): readonly string[] {
    return this.#reading.list(value, [...this.#path, ...where]).map((word, at) => {
      if (typeof word === 'string' && word !== '' && word.length <= 128 && word === word.toLowerCase()) return word;
      this.refuse(
        [...where, at],
        'must be a word in lower case, of at most 128 characters; put quotes around numbers, true and false',
      );
      return '';
    });
  }

  condition(name: string, said: unknown, where: Path): Condition {
    const from = this.source(name, where);
    if (said === 'any' || said === 'none')
      return { from, is: said === 'any' ? 'there' : 'absent', words: new Set(), begins: [], ends: [] };
    const words = this.words(said, where);
    const after = (word: string) => words.filter((w) => w.startsWith(word)).map((w) => w.slice(word.length));
    const [begins, ends] = [after('begins '), after('ends ')];
    const whole = words.filter((w) => !w.startsWith('begins ') && !w.startsWith('ends '));
    return { from, is: 'said', words: new Set(whole), begins, ends };
  }

  choices<T extends string>(known: readonly [T, ...T[]], member: string): readonly (readonly [T, Condition])[] {
    return Object.entries(this.mapping(this.#entry[member] ?? {}, [member])).flatMap(([choice, conditions]) => {
      const one = this.oneOf(known, choice, [member, choice]);
      return Object.entries(this.mapping(conditions, [member, choice])).map(
        ([name, said]) => [one, this.condition(name, said, [member, choice, name])] as const,
      );
    });
  }

  verdict(member: string): Verdict {
    const path = [...this.#path, member];
    const value = this.#reading.object(this.#entry[member], path, [], ['from', 'words', 'said']);
    const words = new Map<string, Decision>();
    for (const [decision, said] of Object.entries(this.mapping(value['words'] ?? {}, [member, 'words']))) {
      const means = this.oneOf(DECISIONS, decision, [member, 'words', decision]);
      for (const word of this.words(said, [member, 'words', decision])) words.set(word, means);
    }
    return {
      from: this.sources(value['from'] ?? [], [member, 'from']),
      words: value['words'] === undefined ? null : words,
      said: value['said'] === undefined ? null : this.oneOf(DECISIONS, value['said'], [member, 'said']),
    };
  }
}
