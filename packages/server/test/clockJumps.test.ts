import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningApp } from '../src/app.js';
import { acceptClock } from '../src/operate.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { GrpcClient } from './grpcCalls.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

const WAIT = { timeout: 60_000, interval: 100 };
const GRACE_MS = 2_000;

/** The wall clock is the machine's, and the database's, so it is the other one that a test moves: how far ahead it is of what it was. */
let ahead = 0;
const { now } = performance;
performance.now = () => now.call(performance) + ahead;

let site: RunningSite;
let app: RunningApp;
let client: GrpcClient;
let tenant: string;
let ingest: string;
let auditor: string;

beforeAll(async () => {
  const before = await newRunningSite();
  // Rates are counted by the clock that the tests move, which goes back nowhere else.
  const unlimited = { SWORN_RATE_ADDRESS: '0', SWORN_RATE_LOOPBACK: '0', SWORN_RATE_CREDENTIAL: '0' };
  site = { ...before, config: before.with({ SWORN_SEAL_GRACE_MS: String(GRACE_MS), ...unlimited }) };
  app = await site.start(site.config);
  client = new GrpcClient(app.addresses.otlpGrpc);
  const deployment = await site.open();
  tenant = await deployment.tenants.create({ name: 'acme' });
  const keyOf = async (role: 'ingest' | 'auditor') => (await deployment.keys.issue({ tenantId: tenant, role })).key;
  [ingest, auditor] = [await keyOf('ingest'), await keyOf('auditor')];
});
afterAll(async () => {
  client.close();
  await site.drop();
  performance.now = now;
});

const send = async (trace: string): Promise<Response> =>
  fetch(`${app.addresses.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'x-api-key': ingest, 'content-type': 'application/json' },
    body: new Uint8Array(agentRun(trace).body),
  });
const read = (path: string): Promise<Response> =>
  fetch(`${app.addresses.http}/api/v1/logs/llm-runs${path}`, { headers: { authorization: `Bearer ${auditor}` } });
const sealed = async (trace: string): Promise<boolean> =>
  (await site.leaves(tenant, 'llm-runs')).some((leaf) => leaf['kind'] === 'RUN' && leaf['run_id'] === trace);

test.each([
  ['forth', -61_000],
  ['back', 61_000],
])(
  'a wall clock that jumps %s by more than a minute stops all that is recorded, reading too, until it is accepted; then it goes on where it was',
  async (_, by) => {
    const [old, fresh, late] = [newTrace(), newTrace(), newTrace()];
    expect((await send(old)).status).toBe(200);
    await expect.poll(() => sealed(old), WAIT).toBe(true);
    const envelope = async (): Promise<unknown> =>
      ((await (await read(`/${old}/envelope`)).json()) as { retention: unknown }).retention;
    const retention = await envelope();
    expect(retention).toMatchObject({ class: 'llm-runs', until: expect.any(String) });

    expect((await send(fresh)).status).toBe(200);
    ahead += by;
    const refused = await send(late);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true]);
    expect((await client.call({ body: Buffer.alloc(0), metadata: { 'x-api-key': ingest } })).status).toBe('OK');
    const [reading, run] = [await read(''), await read(`/${old}/envelope`)];
    expect([reading.status, run.status]).toEqual([503, 503]);
    expect(await site.untilReady(app, 503)).toContain('clock: jumped');
    // What was taken before is not sealed by a clock that nobody believes.
    await new Promise((resolve) => setTimeout(resolve, 2 * GRACE_MS));
    expect(await sealed(fresh)).toBe(false);

    await acceptClock(await site.open());
    await expect.poll(async () => (await send(late)).status, WAIT).toBe(200);
    await expect.poll(async () => [await sealed(fresh), await sealed(late)], WAIT).toEqual([true, true]);
    expect(await envelope()).toEqual(retention);
    // Whoever asks is told what was found a moment ago, by the clock that was set back a minute.
    const ready = async (): Promise<number> => (await fetch(`${app.addresses.http}/readyz`)).status;
    await expect.poll(ready, { timeout: 120_000, interval: 500 }).toBe(200);
    for (const log of ['llm-runs', 'access', 'control']) {
      const times = (await site.leaves(tenant, log)).map((leaf) => String(leaf['recorded_at']));
      expect(times).toEqual([...times].sort());
    }
  },
  240_000,
);

test('a wall clock that moves by less, or drifts by more in steps, stops nothing', async () => {
  for (const by of [50_000, -50_000, -50_000, 50_000]) {
    ahead += by;
    // The guard of each process looks at each record: one of the reader's access, one of the sender's.
    expect([(await send(newTrace())).status, (await read('')).status]).toEqual([200, 200]);
  }
});
