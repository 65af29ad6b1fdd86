import type { Finding } from '@sworn/contract';
import { Refusal } from '../access/refusal.js';
import { type LogSize, readCovering, readLogSizes, type StoredCheckpoint } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readRevisions, type StoredLeaf, type StoredRun } from '../store/runs.js';
import { hasStepsBeyond } from '../store/steps.js';
import { type Checked, checkRun } from './check.js';
import { unsignedCheckpoint } from './checkpoints.js';
import type { Cursor } from './cursor.js';
import type { ReadDeps } from './reading.js';
import { hiddenOpening, hiddenRevisions, missingRow, revisionOf } from './revisions.js';

/** Revisions of one run that are read: more come only from a run that opened again more often than any agent turn does. */
const MAX_REVISIONS = 256;

type Sound = Extract<Checked<StoredRun>, { kind: 'sound' }>;

/** Which run, and for a page beyond the first at which sizes of its logs. */
export interface AskedRun {
  readonly tenantId: string;
  readonly runId: string;
  readonly pins: Cursor['pins'] | null;
}

/** A run and the size of its log at which it is answered. */
export interface PinnedRun {
  readonly log: string;
  /** That of the first checkpoint that covers the newest RUN leaf of a settled run, so that its answers never change again; else the log's. */
  readonly pin: number;
  readonly newest: Sound;
  /** The first checkpoint that covers `newest`, verified; null until there is one. */
  readonly cover: StoredCheckpoint | null;
  /** OPENED first. */
  readonly revisions: readonly Sound[];
  readonly sizes: readonly LogSize[];
}

/**
 * Finds a run of the tenant and pins it; with `pins`, those of a crawl's first page, as it was then: also when the run was sealed, or
 * opened again, between two pages.
 * @throws Refusal `not_found`; `evidence_compromised` when a revision fails its check, or is there and hidden.
 */
export async function pinRun(deps: ReadDeps, tx: Tx, { tenantId, runId, pins }: AskedRun): Promise<PinnedRun> {
  const sizes = await readLogSizes(tx, tenantId);
  for (const { log, size } of sizes.filter((s) => s.topic === 'llm-runs')) {
    const pinned = pins === null ? size : Math.min(size, pins[log] ?? 0);
    const stored = await readRevisions(tx, tenantId, log, runId, MAX_REVISIONS);
    const revisions = stored
      .filter(({ index }) => index < pinned)
      .map((run) => sound(checkRun(run, deps.originOf(tenantId, log))));
    const newest = revisions.at(-1);
    if (newest === undefined) {
      const hidden = await hiddenOpening(tx, tenantId, { log, pin: pinned }, runId);
      if (hidden !== null) throw compromisedRecord(missingRow(log, hidden.index), hidden.leaf);
      continue;
    }
    demandRevisions(revisions, stored.length < MAX_REVISIONS);
    const hidden = (await hiddenRevisions(tx, tenantId, { log, pin: pinned }, [newest])).get(runId);
    if (hidden !== undefined) throw compromisedRecord(missingRow(log, hidden.index), hidden.leaf);
    const cover = await coverOf(deps, tx, tenantId, newest.stored);
    const pin = pins === null ? await pinOf(tx, tenantId, newest, cover?.size ?? size, size) : pinned;
    return { log, newest, cover, revisions, sizes, pin };
  }
  throw new Refusal('not_found', 'there is no such run');
}

/** Revisions follow one on another: one between two is never away. `whole`: the first of them is OPENED. */
function demandRevisions(revisions: readonly Sound[], whole: boolean): void {
  const [first] = revisions;
  const from = whole || first === undefined ? 0 : revisionOf(first.members);
  for (const [i, { stored, members }] of revisions.entries()) {
    if (revisionOf(members) === from + i) continue;
    const detail = `llm_run_records has no row of revision ${from + i}`;
    const finding = {
      check: 'V6',
      code: 'PROJECTION_MISMATCH',
      log: stored.log,
      leaf_index: stored.index,
      detail,
    } as const;
    throw compromisedRecord(finding, stored.leaf);
  }
}

/**
 * The first checkpoint that covers the leaf, verified; null until there is one.
 * @throws Refusal `evidence_compromised` when its row is not what we signed.
 */
export async function coverOf(
  { verifyCheckpoint }: ReadDeps,
  tx: Tx,
  tenantId: string,
  stored: Pick<StoredLeaf, 'log' | 'index' | 'leaf'>,
): Promise<StoredCheckpoint | null> {
  const row = await readCovering(tx, tenantId, stored.log, stored.index);
  if (row === null || verifyCheckpoint(tenantId, stored.log, row)) return row;
  throw compromisedRecord(unsignedCheckpoint(stored, row.size), stored.leaf);
}

async function pinOf(
  tx: Tx,
  tenantId: string,
  { stored, members }: Sound,
  covered: number,
  size: number,
): Promise<number> {
  if (stored.kind !== 'RUN') return size;
  const traceId = Buffer.from(members.text('trace_id') ?? '', 'hex');
  const beyond = { log: stored.log, traceId, from: members.object('sizes').count('llm-runs') ?? 0 };
  return (await hasStepsBeyond(tx, tenantId, beyond)) ? size : covered;
}

/** @throws Refusal `evidence_compromised` with the finding and the bytes as they are stored. */
export function sound<S>(checked: Checked<S>): Extract<Checked<S>, { kind: 'sound' }> {
  if (checked.kind === 'sound') return checked;
  throw compromisedRecord(checked.finding, checked.stored.leaf ?? new Uint8Array());
}

/** The refusal of a damaged record that was asked for by id. */
export function compromisedRecord(finding: Finding, leaf: Uint8Array): Refusal {
  return new Refusal('evidence_compromised', `check ${finding.check} failed: ${finding.detail}`, {
    compromised: { finding, leaf },
  });
}
