import { TILE_WIDTH } from '@sworn/evidence';
import { type FullLeaf, type LogPlace, readBatchesIn, readCheckpointsIn, readLeaves } from '../store/checking.js';
import { readTiles } from '../store/tileRead.js';
import type { Checking } from './checking.js';
import type { WrittenRoots } from './roots.js';

/** Roots read at once with a chunk: each is a batch or a checkpoint, of which a leaf has at most one each. */
const ROOTS_A_LEAF = 2;

/** What is read of a range. */
export interface Chunk extends WrittenRoots {
  readonly rows: readonly FullLeaf[];
  readonly bytes: number;
  /** By tile index. */
  readonly tiles: ReadonlyMap<number, Uint8Array>;
  readonly upper: ReadonlyMap<string, Uint8Array>;
}

/** Reads a range as of one moment. */
export async function readChunk(
  checking: Checking,
  place: LogPlace,
  { from, below }: { from: number; below: number },
): Promise<Chunk> {
  return checking.ask(async (tx) => {
    const { leaves, bytes } = await readLeaves(tx, place, { from, below });
    const tilesOf = (level: number) => {
      const width = TILE_WIDTH ** (level + 1);
      return readTiles(tx, place.tenantId, place.log, {
        level,
        from: Math.floor(from / width),
        to: Math.floor(below / width),
      });
    };
    const limit = ROOTS_A_LEAF * (below - from);
    const upper = new Map<string, Uint8Array>();
    for (let level = 1; TILE_WIDTH ** (level + 1) <= below; level++)
      for (const { index, hashes } of await tilesOf(level)) upper.set(`${level}/${index}`, hashes);
    return {
      rows: leaves,
      bytes,
      tiles: new Map((await tilesOf(0)).map(({ index, hashes }) => [index, hashes])),
      upper,
      batches: await readBatchesIn(tx, place, { from, below, limit }),
      checkpoints: await readCheckpointsIn(tx, place, { from, to: below, limit }),
    };
  });
}
