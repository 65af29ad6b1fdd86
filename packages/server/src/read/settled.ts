import type { Finding } from '@sworn/contract';
import { Refusal } from '../access/refusal.js';
import { type LogSize, readCovering, readLogSizes, type StoredCheckpoint } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readRevisions, type StoredLeaf, type StoredRun } from '../store/runs.js';
import { type Checked, checkRun } from './check.js';
import { unsignedCheckpoint } from './checkpoints.js';
import type { Cursor } from './cursor.js';
import { type Membership, readMemberships } from './membership.js';
import { heldAgainst } from './openFindings.js';
import type { ReadDeps } from './reading.js';
import { hiddenOpening, hiddenRevisions, missingRow, revisionOf } from './revisions.js';

/** Revisions of one run that are read: more come only from a run that opened again more often than any agent turn does. */
const MAX_REVISIONS = 256;
/** Runs that are followed from the one asked for to the one it went into: a trace's run goes into one a sender named, seldom further. */
const MAX_HOPS = 8;
/** Traces of one run that are read: as many as steps, of which each has at least one. */
const MAX_TRACES = 100_000;

type Sound = Extract<Checked<StoredRun>, { kind: 'sound' }>;

/** Which run, and for a page beyond the first at which sizes of its logs. */
export interface AskedRun {
  readonly tenantId: string;
  readonly runId: string;
  readonly pins: Cursor['pins'] | null;
}

/** How much of its log a RUN leaf was made of. */
export interface Seal {
  /** Steps with a leaf index below it. */
  readonly stepsBelow: number;
  /** MEMBER leaves with a leaf index below it. */
  readonly membersBelow: number;
}

/** A run, and the sizes of its log at which it may be answered. */
export interface PinnedRun {
  /** Another than was asked for when that one went into this. */
  readonly runId: string;
  readonly log: string;
  /** What was there at the time: of a first page all there is, else what was there at the first. */
  readonly bound: number;
  /** The first checkpoint that covers the newest RUN leaf: answers about a settled run are pinned there, so that they never change again. */
  readonly settledPin: number;
  readonly newest: Sound;
  /** Of the newest RUN leaf; null while the run was never sealed. */
  readonly seal: Seal | null;
  /** The first checkpoint that covers `newest`, verified; null until there is one. */
  readonly cover: StoredCheckpoint | null;
  /** OPENED first. */
  readonly revisions: readonly Sound[];
  /** As of `bound`. */
  readonly membership: Membership;
  readonly sizes: readonly LogSize[];
}

/**
 * Finds a run of the tenant and pins it; with `pins`, those of a crawl's first page, as it was then: also when the run was sealed, or
 * opened again, between two pages. A run whose traces turned out to be another's is answered by that one.
 * @throws Refusal `not_found`; `evidence_compromised` when a revision fails its check, or is there and hidden, or the run it leads to is.
 */
export async function pinRun(deps: ReadDeps, tx: Tx, { tenantId, runId, pins }: AskedRun): Promise<PinnedRun> {
  const sizes = await readLogSizes(tx, tenantId);
  let found = await findRun(deps, tx, { tenantId, runId, pins, sizes });
  if (found === null) throw new Refusal('not_found', 'there is no such run');
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    const into: string | null = found.newest.members.text('superseded_by');
    if (into === null) break;
    const next: FoundRun | null = await findRun(deps, tx, { tenantId, runId: into, pins, sizes });
    if (next === null) throw compromisedRecord(goneRun(found.newest.stored), found.newest.stored.leaf);
    found = next;
  }
  const { log, bound, newest, revisions } = found;
  const cover = await coverOf(deps, tx, tenantId, newest.stored);
  const named = newest.members.text('run_id') ?? runId;
  const asked = { log, runIds: [named], below: bound, limit: MAX_TRACES };
  const membership = (await readMemberships(deps, tx, tenantId, asked)).get(named);
  if (membership === undefined) throw new Error('a membership was asked for and not answered');
  if (membership.kind === 'compromised') throw compromisedRecord(membership.finding, membership.leaf);
  return {
    runId: named,
    log,
    bound,
    settledPin: pins === null ? (cover?.size ?? bound) : bound,
    newest,
    seal: sealOf(newest),
    cover,
    revisions,
    membership,
    sizes,
  };
}

interface FoundRun {
  readonly log: string;
  readonly bound: number;
  readonly newest: Sound;
  readonly revisions: readonly Sound[];
}

/** The revisions of a run below the bound of the newest generation that has it; null when none has. */
async function findRun(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, runId, pins, sizes }: AskedRun & { readonly sizes: readonly LogSize[] },
): Promise<FoundRun | null> {
  const open = await deps.openFindings(tx, tenantId);
  for (const { log, size } of sizes.filter((s) => s.topic === 'llm-runs')) {
    const bound = pins === null ? size : Math.min(size, pins[log] ?? 0);
    const stored = await readRevisions(tx, tenantId, log, runId, MAX_REVISIONS);
    const revisions = stored
      .filter(({ index }) => index < bound)
      .map((run) => sound(heldAgainst(checkRun(run, deps.originOf(tenantId, log)), open)));
    const newest = revisions.at(-1);
    if (newest === undefined) {
      const hidden = await hiddenOpening(tx, tenantId, { log, pin: bound }, runId);
      if (hidden !== null) throw compromisedRecord(missingRow(log, hidden.index), hidden.leaf);
      continue;
    }
    demandRevisions(revisions, stored.length < MAX_REVISIONS);
    const hidden = (await hiddenRevisions(tx, tenantId, { log, pin: bound }, [newest])).get(runId);
    if (hidden !== undefined) throw compromisedRecord(missingRow(log, hidden.index), hidden.leaf);
    return { log, bound, newest, revisions };
  }
  return null;
}

/** A RUN leaf of before runs had several traces does not say which MEMBER leaves it heeded: those before it. */
function sealOf({ stored, members }: Sound): Seal | null {
  if (stored.kind !== 'RUN') return null;
  return {
    stepsBelow: members.object('sizes').count('llm-runs') ?? 0,
    membersBelow: members.count('members_below') ?? stored.index,
  };
}

/** A run that names the run it went into, which nobody can find. */
function goneRun({ log, index }: StoredLeaf): Finding {
  const detail = 'the run that this one went into is gone';
  return { check: 'V5', code: 'MISSING_UNAUTHORISED', log, leaf_index: index, detail };
}

/** Steps from this leaf on came after the run was first sealed. */
export function firstSealBelow(run: Pick<PinnedRun, 'revisions'>): number {
  const first = run.revisions.find((revision) => revision.stored.kind === 'RUN');
  return first?.members.object('sizes').count('llm-runs') ?? Number.POSITIVE_INFINITY;
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
  if (row === null || (await verifyCheckpoint(tenantId, stored.log, row))) return row;
  throw compromisedRecord(unsignedCheckpoint(stored, row.size), stored.leaf);
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
