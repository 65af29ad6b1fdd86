import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccessEvent } from '../src/access/accessRecord.js';
import { formatApiKey, makeApiKey } from '../src/access/apiKey.js';
import { Folds } from '../src/access/folds.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let reader: string;
const runId = newTrace();

beforeAll(async () => {
  // The test is the proxy: it says where its requests come from.
  house = await buildHouse({ trustedProxies: ['127.0.0.1'] });
  tenant = await house.tenants.create({ name: 'acme' });
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
  await house.ingest(tenant, agentRun(runId));
  await house.seal(tenant);
  await house.sign(tenant);
});
afterAll(() => house.close());

type Members = Record<string, unknown>;
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });
const guess = (): string => formatApiKey(makeApiKey(tenant));

/** What `during` added to a tenant's access records, at the start of a minute and with the minute written at its end. */
async function added(of: string, during: () => Promise<void>): Promise<Members[]> {
  house.advance(60_000);
  house.toNextMinute();
  await house.access.settle();
  const before = (await accessRecords(house, of)).length;
  await during();
  house.advance(60_000);
  await house.access.settle();
  return (await accessRecords(house, of)).slice(before);
}

const ofKind = (records: readonly Members[], kind: string): Members[] => records.filter((r) => r.kind === kind);
const sum = (records: readonly Members[]): number =>
  ofKind(records, 'READ').length + ofKind(records, 'READ_FOLDED').reduce((n, r) => n + Number(r.count), 0);

describe('refusals of callers nobody knows', () => {
  it('are one record before the first answer, and one more with their number when the minute is over', async () => {
    const platform = house.platformTenant;
    const told = house.told.length;
    const records = await added(platform, async () => {
      for (let i = 0; i < 7; i++) expect((await get(house, LIST, guess(), from('192.0.2.1'))).status).toBe(401);
    });
    expect(house.told.slice(told)).toEqual(['DENY own', ...Array(6).fill('DENY folded')]);
    const [read, folded] = records;
    expect(records.length).toBe(2);
    expect(read).toMatchObject({ kind: 'READ', folded: true, endpoint: 'llm_runs.list', decision: 'DENY' });
    const [row] = await house.database.admin<{ leaf_index: number; hash: string }>(
      `select leaf_index::int, encode(leaf_hash, 'hex') as hash from sworn.leaf
        where tenant_id = $1 and log = 'access' and kind = 'READ' order by leaf_index desc limit 1`,
      [platform],
    );
    expect(folded).toMatchObject({
      kind: 'READ_FOLDED',
      by: 'sworn',
      request_id: read?.request_id,
      record: row?.hash,
      record_index: row?.leaf_index,
      fold: 'source',
      count: 6,
      source: read?.source,
      endpoint: 'llm_runs.list',
      decision: 'DENY',
      reason_code: 'not_authenticated',
      status: 401,
    });
    expect(String(folded?.first_at) <= String(folded?.last_at)).toBe(true);
    expect(String(folded?.first_at) >= String(read?.occurred_at)).toBe(true);
    const [column] = await house.database.admin(
      `select kind, request_id::text, endpoint, decision, status from sworn.access_records
        where tenant_id = $1 order by leaf_index desc limit 1`,
      [platform],
    );
    expect(column).toEqual({
      kind: 'READ_FOLDED',
      request_id: read?.request_id,
      endpoint: 'llm_runs.list',
      decision: 'DENY',
      status: 401,
    });
  });

  it('are written when the server stops, not only when the minute is over, and once', async () => {
    house.advance(60_000);
    const before = (await accessRecords(house, house.platformTenant)).length;
    for (let i = 0; i < 3; i++) await get(house, LIST, null, from('192.0.2.2'));
    await house.access.settle();
    expect((await accessRecords(house, house.platformTenant)).length).toBe(before + 1);
    await house.access.close();
    await house.access.close();
    expect(ofKind((await accessRecords(house, house.platformTenant)).slice(before), 'READ_FOLDED')).toMatchObject([
      { count: 2 },
    ]);
  });

  it('of one source are told apart by endpoint and reason up to a bound, and the source by its network', async () => {
    const ask = (i: number) =>
      get(house, `${LIST}${i % 2 === 0 ? '' : `/${runId}/trace`}`, null, from(`2001:db8::${i}`));
    const records = await added(house.platformTenant, async () => {
      for (let i = 0; i < 6; i++) await ask(i);
      for (const method of ['POST', 'PUT']) await get(house, LIST, null, from('2001:db8::1'), method);
    });
    expect(ofKind(records, 'READ').map((r) => r.endpoint)).toEqual([
      'llm_runs.list',
      'llm_runs.trace',
      'method_not_allowed',
    ]);
    expect(ofKind(records, 'READ_FOLDED').map((r) => [r.endpoint, r.count])).toEqual([
      ['llm_runs.list', 2],
      ['llm_runs.trace', 2],
      ['method_not_allowed', 1],
    ]);
  });

  it('cannot fill the disk: 5,000 of 50 sources and 400 more leave a bounded number of leaves, none goes uncounted, and readers are answered', async () => {
    const paths = ['', `/${runId}/trace`, `/${runId}/envelope`, '/nope', '/../x', '?nope=1'].map((p) => LIST + p);
    const sources = [
      ...Array.from({ length: 5_000 }, (_, i) => `198.51.100.${i % 50}`),
      ...Array.from({ length: 400 }, (_, i) => `2001:db8:${(i + 1).toString(16)}::1`),
    ];
    let asked = 0;
    let read = 0;
    const flood = async (): Promise<void> => {
      for (let source = sources.pop(); source !== undefined; source = sources.pop()) {
        const n = asked++;
        const method = n % 11 === 0 ? 'DELETE' : 'GET';
        const { status } = await get(house, paths[n % 6] as string, n % 3 === 0 ? null : guess(), from(source), method);
        if (![401, 404, 405, 503].includes(status)) throw new Error(`a guess was answered ${status}`);
        if (n % 100 !== 0) continue;
        expect((await get(house, LIST, reader)).status).toBe(200);
        read++;
      }
    };
    const mine = (await accessRecords(house, tenant)).length;
    const records = await added(house.platformTenant, async () => {
      await Promise.all(Array.from({ length: 8 }, flood));
    });
    expect((await accessRecords(house, tenant)).length - mine).toBe(read);
    expect(sum(records)).toBe(5_400);
    // Two records a fold; the test may run over the end of a minute, and its clock gave the allowance back what it had spent before.
    const minutes = new Set(records.map((r) => String(r.occurred_at).slice(0, 16))).size;
    expect(records.length).toBeLessThanOrEqual(2 * (256 + 16 * minutes + minutes));
    const rest = ofKind(records, 'READ_FOLDED').filter((r) => r.fold === 'overflow');
    expect(rest.length).toBeGreaterThan(0);
    for (const record of rest) {
      expect(record).toMatchObject({ endpoint: 'any', decision: 'DENY' });
      expect(record).not.toHaveProperty('source');
    }
  }, 600_000);
});

