import { decodeLeaf, type JsonValue } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { NotSequenced } from '../record/notSequenced.js';
import { readClock } from '../store/append.js';
import { inTenant, lookUp } from '../store/database.js';
import { isTransient } from '../store/failure.js';
import { readFirstTraces, readMembersOfTraces, readTracesOfRuns } from '../store/members.js';
import { type DueRun, findRuns, type KnownRun, readCursor, readDueRuns, readOpenSizes } from '../store/sealing.js';
import { createFold, type RunSummary } from './fold.js';
import { type FollowDeps, type Followed, follow } from './follow.js';
import { createGatherer, type Gatherer, isShared, type TraceOfRun, TRACES_AT_ONCE } from './gather.js';
import { memberLeaf, type RunPlace, runLeaf, supersededLeaf } from './leaves.js';
import { type Member, ownerOf } from './membership.js';
import { findResumption } from './resumption.js';
import { conversationOf, type OfLog, type Sealing, type SettleDeps, type Settled, settle } from './settle.js';

/** Runs looked at in one turn. */
const SEAL_RUNS = 512;
/** Leaves folded in one turn, but for the run that passes it: a tenant with long runs waits for the others after it. */
const SEAL_LEAVES = 20_000;
/** Looks at the same runs: a second one with what the first lacked, a third where another sealer worked on them meanwhile. */
const MAX_VIEWS = 3;
/** Traces of which MEMBER leaves are read with one statement: a run of a million traces takes many, and none too long. */
const PLACES_AT_ONCE = 10_000;
/** Roots that one MEMBER leaf names: a list of a leaf holds no more. */
const ROOTS_OF_LEAF = 64;

