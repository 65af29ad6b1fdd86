import { type Endpoint, ENDPOINTS, FACADE_PREFIX } from '@sworn/contract';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

/** Answers hold tokens of people, and tell whom they stand for to whoever may see contents. */

const RUNS = `${FACADE_PREFIX}/llm-runs`;
const ACCESS = `${FACADE_PREFIX}/audit/access`;

let house: House;
let tenant: string;
let reader: string;
let auditor: string;
let blind: string;
let jane: string;
let runId: string;
beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  const issue = async (role: 'reader' | 'auditor', payloads: 'hashes' | null = null) =>
    (await house.keys.issue({ tenantId: tenant, role, bounds: { ...UNBOUNDED, payloads } })).key;
  [reader, auditor, blind] = [await issue('reader'), await issue('auditor'), await issue('auditor', 'hashes')];
  jane = await house.read.tokenOf(tenant, 'jane');
  [runId = ''] = await house.ingest(tenant, agentRun(newTrace(), { 'user.id': 'jane' }));
  await house.seal(tenant);
}, 120_000);
afterAll(() => house?.close());

it('whoever may see contents is told, beside the metadata, whom each token of the answer stands for', async () => {
  const { json, headers } = await get(house, RUNS, reader);
  expect(json.items[0].metadata.human_actor_id).toBe(jane);
  expect(json.clear).toEqual({ [jane]: 'jane' });
  expect(headers.get('cache-control')).toBe('no-store');
  const { json: one } = await get(house, `${RUNS}/${runId}/envelope`, reader);
  expect(one.clear).toEqual({ [jane]: 'jane' });
});

it('from where was asked is told too, of the reads themselves', async () => {
  await get(house, RUNS, reader);
  const { json } = await get(house, ACCESS, auditor);
  const source = await house.read.tokenOf(tenant, '127.0.0.1');
  expect(json.items[0].source).toBe(source);
  expect(json.clear[source]).toBe('127.0.0.1');
});

it('whoever may see hashes alone is told nothing, and everything else is the same', async () => {
  const [full, hashes] = [await get(house, RUNS, reader), await get(house, RUNS, blind)];
  expect(hashes.status).toBe(200);
  expect(hashes.text).not.toContain('clear');
  const { clear: _, ...rest } = full.json;
  expect(hashes.json).toEqual(rest);
});

it('what was searched for and is nobody’s here stays a token', async () => {
  await get(house, `${RUNS}?human_actor_id=mallory`, reader);
  const { json } = await get(house, ACCESS, auditor);
  const mallory = await house.read.tokenOf(tenant, 'mallory');
  expect(json.items[0].filters).toEqual([expect.objectContaining({ value: mallory })]);
  expect(json.clear[mallory]).toBeNull();
});

it('streams, and answers in a format of others, hold tokens alone', async () => {
  const stream = await get(house, ACCESS, auditor, { accept: 'application/x-ndjson' });
  expect(stream.text.length).toBeGreaterThan(1_000);
  expect(stream.text).not.toContain('clear');
  const formats = (ENDPOINTS as readonly Endpoint[]).filter(({ ocsf }) => ocsf !== undefined);
  for (const { path } of formats)
    expect((await get(house, `${path}?format=ocsf`, auditor)).text).not.toContain('127.0.0.1');
});

it('whoever was erased is nobody: null, at once', async () => {
  await house.database.admin(`delete from sworn.directory where token = $1`, [jane]);
  const { json } = await get(house, `${RUNS}/${runId}/envelope`, reader);
  expect(json.clear).toEqual({ [jane]: null });
});