describe('polls', () => {
  it('answered 304 are one record for each credential, record and minute, and their number', async () => {
    const path = `${LIST}/${runId}/envelope`;
    const etag = (await get(house, path, reader)).headers.get('etag') ?? '';
    const records = await added(tenant, async () => {
      for (let i = 0; i < 5; i++) expect((await get(house, path, reader, { 'if-none-match': etag })).status).toBe(304);
    });
    expect(records).toMatchObject([
      { kind: 'READ', status: 304, run_id: runId, answer: expect.stringMatching(/^sha256:/), folded: true },
      { kind: 'READ_FOLDED', status: 304, run_id: runId, fold: 'poll', count: 4, role: 'reader', decision: 'ALLOW' },
    ]);
  });

  it('of one credential from elsewhere have records of their own, which say from where', async () => {
    const path = `${LIST}/${runId}/envelope`;
    const etag = (await get(house, path, reader)).headers.get('etag') ?? '';
    const records = await added(tenant, async () => {
      for (const address of ['192.0.2.10', '192.0.2.10', '203.0.113.66', '203.0.113.66'])
        await get(house, path, reader, { 'if-none-match': etag, ...from(address) });
    });
    const sources = await Promise.all(['192.0.2.10', '203.0.113.66'].map((ip) => house.read.tokenOf(tenant, ip)));
    expect(ofKind(records, 'READ').map((r) => r.source)).toEqual(sources);
    expect(ofKind(records, 'READ_FOLDED')).toMatchObject(sources.map((source) => ({ source, count: 1 })));
  });

  it('that were counted do not hide an answer with content: each of those has a record of its own', async () => {
    const path = `${LIST}/${runId}/envelope`;
    const records = await added(tenant, async () => {
      for (let i = 0; i < 4; i++) expect((await get(house, path, reader)).status).toBe(200);
      for (let i = 0; i < 4; i++) expect((await get(house, path, reader, {}, 'HEAD')).status).toBe(200);
    });
    expect(records.map((r) => [r.kind, r.status, r.folded])).toEqual(
      Array.from({ length: 8 }, () => ['READ', 200, undefined]),
    );
  });
});

