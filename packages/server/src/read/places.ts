import type { Finding } from '@sworn/contract';
import { equalBytes } from '@sworn/evidence';
import type { Tx } from '../store/database.js';
import { readStepsAt, type StoredStep } from '../store/steps.js';
import { type Checked, checkLeaf } from './check.js';
import type { ReadDeps } from './reading.js';
import type { PinnedRun } from './settled.js';
import type { Skeleton } from './runOrder.js';
import { readSkeleton } from './skeleton.js';

/** A step at its place in the tree, after its check. */
export interface PlacedLeaf {
  /** `step_index`. */
  readonly at: number;
  readonly checked: Checked<StoredStep>;
}

/** Which steps of a run. */
export interface AskedPlaces {
  readonly run: PinnedRun;
  /** Their places, in order. */
  readonly placesOf: (skeleton: Skeleton) => readonly number[];
  /** Bytes of bodies of one answer, of which it gets one at least; absent where only a few are asked for. */
  readonly maxBytes?: number;
}

/**
 * The order of a run, and its steps at some places, each checked (V4, V6) and held against the tree its run was checked with. When one is
 * not what it was while the order was held, the whole run is checked again, so that the answer says what one without it would.
 * @throws Refusal `evidence_compromised` when the run is not what was sealed.
 */
export async function readPlaces(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, placesOf, maxBytes = Number.POSITIVE_INFINITY }: AskedPlaces,
): Promise<{ readonly skeleton: Skeleton; readonly shown: readonly PlacedLeaf[] }> {
  const { skeleton, fresh } = await readSkeleton(deps, tx, tenantId, { run });
  const shown = await readLeaves(deps, tx, tenantId, { run, skeleton, places: placesOf(skeleton), maxBytes });
  if (fresh || shown.every(({ checked }) => checked.kind === 'sound')) return { skeleton, shown };
  const again = await readSkeleton(deps, tx, tenantId, { run, afresh: true });
  const places = placesOf(again.skeleton);
  return { ...again, shown: await readLeaves(deps, tx, tenantId, { run, skeleton: again.skeleton, places, maxBytes }) };
}

interface AskedLeaves {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  readonly places: readonly number[];
  readonly maxBytes: number;
}

/** Bodies count as they are opened, not as they are stored: what was deflated may come out a thousand times as long. */
async function readLeaves(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, skeleton, places, maxBytes }: AskedLeaves,
): Promise<PlacedLeaf[]> {
  const indexOf = (at: number) => skeleton.index[at] as number;
  const origin = deps.originOf(tenantId, run.log);
  const found = await readStepsAt(tx, tenantId, run.log, places.map(indexOf));
  const stored = new Map(found.map((leaf) => [leaf.index, leaf]));
  const leaves: PlacedLeaf[] = [];
  let bytes = 0;
  for (const at of places) {
    const checked = checkPlaced(skeleton, at, stored.get(indexOf(at)) ?? { log: run.log, index: indexOf(at) }, origin);
    if (checked.kind === 'sound') bytes += checked.members.object('c').object('body').count('n') ?? 0;
    if (bytes > maxBytes && leaves.length > 0) break;
    leaves.push({ at, checked });
  }
  return leaves;
}

function checkPlaced(
  { hashes }: Skeleton,
  at: number,
  stored: StoredStep | Pick<StoredStep, 'log' | 'index'>,
  origin: string,
): Checked<StoredStep> {
  const { log, index } = stored;
  if (!('leaf' in stored)) {
    const finding: Finding = {
      check: 'V5',
      code: 'MISSING_UNAUTHORISED',
      log,
      leaf_index: index,
      detail: 'the step is gone',
    };
    return { kind: 'compromised', stored: { log, index, leaf: null }, finding };
  }
  if (equalBytes(stored.leafHash, hashes.subarray(32 * at, 32 * at + 32))) return checkLeaf(stored, origin);
  const detail = 'the step is not the one that its run was checked with';
  const finding: Finding = { check: 'V9', code: 'RUN_TREE_MISMATCH', log, leaf_index: index, detail };
  return { kind: 'compromised', stored, finding };
}
