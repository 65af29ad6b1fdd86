import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Quotas } from '../src/access/quotas.js';
import type { RunningApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { createIngestQuotas } from '../src/ingest/ingestQuotas.js';
import { RefusedRequest } from '../src/ingest/refusedRequest.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';
import { GrpcClient } from './grpcCalls.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

const WAIT = { timeout: 60_000, interval: 200 };
const DAY_MS = 86_400_000;

let site: RunningSite;
let app: RunningApp;
let deployment: Deployment;
let client: GrpcClient;

beforeAll(async () => {
  // Runs stay open.
  const before = await newRunningSite();
  site = { ...before, config: before.with({ SWORN_SEAL_GRACE_MS: '3600000' }) };
  await restart();
  deployment = await site.open();
});
afterAll(async () => {
  client.close();
  await site.drop();
});

async function restart(): Promise<void> {
  if (app !== undefined) await site.stop(app);
  client?.close();
  app = await site.start(site.config);
  client = new GrpcClient(app.addresses.otlpGrpc);
}

interface Tenant {
  readonly id: string;
  readonly key: string;
}

async function newTenant(quotas: Partial<Quotas>): Promise<Tenant> {
  const id = await deployment.tenants.create({ name: `tenant ${newSpan()}` });
  await deployment.quotas.change(id, quotas);
  const { key } = await deployment.keys.issue({ tenantId: id, role: 'ingest', scopes: ['ingest:assert'] });
  return { id, key };
}

async function send({ key }: Tenant, body: Uint8Array, headers: Record<string, string> = {}) {
  const answer = await fetch(`${app.addresses.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: new Uint8Array(body),
  });
  const said = (await answer.json()) as { message?: string; code?: number; details?: unknown[] };
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), said };
}

const leavesOf = async ({ id }: Tenant): Promise<number> => (await site.leaves(id, 'llm-runs')).length;
const used = async ({ id }: Tenant) => (await deployment.quotas.read(id)).used;
const bodyOf = (traces: number): Uint8Array =>
  otlp(Array.from({ length: traces }, () => ({ traceId: newTrace(), spanId: newSpan() }))).body;
const metric = async (name: string, quota: string): Promise<number> => {
  const text = await (await fetch(`${app.addresses.http}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{quota="${quota}"\\} (\\S+)$`, 'm').exec(text)?.[1]);
};

describe('bytes a day', () => {
  it('are those of what is stored, inflated; what goes beyond is refused whole, by either protocol, and keeps nobody else out', async () => {
    const run = agentRun(newTrace()).body;
    const tenant = await newTenant({ bytesADay: run.length * 2 + 10 });
    const other = await newTenant({});
    expect((await send(tenant, run)).status).toBe(200);
    expect((await send(tenant, gzipSync(run), { 'content-encoding': 'gzip' })).status).toBe(200);
    const stored = await leavesOf(tenant);
    const refused = await send(tenant, gzipSync(agentRun(newTrace()).body), { 'content-encoding': 'gzip' });
    expect([refused.status, refused.said.code]).toEqual([429, 8]);
    expect(refused.said.message).toContain(`${run.length * 2 + 10} bytes a day`);
    expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    expect(Number(refused.retryAfter)).toBeLessThanOrEqual(900);
    expect(refused.said.details).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${refused.retryAfter}s` },
    ]);
    const empty = await client.call({ metadata: { authorization: `Bearer ${tenant.key}` } });
    expect(empty.status).toBe('OK');
    const large = await client.call({ body: Buffer.alloc(200), metadata: { authorization: `Bearer ${tenant.key}` } });
    expect([large.status, large.details?.retrySeconds === undefined]).toEqual(['RESOURCE_EXHAUSTED', false]);
    expect(await leavesOf(tenant)).toBe(stored);
    expect((await send(other, run)).status).toBe(200);
    // What cannot be read is not stored, and counts for nothing.
    expect((await send(tenant, Buffer.from('{'))).status).toBe(400);
    expect(await metric('sworn_quota_refused_total', 'bytes_a_day')).toBeGreaterThanOrEqual(2);
    await expect.poll(() => used(tenant).then((u) => u.bytesADay), WAIT).toBe(run.length * 2);
    await expect.poll(() => metric('sworn_quota_used_ratio', 'bytes_a_day'), WAIT).toBeGreaterThan(0.9);
  });

  it('are still gone after a restart, and there again within seconds when more are allowed', async () => {
    const run = agentRun(newTrace()).body;
    const tenant = await newTenant({ bytesADay: run.length + 10 });
    expect((await send(tenant, run)).status).toBe(200);
    await restart();
    expect((await send(tenant, run)).status).toBe(429);
    await deployment.quotas.change(tenant.id, { bytesADay: run.length * 4 });
    await expect.poll(async () => (await send(tenant, run)).status, WAIT).toBe(200);
    const changes = (await site.leaves(tenant.id, 'control')).filter(({ kind }) => kind === 'QUOTA_SET');
    expect(changes.map((leaf) => [leaf['by'], leaf['bytes_a_day'], leaf['open_runs'], leaf['keys']])).toEqual([
      ['sworn', run.length + 10, 100_000, 1_000],
      ['sworn', run.length * 4, 100_000, 1_000],
    ]);
    const told = (await site.leaves(deployment.platformTenant, 'system')).map((leaf) => leaf['event_name']);
    expect(told).toContain('sworn.tenant.quota_set');
  });

  it('are of all processes together, begin anew at midnight UTC, and are given back where nothing was stored', async () => {
    const { id } = await newTenant({ bytesADay: 100 });
    let [now, monotonicMs] = [Date.parse('2027-03-01T23:59:50Z'), 0];
    const newProcess = () =>
      createIngestQuotas({
        db: deployment.db,
        doors: deployment.doors,
        directoryKey: deployment.keyStore.deployment.directory,
        originOf: deployment.originOf,
        now: () => now,
        monotonicMs: () => monotonicMs,
        tell: { refused: () => undefined, near: () => undefined },
      });
    const [one, two] = [newProcess(), newProcess()];
    const take = (process: typeof one, bytes: number): Promise<string> =>
      process
        .withinDay(id, bytes, () => Promise.resolve('stored'))
        .catch((error: unknown) => {
          if (error instanceof RefusedRequest) return `${error.rpc.retrySeconds} s`;
          throw error;
        });
    const failing = one.withinDay(id, 90, () => Promise.reject(new Error('the database is away')));
    await expect(failing).rejects.toThrow('away');
    expect([await take(one, 60), await take(one, 41)]).toEqual(['stored', '10 s']);
    await one.settle();
    expect([await take(two, 41), await take(two, 30)]).toEqual(['10 s', 'stored']);
    await two.settle();
    monotonicMs += 5_000;
    expect([await take(one, 11), await take(one, 10)]).toEqual(['10 s', 'stored']);
    now += 10_000;
    expect([await take(one, 100), await take(one, 1)]).toEqual(['stored', '900 s']);
    await one.settle();
    const days = await site.admin<{ day: string; bytes: number }>(
      'select day, bytes::int from sworn.ingest_day where tenant_id = $1 order by day',
      [id],
    );
    expect(days).toEqual([
      { day: '2027-03-01', bytes: 100 },
      { day: '2027-03-02', bytes: 100 },
    ]);
    now += 40 * DAY_MS;
    expect(await take(two, 1)).toBe('stored');
    await two.settle();
    expect(await site.admin('select bytes::int from sworn.ingest_day where tenant_id = $1', [id])).toEqual([
      { bytes: 1 },
    ]);
  });
});

