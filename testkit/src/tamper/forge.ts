import { createHmac, createPrivateKey, sign } from 'node:crypto';
import { join } from 'node:path';
import {
  checkpointBody,
  concat,
  emptyFrontier,
  encodeFrontier,
  encodeLeaf,
  extendFrontier,
  formatNote,
  type Frontier,
  frontierRoot,
  fullTilesBetween,
  leafHash,
  type LeafFields,
  parseNote,
  parseVkey,
  signatureBy,
  TILE_WIDTH,
  treeHash,
  vkeyOf,
} from '@sworn/evidence';
import { keyPair, readKey } from '../auditKeys.js';
import type { LeafSeen, LogPlace, Scene } from './scene.js';

/** A log as it should be for its leaves to be right. */
export interface Tree {
  readonly hashes: readonly Uint8Array[];
  rootAt(size: number): Uint8Array;
}

/** Changes members of a leaf and writes it anew, canonical. The hash beside it stays as it was. */
export async function editLeaf(
  scene: Scene,
  place: LogPlace,
  index: number,
  change: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { leaf } = await scene.leafAt(place, index);
  const members = { ...(JSON.parse(leaf.toString('utf8')) as LeafFields), ...change } as LeafFields;
  await setLeaf(scene, place, index, encodeLeaf(members));
}

/** Puts other bytes in the place of a leaf. */
export async function setLeaf(
  scene: Scene,
  { tenantId, log }: LogPlace,
  index: number,
  leaf: Uint8Array,
): Promise<void> {
  await scene.strike(`update sworn.leaf set leaf = $4 where tenant_id = $1 and log = $2 and leaf_index = $3`, [
    tenantId,
    log,
    index,
    leaf,
  ]);
}

/** Gives a leaf the hash of its bytes. */
export async function rehashLeaf(scene: Scene, { tenantId, log }: LogPlace, index: number): Promise<void> {
  await scene.strike(
    `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where tenant_id = $1 and log = $2 and leaf_index = $3`,
    [tenantId, log, index],
  );
}

/** Rewrites a log coherently from its leaves' bytes: hashes, tiles, head. What needs a key stays: authenticators, checkpoints. */
export async function rewriteTree(scene: Scene, place: LogPlace): Promise<Tree> {
  const { tenantId, log } = place;
  const at = [tenantId, log];
  const leaves = await scene.read<{ leaf: Buffer; at: string }>(
    `select leaf, recorded_at as at from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index`,
    at,
  );
  await scene.strike(
    `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where tenant_id = $1 and log = $2`,
    at,
  );
  const hashes = leaves.map((row) => leafHash(row.leaf));
  await scene.read(`delete from sworn.tile where tenant_id = $1 and log = $2`, at);
  let level = 0;
  let row: readonly Uint8Array[] = hashes;
  for (const tile of fullTilesBetween(0, hashes.length)) {
    if (tile.level > level) {
      level = tile.level;
      row = rootsOf(row);
    }
    const tileHashes = concat(...row.slice(tile.index * TILE_WIDTH, (tile.index + 1) * TILE_WIDTH));
    await scene.strike(`insert into sworn.tile values ($1, $2, $3, $4, $5)`, [
      ...at,
      tile.level,
      tile.index,
      tileHashes,
    ]);
  }
  const frontier = extendFrontier(emptyFrontier, hashes);
  await scene.strike(
    `update sworn.log_head h set next_index = $3, frontier = $4, root = $5,
       last_recorded_at = (select max(recorded_at) from sworn.leaf l where l.tenant_id = h.tenant_id and l.log = h.log)
      where tenant_id = $1 and log = $2`,
    [...at, hashes.length, encodeFrontier(frontier), frontierRoot(frontier)],
  );
  return treeOf(hashes);
}

/** Writes the rows of checkpoints anew, with the roots of this tree under the old signatures: who has no key cannot do better. */
export async function rewriteCheckpointRows(scene: Scene, place: LogPlace, tree: Tree): Promise<void> {
  for (const { size, note } of await checkpointsOf(scene, place)) {
    const root = tree.rootAt(size);
    const body = checkpointBody({ origin: scene.originOf(place), size, root });
    await setCheckpoint(scene, place, { size, root, note: `${body}${note.slice(note.indexOf('\n\n') + 1)}` });
  }
}

/** Makes every authenticator of a log anew with the stolen recorder key. */
export async function authenticateAnew(scene: Scene, place: LogPlace, tree: Tree): Promise<void> {
  const { tenantId, log } = place;
  const batches = await scene.read<{ first: number; count: number; at: string }>(
    `select first_index::float8 as first, count::float8 as count, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
       from sworn.batch_authenticator where tenant_id = $1 and log = $2`,
    [tenantId, log],
  );
  for (const { first, count, at } of batches) {
    const [before, after] = [tree.rootAt(first), tree.rootAt(first + count)];
    await scene.strike(
      `update sworn.batch_authenticator set root_before = $4, root_after = $5, mac = $6 where tenant_id = $1 and log = $2 and first_index = $3`,
      [tenantId, log, first, before, after, macOf(scene, place, { first, count, at, before, after })],
    );
  }
}

