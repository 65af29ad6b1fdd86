/** What a step may be (CONTRACT.md §3, endpoint 3). */
export const STEP_KINDS = [
  'LLM',
  'TOOL',
  'AGENT',
  'HANDOFF',
  'RETRIEVAL',
  'EMBEDDING',
  'GUARDRAIL',
  'EVALUATION',
  'CHAIN',
  'INFRA',
  'OTHER',
] as const;

/** One of them. */
export type StepKind = (typeof STEP_KINDS)[number];
