import {
  consistencyProof,
  emptyFrontier,
  frontierRoot,
  hex,
  Malformed,
  nodesInTiles,
  rangeProof,
  splitTile,
  TILE_WIDTH,
  type TreeHead,
  tilePath,
  tileWidth,
  verifyConsistency,
} from '@sworn/evidence';
import { type LogServer, Unreachable } from './logServer.js';

const HASH_BYTES = 32;

/** Whether a larger tree begins with all of a smaller one. */
export type Continuation =
  | { readonly kind: 'proven' }
  /** The tiles hash to the larger checkpoint's root, and the smaller one is not in it: two histories, both signed. `root`: hex, of the other one. */
  | { readonly kind: 'fork'; readonly root: string }
  /** The tiles are not those of the larger checkpoint: it is not shown what it continues. */
  | { readonly kind: 'unproven'; readonly detail: string };

/**
 * Proves from the log's own tiles that `to` continues `from`; no tile is believed, the proof has to come out at both signed roots.
 * @param to larger than `from`
 * @throws Unreachable when a tile is not there or not answered
 */
export async function proveContinuation(server: LogServer, from: TreeHead, to: TreeHead): Promise<Continuation> {
  let tiles: Map<string, Uint8Array>;
  try {
    tiles = await fetchTiles(server, tilesFor(from.size, to.size));
  } catch (error) {
    if (error instanceof Malformed) return { kind: 'unproven', detail: error.message };
    throw error;
  }
  const read = nodesInTiles((level, index) => tiles.get(nameOf(level, index)) as Uint8Array);
  const sizes = { from: from.size, to: to.size, toRoot: to.root, path: consistencyProof(from.size, to.size, read) };
  if (verifyConsistency({ ...sizes, fromRoot: from.root })) return { kind: 'proven' };
  // A tile that lies must not look like a fork, nor a fork like a tile that lies: with what the tiles themselves say of the smaller tree,
  // the same proof comes out exactly when they are those of the signed root.
  const fromRoot = rootAt(from.size, to.size, tiles);
  if (verifyConsistency({ ...sizes, fromRoot })) return { kind: 'fork', root: hex(fromRoot) };
  return { kind: 'unproven', detail: `the tiles do not hash to the root of the checkpoint of ${to.size} leaves` };
}

interface Tile {
  readonly level: number;
  readonly index: number;
  /** Hashes it has at the larger size. */
  readonly width: number;
}

/** Asked with blanks, the proofs say which tiles they need: at most about 20 for any two sizes. */
function tilesFor(from: number, to: number): Tile[] {
  const wanted = new Map<string, Tile>();
  const note = nodesInTiles((level, index) => {
    const width = tileWidth(level, index, to);
    wanted.set(nameOf(level, index), { level, index, width });
    return new Uint8Array(width * HASH_BYTES);
  });
  consistencyProof(from, to, note);
  if (from > 0) rangeProof({ begin: from, end: to, size: to }, note);
  return [...wanted.values()];
}

async function fetchTiles(server: LogServer, wanted: readonly Tile[]): Promise<Map<string, Uint8Array>> {
  const tiles = new Map<string, Uint8Array>();
  for (const { level, index, width } of wanted) {
    const path = tilePath(level, index, width);
    // A partial tile may be gone once the tile is full (C2SP tlog-tiles, "Partial tiles").
    const whole = width < TILE_WIDTH ? tilePath(level, index) : null;
    const bytes = (await server.tile(path)) ?? (whole === null ? null : await server.tile(whole));
    if (bytes === null) throw new Unreachable(`${path} is not there`);
    if (splitTile(bytes).length < width) throw new Malformed('tile', `${path} has fewer than ${width} hashes`);
    tiles.set(nameOf(level, index), bytes.subarray(0, width * HASH_BYTES));
  }
  return tiles;
}

/** Root of the first `size` leaves, as the tiles of a tree of `of` leaves have them. */
function rootAt(size: number, of: number, tiles: ReadonlyMap<string, Uint8Array>): Uint8Array {
  if (size === 0) return frontierRoot(emptyFrontier);
  const read = nodesInTiles((level, index) => tiles.get(nameOf(level, index)) as Uint8Array);
  // The proof of the leaves after them begins with their frontier; the range ends with the tree, so it holds nothing else.
  return frontierRoot({ size, hashes: rangeProof({ begin: size, end: of, size: of }, read) });
}

function nameOf(level: number, index: number): string {
  return `${level}/${index}`;
}
