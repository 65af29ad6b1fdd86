import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runReplay } from '../src/read/replay.js';
import { inTenant } from '../src/store/database.js';
import { sql } from '../src/store/sql.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { type LineText, otlpLogs } from './facadeLogs.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { type Cost, explainingDatabase } from './planCost.js';
import { permitRetention } from './retention.js';

let house: House;
let tenant: string;
let auditor: string;
let reader: string;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

const RESOURCE = { 'service.name': 'shop', 'service.instance.id': 'shop-1' };
const ran = (...spans: readonly SpanText[]) => house.ingest(tenant, otlp(spans, RESOURCE), ['ingest:assert']);
const said = (...lines: readonly LineText[]) => house.ingestLogs(tenant, otlpLogs(lines, RESOURCE));
async function settle(): Promise<void> {
  await house.seal(tenant);
  await house.sign(tenant);
}
const SECOND = 1_000;
/** A time of the day as answers write it, of milliseconds after midnight. */
const at = (ms: number) => `${new Date(Date.parse('2026-11-20T00:00:00Z') + ms).toISOString().slice(0, -1)}000Z`;

const ask = (id: string, query = '', key = auditor) => get(house, `/api/v1/logs/llm-runs/${id}/replay${query}`, key);
const askSystem = (id: string, query = '') => get(house, `/api/v1/logs/system/${id}/replay${query}`, auditor);

interface Shown {
  readonly source: string;
  readonly timestamp: string;
  readonly action: string;
  readonly detail: string | null;
  readonly offset_ms: number;
  readonly step_index: number | null;
  readonly compromised?: true;
}
const called = (one: Shown) => `${one.source} ${one.source === 'system' ? one.detail : one.action}`;

/** A run of 200 seconds that fails at its second 100, with what came around it. */
async function failing(): Promise<string> {
  const run = newTrace();
  const root = newSpan();
  const step = (name: string, start: number, end: number, more: Partial<SpanText> = {}): SpanText => ({
    traceId: run,
    spanId: newSpan(),
    parentSpanId: root,
    name,
    start: start * SECOND,
    end: end * SECOND,
    ...more,
  });
  await ran(
    { traceId: run, spanId: root, name: 'turn', start: 0, end: 200 * SECOND },
    step('long before', 10, 20),
    step('over as the window begins', 60, 70),
    step('under way', 60, 75),
    step('before', 80, 81),
    step('fails', 99, 100, { status: 2, statusMessage: 'boom' }),
    step('again', 101, 102, { attributes: { 'http.request.resend_count': 2 } }),
    step('as it ends', 130, 131),
  );
  await said(
    { at: 69.999 * SECOND, body: 'too early' },
    { at: 70 * SECOND, body: 'at the start', severity: 13 },
    { at: 80 * SECOND, body: 'as a step begins', traceId: run },
    { at: 129.999 * SECOND, body: 'at the end' },
    { at: 130 * SECOND, body: 'too late' },
  );
  await said(
    ...[80, 90, 300].map((second) => ({
      at: second * SECOND,
      event: 'sworn.audit.event',
      attributes: {
        'sworn.audit.run.id': run,
        'sworn.audit.category': 'POLICY_EVALUATION',
        'sworn.audit.action': `checked at ${second}`,
        'sworn.audit.decision': 'allow',
        'sworn.audit.policy.id': 'refunds',
      },
    })),
  );
  await settle();
  return run;
}

/** The whole minute around where it failed, in its order. */
const MINUTE = [
  'llm turn',
  'llm under way',
  'system at the start',
  'llm before',
  'system as a step begins',
  'policy checked at 80',
  'policy checked at 90',
  'llm fails',
  'llm again',
  'system at the end',
];

