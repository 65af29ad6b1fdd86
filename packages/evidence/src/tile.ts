import { concat } from './bytes.js';
import { Malformed } from './malformed.js';
import type { ReadNode } from './proof.js';
import { HASH_BYTES, treeHash } from './tree.js';

/** Levels of the tree in one tile (C2SP tlog-tiles fixes it). */
export const TILE_HEIGHT = 8;
/** Hashes in a full tile. */
export const TILE_WIDTH = 2 ** TILE_HEIGHT;
/** Highest tile level that a tree of 2^53−1 leaves has. */
const MAX_TILE_LEVEL = 6;

/** A tile of hashes by level, or of log entries. */
export interface TileId {
  readonly level: number | 'entries';
  /** Place within its level, from 0. */
  readonly index: number;
  /** Hashes or entries in it, 1 to 256; less than 256 for a partial tile. */
  readonly width: number;
}

/** A full hash tile: level and place within it. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
}

/** The hash tiles that became full when the log grew from `from` to `to` leaves: lowest level first, then left to right. */
export function fullTilesBetween(from: number, to: number): FullTile[] {
  const tiles: FullTile[] = [];
  for (let level = 0, full = TILE_WIDTH; full <= to; level++, full *= TILE_WIDTH) {
    for (let index = Math.floor(from / full); index < Math.floor(to / full); index++) tiles.push({ level, index });
  }
  return tiles;
}

/** How many hashes the tile at this place has in a log of `size` leaves: 0 (it does not exist) to 256. */
export function tileWidth(level: number | 'entries', index: number, size: number): number {
  const rows = level === 'entries' ? size : Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, rows - index * TILE_WIDTH));
}

/** `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles), without a leading slash. */
export function tilePath(level: number | 'entries', index: number, width: number = TILE_WIDTH): string {
  const partial = width === TILE_WIDTH ? '' : `.p/${width}`;
  return `tile/${level}/${threes(index)}${partial}`;
}

/** `index` in groups of three digits, all but the last with an x before it: 1234067 is `x001/x234/067`. */
function threes(index: number): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/[0-9]{3}/g) ?? [];
  return groups.map((group, i) => (i === groups.length - 1 ? group : `x${group}`)).join('/');
}

const TILE_PATH = /^tile\/([0-9]|entries)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** The tile a path names; null when it is not, character for character, the path of one. */
export function parseTilePath(path: string): TileId | null {
  const [, levelText, groups, widthText] = TILE_PATH.exec(path) ?? [];
  if (levelText === undefined || groups === undefined) return null;
  const level = levelText === 'entries' ? levelText : Number(levelText);
  const index = Number(groups.replaceAll(/[x/]/g, ''));
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText);
  if (!Number.isSafeInteger(index) || (level !== 'entries' && level > MAX_TILE_LEVEL)) return null;
  return tilePath(level, index, width) === path && width <= TILE_WIDTH ? { level, index, width } : null;
}

/**
 * Reads nodes of the tree out of tiles, for the proofs.
 * @param hashesOf the 32-byte hashes of a hash tile, one after another, as many as the asked size has
 */
export function nodesInTiles(hashesOf: (level: number, index: number) => Uint8Array): ReadNode {
  return (level, index) => {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const width = 2 ** (level % TILE_HEIGHT);
    const first = index * width;
    const hashes = splitTile(hashesOf(tileLevel, Math.floor(first / TILE_WIDTH)));
    const mine = hashes.slice(first % TILE_WIDTH, (first % TILE_WIDTH) + width);
    if (mine.length !== width)
      throw new Malformed('tile', `tile ${tileLevel}/${Math.floor(first / TILE_WIDTH)} is too narrow`);
    return treeHash(mine);
  };
}

/**
 * The hashes of a hash tile.
 * @throws Malformed `tile` when these are not 1 to 256 hashes
 */
export function splitTile(tile: Uint8Array): Uint8Array[] {
  const width = tile.length / HASH_BYTES;
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH)
    throw new Malformed('tile', `${tile.length} bytes are not 1 to ${TILE_WIDTH} hashes`);
  return Array.from({ length: width }, (_, i) => tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

/** An entry tile (C2SP tlog-tiles, "Log entries"): each leaf after its length as two big-endian bytes. */
export function encodeEntries(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length < 1 || leaves.length > TILE_WIDTH || leaves.some((leaf) => leaf.length > 0xffff))
    throw new RangeError('not an entry tile');
  return concat(...leaves.flatMap((leaf) => [Uint8Array.of(leaf.length >> 8, leaf.length & 0xff), leaf]));
}

/**
 * The leaves of an entry tile.
 * @throws Malformed `tile` when a length runs past the end, or these are not 1 to 256 entries
 */
export function decodeEntries(tile: Uint8Array): Uint8Array[] {
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < tile.length; ) {
    const begin = at + 2;
    const end = begin + (tile[at] as number) * 256 + (tile[at + 1] ?? Number.POSITIVE_INFINITY);
    if (end > tile.length || leaves.length === TILE_WIDTH)
      throw new Malformed('tile', `entry tile broken at byte ${at}`);
    leaves.push(tile.subarray(begin, end));
    at = end;
  }
  if (leaves.length === 0) throw new Malformed('tile', 'an empty entry tile');
  return leaves;
}
