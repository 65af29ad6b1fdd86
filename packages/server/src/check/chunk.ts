import { TILE_WIDTH } from '@sworn/evidence';
import { type LogPlace, readBatchesIn, readCheckpointsIn } from '../store/checking.js';
import type { TreeLeaf } from '../store/checkingLeaf.js';
import type { Tx } from '../store/database.js';
import { readTiles } from '../store/tileRead.js';
import type { Checking } from './checking.js';
import type { WrittenRoots } from './roots.js';

/** Roots read at once with a chunk: each is a batch or a checkpoint, of which a leaf has at most one each. */
const ROOTS_A_LEAF = 2;

/** `from` ≤ leaf index < `below`. */
export interface Span {
  readonly from: number;
  readonly below: number;
}

/** What is read of a range. */
export interface Chunk<Row extends TreeLeaf> extends WrittenRoots {
  readonly range: Span;
  readonly rows: readonly Row[];
  readonly bytes: number;
  /** By tile index. */
  readonly tiles: ReadonlyMap<number, Uint8Array>;
  readonly upper: ReadonlyMap<string, Uint8Array>;
}

/** How rows of `leaf` are read: with all of their columns, or with those that the tree asks for. */
export type ReadRows<Row extends TreeLeaf> = (
  tx: Tx,
  place: LogPlace,
  range: Span,
) => Promise<{ readonly leaves: readonly Row[]; readonly bytes: number }>;

/** A walk over a log, in chunks. */
export interface Chunking<Row extends TreeLeaf> {
  readonly place: LogPlace;
  readonly range: Span;
  /** Tiles in a chunk. */
  readonly tilesAtOnce: number;
  /** Whether the next chunk is asked for while one is looked at. */
  readonly ahead: boolean;
  readonly readRows: ReadRows<Row>;
}

/** Reads a range chunk by chunk, each as of one moment. */
export async function* readChunks<Row extends TreeLeaf>(
  checking: Checking,
  chunking: Chunking<Row>,
): AsyncGenerator<Chunk<Row>, void, void> {
  let next: Promise<Chunk<Row>> | null = null;
  for (let { from } = chunking.range; from < chunking.range.below; ) {
    const chunk: Chunk<Row> = await (next ?? readChunk(checking, chunking, from));
    from = chunk.range.below;
    next = chunking.ahead && from < chunking.range.below ? readChunk(checking, chunking, from) : null;
    // What went wrong is told where it is waited for, and to nobody if the walk ends before.
    next?.catch(() => undefined);
    yield chunk;
  }
}

async function readChunk<Row extends TreeLeaf>(
  checking: Checking,
  { place, range: whole, tilesAtOnce, readRows }: Chunking<Row>,
  from: number,
): Promise<Chunk<Row>> {
  // Whole tiles, so that one is looked at with all its leaves.
  const tilesEnd = (Math.floor(from / TILE_WIDTH) + tilesAtOnce) * TILE_WIDTH;
  const below = Math.min(tilesEnd, whole.below);
  return checking.ask(async (tx) => {
    const { leaves, bytes } = await readRows(tx, place, { from, below });
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
      range: { from, below },
      rows: leaves,
      bytes,
      tiles: new Map((await tilesOf(0)).map(({ index, hashes }) => [index, hashes])),
      upper,
      batches: await readBatchesIn(tx, place, { from, below, limit }),
      checkpoints: await readCheckpointsIn(tx, place, { from, to: below, limit }),
    };
  });
}
