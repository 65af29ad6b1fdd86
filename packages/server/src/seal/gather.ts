import { hex, placesOf } from '@sworn/evidence';
import { type Database, lookUp } from '../store/database.js';
import {
  type FollowedLeaf,
  readLeavesAt,
  readTraceIndexes,
  readTraceLeaves,
  readTracesBegun,
} from '../store/sealing.js';
import type { StepFold } from './fold.js';
import {
  type Hint,
  MAX_STEPS_PLACED,
  type Member,
  type MemberStep,
  missingRoots,
  ownerOf,
  runsOf,
} from './membership.js';
import { readStep, type SealedStep } from './step.js';

/** Traces that are read with one query; with `SHORT_TRACE` steps each that is about 20 MB. */
export const TRACES_AT_ONCE = 256;
/** A trace of more steps is read for itself. */
const SHORT_TRACE = 64;
/** Leaves of one run read at once while folding it, about 2 MB: a statement lasts until its last row was taken, by a process that may be busy. */
const FOLD_LEAVES = 2_000;
/** Indexes read at once of a trace that is one of several of a run. */
const INDEXES_AT_ONCE = 50_000;

/** The leaves of a tenant below a size. */
export interface Below {
  readonly db: Database;
  readonly tenantId: string;
  readonly log: string;
  readonly below: number;
}

/** A step, or a copy that contradicts the step at leaf `of`. */
type Piece =
  | { readonly kind: 'step'; readonly index: number; readonly step: SealedStep }
  | { readonly kind: 'conflict'; readonly index: number; readonly of: number };

/** What is held of a long trace in which several runs have a part. */
interface Skeleton {
  readonly steps: readonly (MemberStep & Hint & { readonly index: number })[];
  /** Steps beyond the bound of `runsOf`, all the owner's. */
  readonly later: readonly number[];
  readonly conflicts: readonly { readonly index: number; readonly of: number }[];
}

