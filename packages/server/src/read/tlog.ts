import {
  encodeEntries,
  equalBytes,
  leafHash,
  rangeProof,
  splitTile,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  verifySubtrees,
} from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import { readNewestCheckpoints, type StoredCheckpoint } from '../store/checkpointRead.js';
import { inTenant, type Tx } from '../store/database.js';
import { readHashes, readLeaves } from '../store/tileRead.js';
import { unsignedCheckpoint } from './checkpoints.js';
import type { Pin, ReadDeps } from './reading.js';
import { goneTiles, refusalOfGone } from './removed.js';
import { compromisedRecord } from './settled.js';
import { hashesOf, overTiles } from './tiles.js';

/** Newest checkpoint rows that are looked through for one that we signed: our own signer writes no other, and whoever writes rows may write many. */
const MAX_UNSIGNED = 256;

/** Whose log. */
export interface AskedLog {
  readonly tenantId: string;
  /** Its stored name. */
  readonly log: string;
}

/** What is served, read under the checkpoint whose size is the pin. */
export interface TlogBytes {
  readonly bytes: Buffer;
  /** Records in it. */
  readonly count: number;
  readonly pins: readonly Pin[];
}

/** The newest checkpoint that verifies, as a signed note. @throws Refusal `not_found` while there is none; `evidence_compromised` */
export function checkpointBytes(deps: ReadDeps, asked: AskedLog): Promise<TlogBytes> {
  return underNewest(deps, asked, (_tx, { note }) => Promise.resolve({ bytes: Buffer.from(note, 'utf8'), count: 0 }));
}

/**
 * The first `width` hashes of a tile, proven to lie under the newest checkpoint.
 * @throws Refusal `not_found` when fewer are covered; `evidence_compromised`
 */
export function hashTile(
  deps: ReadDeps,
  asked: AskedLog,
  { level, index, width }: { readonly level: number; readonly index: number; readonly width: number },
): Promise<TlogBytes> {
  return underNewest(deps, asked, async (tx, checkpoint) => {
    demandWidth(tilePath(level, index, width), width, tileWidth(level, index, checkpoint.size));
    const hashes = await provenTile(deps, tx, { ...asked, checkpoint, level, index });
    if (level === 0) await demandColumns(tx, asked, { index, hashes });
    return { bytes: Buffer.concat(hashes.slice(0, width)), count: 0 };
  });
}

/**
 * The first `width` leaves of an entry tile, each of which hashes to its entry of the proven tile. At most 256 · (2 + 16,384) bytes.
 * @throws Refusal `not_found` when fewer are covered, or retention took some; `evidence_compromised`
 */
export function entryTile(
  deps: ReadDeps,
  asked: AskedLog,
  { index, width }: { readonly index: number; readonly width: number },
): Promise<TlogBytes> {
  return underNewest(deps, asked, async (tx, checkpoint) => {
    demandWidth(tilePath('entries', index, width), width, tileWidth('entries', index, checkpoint.size));
    const from = index * TILE_WIDTH;
    const to = from + width;
    const stored = await readLeaves(tx, asked.tenantId, asked.log, { from, to });
    if (stored.length < width) throw await refusalOfGone(deps, tx, { ...asked, from, to });
    const hashes = await provenTile(deps, tx, { ...asked, checkpoint, level: 0, index });
    for (const { index: at, leaf } of stored) {
      if (equalBytes(leafHash(leaf), hashes[at - from] as Uint8Array)) continue;
      const detail = 'the bytes do not hash to what lies under the checkpoint';
      throw compromisedRecord(
        { check: 'V4', code: 'LEAF_HASH_MISMATCH', log: asked.log, leaf_index: at, detail },
        leaf,
      );
    }
    return { bytes: Buffer.from(encodeEntries(stored.map(({ leaf }) => leaf))), count: width };
  });
}

