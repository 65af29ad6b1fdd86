import type { Topic } from '@sworn/evidence';
import type { Payloads } from './rules.js';

/** Topics of the facade, as keys are bounded by them, each with the logs its records are in. */
const LOGS_OF = {
  LLM_RUNS: ['llm-runs'],
  SYSTEM_LOGS: ['system'],
  AUDIT: ['audit', 'control', 'access'],
} as const satisfies Readonly<Record<string, readonly Topic[]>>;
export type KeyTopic = keyof typeof LOGS_OF;
export const KEY_TOPICS = Object.keys(LOGS_OF) as readonly KeyTopic[];

/** What a reading key may see of what its role may see. */
export interface KeyBounds {
  /** Null: all. */
  readonly topics: readonly KeyTopic[] | null;
  /** Of what happened from this moment on, RFC 3339 with six digits; null: from the beginning. */
  readonly occurredFrom: string | null;
  /** And before this one; null: without end. */
  readonly occurredBefore: string | null;
  /** The stricter of this and the rule's holds; null: the rule's. */
  readonly payloads: Payloads | null;
}

export const UNBOUNDED: KeyBounds = { topics: null, occurredFrom: null, occurredBefore: null, payloads: null };

/** As leaves and answers say them. */
export function boundFields({ topics, occurredFrom, occurredBefore, payloads }: KeyBounds) {
  return { topics, occurred_from: occurredFrom, occurred_before: occurredBefore, payloads };
}

/** Logs whose records the key may see; null: all. */
export function logsOf({ topics }: KeyBounds): ReadonlySet<Topic> | null {
  return topics === null ? null : new Set(topics.flatMap((topic) => LOGS_OF[topic]));
}

/** Topics whose records an endpoint shows: a key that leaves one of them out is refused there. Of `tlog` the log says its own. */
export function topicsOf(endpoint: string): readonly KeyTopic[] {
  const [half = ''] = endpoint.split('.');
  return SHOWS_BOTH.has(endpoint) ? ['LLM_RUNS', 'SYSTEM_LOGS'] : (TOPICS_OF_HALF[half] ?? []);
}

/** Failed runs and what the system said of them; the two lanes of a replay. */
const SHOWS_BOTH: ReadonlySet<string> = new Set(['llm_runs.replay', 'system.audit']);
const TOPICS_OF_HALF: Readonly<Record<string, readonly KeyTopic[]>> = {
  llm_runs: ['LLM_RUNS'],
  system: ['SYSTEM_LOGS'],
  audit: ['AUDIT'],
};
