import { stepKey } from '@sworn/evidence';
import { readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import type { Tx } from '../store/database.js';
import { findGovernance, type GovernancePlace } from '../store/governance.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { readKeyedLeaves } from '../store/runs.js';
import { findRuns } from '../store/sealing.js';
import type { Checked } from './check.js';
import { checkEntry } from './checkEntry.js';
import { ownsTrace } from './membership.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import type { Skeleton } from './runOrder.js';
import type { PinnedRun } from './settled.js';

/** Rows looked at with one statement. */
const AT_ONCE = 1_000;

/** An event of governance that is of the run, checked, and the step that it is bound to. */
export interface RunEvent {
  readonly place: GovernancePlace;
  readonly checked: Checked<StoredEntry>;
  /** Leaf index of that step in the log of the run, and its place there; null: it names no step, or one that never came. */
  readonly step: { readonly index: number; readonly at: number | null } | null;
}

/** Which events of a run: in the order of time, behind `after`, `from` ≤ timestamp < `before`. */
export interface AskedEvents {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  /** Of topic `audit`. */
  readonly logs: readonly Pin[];
  readonly from?: string | null;
  readonly before?: string | null;
  readonly after: GovernancePlace | null;
  readonly limit: number;
}

/** Events of a run, and where the next ones begin. */
export interface FoundEvents {
  readonly events: readonly RunEvent[];
  /** The last row that was looked at; null: there are no more. */
  readonly end: GovernancePlace | null;
}

/**
 * The governance of exactly this run. A record that says which run it is about is of that one alone; then the run that its hint names, if there is such
 * a run; else that of its step; else the owner of its trace. Every row is held against its leaf (V4, V6); a damaged one stands in its place.
 */
export async function readRunEvents(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  asked: AskedEvents,
): Promise<FoundEvents> {
  const { run, skeleton, logs, limit, from = null, before = null } = asked;
  const placeOf = new Map(Array.from(skeleton.index, (index, at) => [index, at] as const));
  const traceIds = run.membership.traces;
  const events: RunEvent[] = [];
  let { after } = asked;
  for (let examined = 0; events.length < limit && examined < MAX_EXAMINED; ) {
    const ask = Math.min(AT_ONCE, limit - events.length);
    const places = await findGovernance(tx, tenantId, {
      runId: run.runId,
      traceIds,
      logs,
      from,
      before,
      after,
      limit: ask,
    });
    examined += places.length;
    const checked = await checkedAt(deps, tx, tenantId, places);
    const placed = await stepsOf(tx, tenantId, run, checked);
    const known = await hintedRuns(tx, tenantId, run, checked);
    for (const [i, one] of checked.entries()) {
      const index = placed.get(keyOf(one) ?? '') ?? null;
      const step = index === null ? null : { index, at: placeOf.get(index) ?? null };
      if (isOfRun(asked, one, { step, known }))
        events.push({ place: places[i] as GovernancePlace, checked: one, step });
    }
    after = places.at(-1) ?? after;
    if (places.length < ask) return { events, end: null };
  }
  return { events, end: after };
}

async function checkedAt(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  places: readonly GovernancePlace[],
): Promise<readonly Checked<StoredEntry>[]> {
  const open = await deps.openFindings(tx, tenantId);
  const found = new Map<string, Checked<StoredEntry>>();
  for (const log of new Set(places.map((place) => place.log))) {
    const indexes = places.filter((place) => place.log === log).map(({ index }) => index);
    for (const stored of await readEntriesAt(tx, tenantId, { topic: 'audit', log }, indexes))
      found.set(`${log} ${stored.index}`, heldAgainst(checkEntry(stored, 'audit', deps.originOf(tenantId, log)), open));
  }
  return places.map(({ log, index }) => {
    const checked = found.get(`${log} ${index}`);
    if (checked === undefined) throw new Error('a row that was found is in the same snapshot');
    return checked;
  });
}

/** Event key (hex) of the step that an event names, which is that of its STEP leaf. */
function keyOf(checked: Checked<StoredEntry>): string | null {
  if (checked.kind === 'compromised') return null;
  const [traceId, spanId] = [checked.members.text('trace_id'), checked.members.text('span_id')];
  return traceId === null || spanId === null ? null : stepKey({ traceId, spanId });
}

/** Leaf indexes of the steps that these name, by event key. */
async function stepsOf(
  tx: Tx,
  tenantId: string,
  { log, bound }: PinnedRun,
  checked: readonly Checked<StoredEntry>[],
): Promise<ReadonlyMap<string, number>> {
  const keys = [...new Set(checked.flatMap((one) => keyOf(one) ?? []))].map((key) => Buffer.from(key, 'hex'));
  const leaves = keys.length === 0 ? [] : await readKeyedLeaves(tx, tenantId, log, keys);
  return new Map(
    leaves
      .filter(({ index }) => index < bound)
      .map(({ eventKey, index }) => [Buffer.from(eventKey).toString('hex'), index]),
  );
}

/** Runs that hints name and that were opened. */
async function hintedRuns(
  tx: Tx,
  tenantId: string,
  { log, runId }: PinnedRun,
  checked: readonly Checked<StoredEntry>[],
): Promise<ReadonlySet<string>> {
  const named = checked.flatMap((one) => (one.kind === 'sound' ? (one.members.text('hinted_run') ?? []) : []));
  const others = [...new Set(named)].filter((id) => id !== runId);
  if (others.length === 0) return new Set();
  return new Set((await findRuns(tx, tenantId, log, others)).map((run) => run.runId));
}

interface Placing {
  readonly step: RunEvent['step'];
  readonly known: ReadonlySet<string>;
}

function isOfRun({ run, skeleton }: AskedEvents, checked: Checked<StoredEntry>, { step, known }: Placing): boolean {
  // Of a record that cannot be read nobody knows whose it is: its row led here.
  if (checked.kind === 'compromised') return true;
  const { members: m } = checked;
  const [about, hinted, traceId] = [m.text('run_id'), m.text('hinted_run'), m.text('trace_id')];
  if (about !== null) return about === run.runId;
  // Where a span came it says best whose it is (seal/events.ts has the same rule).
  if (step !== null && step.at !== null) return true;
  if (step !== null && !skeleton.cut) return false;
  if (hinted === run.runId) return true;
  if (hinted !== null && known.has(hinted)) return false;
  if (traceId === null) return false;
  return ownsTrace(run.membership, { runId: run.runId, traceId, below: run.bound });
}