describe('the replay of a run', () => {
  it('is the minute around where it turned: steps, system and policy in one order', async () => {
    const run = await failing();
    const { json, text } = await ask(run);
    expect(json.events, text).toBeDefined();
    const events = json.events as Shown[];
    expect(events.map(called)).toEqual(MINUTE);
    const turned = Date.parse(json.inflection_timestamp);
    expect(json).toMatchObject({
      run_id: run,
      window_start: at(70 * SECOND),
      window_end: at(130 * SECOND),
      inflection_timestamp: at(100 * SECOND),
      provisional: false,
      has_more: false,
      sources: ['llm', 'system', 'policy'].map((source) => ({ source, status: 'AVAILABLE' })),
    });
    for (const one of events) expect(one.offset_ms).toBe(Date.parse(one.timestamp) - turned);
    const of = (name: string) => events.find((one) => called(one) === name);
    expect(of('llm fails')).toMatchObject({ kind: 'OTHER', outcome: 'FAILURE', detail: 'boom', duration_ms: 1_000 });
    expect(of('llm again')).toMatchObject({ retry: 2, ended_at: at(102 * SECOND) });
    expect(of('system at the start')).toMatchObject({ kind: 'LOG', severity: 'WARN', association: 'CO_LOCATED' });
    expect(of('policy checked at 90')).toMatchObject({
      kind: 'POLICY_EVALUATION',
      outcome: 'ALLOW',
      ref: { log: 'audit', policy_id: 'refunds' },
    });
    const trace = await get(house, `/api/v1/logs/llm-runs/${run}/trace`, auditor);
    const steps = trace.json.steps as { name: string; step_index: number; checksum: string }[];
    for (const one of events.filter(({ source }) => source === 'llm'))
      expect(one).toMatchObject(
        (({ step_index, checksum }) => ({ step_index, checksum }))(
          steps.find(({ name }) => name === one.action) as (typeof steps)[number],
        ),
      );
  });

  it('is of another length, and around another moment of the run or just outside of it', async () => {
    const run = await failing();
    const of = async (query: string) => ((await ask(run, query)).json.events as Shown[]).map(called);
    expect(await of('?window_seconds=2')).toEqual(['llm turn', 'llm fails']);
    expect(await of(`?window_seconds=100&at=${at(300 * SECOND)}`)).toEqual(['policy checked at 300']);
    expect(await of(`?window_seconds=4&at=${at(15 * SECOND)}`)).toEqual(['llm turn', 'llm long before']);
    // Nothing happened then.
    const { json } = await ask(run, `?window_seconds=2&at=${at(202 * SECOND)}`);
    expect(json).toMatchObject({ events: [], has_more: false, inflection_timestamp: at(100 * SECOND) });
    for (const [middle, status] of [
      [-60 * SECOND, 200],
      [260 * SECOND, 200],
      [-60 * SECOND - 1, 400],
      [260 * SECOND + 1, 400],
    ] as const) {
      const got = await ask(run, `?at=${at(middle)}`);
      expect(got.status, String(middle)).toBe(status);
      if (status === 400)
        expect(got.json.errors).toEqual([
          { parameter: 'at', detail: expect.stringContaining(`${at(-60 * SECOND)} to ${at(260 * SECOND)}`) },
        ]);
    }
  });

  it('is the same in pages of any length, and as lines, while more is written', async () => {
    const run = await failing();
    for (const limit of [1, 2, 3, 9, 10]) {
      const seen: Shown[] = [];
      for (let cursor = ''; ; ) {
        const { json, text } = await ask(run, `?limit=${limit}${cursor}`);
        expect(json.events, text).toBeDefined();
        seen.push(...(json.events as Shown[]));
        if (!json.has_more) break;
        cursor = `&cursor=${json.next_cursor}`;
        if (seen.length === 1) await said({ at: 129.9999 * SECOND, body: 'too late for this crawl' });
      }
      expect(seen.map(called).filter((name) => !name.endsWith('this crawl'))).toEqual(MINUTE);
      if (limit === 1) expect(seen.map(called)).toEqual(MINUTE);
    }
    const lines = await get(house, `/api/v1/logs/llm-runs/${run}/replay`, auditor, { accept: 'application/x-ndjson' });
    expect(lines.text.trimEnd().split('\n')).toHaveLength(MINUTE.length + 2);
  });

  it('withholds governance from who may not read audit records, and says how much', async () => {
    const run = await failing();
    const { json } = await ask(run, '', reader);
    expect((json.events as Shown[]).map(called)).toEqual(MINUTE.filter((name) => !name.startsWith('policy')));
    expect(json.sources[2]).toEqual({ source: 'policy', status: 'WITHHELD', available_from: null, withheld: 2 });
  });

  it('has a system lane of its own, in the same window and by the same clock', async () => {
    const run = await failing();
    const [whole, lane] = [(await ask(run)).json, (await askSystem(run)).json];
    expect(lane.events).toEqual((whole.events as Shown[]).filter(({ source }) => source === 'system'));
    for (const member of ['window_start', 'window_end', 'inflection_timestamp', 'inflection_reason'])
      expect(lane[member]).toEqual(whole[member]);
    expect(lane.sources).toEqual([whole.sources[1]]);
  });

  it('shows what is not as it was written in its place, with the finding', async () => {
    const run = await failing();
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.system_records set component = 'x' where tenant_id = $1 and occurred_at = $2`,
      [tenant, at(80 * SECOND)],
    );
    await house.database.admin(
      `update sworn.audit_ledger set decision = 'DENY' where tenant_id = $1 and occurred_at = $2`,
      [tenant, at(90 * SECOND)],
    );
    await house.database.admin('set session_replication_role = origin');
    const { json } = await ask(run);
    const damaged = (json.events as Shown[]).flatMap((one, i) => (one.compromised ? [i] : []));
    expect(damaged).toEqual([4, 6]);
    expect(json.metadata.immutable).toBe(false);
  });

  it('of an open run is around its last event, and provisional', async () => {
    const open = await buildHouse({ graceMs: 3_600_000, idleMs: 3_600_000 });
    try {
      const id = await open.tenants.create({ name: 'acme' });
      const key = (await open.keys.issue({ tenantId: id, role: 'reader' })).key;
      const run = newTrace();
      const spans = [
        { traceId: run, spanId: newSpan(), parentSpanId: newSpan(), name: 'first', start: 0, end: SECOND },
        {
          traceId: run,
          spanId: newSpan(),
          parentSpanId: newSpan(),
          name: 'last',
          start: 50 * SECOND,
          end: 60 * SECOND,
        },
      ];
      await open.ingest(id, otlp(spans, RESOURCE));
      await open.seal(id);
      const { json } = await get(open, `/api/v1/logs/llm-runs/${run}/replay`, key);
      expect(json).toMatchObject({
        inflection_timestamp: at(60 * SECOND),
        inflection_reason: 'LAST_EVENT',
        provisional: true,
      });
      expect((json.events as Shown[]).map(called)).toEqual(['llm last']);
    } finally {
      await open.close();
    }
  });
});

describe('a replay of what producers date oddly', () => {
  it('orders events of one moment by source, steps by their place, records by their leaf', async () => {
    const run = newTrace();
    const root = newSpan();
    const child = (name: string): SpanText => ({
      traceId: run,
      spanId: newSpan(),
      parentSpanId: root,
      name,
      start: 0,
      end: 0,
    });
    await said({ at: 0, body: 'one', traceId: run }, { at: 0, body: 'two', traceId: run });
    await ran({ traceId: run, spanId: root, name: 'root', start: 0, end: 0 }, child('a'), child('b'));
    await said({ at: 0, body: 'three', traceId: run });
    await settle();
    const { json } = await ask(run);
    const names = (json.events as Shown[]).map(called);
    expect(names).toEqual(['llm root', 'llm a', 'llm b', 'system one', 'system two', 'system three']);
  });

  it('shows a step that ends before it starts where it starts', async () => {
    const run = newTrace();
    const root = newSpan();
    await ran(
      { traceId: run, spanId: root, name: 'root', start: 0, end: 10 * SECOND },
      { traceId: run, spanId: newSpan(), parentSpanId: root, name: 'skewed', start: 9 * SECOND, end: -90 * SECOND },
    );
    await settle();
    const { json } = await ask(run, `?window_seconds=4&at=${at(9 * SECOND)}`);
    expect((json.events as Shown[]).map(called)).toEqual(['llm root', 'llm skewed']);
  });
});

/** Steps of a long run; `SWORN_TEST_RECORDS=100000` asks it of a hundred thousand, the most that a run has. */
const COUNT = Math.min(100_000, Number(process.env['SWORN_TEST_RECORDS'] ?? 5_000));
/** Rows read for a window of some sixty steps once the order of its run is held. */
const ROWS_OF_A_WINDOW = 500;

describe('a long run', () => {
  it('is replayed at its ends and in its middle as by whoever looks at every step', async () => {
    const run = newTrace();
    const root = newSpan();
    const spans: SpanText[] = [
      { traceId: run, spanId: root, name: 'root', start: 0, end: COUNT * SECOND },
      ...Array.from({ length: COUNT }, (_, n) => ({
        traceId: run,
        spanId: newSpan(),
        parentSpanId: root,
        name: `step ${n}`,
        start: n * SECOND,
        end: (n + (n % 100 === 0 ? 90 : 1)) * SECOND,
      })),
    ];
    for (let from = 0; from < spans.length; from += 1_000) await ran(...spans.slice(from, from + 1_000));
    await settle();
    for (const middle of [0, COUNT / 2, COUNT]) {
      const [start, end] = [(middle - 30) * SECOND, (middle + 30) * SECOND];
      const expected = spans
        .map((span, place) => ({ ...span, place }))
        .filter((span) => (span.start ?? 0) < end && ((span.end ?? 0) > start || (span.start ?? 0) >= start))
        .sort((a, b) => (a.start ?? 0) - (b.start ?? 0) || a.place - b.place)
        .map(({ name }) => `llm ${name}`);
      const { json, text } = await ask(run, `?at=${at(middle * SECOND)}`);
      expect(json.events, text).toBeDefined();
      expect((json.events as Shown[]).map(called)).toEqual(expected);
      expect(expected.length).toBeGreaterThan(25);
      const seen: Shown[] = [];
      for (let cursor = ''; ; ) {
        const page = (await ask(run, `?limit=25&at=${at(middle * SECOND)}${cursor}`)).json;
        seen.push(...(page.events as Shown[]));
        if (!page.has_more) break;
        cursor = `&cursor=${page.next_cursor}`;
      }
      expect(seen.map(called)).toEqual(expected);
      const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
      const deps = { ...house.read, db: explainingDatabase(house.database.db, cost) };
      await runReplay(deps, tenant, run, { query: { at: at((middle / 2) * SECOND) }, isAuditor: true });
      expect(cost.rows).toBeLessThanOrEqual(ROWS_OF_A_WINDOW);
    }
  }, 600_000);
});

describe('a replay over what retention took from', () => {
  const recordedAt = async (log: string, index: number): Promise<string> => {
    const [leaf] = await house.database.admin<{ at: string }>(
      `select to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from sworn.leaf
        where tenant_id = $1 and log = $2 and leaf_index = $3`,
      [tenant, log, index],
    );
    return leaf?.at ?? '';
  };
  const sizeOf = async (log: string): Promise<number> => {
    const [head] = await house.database.admin<{ size: string }>(
      `select next_index as size from sworn.log_head where tenant_id = $1 and log = $2`,
      [tenant, log],
    );
    return Number(head?.size);
  };
  /** As the code that ends terms would: a leaf that allows it, a checkpoint over that, and the remover's function until nothing is left to take. */
  async function retain(log: string, below: number): Promise<void> {
    // What is removed was stored half a year ago; nothing reads these leaves again.
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set recorded_at = recorded_at - interval '184 days' where tenant_id = $1 and log = $2 and leaf_index < $3`,
      [tenant, log, below],
    );
    await house.database.admin('set session_replication_role = origin');
    await permitRetention(house, tenant, { of: log, below });
    await house.sign(tenant);
    let removed = 0;
    for (let more = 1; more > 0; removed += more) {
      const [row] = await inTenant(house.database.db, 'recorder', tenant, (tx) =>
        tx.query<{ removed: number }>(sql`select sworn.retain(${tenant}::uuid, ${log}, ${below}, 2) as removed`),
      );
      more = Number(row?.removed);
    }
    expect(removed).toBe(below);
  }

  it('says EXPIRED of a source that may have lost some of the window, since when it is whole, and shows what is left', async () => {
    const old = { 'service.name': 'old' };
    await house.ingest(tenant, otlp([{ traceId: newTrace(), spanId: newSpan(), name: 'old' }], old));
    await house.ingestLogs(tenant, otlpLogs([{ at: 0, body: 'old' }], old));
    await settle();
    const [ofRuns, ofSystem] = [await sizeOf('llm-runs'), await sizeOf('system')];
    const run = await failing();
    const states = async () => ((await ask(run)).json.sources as { status: string }[]).map(({ status }) => status);
    expect(await states()).toEqual(['AVAILABLE', 'AVAILABLE', 'AVAILABLE']);
    await retain('system', ofSystem);
    expect(await states()).toEqual(['AVAILABLE', 'EXPIRED', 'AVAILABLE']);
    await retain('llm-runs', ofRuns);
    const { json } = await ask(run);
    const expired = (source: string, since: string) => ({
      source,
      status: 'EXPIRED',
      available_from: since,
      withheld: null,
    });
    expect(json.sources).toEqual([
      expired('llm', await recordedAt('llm-runs', ofRuns)),
      expired('system', await recordedAt('system', ofSystem)),
      // Audit records are never removed.
      { source: 'policy', status: 'AVAILABLE', available_from: null, withheld: null },
    ]);
    expect((json.events as Shown[]).map(called)).toEqual(MINUTE);
    expect((await askSystem(run)).json.sources).toEqual([json.sources[1]]);
  });

  it('says AVAILABLE where all of the window came after what it took', async () => {
    const now = Date.now() - Date.parse('2026-11-20T00:00:00Z');
    await ran({ traceId: newTrace(), spanId: newSpan(), name: 'old' });
    await settle();
    const below = await sizeOf('llm-runs');
    const run = newTrace();
    await ran({ traceId: run, spanId: newSpan(), name: 'to come', start: now + 3_600_000, end: now + 3_601_000 });
    await settle();
    await retain('llm-runs', below);
    expect((await ask(run)).json.sources[0]).toMatchObject({ source: 'llm', status: 'AVAILABLE' });
    // It was kept since it was stored, which is before the hour of its window, not before the day before.
    const early = await ask(run, `?window_seconds=3600&at=${at(now + 1_800_000)}`);
    expect(early.json.sources[0], early.text).toMatchObject({ status: 'EXPIRED' });
  });
});
