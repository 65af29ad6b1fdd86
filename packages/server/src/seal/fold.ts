import {
  emptyFrontier,
  extendFrontier,
  type Frontier,
  frontierRoot,
  hasFailed,
  haveBearingDescendant,
  parentsOf,
  stepKey,
} from '@sworn/evidence';
import { rollUpTokens, runEnd, type TokenTotals } from '../otlp/map/run.js';
import type { SealedEvent } from './event.js';
import { createEventFold, type FoldedEvents } from './eventFold.js';
import { hintedRun } from './membership.js';
import { type Inflection, inflectionOf, type RunStanding, standingOf } from './standing.js';
import { createHolder, type HeldStep, type SealedStep } from './step.js';
import { byEnd, compare, endOf, isSkewed, max, microseconds, startOf, timeOf } from './stepTimes.js';
import { DECISIONS, type Resumption } from './waiting.js';

/** Names kept of what a run used. All names of 128 characters, a RUN leaf still stays within its 16 KiB. */
const MAX_TOOLS = 32;
const MAX_FINISH_REASONS = 16;
/** Policies, and incidents, that one run names: with the other lists they fit a leaf of 16 KiB; what is left out is counted. */
const MAX_IDS = 16;
/**
 * Steps of one run that are held at once, about 0.7 KB each. Later ones are counted and hashed like all, and say nothing else: a flood under
 * one trace id seals too.
 */
const MAX_STEPS_READ = 100_000;

/** What a RUN leaf says of its steps, and of what `audit` says of it. */
export interface RunSummary extends TokenTotals, RunStanding {
  readonly hadErrors: boolean;
  readonly steps: number;
  /** Steps that are counted and hashed only; 0 but for a run beyond every bound. */
  readonly stepsNotRead: number;
  readonly traces: number;
  readonly conflicts: number;
  readonly foreignSteps: number;
  /** Steps that end before they start, or start more than a minute after they were received. */
  readonly skewedSteps: number;
  /** Parent links that were cut because they closed a circle. */
  readonly cutLinks: number;
  /** Runs that steps of this one name, and that have no part of its traces: there were too many. */
  readonly hintsLeftOut: number;
  /** How people decided, in its steps, on what an earlier run of the conversation asked. */
  readonly decisions: readonly string[];
  readonly tree: Uint8Array;
  readonly range: Frontier;
  /** Leaves of `audit` that were heeded, and their tree. */
  readonly events: number;
  readonly eventsTree: Uint8Array;
  readonly rootMissing: boolean;
  /** Span id of the root, or of the earliest step while the root is missing. */
  readonly rootStep: string | null;
  /** Leaf hash (hex) of the RESOURCE record of the root. */
  readonly resource: string | null;
  readonly executorType: 'AGENT' | 'LLM' | 'HUMAN';
  readonly startedAt: string;
  readonly completedAt: string;
  readonly durationUs: number;
  readonly inflection: Inflection;
  readonly service: string | null;
  readonly instance: string | null;
  readonly origin: string | null;
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
  /** Oldest version of the mapping that its steps were read with: what `remap` brings up to the newest. */
  readonly map: number | null;
  readonly sdk: boolean;
  readonly worker: boolean;
}

/** What is given steps, and copies that contradict some. */
export interface StepFold {
  add(step: SealedStep): void;
  addConflict(): void;
}

/** Folds the steps of one run, in admission order, and its events, in that of their logs, into its summary. Memory grows with the number of steps, up to a bound. */
export interface Fold extends StepFold {
  addEvent(event: SealedEvent): void;
  /** No step was added. */
  isEmpty(): boolean;
  /** @throws Error when no step was added. */
  finish(of: FoldedRun): RunSummary;
}

/** What a run is beside its steps. */
export interface FoldedRun {
  readonly runId: string;
  /** Steps, by `stepKey`, that were carved out of another run's trace: nothing above them will come into this one. */
  readonly roots: ReadonlySet<string>;
  /** Looked up only if it waits. */
  readonly resumption: Resumption | null;
}

/** Steps of foreign keys that are held: they tell a run of nothing else, and take no place of an own one. */
const MAX_FOREIGN_READ = 1_000;

