import {
  formatTlogProof,
  HASH_BYTES,
  inclusionProof,
  type LeafSpan,
  leafHash,
  rangeText,
  rootsOf,
  subtreesBeside,
  verifyInclusion,
  withheldText,
} from '@sworn/evidence';
import type { Refusal } from '../access/refusal.js';
import { compromisedRecord } from '../read/settled.js';
import type { ReadDeps } from '../read/reading.js';
import { overTiles } from '../read/tiles.js';
import { inTenant } from '../store/database.js';
import { readExportedLeaves } from '../store/exporting.js';
import { readLeafHashes } from './logsScope.js';
import { soundLeaf } from './records.js';
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
  { log, indexes: records, beside, checkpoint: { size } }: ScopedLog,
  to: ScratchFile,
): Promise<void> {
  const indexes =
    beside === undefined ? records : [...records, ...beside.withheld, ...beside.boundary].sort((a, b) => a - b);
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

/** `proofs/<log>/withheld.json`: leaves of the scope as bare hashes. They lie side by side but for those that are shown. */
export async function* withheldPieces(
  deps: ReadDeps,
  tenantId: string,
  { log, checkpoint: { size } }: ScopedLog,
  indexes: readonly number[],
): AsyncGenerator<string> {
  const [first = 0, last = first] = [indexes[0], indexes.at(-1)];
  const hashes = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readLeafHashes(tx, { tenantId, log }, { first, count: last - first + 1, size }),
    { readOnly: true },
  );
  const at = (index: number) => hashes.subarray((index - first) * HASH_BYTES, (index - first + 1) * HASH_BYTES);
  yield* withheldText({ log, size, indexes, hashes: eachOf(indexes, at) });
}

function* eachOf(indexes: readonly number[], hashAt: (index: number) => Uint8Array): Generator<Uint8Array> {
  for (const index of indexes) yield hashAt(index);
}

/** `proofs/<log>/boundary.ndjson`: leaves around the scope, whole, each checked. */
export async function* boundaryPieces(
  deps: ReadDeps,
  tenantId: string,
  { log, origin }: ScopedLog,
  indexes: readonly number[],
): AsyncGenerator<string | Uint8Array> {
  const leaves = await inTenant(deps.db, 'reader', tenantId, (tx) => readExportedLeaves(tx, tenantId, log, indexes), {
    readOnly: true,
  });
  for (const [at, index] of indexes.entries()) {
    yield soundLeaf(leaves[at], { log, origin, index }).stored.leaf;
    yield '\n';
  }
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
