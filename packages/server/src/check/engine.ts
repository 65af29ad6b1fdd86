import { emptyFrontier, equalBytes } from '@sworn/evidence';
import type { Signed } from '../sign/journal.js';
import {
  countLeavesFrom,
  type HeadRow,
  type LogPlace,
  readBatchBefore,
  readHeads,
  readNewestCheckpoint,
  readSize,
} from '../store/checking.js';
import { readOddTables } from '../store/strayRows.js';
import type { Anomalies } from './anomalies.js';
import { type Breathe, type Checking, headNow, isGivenUp } from './checking.js';
import { type Finding, findingOf, type Tell } from './finding.js';
import { checkRange, type LogState } from './log.js';
import { checkSinks } from './outside.js';
import { checkOwnState } from './ownState.js';
import { checkPosture } from './posture.js';
import { isOurs } from './roots.js';
import { checkBeyond, checkUnknown } from './strays.js';

/** A file of a sink may have any name. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Findings of one kind in one table of a log that are kept; of a table that was emptied every record is one. The rest is counted. */
const FINDINGS_OF_A_KIND = 1_000;

/** Leaves read together are some megabytes with their bodies. */
const TILES_AT_ONCE = 16;

/** What is to be checked. */
export interface CheckRequest {
  /** Null: all of them. */
  readonly tenantId: string | null;
  /** Stored name; null: all of them. */
  readonly log: string | null;
  /** V1 to V5 only. */
  readonly treeOnly?: boolean;
  readonly onProgress?: (progress: CheckProgress) => void;
}

/** How far a check is. */
export interface CheckProgress {
  readonly place: LogPlace;
  /** Leaves looked at, of all logs, and how many there are. */
  readonly done: number;
  readonly total: number;
  /** Bytes of leaves and bodies that were read. */
  readonly bytes: number;
  readonly findings: number;
}

/** A log as it was found. */
export interface CheckedLog extends LogPlace {
  readonly size: number;
  /** Leaves that lie under a root written down outside of their rows. */
  readonly verified: number;
  /** Null: not looked for, since only the tree was. */
  readonly anomalies: Anomalies | null;
}

/** What a check found. */
export interface CheckReport {
  readonly logs: readonly CheckedLog[];
  /** About records: any of them makes the verdict. */
  readonly findings: readonly Finding[];
  /** About the walls around them (V11). */
  readonly advisories: readonly Finding[];
  /** Findings beyond those that are kept. */
  readonly more: number;
  readonly leaves: number;
  readonly bytes: number;
}

/**
 * Checks everything there is, or one tenant or log of it: V1 to V11, reading as the checker's role. Never stops at the first finding.
 * @throws StoreFailure when the database cannot be asked: then nothing is said. RangeError when there was nothing to look at, or when nothing was
 * found in tables of which nobody can say that readers see the same in them.
 */