/** A new fold. `maxStepsRead` for tests. */
export function createFold(maxStepsRead = MAX_STEPS_READ): Fold {
  const hold = createHolder();
  const own: HeldStep[] = [];
  const foreign: HeldStep[] = [];
  let range = emptyFrontier;
  let pending: Uint8Array[] = [];
  let root: HeldStep | null = null;
  let conflicts = 0;
  let foreignSteps = 0;
  const events = createEventFold();
  const traces = new Set<string>();
  const flush = () => {
    range = extendFrontier(range, pending);
    pending = [];
  };
  return {
    add(step) {
      pending.push(step.leafHash);
      traces.add(step.traceId);
      if (pending.length === 1024) flush();
      if (step.foreign) {
        if (foreignSteps++ < MAX_FOREIGN_READ) foreign.push(hold(step));
      } else if (own.length < maxStepsRead) own.push(hold(step));
      // The root of a long run comes last.
      else if (root === null && step.isRoot) root = hold(step);
    },
    addConflict() {
      conflicts++;
    },
    addEvent: (event) => events.add(event),
    isEmpty: () => range.size === 0 && pending.length === 0,
    finish(of) {
      flush();
      const read = root === null ? own : [...own, root];
      return summarise(
        { own: read, foreign },
        {
          ...of,
          conflicts,
          foreignSteps,
          traces: traces.size,
          range,
          events: events.finish(),
        },
      );
    },
  };
}

interface Folded extends FoldedRun {
  readonly events: FoldedEvents;
  readonly conflicts: number;
  readonly foreignSteps: number;
  readonly traces: number;
  readonly range: Frontier;
}

/** What is held of a run's steps, each in leaf order. */
interface Held {
  readonly own: readonly HeldStep[];
  readonly foreign: readonly HeldStep[];
}

function summarise({ own, foreign }: Held, { range, ...of }: Folded): RunSummary {
  // A foreign key's spans are kept and counted, and change nothing; a run of nothing else is told by them all the same.
  const steps = own.length > 0 ? own : foreign;
  const read = foreign.length === 0 ? own : [...own, ...foreign].sort((a, b) => a.index - b.index);
  const byStart = steps.toSorted((a, b) => compare(startOf(a), startOf(b)) || a.index - b.index);
  const [first] = byStart;
  if (first === undefined) throw new Error('a run without steps');
  const { root, top } = topOf(byStart, first, of.roots);
  const started = startOf(first) ?? 0n;
  const ended = steps.reduce((latest, step) => max(latest, endOf(step)), started);
  const { hadErrors, ...end } = runEnd(byStart, top, root === null);
  // Without any time of the sender's, the server's own, as the leaves have it.
  const completedAt = ended === 0n ? first.occurredAt : timeOf(ended);
  const calls = callsOf(byStart);
  const startedAt = started === 0n ? first.occurredAt : timeOf(started);
  const standing = standingOf(end, { steps: byStart, root, calls, resumption: of.resumption });
  const failed = firstFailures(byStart);
  const pick = <T>(read: (step: HeldStep) => T | null): T | null => read(top) ?? firstOf(byStart, read);
  const policyIds = distinct([...byStart.flatMap((s) => s.policyIds), ...of.events.policyIds]);
  const incidentIds = distinct([...byStart.flatMap((s) => s.incidentIds), ...of.events.incidentIds]);
  const finishReasons = distinct(calls.flatMap((s) => s.finishReasons));
  const tools = distinct(byStart.flatMap((s) => (s.kind === 'TOOL' && s.tool !== null ? [s.tool] : [])));
  return {
    ...rollUpTokens(byStart),
    ...standing,
    hadErrors,
    steps: range.size,
    stepsNotRead: range.size - read.length,
    traces: of.traces,
    conflicts: of.conflicts,
    foreignSteps: of.foreignSteps,
    skewedSteps: read.filter(isSkewed).length,
    cutLinks: cutLinks(steps),
    hintsLeftOut: new Set(steps.map(hintedRun).filter((run) => run !== null && run !== of.runId)).size,
    decisions: DECISIONS.filter((decision) => steps.some(({ marks }) => marks.includes(decision))),
    tree: frontierRoot(range),
    range,
    events: of.events.range.size,
    eventsTree: frontierRoot(of.events.range),
    rootMissing: root === null,
    rootStep: top.spanId,
    resource: top.resource,
    executorType: executorOf(steps),
    startedAt,
    completedAt,
    durationUs: microseconds(ended - started),
    errorType: (hasFailed(top) ? top.errorType : null) ?? firstOf(failed, (s) => s.errorType),
    inflection: inflectionOf({
      failed: failed[0],
      standing,
      startedAt,
      completedAt,
      read,
      isWhole: read.length === range.size,
      denials: of.events.denials,
    }),
    service: pick((s) => s.service),
    instance: pick((s) => s.instance),
    origin: pick((s) => s.origin),
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
    map: steps.reduce<number | null>((oldest, s) => (s.map === null ? oldest : Math.min(oldest ?? s.map, s.map)), null),
    sdk: steps.some((s) => s.sdk),
    worker: top.worker,
  };
}

