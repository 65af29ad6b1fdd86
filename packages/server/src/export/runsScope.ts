import {
  belongsBySeal,
  type Bond,
  fromUtf8,
  hex,
  type LeftOutRun,
  membersOf,
  namesIncident,
  topicOfLog,
} from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import type { ReadDeps } from '../read/reading.js';
import { type PinnedRun, pinRun } from '../read/settled.js';
import { inTenant, type Tx } from '../store/database.js';
import { readExportedLeaves } from '../store/exporting.js';
import { findCandidates, type TellLooked, type TiedRun } from './findRuns.js';
import { ExportRefused } from './refused.js';
import { type RunScope, scopeOfRun } from './runScope.js';
import type { ScopedLog } from './scope.js';

/** The runs of one conversation, incident or subject. */
export interface FoundRuns {
  /** In the order in which they were opened. */
  readonly runs: readonly RunScope[];
  /** In the order of their ids. */
  readonly leftOut: readonly LeftOutRun[];
  /** The leaves of all of them, each once, in the order of the names of the logs. */
  readonly logs: readonly ScopedLog[];
}

/** Runs in one bundle: each has seven files of its own, and an archive at most 4,096 (docs/spec/archive.md). */
const MAX_RUNS = 500;
/** Leaves in one bundle: lying between ten million of others, their proof has 62 MB of the 64 MB that a verifier reads at once. */
const MAX_LEAVES = 200_000;
/** Runs that a bundle names as left out: with those that are there they fit the megabyte that a verifier takes for a statement. */
const MAX_LEFT_OUT = 1_000;
/** Leaves read at once, at most 8 MB. */
const LEAVES_AT_ONCE = 500;

/** Tells how far finding is. */
export interface TellFinding {
  readonly onLooked: TellLooked;
  readonly onRun: (run: number, of: number) => void;
}

/**
 * Finds the settled runs that belong together, each by what its newest leaf says of it, and the leaves of each as a bundle of it alone has them. One that is
 * open, or was sealed before a record tied it, is named and not there.
 * @throws Refusal `not_found`, `evidence_compromised`; ExportRefused
 */
export async function readRuns(
  deps: ReadDeps,
  tenantId: string,
  bond: Bond,
  { onLooked, onRun }: TellFinding,
): Promise<FoundRuns> {
  const { runIds, tied } = await findCandidates(deps, tenantId, bond, onLooked);
  const runs = new Map<string, RunScope>();
  const leftOut = new Map<string, LeftOutRun>();
  let leaves = 0;
  for (const [i, runId] of runIds.entries()) {
    const found = await inSnapshot(deps, tenantId, (tx) => readOne(deps, tx, { tenantId, runId, bond, runs }));
    onRun(i + 1, runIds.length);
    if (found === null) continue;
    if ('reason' in found) {
      leftOut.set(found.run_id, found);
      continue;
    }
    runs.set(found.runId, found);
    leaves += found.logs.reduce((sum, { indexes }) => sum + indexes.length, 0);
    if (runs.size > MAX_RUNS) throw tooLarge(bond, `${MAX_RUNS} runs`);
    if (leaves > MAX_LEAVES) throw tooLarge(bond, `${MAX_LEAVES} records`);
  }
  for (const one of tied) {
    if (runs.has(one.runId) || leftOut.has(one.runId)) continue;
    const pending = await inSnapshot(deps, tenantId, (tx) => leftOutOf(deps, tx, tenantId, one));
    if (pending !== null && !runs.has(pending.run_id)) leftOut.set(pending.run_id, pending);
  }
  if (leftOut.size > MAX_LEFT_OUT) throw tooLarge(bond, `${MAX_LEFT_OUT} runs that are not sealed`);
  if (runs.size === 0) throw noneOf(bond, [...leftOut.values()]);
  const inOrder = [...runs.values()].sort(byOpening);
  return {
    runs: inOrder,
    leftOut: [...leftOut.values()].sort((a, b) => (a.run_id < b.run_id ? -1 : 1)),
    logs: unionOf(inOrder),
  };
}

function inSnapshot<T>(deps: ReadDeps, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return inTenant(deps.db, 'reader', tenantId, work, { readOnly: true, snapshot: true, inIndexOrder: true });
}

interface Asked {
  readonly tenantId: string;
  readonly runId: string;
  readonly bond: Bond;
  /** Those that were read before. */
  readonly runs: ReadonlyMap<string, RunScope>;
}

