import { hasFailed, haveBearingDescendant, parentsOf, type Placed } from '@sworn/evidence';
import type { Mark } from './tables.js';

/** What the token roll-up asks of a step. */
export interface CountedStep extends Placed {
  readonly startedNs: bigint;
  readonly endedNs: bigint;
  /** Identity of the instrumentation scope; equal for spans of one. */
  readonly scope: string | null;
  readonly model: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
  /** As the sender reports it. */
  readonly costNanoUsd: number | null;
  /** As the price book computed it when the step came in. */
  readonly pricedNanoUsd: number | null;
  readonly priceBook: string | null;
  readonly responseId: string | null;
}

/** Totals of a run; null: no step said anything. Held at 2^53 − 1, so that what was accepted can be sealed. */
export interface TokenTotals extends CostTotals {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
  /** Steps whose usage was counted: model calls. */
  readonly calls: number;
  /** Steps left out because another instrumentation reported the same call. Shown, since the rule can be wrong. */
  readonly mergedSteps: number;
}

/** What a run cost, in billionths of a US dollar. */
export interface CostTotals {
  /** The effective cost: reported where the sender reports, else priced; null when a counted call has neither. */
  readonly costNanoUsd: number | null;
  /** REPORTED: all of it is; PRICED: some of it is computed; UNKNOWN: there is no effective cost. */
  readonly costSource: 'REPORTED' | 'PRICED' | 'UNKNOWN';
  readonly reportedNanoUsd: number | null;
  /** Of all counted calls that have a price, those with a reported cost too: the two may differ, and that is evidence. */
  readonly pricedNanoUsd: number | null;
  /** Of the newest call that has a price. */
  readonly priceBook: string | null;
  /** Counted calls with neither a reported cost nor a price. */
  readonly unpricedCalls: number;
}

/**
 * How many of the newest calls with the same model and tokens a step is compared with. Real doubles lie inside one another,
 * so their twin is near; the bound keeps a trace of 100k equal calls linear.
 */
const MAX_TWINS_COMPARED = 64;

/**
 * The totals of a run's steps (docs/mapping.md, "Sums of a run"). (a) A step that bears usage counts only if no descendant does. (b) Of two steps of
 * different scopes with the same model, the same tokens and one's time inside the other's, one counts: the one with a response id.
 */
export function rollUpTokens(steps: readonly CountedStep[]): TokenTotals {
  const parents = parentsOf(steps);
  const usage = steps.map((step) => (step.inputTokens ?? 0) + (step.outputTokens ?? 0) > 0);
  const hidden = haveBearingDescendant(parents, usage);
  const reported = steps.filter((_, index) => usage[index] && !hidden[index]);
  const twins = findTwins(reported);
  const calls = reported.filter((step) => !twins.has(step));
  const counted = calls.length > 0 ? calls : steps;
  return {
    inputTokens: total(counted, (step) => step.inputTokens),
    outputTokens: total(counted, (step) => step.outputTokens),
    cachedTokens: total(counted, (step) => step.cachedTokens),
    cacheWriteTokens: total(counted, (step) => step.cacheWriteTokens),
    reasoningTokens: total(counted, (step) => step.reasoningTokens),
    ...rollUpCosts({ steps, parents, calls, twins }),
    calls: calls.length,
    mergedSteps: twins.size,
  };
}

interface Calls {
  readonly steps: readonly CountedStep[];
  readonly parents: Int32Array;
  readonly calls: readonly CountedStep[];
  readonly twins: ReadonlyMap<CountedStep, CountedStep>;
}

/**
 * Rule (a) for reported costs, which other steps may bear than those with usage; a twin's counts only if the kept step has none. A call is
 * covered by a reported cost of its own, its twin's, or one that counts above or below it; the others are priced.
 */
