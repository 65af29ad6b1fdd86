import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ExpectedProducer, Hours } from '../src/otlp/map/producerRules.js';
import { sinceHoursBegan } from '../src/producerHours.js';
import { createProducerWatch, type ProducerWatch } from '../src/producerWatch.js';
import { BUILT_IN_PRODUCERS, readProducers } from '../src/mapping/files.js';
import { takeLease } from '../src/store/lease.js';
import { outsideTenants } from '../src/store/database.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { BASE, newSpan, newTrace, otlp } from './facadeSpans.js';

const SYSTEM = '/api/v1/logs/system';
const ROUND_MS = 10_000;
let house: House;
let tenant: string;
let key: string;
/** Of the process that looks. */
let monotonic = 0;
let wall = Date.now();
let deaf = false;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  deaf = false;
});
afterAll(() => house.close());

const SHOP: ExpectedProducer = {
  service: 'shop',
  signals: ['traces'],
  silenceSeconds: 60,
  tenantId: null,
  hours: null,
};

function watching(
  expected: readonly ExpectedProducer[] = [SHOP],
  more: { readonly holdsLease?: () => Promise<boolean>; readonly append?: House['append'] } = {},
): ProducerWatch {
  return createProducerWatch({
    db: house.read.db,
    expected,
    tenants: () => Promise.resolve([house.platformTenant, tenant]),
    platformTenant: house.platformTenant,
    append: more.append ?? house.append,
    openOriginOf: house.read.originOf,
    holdsLease: more.holdsLease ?? (() => Promise.resolve(true)),
    isDeaf: () => deaf,
    now: () => wall,
    monotonicMs: () => monotonic,
    tell: () => undefined,
    onError: (_, error) => {
      throw error;
    },
  });
}

/** So many seconds, a round every ten of them. */
async function pass(watch: ProducerWatch, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds * 1_000; passed += ROUND_MS) {
    monotonic += ROUND_MS;
    wall += ROUND_MS;
    await watch.round();
  }
}

const trace = (service = 'shop', services: readonly string[] = []) =>
  house.ingest(
    tenant,
    otlp([{ traceId: newTrace(), spanId: newSpan() }], { 'service.name': service, 'service.instance.id': 'i-1' }),
    [],
    services,
  );
const line = (event?: string, service = 'shop') =>
  house.ingestLogs(
    tenant,
    otlpLogs([{ ...(event !== undefined && { event }), body: 'a line' }], { 'service.name': service }),
  );
const measure = () =>
  house.ingestMetrics(tenant, {
    encoding: 'json',
    body: Buffer.from(
      JSON.stringify({
        resourceMetrics: [
          {
            resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
            scopeMetrics: [
              { metrics: [{ name: 'up', gauge: { dataPoints: [{ timeUnixNano: String(BASE), asDouble: wall }] } }] },
            ],
          },
        ],
      }),
    ),
  });

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;
/** Oldest first. */
async function gaps(query = ''): Promise<Item[]> {
  const { json, text } = await get(house, `${SYSTEM}?event_type=TELEMETRY_GAP${query}`, key);
  expect(json.items, text).toBeDefined();
  return (json.items as Item[]).toReversed();
}
const told = async (): Promise<string[]> =>
  (await gaps()).map((gap) => `${gap.event_name.replace('sworn.producer.', '')} ${gap.summary.split(', ')[1]}`);

