import type { Finding, Proof } from '@sworn/contract';
import {
  base64,
  concat,
  inclusionProof,
  nodesInTiles,
  splitTile,
  TILE_WIDTH,
  tileWidth,
  treeHash,
  verifyInclusion,
} from '@sworn/evidence';
import { readHashes, readTile, type StoredCheckpoint } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import type { StoredLeaf } from '../store/runs.js';

/** A proof, or that the leaf does not lie under the checkpoint that covers it. */
export type Proven =
  | { readonly kind: 'proven'; readonly proof: Proof }
  | { readonly kind: 'compromised'; readonly finding: Finding };

/**
 * Inclusion proof of a leaf against the first checkpoint that covers it, verified, so that the proof never changes once it is there.
 * The path is built from stored tiles and leaf hashes and checked before it leaves: an answer never carries a proof that fails.
 */
export async function proofOf(
  tx: Tx,
  tenantId: string,
  stored: StoredLeaf,
  checkpoint: StoredCheckpoint | null,
): Promise<Proven> {
  const { log, index, leaf } = stored;
  if (checkpoint === null) {
    return { kind: 'proven', proof: { leaf: base64(leaf), index, size: null, path: [], checkpoint: null } };
  }
  const { size, root, note } = checkpoint;
  const path = await pathOf(tx, tenantId, { log, index, size });
  const compromised = (check: Finding['check'], code: Finding['code'], detail: string): Proven => ({
    kind: 'compromised',
    finding: { check, code, log, leaf_index: index, detail },
  });
  if (path === null) return compromised('V5', 'MISSING_UNAUTHORISED', `leaves or tiles below size ${size} are gone`);
  if (!verifyInclusion({ index, size, leafHash: stored.leafHash, path, root })) {
    return compromised('V3', 'NOT_UNDER_CHECKPOINT', `the leaf does not lie under the checkpoint of size ${size}`);
  }
  return {
    kind: 'proven',
    proof: { leaf: base64(leaf), index, size, path: path.map(base64), checkpoint: note },
  };
}

interface Place {
  readonly log: string;
  readonly index: number;
  readonly size: number;
}

/** The path, or null where leaves or tiles it needs are gone. */
async function pathOf(tx: Tx, tenantId: string, place: Place): Promise<Uint8Array[] | null> {
  const { index, size } = place;
  // Asked once with blanks, the proof says which tiles it needs; asked again, it gets them.
  const wanted = new Map<string, Tile>();
  inclusionProof(
    index,
    size,
    nodesInTiles((level, at) => {
      const width = tileWidth(level, at, size);
      wanted.set(`${level}/${at}`, { level, at, width });
      return new Uint8Array(width * 32);
    }),
  );
  const tiles = new Map<string, Uint8Array>();
  for (const [name, tile] of wanted) {
    const hashes = await hashesOf(tx, tenantId, place.log, tile);
    if (hashes === null) return null;
    tiles.set(name, hashes);
  }
  return inclusionProof(
    index,
    size,
    nodesInTiles((level, at) => tiles.get(`${level}/${at}`) as Uint8Array),
  );
}

interface Tile {
  readonly level: number;
  readonly at: number;
  /** Hashes it has at the asked size. */
  readonly width: number;
}

/** The hashes of a tile: stored when it is full by now, else leaf hashes, or the roots of the full tiles below. Null: something is gone. */
async function hashesOf(tx: Tx, tenantId: string, log: string, { level, at, width }: Tile): Promise<Uint8Array | null> {
  const full = await readTile(tx, tenantId, log, level, at);
  if (full !== null) return full.subarray(0, width * 32);
  const first = at * TILE_WIDTH;
  if (level === 0) {
    const hashes = await readHashes(tx, tenantId, log, first, first + width);
    return hashes.length === width ? concat(...hashes) : null;
  }
  const roots: Uint8Array[] = [];
  for (let entry = first; entry < first + width; entry++) {
    const below = await readTile(tx, tenantId, log, level - 1, entry);
    if (below === null) return null;
    roots.push(treeHash(splitTile(below)));
  }
  return concat(...roots);
}
