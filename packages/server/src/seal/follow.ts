import { decodeLeaf } from '@sworn/evidence';
import type { Appended, LeafDraft } from '../record/draft.js';
import { type Database, inTenant, lookUp } from '../store/database.js';
import { readRunsOfTraces } from '../store/members.js';
import { readOpenAmong } from '../store/openRuns.js';
import {
  findRuns,
  type FollowedLeaf,
  type KnownRun,
  noteActivity,
  type RunActivity,
  readCursor,
  readLeavesFrom,
  readOpenSizes,
} from '../store/sealing.js';
import { memberLeaf, openedLeaf } from './leaves.js';
import { MAX_RUNS_OF_TRACE, type Member, ownerOf } from './membership.js';
import { type SeenMember, type Sighting, seenMembers, sightings } from './sighting.js';
import type { SealedStep } from './step.js';

/** Leaves followed in one turn, about 6 MB: a tenant with a flood waits for the others after this many. */
export const FOLLOW_LEAVES = 4_000;
/** Drafts in one call of the sequencer, which stores a call in one transaction. OPENED and MEMBER of a run are never parted. */
const APPEND_LEAVES = 2_000;
/** Runs looked up with one statement: the traces of a turn may have 64 runs each, and a statement its time. */
const RUNS_AT_ONCE = 1_000;
/** A run that keeps opening again waits longer each time, up to this. */
const LONGEST_WAIT_MS = 3_600_000;

/** What following needs. */
export interface FollowDeps {
  readonly db: Database;
  readonly append: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly isSynthetic: (tenantId: string) => Promise<boolean>;
  /** Milliseconds of quiet after the root until a run is sealed. */
  readonly graceMs: number;
  /** Milliseconds of quiet until a run without a root is sealed. */
  readonly idleMs: number;
}

/** How far a turn came. */
export interface Followed {
  readonly log: string;
  /** More leaves wait: `recorded_at` of the last one looked at, until which it is known what was quiet. Null: it came to the end. */
  readonly quietUntil: string | null;
}

/**
 * Follows `llm-runs` by leaf index, with a stored cursor: opens runs at first sight, says by MEMBER leaves which traces and subtrees are theirs,
 * and notes which of them have something new. Resolves to null when the tenant has no such log, or another process followed it meanwhile.
 */
export async function follow(deps: FollowDeps, tenantId: string): Promise<Followed | null> {
  const seen = await lookUp(deps.db, tenantId, async (tx) => {
    const log = (await readOpenSizes(tx, tenantId)).get('llm-runs')?.log;
    if (log === undefined) return null;
    const from = await readCursor(tx, tenantId, log);
    return { log, from, leaves: await readLeavesFrom(tx, tenantId, log, from, FOLLOW_LEAVES) };
  });
  if (seen === null) return null;
  const { log, from, leaves } = seen;
  const last = leaves.at(-1);
  if (last === undefined) return { log, quietUntil: null };
  const activity = await whatIsNew(deps, { tenantId, log }, leaves);
  const noted = await inTenant(deps.db, 'writer', tenantId, (tx) =>
    noteActivity(tx, tenantId, log, { of: log, from, to: last.index + 1 }, activity),
  );
  return noted ? { log, quietUntil: leaves.length === FOLLOW_LEAVES ? last.recordedAt : null } : null;
}

/** A tenant's log of steps. */
interface OfLog {
  readonly tenantId: string;
  readonly log: string;
}

async function whatIsNew(deps: FollowDeps, of: OfLog, leaves: readonly FollowedLeaf[]): Promise<RunActivity[]> {
  const seen = sightings(leaves);
  const followed = seenMembers(leaves);
  const traceIds = new Set([...seen.keys(), ...followed.filter((m) => !m.isOwn).map((m) => m.traceId)]);
  const { members, open } = await lookUp(deps.db, of.tenantId, async (tx) => ({
    members: byTrace(await readRunsOfTraces(tx, of.tenantId, of.log, [...traceIds])),
    open: await readOpenAmong(tx, of.tenantId, [...new Set(followed.map((m) => m.runId))]),
  }));
  const places = new Map(
    [...traceIds].map((traceId) => [traceId, placeOf(traceId, members.get(traceId) ?? [], seen.get(traceId))]),
  );
  const lost = followed.filter((m) => m.isOwn && !open.has(m.runId));
  const known = await knownRuns(deps, of, [
    ...[...places.values()].flatMap((p) => [...p.runs]),
    ...lost.map((m) => m.runId),
  ]);
  const opened = await openNew(deps, of, [...places.values()], known);
  const news = new Map<string, News>();
  for (const place of places.values()) for (const one of newsOf(place, known)) tell(news, one);
  for (const member of [...lost, ...followed.filter((m) => !m.isOwn)]) {
    for (const one of newsOfMember(member, places, known)) tell(news, one);
  }
  return [...news.values()].map((one) => activityOf(deps, one, known.get(one.runId) ?? opened.get(one.runId)));
}