/** What the sealer needs. */
export type SealerDeps = FollowDeps & SettleDeps;

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
    const followed = await follow(deps, tenantId);
    if (followed === null) return false;
    const isMoreDue = await sealDue(tenantId, followed);
    return followed.quietUntil !== null || isMoreDue;
  }

  /** Seals what is due, until the turn is over. Resolves to whether something is left. */
  async function sealDue(tenantId: string, { log, quietUntil }: Followed): Promise<boolean> {
    const due = await inTenant(deps.db, 'writer', tenantId, (tx) => readDueRuns(tx, tenantId, quietUntil, SEAL_RUNS));
    if (due.length === 0) return false;
    const of = { tenantId, log, origin: deps.originOf(tenantId, log), synthetic: await deps.isSynthetic(tenantId) };
    const failures: unknown[] = [];
    let leaves = 0;
    let done = 0;
    for (const group of await groupsOf(of, due)) {
      if (leaves >= SEAL_LEAVES) break;
      const sealed = await sealGroup(of, group);
      leaves += sealed.leaves;
      done += group.length;
      failures.push(...sealed.failures);
    }
    if (failures.length > 0)
      throw new Error(`${failures.length} of ${due.length} runs could not be sealed`, { cause: failures[0] });
    return done < due.length || due.length === SEAL_RUNS;
  }

  /** Runs that are sealed together have no more MEMBER leaves than traces are read together. A run of more is alone. */
  async function groupsOf({ tenantId, log }: OfLog, due: readonly DueRun[]): Promise<DueRun[][]> {
    const members = await lookUp(deps.db, tenantId, (tx) =>
      readFirstTraces(tx, tenantId, log, {
        runIds: due.map((run) => run.runId),
        below: Number.MAX_SAFE_INTEGER,
        limit: TRACES_AT_ONCE,
      }),
    );
    const sizes = new Map<string, number>();
    for (const { runId } of members) sizes.set(runId, (sizes.get(runId) ?? 0) + 1);
    const groups: DueRun[][] = [];
    let size = TRACES_AT_ONCE;
    for (const run of due) {
      const own = sizes.get(run.runId) ?? 0;
      if (size + own > TRACES_AT_ONCE) {
        groups.push([]);
        size = 0;
      }
      size += own;
      groups.at(-1)?.push(run);
    }
    return groups;
  }

  /** What cannot even be looked at, as by a statement that takes too long, is put off and told: whoever is due after it has his turn. */
  async function sealGroup(of: OfLog, group: readonly DueRun[]): Promise<Settled> {
    try {
      return await sealTogether(of, group);
    } catch (error) {
      if (isTransient(error) || error instanceof NotSequenced) throw error;
      return settle(
        deps,
        of,
        group.map(({ runId }) => ({ kind: 'failed', runId, error, leaves: 0 })),
      );
    }
  }

  async function sealTogether(of: OfLog, group: readonly DueRun[]): Promise<Settled> {
    const { tenantId, log } = of;
    for (let attempt = 1; ; attempt++) {
      const view = await viewOf(of, group);
      const gatherer = createGatherer({ db: deps.db, tenantId, log, below: view.sizes['llm-runs'] });
      const traceIds = [...view.members.keys()];
      await gatherer.load(traceIds.length > TRACES_AT_ONCE ? [] : traceIds);
      // What was carved is part of the next view, and then nothing is lacking, but for what another sealer admitted meanwhile.
      if (attempt < MAX_VIEWS && (await carve(of, gatherer, view))) continue;
      const sealings: Sealing[] = [];
      for (const run of group) sealings.push(await sealOne(of, run, { ...view, gatherer }));
      return settle(deps, of, sealings);
    }
  }

  /**
   * What is known of runs that are due. Steps below what was followed, not below the head: what lies beyond will open the run again when the
   * cursor comes to it. MEMBER leaves below the head.
   */
  async function viewOf({ tenantId, log }: OfLog, group: readonly DueRun[]): Promise<View> {
    const runIds = group.map((run) => run.runId);
    return lookUp(deps.db, tenantId, async (tx) => {
      const followed = await readCursor(tx, tenantId, log);
      const open = await readOpenSizes(tx, tenantId);
      const sizeOf = (topic: string) => open.get(topic)?.size ?? 0;
      const below = sizeOf('llm-runs');
      const traces = new Map<string, string[]>(runIds.map((runId) => [runId, []]));
      for (const { runId, traceId } of await readTracesOfRuns(tx, tenantId, log, { runIds, below }))
        traces.get(runId)?.push(traceId);
      const traceIds = [...new Set([...traces.values()].flat())];
      const members = new Map<string, Member[]>(traceIds.map((traceId) => [traceId, []]));
      for (let from = 0; from < traceIds.length; from += PLACES_AT_ONCE) {
        const some = { traceIds: traceIds.slice(from, from + PLACES_AT_ONCE), below };
        for (const member of await readMembersOfTraces(tx, tenantId, log, some))
          members.get(member.traceId)?.push(member);
      }
      return {
        sizes: { 'llm-runs': followed, system: sizeOf('system'), audit: sizeOf('audit') },
        membersBelow: below,
        known: new Map((await findRuns(tx, tenantId, log, runIds)).map((run) => [run.runId, run])),
        traces,
        members,
        now: await readClock(tx),
      };
    });
  }

  /** Appends what is lacking so that every step is in the run that it names. Resolves to whether something was. */
  async function carve(of: OfLog, gatherer: Gatherer, view: View): Promise<boolean> {
    const drafts: LeafDraft[] = [];
    for (const [traceId, members] of view.members) {
      if (!isShared(members)) continue;
      for (const [runId, roots] of await gatherer.missingRoots(traceId, members)) {
        for (let from = 0; from < roots.length; from += ROOTS_OF_LEAF) {
          const some = roots.slice(from, from + ROOTS_OF_LEAF);
          drafts.push(memberLeaf(of.origin, { runId, traceId, occurredAt: view.now, roots: some }));
        }
      }
    }
    await deps.append(of.tenantId, drafts);
    return drafts.length > 0;
  }

  /** One that fails is put off and told, and holds up none of the others. */
  async function sealOne(of: OfLog, run: DueRun, view: View & { readonly gatherer: Gatherer }): Promise<Sealing> {
    const { runId } = run;
    const newest = view.known.get(runId);
    const covered = newest === undefined ? 0 : coveredBy(newest);
    // Sealed by a process that died, or lost its lease, before it could note it.
    if (newest !== undefined && covered > run.lastIndex)
      return {
        kind: 'sealed',
        runId,
        below: covered,
        index: newest.index,
        conversation: conversationOf(newest.leaf),
        leaves: 0,
      };
    // Noted of a generation that is closed, by a turn that was under way: this one never opened it, so there is nothing to say.
    if (newest === undefined && of.log !== 'llm-runs')
      return { kind: 'same', runId, below: Number.MAX_SAFE_INTEGER, leaves: 0 };
    try {
      const fold = createFold();
      const traces = (view.traces.get(runId) ?? []).map((traceId) => ({
        traceId,
        members: view.members.get(traceId) ?? [],
      }));
      const leaves = await view.gatherer.fold(fold, runId, traces);
      const place = placeOf(of, run, view);
      const draft = fold.isEmpty()
        ? supersededLeaf(place, successorOf(run, traces))
        : runLeaf({ ...place, summary: await summarise(of, run, fold, traces) });
      const below = view.sizes['llm-runs'];
      if (newest !== undefined && saysTheSame(newest, draft)) return { kind: 'same', runId, below, leaves };
      return { kind: 'ready', runId, below, draft, leaves, before: newest?.leaf ?? null };
    } catch (error) {
      if (isTransient(error) || error instanceof NotSequenced) throw error;
      return { kind: 'failed', runId, error, leaves: 0 };
    }
  }

  /** A run that waits is looked at twice: with the run of its conversation in which it was taken up. */
  async function summarise(
    of: OfLog,
    run: DueRun,
    fold: ReturnType<typeof createFold>,
    traces: readonly TraceOfRun[],
  ): Promise<RunSummary> {
    const { runId } = run;
    const roots = carvedRoots(runId, traces);
    const summary = fold.finish({ runId, roots, resumption: null });
    if (summary.waitingFor === null) return summary;
    const resumption = await findResumption(deps.db, of, { runId, runIndex: run.openedIndex }, summary);
    return resumption === null ? summary : fold.finish({ runId, roots, resumption });
  }

  return { turn };
}

