import { checkpointBody, decodeEntries, formatNote, parseCheckpoint } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildHouse, type House } from './facadeHouse.js';
import { permitRetention } from './retention.js';
import { ask, attack, type GotBytes, grow, type LoggedTenant, storedLeaves, tenantWithLogs } from './tlogHouse.js';

let house: House;
let tenant: LoggedTenant;
/** A full tile and an unfinished one. */
const SPANS = 300;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test damages is no other's business.
beforeEach(async () => {
  tenant = await tenantWithLogs(house, SPANS);
});
afterAll(() => house.close());

const at = (path: string): Promise<GotBytes> => ask(house, tenant.prefix + path, tenant.auditor);
/** A superuser's statement; `MINE` stands for the rows of the log. */
const damage = (text: string): Promise<void> =>
  attack(
    house,
    text.replaceAll('MINE', () => `tenant_id = $1 and log = 'llm-runs'`),
    [tenant.id],
  );
const PARTIAL = `001.p/${SPANS - 256}`;

/** The finding of a 409, and that no evidence is kept by anybody's cache. */
async function findingAt(path: string): Promise<Record<string, unknown>> {
  const got = await at(path);
  expect([got.status, got.json?.code], path).toEqual([409, 'evidence_compromised']);
  expect(got.headers.get('cache-control')).toBe('no-store');
  return got.json.finding;
}

const FLIP = (column: string) =>
  `set ${column} = set_byte(${column}, 40 % length(${column}), 255 - get_byte(${column}, 40 % length(${column})))`;

describe('damage behind the server’s back', () => {
  it('to a full tile: it does not lie under the checkpoint, and nothing that it holds is served', async () => {
    await damage(`update sworn.tile ${FLIP('hashes')} where MINE and level = 0`);
    const finding = { check: 'V3', code: 'NOT_UNDER_CHECKPOINT', log: 'llm-runs', leaf_index: 0 };
    expect(await findingAt('tile/0/000')).toMatchObject(finding);
    expect(await findingAt('tile/0/000.p/1')).toMatchObject(finding);
    expect(await findingAt('tile/entries/000')).toMatchObject(finding);
    expect(await findingAt('tile/1/000.p/1')).toMatchObject(finding);
  });

  it('to a full tile and all its leaf hashes alike: the signature is not theirs to give', async () => {
    await damage(`update sworn.leaf ${FLIP('leaf_hash')} where MINE and leaf_index < 256`);
    await damage(
      `update sworn.tile set hashes = (select string_agg(leaf_hash, ''::bytea order by leaf_index) from sworn.leaf
        where MINE and leaf_index < 256) where MINE and level = 0`,
    );
    expect(await findingAt('tile/0/000')).toMatchObject({ check: 'V3', code: 'NOT_UNDER_CHECKPOINT' });
  });

  it('to the column leaf_hash below a full tile: the tile is sound, the column is named', async () => {
    await damage(`update sworn.leaf ${FLIP('leaf_hash')} where MINE and leaf_index = 17`);
    expect(await findingAt('tile/0/000')).toMatchObject({ check: 'V6', code: 'COLUMN_MISMATCH', leaf_index: 17 });
    // The leaf itself hashes to what lies under the checkpoint.
    expect((await at('tile/entries/000')).status).toBe(200);
  });

  it('to the column leaf_hash in the unfinished tile', async () => {
    await damage(`update sworn.leaf ${FLIP('leaf_hash')} where MINE and leaf_index = 260`);
    for (const path of [`tile/0/${PARTIAL}`, `tile/entries/${PARTIAL}`])
      expect(await findingAt(path)).toMatchObject({ check: 'V3', code: 'NOT_UNDER_CHECKPOINT', leaf_index: 256 });
  });

  it.each([
    ['', 3, 'tile/entries/000'],
    ['and its hash ', 290, `tile/entries/${PARTIAL}`],
    ['and its hash ', 4, 'tile/entries/000'],
  ])('to the bytes of a leaf %s(%i): they are shown with the finding', async (alike, index, path) => {
    await damage(`update sworn.leaf ${FLIP('leaf')} where MINE and leaf_index = ${index}`);
    if (alike !== '')
      await damage(
        `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where MINE and leaf_index = ${index}`,
      );
    const finding = await findingAt(path);
    if (index < 256 || alike === '') {
      expect(finding).toMatchObject({ check: 'V4', code: 'LEAF_HASH_MISMATCH', leaf_index: index });
      const { leaf } = (await storedLeaves(house, tenant.id))[index] as { leaf: Buffer };
      expect((await at(path)).json.leaf).toBe(leaf.toString('base64'));
    } else expect(finding).toMatchObject({ check: 'V3', code: 'NOT_UNDER_CHECKPOINT' });
  });

  it.each([10, 0, 255, 256, SPANS - 1])('that took leaf %i away', async (index) => {
    await damage(`delete from sworn.leaf where MINE and leaf_index = ${index}`);
    const finding = { check: 'V5', code: 'MISSING_UNAUTHORISED', log: 'llm-runs', leaf_index: index };
    expect(await findingAt(index < 256 ? 'tile/entries/000' : `tile/entries/${PARTIAL}`)).toMatchObject(finding);
    // Hashes of full tiles are stored twice.
    if (index < 256) expect((await at('tile/0/000')).status).toBe(200);
    else expect(await findingAt(`tile/0/${PARTIAL}`)).toMatchObject(finding);
  });

  it('that took a full tile away: what is made of leaf hashes is proven like any other', async () => {
    const before = await at('tile/0/000');
    await damage(`delete from sworn.tile where MINE`);
    expect((await at('tile/0/000')).bytes).toEqual(before.bytes);
    expect(await findingAt('tile/1/000.p/1')).toMatchObject({ check: 'V5', code: 'MISSING_UNAUTHORISED' });
  });

  it('that added checkpoints: the newest that we signed is served', async () => {
    const before = await at('checkpoint');
    const { size, root, note } = parseCheckpoint(before.bytes.toString('utf8'));
    await grow(house, tenant.id, 3, false);
    const signature = Buffer.alloc(64, 7);
    const origin = house.read.originOf(tenant.id, 'llm-runs');
    const { publicKey } = house.keyStore.noteSigner;
    const forged = formatNote(checkpointBody({ origin, size: size + 1, root }), [
      { name: origin, publicKey, sign: () => signature },
    ]);
    for (const [as, text] of [
      [size + 1, forged],
      // Ours, of another size and root.
      [size + 2, before.bytes.toString('utf8')],
      [size + 3, note.text],
    ] as const) {
      await attack(
        house,
        `insert into sworn.checkpoint (tenant_id, log, size, root, note, signed_at) values ($1, 'llm-runs', $2, $3, $4, now())`,
        [tenant.id, as, Buffer.from(root), text],
      );
      expect((await at('checkpoint')).bytes).toEqual(before.bytes);
    }
    expect((await at(`tile/0/001.p/${size - 256 + 1}`)).status).toBe(404);
    await damage(`delete from sworn.checkpoint where MINE and size <= ${size}`);
    expect(await findingAt('checkpoint')).toMatchObject({ check: 'V1', code: 'CHECKPOINT_INVALID' });
    expect(await findingAt('tile/0/000')).toMatchObject({ check: 'V1', code: 'CHECKPOINT_INVALID' });
  });

  it('to another tenant’s log is none of this one’s', async () => {
    const other = await tenantWithLogs(house, SPANS);
    await damage(`update sworn.tile ${FLIP('hashes')} where MINE`);
    expect((await ask(house, `${other.prefix}tile/0/000`, other.auditor)).status).toBe(200);
  });
});

