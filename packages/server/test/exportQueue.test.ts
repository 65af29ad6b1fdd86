import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createBuildQueue } from '../src/export/buildQueue.js';
import { createExportDesk, type ExportDesk } from '../src/export/exportDesk.js';
import { outsideTenants } from '../src/store/database.js';
import { dropLease, takeLease } from '../src/store/lease.js';
import { described, download, type Exported, withRun } from './exportHouse.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());

const kindsOf = async ({ tenant }: Exported) =>
  (await accessRecords(house, tenant)).map((m) => String(m['kind'])).filter((kind) => kind.startsWith('EXPORT_'));

describe('a bundle that is asked for over HTTP', () => {
  it('is built once, for the first who asked, whoever asks besides', async () => {
    const of = await withRun(house);
    const asked = await Promise.all(Array.from({ length: 10 }, () => get(house, of.path, of.auditor.key)));
    for (const got of asked) {
      expect(got.json).toMatchObject({ state: 'DESCRIBED', status: 'PENDING', formats: [] });
      expect(Number(got.headers.get('retry-after'))).toBe(got.json.retry_after);
    }
    // What was answered as pending is on record as asked for.
    expect((await kindsOf(of))[0]).toBe('EXPORT_PENDING');
    const ready = (await described(house, of, '', of.reader.key)).json;
    expect(ready).toMatchObject({ status: 'READY', reason: null, retry_after: null, identity: { disclosure: 'none' } });
    expect(await kindsOf(of)).toEqual(['EXPORT_PENDING', 'EXPORT_COMPLETED']);
    const [item] = (await get(house, '/api/v1/logs/audit/exports', of.auditor.key)).json.items;
    expect(item).toMatchObject({
      actor_id: of.auditor.keyId,
      export_id: ready.identity.export_id,
      content_checksum: ready.content_checksum,
      pins: ready.identity.pins,
      requests: 1,
      downloads: 0,
      recipients: [],
    });
  });

  it('is not begun by HEAD, which records its read and nothing else', async () => {
    const of = await withRun(house);
    for (let i = 0; i < 3; i++) expect((await get(house, of.path, of.auditor.key, {}, 'HEAD')).status).toBe(200);
    await sleep(300);
    expect((await accessRecords(house, of.tenant)).map((m) => [m['kind'], m['method']])).toEqual(
      Array.from({ length: 3 }, () => ['READ', 'HEAD']),
    );
  });

  it('is not begun when that cannot be recorded', async () => {
    const of = await withRun(house);
    house.breakRecorder(true);
    try {
      expect((await get(house, of.path, of.auditor.key)).status).toBe(503);
    } finally {
      house.breakRecorder(false);
    }
    expect(await kindsOf(of)).toEqual([]);
    expect((await described(house, of)).json.status).toBe('READY');
    expect(await kindsOf(of)).toEqual(['EXPORT_PENDING', 'EXPORT_COMPLETED']);
  });

  it('is not described before its run is settled', async () => {
    const tenant = await house.tenants.create({ name: 'open' });
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'auditor' });
    const run = newTrace();
    await house.ingest(tenant, agentRun(run));
    await house.seal(tenant);
    const got = await get(house, `/api/v1/logs/llm-runs/${run}/export`, key);
    expect(got.json).toMatchObject({ state: 'NOT_COVERED', status: null, identity: { export_id: null, pins: [] } });
    expect(got.headers.get('retry-after')).toBeNull();
  });

  it('says why it could not be built, and when it may be tried again', async () => {
    const of = await withRun(house);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      'update sworn.leaf set body = set_byte(body, 30, get_byte(body, 30) # 1) where tenant_id = $1 and body is not null',
      [of.tenant],
    );
    await house.database.admin('set session_replication_role = origin');
    const got = await described(house, of, '?disclose=all');
    expect(got.json).toMatchObject({ status: 'FAILED', reason: 'evidence_compromised', formats: [] });
    expect(got.json.retry_after).toBeGreaterThan(0);
    expect(await kindsOf(of)).toEqual(['EXPORT_PENDING', 'EXPORT_FAILED']);
  });
});

