import { checkpointBody, concat, formatNote, splitTile, treeHash } from '@sworn/evidence';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildHouse, type House } from './facadeHouse.js';
import { ask, attack, type GotBytes, type LoggedTenant, tenantWithLogs } from './tlogHouse.js';

/**
 * A log so long that it has tiles of three levels and a place of four digits. Its rows are written by hand, as the sequencer leaves them: of the
 * leaves only those of the unfinished tile, since nothing else is read for hashes.
 */
const FULL = 1_171;
const LAST = 224;
const SIZE = FULL * 256 + LAST;

let house: House;
let tenant: LoggedTenant;
/** Hashes of levels 0, 1 and 2. */
let rows: Uint8Array[][];

beforeAll(async () => {
  house = await buildHouse();
  tenant = await tenantWithLogs(house, 0);
  const leaves = Array.from({ length: SIZE }, (_, i) => createHash('sha256').update(`${i}`).digest());
  const root = treeHash(leaves);
  const above = tilesOf(leaves).map(treeHash);
  rows = [leaves, above, tilesOf(above).map(treeHash)];
  for (const level of [0, 1]) {
    await attack(
      house,
      `insert into sworn.tile (tenant_id, log, level, tile_index, hashes)
       select $1, 'llm-runs', $2, place - 1, hashes from unnest($3::bytea[]) with ordinality as t(hashes, place)`,
      [tenant.id, level, tilesOf(rows[level] ?? []).map((tile) => Buffer.from(concat(...tile)))],
    );
  }
  await attack(
    house,
    `insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, occurred_at, recorded_at, digest)
     select $1, 'llm-runs', $2 + place - 1, 'STEP', 'x', hash, hash, now(), now(), hash
       from unnest($3::bytea[]) with ordinality as t(hash, place)`,
    [tenant.id, FULL * 256, leaves.slice(FULL * 256)],
  );
  await attack(
    house,
    `insert into sworn.checkpoint (tenant_id, log, size, root, note, signed_at) values ($1, 'llm-runs', $2, $3, $4, now())`,
    [tenant.id, SIZE, Buffer.from(root), signed(root)],
  );
}, 120_000);
afterAll(() => house.close());

/** Full tiles of a level. */
function tilesOf(level: readonly Uint8Array[]): Uint8Array[][] {
  return Array.from({ length: Math.floor(level.length / 256) }, (_, i) => level.slice(256 * i, 256 * (i + 1)));
}

function signed(root: Uint8Array): string {
  const name = house.read.originOf(tenant.id, 'llm-runs');
  const { publicKey, sign } = house.keyStore.noteSigner;
  return formatNote(checkpointBody({ origin: name, size: SIZE, root }), [{ name, publicKey, sign }]);
}

const at = (path: string): Promise<GotBytes> => ask(house, tenant.prefix + path, tenant.auditor);

describe('a long log', () => {
  it.each([
    ['tile/0/000', 0, 0, 256],
    ['tile/0/999', 0, 999, 256],
    ['tile/0/x001/000', 0, 1_000, 256],
    ['tile/0/x001/170.p/17', 0, 1_170, 17],
    ['tile/0/x001/171.p/224', 0, 1_171, LAST],
    ['tile/1/000', 1, 0, 256],
    ['tile/1/003', 1, 3, 256],
    ['tile/1/004.p/147', 1, 4, FULL - 1_024],
    ['tile/1/004.p/1', 1, 4, 1],
    ['tile/2/000.p/4', 2, 0, 4],
  ])('has the tile %s', async (path, level, index, width) => {
    const got = await at(path);
    expect(got.status, got.bytes.toString('utf8').slice(0, 300)).toBe(200);
    expect(splitTile(got.bytes).map((hash) => Buffer.from(hash))).toEqual(
      rows[level]?.slice(256 * index, 256 * index + width).map((hash) => Buffer.from(hash)),
    );
  });

  it.each([
    'tile/0/x001/171',
    'tile/0/x001/171.p/225',
    'tile/1/004',
    'tile/1/004.p/148',
    'tile/2/000.p/5',
    'tile/3/000.p/1',
  ])('has no tile %s', async (path) => {
    expect((await at(path)).status).toBe(404);
  });

  it('says what is wrong with a tile of any level, and with no other', async () => {
    const flip = (level: number, index: number) =>
      attack(
        house,
        `update sworn.tile set hashes = set_byte(hashes, 99, 255 - get_byte(hashes, 99))
          where tenant_id = $1 and log = 'llm-runs' and level = $2 and tile_index = $3`,
        [tenant.id, level, index],
      );
    await flip(0, 700);
    expect((await at('tile/0/700')).json?.finding).toMatchObject({ check: 'V3', leaf_index: 700 * 256 });
    // Its root stands in a full tile above: what lies beside it is still proven.
    for (const path of ['tile/0/701', 'tile/1/002', 'tile/0/x001/171.p/224']) expect((await at(path)).status).toBe(200);
    await flip(0, 700);
    expect((await at('tile/0/700')).status).toBe(200);
    await flip(1, 3);
    expect((await at('tile/1/003')).json?.finding).toMatchObject({ check: 'V3', leaf_index: 3 * 65_536 });
    await flip(1, 3);
    expect((await at('tile/1/003')).status).toBe(200);
  });
});