describe('leaves that are gone by retention', () => {
  const permit = (of: string, below: number) => permitRetention(house, tenant.id, { of, below });

  it('are 404 with what is gone, their hashes are still served, and what is younger is whole', async () => {
    await permit('llm-runs', 256);
    await permit('llm-runs', 20);
    await house.sign(tenant.id);
    await damage('delete from sworn.leaf where MINE and leaf_index < 100');
    const got = await at('tile/entries/000');
    expect([got.status, got.json.detail]).toEqual([404, 'leaves below 256 are gone by retention']);
    expect((await at('tile/0/000')).status).toBe(200);
    expect(decodeEntries((await at(`tile/entries/${PARTIAL}`)).bytes)).toHaveLength(SPANS - 256);
  });

  it('of the unfinished tile take its hashes with them, which is no finding', async () => {
    await permit('llm-runs', SPANS);
    await house.sign(tenant.id);
    await damage('delete from sworn.leaf where MINE');
    for (const path of [`tile/0/${PARTIAL}`, 'tile/0/000', 'tile/entries/000'])
      expect((await at(path)).json, path).toMatchObject({
        code: 'not_found',
        detail: expect.stringContaining('retention'),
      });
  });

  it.each([
    ['is not yet under a checkpoint', async () => permit('llm-runs', 256)],
    ['is of another log', async () => permit('system', 256).then(() => house.sign(tenant.id))],
    ['allows less', async () => permit('llm-runs', 10).then(() => house.sign(tenant.id))],
    [
      'was changed',
      async () => {
        await permit('llm-runs', 10);
        await house.sign(tenant.id);
        await attack(
          house,
          `update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '"below":10', '"below":99')::bytea
            where tenant_id = $1 and kind = 'RETENTION'`,
          [tenant.id],
        );
        await attack(
          house,
          `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where tenant_id = $1 and kind = 'RETENTION'`,
          [tenant.id],
        );
      },
    ],
  ])('are a finding when the leaf that allows it %s', async (_, write) => {
    await write();
    // From the 11th on: what is allowed to go is there.
    await damage('delete from sworn.leaf where MINE and leaf_index between 10 and 50');
    expect(await findingAt('tile/entries/000')).toMatchObject({ check: 'V5', leaf_index: 10 });
  });
});
