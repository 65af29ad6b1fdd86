import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEntriesAt } from '../src/store/auditEntries.js';
import { findNotable, findRunsOfConversations } from '../src/store/attributionEvidence.js';
import { inTenant, type Tx } from '../src/store/database.js';
import { countEntries, type EntryWindow, findEntries } from '../src/store/entryPlaces.js';
import { MAX_EXAMINED, MAX_NARROW } from '../src/store/runLead.js';
import { type SystemFilters, systemSelection } from '../src/store/systemSelection.js';
import { type Cost, explaining } from './planCost.js';

/** Records; `SWORN_TEST_RECORDS=1000000` asks it of a million. */
const RECORDS = Number(process.env['SWORN_TEST_RECORDS'] ?? 20_000);
const LIMIT = 51;
/** Rows and index entries that a page of 50 may cost where the filter leads to what it finds, and another holds of one in ten. */
const ROWS_OF_A_PAGE = 1_000;
/** Of several filters each is tried for being narrow; a narrow one is looked at whole under `occurred_*`. */
const ROWS_OF_CHOOSING = MAX_NARROW + 1;
const TENANT = '11111111-1111-4111-8111-111111111111';
const LOAD_MS = 600_000;

const NO_FILTER: SystemFilters = {
  component: null,
  eventType: null,
  severity: null,
  correlationId: null,
  service: null,
  shared: null,
};

const CASES = (
  [
    {},
    { component: 'rare' },
    { component: 'component-2' },
    { component: 'none' },
    { eventType: 'OOM' },
    { eventType: 'LOG' },
    { severity: 'CRITICAL' },
    { severity: 'INFO' },
    { correlationId: 'rare' },
    { correlationId: 'case-3' },
    { service: 'rare' },
    { service: 'service-1' },
    { service: 'service-1', severity: 'INFO' },
    { component: 'component-2', service: 'service-1', severity: 'CRITICAL' },
    { service: 'service-1', eventType: 'OOM' },
    { shared: true },
    { shared: true, severity: 'INFO' },
    { shared: false, severity: 'CRITICAL' },
  ] satisfies Partial<SystemFilters>[]
).map((filters) => [JSON.stringify(filters), filters, systemSelection({ ...NO_FILTER, ...filters })] as const);

/** The ten oldest are rare; one in a hundred is critical; every fourth place is that of another record, which has no row here. Times go up and down. */
const FILL_RECORDS = `
  insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, component, service, instance, trace_id, correlation_id, shared, occurred_at)
  select $1::uuid, 'system', i, case when i < 10 then 'OOM' else 'LOG' end, case when i % 100 = 3 then 'CRITICAL' else 'INFO' end,
         case when i < 10 then 'rare' else 'component-' || dice % 5 end, case when i < 10 then 'rare' else 'service-' || coin % 4 end,
         'instance-' || coin % 50, decode(lpad(to_hex(dice), 32, '0'), 'hex'),
         case when i < 10 then 'rare' when dice < 200 then 'case-' || coin % 9 end, case when i % 50 = 2 then true end, timestamptz '2026-01-01 00:00:00Z' + (i + dice) * interval '1 second'
    from generate_series(0, $2::int - 1) i
   cross join lateral (select abs(hashint4(i * 7 + 1)) % 1000 as dice, abs(hashint4(i * 5 + 2)) % 1000 as coin) d
   where i % 4 <> 3`;
const FILL_LEAVES = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, 'system', i, case when i % 4 = 3 then 'TELEMETRY' else 'LOG' end, convert_to(repeat('x', 400), 'UTF8'), sha256(int8send(i)), sha256(int8send(i)), sha256(int8send(i)),
         now(), timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second'
    from generate_series(0, $2::bigint - 1) i`;

/** Leaves behind them that have no row here: a night of telemetry. */
const TELEMETRY = 10_000;
const FILL_TELEMETRY = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, 'system', $2::bigint + i, 'TELEMETRY', '\\x00', sha256(int8send(-i)), sha256(int8send(-i)), sha256(int8send(-i)), now(), now()
    from generate_series(1, ${TELEMETRY}) i`;

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of ['leaf', 'system_records'])
    await t.admin(`alter table sworn.${table} set (autovacuum_enabled = off)`);
  await t.admin('set session_replication_role = replica');
  for (const fill of [FILL_RECORDS, FILL_LEAVES, FILL_TELEMETRY]) await t.admin(fill, [TENANT, RECORDS]);
  await t.admin('set session_replication_role = origin');
}, LOAD_MS);
afterAll(() => t.drop());

const asReader = <T>(work: (tx: Tx) => Promise<T>) =>
  inTenant(t.db, 'reader', TENANT, work, { readOnly: true, snapshot: true, inIndexOrder: true });

function windowOf(of: Partial<EntryWindow> = {}): EntryWindow {
  const all = { order: 'desc', from: 0, below: RECORDS, occurred: null, after: null } as const;
  return { ...all, log: 'system', limit: LIMIT, examine: MAX_EXAMINED, ...of };
}

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString().replace('Z', '000Z');