/** Reads in one snapshot, under the newest checkpoint of the log that verifies. */
function underNewest(
  deps: ReadDeps,
  { tenantId, log }: AskedLog,
  read: (tx: Tx, checkpoint: StoredCheckpoint) => Promise<Omit<TlogBytes, 'pins'>>,
): Promise<TlogBytes> {
  return inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const checkpoint = await newestVerified(deps, tx, { tenantId, log });
      return { ...(await read(tx, checkpoint)), pins: [{ log, size: checkpoint.size }] };
    },
    { readOnly: true, snapshot: true },
  );
}

/** @throws Refusal `not_found` when the log has no checkpoint; `evidence_compromised` when none of the newest is ours */
async function newestVerified(deps: ReadDeps, tx: Tx, { tenantId, log }: AskedLog): Promise<StoredCheckpoint> {
  const below = Number.MAX_SAFE_INTEGER;
  const [newest] = await readNewestCheckpoints(tx, tenantId, log, { below, limit: 1 });
  if (newest === undefined) throw new Refusal('not_found', 'there is no such log or tile');
  if (await deps.verifyCheckpoint(tenantId, log, newest)) return newest;
  const older = await readNewestCheckpoints(tx, tenantId, log, { below: newest.size, limit: MAX_UNSIGNED });
  for (const stored of older) if (await deps.verifyCheckpoint(tenantId, log, stored)) return stored;
  const finding = unsignedCheckpoint({ log, index: newest.size - 1 }, newest.size);
  throw compromisedRecord(finding, Buffer.from(newest.note, 'utf8'));
}

function demandWidth(path: string, width: number, covered: number): void {
  if (width <= covered) return;
  throw new Refusal('not_found', `the newest checkpoint covers ${covered} of ${path}`);
}

interface CoveredTile extends AskedLog {
  readonly checkpoint: StoredCheckpoint;
  readonly level: number;
  readonly index: number;
}

/** All hashes that a tile has under the checkpoint, proven against its root. @throws Refusal */
async function provenTile(deps: ReadDeps, tx: Tx, tile: CoveredTile): Promise<Uint8Array[]> {
  const { tenantId, log, checkpoint, level, index } = tile;
  const { size, root } = checkpoint;
  const width = tileWidth(level, index, size);
  const span = 2 ** (TILE_HEIGHT * level);
  const begin = index * TILE_WIDTH * span;
  const end = begin + width * span;
  const bytes = await hashesOf(tx, tenantId, log, { level, at: index, width });
  if (bytes === null)
    throw level === 0 ? await refusalOfGone(deps, tx, { tenantId, log, from: begin, to: end }) : goneTiles(log, begin);
  const roots = splitTile(bytes);
  const path = await overTiles(tx, tenantId, { log, size }, (read) => rangeProof({ begin, end, size }, read));
  // Full tiles stay when their leaves go by retention; of the last, unfinished one the hashes go, too.
  if (path === null) {
    const from = size - (size % TILE_WIDTH);
    throw from < size ? await refusalOfGone(deps, tx, { tenantId, log, from, to: size }) : goneTiles(log, begin);
  }
  if (verifySubtrees({ begin, size, level: TILE_HEIGHT * level, roots, path, root })) return roots;
  const detail = `${tilePath(level, index, width)} does not lie under the checkpoint of size ${size}`;
  throw compromisedRecord({ check: 'V3', code: 'NOT_UNDER_CHECKPOINT', log, leaf_index: begin, detail }, bytes);
}

/** Holds the column `leaf_hash` against a proven tile, where leaves are. @throws Refusal `evidence_compromised` */
async function demandColumns(
  tx: Tx,
  { tenantId, log }: AskedLog,
  { index, hashes }: { readonly index: number; readonly hashes: readonly Uint8Array[] },
): Promise<void> {
  const from = index * TILE_WIDTH;
  for (const { index: at, hash } of await readHashes(tx, tenantId, log, { from, to: from + hashes.length })) {
    if (equalBytes(hash, hashes[at - from] as Uint8Array)) continue;
    const detail = 'column leaf_hash is not what lies under the checkpoint';
    throw compromisedRecord({ check: 'V6', code: 'COLUMN_MISMATCH', log, leaf_index: at, detail }, hash);
  }
}
