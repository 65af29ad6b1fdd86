import { parseVkey, vkeyOf } from '@sworn/evidence';
import { bytesSource, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exported } from './exporting.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;
let run: string;

beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  await house.sign(tenant);
});
afterAll(() => house.close());

const keys = () =>
  ['llm-runs', 'system', 'audit', 'access'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(tenant, log), house.keyStore.noteSigner.publicKey)),
  );

describe('a bundle of a run', () => {
  it('is verified by a stranger who pinned the key', async () => {
    const { bytes } = await exported(house, { tenantId: tenant, runId: run, disclosure: 'all' });
    const found = await verifyBundle(bytesSource(bytes), { keys: keys(), verify: verifyEd25519 });
    expect(found.findings).toEqual([]);
    expect(found.verdict).toBe('VERIFIED');
  });
});
