import { emptyFrontier, extendFrontier, type Frontier, frontierRoot } from '@sworn/evidence';
import { stepKey } from '../otlp/map/forest.js';
import { hasFailed, type RunEnd, rollUpTokens, runEnd, type TokenTotals } from '../otlp/map/run.js';
import type { SealedStep } from './step.js';

/** Names kept of what a run used. All names of 128 characters, a RUN leaf still stays within its 16 KiB. */
const MAX_TOOLS = 48;
const MAX_FINISH_REASONS = 16;
/** Policies, and incidents, that one run names: with the other lists they fit a leaf of 16 KiB; what is left out is counted. */
const MAX_IDS = 16;
/**
 * Steps of one run that are held at once, about 1.1 KB each. Later ones are counted and hashed like all, and say nothing else: a flood under
 * one trace id seals too.
 */
const MAX_STEPS_READ = 100_000;

/** The turning point of a run (CONTRACT.md §3, endpoint 1). */
export type Inflection = {
  readonly timestamp: string;
  readonly reason: 'FAILED_STEP' | 'ABORT' | 'TIMEOUT' | 'END';
  readonly span_id: string | null;
};

/** What a RUN leaf says of its steps. */
export interface RunSummary extends TokenTotals, RunEnd {
  readonly steps: number;
  /** Steps that are counted and hashed only; 0 but for a run beyond every bound. */
  readonly stepsNotRead: number;
  readonly conflicts: number;
  readonly tree: Uint8Array;
  readonly range: Frontier;
  readonly rootMissing: boolean;
  /** Span id of the root, or of the earliest step while the root is missing. */
  readonly rootStep: string | null;
  /** Leaf hash (hex) of the RESOURCE record of the root. */
  readonly resource: string | null;
  readonly executorType: 'AGENT' | 'LLM';
  readonly startedAt: string;
  readonly completedAt: string;
  readonly durationUs: number;
  readonly inflection: Inflection;
  readonly service: string | null;
  readonly environment: string | null;
  readonly release: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly agentId: string | null;
  readonly humanActorId: string | null;
  readonly conversationId: string | null;
  readonly correlationId: string | null;
  readonly policyIds: readonly string[];
  readonly incidentIds: readonly string[];
  readonly finishReasons: readonly string[];
  readonly tools: readonly string[];
  /** Names that the bounded lists above have no room for. */
  readonly namesLeftOut: number;
  /** Of the root when it failed, else of the first failed step. */
  readonly errorType: string | null;
  readonly sdk: boolean;
}

/** Folds the steps of one run, in admission order, into its summary. Memory grows with the number of steps, up to a bound. */
export interface Fold {
  add(step: SealedStep): void;
  addConflict(): void;
  /** @throws Error when no step was added. */
  finish(): RunSummary;
}

/** A new fold. `maxStepsRead` for tests. */
export function createFold(maxStepsRead = MAX_STEPS_READ): Fold {
  const steps: SealedStep[] = [];
  let range = emptyFrontier;
  let pending: Uint8Array[] = [];
  let root: SealedStep | null = null;
  let conflicts = 0;
  const flush = () => {
    range = extendFrontier(range, pending);
    pending = [];
  };
  return {
    add(step) {
      pending.push(step.leafHash);
      if (pending.length === 1024) flush();
      if (steps.length < maxStepsRead) steps.push(step);
      // The root of a long run comes last.
      else if (root === null && step.isRoot && !step.foreign) root = step;
    },
    addConflict() {
      conflicts++;
    },
    finish() {
      flush();
      return summarise(root === null ? steps : [...steps, root], conflicts, range);
    },
  };
}