/** What a batch authenticator binds. */
interface Batch {
  readonly first: number;
  readonly count: number;
  readonly at: string;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** The authenticator that the recorder's stolen key makes. */
export function macOf(scene: Scene, place: LogPlace, { first, count, at, before, after }: Batch): Uint8Array {
  return createHmac('sha256', readKey(join(scene.keyDir, 'deployment', 'recorder.key')))
    .update(`sworn.batch/1\0${scene.originOf(place)}\0${first}\0${count}\0${at}\0`)
    .update(before)
    .update(after)
    .digest();
}

/** Signs every checkpoint of a log anew: by the stolen keys, each in its time, or by a key of the attacker's own. */
export async function signAnew(scene: Scene, place: LogPlace, tree: Tree, own: Buffer | null): Promise<void> {
  for (const { size, note } of await checkpointsOf(scene, place)) {
    const root = tree.rootAt(size);
    const seed = own ?? stolenSeed(scene, place, note);
    await setCheckpoint(scene, place, { size, root, note: noteOf(scene.originOf(place), { size, root }, seed) });
  }
}

/** Seed of the signing key under which a checkpoint stands, as whoever stole each in its time has it. */
export function stolenSeed({ stage, keyDir, originOf }: Scene, place: LogPlace, note: string): Buffer {
  const { retiredSeed } = stage;
  const isRetired = signatureBy(parseNote(note), parseVkey(vkeyOf(originOf(place), keyPair(retiredSeed).raw))) !== null;
  return isRetired ? retiredSeed : readKey(join(keyDir, 'deployment', 'signing.key'));
}

/** A checkpoint under a key. */
export function noteOf(origin: string, { size, root }: { size: number; root: Uint8Array }, seed: Buffer): string {
  const { raw, der } = keyPair(seed);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return formatNote(checkpointBody({ origin, size, root }), [
    { name: origin, publicKey: raw, sign: (message) => sign(null, message, key) },
  ]);
}

/** Adds a leaf at the end as the sequencer would: row, tile, head; its authenticator is up to the caller. @returns its index. */
export async function appendCoherently(
  scene: Scene,
  place: LogPlace,
  like: LeafSeen,
  change: Readonly<Record<string, unknown>>,
): Promise<{ readonly index: number; readonly tree: Tree; readonly at: string }> {
  const { tenantId, log } = place;
  const index = await scene.sizeOf(place);
  const eventKey = String(change['event_key']);
  await scene.strike(
    `insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, trace_id, run_id, occurred_at, recorded_at, body, digest, dk)
     select tenant_id, log, $4::bigint, kind, leaf, leaf_hash, decode($5, 'hex'), trace_id, run_id, occurred_at, clock_timestamp(), body, digest, dk
       from sworn.leaf where tenant_id = $1 and log = $2 and leaf_index = $3`,
    [tenantId, log, like.index, index, eventKey],
  );
  const [row] = await scene.read<{ at: string }>(
    `select to_char(recorded_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from sworn.leaf where tenant_id = $1 and log = $2 and leaf_index = $3`,
    [tenantId, log, index],
  );
  const at = row?.at ?? '';
  await editLeaf(scene, place, index, { ...change, recorded_at: at });
  return { index, at, tree: await rewriteTree(scene, place) };
}

/** Stores an authenticator for a batch. */
export async function insertBatch(
  scene: Scene,
  { tenantId, log }: LogPlace,
  batch: Batch,
  mac: Uint8Array,
): Promise<void> {
  await scene.strike(`insert into sworn.batch_authenticator values ($1, $2, $3, $4, $5, $6, $7, $8)`, [
    tenantId,
    log,
    batch.first,
    batch.count,
    batch.before,
    batch.after,
    batch.at,
    mac,
  ]);
}

/** Stored checkpoints of a log, oldest first. */
export function checkpointsOf(
  scene: Scene,
  { tenantId, log }: LogPlace,
): Promise<{ readonly size: number; readonly root: Buffer; readonly note: string }[]> {
  return scene.read(
    `select size::float8 as size, root, note from sworn.checkpoint where tenant_id = $1 and log = $2 order by size`,
    [tenantId, log],
  );
}

/** Puts another root and note in the place of a checkpoint's. */
export async function setCheckpoint(
  scene: Scene,
  { tenantId, log }: LogPlace,
  { size, root, note }: { readonly size: number; readonly root: Uint8Array; readonly note: string },
): Promise<void> {
  await scene.strike(
    `update sworn.checkpoint set root = $4, note = $5 where tenant_id = $1 and log = $2 and size = $3`,
    [tenantId, log, size, root, note],
  );
}

function treeOf(hashes: readonly Uint8Array[]): Tree {
  return {
    hashes,
    rootAt(size) {
      const frontier: Frontier = extendFrontier(emptyFrontier, hashes.slice(0, size));
      return frontierRoot(frontier);
    },
  };
}

function rootsOf(hashes: readonly Uint8Array[]): Uint8Array[] {
  return Array.from({ length: Math.floor(hashes.length / TILE_WIDTH) }, (_, i) =>
    treeHash(hashes.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH)),
  );
}
