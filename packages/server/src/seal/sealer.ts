import { decodeLeaf, hex } from '@sworn/evidence';
import type { Appended, LeafDraft } from '../record/draft.js';
import { type Database, inTenant } from '../store/database.js';
import {
  closeRun,
  type DueRun,
  type FollowedLeaf,
  findRuns,
  type KnownRun,
  noteActivity,
  type RunActivity,
  readCursor,
  readDueRuns,
  readLeavesFrom,
  readOpenSizes,
  readTraceLeaves,
} from '../store/sealing.js';
import { createFold } from './fold.js';
import { memberLeaf, openedLeaf, runLeaf } from './leaves.js';
import { readStep, type SealedStep } from './step.js';

/** Leaves followed in one turn: a tenant with a flood waits for the others after this many. */
const FOLLOW_LEAVES = 2_000;
/** Runs sealed in one turn. */
const SEAL_RUNS = 64;
/** Leaves of one run read at once while folding it: about 5 MB. */
const FOLD_LEAVES = 5_000;
/** A run that keeps opening again waits longer each time, up to this. */
const LONGEST_WAIT_MS = 3_600_000;

/** What the sealer needs. */
export interface SealerDeps {
  readonly db: Database;
  readonly append: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly isSynthetic: (tenantId: string) => Promise<boolean>;
  /** Milliseconds of quiet after the root until a run is sealed. */
  readonly graceMs: number;
  /** Milliseconds of quiet until a run without a root is sealed. */
  readonly idleMs: number;
}

/**
 * Makes runs of steps (CONTRACT.md §7): follows `llm-runs` by leaf index with a stored cursor, opens a run at first sight, seals it when it is quiet.
 * Every leaf it appends has an identity of its own, so that a crash at any point, or a second sealer, repeats nothing.
 */
export interface Sealer {
  /** One turn for one tenant. Resolves to whether more is waiting. */
  turn(tenantId: string): Promise<boolean>;
}

