import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exported } from './exporting.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const RUNS = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let auditor: string;
let reader: { readonly keyId: string; readonly key: string };
let run: string;

beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  reader = await house.keys.issue({ tenantId: tenant, role: 'reader' });
  run = newTrace();
  await house.ingest(tenant, agentRun(run));
});
afterAll(() => house.close());

const described = async (key: string) => (await get(house, `${RUNS}/${run}/export`, key)).json;

describe('the description of an export', () => {
  it('is settled once the run is sealed and covered, and then pinned at the first checkpoint that covers it', async () => {
    await house.seal(tenant);
    expect(await described(auditor)).toMatchObject({ state: 'NOT_COVERED', identity: { pins: [] } });
    await house.sign(tenant);
    const settled = await described(auditor);
    const { pins } = settled.identity;
    expect(settled).toMatchObject({
      run_id: run,
      state: 'DESCRIBED',
      identity: {
        scope: { kind: 'RUN', run_id: run },
        pins: [{ log: 'llm-runs' }, { log: 'system' }],
        disclosure: 'none',
        format_version: 'sworn.bundle/1',
        export_id: expect.stringMatching(/^exp_[0-9a-f]{32}$/),
      },
      status: 'PENDING',
      retention: { class: 'llm-runs' },
      metadata: { run_id: run, immutable: true },
    });
    await house.ingest(tenant, agentRun(newTrace()));
    await house.sign(tenant);
    expect((await described(auditor)).identity.pins).toEqual(pins);
  });

  it('says who has asked for it, to whom may know; to others how many', async () => {
    await house.seal(tenant);
    expect((await described(reader.key)).asked).toEqual({ items: [], has_more: false, withheld: 0 });
    expect((await described(reader.key)).asked).toEqual({ items: [], has_more: false, withheld: 1 });
    const { asked } = await described(auditor);
    expect(asked).toMatchObject({
      items: [
        { actor_id: reader.keyId, endpoint: 'llm_runs.export', run_id: run, permission: 'logs.export' },
        { actor_id: reader.keyId },
      ],
      has_more: false,
      withheld: 0,
    });
  });

  it('is there for runs of the tenant alone', async () => {
    const other = await house.tenants.create({ name: 'other' });
    const theirs = (await house.keys.issue({ tenantId: other, role: 'auditor' })).key;
    for (const [key, id] of [
      [theirs, run],
      [auditor, newTrace()],
    ] as const)
      expect((await get(house, `${RUNS}/${id}/export`, key)).json.code).toBe('not_found');
  });

  it('says which bundles of it there were, to whom may know; to others how many', async () => {
    await house.seal(tenant);
    await house.sign(tenant);
    const { made } = await exported(house, {
      tenantId: tenant,
      scope: { kind: 'RUN', runId: run },
      disclosure: 'none',
    });
    expect((await described(auditor)).exports).toMatchObject({
      items: [{ export_id: made.exportId, export_status: 'COMPLETED', downloads: 1, disclosure: 'none' }],
      withheld: 0,
    });
    expect((await described(reader.key)).exports).toEqual({ items: [], has_more: false, withheld: 1 });
  });
});
