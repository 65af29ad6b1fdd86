import { membersOf } from '@sworn/evidence';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkDeployment } from '../src/check/engine.js';
import { namedIn } from '../src/check/named.js';
import { readTreeLeaves } from '../src/store/checkingLeaf.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  for (const trace of [newTrace(), newTrace()]) await house.ingest(tenant, agentRun(trace));
  await house.seal(tenant);
  await house.sign(tenant);
  await house.database.admin('set session_replication_role = replica');
});
afterAll(() => house.close());

const place = () => ({ tenantId: tenant, log: 'llm-runs' });
const check = (treeOnly: boolean) =>
  checkDeployment(
    house.checking,
    { platformTenant: house.platformTenant, tenants: [tenant] },
    { tenantId: tenant, log: 'llm-runs', treeOnly },
  );
const leaves = async () =>
  (await house.checking.ask((tx) => readTreeLeaves(tx, place(), { from: 0, below: 1_000 }))).leaves;
const strike = (statement: string, ...more: readonly unknown[]) =>
  house.database.admin(statement, [tenant, ...more] as unknown[]);

it('what a leaf names is read from its place as it is read from all of it', async () => {
  const told: string[] = [];
  for (const row of await leaves()) {
    const said = membersOf(JSON.parse(row.leaf.toString()));
    const all = { ch: said.object('c').object('body').text('ch'), dk: said.text('dk') };
    expect(namedIn(place(), row, ({ code }) => told.push(code))).toEqual(all);
  }
  const odd = (text: string) =>
    namedIn(place(), { leaf: Buffer.from(text), index: 0 } as never, ({ code }) => told.push(code));
  expect(odd('{ "c":{"body":{"ch":"x"}},"dk":"y"}')).toEqual({ ch: 'x', dk: 'y' });
  expect(odd(String.raw`{"tool":"\"c\":{\"body\":{\"ch\":\""}`)).toEqual({ ch: null, dk: null });
  expect(told).toEqual([]);
  expect([odd('no leaf'), odd('{"c":{"body":{"ch":"x"')]).toEqual([null, null]);
  expect(told).toEqual(['LEAF_MALFORMED', 'LEAF_MALFORMED']);
});

it('a quick check says nothing of what is sound, and of what was changed or taken away what the whole one says', async () => {
  expect(await check(true)).toMatchObject({ findings: [], logs: [{ anomalies: null }] });
  const before = await leaves();
  const bodied = before.filter(({ bodySize }) => bodySize !== null).map(({ index }) => index);
  const [changed, emptied, longer, gone] = bodied;
  await strike(
    "update sworn.leaf set leaf = set_byte(leaf, 9, 1) where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2",
    changed,
  );
  await strike(
    "update sworn.leaf set body = null where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2",
    emptied,
  );
  await strike(`delete from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2`, gone);
  // A body that is another is for those who look into it.
  await strike(
    `update sworn.leaf set body = body || '\\x00' where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2`,
    longer,
  );
  const bare = before.find(({ bodySize }) => bodySize === null)?.index;
  await strike(
    `update sworn.leaf set body = '\\x00', dk = gen_random_uuid() where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2`,
    bare,
  );
  const quick = (await check(true)).findings;
  expect(quick.map(({ code, index }) => `${code} ${index}`).sort()).toEqual(
    [
      `BODY_MISSING_UNAUTHORISED ${emptied}`,
      `LEAF_HASH_MISMATCH ${changed}`,
      `MISSING_UNAUTHORISED ${gone}`,
      `STRAY_BODY ${bare}`,
    ].sort(),
  );
  const all = (await check(false)).findings;
  expect(all).toEqual(expect.arrayContaining([...quick]));
  expect(all.map(({ code, index }) => `${code} ${index}`)).toContain(`BODY_MISMATCH ${longer}`);
});

it('a key that is gone is told, and an id that is no key is asked of nobody', async () => {
  const [key] = await house.database.admin<{ dk: string }>(
    `select dk from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and kind = 'STEP' order by leaf_index desc limit 1`,
    [tenant],
  );
  await strike('delete from sworn.data_key where tenant_id = $1 and dk = $2', key?.dk);
  const struck = (await leaves()).findLast(({ bodySize, leaf }) => bodySize !== null && leaf.includes(key?.dk ?? ''));
  const missing = async (treeOnly: boolean) =>
    (await check(treeOnly)).findings
      .filter(({ code, index }) => code === 'KEY_MISSING_UNAUTHORISED' && index === struck?.index)
      .map(({ expected }) => expected);
  house.checking.keys.clear();
  for (const treeOnly of [true, false]) expect(await missing(treeOnly)).toEqual([`data key ${key?.dk}`]);
  const leaf = Buffer.from(struck?.leaf ?? []);
  const noId = 'no id of a key can look like this on';
  leaf.write(noId, leaf.indexOf('"dk":"') + 6);
  const leafHash = createHash('sha256').update(Buffer.of(0)).update(leaf).digest();
  await strike(
    `update sworn.leaf set leaf = $3, leaf_hash = $4 where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2`,
    struck?.index,
    leaf,
    leafHash,
  );
  for (const treeOnly of [true, false]) expect(await missing(treeOnly)).toEqual([`data key ${noId}`]);
});