function summarise(read: readonly SealedStep[], conflicts: number, range: Frontier): RunSummary {
  // A foreign key's spans are kept and counted, and change nothing; a run of nothing else is told by them all the same.
  const own = read.filter((step) => !step.foreign);
  const steps = own.length > 0 ? own : read;
  const byStart = steps.toSorted((a, b) => compare(startOf(a), startOf(b)) || a.index - b.index);
  const [first] = byStart;
  if (first === undefined) throw new Error('a run without steps');
  const { root, top } = topOf(byStart, first);
  const started = startOf(first) ?? 0n;
  const ended = steps.reduce((latest, step) => max(latest, endOf(step)), started);
  const end = runEnd(byStart, top, root === null);
  // Without any time of the sender's, the server's own, as the leaves have it.
  const completedAt = ended === 0n ? first.occurredAt : timeOf(ended);
  const calls = callsOf(byStart);
  const failed = steps.filter(hasFailed).toSorted((a, b) => compare(endOf(a), endOf(b)) || a.index - b.index);
  const pick = <T>(read: (step: SealedStep) => T | null): T | null => read(top) ?? firstOf(byStart, read);
  const policyIds = distinct(byStart.flatMap((s) => s.policyIds));
  const incidentIds = distinct(byStart.flatMap((s) => s.incidentIds));
  const finishReasons = distinct(calls.flatMap((s) => s.finishReasons));
  const tools = distinct(byStart.flatMap((s) => (s.kind === 'TOOL' && s.tool !== null ? [s.tool] : [])));
  return {
    ...rollUpTokens(byStart),
    ...end,
    steps: range.size,
    stepsNotRead: range.size - read.length,
    conflicts,
    tree: frontierRoot(range),
    range,
    rootMissing: root === null,
    rootStep: top.spanId,
    resource: top.resource,
    executorType: steps.some((step) => step.kind === 'AGENT') ? 'AGENT' : 'LLM',
    startedAt: started === 0n ? first.occurredAt : timeOf(started),
    completedAt,
    durationUs: microseconds(ended - started),
    errorType: (hasFailed(top) ? top.errorType : null) ?? firstOf(failed, (s) => s.errorType),
    inflection: inflectionOf(failed[0], end, completedAt),
    service: pick((s) => s.service),
    environment: pick((s) => s.environment),
    release: pick((s) => s.release),
    provider: firstOf(calls, (s) => s.provider),
    model: firstOf(calls, (s) => s.model),
    agentId: pick((s) => s.agentId),
    humanActorId: pick((s) => s.humanActorId),
    conversationId: pick((s) => s.conversationId),
    correlationId: pick((s) => s.correlationId),
    policyIds: policyIds.slice(0, MAX_IDS),
    incidentIds: incidentIds.slice(0, MAX_IDS),
    finishReasons: finishReasons.slice(0, MAX_FINISH_REASONS),
    tools: tools.slice(0, MAX_TOOLS),
    namesLeftOut:
      beyond(policyIds, MAX_IDS) +
      beyond(incidentIds, MAX_IDS) +
      beyond(finishReasons, MAX_FINISH_REASONS) +
      beyond(tools, MAX_TOOLS),
    sdk: steps.some((s) => s.sdk),
  };
}

/**
 * The root: the topmost step that says nothing is above it here. A step with a remote parent is one only while that parent did not arrive too.
 * While there is none, the earliest step whose parent did not arrive stands in for it.
 */
function topOf(
  byStart: readonly SealedStep[],
  first: SealedStep,
): { readonly root: SealedStep | null; readonly top: SealedStep } {
  const arrived = new Set(byStart.map(stepKey));
  const isTopmost = (step: SealedStep) => step.parentSpanId === null || !arrived.has(step.traceId + step.parentSpanId);
  const root = byStart.find((step) => step.isRoot && isTopmost(step)) ?? byStart.find((step) => step.isRoot) ?? null;
  return { root, top: root ?? byStart.find(isTopmost) ?? first };
}

/** Model calls; embeddings count where there is nothing else. */
function callsOf(steps: readonly SealedStep[]): readonly SealedStep[] {
  const calls = steps.filter((step) => step.kind === 'LLM');
  return calls.length > 0 ? calls : steps.filter((step) => step.kind === 'EMBEDDING');
}

/** The step that failed first, that is, ended first: a failure reaches the steps around it later. Else the abort or time-out, else the end. */
function inflectionOf(failed: SealedStep | undefined, end: RunEnd, completedAt: string): Inflection {
  const at = failed === undefined ? null : endOf(failed);
  if (failed !== undefined)
    return { timestamp: at === null ? completedAt : timeOf(at), reason: 'FAILED_STEP', span_id: failed.spanId };
  const reason = end.executionStatus === 'ABORTED' ? 'ABORT' : end.executionStatus === 'TIMEOUT' ? 'TIMEOUT' : 'END';
  return { timestamp: completedAt, reason, span_id: null };
}

/** Nanoseconds; where the sender left one of the two out, the other; null where both. */
function startOf(step: SealedStep): bigint | null {
  return step.startedNs > 0n ? step.startedNs : step.endedNs > 0n ? step.endedNs : null;
}

function endOf(step: SealedStep): bigint | null {
  return step.endedNs > 0n ? step.endedNs : startOf(step);
}

/** Unknown times come last. */
function compare(a: bigint | null, b: bigint | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a < b ? -1 : a > b ? 1 : 0;
}

function max(a: bigint, b: bigint | null): bigint {
  return b !== null && b > a ? b : a;
}

/** Held at 2^53 − 1: a span may claim to have lasted since 1970. */
function microseconds(ns: bigint): number {
  return Math.min(Number(ns / 1000n), Number.MAX_SAFE_INTEGER);
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

function beyond(names: readonly string[], limit: number): number {
  return Math.max(0, names.length - limit);
}

function firstOf<T>(steps: readonly SealedStep[], read: (step: SealedStep) => T | null): T | null {
  for (const step of steps) {
    const value = read(step);
    if (value !== null) return value;
  }
  return null;
}

/** Nanoseconds since 1970 as RFC 3339 with six digits. OTLP has 64 unsigned bits, which end in the year 2554. */
function timeOf(ns: bigint): string {
  const us = ns / 1000n;
  return `${new Date(Number(us / 1000n)).toISOString().slice(0, -1)}${String(us % 1000n).padStart(3, '0')}Z`;
}
