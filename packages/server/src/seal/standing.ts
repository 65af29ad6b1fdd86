import type { RunEnd } from '../otlp/map/run.js';
import { treeOrder } from '../otlp/map/treeOrder.js';
import type { HeldStep } from './step.js';
import { byEnd, endOf, timeOf } from './stepTimes.js';
import { type Resumption, type WaitingFor, waitingFor } from './waiting.js';

/** The turning point of a run (CONTRACT.md §3, endpoint 1). */
export type Inflection = {
  readonly timestamp: string;
  readonly reason: 'DENY' | 'FAILED_STEP' | 'ABORT' | 'TIMEOUT' | 'END';
  readonly span_id: string | null;
  /** Place of that step in the order of the run (otlp/map/treeOrder.ts); null where not all of them were read. */
  readonly step_index: number | null;
};

/** How a run stands: it ended, or it waits for somebody. */
export interface RunStanding {
  readonly executionStatus: RunEnd['executionStatus'] | 'RUNNING';
  /** Null while it waits. */
  readonly outcome: RunEnd['outcome'] | 'NEAR_THRESHOLD' | null;
  readonly terminationReason: RunEnd['terminationReason'];
  readonly waitingFor: WaitingFor | null;
  /** The run of its conversation in which what it waited for was answered. */
  readonly resumedBy: string | null;
}

/** How a run stands that would have ended so: a pause for somebody is no end, until a later run took it up. */
export function standingOf(
  { executionStatus, outcome, terminationReason }: Omit<RunEnd, 'hadErrors'>,
  of: {
    readonly steps: readonly HeldStep[];
    readonly root: HeldStep | null;
    readonly calls: readonly HeldStep[];
    readonly resumption: Resumption | null;
  },
): RunStanding {
  // A rootless run without any error may be waiting too; one that failed or was stopped is over.
  const mayWait = executionStatus === 'SUCCEEDED' || (executionStatus === 'ABORTED' && terminationReason === null);
  const waits = mayWait ? waitingFor(of.steps, of.root) : null;
  const ended = { executionStatus, outcome, terminationReason, waitingFor: null, resumedBy: null };
  if (waits !== null && of.resumption === null)
    return { executionStatus: 'RUNNING', outcome: null, terminationReason: null, waitingFor: waits, resumedBy: null };
  if (waits !== null && of.resumption !== null) {
    const resumed = { ...ended, resumedBy: of.resumption.runId };
    return of.resumption.rejected
      ? { ...resumed, executionStatus: 'ABORTED', outcome: 'TERMINATED', terminationReason: 'policy_block' }
      : { ...resumed, executionStatus: 'SUCCEEDED', outcome: 'SUCCESS', terminationReason: 'completed' };
  }
  const isCut = of.calls.some((call) => call.finishReasons.some((reason) => LIMITS.includes(reason)));
  return outcome === 'SUCCESS' && isCut ? { ...ended, outcome: 'NEAR_THRESHOLD' } : ended;
}

/** Finish reasons of a model call that came to a limit. */
const LIMITS: readonly string[] = ['length', 'max_tokens'];

/**
 * The first step that was denied; else the step where failure began (`firstFailures`); else the abort or time-out, else the end.
 */
export function inflectionOf(of: {
  readonly failed: HeldStep | undefined;
  readonly standing: RunStanding;
  readonly completedAt: string;
  readonly read: readonly HeldStep[];
  readonly isWhole: boolean;
}): Inflection {
  const denied = of.read
    .filter(({ foreign, marks }) => !foreign && marks.some((mark) => DENIALS.includes(mark)))
    .toSorted(byEnd)[0];
  const step = denied ?? of.failed;
  if (step === undefined) {
    const { executionStatus: status } = of.standing;
    const reason = status === 'ABORTED' ? 'ABORT' : status === 'TIMEOUT' ? 'TIMEOUT' : 'END';
    return { timestamp: of.completedAt, reason, span_id: null, step_index: null };
  }
  const at = endOf(step);
  return {
    timestamp: at === null ? of.completedAt : timeOf(at),
    reason: denied === undefined ? 'FAILED_STEP' : 'DENY',
    span_id: step.spanId,
    step_index: of.isWhole ? treeOrder(of.read).findIndex((placed) => placed.step === step) : null,
  };
}

/** Marks of a step that somebody, or a guardrail, said no to. */
const DENIALS: readonly string[] = ['tripwire', 'denied'];