/** A candidate as it is now: its leaves, why it is not there, or null where it does not belong, or was read before. */
async function readOne(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, runId, bond, runs }: Asked,
): Promise<RunScope | LeftOutRun | null> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: null });
  const belongs = runs.has(run.runId) ? false : belongsBySeal(bond, run.newest.members);
  if (belongs === false) return null;
  if (run.seal === null) return { run_id: run.runId, reason: 'NOT_SEALED' };
  const scope = await scopeOfRun(deps, tx, tenantId, run);
  return belongs === true || (await isNamed(tx, scope, bond)) ? scope : null;
}

/** Whether its steps or events name the incident: its RUN leaf has no room for all that it names. */
async function isNamed(tx: Tx, { tenantId, logs }: RunScope, { value }: Bond): Promise<boolean> {
  for (const { log, indexes } of logs.filter((one) => topicOfLog(one.log) !== 'system'))
    for (let from = 0; from < indexes.length; from += LEAVES_AT_ONCE)
      for (const { leaf } of await readExportedLeaves(tx, tenantId, log, indexes.slice(from, from + LEAVES_AT_ONCE)))
        if (namesIncident(membersOf(JSON.parse(fromUtf8(leaf))), value)) return true;
  return false;
}

/** A run that a leaf of `audit` ties and that is not among those that say so: it was not sealed since, or is none. Null: it was, and that leaf is not about it. */
async function leftOutOf(deps: ReadDeps, tx: Tx, tenantId: string, tied: TiedRun): Promise<LeftOutRun | null> {
  const { runId, log, index, isNamed: byName } = tied;
  const run: PinnedRun | null = await pinRun(deps, tx, { tenantId, runId, pins: null }).catch((error: unknown) => {
    if (error instanceof Refusal && error.code === 'not_found') return null;
    throw error;
  });
  if (run === null) return byName ? { run_id: runId, reason: 'NOT_FOUND' } : null;
  const hasLooked = run.seal !== null && (run.newest.members.object('sizes').count(log) ?? 0) > index;
  return hasLooked ? null : { run_id: run.runId, reason: 'NOT_SEALED' };
}

function noneOf({ by, value }: Bond, leftOut: readonly LeftOutRun[]): Error {
  const of = `${by.toLowerCase()} ${value}`;
  const open = leftOut.filter(({ reason }) => reason === 'NOT_SEALED').map(({ run_id }) => run_id);
  if (open.length === 0) return new Refusal('not_found', `no run of ${of} is there`);
  const first = `${open.slice(0, 3).join(', ')}${open.length > 3 ? ` and ${open.length - 3} more` : ''}`;
  return new ExportRefused('not_sealed', `no run of ${of} is sealed yet, but there is ${first}: export it once it is`);
}

function tooLarge({ by, value }: Bond, what: string): ExportRefused {
  const detail = `${by.toLowerCase()} ${value} has more than ${what}, as many as one bundle holds: export its runs one by one, with --run`;
  return new ExportRefused('too_large', detail);
}

function byOpening(a: RunScope, b: RunScope): number {
  if (a.newest.log !== b.newest.log) return generationOf(a.newest.log) - generationOf(b.newest.log);
  return a.openedAt - b.openedAt;
}

function generationOf(log: string): number {
  return Number(/\.([0-9]+)$/.exec(log)?.[1] ?? '1');
}

/** Each leaf once. A log's pin is that of the run whose last leaf there is the last of all. */
function unionOf(runs: readonly RunScope[]): ScopedLog[] {
  const byLog = new Map<string, ScopedLog[]>();
  for (const one of runs.flatMap(({ logs }) => logs)) byLog.set(one.log, [...(byLog.get(one.log) ?? []), one]);
  return [...byLog.values()]
    .map((parts) => {
      const indexes = [...new Set(parts.flatMap((part) => part.indexes))].sort((a, b) => a - b);
      const last = parts.find((part) => part.indexes.at(-1) === indexes.at(-1)) as ScopedLog;
      return { ...last, indexes };
    })
    .sort((a, b) => (a.log < b.log ? -1 : 1));
}

/** `sha256:` of the RUN leaf that a run is complete by, and where it stands. */
export function completeBy({ newest }: RunScope) {
  return { log: newest.log, leaf_index: newest.index, checksum: `sha256:${hex(newest.leafHash)}` };
}
