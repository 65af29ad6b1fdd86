/** Who may answer for a run that did not succeed (CONTRACT.md §3, endpoint 12). UNKNOWN: no rule holds. */
export const PARTIES = ['CUSTOMER', 'CLOUD', 'LLM_PROVIDER', 'PLATFORM', 'UNKNOWN'] as const;
/** How much a rule says. NONE: no rule holds. */
export const CONFIDENCES = ['HIGH', 'MEDIUM', 'LOW', 'NONE'] as const;

/** What a rule may ask of a run: of its RUN leaf, of the step where it turned, of records around it. */
export const ASKED = [
  'status',
  'termination_reason',
  'root_missing',
  'step_kind',
  'step_status',
  'error_type',
  'marks',
  'system_event',
  'platform_event',
] as const;
export type AskedFact = (typeof ASKED)[number];

/** What is known of a run, as words, by what may be asked. */
export type RunFacts = Readonly<Record<AskedFact, readonly string[]>>;

/** A rule, as its file has it. */
export interface AttributionRule {
  readonly id: string;
  readonly party: Exclude<(typeof PARTIES)[number], 'UNKNOWN'>;
  readonly confidence: Exclude<(typeof CONFIDENCES)[number], 'NONE'>;
  /** All must hold; of a list one word is enough. */
  readonly when: Readonly<Partial<Record<AskedFact, readonly string[]>>>;
}

/** `config/attribution.yaml`, compiled. */
export interface Attribution {
  readonly version: number;
  readonly rules: readonly AttributionRule[];
}

/** Something wrong with the rules, and where. */
interface AttributionMistake {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Thrown for rules that cannot be used; names every mistake. */
export class AttributionRefused extends Error {
  readonly mistakes: readonly AttributionMistake[];

  constructor(mistakes: readonly AttributionMistake[]) {
    super(`attribution:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

const MAX_RULES = 64;
const MAX_WORDS = 64;
const ID = /^[a-z][a-z0-9-]{0,63}$/;
/** One * at either end. */
const WORD = /^\*?[^*\u0000-\u001f]{1,126}\*?$/;

/**
 * Compiles rules of attribution. Strict: what is unknown, missing, twice there or of another form is a mistake.
 * @throws AttributionRefused naming every mistake.
 */
export function compileAttribution(content: unknown): Attribution {
  const mistakes: AttributionMistake[] = [];
  const refuse = (path: AttributionMistake['path'], why: string): null => (mistakes.push({ path, why }), null);
  const file = membersOf(content, ['version', 'rules'], [], refuse);
  const { version, rules } = file;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1)
    refuse(['version'], 'must be a whole number from 1');
  if (!Array.isArray(rules) || rules.length === 0 || rules.length > MAX_RULES)
    refuse(['rules'], `must be a list of 1 to ${MAX_RULES} rules`);
  const seen = new Set<unknown>();
  const compiled = (Array.isArray(rules) ? rules.slice(0, MAX_RULES) : []).map((rule, i) => {
    const path = ['rules', i];
    const { id, party, confidence, when } = membersOf(rule, ['id', 'party', 'confidence', 'when'], path, refuse);
    if (typeof id !== 'string' || !ID.test(id)) refuse([...path, 'id'], 'must be small letters, digits and -');
    else if (seen.has(id)) refuse([...path, 'id'], 'stands twice');
    seen.add(id);
    if (party === 'UNKNOWN' || !isOneOf(PARTIES, party))
      refuse([...path, 'party'], `must be one of ${PARTIES.slice(0, -1).join(', ')}`);
    if (confidence === 'NONE' || !isOneOf(CONFIDENCES, confidence))
      refuse([...path, 'confidence'], `must be one of ${CONFIDENCES.slice(0, -1).join(', ')}`);
    return { id, party, confidence, when: wordsOf(when, [...path, 'when'], refuse) } as AttributionRule;
  });
  if (mistakes.length > 0) throw new AttributionRefused(mistakes);
  return { version: version as number, rules: compiled };
}

/** The first rule that holds of these facts; null: none does. */
export function attribute({ rules }: Attribution, facts: RunFacts): AttributionRule | null {
  return rules.find(({ when }) => ASKED.every((fact) => holds(when[fact], facts[fact]))) ?? null;
}

/** Words of these that a rule asks for: what of a run it rests on. */
export function askedWords({ when }: AttributionRule, fact: AskedFact, words: readonly string[]): readonly string[] {
  const asked = when[fact] ?? [];
  return words.filter((word) => asked.some((one) => isLike(one, word)));
}

function holds(asked: readonly string[] | undefined, words: readonly string[]): boolean {
  return asked === undefined || words.some((word) => asked.some((one) => isLike(one, word)));
}

/** In any case; linear, whatever was sent. */
function isLike(asked: string, said: string): boolean {
  const word = said.toLowerCase();
  const core = asked.toLowerCase().replaceAll('*', '');
  const [before, behind] = [asked.startsWith('*'), asked.endsWith('*')];
  if (before && behind) return word.includes(core);
  if (before) return word.endsWith(core);
  return behind ? word.startsWith(core) : word === core;
}

type Refuse = (path: AttributionMistake['path'], why: string) => null;

function wordsOf(value: unknown, path: readonly (string | number)[], refuse: Refuse): AttributionRule['when'] {
  const when: Partial<Record<AskedFact, readonly string[]>> = {};
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0) {
    refuse(path, 'must ask for something');
    return when;
  }
  for (const [fact, words] of Object.entries(value)) {
    if (!isOneOf(ASKED, fact)) refuse([...path, fact], `is nothing that can be asked; there is ${ASKED.join(', ')}`);
    else if (!isWords(words))
      refuse([...path, fact], `must be a list of 1 to ${MAX_WORDS} words, with * at their ends only`);
    else when[fact] = words;
  }
  return when;
}

function isWords(words: unknown): words is readonly string[] {
  return (
    Array.isArray(words) &&
    words.length > 0 &&
    words.length <= MAX_WORDS &&
    words.every((word) => typeof word === 'string' && WORD.test(word))
  );
}

function isOneOf<T extends string>(words: readonly T[], value: unknown): value is T {
  return words.some((word) => word === value);
}

function membersOf(
  value: unknown,
  names: readonly string[],
  path: readonly (string | number)[],
  refuse: Refuse,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(path, `must have ${names.join(', ')}`);
    return {};
  }
  for (const name of Object.keys(value))
    if (!names.includes(name)) refuse([...path, name], `is no part of it; there is ${names.join(', ')}`);
  return value as Readonly<Record<string, unknown>>;
}