describe('refusals to a credential', () => {
  it('have ten records a minute for each endpoint and reason, then they are counted', async () => {
    const records = await added(tenant, async () => {
      for (let i = 0; i < 25; i++) await get(house, `${LIST}/unknown-${i}/trace`, reader);
      for (let i = 0; i < 3; i++) await get(house, `${LIST}?nope=${i}`, reader);
    });
    const reads = ofKind(records, 'READ');
    expect(reads.filter((r) => r.reason_code === 'not_found').length).toBe(10);
    expect(new Set(reads.map((r) => JSON.stringify(r.filters))).size).toBe(10 + 1);
    expect(reads.filter((r) => r.reason_code === 'invalid_parameter').length).toBe(3);
    expect(ofKind(records, 'READ_FOLDED')).toMatchObject([
      { fold: 'refusal', endpoint: 'llm_runs.trace', reason_code: 'not_found', status: 404, count: 15, role: 'reader' },
    ]);
  });

  it('are not counted among those of the same credential from elsewhere: a thief’s first ten are seen, whatever its owner does', async () => {
    const records = await added(tenant, async () => {
      for (let i = 0; i < 15; i++) await get(house, `${LIST}/unknown-${i}/trace`, reader, from('192.0.2.10'));
      for (let i = 0; i < 3; i++) await get(house, `${LIST}/tried-${i}/trace`, reader, from('203.0.113.66'));
    });
    const thief = await house.read.tokenOf(tenant, '203.0.113.66');
    expect(ofKind(records, 'READ').filter((r) => r.source === thief).length).toBe(3);
    expect(sum(records)).toBe(18);
  });

  it('are never folded where the refusal shows the stored bytes of a record', async () => {
    const own = await house.tenants.create({ name: 'tampered' });
    const { key } = await house.keys.issue({ tenantId: own, role: 'reader' });
    const bad = newTrace();
    await house.ingest(own, agentRun(bad));
    await house.seal(own);
    await house.sign(own);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set leaf_hash = sha256(leaf_hash) where tenant_id = $1 and kind = 'RUN'`,
      [own],
    );
    await house.database.admin('set session_replication_role = origin');
    const records = await added(own, async () => {
      for (let i = 0; i < 12; i++)
        expect((await get(house, `${LIST}/${bad}/envelope`, key)).json.code).toBe('evidence_compromised');
    });
    expect(records.length).toBe(12);
  });
});

describe('what cannot be written', () => {
  it('is not answered, counted or not, and counts for nothing afterwards', async () => {
    const records = await added(house.platformTenant, async () => {
      house.breakRecorder(true);
      const refused = await Promise.all(Array.from({ length: 6 }, () => get(house, LIST, null, from('192.0.2.3'))));
      expect(refused.map((got) => got.status)).toEqual(Array(6).fill(503));
      expect(house.told.slice(-6)).toEqual(Array(6).fill('DENY none'));
      house.breakRecorder(false);
      expect((await get(house, LIST, null, from('192.0.2.3'))).status).toBe(401);
    });
    expect(sum(records)).toBe(1);
  });

  it('of a minute that is over is written later, once', async () => {
    house.advance(60_000);
    const before = (await accessRecords(house, house.platformTenant)).length;
    for (let i = 0; i < 4; i++) await get(house, LIST, null, from('192.0.2.4'));
    house.advance(60_000);
    house.breakRecorder(true);
    await expect(house.access.settle()).rejects.toThrow('away');
    house.breakRecorder(false);
    await house.access.settle();
    await house.access.settle();
    const records = (await accessRecords(house, house.platformTenant)).slice(before);
    expect(ofKind(records, 'READ_FOLDED')).toMatchObject([{ count: 3 }]);
  });

  it('of one tenant keeps no other’s from being written', async () => {
    const [first, second] = [
      await house.tenants.create({ name: 'first' }),
      await house.tenants.create({ name: 'second' }),
    ];
    house.advance(60_000);
    for (const id of [first, second]) {
      const { key } = await house.keys.issue({ tenantId: id, role: 'reader' });
      for (let i = 0; i < 12; i++) await get(house, `${LIST}/nope/trace`, key);
    }
    const counts = async () => {
      const of = async (id: string) => ofKind(await accessRecords(house, id), 'READ_FOLDED').map((r) => r.count);
      return [await of(first), await of(second)];
    };
    house.advance(60_000);
    house.breakRecorder(first);
    await expect(house.access.settle()).rejects.toThrow('away');
    expect(await counts()).toEqual([[], []]);
    await expect(house.access.settle()).rejects.toThrow('away');
    expect(await counts()).toEqual([[], [2]]);
    await expect(house.access.close()).rejects.toThrow('away');
    house.breakRecorder(false);
    await house.access.close();
    expect(await counts()).toEqual([[2], [2]]);
  });
});

describe('the folds of a process', () => {
  const event = (over: Partial<AccessEvent>): AccessEvent => ({
    kind: 'READ',
    tenantId: tenant,
    requestId: randomUUID(),
    endpoint: 'llm_runs.list',
    method: 'GET',
    credential: null,
    permission: 'logs.read',
    rule: null,
    decision: 'DENY',
    reason: 'not_authenticated',
    status: 401,
    source: '192.0.2.1',
    correlationId: null,
    userAgent: null,
    view: null,
    query: null,
    runId: null,
    filters: {},
    pins: [],
    count: null,
    answer: null,
    at: '2026-11-25T04:16:00.000000Z',
    fold: null,
    ...over,
  });
  const stranger = (folds: Folds, network: string, over: Partial<AccessEvent> = {}) =>
    folds.of(event(over), { by: 'source', network });

  it('are a bounded number: whoever has a credential has records of his own beyond it, and nobody else ever does', () => {
    const folds = new Folds();
    const poll = (i: number) =>
      folds.of(event({ status: 304 }), { by: 'poll', network: '192.0.2.1', representation: String(i) });
    for (let i = 0; i < 3_584; i++) expect(poll(i)).not.toBeNull();
    expect(poll(4_096)).toBeNull();
    expect(poll(17)).not.toBeNull();
    // There is still room to say where strangers come from, up to what they are allowed.
    for (let i = 0; i < 256; i++)
      expect(stranger(folds, `192.0.2.${i}`)).toMatchObject({ by: 'source', isMixed: false });
    expect(stranger(folds, '198.51.100.1')).toMatchObject({ by: 'overflow', isMixed: true });
    const over = folds.over(null);
    expect(over.length).toBe(3_584 + 256 + 1);
    expect(poll(4_096), 'what is not written yet is still held').toBeNull();
    folds.written(over);
    expect(poll(4_096)).not.toBeNull();
    expect(folds.over('2026-11-25T04:16')).toEqual([]);
    expect(folds.over('2026-11-25T04:17').length).toBe(1);
  });

  it('of one network are at most nine a minute, so that no single source hides the others', () => {
    const folds = new Folds();
    const seen = new Set(
      Array.from({ length: 100 }, (_, i) => stranger(folds, '192.0.2.1', { endpoint: `endpoint-${i}` })),
    );
    expect([...seen].map((fold) => [fold?.by, fold?.isMixed])).toEqual([
      ...Array.from({ length: 8 }, () => ['source', false]),
      ['source', true],
    ]);
    expect(stranger(folds, '192.0.2.2')).toMatchObject({ by: 'source', isMixed: false });
  });

  it('of unknown callers have an allowance that comes back with time', () => {
    const folds = new Folds();
    const told = (minute: number) =>
      Array.from({ length: 1_000 }, (_, i) =>
        stranger(folds, `10.${minute}.${i >> 8}.${i & 255}`, { at: `2026-11-25T04:${minute}:00.000000Z` }),
      ).filter((fold) => fold?.by === 'source').length;
    expect([told(16), told(17), told(27), told(59)]).toEqual([256, 16, 160, 256]);
  });
});
