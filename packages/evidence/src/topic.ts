/** The five logs of a tenant (INTEGRITY.md, "Logs"), in the order of their numbers in record ids. */
export const TOPICS = ['llm-runs', 'system', 'audit', 'access', 'control'] as const;

/** One of the five logs. */
export type Topic = (typeof TOPICS)[number];

const LOG_NAME = /^([a-z-]+)(?:\.([1-9][0-9]{0,9}))?$/;

/** The topic of a log's stored name: `llm-runs`, from its second generation on `llm-runs.2`; null when it is, character for character, no name of a log. */
export function topicOfLog(log: string): Topic | null {
  const [, name, number] = LOG_NAME.exec(log) ?? [];
  const generation = number === undefined ? null : Number(number);
  if (generation !== null && (generation < 2 || generation >= 2 ** 32)) return null;
  return TOPICS.find((topic) => topic === name) ?? null;
}
