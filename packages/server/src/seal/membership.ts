import { hex, parentsOf, type Placed, sha256, stepKey, utf8 } from '@sworn/evidence';

/** Runs, its own not counted, that may have a part of one trace. A sender that names more is counted, and not followed. */
export const MAX_RUNS_OF_TRACE = 64;

/** Steps of one trace whose place among several runs is looked up, about 200 bytes each; later ones belong to the owner. */
export const MAX_STEPS_PLACED = 100_000;

/** What a MEMBER leaf says: a trace, or subtrees of one, belong to a run. */
export interface Member {
  /** Of the leaf: among contradicting ones the lowest counts. */
  readonly index: number;
  readonly runId: string;
  /** Lower-case hex. */
  readonly traceId: string;
  /** All steps of the trace that no other run carved out. */
  readonly whole: boolean;
  /** Span ids (hex) of the subtrees' roots; empty when `whole`. */
  readonly roots: readonly string[];
}

/** What membership asks of a step. */
export interface MemberStep extends Placed {
  /** Sent with a key that is not bound to its service: it changes nothing, so no own step hangs below it. */
  readonly foreign: boolean;
}

/** What a step says of the run it is part of. */
export interface Hint {
  /** The vendor's run or turn id, or `sworn.run.id`. */
  readonly runHint: string | null;
  /** It is `sworn.run.id`, of a key that may assert it. */
  readonly runAsserted: boolean;
  readonly service: string | null;
  readonly foreign: boolean;
}

/**
 * Id of the run that a step names, null where it names none: an asserted id as it is, a vendor's qualified by its service, either derived
 * where it cannot stand in a path (CONTRACT.md §1). A foreign step names none.
 */
export function hintedRun({ runHint, runAsserted, service, foreign }: Hint): string | null {
  if (runHint === null || foreign) return null;
  if (runAsserted && PATH_ID.test(runHint)) return runHint;
  const qualified = `${service ?? ''}:${runHint}`;
  if (!runAsserted && QUALIFIED.test(qualified) && qualified.length <= 256) return qualified;
  return `run_${hex(sha256(utf8(`${service ?? ''}\0${runHint}`))).slice(0, 32)}`;
}

const PATH_ID = /^[A-Za-z0-9._:@-]{1,256}$/;
const QUALIFIED = /^[A-Za-z0-9._@-]+:[A-Za-z0-9._@-]+$/;

/** The run of all steps of a trace that no other carved out: that of its first whole MEMBER but its own, else the trace's own run. */
export function ownerOf(traceId: string, members: readonly Member[]): string {
  let owner: Member | null = null;
  for (const member of members) {
    const claims = member.whole && member.traceId === traceId && member.runId !== traceId;
    if (claims && (owner === null || member.index < owner.index)) owner = member;
  }
  return owner?.runId ?? traceId;
}

/** Which of its runs a trace's MEMBER leaves admit, besides its own: the first so many in leaf order. */
export function admittedRuns(traceId: string, members: readonly Member[]): ReadonlySet<string> {
  const admitted = new Set<string>();
  for (const { runId } of inOrder(traceId, members)) {
    if (admitted.size < MAX_RUNS_OF_TRACE && runId !== traceId) admitted.add(runId);
  }
  return admitted.add(traceId);
}

/**
 * The run of each of a trace's steps, which come in leaf order: that of the nearest carved root at or above it, else the owner. Parent links
 * are claims: cycles are cut as in `parentsOf`, own steps do not hang below foreign ones. O(n).
 */
export function runsOf(traceId: string, members: readonly Member[], steps: readonly MemberStep[]): readonly string[] {
  const owner = ownerOf(traceId, members);
  const carved = carvedRoots(traceId, members);
  const runs = new Array<string>(steps.length).fill(owner);
  if (carved.size === 0) return runs;
  const placed = steps.length > MAX_STEPS_PLACED ? steps.slice(0, MAX_STEPS_PLACED) : steps;
  const runOfRoot = placed.map(({ spanId }) => carved.get(spanId) ?? null);
  for (const [at, run] of inherit(ownParents(placed), runOfRoot).entries()) runs[at] = run ?? owner;
  return runs;
}