describe('a producer that should report', () => {
  it('makes no gap while it reports', async () => {
    const watch = watching();
    await watch.round();
    for (let i = 0; i < 5; i++) {
      await trace();
      await pass(watch, 50);
    }
    expect(await told()).toEqual([]);
  });

  it('makes a gap when it is silent for longer than it may, and its end when it reports again', async () => {
    const watch = watching();
    await watch.round();
    await trace();
    await pass(watch, 60);
    expect([await told(), watch.silent()]).toEqual([[], 0]);
    await pass(watch, 60);
    expect(await told()).toEqual(['silent traces']);
    await pass(watch, 300);
    expect([await told(), watch.silent()]).toEqual([['silent traces'], 1]);
    await trace();
    await pass(watch, 20);
    expect([await told(), watch.silent()]).toEqual([['silent traces', 'reported traces'], 0]);
    await pass(watch, 60);
    expect(await told()).toEqual(['silent traces', 'reported traces', 'silent traces']);

    const [silent, reported] = await gaps();
    expect(silent).toMatchObject({
      scope: 'TENANT',
      component: 'sworn',
      severity: 'WARN',
      service: 'shop',
      summary: expect.stringMatching(/^A producer that should report is silent: shop, traces, silent since 20/),
      metadata: { tenant_id: tenant, source_component: 'SystemRecordWriter', actor_basis: 'AUTHENTICATED' },
    });
    expect(reported).toMatchObject({ severity: 'INFO', service: 'shop' });
    expect(await gaps('&service=shop&scope=TENANT')).toHaveLength(3);
  });

  it('is known by what is stored of it, of the signal that is expected and of no other', async () => {
    const all: ExpectedProducer = { ...SHOP, signals: ['traces', 'logs', 'metrics'] };
    const watch = watching([all]);
    await watch.round();
    await pass(watch, 40);
    await trace();
    await pass(watch, 30);
    expect((await told()).toSorted()).toEqual(['silent logs', 'silent metrics']);
    // An event of the audit vocabulary is a log record too.
    await line('sworn.audit.note');
    await measure();
    await pass(watch, 10);
    expect((await told()).slice(2).toSorted()).toEqual(['reported logs', 'reported metrics']);
  });

  it('is not heard from another service, from a key that may not speak for it, nor from what Sworn says of it', async () => {
    const watch = watching([{ ...SHOP, signals: ['traces', 'logs'] }]);
    await watch.round();
    for (let i = 0; i < 7; i++) {
      await trace('pay');
      await trace('shop', ['pay']);
      await line('sworn.producer.reported', 'pay');
      await pass(watch, 10);
    }
    expect((await told()).filter((one) => one.startsWith('silent')).toSorted()).toEqual([
      'silent logs',
      'silent traces',
    ]);
    await pass(watch, 60);
    expect((await gaps('&service=shop')).map((gap) => gap.event_name)).toEqual([
      'sworn.producer.silent',
      'sworn.producer.silent',
    ]);
  });

  it('is looked for among more records than are candidates at once', async () => {
    const watch = watching();
    await watch.round();
    await pass(watch, 50);
    await trace();
    for (let i = 0; i < 40; i++) await trace('shop', ['pay']);
    await pass(watch, 50);
    expect(await told()).toEqual([]);
  });

  it('has one gap, also over a restart and with two processes at once', async () => {
    const [first, second] = [watching(), watching()];
    await first.round();
    await second.round();
    for (let i = 0; i < 6; i++) {
      await pass(first, 10);
      await second.round();
    }
    expect([await told(), first.silent(), second.silent()]).toEqual([['silent traces'], 0, 0]);
    await first.round();
    await second.round();
    expect([await told(), first.silent(), second.silent()]).toEqual([['silent traces'], 1, 1]);
    const third = watching();
    await third.round();
    await pass(third, 200);
    expect([await told(), third.silent()]).toEqual([['silent traces'], 1]);
    await trace();
    await pass(third, 10);
    expect(await told()).toEqual(['silent traces', 'reported traces']);
  });

  it('is looked after by the process that has the lease', async () => {
    const holding = (holder: string) => () =>
      outsideTenants(house.read.db, 'writer', (tx) => takeLease(tx, 'producers', holder, 60_000));
    const [first, second] = [
      watching([SHOP], { holdsLease: holding('a') }),
      watching([SHOP], { holdsLease: holding('b') }),
    ];
    await first.round();
    await second.round();
    await pass(second, 100);
    expect(await told()).toEqual([]);
    await pass(first, 20);
    await pass(first, 60);
    expect(await told()).toEqual(['silent traces']);
  });

  it('makes no gap of what is Sworn’s own silence: a clock that jumps, a start, a stand-still, a time without sequencing', async () => {
    const watch = watching();
    await watch.round();
    wall += 3_600_000;
    await watch.round();
    wall -= 7_200_000;
    await watch.round();
    expect(await told()).toEqual([]);
    wall += 3_600_000;
    await pass(watch, 50);
    monotonic += 120_000;
    await watch.round();
    await pass(watch, 50);
    deaf = true;
    await pass(watch, 100);
    deaf = false;
    await watch.round();
    await pass(watch, 50);
    await watching().round();
    expect(await told()).toEqual([]);
    await pass(watch, 10);
    expect(await told()).toEqual(['silent traces']);
  });

  it('is expected in its tenant alone, and in every one but the platform’s where none is named', async () => {
    const other = await house.tenants.create({ name: 'other' });
    const watch = watching([
      { ...SHOP, tenantId: other },
      { ...SHOP, service: 'pay' },
    ]);
    await watch.round();
    await pass(watch, 60);
    expect((await gaps()).map((gap) => gap.service)).toEqual(['pay']);
    const platform = (await house.keys.issue({ tenantId: house.platformTenant, role: 'reader' })).key;
    const { json } = await get(house, `${SYSTEM}?event_type=TELEMETRY_GAP`, platform);
    expect(json.items).toEqual([]);
  });

  it('stands around a run of its service while it ran, and in no verdict', async () => {
    const watch = watching([{ ...SHOP, signals: ['metrics'] }]);
    await watch.round();
    wall = Number(BASE / 1_000_000n);
    const traceId = newTrace();
    const spans = [
      { traceId, spanId: newSpan(), end: 120_000, attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
    ];
    await house.ingest(tenant, otlp(spans));
    await house.ingest(tenant, otlp([{ ...spans[0]!, traceId: newTrace() }], { 'service.name': 'pay' }));
    await house.seal(tenant);
    await pass(watch, 60);
    // A producer's own word of a gap ties it to no run.
    const claim = { event: 'sworn.system.telemetry_gap', body: 'a claim' };
    await house.ingestLogs(tenant, otlpLogs([claim], { 'service.name': 'shop' }));
    await house.sign(tenant);
    const { json, text } = await get(house, `${SYSTEM}/${traceId}/events`, key);
    expect(json.events, text).toEqual([
      expect.objectContaining({
        event_name: 'sworn.producer.silent',
        association: 'CO_LOCATED',
        tied_by: 'SERVICE',
        service: 'shop',
      }),
    ]);
    const { findings, logs } = await house.check(tenant);
    expect(findings).toEqual([]);
    expect(logs.find(({ log }) => log === 'system')?.anomalies).toMatchObject({ gaps: 1 });
    wall = Date.now();
  });

  it('stands around each run in which it was open, also when it opened before and ended after it, or not at all', async () => {
    const began = Number(BASE / 1_000_000n);
    wall = began;
    const watch = watching([{ ...SHOP, signals: ['metrics', 'logs'] }]);
    await watch.round();
    await pass(watch, 60);
    await line();
    await pass(watch, ROUND_MS / 1_000);
    // Whatever else is said of gaps is no word of ours.
    for (let n = 0; n < 3; n++) await line('sworn.system.telemetry_gap');
    const ranFor = async (start: number, end: number): Promise<string> => {
      const traceId = newTrace();
      const attributes = { 'gen_ai.operation.name': 'invoke_agent' };
      await house.ingest(tenant, otlp([{ traceId, spanId: newSpan(), start, end, attributes }]));
      await house.seal(tenant);
      return traceId;
    };
    const around = async (id: string, query = ''): Promise<Item> => {
      await house.sign(tenant);
      const { json, text } = await get(house, `${SYSTEM}/${id}/events${query}`, key);
      expect(json.events, text).toBeDefined();
      return json;
    };
    const toldOf = async (id: string): Promise<string[]> =>
      (await around(id)).events.map(
        (gap: Item) => `${gap.event_name.replace('sworn.producer.', '')} ${gap.summary.split(', ')[1]}`,
      );
    const within = await ranFor(100_000, 120_000);
    expect(await toldOf(within)).toEqual(['silent metrics']);
    const across = await ranFor(150_000, 250_000);
    wall = began + 200_000;
    await measure();
    await pass(watch, ROUND_MS / 1_000);
    const after = await ranFor(300_000, 400_000);
    expect(await toldOf(within)).toEqual(['silent metrics']);
    expect(await toldOf(across)).toEqual(['silent metrics', 'reported metrics']);
    expect(await toldOf(after)).toEqual([]);
    expect(await toldOf(await ranFor(0, 400_000))).toEqual([
      'silent metrics',
      'silent logs',
      'reported logs',
      'reported metrics',
    ]);
    const first = await around(across, '?limit=1');
    const second = await around(across, `?limit=1&cursor=${first.next_cursor}`);
    expect([...first.events, ...second.events].map(({ event_name }: Item) => event_name)).toEqual([
      'sworn.producer.silent',
      'sworn.producer.reported',
    ]);
    expect(first.events[0]).toMatchObject({ association: 'CO_LOCATED', tied_by: 'SERVICE', other_runs: null });
    expect((await house.check(tenant)).findings).toEqual([]);
    wall = Date.now();
  });
});

it('has the gaps of before the column, once the database is brought up to date', async () => {
  const watch = watching([{ ...SHOP, signals: ['metrics'] }]);
  await watch.round();
  await pass(watch, 60);
  await house.sign(tenant);
  const admin = house.database.admin.bind(house.database);
  const signals = () => admin('select signal from sworn.system_records where tenant_id = $1', [tenant]);
  expect(await signals()).toEqual([{ signal: 'metrics' }]);
  await admin('set session_replication_role = replica');
  await admin('update sworn.system_records set signal = null where tenant_id = $1', [tenant]);
  await admin('set session_replication_role = origin');
  const migration = readFileSync(new URL('../sql/0028_gap_signals.sql', import.meta.url), 'utf8');
  const backfill = migration.slice(
    migration.indexOf('alter table sworn.system_records no force'),
    migration.indexOf('-- What producers say'),
  );
  const [owner] = await admin<{ name: string }>(
    `select tableowner as name from pg_tables where schemaname = 'sworn' and tablename = 'system_records'`,
  );
  await admin(`set role ${owner?.name}; ${backfill} reset role`);
  expect(await signals()).toEqual([{ signal: 'metrics' }]);
  expect((await house.check(tenant)).findings).toEqual([]);
});

describe('hours', () => {
  const office: Hours = { from: 8 * 60, to: 18 * 60, days: ['MON', 'FRI'], timeZone: 'Europe/Berlin' };
  const night: Hours = { from: 22 * 60, to: 6 * 60, days: ['FRI'], timeZone: 'UTC' };
  const always: Hours = { from: 0, to: 0, days: ['SAT'], timeZone: 'UTC' };
  const MINUTE = 60_000;

  it.each([
    ['before they begin', office, '2026-11-27T06:59:59Z', null],
    ['as they begin, an hour before UTC in winter', office, '2026-11-27T07:00:00Z', 0],
    ['half an hour later', office, '2026-11-27T07:30:00.250Z', 30 * MINUTE + 250],
    ['in summer, two hours before', office, '2026-07-03T06:30:00Z', 30 * MINUTE],
    ['when they are over', office, '2026-11-27T17:00:00Z', null],
    ['on another day', office, '2026-11-28T09:00:00Z', null],
    ['over midnight', night, '2026-11-28T01:00:00Z', 180 * MINUTE],
    ['over midnight, of a day that is not named', night, '2026-11-27T01:00:00Z', null],
    ['all day', always, '2026-11-28T23:00:00Z', 23 * 60 * MINUTE],
  ])('are known %s', (_, hours, at, since) => {
    expect(sinceHoursBegan(hours, new Date(at))).toBe(since);
  });

  it('are when a silence counts', async () => {
    const watch = watching([{ ...SHOP, hours: office }]);
    wall = Date.parse('2026-11-27T06:00:00Z');
    await watch.round();
    await pass(watch, 59 * 60);
    await pass(watch, 90);
    expect(await told()).toEqual([]);
    await pass(watch, 30);
    expect(await told()).toEqual(['silent traces']);
    wall = Date.now();
  });
});

it('nobody is expected by the list that comes with Sworn', () => {
  expect(readProducers(BUILT_IN_PRODUCERS)).toEqual([]);
});
