import { copiedKey, equalBytes, treeHash, unhex } from '@sworn/evidence';
import { readTied } from '../read/association.js';
import { runsOfSpans } from '../read/placedSteps.js';
import type { ReadDeps } from '../read/reading.js';
import { readRunSteps } from '../read/runSteps.js';
import { compromisedRecord, coverOf, type PinnedRun, pinRun, type Seal } from '../read/settled.js';
import { readSkeleton } from '../read/skeleton.js';
import { tiesOf } from '../read/ties.js';
import { type AuditSize, createEventFinder } from '../seal/events.js';
import type { Member } from '../seal/membership.js';
import type { TiedPlace } from '../store/associations.js';
import type { StoredCheckpoint } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readResources } from '../store/resources.js';
import { readStepsAt } from '../store/steps.js';
import { ExportRefused } from './refused.js';
import type { Pins, ScopedLog } from './scope.js';

/** What is exported of a run. */
export interface RunScope {
  readonly tenantId: string;
  readonly runId: string;
  /** In the order of their names. */
  readonly logs: readonly ScopedLog[];
  /** The newest RUN leaf: it says of how many steps and events the run is. */
  readonly newest: { readonly log: string; readonly index: number; readonly leafHash: Uint8Array };
  /** Index of its OPENED leaf there. */
  readonly openedAt: number;
}

/** Records around a run that one look finds. */
const TIED_AT_ONCE = 1_000;
/** Records of `system` in one bundle. */
const MAX_AROUND = 50_000;
/** Leaf hashes of RESOURCE records looked up at once. */
const RESOURCES_AT_ONCE = 500;

/**
 * The leaves of a settled run: OPENED, its MEMBER leaves, every revision, its steps and the copies that contradict them; the events of `audit` that its
 * newest RUN leaf heeds, and what Sworn concluded from them; the environments that its steps name, and the records of `system` that are tied to it, as far
 * as that RUN leaf had looked. So the same run has the same leaves for ever, until it is sealed anew; with pins, those that it had then.
 * @throws Refusal `not_found`, `evidence_compromised`; ExportRefused
 */
export async function readRunScope(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  asked: { readonly runId: string; readonly pins: Pins | null },
): Promise<RunScope> {
  const pins = asked.pins === null ? null : Object.fromEntries(asked.pins);
  return scopeOfRun(deps, tx, tenantId, await pinRun(deps, tx, { tenantId, runId: asked.runId, pins }));
}

/** The same of one that was found. */
export async function scopeOfRun(deps: ReadDeps, tx: Tx, tenantId: string, run: PinnedRun): Promise<RunScope> {
  const { newest, seal, cover, membership, log, runId } = run;
  if (seal === null)
    throw new ExportRefused('not_sealed', `run ${runId} is still open: it is exported once it is sealed`);
  if (cover === null)
    throw new ExportRefused('not_covered', `no checkpoint covers run ${runId} yet: it is exported once one does`);
  const { own, sources } = await ownLeaves(deps, tx, tenantId, run, seal);
  const members = membership.traces.flatMap((traceId) =>
    membership.membersOf(traceId).filter((member) => member.runId === runId && member.index < seal.membersBelow),
  );
  const indexes: [string, Iterable<number>][] = [
    [log, [...run.revisions.map(({ stored }) => stored.index), ...members.map(({ index }) => index), ...own]],
    ...(await eventsOf(tx, tenantId, run)),
    ...(await aroundOf(deps, tx, tenantId, run, sources)),
  ];
  const logs: ScopedLog[] = [];
  for (const [name, some] of indexes.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const ascending = [...new Set(some)].sort((a, b) => a - b);
    const last = ascending.at(-1);
    if (last === undefined) continue;
    const checkpoint = await coveringLeaf(deps, tx, tenantId, { log: name, index: last });
    logs.push({ log: name, origin: deps.originOf(tenantId, name), indexes: ascending, checkpoint });
  }
  const { index, leafHash } = newest.stored;
  const openedAt = newest.members.count('run_index') ?? 0;
  return { tenantId, runId, logs, newest: { log, index, leafHash }, openedAt };
}

/** The steps of a run and the copies that contradict them, and the environments that they name. Of the steps themselves nothing is held on to: there are many. */
async function ownLeaves(deps: ReadDeps, tx: Tx, tenantId: string, run: PinnedRun, { stepsBelow }: Seal) {
  const { sealed, conflictLeaves, damaged, cut } = await readRunSteps(deps, tx, tenantId, { run, more: true });
  const [first] = damaged;
  if (first !== undefined) throw compromisedRecord(first.finding, first.stored.leaf ?? new Uint8Array());
  if (cut) throw new ExportRefused('too_large', `run ${run.runId} has more steps than are exported in one bundle`);
  const copied = conflictLeaves.filter(({ index }) => index < stepsBelow);
  const keys = new Set(copied.length === 0 ? [] : sealed.map(copiedKey));
  const sources = new Set(sealed.flatMap(({ resource, scope }) => [resource, scope]).filter((one) => one !== null));
  const own = [...sealed, ...copied.filter(({ key }) => keys.has(key))].map(({ index }) => index);
  return { own, sources };
}