/**
 * The root: the topmost step that says nothing is above it here, or that was carved out. A step with a remote parent is one only while that parent
 * did not arrive too. Where a parent did not arrive of which nobody said that it is in this process, the step below it is the root when all
 * others hang below that (docs/decisions/0011). While there is none, the earliest step whose parent did not arrive stands in for it.
 */
function topOf(
  byStart: readonly HeldStep[],
  first: HeldStep,
  roots: ReadonlySet<string>,
): { readonly root: HeldStep | null; readonly top: HeldStep } {
  const arrived = new Set(byStart.map(stepKey));
  const isTopmost = (step: HeldStep) => step.parentSpanId === null || !arrived.has(step.traceId + step.parentSpanId);
  const isRoot = (step: HeldStep) => step.isRoot || roots.has(stepKey(step));
  const topmost = byStart.filter(isTopmost);
  const [only] = topmost;
  const lone = topmost.length === 1 && only !== undefined && !only.hasLocalParent ? only : null;
  const root = topmost.find(isRoot) ?? byStart.find((step) => step.isRoot) ?? lone;
  return { root, top: root ?? only ?? first };
}

/**
 * Failed steps, first the one where it began: none below it failed, and of those it ended first. A call over the network is told by the step
 * that made it, which knows what it was for.
 */
function firstFailures(steps: readonly HeldStep[]): readonly HeldStep[] {
  const all = steps.map(hasFailed);
  const some = steps.map((step, at) => all[at] === true && step.kind !== 'INFRA');
  const failed = some.includes(true) ? some : all;
  const isReached = haveBearingDescendant(parentsOf(steps), failed);
  return steps
    .flatMap((step, at) => (failed[at] === true ? [{ step, isReached: Number(isReached[at]) }] : []))
    .sort((a, b) => a.isReached - b.isReached || byEnd(a.step, b.step))
    .map(({ step }) => step);
}

function executorOf(steps: readonly HeldStep[]): 'AGENT' | 'LLM' | 'HUMAN' {
  const kinds = new Set(steps.map((step) => step.kind));
  if (kinds.has('AGENT')) return 'AGENT';
  if (kinds.has('LLM') || kinds.has('HANDOFF')) return 'LLM';
  return steps.some(({ marks }) => DECISIONS.some((decision) => marks.includes(decision))) ? 'HUMAN' : 'LLM';
}

function cutLinks(steps: readonly HeldStep[]): number {
  const arrived = new Set(steps.map(stepKey));
  const parents = parentsOf(steps);
  return steps.filter(
    ({ traceId, parentSpanId }, at) =>
      parentSpanId !== null && parents[at] === -1 && arrived.has(traceId + parentSpanId),
  ).length;
}

/** Model calls; embeddings count where there is nothing else. */
function callsOf(steps: readonly HeldStep[]): readonly HeldStep[] {
  const calls = steps.filter((step) => step.kind === 'LLM');
  return calls.length > 0 ? calls : steps.filter((step) => step.kind === 'EMBEDDING');
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

function beyond(names: readonly string[], limit: number): number {
  return Math.max(0, names.length - limit);
}

function firstOf<T>(steps: readonly HeldStep[], read: (step: HeldStep) => T | null): T | null {
  for (const step of steps) {
    const value = read(step);
    if (value !== null) return value;
  }
  return null;
}
