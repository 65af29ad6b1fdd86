import { stepKey, treeOrder } from '@sworn/evidence';
import type { RunEnd } from '../otlp/map/run.js';
import { type SealedEvent, stepOfEvent } from './event.js';
import type { HeldStep } from './step.js';
import { byEnd, endOf, timeOf } from './stepTimes.js';
import { type Resumption, type WaitingFor, waitingFor } from './waiting.js';

/** The turning point of a run (CONTRACT.md §3, endpoint 1). */
export type Inflection = {
  readonly timestamp: string;
  readonly reason: 'DENY' | 'VIOLATION' | 'FAILED_STEP' | 'ABORT' | 'TIMEOUT' | 'END';
  readonly span_id: string | null;
  /** Place of that step in the order of the run (otlp/map/treeOrder.ts); null where not all of them were read. */
  readonly step_index: number | null;
  /** Of an event: what was measured and its limit, and who decided. */
  readonly observed?: string;
  readonly threshold?: string;
  readonly actor?: string;
};

/** An event of governance that says no, or that something was violated. */
export type Denial = Pick<
  SealedEvent,
  'occurredAt' | 'traceId' | 'spanId' | 'decision' | 'observed' | 'threshold' | 'actor'
>;

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
 * What was denied or violated first, as an event or a step says it; else the step where failure began (`firstFailures`); else the abort or time-out,
 * else the end. An event that is of no step turns the run only if it happened while that lasted: what was found out later is no turning point of it.
 */
export function inflectionOf(of: {
  readonly failed: HeldStep | undefined;
  readonly standing: RunStanding;
  readonly startedAt: string;
  readonly completedAt: string;
  readonly read: readonly HeldStep[];
  readonly isWhole: boolean;
  /** In the order of time. */
  readonly denials: readonly Denial[];
}): Inflection {
  const denied = of.read
    .filter(({ foreign, marks }) => !foreign && marks.some((mark) => DENIALS.includes(mark)))
    .toSorted(byEnd)[0];
  const event = firstDenial(of);
  const deniedAt = denied === undefined ? null : endOf(denied);
  // Of a step and the event that was read from it, the event says more.
  if (event !== undefined && (deniedAt === null || event.occurredAt <= timeOf(deniedAt))) return turnOf(of, event);
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

function firstDenial({
  denials,
  read,
  startedAt,
  completedAt,
}: Parameters<typeof inflectionOf>[0]): Denial | undefined {
  if (denials.length === 0) return undefined;
  const steps = new Set(read.map(stepKey));
  return denials.find(
    (event) =>
      steps.has(stepOfEvent(event) ?? '') || (event.occurredAt >= startedAt && event.occurredAt <= completedAt),
  );
}

function turnOf({ read, isWhole }: Parameters<typeof inflectionOf>[0], event: Denial): Inflection {
  const key = stepOfEvent(event);
  const isIt = (step: HeldStep) => !step.foreign && stepKey(step) === key;
  const isStep = key !== null && read.some(isIt);
  const { observed, threshold, actor } = event;
  return {
    timestamp: event.occurredAt,
    reason: event.decision === 'DENY' ? 'DENY' : 'VIOLATION',
    span_id: isStep ? event.spanId : null,
    step_index: isStep && isWhole ? treeOrder(read).findIndex(({ step }) => isIt(step)) : null,
    ...(observed !== null && { observed }),
    ...(threshold !== null && { threshold }),
    ...(actor !== null && { actor }),
  };
}

/** Marks of a step that somebody, or a guardrail, said no to. */
const DENIALS: readonly string[] = ['tripwire', 'denied'];