/** Reads traces for runs to be folded from: short ones together, long ones in pieces, each leaf once for each run that it is of. */
export interface Gatherer {
  /** Reads what is short among these traces, at most `TRACES_AT_ONCE`, and forgets those before. */
  load(traceIds: readonly string[]): Promise<void>;
  /** Roots that must be carved so that every step is in the run that it names (membership.ts), by run. */
  missingRoots(traceId: string, members: readonly Member[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** The run of each step (span id) of a trace, but for those that come too late to be placed, which are the owner's. */
  runsOfSpans(traceId: string, members: readonly Member[]): Promise<ReadonlyMap<string, string>>;
  /** Adds the steps of a run, in leaf order. Resolves to how many leaves that were. */
  fold(into: StepFold, runId: string, traces: readonly TraceOfRun[]): Promise<number>;
}

/** A trace that a run has a part of, with all that is said of whose it is. */
export interface TraceOfRun {
  readonly traceId: string;
  readonly members: readonly Member[];
}

/** A gatherer for runs that are sealed together. */
export function createGatherer(at: Below): Gatherer {
  let short = new Map<string, readonly Piece[]>();
  let long: { readonly traceId: string; readonly skeleton: Skeleton } | null = null;

  async function load(traceIds: readonly string[]): Promise<void> {
    const begun = new Map<string, FollowedLeaf[]>(traceIds.map((traceId) => [traceId, []]));
    const leaves = await lookUp(at.db, at.tenantId, (tx) =>
      readTracesBegun(tx, at.tenantId, at.log, { traceIds, below: at.below, limit: SHORT_TRACE + 1 }),
    );
    for (const leaf of leaves) if (leaf.traceId !== null) begun.get(hex(leaf.traceId))?.push(leaf);
    short = new Map();
    for (const [traceId, ofTrace] of begun) if (ofTrace.length <= SHORT_TRACE) short.set(traceId, ofTrace.map(pieceOf));
  }

  /** A chunk of a trace's leaves from an index on. */
  function chunk(traceId: string, from: number): Promise<FollowedLeaf[]> {
    return lookUp(at.db, at.tenantId, (tx) =>
      readTraceLeaves(tx, at.tenantId, at.log, traceId, { from, below: at.below, limit: FOLD_LEAVES }),
    );
  }

  /** Of one long trace at a time: runs that share one come one after another. */
  async function skeletonOf(traceId: string): Promise<Skeleton> {
    if (long?.traceId === traceId) return long.skeleton;
    long = null;
    const steps: (MemberStep & Hint & { readonly index: number })[] = [];
    const later: number[] = [];
    const conflicts: { readonly index: number; readonly of: number }[] = [];
    for (let from = 0; ; ) {
      const leaves = await chunk(traceId, from);
      for (const leaf of leaves) {
        from = leaf.index + 1;
        if (leaf.kind === 'STEP' && steps.length >= MAX_STEPS_PLACED) later.push(leaf.index);
        else {
          const piece = pieceOf(leaf);
          if (piece.kind === 'step') steps.push(placedOf(piece.step));
          else conflicts.push(piece);
        }
      }
      if (leaves.length < FOLD_LEAVES) break;
    }
    const skeleton = { steps, later, conflicts };
    long = { traceId, skeleton };
    return skeleton;
  }

  /** Indexes of the leaves of a long trace that are of a run. */
  async function indexesOf(runId: string, { traceId, members }: TraceOfRun): Promise<number[]> {
    if (!isShared(members)) {
      const all: number[] = [];
      for (let from = 0; ; from = (all.at(-1) ?? 0) + 1) {
        const some = await lookUp(at.db, at.tenantId, (tx) =>
          readTraceIndexes(tx, at.tenantId, at.log, traceId, { from, below: at.below, limit: INDEXES_AT_ONCE }),
        );
        for (const index of some) all.push(index);
        if (some.length < INDEXES_AT_ONCE) return all;
      }
    }
    const { steps, later, conflicts } = await skeletonOf(traceId);
    const owner = ownerOf(traceId, members);
    const runs = runsOf(traceId, members, steps);
    const runAt = new Map(steps.map((step, i) => [step.index, runs[i]]));
    return [
      ...steps.flatMap((step, i) => (runs[i] === runId ? [step.index] : [])),
      ...(runId === owner ? later : []),
      ...conflicts.flatMap(({ index, of }) => ((runAt.get(of) ?? owner) === runId ? [index] : [])),
    ];
  }

  async function foldLong(into: StepFold, runId: string, traces: readonly TraceOfRun[]): Promise<number> {
    const indexes: number[] = [];
    for (const group of groupsOf(traces, TRACES_AT_ONCE)) {
      if (traces.length > TRACES_AT_ONCE) await load(group.map((trace) => trace.traceId));
      for (const trace of group) {
        const pieces = short.get(trace.traceId);
        const mine =
          pieces === undefined ? await indexesOf(runId, trace) : partOf(pieces, runId, trace).map((p) => p.index);
        for (const index of mine) indexes.push(index);
      }
    }
    const sorted = Float64Array.from(indexes).sort();
    for (let from = 0; from < sorted.length; from += FOLD_LEAVES) {
      const some = [...sorted.subarray(from, from + FOLD_LEAVES)];
      const leaves = await lookUp(at.db, at.tenantId, (tx) => readLeavesAt(tx, at.tenantId, at.log, some));
      for (const leaf of leaves) addPiece(into, pieceOf(leaf));
    }
    return sorted.length;
  }

  /** One trace that no other run has a part of: nothing of it need be held. */
  async function foldStream(into: StepFold, traceId: string): Promise<number> {
    let count = 0;
    for (let from = 0; ; ) {
      const leaves = await chunk(traceId, from);
      for (const leaf of leaves) {
        addPiece(into, pieceOf(leaf));
        from = leaf.index + 1;
      }
      count += leaves.length;
      if (leaves.length < FOLD_LEAVES) return count;
    }
  }

  /** The steps of a trace that have a place in it. */
  async function placedSteps(traceId: string): Promise<readonly (MemberStep & Hint)[]> {
    const pieces = short.get(traceId);
    return pieces === undefined
      ? (await skeletonOf(traceId)).steps
      : pieces.flatMap((piece) => (piece.kind === 'step' ? [piece.step] : []));
  }

  return {
    load,
    async missingRoots(traceId, members) {
      return missingRoots(traceId, members, await placedSteps(traceId));
    },
    async runsOfSpans(traceId, members) {
      const steps = await placedSteps(traceId);
      const runs = runsOf(traceId, members, steps);
      return new Map([...placesOf(steps).values()].map((at) => [(steps[at] as MemberStep).spanId, runs[at] as string]));
    },
    async fold(into, runId, traces) {
      const [only] = traces;
      if (traces.every(({ traceId }) => short.has(traceId))) {
        const mine = traces.flatMap((trace) => partOf(short.get(trace.traceId) ?? [], runId, trace));
        for (const piece of mine.sort((a, b) => a.index - b.index)) addPiece(into, piece);
        return mine.length;
      }
      if (traces.length === 1 && only !== undefined && !isShared(only.members)) return foldStream(into, only.traceId);
      return foldLong(into, runId, traces);
    },
  };
}

/** Whether several runs have a part of a trace, or had one. */
export function isShared(members: readonly Member[]): boolean {
  return members.some(({ runId }) => runId !== members[0]?.runId);
}

/** What of a trace's pieces is a run's. */
function partOf(pieces: readonly Piece[], runId: string, { traceId, members }: TraceOfRun): readonly Piece[] {
  if (!isShared(members)) return pieces;
  const steps = pieces.flatMap((piece) => (piece.kind === 'step' ? [piece.step] : []));
  const runs = runsOf(traceId, members, steps);
  const runAt = new Map(steps.map((step, i) => [step.index, runs[i]]));
  const owner = ownerOf(traceId, members);
  return pieces.filter((piece) => (runAt.get(piece.kind === 'step' ? piece.index : piece.of) ?? owner) === runId);
}

function pieceOf(leaf: FollowedLeaf): Piece {
  if (leaf.kind === 'STEP') return { kind: 'step', index: leaf.index, step: readStep(leaf) };
  const { first_index: of } = JSON.parse(Buffer.from(leaf.leaf).toString('utf8')) as { readonly first_index?: number };
  return { kind: 'conflict', index: leaf.index, of: of ?? -1 };
}

function addPiece(into: StepFold, piece: Piece): void {
  if (piece.kind === 'step') into.add(piece.step);
  else into.addConflict();
}

function placedOf(step: SealedStep): MemberStep & Hint & { readonly index: number } {
  const { index, traceId, spanId, parentSpanId, foreign, runHint, runAsserted, service } = step;
  return { index, traceId, spanId, parentSpanId, foreign, runHint, runAsserted, service };
}

function groupsOf<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let from = 0; from < items.length; from += size) groups.push(items.slice(from, from + size));
  return groups;
}
