import type { Attributes } from '../attributes.js';
import type {
  Condition,
  FactSource,
  GovernanceRule,
  GovernanceRules,
  GovernedText,
  Verdict,
} from './governanceRules.js';
import { nameShaped } from './name.js';
import { Sources } from './source.js';
import type { Category, Decision } from './vocabulary.js';

/** What governance is read from: attributes, and what is no attribute (`@kind`), each a list. */
export interface Facts {
  readonly attributes: Attributes;
  readonly fact: (name: string) => readonly string[];
}

/** What a leaf says of one event of governance, named as there; every text is name-shaped, ours, or a number. */
export interface GovernedFields {
  readonly rule: string;
  readonly event_type: string;
  readonly category: Category;
  readonly reported_by: 'CLIENT';
  readonly decision: Decision | 'NONE';
  readonly native_field?: string;
  readonly native_decision?: string;
  /** What was done, where the sender tells it beside the verdict. */
  readonly enforced?: Decision | 'NONE';
  readonly native_enforced?: string;
  readonly decided_by?: 'HUMAN' | 'SYSTEM';
  readonly unit?: string;
  readonly policy_id?: string;
  readonly policy_version?: string;
  readonly rule_id?: string;
  readonly enforced_by?: string;
  readonly observed?: string;
  readonly threshold?: string;
  readonly tool?: string;
  readonly call_id?: string;
}

/** What a word means where no rule says it, by the vocabulary. */
export type Words = ReadonlyMap<string, Decision>;

/** The rules that fit a span, in their order. */
export function spanRules(rules: GovernanceRules, facts: Facts): readonly GovernanceRule[] {
  const asked = asking(facts);
  return rules.spans.filter((rule) => rule.when.every((condition) => holds(condition, asked)));
}

/** The rule for a log record or an event on a span of this name; without a name, for one whose body or attributes tell. Null: it is none of governance. */
export function eventRule(rules: GovernanceRules, name: string | null, facts: Facts): GovernanceRule | null {
  const asked = asking(facts);
  const fits = (rule: GovernanceRule) => rule.when.every((condition) => holds(condition, asked));
  const rule = name === null ? rules.logs.find(fits) : rules.events.get(name);
  return rule !== undefined && fits(rule) ? rule : null;
}

/** What the leaf of an event says that a rule read. */
export function governedFields(rule: GovernanceRule, words: Words, facts: Facts): GovernedFields {
  const asked = asking(facts);
  const verdict = verdictOf(rule.decision, words, asked);
  const native = verdict.field ?? firstThere(rule.native, asked);
  const enforced = rule.enforced === null ? null : verdictOf(rule.enforced, words, asked);
  const chosen = <T>(choices: readonly (readonly [T, Condition])[]) =>
    choices.find(([, condition]) => holds(condition, asked))?.[0];
  const decidedBy = chosen(rule.decidedByWhen) ?? rule.decidedBy;
  const observed = (text: 'observed' | 'threshold') => firstOf(rule.texts[text], asked, isMeasure);
  const named = (text: GovernedText) => firstOf(rule.texts[text], asked, nameShaped);
  return present({
    rule: rule.rule,
    event_type: rule.eventType,
    category: chosen(rule.categoryWhen) ?? rule.category,
    reported_by: 'CLIENT' as const,
    decision: verdict.decision,
    native_field: native === null ? null : fieldName(native),
    native_decision: native === null ? null : firstOf([native], asked, nameShaped),
    enforced: enforced === null || enforced.field === null ? null : enforced.decision,
    native_enforced: enforced?.field == null ? null : firstOf([enforced.field], asked, nameShaped),
    decided_by: decidedBy,
    unit: rule.unit !== null && observed('observed') !== null ? rule.unit : null,
    policy_id: named('policy_id'),
    policy_version: named('policy_version'),
    rule_id: named('rule_id'),
    enforced_by: named('enforced_by'),
    observed: observed('observed'),
    threshold: observed('threshold'),
    tool: named('tool'),
    call_id: named('call_id'),
  });
}