/** The events that the newest RUN leaf counts, held against its count and tree (V9), log by log. */
async function eventsOf(tx: Tx, tenantId: string, run: PinnedRun): Promise<[string, number[]][]> {
  const { newest, membership, seal, runId, log } = run;
  const counted = newest.members.count('events');
  if (counted === null || seal === null) return [];
  const sizes = newest.members.object('sizes');
  const audit: AuditSize[] = run.sizes
    .filter(({ topic }) => topic === 'audit')
    .toSorted((a, b) => a.generation - b.generation)
    .map((one) => ({ log: one.log, size: sizes.count(one.log) ?? 0 }));
  const heeded = (traceId: string) => membership.membersOf(traceId).filter(({ index }) => index < seal.membersBelow);
  const traces = membership.traces.map((traceId) => ({ traceId, members: heeded(traceId) }));
  const finder = createEventFinder({ ask: (look) => look(tx), tenantId, log, audit });
  await finder.load([runId], [...membership.traces]);
  const byLog: [string, number[]][] = [];
  const hashes: Uint8Array[] = [];
  for (const one of audit) {
    const indexes: number[] = [];
    const asked = {
      runId,
      traces,
      stepsBelow: seal.stepsBelow,
      membersBelow: seal.membersBelow,
      audit: [one],
      runsOfSpans: (traceId: string, of: readonly Member[]) =>
        runsOfSpans((look) => look(tx), { tenantId, log, traceId, stepsBelow: seal.stepsBelow }, of),
    };
    for await (const some of finder.of(asked)) {
      for (const event of some) {
        indexes.push(event.index);
        hashes.push(event.leafHash);
      }
    }
    byLog.push([one.log, indexes]);
  }
  const isSealed =
    hashes.length === counted && equalBytes(treeHash(hashes), unhex(newest.members.text('events_tree') ?? ''));
  if (isSealed) return byLog;
  const detail = `${hashes.length} events are there, or others than the ${counted} that were sealed`;
  throw compromisedRecord(
    { check: 'V9', code: 'RUN_TREE_MISMATCH', log, leaf_index: newest.stored.index, detail },
    newest.stored.leaf,
  );
}

/** The environments that its steps name, and the records of `system` that are tied to it below the size that the newest RUN leaf names. */
async function aroundOf(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  run: PinnedRun,
  sources: ReadonlySet<string>,
): Promise<[string, number[]][]> {
  const byLog = new Map<string, number[]>();
  const add = (log: string, index: number) => {
    const indexes = byLog.get(log) ?? [];
    byLog.set(log, indexes);
    indexes.push(index);
  };
  const hashes = [...sources];
  for (let from = 0; from < hashes.length; from += RESOURCES_AT_ONCE) {
    const some = hashes.slice(from, from + RESOURCES_AT_ONCE);
    for (const found of await readResources(tx, tenantId, some)) add(found.log, found.index);
  }
  const sizes = run.newest.members.object('sizes');
  const logs = run.sizes
    .filter(({ topic }) => topic === 'system')
    .map(({ log }) => ({ log, size: sizes.count(log) ?? 0 }));
  const { skeleton } = await readSkeleton(deps, tx, tenantId, { run });
  const ties = await tiesOf(deps, tx, tenantId, { run, skeleton });
  let count = 0;
  for (let after: TiedPlace | null = null; ; ) {
    const page = await readTied(deps, tx, tenantId, { ties, logs, window: null, after, limit: TIED_AT_ONCE });
    for (const { place, checked } of page.records) {
      if (checked.kind === 'compromised')
        throw compromisedRecord(checked.finding, checked.stored.leaf ?? new Uint8Array());
      add(place.log, place.index);
    }
    count += page.records.length;
    if (count > MAX_AROUND)
      throw new ExportRefused('too_large', `more than ${MAX_AROUND} records of system are tied to run ${run.runId}`);
    after = page.next;
    if (after === null) break;
  }
  return [...byLog];
}

async function coveringLeaf(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { log, index }: { readonly log: string; readonly index: number },
): Promise<StoredCheckpoint> {
  const [stored] = await readStepsAt(tx, tenantId, log, [index]);
  if (stored === undefined) throw new Error('a leaf that was found is in the same snapshot');
  const cover = await coverOf(deps, tx, tenantId, stored);
  if (cover === null)
    throw new ExportRefused('not_covered', `no checkpoint covers ${log} up to ${index} yet: try again in a second`);
  return cover;
}
