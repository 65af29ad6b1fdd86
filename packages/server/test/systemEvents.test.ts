import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { type LineText, otlpLogs } from './facadeLogs.js';
import { BASE, newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';

const BASE_MS = Number(BASE / 1_000_000n);

let house: House;
let tenant: string;
let key: string;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

type Resource = Readonly<Record<string, string>>;
const ON_ONE: Resource = { 'service.name': 'shop', 'service.instance.id': 'shop-1', 'host.id': 'h-1' };

async function ran(spans: readonly SpanText[], resource: Resource = ON_ONE): Promise<void> {
  await house.ingest(tenant, otlp(spans, resource), ['ingest:assert']);
}
async function said(lines: readonly LineText[], resource: Resource = ON_ONE): Promise<void> {
  await house.ingestLogs(tenant, otlpLogs(lines, resource), { scopes: ['ingest:assert'] });
}
async function settle(): Promise<void> {
  await house.seal(tenant);
  await house.sign(tenant);
}
const ask = (id: string, query = '') => get(house, `/api/v1/logs/system/${id}/events${query}`, key);

interface Shown {
  readonly summary: string;
  readonly association: string;
  readonly tied_by: string;
  readonly other_runs: unknown;
  readonly compromised?: true;
  readonly finding?: { readonly check: string };
}
async function eventsOf(id: string, query = ''): Promise<Shown[]> {
  const { json, text } = await ask(id, query);
  expect(json.events, text).toBeDefined();
  return json.events as Shown[];
}
const ties = (events: readonly Shown[]) => events.map((one) => [one.summary, one.association, one.tied_by]);

/** A run from second 1 to second 2. */
const second = (traceId: string, more: Partial<SpanText> = {}): SpanText => ({
  traceId,
  spanId: newSpan(),
  start: 1_000,
  end: 2_000,
  ...more,
});

describe('what happened around a run', () => {
  it('is what names its trace, its id or its correlation id, whenever it was', async () => {
    const [mine, other] = [newTrace(), newTrace()];
    await ran([
      second(mine, { attributes: { 'sworn.run.id': 'turn-1', 'sworn.correlation.id': 'case-1' } }),
      second(other, { attributes: { 'sworn.run.id': 'turn-2' } }),
    ]);
    const elsewhere = { 'service.name': 'pay' };
    await said(
      [
        { at: 9_000_000, body: 'by trace', traceId: mine },
        { at: -9_000_000, body: 'by run', attributes: { 'sworn.run.id': 'turn-1' } },
        { at: 0, body: 'by correlation', attributes: { 'sworn.correlation.id': 'case-1' } },
        { at: 1_500, body: 'of another trace', traceId: other },
        { at: 1_500, body: 'of another run', attributes: { 'sworn.run.id': 'turn-2' } },
        { at: 1_500, body: 'of nobody' },
      ],
      elsewhere,
    );
    await settle();
    expect(ties(await eventsOf('turn-1'))).toEqual([
      ['by run', 'CORRELATED', 'RUN'],
      ['by correlation', 'CORRELATED', 'CORRELATION'],
      ['by trace', 'CORRELATED', 'TRACE'],
    ]);
  });

  it('is what an instance that it ran on said while it ran: from its start, and not at its end', async () => {
    const mine = newTrace();
    await ran([second(mine)]);
    await said([
      { at: 999.999, body: 'before' },
      { at: 1_000, body: 'at the start' },
      { at: 1_999.999, body: 'until the end' },
      { at: 2_000, body: 'at the end' },
      { at: 1_500, body: 'its own', traceId: mine },
    ]);
    for (const [name, value] of [
      ['service.instance.id', 'shop-2'],
      ['service.name', 'pay'],
    ] as const)
      await said([{ at: 1_500, body: `of another ${name}` }], { ...ON_ONE, [name]: value });
    await settle();
    const { json } = await ask(mine);
    expect(ties(json.events as Shown[])).toEqual([
      ['at the start', 'CO_LOCATED', 'INSTANCE'],
      ['its own', 'CORRELATED', 'TRACE'],
      ['until the end', 'CO_LOCATED', 'INSTANCE'],
    ]);
    expect(json).toMatchObject({
      run_started_at: '2026-11-20T00:00:01.000000Z',
      run_ended_at: '2026-11-20T00:00:02.000000Z',
      provisional: false,
    });
  });

  it('is what its host said, where neither names an instance', async () => {
    const mine = newTrace();
    const nameless = { 'service.name': 'shop', 'host.id': 'h-1' };
    await ran([second(mine)], nameless);
    await said([{ at: 1_500, body: 'the same host' }], { 'service.name': 'kubelet', 'host.id': 'h-1' });
    await said([{ at: 1_500, body: 'another host' }], { 'service.name': 'shop', 'host.id': 'h-2' });
    await said([{ at: 1_500, body: 'an instance there' }], ON_ONE);
    await settle();
    expect(ties(await eventsOf(mine))).toEqual([['the same host', 'CO_LOCATED', 'HOST']]);
  });

  it('counts every instance that a step of it ran on', async () => {
    const mine = newTrace();
    const root = newSpan();
    const onTwo = { ...ON_ONE, 'service.name': 'pay', 'service.instance.id': 'pay-2' };
    await ran([{ ...second(mine), spanId: root }]);
    await ran([second(mine, { parentSpanId: root, start: 1_200, end: 1_300 })], onTwo);
    await said([{ at: 1_900, body: 'out of memory', event: 'sworn.system.oom', severity: 21 }], onTwo);
    await settle();
    const [event] = await eventsOf(mine);
    expect(event).toMatchObject({
      association: 'CO_LOCATED',
      event_type: 'OOM',
      severity: 'CRITICAL',
      component: 'pay',
    });
  });

  it('is, of a trace that several runs share, what their own spans said', async () => {
    const trace = newTrace();
    const [root, below, deeper] = [newSpan(), newSpan(), newSpan()];
    await ran([
      { ...second(trace, { attributes: { 'sworn.run.id': 'outer' } }), spanId: root },
      { ...second(trace, { parentSpanId: root, attributes: { 'sworn.run.id': 'inner' } }), spanId: below },
      { ...second(trace, { parentSpanId: below }), spanId: deeper },
    ]);
    const of = { traceId: trace, at: 1_500 };
    await said(
      [
        { ...of, spanId: root, body: 'outer' },
        { ...of, spanId: deeper, body: 'inner' },
        { ...of, body: 'of no span' },
        { ...of, spanId: newSpan(), body: 'of a span that never came' },
      ],
      { 'service.name': 'pay' },
    );
    await settle();
    expect((await eventsOf('inner')).map(({ summary }) => summary)).toEqual(['inner']);
    expect((await eventsOf('outer')).map(({ summary }) => summary)).toEqual(['outer', 'of no span']);
    expect((await eventsOf('inner'))[0]?.other_runs).toEqual({ count: 1, run_ids: ['outer'], complete: true });
  });

  it('names the other runs that were on the same instance at that moment', async () => {
    const [mine, meanwhile, later] = [newTrace(), newTrace(), newTrace()];
    await ran([second(mine), second(meanwhile), second(later, { start: 1_800 })]);
    await ran([second(newTrace())], { ...ON_ONE, 'service.instance.id': 'shop-2' });
    await said([
      { at: 1_500, body: 'restart', event: 'sworn.system.restart' },
      { at: 1_500, body: 'theirs', traceId: later },
    ]);
    await said([{ at: 1_500, body: 'nowhere', attributes: { 'sworn.run.id': mine } }], { 'service.name': 'pay' });
    await settle();
    const others = Object.fromEntries((await eventsOf(mine)).map((one) => [one.summary, one.other_runs]));
    expect(others).toEqual({
      restart: { count: 1, run_ids: [meanwhile], complete: true },
      theirs: { count: 1, run_ids: [later], complete: true },
      nowhere: null,
    });
  });

  it('is what Sworn shares of its own life while it ran, by a statement of its own, and nothing else of the platform', async () => {
    const now = Date.now() - BASE_MS;
    const [mine, before] = [newTrace(), newTrace()];
    await ran([
      second(mine, { start: now - 10_000, end: now + 600_000 }),
      second(before, { start: now - 20_000, end: now - 10_000 }),
    ]);
    await said([{ at: now - 5_000, body: 'its own', traceId: mine }]);
    await house.life.tell([
      { name: 'sworn.started', identity: ['x'] },
      { name: 'sworn.key.created', identity: ['y'] },
    ]);
    await settle();
    await house.sign(house.platformTenant);
    const { json } = await ask(mine);
    expect(ties(json.events as Shown[])).toEqual([
      ['its own', 'CORRELATED', 'TRACE'],
      [expect.any(String), 'PLATFORM', 'TIME'],
    ]);
    expect(json.events[1]).toMatchObject({
      scope: 'PLATFORM',
      event_type: 'STARTUP',
      other_runs: null,
      metadata: { tenant_id: 'platform', integrity: { state: 'COVERED' } },
    });
    expect(json.metadata.integrity.logs.map(({ log }: { log: string }) => log)).toContain('platform/system');
    expect(await eventsOf(before)).toEqual([]);
    const first = await ask(mine, '?limit=1');
    const [last] = await eventsOf(mine, `?limit=1&cursor=${first.json.next_cursor}`);
    expect(last?.association).toBe('PLATFORM');
    const replay = await get(
      house,
      `/api/v1/logs/llm-runs/${mine}/replay?at=${new Date().toISOString().slice(0, 19)}Z`,
      key,
    );
    expect(
      replay.json.events.map(({ source, association }: Shown & { source: string }) => [source, association]),
    ).toEqual([
      ['llm', null],
      ['system', 'CORRELATED'],
      ['system', 'PLATFORM'],
    ]);
  });

  it('is told while the run is open, from its first step on', async () => {
    const open = await buildHouse({ graceMs: 3_600_000, idleMs: 3_600_000 });
    try {
      const id = await open.tenants.create({ name: 'acme' });
      const reader = (await open.keys.issue({ tenantId: id, role: 'reader' })).key;
      const mine = newTrace();
      await open.ingest(id, otlp([second(mine)], ON_ONE));
      const lines = [
        { at: 0, body: 'before' },
        { at: 5_000, body: 'since' },
      ];
      await open.ingestLogs(id, otlpLogs(lines, ON_ONE));
      await open.seal(id);
      const { json } = await get(open, `/api/v1/logs/system/${mine}/events`, reader);
      expect(ties(json.events as Shown[])).toEqual([['since', 'CO_LOCATED', 'INSTANCE']]);
      expect(json).toMatchObject({ run_ended_at: null, provisional: true });
    } finally {
      await open.close();
    }
  });
});

describe('a long answer of it', () => {
  /** Ties of all kinds, many at one moment. */
  async function busy(): Promise<string> {
    const mine = newTrace();
    await ran([second(mine)]);
    await said(
      Array.from({ length: 40 }, (_, n) => ({
        at: 1_000 + 100 * Math.floor(n / 5),
        body: `line ${n}`,
        ...(n % 3 === 0 && { traceId: mine }),
      })),
    );
    await settle();
    return mine;
  }

  it('is the same in pages of any length, and as lines, while more is written', async () => {
    const mine = await busy();
    const whole = await eventsOf(mine);
    expect(whole).toHaveLength(40);
    for (const limit of [1, 7, 39, 40]) {
      const seen: Shown[] = [];
      for (let cursor = ''; ; ) {
        const { json, text } = await ask(mine, `?limit=${limit}${cursor}`);
        expect(json.events, text).toBeDefined();
        seen.push(...(json.events as Shown[]));
        if (!json.has_more) break;
        cursor = `&cursor=${json.next_cursor}`;
        await said([{ at: 1_950, body: 'too late for this crawl' }]);
      }
      expect(seen.map(({ summary }) => summary)).toEqual(whole.map(({ summary }) => summary));
      whole.splice(0, whole.length, ...(await eventsOf(mine)));
    }
    const lines = await get(house, `/api/v1/logs/system/${mine}/events`, key, { accept: 'application/x-ndjson' });
    const shown = lines.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Shown);
    expect(shown.slice(0, -1).map(({ summary }) => summary)).toEqual(whole.map(({ summary }) => summary));
    expect(shown.at(-1)).toEqual({ complete: true, count: whole.length });
  });

  it('shows a record that is not as it was written in its place, with the finding', async () => {
    const mine = await busy();
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.system_records set severity = 'CRITICAL' where tenant_id = $1 and occurred_at = '2026-11-20T00:00:01.1Z'`,
      [tenant],
    );
    await house.database.admin('set session_replication_role = origin');
    const { json } = await ask(mine);
    const events = json.events as Shown[];
    expect(events.map((one) => one.compromised ?? false)).toEqual(
      Array.from({ length: 40 }, (_, n) => Math.floor(n / 5) === 1),
    );
    expect(events[5]?.finding?.check).toBe('V6');
    expect(json.metadata.immutable).toBe(false);
  });

  it('is of the tenant alone: another one’s run is not found', async () => {
    const mine = await busy();
    const other = await house.tenants.create({ name: 'other' });
    const theirs = (await house.keys.issue({ tenantId: other, role: 'auditor' })).key;
    const got = await get(house, `/api/v1/logs/system/${mine}/events`, theirs);
    expect([got.status, got.json.code]).toEqual([404, 'not_found']);
  });
});
