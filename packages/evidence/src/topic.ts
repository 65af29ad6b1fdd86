/** The five logs of a tenant (INTEGRITY.md, "Logs"), in the order of their numbers in record ids. */
export const TOPICS = ['llm-runs', 'system', 'audit', 'access', 'control'] as const;

/** One of the five logs. */
export type Topic = (typeof TOPICS)[number];
