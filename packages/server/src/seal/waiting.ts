import { stepKey } from '@sworn/evidence';
import type { HeldStep } from './step.js';

/** What a run that is quiet, and not over, waits for (CONTRACT.md §7). */
export type WaitingFor = 'approval' | 'tool_call';

/** How people decide on what a run asked them: the marks of the steps that carry their decision. */
export const DECISIONS = ['approved', 'edited', 'rejected'] as const;

/** The run of the conversation that took up a waiting one, and whether what was asked was rejected there. */
export interface Resumption {
  readonly runId: string;
  readonly rejected: boolean;
}

/** JavaScript's exporters start a span on the millisecond and end it on the microsecond: a tool may seem to begin before the call that asked for it ended. */
const CLOCK_NS = 1_000_000n;

/** What a model can have asked for: a tool, or another agent. */
const BEGUN: readonly string[] = ['TOOL', 'HANDOFF', 'AGENT'];

/**
 * What a run of these steps waits for; null: for nothing. An interrupt is answered by a decision that begins when it has ended. A call of a tool
 * is waited for when the run itself ended by asking for one, and after the last model call nothing began that could be it.
 */
export function waitingFor(steps: readonly HeldStep[], root: HeldStep | null): WaitingFor | null {
  const asked = latest(steps.filter(({ marks }) => marks.includes('interrupt')));
  const isAnswered = (at: bigint) =>
    steps.some(({ marks, startedNs }) => startedNs >= at && DECISIONS.some((decision) => marks.includes(decision)));
  if (asked !== null && !isAnswered(asked)) return 'approval';
  if (root === null || root.kind === 'LLM' || !root.finishReasons.includes('tool_calls')) return null;
  const called = latest(steps.filter((step) => step.kind === 'LLM' && stepKey(step) !== stepKey(root)));
  if (called === null) return null;
  const began = steps.some(({ kind, startedNs }) => BEGUN.includes(kind) && startedNs + CLOCK_NS >= called);
  return began ? null : 'tool_call';
}

/** When the last of them ended, in nanoseconds; null of none. */
function latest(steps: readonly HeldStep[]): bigint | null {
  return steps.reduce<bigint | null>((end, { endedNs }) => (end === null || endedNs > end ? endedNs : end), null);
}
