import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkDeployment } from '../src/check/engine.js';
import { createPatrol } from '../src/check/patrol.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

/** Milliseconds that the house is busy. */
const BUSY_MS = Number(process.env['SWORN_TEST_BUSY_MS'] ?? 4_000);

let house: House;
beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());

/** Does it again and again until the time is over; resolves to how often. */
async function busy(until: number, work: () => Promise<unknown>): Promise<number> {
  let times = 0;
  for (; performance.now() < until; times++) await work();
  return times;
}

it('checks beside a house that records, seals, signs and takes in tenants say nothing', async () => {
  const tenants = [await house.tenants.create({ name: 'first' }), await house.tenants.create({ name: 'second' })];
  const some = () => tenants[Math.floor(Math.random() * tenants.length)] as string;
  const patrol = createPatrol({
    checking: house.checking,
    register: house.register,
    tenants: () => Promise.resolve([...tenants]),
    everyMs: 10_000,
    now: Date.now,
    holdsLease: () => Promise.resolve(true),
    stopping: new AbortController().signal,
    onFinding: () => undefined,
  });
  const told = new Set<string>();
  const until = performance.now() + BUSY_MS;
  const counts = await Promise.all([
    busy(until, () => house.ingest(some(), agentRun(newTrace()))),
    busy(until, () => house.seal(some())),
    busy(until, async () => {
      for (const tenant of tenants) await house.sign(tenant);
    }),
    busy(until, () => house.keys.issue({ tenantId: some(), role: 'reader' })),
    busy(until, async () => {
      tenants.push(await house.tenants.create({ name: 'another' }));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }),
    busy(until, async () => {
      const of = { platformTenant: house.platformTenant, tenants: [...tenants, house.platformTenant] };
      const { findings } = await checkDeployment(house.checking, of, { tenantId: null, log: null });
      for (const { code, log, index, table, expected, found } of findings)
        told.add(`${code} ${log} ${index} ${table}: expected ${expected}, found ${found}`);
    }),
    busy(until, () => patrol.round()),
  ]);
  expect([...told]).toEqual([]);
  for (const tenant of tenants) expect(await house.register.open(tenant)).toEqual([]);
  expect(Math.min(...counts)).toBeGreaterThan(0);
}, 60_000);
