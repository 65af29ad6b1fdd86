import { CLEARED_BY_HAND } from '@sworn/contract';
import { emptyFrontier, encodeFrontier, type Frontier } from '@sworn/evidence';
import { timestamp } from '../access/keys.js';
import type { CheckCursor } from '../store/checkState.js';
import { type HeadRow, type LogPlace, readBatchBefore, readHeads } from '../store/checking.js';
import { inTenant, outsideTenants } from '../store/database.js';
import { NO_ANOMALIES, sumOf } from './anomalies.js';
import { breather, Stopped } from './breather.js';
import type { Checking } from './checking.js';
import { NONE, startedAt, treeOf } from './cursor.js';
import { checkGeneration, checkMemory, demandPlainTables, stateOf } from './engine.js';
import { type Finding, findingId, findingOf, isOfDeployment, isOfSigner } from './finding.js';
import { checkRange, type LogCheck, type LogResult, type LogState } from './log.js';
import { readOwnCursors, tellForeign, writeOwnCursor, writeOwnRound } from './ownState.js';
import type { Register } from './register.js';
import { checkBeyond } from './strays.js';

/** A whole pass over all that is there takes at most this long. */
const SCRUB_MS = 7 * 86_400_000;
/** Leaves of one slice of it, however few there are: a million in three hours. */
const SLICE_LEAVES = 1_024;
/** New leaves of one log that are looked at before others have their turn: of a log that nobody looked at yet, all are new. */
const NEW_AT_ONCE = 65_536;
/** With as many as come in, the rest of a round has its turn after this long. */
const NEW_MS = 60_000;
/** That the checks go round is noted this often. */
const NOTE_EVERY_MS = 5_000;
/** A log whose tree is lost is walked again only so often: each time it is walked from where it was lost. */
const LOST_AGAIN_MS = 600_000;

/** What goes round the logs. */
export interface PatrolDeps {
  readonly checking: Checking;
  readonly register: Register;
  readonly tenants: () => Promise<readonly string[]>;
  /** Milliseconds between two rounds, about. */
  readonly everyMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whether this process still is the one that checks; asked before each log. */
  readonly holdsLease: () => Promise<boolean>;
  readonly stopping: AbortSignal;
  /** Told of each finding that was opened. */
  readonly onFinding: (finding: Finding) => void;
}

/** The checks that nobody has to ask for. */
export interface Patrol {
  /** One round: what is new of every log, then a slice of all there is. */
  round(): Promise<void>;
  /** Leaves that are not checked yet, of all logs, as of the last round. */
  behind(): number;
}

/**
 * Checks new records within a minute (V1 to V10, but for opening bodies) and, slice by slice, all of them within seven days. Its cursors are working
 * rows that a superuser may move: what is thereby left out of the first is met by the second.
 */
