import { decodeLeaf } from '@sworn/evidence';
import type { Appended, LeafDraft } from '../record/draft.js';
import { NotSequenced } from '../record/notSequenced.js';
import { type Database, inTenant } from '../store/database.js';
import { isTransient } from '../store/failure.js';
import {
  closeRuns,
  type DueRun,
  findRuns,
  type KnownRun,
  noteActivity,
  putOffRuns,
  type RunActivity,
  readCursor,
  readDueRuns,
  readLeavesFrom,
  readOpenSizes,
  readTraceLeaves,
} from '../store/sealing.js';
import { createFold, type RunSummary } from './fold.js';
import { memberLeaf, openedLeaf, runLeaf, type SealedRun } from './leaves.js';
import { readStep } from './step.js';
import { groupSteps, type Trace } from './trace.js';

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
    const followed = await follow(tenantId);
    if (followed === null) return false;
    const sealed = await sealDue(tenantId, followed);
    return followed.quietUntil !== null || sealed === SEAL_RUNS;
  }

  /** Notes what the next leaves say of runs. Null: the tenant has no such log, or another process followed it meanwhile. */
  async function follow(tenantId: string): Promise<Followed | null> {
    const seen = await inTenant(deps.db, 'reader', tenantId, async (tx) => {
      const log = (await readOpenSizes(tx, tenantId)).get('llm-runs')?.log;
      if (log === undefined) return null;
      const from = await readCursor(tx, tenantId, log);
      return { log, from, leaves: await readLeavesFrom(tx, tenantId, log, from, FOLLOW_LEAVES) };
    });
    if (seen === null) return null;
    const { log, from, leaves } = seen;
    const last = leaves.at(-1);
    if (last === undefined) return { log, quietUntil: null };
    const traces = groupSteps(leaves);
    const known = await knownRuns(tenantId, log, [...traces.keys()]);
    const opened = await openNew(
      tenantId,
      log,
      [...traces.values()].filter((t) => !known.has(t.runId)),
    );
    const activity = [...traces.values()].map((t) => activityOf(t, known.get(t.runId), opened.get(t.runId)));
    const noted = await inTenant(deps.db, 'writer', tenantId, (tx) =>
      noteActivity(tx, tenantId, log, { from, to: last.index + 1 }, activity),
    );
    return noted ? { log, quietUntil: leaves.length === FOLLOW_LEAVES ? last.recordedAt : null } : null;
  }

  async function knownRuns(
    tenantId: string,
    log: string,
    runIds: readonly string[],
  ): Promise<ReadonlyMap<string, KnownRun>> {
    const known = await inTenant(deps.db, 'reader', tenantId, (tx) => findRuns(tx, tenantId, log, runIds));
    return new Map(known.map((run) => [run.runId, run]));
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

  async function sealDue(tenantId: string, { log, quietUntil }: Followed): Promise<number> {
    const due = await inTenant(deps.db, 'writer', tenantId, (tx) => readDueRuns(tx, tenantId, quietUntil, SEAL_RUNS));
    if (due.length === 0) return 0;
    const sizes = await sizesNow(tenantId, log);
    const known = await knownRuns(
      tenantId,
      log,
      due.map((run) => run.runId),
    );
    const sealings: Sealing[] = [];
    for (const run of due) sealings.push(await sealOne(tenantId, { log, sizes }, run, known.get(run.runId)));
    const ready = sealings.filter((s) => s.kind === 'ready');
    const { appended, refused } = await appendAll(tenantId, ready);
    // A duplicate is a revision that another sealer appended meanwhile, of more or fewer steps: the next turn looks what it covers.
    const stored = ready.filter((run) => appended.get(run)?.outcome === 'stored');
    const failed = [...sealings.filter((s) => s.kind === 'failed'), ...refused];
    await inTenant(deps.db, 'writer', tenantId, async (tx) => {
      await closeRuns(tx, tenantId, [...sealings.filter((s) => s.kind === 'covered'), ...stored]);
      const runIds = failed.map((s) => s.runId);
      await putOffRuns(tx, tenantId, runIds, LONGEST_WAIT_MS);
    });
    if (failed.length > 0)
      throw new Error(`${failed.length} of ${due.length} runs could not be sealed`, { cause: failed[0]?.error });
    return due.length;
  }

  /** What was followed, not the head: what lies beyond will open the run again when the cursor comes to it. */
  async function sizesNow(tenantId: string, log: string): Promise<SealedRun['sizes']> {
    return inTenant(deps.db, 'reader', tenantId, async (tx) => {
      const followed = await readCursor(tx, tenantId, log);
      const open = await readOpenSizes(tx, tenantId);
      return { 'llm-runs': followed, system: open.get('system')?.size ?? 0, audit: open.get('audit')?.size ?? 0 };
    });
  }

  /** One that fails is put off and told, and holds up none of the others. */
  async function sealOne(
    tenantId: string,
    { log, sizes }: { readonly log: string; readonly sizes: SealedRun['sizes'] },
    run: DueRun,
    newest: KnownRun | undefined,
  ): Promise<Sealing> {
    const { runId } = run;
    const covered = newest === undefined ? 0 : coveredBy(newest);
    // Sealed by a process that died, or lost its lease, before it could note it.
    if (covered > run.lastIndex) return { kind: 'covered', runId, below: covered };
    try {
      const draft = runLeaf({
        origin: deps.originOf(tenantId, log),
        runId,
        revision: (newest?.revision ?? 0) + 1,
        runIndex: run.openedIndex,
        runOccurredAt: run.runOccurredAt,
        sizes,
        synthetic: await deps.isSynthetic(tenantId),
        summary: await summarise(tenantId, log, run.traceId, sizes['llm-runs']),
      });
      return { kind: 'ready', runId, below: sizes['llm-runs'], draft };
    } catch (error) {
      if (isTransient(error)) throw error;
      return { kind: 'failed', runId, error };
    }
  }

  /** Appends together what can be; when the database refuses something of it, one by one, so that no run holds up another. */
  async function appendAll(tenantId: string, ready: readonly Ready[]): Promise<AppendedRuns> {
    const appended = new Map<Ready, Appended>();
    const refused: Failed[] = [];
    const put = async (runs: readonly Ready[]): Promise<void> => {
      const made = await deps.append(
        tenantId,
        runs.map((run) => run.draft),
      );
      runs.forEach((run, i) => {
        const one = made[i];
        if (one !== undefined) appended.set(run, one);
      });
    };
    try {
      await put(ready);
    } catch (error) {
      if (error instanceof NotSequenced) throw error;
      for (const run of ready) {
        await put([run]).catch((cause: unknown) => {
          if (cause instanceof NotSequenced) throw cause;
          refused.push({ kind: 'failed', runId: run.runId, error: cause });
        });
      }
    }
    return { appended, refused };
  }

  async function summarise(tenantId: string, log: string, traceId: Uint8Array, below: number): Promise<RunSummary> {
    const fold = createFold();
    for (let from = 0; ; ) {
      const leaves = await inTenant(deps.db, 'reader', tenantId, (tx) =>
        readTraceLeaves(tx, tenantId, log, traceId, { from, below, limit: FOLD_LEAVES }),
      );
      for (const leaf of leaves) {
        if (leaf.kind === 'STEP') fold.add(readStep(leaf));
        else fold.addConflict();
        from = leaf.index + 1;
      }
      if (leaves.length < FOLD_LEAVES) return fold.finish();
    }
  }

  return { turn };
}