function rollUpCosts({ steps, parents, calls, twins }: Calls): CostTotals {
  const bears = steps.map((step) => step.costNanoUsd !== null && !(twins.get(step)?.costNanoUsd != null));
  const hidden = haveBearingDescendant(parents, bears);
  const reporters = new Set(steps.filter((_, index) => bears[index] && !hidden[index]));
  const covered = coveredSteps(steps, parents, reporters);
  const twinsOf = new Map<CountedStep, CountedStep[]>();
  for (const [dropped, kept] of twins) {
    const others = twinsOf.get(kept);
    if (others === undefined) twinsOf.set(kept, [dropped]);
    else others.push(dropped);
  }
  const prices = new Map(
    calls.map((call) => [call, [call, ...(twinsOf.get(call) ?? [])].find((step) => step.pricedNanoUsd !== null)]),
  );
  const uncovered = calls.filter((call) => ![call, ...(twinsOf.get(call) ?? [])].some((step) => covered.has(step)));
  const unpricedCalls = uncovered.filter((call) => prices.get(call) === undefined).length;
  const priceOf = (call: CountedStep) => prices.get(call)?.pricedNanoUsd ?? null;
  const reportedNanoUsd = total([...reporters], (step) => step.costNanoUsd);
  const computed = total(uncovered, priceOf);
  const costNanoUsd = unpricedCalls > 0 ? null : sumOf(reportedNanoUsd, computed);
  return {
    costNanoUsd,
    costSource: costNanoUsd === null ? 'UNKNOWN' : uncovered.length === 0 ? 'REPORTED' : 'PRICED',
    reportedNanoUsd,
    pricedNanoUsd: total(calls, priceOf),
    priceBook: newest([...prices.values()].filter((step) => step !== undefined))?.priceBook ?? null,
    unpricedCalls,
  };
}

/** The steps that report, all below them and all above them. */
function coveredSteps(
  steps: readonly CountedStep[],
  parents: Int32Array,
  reporters: ReadonlySet<CountedStep>,
): ReadonlySet<CountedStep> {
  const above = haveBearingDescendant(
    parents,
    steps.map((step) => reporters.has(step)),
  );
  // Whether a step or one above it reports, known from the climbs before: linear.
  const below = new Array<boolean | undefined>(steps.length);
  for (let start = 0; start < steps.length; start++) {
    const climbed: number[] = [];
    let at = start;
    while (at !== -1 && below[at] === undefined && !reporters.has(steps[at] as CountedStep)) {
      climbed.push(at);
      at = parents[at] as number;
    }
    const reports = at !== -1 && (below[at] ?? true);
    if (at !== -1) below[at] = reports;
    for (const index of climbed) below[index] = reports;
  }
  return new Set(steps.filter((_, index) => above[index] || below[index]));
}

function newest(steps: readonly CountedStep[]): CountedStep | undefined {
  return steps.reduce<CountedStep | undefined>(
    (latest, step) => (latest === undefined || step.startedNs > latest.startedNs ? step : latest),
    undefined,
  );
}

function sumOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a + b, Number.MAX_SAFE_INTEGER);
}

/** Rule (b): each step that reports a call again, with the step that is kept for it. */
function findTwins(reported: readonly CountedStep[]): ReadonlyMap<CountedStep, CountedStep> {
  const alike = new Map<string, CountedStep[]>();
  for (const step of reported) {
    const key = JSON.stringify([step.model, step.inputTokens, step.outputTokens]);
    const group = alike.get(key);
    if (group === undefined) alike.set(key, [step]);
    else group.push(step);
  }
  const twins = new Map<CountedStep, CountedStep>();
  for (const group of alike.values()) {
    if (group.length > 1) pairTwins(group, twins);
  }
  return twins;
}

