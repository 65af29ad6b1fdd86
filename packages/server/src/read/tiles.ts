import {
  concat,
  hex,
  nodesInTiles,
  type ReadNode,
  sha256,
  splitTile,
  TILE_WIDTH,
  tileWidth,
  treeHash,
} from '@sworn/evidence';
import type { Tx } from '../store/database.js';
import { readHashes, readTiles } from '../store/tileRead.js';

/** A log, taken at a size. */
export interface SizedLog {
  readonly log: string;
  readonly size: number;
}

/** A hash tile at the size of its log. */
export interface HashTile {
  readonly level: number;
  /** Place within its level. */
  readonly at: number;
  /** Hashes it has at that size, 1 to 256. */
  readonly width: number;
}

/** What `ask` makes of nodes of the tree, read out of stored tiles and leaf hashes; null where some that it needs are gone. Nothing is verified. */
export async function overTiles<T>(
  tx: Tx,
  tenantId: string,
  { log, size }: SizedLog,
  ask: (read: ReadNode) => T,
): Promise<T | null> {
  // Asked once with blanks, it says which tiles it needs; asked again, it gets them.
  const wanted = new Map<string, HashTile>();
  ask(
    nodesInTiles((level, at) => {
      const width = tileWidth(level, at, size);
      wanted.set(`${level}/${at}`, { level, at, width });
      return new Uint8Array(width * 32);
    }),
  );
  const tiles = new Map<string, Uint8Array>();
  for (const [name, tile] of wanted) {
    const hashes = await hashesOf(tx, tenantId, log, tile);
    if (hashes === null) return null;
    tiles.set(name, hashes);
  }
  return ask(nodesInTiles((level, at) => tiles.get(`${level}/${at}`) as Uint8Array));
}

/**
 * The hashes of a tile, 32 bytes each: stored when it is full by now, else leaf hashes, or the roots of the full tiles below. Null: something
 * is gone. Nothing is verified.
 */
export async function hashesOf(
  tx: Tx,
  tenantId: string,
  log: string,
  { level, at, width }: HashTile,
): Promise<Uint8Array | null> {
  const [full] = await readTiles(tx, tenantId, log, { level, from: at, to: at + 1 });
  if (full !== undefined) return full.hashes.subarray(0, width * 32);
  const from = at * TILE_WIDTH;
  const places = { from, to: from + width };
  const hashes =
    level === 0
      ? (await readHashes(tx, tenantId, log, places)).map(({ hash }) => hash)
      : (await readTiles(tx, tenantId, log, { level: level - 1, ...places })).map((tile) => rootOf(tile.hashes));
  return hashes.length === width ? concat(...hashes) : null;
}

/** Roots of full tiles that a process remembers, some 250 bytes each. */
const ROOTS_HELD = 16_384;
/**
 * By the SHA-256 of the very bytes they are the root of, so that it does not matter who wrote those, or when. An unfinished tile is made of up to
 * 255 full ones: 100 ms of hashing, against 2.
 */
const roots = new Map<string, Uint8Array>();

function rootOf(tile: Uint8Array): Uint8Array {
  const name = hex(sha256(tile));
  const held = roots.get(name);
  if (held !== undefined) return held;
  const root = treeHash(splitTile(tile));
  const [oldest] = roots.keys();
  if (roots.size >= ROOTS_HELD && oldest !== undefined) roots.delete(oldest);
  roots.set(name, root);
  return root;
}
