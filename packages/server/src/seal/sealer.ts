import type { LeafDraft } from '../record/draft.js';
import { NotSequenced } from '../record/notSequenced.js';
import { readClock } from '../store/append.js';
import { inTenant, lookUp } from '../store/database.js';
import { isTransient } from '../store/failure.js';
import { readFirstTraces, readMembersOfTraces, readTracesOfRuns } from '../store/members.js';
import { readAuditLogs } from '../store/sealedEvents.js';
import { type DueRun, findRuns, type KnownRun, readCursor, readDueRuns, readOpenSizes } from '../store/sealing.js';
import { createEventFinder, type EventFinder, type EventFold } from './events.js';
import { createFold, type RunSummary } from './fold.js';
import { type FollowDeps, type Followed, follow } from './follow.js';
import { type AuditPlaces, auditPlaces, eventsHeeded, followAudit } from './followAudit.js';
import { createGatherer, type Gatherer, isShared, type TraceOfRun, TRACES_AT_ONCE } from './gather.js';
import { memberLeaf, type RunPlace, runLeaf, supersededLeaf } from './leaves.js';
import { type Member, ownerOf } from './membership.js';
import { createOverrideFold, overrideLeaf } from './overrides.js';
import { findResumption } from './resumption.js';
import { coveredBy, saysTheSame } from './revisions.js';
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
 * Makes runs of steps (CONTRACT.md §7): follows `llm-runs` and `audit` by leaf index with a stored cursor each, opens a run at first sight, seals it
 * when it is quiet, and again when something of it came late.
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
    const audited = await followAudit(deps, tenantId, followed.log);
    if (audited === null) return false;
    const quietUntil = earliest(followed.quietUntil, audited.quietUntil);
    const isMoreDue = await sealDue(tenantId, { log: followed.log, quietUntil });
    return quietUntil !== null || isMoreDue;
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

  /**
   * What cannot even be looked at, as by a statement that takes too long, is put off and told: whoever is due after it has his turn. Of several each half
   * is tried alone, so that only the one that it is about waits.
   */
  async function sealGroup(of: OfLog, group: readonly DueRun[]): Promise<Settled> {
    try {
      return await sealTogether(of, group);
    } catch (error) {
      if (isTransient(error) || error instanceof NotSequenced) throw error;
      const [one] = group;
      if (group.length === 1 && one !== undefined)
        return settle(deps, of, [{ kind: 'failed', runId: one.runId, error, leaves: 0 }]);
      const half = Math.ceil(group.length / 2);
      const first = await sealGroup(of, group.slice(0, half));
      const second = await sealGroup(of, group.slice(half));
      return { leaves: first.leaves + second.leaves, failures: [...first.failures, ...second.failures] };
    }
  }

  async function sealTogether(of: OfLog, group: readonly DueRun[]): Promise<Settled> {
    const { tenantId, log } = of;
    for (let attempt = 1; ; attempt++) {
      const view = await viewOf(of, group);
      const gatherer = createGatherer({ db: deps.db, tenantId, log, below: view.stepsBelow });
      const traceIds = [...view.members.keys()];
      await gatherer.load(traceIds.length > TRACES_AT_ONCE ? [] : traceIds);
      // What was carved is part of the next view, and then nothing is lacking, but for what another sealer admitted meanwhile.
      if (attempt < MAX_VIEWS && (await carve(of, gatherer, view))) continue;
      const events = await eventsOf(of, group, view);
      const sealings: Sealing[] = [];
      for (const run of group) sealings.push(await sealOne(of, run, { ...view, gatherer, events }));
      return settle(deps, of, sealings);
    }
  }

  async function eventsOf({ tenantId, log }: OfLog, group: readonly DueRun[], view: View): Promise<EventFinder> {
    const ask: Parameters<typeof createEventFinder>[0]['ask'] = (look) => lookUp(deps.db, tenantId, look);
    const finder = createEventFinder({ ask, tenantId, log, audit: heededOf(view.audit) });
    await finder.load(
      group.map((run) => run.runId),
      [...view.members.keys()],
    );
    return finder;
  }

  /**
   * What is known of runs that are due. Steps below what was followed, not below the head: what lies beyond will open the run again when the
   * cursor comes to it. MEMBER leaves below the head.
   */
  async function viewOf({ tenantId, log }: OfLog, group: readonly DueRun[]): Promise<View> {
    const runIds = group.map((run) => run.runId);
    return lookUp(deps.db, tenantId, async (tx) => {
      const followed = await readCursor(tx, tenantId, log);
      const audit = auditPlaces(await readAuditLogs(tx, tenantId));
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
        stepsBelow: followed,
        audit,
        system: sizeOf('system'),
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
  async function sealOne(of: OfLog, run: DueRun, view: Sources): Promise<Sealing> {
    const { runId } = run;
    const newest = view.known.get(runId);
    const covered = newest === undefined ? 0 : coveredBy(newest);
    const heeded = newest === undefined ? 0 : eventsHeeded(newest, view.audit.logs);
    // Sealed by a process that died, or lost its lease, before it could note it.
    if (newest !== undefined && covered > run.lastIndex && (run.lastEvent < 0 || heeded > run.lastEvent))
      return {
        kind: 'sealed',
        runId,
        below: covered,
        eventsBelow: heeded,
        index: newest.index,
        conversation: conversationOf(newest.leaf),
        leaves: 0,
      };
    // Noted of a generation that is closed, by a turn that was under way: this one never opened it, so there is nothing to say.
    if (newest === undefined && of.log !== 'llm-runs') return { kind: 'same', runId, ...ALL_COVERED, leaves: 0 };
    try {
      const fold = createFold();
      const traces = (view.traces.get(runId) ?? []).map((traceId) => ({
        traceId,
        members: view.members.get(traceId) ?? [],
      }));
      const steps = await view.gatherer.fold(fold, runId, traces);
      const overrides = createOverrideFold();
      const events = fold.isEmpty() ? 0 : await foldEvents([fold, overrides], runId, traces, view);
      const leaves = steps + events;
      const place = placeOf(of, run, view);
      const draft = fold.isEmpty()
        ? supersededLeaf(place, successorOf(run, traces))
        : runLeaf({ ...place, summary: await summarise(of, run, fold, traces) });
      const made = { runId, below: view.stepsBelow, eventsBelow: view.audit.followed, leaves };
      if (newest !== undefined && saysTheSame(newest, draft)) return { kind: 'same', ...made };
      const audit = deps.originOf(of.tenantId, view.audit.logs.at(-1)?.log ?? 'audit');
      const concluded = overrides.finish().map((override) => overrideLeaf(audit, override));
      return { kind: 'ready', ...made, draft, concluded, before: newest?.leaf ?? null };
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

/** Gives each of `folds` the events of a run. Resolves to how many leaves that were. */
async function foldEvents(
  folds: readonly EventFold[],
  runId: string,
  traces: readonly TraceOfRun[],
  { stepsBelow, membersBelow, audit, gatherer, events }: Sources,
): Promise<number> {
  const { runsOfSpans } = gatherer;
  let count = 0;
  for await (const some of events.of({
    runId,
    traces,
    stepsBelow,
    membersBelow,
    audit: heededOf(audit),
    runsOfSpans,
  })) {
    count += some.length;
    for (const event of some) for (const fold of folds) fold.addEvent(event);
  }
  return count;
}

/** What is known of runs that are sealed together. */
interface View {
  /** Steps below it were followed. */
  readonly stepsBelow: number;
  readonly audit: AuditPlaces;
  /** Size of the log of topic `system`. */
  readonly system: number;
  readonly membersBelow: number;
  readonly known: ReadonlyMap<string, KnownRun>;
  /** The traces of each run. */
  readonly traces: ReadonlyMap<string, readonly string[]>;
  readonly members: ReadonlyMap<string, readonly Member[]>;
  readonly now: string;
}

/** And where their leaves are read. */
interface Sources extends View {
  readonly gatherer: Gatherer;
  readonly events: EventFinder;
}

/** Beyond every leaf and every event. */
const ALL_COVERED = { below: Number.MAX_SAFE_INTEGER, eventsBelow: Number.MAX_SAFE_INTEGER };

/** The logs of topic `audit` that a RUN leaf names, and below which leaf index it heeds them. */
function heededOf({ logs }: AuditPlaces): { readonly log: string; readonly size: number }[] {
  return logs.map(({ log, followed }) => ({ log, size: followed }));
}

function earliest(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b < a) ? b : a;
}

function placeOf(of: OfLog, run: DueRun, view: View): RunPlace {
  return {
    origin: of.origin,
    runId: run.runId,
    traceId: run.traceId,
    revision: (view.known.get(run.runId)?.revision ?? 0) + 1,
    runIndex: run.openedIndex,
    runOccurredAt: run.runOccurredAt,
    sizes: {
      'llm-runs': view.stepsBelow,
      system: view.system,
      ...Object.fromEntries(heededOf(view.audit).map(({ log, size }) => [log, size])),
    },
    membersBelow: view.membersBelow,
    synthetic: of.synthetic,
  };
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