describe('two processes', () => {
  /** Another one, at the same database and store. */
  const another = (holder: string): ExportDesk => {
    const lease = (tenantId: string) => `export:${tenantId}`;
    const { db } = house.database;
    return createExportDesk({
      exporting: house.exporting,
      kept: house.kept,
      takeTurn: (id, ms) => outsideTenants(db, 'recorder', (tx) => takeLease(tx, lease(id), holder, ms)),
      giveTurn: (id) => outsideTenants(db, 'recorder', (tx) => dropLease(tx, lease(id), holder)),
      tell: () => undefined,
    });
  };

  it('build a bundle once that both are asked for', async () => {
    const of = await withRun(house);
    const other = another('other');
    const asked = { tenantId: of.tenant, scope: { kind: 'RUN', runId: of.run }, disclosure: 'none' } as const;
    const found = await other.identify(asked, 'newest');
    if (found.kind !== 'identity') throw new Error('no identity');
    const request = { endpoint: 'llm_runs.export', method: 'GET', credential: null, source: '::1', purpose: null };
    const [here, there] = await Promise.all([
      get(house, of.path, of.auditor.key),
      other.standing(asked, found.identity, request),
    ]);
    expect([here.json.status, there.kind]).toEqual(['PENDING', 'pending']);
    const ready = (await described(house, of)).json;
    const isReady = async () => (await other.standing(asked, found.identity, null)).kind === 'ready';
    await vi.waitUntil(isReady, { timeout: 30_000 });
    await other.stop();
    expect(ready.identity.export_id).toBe(found.exportId);
    expect(await kindsOf(of)).toEqual(['EXPORT_PENDING', 'EXPORT_COMPLETED']);
  });

  it('are not kept from building by one that was killed in the middle: its turn ends by itself', async () => {
    const of = await withRun(house);
    // What a killed one leaves: its turn, and a request on record.
    await outsideTenants(house.database.db, 'recorder', (tx) => takeLease(tx, `export:${of.tenant}`, 'killed', 1_500));
    expect((await get(house, of.path, of.auditor.key)).json.status).toBe('PENDING');
    await sleep(500);
    expect(await kindsOf(of)).toEqual(['EXPORT_PENDING']);
    expect((await described(house, of)).json.status).toBe('READY');
  });

  it('stop in the middle of a build, and whoever asks next has it built', async () => {
    const of = await withRun(house);
    const stopped = another('stopped');
    const asked = { tenantId: of.tenant, scope: { kind: 'RUN', runId: of.run }, disclosure: 'none' } as const;
    const found = await stopped.identify(asked, 'newest');
    if (found.kind !== 'identity') throw new Error('no identity');
    const request = { endpoint: 'llm_runs.export', method: 'GET', credential: null, source: '::1', purpose: null };
    expect((await stopped.standing(asked, found.identity, request)).kind).toBe('pending');
    await stopped.stop();
    expect((await kindsOf(of))[0]).toBe('EXPORT_PENDING');
    const ready = (await described(house, of)).json;
    expect((await download(house, ready.formats[0].path, of.auditor.key)).status).toBe(200);
  });
});

describe('the queue of builds', () => {
  const queueOf = () => {
    const log: string[] = [];
    const ends = new Map<string, (error?: Error) => void>();
    const queue = createBuildQueue({
      takeTurn: () => Promise.resolve(true),
      giveTurn: () => Promise.resolve(),
      tell: () => undefined,
      now: () => performance.now(),
    });
    const add = (tenantId: string, name: string) =>
      queue.add({
        tenantId,
        name,
        build: () =>
          new Promise((resolve, reject) => {
            log.push(name);
            ends.set(name, (error) => (error === undefined ? resolve() : reject(error)));
          }),
      });
    const end = async (name: string, error?: Error) => {
      await vi.waitUntil(() => ends.has(name));
      ends.get(name)?.(error);
      await vi.waitUntil(() => queue.standing(name[0] ?? '', name).kind !== 'pending');
    };
    return { queue, log, add, end };
  };

  it('builds one of a tenant and two of all at a time, tenant after tenant', async () => {
    const { queue, log, add, end } = queueOf();
    for (const name of ['a1', 'a2', 'a3', 'b1', 'c1']) expect(add(name[0] ?? '', name)).toBe(true);
    await vi.waitUntil(() => log.length === 2);
    await sleep(20);
    expect(log).toEqual(['a1', 'b1']);
    await end('a1');
    await end('b1');
    await vi.waitUntil(() => log.length === 4);
    expect(log).toEqual(['a1', 'b1', 'c1', 'a2']);
    for (const name of ['c1', 'a2', 'a3']) await end(name);
    await queue.stop();
  });

  it('takes sixteen of a tenant, and the same one as often as it is asked for', async () => {
    const { queue, add, end, log } = queueOf();
    for (let i = 0; i < 16; i++) expect(add('a', `a${i}`)).toBe(true);
    expect(add('a', 'a16')).toBe(false);
    expect(add('a', 'a3')).toBe(true);
    expect(add('b', 'b0')).toBe(true);
    for (let i = 0; i < 16; i++) await end(`a${i}`);
    await end('b0');
    expect(log).toHaveLength(17);
    await queue.stop();
  });

  it('remembers for a while what failed, and does not try it again', async () => {
    const { queue, add, end } = queueOf();
    add('a', 'a1');
    const error = new Error('no');
    await end('a1', error);
    expect(queue.standing('a', 'a1')).toMatchObject({ kind: 'failed', error });
    await queue.stop();
    expect(add('a', 'a2')).toBe(false);
  });
});