/** The sealer; the caller holds its lease. */
export function createSealer(deps: SealerDeps): Sealer {
  async function turn(tenantId: string): Promise<boolean> {
    const moreToFollow = await follow(tenantId);
    const sealed = await sealDue(tenantId);
    return moreToFollow || sealed === SEAL_RUNS;
  }

  async function follow(tenantId: string): Promise<boolean> {
    const seen = await inTenant(deps.db, 'reader', tenantId, async (tx) => {
      const log = (await readOpenSizes(tx, tenantId)).get('llm-runs')?.log;
      if (log === undefined) return null;
      const from = await readCursor(tx, tenantId, log);
      return { log, from, leaves: await readLeavesFrom(tx, tenantId, log, from, FOLLOW_LEAVES) };
    });
    if (seen === null || seen.leaves.length === 0) return false;
    const { log, from, leaves } = seen;
    const traces = groupSteps(leaves);
    const known = new Map(
      (await inTenant(deps.db, 'reader', tenantId, (tx) => findRuns(tx, tenantId, log, [...traces.keys()]))).map(
        (run) => [run.runId, run],
      ),
    );
    const opened = await openNew(
      tenantId,
      log,
      [...traces.values()].filter((t) => !known.has(t.runId)),
    );
    const activity = [...traces.values()].map((t) => activityOf(t, known.get(t.runId), opened.get(t.runId)));
    await inTenant(deps.db, 'writer', tenantId, (tx) =>
      noteActivity(tx, tenantId, log, { from, to: from + leaves.length }, activity),
    );
    return leaves.length === FOLLOW_LEAVES;
  }

  async function openNew(tenantId: string, log: string, traces: readonly Trace[]): Promise<Map<string, number>> {
    const origin = deps.originOf(tenantId, log);
    const synthetic = await deps.isSynthetic(tenantId);
    const drafts = traces.flatMap((t) => [
      openedLeaf(origin, t.runId, t.first, synthetic),
      memberLeaf(origin, t.runId, t.first),
    ]);
    const appended = await deps.append(tenantId, drafts);
    return new Map(traces.map((t, i) => [t.runId, indexOf(appended[2 * i])]));
  }

  function activityOf(trace: Trace, known: KnownRun | undefined, openedIndex: number | undefined): RunActivity {
    const revision = known?.revision ?? 0;
    const wait = (ms: number) => Math.min(ms * 2 ** Math.min(revision, 16), Math.max(ms, LONGEST_WAIT_MS));
    return {
      runId: trace.runId,
      traceId: trace.traceId,
      openedIndex: known?.runIndex ?? openedIndex ?? 0,
      runOccurredAt: known?.runOccurredAt ?? trace.first.occurredAt,
      revision,
      steps: trace.steps,
      lastIndex: trace.lastIndex,
      lastSeenAt: trace.lastSeenAt,
      rootSeenAt: trace.rootSeenAt ?? (known !== undefined && hadRoot(known) ? trace.lastSeenAt : null),
      graceMs: wait(deps.graceMs),
      idleMs: wait(deps.idleMs),
    };
  }

  async function sealDue(tenantId: string): Promise<number> {
    const due = await inTenant(deps.db, 'writer', tenantId, (tx) => readDueRuns(tx, tenantId, SEAL_RUNS));
    for (const run of due) await seal(tenantId, run);
    return due.length;
  }

  async function seal(tenantId: string, run: DueRun): Promise<void> {
    // What was followed, not the head: what lies beyond will open the run again when the cursor comes to it.
    const { log, sizes } = await inTenant(deps.db, 'reader', tenantId, async (tx) => {
      const open = await readOpenSizes(tx, tenantId);
      const log = open.get('llm-runs')?.log ?? 'llm-runs';
      const followed = await readCursor(tx, tenantId, log);
      return {
        log,
        sizes: { 'llm-runs': followed, system: open.get('system')?.size ?? 0, audit: open.get('audit')?.size ?? 0 },
      };
    });
    const fold = createFold();
    for (let from = 0; ; ) {
      const leaves = await inTenant(deps.db, 'reader', tenantId, (tx) =>
        readTraceLeaves(tx, tenantId, log, run.traceId, from, sizes['llm-runs'], FOLD_LEAVES),
      );
      for (const leaf of leaves) {
        if (leaf.kind === 'STEP') fold.add(readStep(leaf));
        else fold.addConflict();
        from = leaf.index + 1;
      }
      if (leaves.length < FOLD_LEAVES) break;
    }
    const draft = runLeaf({
      origin: deps.originOf(tenantId, log),
      runId: run.runId,
      revision: run.revision + 1,
      runIndex: run.openedIndex,
      runOccurredAt: run.runOccurredAt,
      sizes,
      synthetic: await deps.isSynthetic(tenantId),
      summary: fold.finish(),
    });
    await deps.append(tenantId, [draft]);
    await inTenant(deps.db, 'writer', tenantId, (tx) => closeRun(tx, tenantId, run.runId, run.lastIndex));
  }

  return { turn };
}

/** The steps of one trace among the leaves of a turn. */
interface Trace {
  readonly runId: string;
  readonly traceId: Uint8Array;
  readonly first: SealedStep;
  steps: number;
  lastIndex: number;
  lastSeenAt: string;
  rootSeenAt: string | null;
}

function groupSteps(leaves: readonly FollowedLeaf[]): Map<string, Trace> {
  const traces = new Map<string, Trace>();
  for (const leaf of leaves) {
    if (leaf.kind !== 'STEP' || leaf.traceId === null) continue;
    const step = readStep(leaf);
    const runId = hex(leaf.traceId);
    const trace = traces.get(runId);
    const rootSeenAt = step.isRoot ? leaf.recordedAt : null;
    if (trace === undefined) {
      traces.set(runId, {
        runId,
        traceId: leaf.traceId,
        first: step,
        steps: 1,
        lastIndex: leaf.index,
        lastSeenAt: leaf.recordedAt,
        rootSeenAt,
      });
    } else {
      trace.steps++;
      trace.lastIndex = leaf.index;
      trace.lastSeenAt = leaf.recordedAt;
      trace.rootSeenAt ??= rootSeenAt;
    }
  }
  return traces;
}

function hadRoot(known: KnownRun): boolean {
  return decodeLeaf(known.leaf).fields.root_missing === false;
}

function indexOf(appended: Appended | undefined): number {
  if (appended === undefined) throw new Error('the sequencer answered for fewer leaves than it was given');
  return appended.index;
}