/** A trace: the runs that have a part of it, and what must be appended to say so. */
interface Place {
  readonly traceId: string;
  readonly owner: string;
  readonly sighting: Sighting | undefined;
  /** In the order in which they came to it. */
  readonly runs: ReadonlySet<string>;
  readonly joining: readonly Joining[];
}

/** A run that has no part of the trace yet: it takes it whole, or the subtree of the step that named it. */
interface Joining {
  readonly runId: string;
  readonly first: SealedStep;
  readonly root: string | null;
}

/**
 * Who has a part of a trace. The first run that is named takes all of it; until one is, the trace's own run stands in. Each one that is named
 * later takes the subtree of the step that names it; which other subtrees it has is known when it is sealed.
 */
function placeOf(traceId: string, members: readonly Member[], sighting: Sighting | undefined): Place {
  const runs = new Set(members.map((m) => m.runId));
  const joining: Joining[] = [];
  let owner = ownerOf(traceId, members);
  for (const [runId, first] of sighting?.named ?? []) {
    if (runs.has(runId) || runId === traceId) continue;
    if (runs.size - Number(runs.has(traceId)) >= MAX_RUNS_OF_TRACE) break;
    joining.push({ runId, first, root: owner === traceId ? null : first.spanId });
    if (owner === traceId) owner = runId;
    runs.add(runId);
  }
  const first = sighting?.first ?? null;
  if (first !== null && (runs.size === 0 || (sighting?.named.has(traceId) === true && !runs.has(traceId)))) {
    joining.push({ runId: traceId, first, root: null });
    runs.add(traceId);
  }
  return { traceId, owner, sighting, runs, joining };
}

/** What is known of these runs, by id. */
export async function knownRuns(
  { db }: Pick<FollowDeps, 'db'>,
  { tenantId, log }: OfLog,
  runIds: readonly string[],
): Promise<Map<string, KnownRun>> {
  const asked = [...new Set(runIds)];
  const known = new Map<string, KnownRun>();
  for (let from = 0; from < asked.length; from += RUNS_AT_ONCE) {
    const some = asked.slice(from, from + RUNS_AT_ONCE);
    const found = await lookUp(db, tenantId, (tx) => findRuns(tx, tenantId, log, some));
    for (const run of found) known.set(run.runId, run);
  }
  return known;
}

/** What is known of a run that was just opened: it has no revision yet. */
type OpenedRun = Omit<KnownRun, 'index' | 'leaf'>;

/** Appends OPENED and MEMBER leaves. Resolves to the runs that they opened. */
async function openNew(
  deps: FollowDeps,
  of: OfLog,
  places: readonly Place[],
  known: ReadonlyMap<string, KnownRun>,
): Promise<Map<string, OpenedRun>> {
  const origin = deps.originOf(of.tenantId, of.log);
  const synthetic = await deps.isSynthetic(of.tenantId);
  const opened = new Map<string, OpenedRun>();
  const twice: string[] = [];
  let drafts: LeafDraft[] = [];
  const flush = async () => {
    const appended = await deps.append(of.tenantId, drafts);
    for (const [i, { kind, runId }] of drafts.entries()) {
      const run = kind === 'OPENED' ? opened.get(runId ?? '') : undefined;
      const leaf = appended[i];
      if (leaf === undefined) throw new Error('the sequencer answered for fewer leaves than it was given');
      if (run === undefined) continue;
      opened.set(run.runId, { ...run, runIndex: leaf.index });
      if (leaf.outcome !== 'stored') twice.push(run.runId);
    }
    drafts = [];
  };
  for (const { traceId, joining } of places) {
    for (const { runId, first, root } of joining) {
      if (!known.has(runId) && !opened.has(runId)) {
        drafts.push(openedLeaf(origin, { runId, traceId, first, synthetic }));
        opened.set(runId, { runId, traceId, revision: 0, runIndex: 0, runOccurredAt: first.occurredAt });
      }
      drafts.push(
        memberLeaf(origin, { runId, traceId, occurredAt: first.occurredAt, roots: root === null ? null : [root] }),
      );
    }
    if (drafts.length >= APPEND_LEAVES) await flush();
  }
  if (drafts.length > 0) await flush();
  // Another process opened them first, maybe at another step.
  for (const run of (await knownRuns(deps, of, twice)).values()) opened.set(run.runId, run);
  return opened;
}

