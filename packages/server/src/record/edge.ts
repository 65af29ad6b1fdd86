import { concat, emptyFrontier, extendFrontier, type Frontier, splitTile, TILE_WIDTH, treeHash } from '@sworn/evidence';
import { readLeafHashes, readTiles, type TileRow } from '../store/append.js';
import type { Tx } from '../store/database.js';

/**
 * The right edge of a log's tiles: for each level, the hashes of the tile that is still filling, at most 255 a level.
 * Kept in memory between batches so that a full tile is written without reading its leaves again.
 */
export type TileEdge = readonly (readonly Uint8Array[])[];

/** The edge of a log of `size` leaves, read back from leaves (level 0) and full tiles (above). */
export async function loadEdge(tx: Tx, tenantId: string, log: string, size: number): Promise<TileEdge> {
  const edge: Uint8Array[][] = [];
  edge.push(await readLeafHashes(tx, tenantId, log, size - (size % TILE_WIDTH), size));
  for (let level = 1, below = Math.floor(size / TILE_WIDTH); below > 0; level++) {
    const from = below - (below % TILE_WIDTH);
    const tiles = await readTiles(tx, tenantId, log, level - 1, from, below);
    edge.push(tiles.map((hashes) => treeHash(splitTile(hashes))));
    below = Math.floor(below / TILE_WIDTH);
  }
  return edge;
}

/** Appends `hashes` at leaf index `first`; returns the new edge and the tiles that became full, lowest level first. */
export function growEdge(
  edge: TileEdge,
  log: string,
  first: number,
  hashes: readonly Uint8Array[],
): { readonly edge: TileEdge; readonly tiles: readonly TileRow[] } {
  const grown: (readonly Uint8Array[])[] = [];
  const tiles: TileRow[] = [];
  let arriving: readonly Uint8Array[] = hashes;
  let at = first;
  for (let level = 0; level < edge.length || arriving.length > 0; level++) {
    const row = [...(edge[level] ?? []), ...arriving];
    let index = Math.floor(at / TILE_WIDTH);
    const parents: Uint8Array[] = [];
    let start = 0;
    for (; start + TILE_WIDTH <= row.length; start += TILE_WIDTH) {
      const full = row.slice(start, start + TILE_WIDTH);
      tiles.push({ log, level, index: index++, hashes: concat(...full) });
      parents.push(treeHash(full));
    }
    grown.push(start === 0 ? row : row.slice(start));
    at = Math.floor(at / TILE_WIDTH);
    arriving = parents;
  }
  return { edge: grown, tiles };
}

/**
 * The tree of `size` leaves as its frontier: its perfect subtrees are those of the tiles that are filling, the highest level leftmost. Of each leaf the nodes
 * above it within its tile are hashed once, when that is full, and not a second time here.
 */
export function frontierOf(edge: TileEdge, size: number): Frontier {
  return { size, hashes: edge.toReversed().flatMap((row) => extendFrontier(emptyFrontier, row).hashes) };
}