export function createPatrol(deps: PatrolDeps): Patrol {
  const { checking, register, now } = deps;
  const cursors = new Map<string, CheckCursor>();
  /** Logs whose cursor this process made itself: one that a row had may be anybody's. */
  const own = new Set<string>();
  const lost = new Map<string, number>();
  const summarised = new Map<string, string>();
  /** By log: the way round that this process began itself at the first leaf, and what was met on it. Rows say nothing of it. */
  const passes = new Map<string, Pass>();
  /** Whether nobody can say that readers see what this round sees: then nothing of it is vouched for. */
  let isOdd = false;
  /** What kept logs of this round from being checked. */
  let failures: unknown[] = [];
  let behind = 0;
  let noted = Number.NEGATIVE_INFINITY;
  /** Logs that have had their slice of this turn. */
  let next = 0;

  /** Opens what was found, and remembers that it was met on the way round. */
  async function meet(place: LogPlace, findings: readonly Finding[]): Promise<void> {
    for (const opened of await register.met(findings)) deps.onFinding(opened);
    const met = passes.get(nameOf(place))?.met;
    for (const finding of findings) met?.add(findingId(finding));
    // What was left out may be open too.
    if (findings.length >= FINDINGS_A_ROUND) passes.delete(nameOf(place));
  }

  /** Checks a range; what is found is told when all of it was. */
  async function look(
    place: LogPlace,
    state: LogState,
    range: Looked,
  ): Promise<LogResult & { readonly findings: Finding[] }> {
    const findings: Finding[] = [];
    const tell = (said: Omit<Finding, 'check'>): void => {
      if (findings.length < FINDINGS_A_ROUND) findings.push(findingOf(said));
    };
    const onProgress = () => undefined;
    const result = await checkRange(checking, state, {
      place,
      ...range,
      tilesAtOnce: 1,
      tell,
      onProgress,
      breathe: breather(deps.stopping),
    });
    return { ...result, findings };
  }

  async function checkNew(place: LogPlace, head: HeadRow, cursor: CheckCursor): Promise<CheckCursor> {
    const name = nameOf(place);
    const state = await stateOf(checking, place, head);
    const lookFrom = async (from: Frontier, countFrom: number) => {
      const below = Math.min(await endOfBatch(place, from.size + NEW_AT_ONCE), state.size);
      return { below, ...(await look(place, state, { from, below, depth: 'beside', countFrom })) };
    };
    let found = await lookFrom(treeOf(cursor.nextIndex, cursor.frontier), cursor.verified);
    const isAnew = found.verified < found.below && !own.has(name);
    if (isAnew) found = await lookFrom(emptyFrontier, 0);
    const { verified, resumeFrom, findings } = found;
    await lookAround(place, head, findings);
    await meet(place, findings);
    own.add(name);
    if (verified < Math.min(found.below, head.size) || head.size < cursor.verified) lost.set(name, now());
    else lost.delete(name);
    const tree = { nextIndex: resumeFrom.size, frontier: encodeFrontier(resumeFrom) };
    // Of a log that is lost they would be counted each time it is walked.
    const more = verified < found.below ? NO_ANOMALIES : (found.anomalies ?? NO_ANOMALIES);
    const counted = sumOf(isAnew ? NO_ANOMALIES : cursor, more);
    return { ...cursor, ...tree, verified, checkedAt: timestamp(now()), ...counted };
  }

  /** Where the batch ends in which leaf `index` − 1 is: its root proves what lies before. */
  async function endOfBatch(place: LogPlace, index: number): Promise<number> {
    const batch = await checking.ask((tx) => readBatchBefore(tx, place, index));
    return Math.max(index, batch === null ? 0 : batch.first + batch.count);
  }

  async function scrubSlice(place: LogPlace, head: HeadRow, cursor: CheckCursor, leaves: number): Promise<CheckCursor> {
    const from = treeOf(cursor.scrubIndex, cursor.scrubFrontier);
    if (from.size === 0) passes.set(nameOf(place), { beganAt: timestamp(now()), met: new Set() });
    const below = Math.min(await endOfBatch(place, from.size + leaves), cursor.verified, head.size);
    // The head is looked at where it is reached.
    const state = { head, size: below === head.size ? head.size : Number.POSITIVE_INFINITY };
    const { resumeFrom, verified, findings } = await look(place, state, {
      from,
      below,
      depth: 'all',
      countFrom: below,
    });
    if (verified < below && from.size > 0 && !own.has(nameOf(place)))
      return { ...cursor, scrubIndex: 0, scrubFrontier: NONE };
    const isAtEnd = below === Math.min(cursor.verified, head.size);
    const isThrough = isAtEnd || resumeFrom.size <= from.size;
    if (isThrough) await lookAround(place, head, findings);
    await meet(place, findings);
    if (!isThrough) return { ...cursor, scrubIndex: resumeFrom.size, scrubFrontier: encodeFrontier(resumeFrom) };
    if (isAtEnd) await clearGone(place, head, below);
    const at = timestamp(now());
    const scrubbedAt = isAtEnd ? at : cursor.scrubbedAt;
    return { ...cursor, scrubIndex: 0, scrubFrontier: NONE, scrubBeganAt: at, scrubbedAt };
  }

  /** What nobody met on the whole way, which this process went itself, is gone: as far as the way went. */
  async function clearGone({ tenantId, log }: LogPlace, head: HeadRow, below: number): Promise<void> {
    const name = nameOf({ tenantId, log });
    const pass = passes.get(name);
    passes.delete(name);
    if (pass === undefined) return;
    await register.clear(tenantId, pass.beganAt, (finding) => {
      const isHere = finding.tenantId === tenantId && finding.log === log && !pass.met.has(finding.id);
      const isReached = finding.index === null || below === head.size || (finding.to ?? finding.index) < below;
      const isLookedFor = !isOfSigner(finding) && !CLEARED_BY_HAND.has(finding.code);
      return isHere && isLookedFor && !isOfDeployment(finding) && (isReached || finding.check === 'V2');
    });
  }

  /** What is about a log as a whole, beside its leaves. */
  async function lookAround(place: LogPlace, head: HeadRow, findings: Finding[]): Promise<void> {
    const tell = (said: Omit<Finding, 'check'>): void => void findings.push(findingOf(said));
    await checkMemory(checking, place, tell);
    await checkGeneration(checking, place, head, tell);
    await checkBeyond(checking, place, tell);
  }

  async function store(place: LogPlace, cursor: CheckCursor): Promise<void> {
    if (isOdd) return;
    cursors.set(nameOf(place), cursor);
    await inTenant(checking.db, 'recorder', place.tenantId, (tx) => writeOwnCursor(checking, tx, place, cursor));
  }

  /** Says that the checks are at work, for all who say what was checked. */
  async function note(): Promise<void> {
    if (isOdd || performance.now() - noted < NOTE_EVERY_MS) return;
    noted = performance.now();
    await outsideTenants(checking.db, 'recorder', (tx) => writeOwnRound(checking, tx, timestamp(now())));
  }

  /** All logs, each with the cursor that this process has, else the stored one if it is ours. One that is not is told, and written anew. */
  async function readLogs(): Promise<Placed[]> {
    const logs: Placed[] = [];
    for (const tenantId of await deps.tenants()) {
      const heads = await checking.ask((tx) => readHeads(tx, tenantId));
      const stored = await checking.ask((tx) => readOwnCursors(checking, tx, tenantId));
      const foreign = new Set(stored.foreign);
      for (const head of heads) {
        const place = { tenantId, log: head.log };
        const name = nameOf(place);
        if (!cursors.has(name)) cursors.set(name, stored.ours.get(head.log) ?? startedAt(timestamp(now())));
        if (foreign.has(head.log)) await apart(() => replaceForeign(place));
        logs.push({ place, head });
      }
    }
    return logs;
  }

  async function replaceForeign(place: LogPlace): Promise<void> {
    if (!(await deps.holdsLease())) return;
    const findings: Finding[] = [];
    tellForeign(place, (said) => findings.push(findingOf(said)));
    await meet(place, findings);
    await store(place, cursorOf(place));
  }

  const cursorOf = (place: LogPlace): CheckCursor => cursors.get(nameOf(place)) ?? startedAt(timestamp(now()));

  async function newOnes(logs: readonly Placed[]): Promise<void> {
    behind = logs.reduce((sum, { place, head }) => sum + Math.max(0, head.size - cursorOf(place).verified), 0);
    const begun = performance.now();
    for (let more = true; more && performance.now() - begun < NEW_MS; ) {
      more = false;
      for (const { place, head } of logs) {
        const cursor = cursorOf(place);
        const isLost = now() - (lost.get(nameOf(place)) ?? 0) < LOST_AGAIN_MS;
        if (head.size === cursor.verified || isLost) continue;
        if (!(await deps.holdsLease())) return;
        await note();
        await apart(async () => {
          const moved = await checkNew(place, head, cursor);
          behind -= Math.max(0, moved.verified - cursor.verified);
          await store(place, moved);
          more ||= moved.verified > cursor.verified && moved.verified < head.size;
        });
      }
    }
  }

  async function scrub(logs: readonly Placed[]): Promise<void> {
    const total = logs.reduce((sum, { head }) => sum + head.size, 0);
    const slice = Math.max(SLICE_LEAVES, Math.ceil((total * deps.everyMs) / SCRUB_MS));
    for (let tried = 0; tried < logs.length; tried++) {
      const { place, head } = logs[next++ % logs.length] as Placed;
      const cursor = cursorOf(place);
      if (cursor.verified === 0 || !(await deps.holdsLease())) continue;
      await apart(async () => {
        const moved = await scrubSlice(place, head, cursor, slice);
        await store(place, moved);
        // A log that is not through has its next slice in the next round.
        if (moved.scrubIndex > 0) next--;
      });
      return;
    }
  }

  /** Once a day and tenant, what was checked is itself a record. */
  async function summarise(logs: readonly Placed[]): Promise<void> {
    const day = timestamp(now()).slice(0, 10);
    const due = new Set(logs.map(({ place }) => place.tenantId).filter((id) => summarised.get(id) !== day));
    for (const tenantId of due) {
      const mine = logs.filter(({ place }) => place.tenantId === tenantId);
      await register.summarise(
        tenantId,
        mine.map(({ place, head }) => ({ log: place.log, size: head.size, verified: cursorOf(place).verified })),
      );
      summarised.set(tenantId, day);
    }
  }

  /** One log that cannot be checked keeps no other from it: the round goes on, and fails at its end. */
  async function apart(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof Stopped) throw error;
      failures.push(error);
    }
  }

  return {
    async round() {
      failures = [];
      // A key that was erased is not kept, and one that somebody changed is looked at again.
      checking.keys.clear();
      try {
        await apart(() => demandPlainTables(checking));
        isOdd = failures.length > 0;
        const logs = await readLogs();
        await newOnes(logs);
        await summarise(logs);
        await scrub(logs);
        if (await deps.holdsLease()) await note();
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      }
      if (failures.length > 0) throw failures[0];
    },
    behind: () => behind,
  };
}

/** A way round one log. */
interface Pass {
  readonly beganAt: string;
  /** Ids of what was met on it. */
  readonly met: Set<string>;
}

interface Placed {
  readonly place: LogPlace;
  readonly head: HeadRow;
}

type Looked = Pick<LogCheck, 'from' | 'below' | 'depth' | 'countFrom'>;

function nameOf({ tenantId, log }: LogPlace): string {
  return `${tenantId}/${log}`;
}

/** A table that was emptied makes a finding of every record; the rest is found again while these stand. */
const FINDINGS_A_ROUND = 100;