/** That something of a run is new. */
export interface News {
  readonly runId: string;
  steps: number;
  /** -1: no leaf of `llm-runs` is. */
  lastIndex: number;
  /** Place of an event (`RunActivity`); -1: none is. */
  lastEvent: number;
  lastSeenAt: string;
  rootSeenAt: string | null;
  /** Its trace has become another run's: there is nothing to wait for. */
  atOnce: boolean;
  isForeign: boolean;
}

function newsOf(place: Place, known: ReadonlyMap<string, KnownRun>): News[] {
  const { sighting, runs, traceId, owner } = place;
  if (sighting === undefined) return [];
  const { steps, lastIndex, lastSeenAt, rootSeenAt, named, isForeign } = sighting;
  return [...runs]
    .filter((runId) => runId !== traceId || named.has(traceId) || !isSuperseded(known.get(traceId)))
    .map((runId) => ({
      runId,
      steps,
      lastIndex,
      lastEvent: -1,
      lastSeenAt,
      rootSeenAt,
      atOnce: runId === traceId && owner !== traceId,
      isForeign,
    }));
}

/** Every run of the trace must be sealed with this MEMBER leaf in view, or have it before it. */
function newsOfMember(
  member: SeenMember,
  places: ReadonlyMap<string, Place>,
  known: ReadonlyMap<string, KnownRun>,
): News[] {
  const { index, recordedAt, traceId } = member;
  const place = member.isOwn ? undefined : places.get(traceId);
  return [...(place?.runs ?? [member.runId])]
    .filter((runId) => index >= membersBelow(known.get(runId)))
    .map((runId) => ({
      runId,
      steps: 0,
      lastIndex: index,
      lastEvent: -1,
      lastSeenAt: recordedAt,
      rootSeenAt: null,
      atOnce: place !== undefined && runId === traceId && place.owner !== traceId,
      isForeign: false,
    }));
}

/** Adds to what is new of its run. */
export function tell(news: Map<string, News>, one: News): void {
  const told = news.get(one.runId);
  if (told === undefined) {
    news.set(one.runId, one);
    return;
  }
  told.steps += one.steps;
  told.lastIndex = Math.max(told.lastIndex, one.lastIndex);
  told.lastEvent = Math.max(told.lastEvent, one.lastEvent);
  if (one.lastSeenAt > told.lastSeenAt) told.lastSeenAt = one.lastSeenAt;
  told.rootSeenAt ??= one.rootSeenAt;
  told.atOnce &&= one.atOnce;
  told.isForeign &&= one.isForeign;
}

/** What is noted of a run, with the waits that its revision comes to. */
export function activityOf(
  deps: Pick<FollowDeps, 'graceMs' | 'idleMs'>,
  news: News,
  run: KnownRun | OpenedRun | undefined,
): RunActivity {
  if (run === undefined) throw new Error('a MEMBER leaf names a run that was never opened');
  const { runId, steps, lastIndex, lastEvent, lastSeenAt, atOnce, isForeign } = news;
  const wait = (ms: number) =>
    atOnce ? 0 : Math.min(ms * 2 ** Math.min(run.revision, 16), Math.max(ms, LONGEST_WAIT_MS));
  return {
    runId,
    traceId: run.traceId,
    openedIndex: run.runIndex,
    runOccurredAt: run.runOccurredAt,
    revision: run.revision,
    steps,
    lastIndex,
    lastEvent,
    lastSeenAt,
    isForeign,
    rootSeenAt: news.rootSeenAt ?? ('leaf' in run && hadRoot(run) ? lastSeenAt : null),
    graceMs: wait(deps.graceMs),
    idleMs: wait(deps.idleMs),
  };
}

function hadRoot(run: KnownRun): boolean {
  return run.revision > 0 && decodeLeaf(run.leaf).fields.root_missing === false;
}

/** Whether a run went into another. */
export function isSuperseded(run: KnownRun | undefined): boolean {
  return run !== undefined && run.revision > 0 && decodeLeaf(run.leaf).fields.superseded_by !== undefined;
}

/** Leaf index below which the newest RUN leaf knows all MEMBER leaves, in old ones its own; 0 while there is none. */
function membersBelow(run: KnownRun | undefined): number {
  if (run === undefined || run.revision === 0) return 0;
  const { members_below: below } = decodeLeaf(run.leaf).fields;
  return typeof below === 'number' ? below : run.index;
}

function byTrace(members: readonly Member[]): Map<string, Member[]> {
  const traces = new Map<string, Member[]>();
  for (const member of members) {
    const same = traces.get(member.traceId);
    if (same === undefined) traces.set(member.traceId, [member]);
    else same.push(member);
  }
  return traces;
}
