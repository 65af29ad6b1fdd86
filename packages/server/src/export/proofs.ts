import {
  formatTlogProof,
  inclusionProof,
  type LeafSpan,
  leafHash,
  rangeText,
  rootsOf,
  subtreesBeside,
  verifyInclusion,
} from '@sworn/evidence';
import type { Refusal } from '../access/refusal.js';
import { compromisedRecord } from '../read/settled.js';
import type { ReadDeps } from '../read/reading.js';
import { overTiles } from '../read/tiles.js';
import { inTenant } from '../store/database.js';
import { readExportedLeaves } from '../store/exporting.js';
import type { ScopedLog } from './scope.js';
import type { ScratchFile } from './scratchFile.js';

/** Subtrees whose roots are read at once: about as many tiles, 8 KB each, at most. */
const SPANS_AT_ONCE = 1_024;

/** Leaves or tiles below a checkpoint are gone, or others: nothing can be proven against it. The checks say what. */
function unproven(log: string, index: number, detail: string): Refusal {
  return compromisedRecord(
    { check: 'V3', code: 'NOT_UNDER_CHECKPOINT', log, leaf_index: index, detail },
    new Uint8Array(),
  );
}

/** `proofs/<log>/range.json`: all leaves of a log that are in the bundle, proven at once. */
export async function writeRange(
  deps: ReadDeps,
  tenantId: string,
  { log, indexes, checkpoint: { size } }: ScopedLog,
  to: ScratchFile,
): Promise<void> {
  // The text is made around hashes that are read piece by piece.
  const [head = '', tail = ''] = [...rangeText({ log, size, indexes, path: [] })];
  await to.write(head);
  let isFirst = true;
  for (const spans of inPieces(subtreesBeside(indexes, size))) {
    const hashes = await inTenant(
      deps.db,
      'reader',
      tenantId,
      (tx) => overTiles(tx, tenantId, { log, size }, (read) => rootsOf(spans, read)),
      { readOnly: true },
    );
    if (hashes === null) throw unproven(log, indexes[0] ?? 0, `leaves or tiles below size ${size} are gone`);
    for (const hash of hashes) {
      await to.write(`${isFirst ? '' : ','}\n"${Buffer.from(hash).toString('base64')}"`);
      isFirst = false;
    }
  }
  await to.write(tail);
}

/** `proofs/<log>/<index>.tlog-proof`: one leaf, for tools that read one leaf at a time. */
export async function tlogProof(
  deps: ReadDeps,
  tenantId: string,
  { log, checkpoint: { size, root, note } }: ScopedLog,
  index: number,
): Promise<string> {
  const { path, hash } = await inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const [leaf] = await readExportedLeaves(tx, tenantId, log, [index]);
      return {
        path: await overTiles(tx, tenantId, { log, size }, (read) => inclusionProof(index, size, read)),
        hash: leaf === undefined ? null : leafHash(leaf.leaf),
      };
    },
    { readOnly: true, snapshot: true },
  );
  if (path === null || hash === null || !verifyInclusion({ index, size, leafHash: hash, path, root }))
    throw unproven(log, index, `the leaf does not lie under the checkpoint of size ${size}`);
  return formatTlogProof({ index, path, checkpoint: note });
}

function* inPieces(spans: Iterable<LeafSpan>): Generator<LeafSpan[]> {
  let piece: LeafSpan[] = [];
  for (const span of spans) {
    piece.push(span);
    if (piece.length < SPANS_AT_ONCE) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}