export async function checkDeployment(
  checking: Checking,
  of: { readonly platformTenant: string; readonly tenants: readonly string[] },
  request: CheckRequest,
): Promise<CheckReport> {
  const findings: Finding[] = [];
  const advisories: Finding[] = [];
  const counts = new Map<string, number>();
  let more = 0;
  const tell: Tell = (said) => {
    const finding = findingOf(said);
    if (finding.check === 'V11') {
      advisories.push(finding);
      return;
    }
    const kind = `${finding.tenantId}/${finding.log}/${finding.code}/${finding.table}`;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (count > FINDINGS_OF_A_KIND) more++;
    else findings.push(finding);
  };
  const remembered = await rememberedPlaces(checking);
  const tenants = [...new Set([...of.tenants, ...remembered.map(({ tenantId }) => tenantId)])];
  const states: (LogPlace & { readonly state: LogState })[] = [];
  const places = new Set<string>();
  for (const tenantId of tenants.filter((id) => request.tenantId === null || id === request.tenantId)) {
    const heads = await checking.ask((tx) => readHeads(tx, tenantId));
    for (const head of heads) {
      places.add(`${tenantId}/${head.log}`);
      if (request.log === null || request.log === head.log)
        states.push({ tenantId, log: head.log, state: await stateOf(checking, { tenantId, log: head.log }, head) });
    }
  }
  for (const place of remembered)
    if (!places.has(`${place.tenantId}/${place.log}`) && isAsked(request, place) && !(await isGivenUp(checking, place)))
      tell({
        ...place,
        code: 'LOG_SHORTER_THAN_SIGNED',
        index: 0,
        table: 'log_head',
        expected: `a log of at least ${place.size} leaves`,
        found: 'no such log',
      });

  if (states.length === 0 && findings.length === 0 && (request.tenantId !== null || request.log !== null))
    throw new RangeError(
      `there is no log${request.log === null ? '' : ` ${request.log}`}${request.tenantId === null ? '' : ` of tenant ${request.tenantId}`}: nothing was checked`,
    );
  const total = states.reduce((sum, { state }) => sum + state.size, 0);
  const logs: CheckedLog[] = [];
  let [done, bytes] = [0, 0];
  for (const { tenantId, log, state } of states) {
    const place = { tenantId, log };
    const onProgress = (leaves: number, read: number): void => {
      done += leaves;
      bytes += read;
      request.onProgress?.({ place, done, total, bytes, findings: findings.length + more });
    };
    const { verified, anomalies } = await checkRange(checking, state, {
      place,
      from: emptyFrontier,
      below: state.size,
      depth: request.treeOnly === true ? 'tree' : 'all',
      tilesAtOnce: TILES_AT_ONCE,
      ahead: true,
      tell,
      onProgress,
      breathe: breather(),
      countFrom: 0,
    });
    await checkMemory(checking, place, tell);
    await checkGeneration(checking, place, state.head, tell);
    await checkBeyond(checking, place, tell);
    logs.push({ ...place, size: state.size, verified, anomalies });
  }
  for (const tenantId of new Set(states.map((state) => state.tenantId)))
    await checkOwnState(checking, tenantId, (log) => isAsked(request, { tenantId, log }), tell);
  if (request.log === null) {
    const isLog = ({ tenantId, log }: LogPlace) => places.has(`${tenantId}/${log}`);
    await checkUnknown(checking, { tenantId: request.tenantId, isLog }, tell);
  }
  if (request.tenantId === null && request.log === null) await checkPosture(checking, of.platformTenant, tell);
  if (findings.length === 0) {
    if (logs.length === 0) throw new RangeError('there are no logs: nothing was checked');
    await demandPlainTables(checking);
  }
  return { logs, findings, advisories, more, leaves: done, bytes };
}

/** As long as a socket takes to fill: then what the database has sent of the next chunk is taken, so that it goes on meanwhile. */
const RECEIVE_EVERY_MS = 2;

function breather(): Breathe {
  let begun = performance.now();
  return () => {
    if (performance.now() - begun < RECEIVE_EVERY_MS) return null;
    return new Promise((resolve) => {
      setImmediate(() => {
        begun = performance.now();
        resolve();
      });
    });
  };
}

/** @throws RangeError when what the checks read need not be what anybody else reads, so that to find nothing says nothing */
export async function demandPlainTables(checking: Checking): Promise<void> {
  const odd = await checking.ask(readOddTables);
  if (odd.length > 0)
    throw new RangeError(
      `not the tables that the migrations make, so nothing can be said of what is read from them: ${odd.join(', ')}`,
    );
}

function isAsked({ tenantId, log }: CheckRequest, place: LogPlace): boolean {
  return (tenantId === null || tenantId === place.tenantId) && (log === null || log === place.log);
}

/** A log's size, as far as anything beside its head knows of it: what we vouch for, and as many leaves as stand beyond that. */
export async function stateOf(checking: Checking, place: LogPlace, head: HeadRow): Promise<LogState> {
  const origin = checking.originOf(place.tenantId, place.log);
  const { batch, checkpoint } = await checking.ask(async (tx) => ({
    batch: await readBatchBefore(tx, place, Number.MAX_SAFE_INTEGER),
    checkpoint: await readNewestCheckpoint(tx, place),
  }));
  const isSigned = checkpoint !== null && (await checking.verifyCheckpoint(place.tenantId, place.log, checkpoint));
  const vouched = Math.max(
    checking.memory?.load(origin)?.size ?? 0,
    batch !== null && isOurs(checking, origin, batch) ? batch.first + batch.count : 0,
    isSigned ? checkpoint.size : 0,
  );
  if (head.size <= vouched) return { head, size: head.size };
  // Whoever writes a head, and a row or two far away, does not make us walk there.
  const beyond = await checking.ask((tx) => countLeavesFrom(tx, place, vouched, head.size - vouched));
  return { head, size: vouched + beyond };
}