/** What is known of runs that are sealed together. */
interface View {
  readonly sizes: RunPlace['sizes'];
  readonly membersBelow: number;
  readonly known: ReadonlyMap<string, KnownRun>;
  /** The traces of each run. */
  readonly traces: ReadonlyMap<string, readonly string[]>;
  readonly members: ReadonlyMap<string, readonly Member[]>;
  readonly now: string;
}

function placeOf(of: OfLog, run: DueRun, view: View): RunPlace {
  return {
    origin: of.origin,
    runId: run.runId,
    traceId: run.traceId,
    revision: (view.known.get(run.runId)?.revision ?? 0) + 1,
    runIndex: run.openedIndex,
    runOccurredAt: run.runOccurredAt,
    sizes: view.sizes,
    membersBelow: view.membersBelow,
    synthetic: of.synthetic,
  };
}

/** How many leaves of the log the newest revision was made of; 0 for OPENED. */
function coveredBy(known: KnownRun): number {
  if (known.revision === 0) return 0;
  const { sizes } = decodeLeaf(known.leaf).fields;
  const covered = (sizes as { readonly 'llm-runs'?: unknown } | undefined)?.['llm-runs'];
  return typeof covered === 'number' ? covered : 0;
}

/** Keys (`stepKey`) of the steps that were carved out for a run. */
function carvedRoots(runId: string, traces: readonly TraceOfRun[]): ReadonlySet<string> {
  return new Set(
    traces.flatMap(({ traceId, members }) =>
      members.flatMap((member) => (member.runId === runId ? member.roots.map((root) => traceId + root) : [])),
    ),
  );
}

/** The run to which the traces of one that has no steps left have gone. */
function successorOf({ runId }: DueRun, traces: readonly TraceOfRun[]): string {
  const successor = traces.map(({ traceId, members }) => ownerOf(traceId, members)).find((owner) => owner !== runId);
  if (successor === undefined) throw new Error('a run without steps');
  return successor;
}

/** Members of a RUN leaf that differ although nothing is new. */
const PLACE_MEMBERS = new Set(['event_key', 'recorded_at', 'r', 'revision', 'sizes', 'members_below']);

/** Whether a new RUN leaf would say nothing that the newest does not. Both are canonical: equal values are equal texts. */
function saysTheSame(newest: KnownRun, draft: LeafDraft): boolean {
  if (newest.revision === 0) return false;
  const [before, now] = [newest.leaf, draft.leaf].map(
    (leaf) => JSON.parse(Buffer.from(leaf).toString('utf8')) as Readonly<Record<string, JsonValue>>,
  );
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(now ?? {})]);
  return [...names].every(
    (name) => PLACE_MEMBERS.has(name) || JSON.stringify(before?.[name]) === JSON.stringify(now?.[name]),
  );
}
