import { equalBytes } from '@sworn/evidence';
import { authenticate } from '../record/authenticator.js';
import { type CheckpointRow, type HeadRow, type LogPlace, readBatchBefore } from '../store/checking.js';
import type { StoredBatch } from '../store/signing.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';
import type { Known } from './tree.js';

/** Up to where batches follow one on another. */
export interface Chain {
  readonly next: number;
  /** `root_after` of the last one; null: not known. */
  readonly root: Uint8Array | null;
  /** The root of a batch that began before the range. */
  readonly straddles: Known | null;
}

/** Rows of a range in which a root stands, each in index order. */
export interface WrittenRoots {
  readonly batches: readonly StoredBatch[];
  readonly checkpoints: readonly CheckpointRow[];
}

/** The batch of ours in which a range begins, or that ends where it begins. */
export async function chainAt(checking: Checking, place: LogPlace, origin: string, from: number): Promise<Chain> {
  if (from === 0) return { next: 0, root: null, straddles: null };
  const batch = await checking.ask((tx) => readBatchBefore(tx, place, from));
  if (batch === null || !isOurs(checking, origin, batch)) return { next: from, root: null, straddles: null };
  const next = batch.first + batch.count;
  const straddles: Known | null =
    next > from ? { size: next, root: batch.rootAfter, what: 'batch', first: batch.first } : null;
  return { next, root: batch.rootAfter, straddles };
}

/** Whether the recorder wrote it. */
export function isOurs(checking: Checking, origin: string, batch: StoredBatch): boolean {
  return equalBytes(batch.mac, authenticate(checking.recorderKey, { origin, ...batch }));
}

/** V1, and of V3 that the batches are ours and follow one on another: the roots that stand written within a range. */
export async function knownRoots(
  checking: Checking,
  at: { readonly place: LogPlace; readonly origin: string; readonly head: HeadRow },
  chunk: WrittenRoots,
  before: Chain,
  tell: Tell,
): Promise<{ readonly roots: Known[]; readonly chain: Chain }> {
  const { place, origin, head } = at;
  const roots: Known[] = before.straddles === null ? [] : [before.straddles];
  const batchAt = { ...place, code: 'AUTHENTICATOR_MISMATCH', table: 'batch_authenticator' } as const;
  let { next, root } = before;
  for (const batch of chunk.batches) {
    const { first } = batch;
    if (!isOurs(checking, origin, batch)) {
      tell({ ...batchAt, index: first, expected: 'our MAC over the batch', found: 'another' });
      continue;
    }
    if (first !== next)
      tell({
        ...batchAt,
        index: Math.min(first, next),
        expected: `a batch of ours from ${next}`,
        found: `one from ${first}`,
      });
    else if (root !== null && !equalBytes(root, batch.rootBefore))
      tell({ ...batchAt, index: first, expected: 'the root that the batch before it ended at', found: 'another' });
    [next, root] = [first + batch.count, batch.rootAfter];
    if (next <= head.size) roots.push({ size: next, root, what: 'batch', first });
  }
  for (const checkpoint of chunk.checkpoints) {
    const { size } = checkpoint;
    if (await checking.verifyCheckpoint(place.tenantId, place.log, checkpoint))
      roots.push({ size, root: checkpoint.root, what: 'checkpoint', first: before.next });
    else {
      const expected = `our signature over this log, size ${size} and root`;
      tell({
        ...place,
        code: 'CHECKPOINT_INVALID',
        index: size - 1,
        table: 'checkpoint',
        expected,
        found: 'a note without it',
      });
    }
  }
  return { roots, chain: { next, root, straddles: null } };
}

const RANK = { batch: 0, checkpoint: 1, signer: 2 } as const;

/** Of one size, what proves before what is held against it. */
export function inOrder(roots: readonly Known[]): Known[] {
  return roots.toSorted((a, b) => a.size - b.size || RANK[a.what] - RANK[b.what]);
}