/** Check V2: a log was given up, and goes on in a later generation, only where a LOG_RECOVERED leaf of ours says so. */
export async function checkGeneration(checking: Checking, place: LogPlace, head: HeadRow, tell: Tell): Promise<void> {
  const { log } = place;
  let recovered = await checking.recoveredOf(place.tenantId);
  const isOddlyThere = () => log.includes('.') && !recovered.opened.has(log);
  const isOddlyClosed = () => head.closed && !recovered.closed.has(log);
  if (isOddlyThere() || isOddlyClosed()) {
    // A recovery that is under way writes its leaf in a moment.
    await new Promise((resolve) => setTimeout(resolve, RECOVERY_MS));
    recovered = await checking.recoveredOf(place.tenantId);
  }
  const at = { ...place, code: 'LOG_NOT_RECOVERED', index: null, table: 'log_head' } as const;
  if (isOddlyThere())
    tell({ ...at, expected: 'a LOG_RECOVERED leaf that opened this generation', found: 'none of ours' });
  if (isOddlyClosed()) tell({ ...at, expected: 'a LOG_RECOVERED leaf that closed this log', found: 'none of ours' });
  // A log is closed before its leaf is written: what was read before it may say otherwise.
  if (!head.closed && recovered.closed.has(log) && (await headNow(checking, place))?.closed === false)
    tell({ ...at, code: 'HEAD_MISMATCH', expected: 'closed, as a LOG_RECOVERED leaf says', found: 'open' });
  const [topic, generation = '1'] = log.split('.');
  if (head.topic !== topic || String(head.generation) !== generation)
    tell({
      ...at,
      code: 'HEAD_MISMATCH',
      expected: `topic ${topic}, generation ${generation}`,
      found: `topic ${head.topic}, generation ${head.generation}`,
    });
}

/** Between the two steps of a recovery lies the time of a transaction. */
const RECOVERY_MS = 2_000;

/**
 * Check V2: the log is no shorter than what is remembered outside, and what it has of checkpoints is remembered there. Beside a signer at work the
 * order of reading counts: it remembers a size after it was committed, and stores the checkpoint after it remembered.
 */
export async function checkMemory(checking: Checking, place: LogPlace, tell: Tell): Promise<void> {
  if (await isGivenUp(checking, place)) return;
  await checkSinks(checking, place, tell);
  if (checking.memory === null) return;
  const newest = await checking.ask((tx) => readNewestCheckpoint(tx, place));
  const isSigned = newest !== null && (await checking.verifyCheckpoint(place.tenantId, place.log, newest));
  const signed = checking.memory.load(checking.originOf(place.tenantId, place.log));
  const size = await checking.ask((tx) => readSize(tx, place));
  if (signed !== null && size < signed.size)
    tell({
      ...place,
      code: 'LOG_SHORTER_THAN_SIGNED',
      index: size,
      table: 'leaf',
      expected: `at least ${signed.size} leaves`,
      found: `${size}`,
    });
  if (signed !== null && (await isFork(checking, place, signed))) return;
  if (isSigned && newest.size > (signed?.size ?? 0))
    tell({
      ...place,
      code: 'SIGNER_MEMORY_LOST',
      index: signed?.size ?? 0,
      table: 'checkpoint',
      expected: `memory of size ${newest.size}`,
      found: signed === null ? 'no memory' : `memory of size ${signed.size}`,
    });
}

/** Whether no batch of the log ends as what was signed: then it is another log, which the walk tells, and not one that was signed beyond it. */
async function isFork(checking: Checking, place: LogPlace, signed: Signed): Promise<boolean> {
  const batch = await checking.ask((tx) => readBatchBefore(tx, place, signed.size));
  return (
    batch?.first === undefined || batch.first + batch.count !== signed.size || !equalBytes(batch.rootAfter, signed.root)
  );
}

/** The logs that the signer or a sink remembers, by the names in their origins. */
async function rememberedPlaces({
  memory,
  sinks,
  originOf,
}: Checking): Promise<(LogPlace & { readonly size: number })[]> {
  const origins = new Set([...(memory?.origins() ?? []), ...(await sinks.origins())]);
  return [...origins].flatMap((origin) => {
    const [, tenantId, log] = origin.split('/');
    if (tenantId === undefined || !UUID.test(tenantId) || log === undefined || originOf(tenantId, log) !== origin)
      return [];
    return [{ tenantId, log, size: memory?.load(origin)?.size ?? 0 }];
  });
}