function pairTwins(group: readonly CountedStep[], twins: Map<CountedStep, CountedStep>): void {
  const outerFirst = group.toSorted((a, b) => compare(a.startedNs, b.startedNs) || compare(b.endedNs, a.endedNs));
  const calls: { outer: CountedStep; kept: CountedStep; scopes: Set<string | null> }[] = [];
  for (const step of outerFirst) {
    const call = calls
      .slice(-MAX_TWINS_COMPARED)
      .findLast(({ outer, scopes }) => step.endedNs <= outer.endedNs && !scopes.has(step.scope));
    if (call === undefined) {
      calls.push({ outer: step, kept: step, scopes: new Set([step.scope]) });
      continue;
    }
    call.scopes.add(step.scope);
    const [kept, dropped] =
      call.kept.responseId === null && step.responseId !== null ? [step, call.kept] : [call.kept, step];
    call.kept = kept;
    twins.set(dropped, kept);
  }
}

function total(steps: readonly CountedStep[], read: (step: CountedStep) => number | null): number | null {
  let sum: number | null = null;
  for (const step of steps) {
    const value = read(step);
    if (value !== null) sum = Math.min((sum ?? 0) + value, Number.MAX_SAFE_INTEGER);
  }
  return sum;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What the run's status asks of a step. */
export interface EndedStep {
  readonly endedNs: bigint;
  readonly status: 'UNSET' | 'OK' | 'ERROR';
  readonly marks: readonly string[];
}

/** How a run ended (CONTRACT.md §3, endpoints 1 and 2). */
export interface RunEnd {
  readonly executionStatus: 'SUCCEEDED' | 'FAILED' | 'ABORTED' | 'TIMEOUT';
  readonly outcome: 'SUCCESS' | 'FAILURE' | 'TERMINATED';
  readonly terminationReason:
    | 'completed'
    | 'policy_block'
    | 'budget_exceeded'
    | 'rate_limited'
    | 'user_abort'
    | 'system_failure'
    | 'timeout'
    | null;
  readonly hadErrors: boolean;
}

/**
 * The end of a run (docs/mapping.md, "Status"). `top` is its root, or while that is missing the topmost step.
 * A failed step under a top that did not fail leaves the run SUCCEEDED, with `hadErrors`.
 */
export function runEnd<S extends EndedStep>(steps: readonly S[], top: S | undefined, rootMissing: boolean): RunEnd {
  const failures = steps.filter(hasFailed);
  const hadErrors = failures.length > 0;
  const topFailed = top !== undefined && hasFailed(top);
  const broken = topFailed || (rootMissing && hadErrors);
  const ownMarks = new Set(top?.marks);
  const allMarks = new Set(broken ? steps.flatMap((step) => step.marks) : top?.marks);
  if (BLOCKS.some((mark) => allMarks.has(mark))) return end('ABORTED', 'policy_block', hadErrors);
  if (!broken) return rootMissing ? end('ABORTED', null, hadErrors) : end('SUCCEEDED', 'completed', hadErrors);
  const cause = topFailed && CAUSES.some((mark) => ownMarks.has(mark)) ? ownMarks : new Set(last(failures)?.marks);
  if (cause.has('cancelled')) return end('ABORTED', 'user_abort', hadErrors);
  if (cause.has('timeout')) return end('TIMEOUT', 'timeout', hadErrors);
  if (cause.has('budget')) return end('FAILED', 'budget_exceeded', hadErrors);
  if (cause.has('rate_limited')) return end('FAILED', 'rate_limited', hadErrors);
  return end('FAILED', 'system_failure', hadErrors);
}

const BLOCKS: readonly Mark[] = ['tripwire', 'denied'];
const CAUSES: readonly Mark[] = ['cancelled', 'timeout', 'budget', 'rate_limited'];

function last(failures: readonly EndedStep[]): EndedStep | undefined {
  return failures.reduce<EndedStep | undefined>(
    (latest, step) => (latest === undefined || step.endedNs > latest.endedNs ? step : latest),
    undefined,
  );
}

function end(
  executionStatus: RunEnd['executionStatus'],
  terminationReason: RunEnd['terminationReason'],
  hadErrors: boolean,
): RunEnd {
  const outcome =
    executionStatus === 'SUCCEEDED' ? 'SUCCESS' : executionStatus === 'ABORTED' ? 'TERMINATED' : 'FAILURE';
  return { executionStatus, outcome, terminationReason, hadErrors };
}