/** How far a turn came. */
interface Followed {
  readonly log: string;
  /** More leaves wait: `recorded_at` of the last one looked at, until which it is known what was quiet. Null: it came to the end. */
  readonly quietUntil: string | null;
}

/** What became of a run that was due. `below`: it is sealed with all of its steps below this leaf index. */
type Sealing = { readonly kind: 'covered'; readonly runId: string; readonly below: number } | Ready | Failed;

interface Ready {
  readonly kind: 'ready';
  readonly runId: string;
  readonly below: number;
  readonly draft: LeafDraft;
}

interface Failed {
  readonly kind: 'failed';
  readonly runId: string;
  readonly error: unknown;
}

interface AppendedRuns {
  readonly appended: ReadonlyMap<Ready, Appended>;
  readonly refused: readonly Failed[];
}

/** How many leaves of the log the newest revision was made of; 0 for OPENED. */
function coveredBy(known: KnownRun): number {
  const { sizes } = decodeLeaf(known.leaf).fields;
  const covered = (sizes as { readonly 'llm-runs'?: unknown } | undefined)?.['llm-runs'];
  return typeof covered === 'number' ? covered : 0;
}

function hadRoot(known: KnownRun): boolean {
  return decodeLeaf(known.leaf).fields.root_missing === false;
}

function indexOf(appended: Appended | undefined): number {
  if (appended === undefined) throw new Error('the sequencer answered for fewer leaves than it was given');
  return appended.index;
}