describe('open runs', () => {
  it('beyond what a tenant may have are refused whole, and what belongs to those that are open is stored', async () => {
    const tenant = await newTenant({ openRuns: 3 });
    const tooMany = await send(tenant, bodyOf(4));
    expect([tooMany.status, tooMany.said.code, tooMany.retryAfter]).toEqual([429, 8, '5']);
    expect(tooMany.said.message).toContain('may have 3 runs open, has 0, and this would open 4 more');
    expect(await leavesOf(tenant)).toBe(0);
    const open = [newTrace(), newTrace(), newTrace()];
    const steps = () => otlp(open.map((traceId) => ({ traceId, spanId: newSpan() }))).body;
    expect((await send(tenant, steps())).status).toBe(200);
    // Before the sealer has opened them, and after.
    expect((await send(tenant, bodyOf(1))).status).toBe(429);
    await expect.poll(() => used(tenant).then((u) => u.openRuns), WAIT).toBe(3);
    expect((await send(tenant, bodyOf(1))).status).toBe(429);
    expect((await send(tenant, steps())).status).toBe(200);
    expect(await metric('sworn_quota_refused_total', 'open_runs')).toBeGreaterThanOrEqual(3);
    await expect.poll(() => metric('sworn_quota_used_ratio', 'open_runs'), WAIT).toBe(1);
    await deployment.quotas.change(tenant.id, { openRuns: null });
    await expect.poll(async () => (await send(tenant, bodyOf(1))).status, WAIT).toBe(200);
  });

  it('are counted by the names that steps give them, however many share a trace', async () => {
    const tenant = await newTenant({ openRuns: 3 });
    const traceId = newTrace();
    const named = (names: readonly string[]) =>
      otlp(names.map((name) => ({ traceId, spanId: newSpan(), attributes: { 'sworn.run.id': name } }))).body;
    expect((await send(tenant, named(['a', 'b', 'c', 'd']))).status).toBe(429);
    expect(await leavesOf(tenant)).toBe(0);
    expect((await send(tenant, named(['a', 'b', 'a', 'b']))).status).toBe(200);
  });
});

describe('keys', () => {
  it('that live are no more than the tenant may have; one that is revoked makes room', async () => {
    const { id } = await newTenant({ keys: 2 });
    const issue = () => deployment.keys.issue({ tenantId: id, role: 'reader' });
    const { keyId } = await issue();
    await expect(issue()).rejects.toThrow(/has 2 living keys and may have 2: revoke one/);
    await deployment.keys.revoke(id, keyId);
    await issue();
    expect((await deployment.quotas.read(id)).used.keys).toBe(2);
  });
});

it('a quota that is no whole number is refused, and nothing is written', async () => {
  const { id } = await newTenant({});
  const before = (await site.leaves(id, 'control')).length;
  for (const openRuns of [-1, 0.5, Number.NaN])
    await expect(deployment.quotas.change(id, { openRuns })).rejects.toThrow('whole number');
  expect((await site.leaves(id, 'control')).length).toBe(before);
});