/** The steps of a run, over all its traces, in the order they come in. */
export function stepsOf<S extends MemberStep>(runId: string, members: readonly Member[], steps: readonly S[]): S[] {
  const byTrace = new Map<string, S[]>();
  for (const step of steps) {
    const same = byTrace.get(step.traceId);
    if (same === undefined) byTrace.set(step.traceId, [step]);
    else same.push(step);
  }
  const mine = new Set<S>();
  for (const [traceId, ofTrace] of byTrace) {
    const runs = runsOf(traceId, members, ofTrace);
    for (const [at, step] of ofTrace.entries()) if (runs[at] === runId) mine.add(step);
  }
  return steps.filter((step) => mine.has(step));
}

/**
 * The steps that must become carved roots, so that every step which names an admitted run belongs to it: of those that name one, the topmost
 * whose run is not the one they would have from above. By run, span ids in the order of `steps`.
 */
export function missingRoots(
  traceId: string,
  members: readonly Member[],
  steps: readonly (MemberStep & Hint)[],
): ReadonlyMap<string, readonly string[]> {
  const placed = steps.length > MAX_STEPS_PLACED ? steps.slice(0, MAX_STEPS_PLACED) : steps;
  const admitted = admittedRuns(traceId, members);
  const owner = ownerOf(traceId, members);
  const carved = carvedRoots(traceId, members);
  const named = placed.map((step) => {
    const run = hintedRun(step);
    return run !== null && admitted.has(run) ? run : null;
  });
  const parents = ownParents(placed);
  const marked = placed.map(({ spanId }, at) => carved.get(spanId) ?? named[at] ?? null);
  const runs = inherit(parents, marked);
  const missing = new Map<string, string[]>();
  for (const [at, run] of named.entries()) {
    const { spanId } = placed[at] as MemberStep;
    if (run === null || carved.has(spanId)) continue;
    const parent = parents[at] as number;
    const above = parent === -1 ? owner : (runs[parent] ?? owner);
    if (above === run) continue;
    const same = missing.get(run);
    if (same === undefined) missing.set(run, [spanId]);
    else same.push(spanId);
  }
  return missing;
}

/** Run of each carved root of a trace, by span id. */
function carvedRoots(traceId: string, members: readonly Member[]): ReadonlyMap<string, string> {
  const carved = new Map<string, string>();
  const mine = inOrder(traceId, members);
  if (mine.every(({ roots }) => roots.length === 0)) return carved;
  const admitted = admittedRuns(traceId, members);
  for (const { runId, roots } of mine) {
    for (const root of roots) if (admitted.has(runId) && !carved.has(root)) carved.set(root, runId);
  }
  return carved;
}

function inOrder(traceId: string, members: readonly Member[]): Member[] {
  return members.filter((member) => member.traceId === traceId).sort((a, b) => a.index - b.index);
}

/** As `parentsOf`, without links of own steps to foreign ones. */
function ownParents(steps: readonly MemberStep[]): Int32Array {
  const foreign = new Set(steps.filter((step) => step.foreign).map(stepKey));
  if (foreign.size > 0) for (const step of steps) if (!step.foreign) foreign.delete(stepKey(step));
  if (foreign.size === 0) return parentsOf(steps);
  return parentsOf(
    steps.map((step) => {
      const { traceId, spanId, parentSpanId } = step;
      const cut = !step.foreign && parentSpanId !== null && foreign.has(traceId + parentSpanId);
      return { traceId, spanId, parentSpanId: cut ? null : parentSpanId, foreign: step.foreign };
    }),
  );
}

/** What each step has itself, else from its nearest ancestor that has something. Linear, without recursion. */
function inherit(parents: Int32Array, own: readonly (string | null)[]): (string | null)[] {
  const found: (string | null | undefined)[] = own.map((run) => run ?? undefined);
  for (let start = 0; start < found.length; start++) {
    const path: number[] = [];
    let at = start;
    while (at !== -1 && found[at] === undefined) {
      path.push(at);
      at = parents[at] as number;
    }
    const run = at === -1 ? null : (found[at] ?? null);
    for (const step of path) found[step] = run;
  }
  return found as (string | null)[];
}