describe.each(['before there are statistics', 'with statistics'])('a page of records, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') await t.admin('analyze sworn.leaf, sworn.system_records');
  }, LOAD_MS);

  test.each(CASES)(
    'of %s reads an index in its order, as much from the middle as from the end',
    async (_, filters, selection) => {
      const middle = Math.floor(RECORDS / 2);
      const since = { after: at(0), before: null };
      const windows: Partial<EntryWindow>[] = [
        {},
        { below: middle },
        { order: 'asc' },
        { order: 'asc', from: middle },
        { occurred: since },
        { occurred: since, after: { occurredAt: at(middle), index: middle } },
      ];
      for (const of of windows) {
        const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
        await asReader((tx) => findEntries(explaining(tx, cost), TENANT, selection, windowOf(of)));
        const count = Object.keys(filters).length;
        // By occurrence each filter is tried, and what is narrow is read whole, both times that it is asked.
        const choosing = of.occurred !== undefined ? 3 * count : count > 1 ? count : 0;
        // Of two filters that one in ten has, both, or of one in a hundred: the walk by time passes the others over.
        const passed = of.occurred !== undefined ? MAX_NARROW : 0;
        expect(cost.sequential, JSON.stringify(of)).toEqual([]);
        expect(cost.rows, JSON.stringify(of)).toBeLessThanOrEqual(
          ROWS_OF_A_PAGE + choosing * ROWS_OF_CHOOSING + passed,
        );
      }
    },
  );

  test('of runs that failed looks for what explains them along three indexes', async () => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const runs = Array.from({ length: 100 }, (_, i) => ({
      traceId: i.toString(16).padStart(32, '0'),
      runId: `run-${i}`,
      instance: `instance-${i % 7}`,
      service: 'service-1',
      from: at(i * 10),
      before: at(i * 10 + 600),
    }));
    const asked = { log: 'system', below: RECORDS, kinds: ['OOM', 'EVICTION'] };
    await asReader((tx) => findNotable(explaining(tx, cost), TENANT, asked, runs));
    await asReader((tx) => findRunsOfConversations(explaining(tx, cost), TENANT, asked, ['chat-1', null]));
    expect(cost.sequential).toEqual([]);
    // Each run's own range, and nothing beside it.
    expect(cost.rows).toBeLessThanOrEqual(runs.length * 1_500);
  });

  test('of everything passes over what has no row here without looking at it', async () => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const window = windowOf({ below: RECORDS + TELEMETRY + 1 });
    const { places } = await asReader((tx) =>
      findEntries(explaining(tx, cost), TENANT, systemSelection(NO_FILTER), window),
    );
    expect(places.length).toBe(LIMIT);
    // A leaf and a row each, and each leaf once more for its time.
    expect(cost.rows).toBeLessThanOrEqual(3 * LIMIT);
  });

  test('looks its records up one by one', async () => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const indexes = Array.from({ length: 100 }, (_, i) => RECORDS - 4 - i * 4);
    const place = { topic: 'system', log: 'system' };
    const found = await asReader((tx) => readEntriesAt(explaining(tx, cost), TENANT, place, indexes));
    expect(found.map(({ index }) => index)).toEqual(indexes);
    // Nothing is signed here: an empty table is scanned in no time.
    expect(cost.sequential.filter((table) => table !== 'checkpoint')).toEqual([]);
    expect(cost.rows).toBeLessThanOrEqual(3 * indexes.length);
  });
});

test.each(CASES)('pages of %s are exactly what matches, in order, and as many as are counted', async (...args) => {
  const [, filters, selection] = args;
  const columns: Readonly<Record<string, string>> = { eventType: 'event_type', correlationId: 'correlation_id' };
  const asked = Object.entries(filters);
  const where = asked
    .map(([name], i) => ` and ${name === 'shared' ? 'coalesce(shared, false)' : (columns[name] ?? name)} = $${i + 2}`)
    .join('');
  const range = `and occurred_at >= '${at(500)}' and occurred_at < '${at(RECORDS - 500)}'`;
  const orders: [Partial<EntryWindow>, string][] = [
    [{ order: 'desc' }, 'order by leaf_index desc'],
    [{ order: 'asc' }, 'order by leaf_index'],
    [
      { occurred: { after: at(500), before: at(RECORDS - 500) } },
      `${range} order by occurred_at desc, leaf_index desc`,
    ],
  ];
  for (const [walk, inOrder] of orders) {
    const rows = await t.admin<{ index: string }>(
      `select leaf_index as index from sworn.system_records where tenant_id = $1${where} ${inOrder}`,
      [TENANT, ...asked.map(([, value]) => value)],
    );
    const expected = rows.map(({ index }) => Number(index));
    const seen: number[] = [];
    // A small share, so that pages end at it.
    let window = windowOf({ ...walk, limit: 997, examine: 1_500 });
    const count = (tx: Tx) => countEntries(tx, TENANT, selection, window);
    const counted = await inTenant(t.db, 'reader', TENANT, count, { readOnly: true, snapshot: true });
    for (;;) {
      const { places, examinedEnd } = await asReader((tx) => findEntries(tx, TENANT, selection, window));
      seen.push(...places.map(({ index }) => index));
      const last = places.length === window.limit ? places.at(-1) : examinedEnd;
      if (last == null) break;
      if (window.occurred !== null) window = { ...window, after: last };
      else window = { ...window, ...(window.order === 'desc' ? { below: last.index } : { from: last.index + 1 }) };
    }
    expect(seen).toEqual(expected);
    expect(counted).toBe(expected.length);
  }
});