/** Free text of an event, from its body: the reason, and the native value whatever its shape. Null: nothing says it. */
export function governedTexts(
  rule: GovernanceRule,
  facts: Facts,
): { readonly reason: string | null; readonly native: string | null } {
  const asked = asking(facts);
  const field = verdictOf(rule.decision, NO_WORDS, asked).field ?? firstThere(rule.native, asked);
  return {
    reason: firstOf(rule.texts.reason, asked, () => true),
    native: field === null ? null : firstOf([field], asked, () => true),
  };
}

/** A number, or a name of a size: what may stand in a leaf as observed, or as the threshold. */
export const isMeasure = (said: string): boolean => NUMBER.test(said) || nameShaped(said);
const NO_WORDS: Words = new Map();
/** A number as it stands in a leaf: never a JSON number, which would lose its digits. */
const NUMBER = /^-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?$/;

/** All values of a source, in the order of the sender. */
type Asked = (from: FactSource) => readonly string[];

function asking({ attributes, fact }: Facts): Asked {
  let sources: Sources | null = null;
  return (from) => {
    if (from.kind === 'fact') return fact(from.name);
    const attribute = typeof from.source === 'string' ? from.source : from.source[0];
    if (!attributes.has(attribute)) return NONE;
    sources ??= new Sources(attributes, NO_INDEX);
    const value = sources.value(from.source);
    if (value === undefined || value === null || value === '') return NONE;
    return typeof value === 'object' ? sources.texts(from.source) : [String(value)];
  };
}

const NONE: readonly string[] = [];
const NO_INDEX = new Map<string, never>();

function holds({ from, is, words, begins, ends }: Condition, asked: Asked): boolean {
  const said = asked(from);
  if (is !== 'said') return said.length > 0 === (is === 'there');
  return said.some((text) => {
    if (text.length <= MAX_WORD && words.has(text.toLowerCase())) return true;
    const [head, tail] = [text.slice(0, MAX_WORD).toLowerCase(), text.slice(-MAX_WORD).toLowerCase()];
    return begins.some((word) => head.startsWith(word)) || ends.some((word) => tail.endsWith(word));
  });
}

/** Longest word that is compared. */
const MAX_WORD = 128;

function verdictOf(
  verdict: Verdict | null,
  words: Words,
  asked: Asked,
): { readonly decision: Decision | 'NONE'; readonly field: FactSource | null } {
  if (verdict === null) return { decision: 'NONE', field: null };
  const field = firstThere(verdict.from, asked);
  const word = field === null ? null : (asked(field)[0] ?? '');
  const means = word === null || word.length > MAX_WORD ? undefined : (verdict.words ?? words).get(word.toLowerCase());
  return { decision: means ?? verdict.said ?? 'NONE', field };
}

function firstThere(from: readonly FactSource[], asked: Asked): FactSource | null {
  return from.find((source) => asked(source).length > 0) ?? null;
}

function firstOf(from: readonly FactSource[], asked: Asked, accept: (text: string) => boolean): string | null {
  for (const source of from) {
    const text = asked(source).find((said) => said !== '' && accept(said));
    if (text !== undefined) return text;
  }
  return null;
}

/** What answers call the field of a native value. */
function fieldName(from: FactSource): string {
  if (from.kind === 'attribute') return typeof from.source === 'string' ? from.source : from.source.join('.');
  return FIELDS.get(from.name) ?? from.name.slice(1);
}

const FIELDS: ReadonlyMap<string, string> = new Map([
  ['@message', 'status.message'],
  ['@status', 'status.code'],
  ['@error_type', 'error.type'],
]);

function present<T extends object>(members: T): { [K in keyof T as T[K] extends null ? never : K]: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null && value !== undefined),
  ) as never;
}
