import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEntriesAt } from '../src/store/auditEntries.js';
import { type AuditFilters, type AuditWindow, findEntries } from '../src/store/auditPlaces.js';
import { inTenant, type Tx } from '../src/store/database.js';
import { MAX_EXAMINED, MAX_NARROW } from '../src/store/runLead.js';
import { type Cost, explaining } from './planCost.js';

/** Records of each log; `SWORN_TEST_RECORDS=1000000` asks it of a million. */
const RECORDS = Number(process.env['SWORN_TEST_RECORDS'] ?? 10_000);
const LIMIT = 51;
/** Rows and index entries that a page of 50 may cost where the filter leads to what it finds, and another holds of one in ten. */
const ROWS_OF_A_PAGE = 1_000;
/** Of several filters each is tried for being narrow. */
const ROWS_OF_CHOOSING = MAX_NARROW + 1;
const TENANT = '11111111-1111-4111-8111-111111111111';
const TABLES = ['leaf', 'access_records', 'control_records'].map((table) => `sworn.${table}`);
const LOAD_MS = 600_000;

const NO_FILTER: AuditFilters = {
  kinds: null,
  runId: null,
  credentialId: null,
  decision: null,
  endpoint: null,
  correlationId: null,
  view: null,
};

const OF_ACCESS: Partial<AuditFilters>[] = [
  {},
  { kinds: ['READ'] },
  { kinds: ['READ_ENDED'] },
  { kinds: ['READ_FOLDED'] },
  { runId: 'rare' },
  { runId: 'run-3' },
  { runId: 'none' },
  { credentialId: 'rare' },
  { credentialId: 'key-1' },
  { decision: 'ALLOW' },
  { decision: 'DENY' },
  { endpoint: 'rare' },
  { endpoint: 'endpoint-2' },
  { correlationId: 'rare' },
  { correlationId: 'tok-3' },
  { view: 'view-7' },
  { view: 'none' },
  { endpoint: 'endpoint-2', decision: 'DENY' },
  { credentialId: 'key-1', endpoint: 'endpoint-2', decision: 'ALLOW' },
  { credentialId: 'key-1', endpoint: 'rare' },
];
const OF_CONTROL: Partial<AuditFilters>[] = [{}, { kinds: ['KEY_CREATED'] }, { kinds: ['FINDING', 'rare', 'none'] }];

const CASES = [
  ...OF_ACCESS.map((filters) => [`access ${JSON.stringify(filters)}`, 'access', filters] as const),
  ...OF_CONTROL.map((filters) => [`control ${JSON.stringify(filters)}`, 'control', filters] as const),
];

/** The ten oldest are rare; one in a hundred is refused, or ends a stream. */
const FILL_ACCESS = `
  insert into sworn.access_records (tenant_id, log, leaf_index, kind, request_id, endpoint, credential_id, decision, run_id, status, view, correlation_id)
  select $1::uuid, 'access', i, case when i % 100 = 3 then 'READ_ENDED' else 'READ' end, gen_random_uuid(),
         case when i < 10 then 'rare' else 'endpoint-' || dice % 5 end, case when i < 10 then 'rare' else 'key-' || coin % 4 end,
         case when i % 100 = 7 then 'DENY' else 'ALLOW' end, case when i < 10 then 'rare' when dice < 300 then 'run-' || coin % 20 end, 200,
         case when dice > 800 then 'view-' || i / 50 end, case when i < 10 then 'rare' when dice < 200 then 'tok-' || coin % 9 end
    from generate_series(0, $2::int - 1) i
   cross join lateral (select abs(hashint4(i * 7 + 1)) % 1000 as dice, abs(hashint4(i * 5 + 2)) % 1000 as coin) d`;
const FILL_CONTROL = `
  insert into sworn.control_records (tenant_id, log, leaf_index, kind, subject)
  select $1::uuid, 'control', i, case when i < 10 then 'rare' when i % 3 = 0 then 'KEY_CREATED' else 'FINDING' end, 'x'
    from generate_series(0, $2::int - 1) i`;
const FILL_LEAVES = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, log, i, 'READ', convert_to(repeat('x', 400), 'UTF8'), sha256(int8send(i)), sha256(int8send(i)), sha256(int8send(i)),
         now(), timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second'
    from generate_series(0, $2::bigint - 1) i cross join unnest(array['access', 'control']) log`;

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  await t.admin('set session_replication_role = replica');
  for (const fill of [FILL_ACCESS, FILL_CONTROL, FILL_LEAVES]) await t.admin(fill, [TENANT, RECORDS]);
  await t.admin('set session_replication_role = origin');
}, LOAD_MS);
afterAll(() => t.drop());

const asReader = <T>(work: (tx: Tx) => Promise<T>) =>
  inTenant(t.db, 'reader', TENANT, work, { readOnly: true, snapshot: true, inIndexOrder: true });

function windowOf(topic: 'access' | 'control', of: Partial<AuditWindow> = {}): AuditWindow {
  return { topic, log: topic, order: 'desc', from: 0, below: RECORDS, limit: LIMIT, examine: MAX_EXAMINED, ...of };
}

describe.each(['before there are statistics', 'with statistics'])('a page of entries, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') await t.admin(`analyze ${TABLES.join(', ')}`);
  }, LOAD_MS);

  test.each(CASES)(
    'of %s reads an index in its order, as much from the middle as from the end',
    async (_, topic, filters) => {
      const middle = Math.floor(RECORDS / 2);
      for (const order of ['desc', 'asc'] as const) {
        for (const deep of [{}, order === 'desc' ? { below: middle } : { from: middle }]) {
          const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
          const window = windowOf(topic, { order, ...deep });
          await asReader((tx) => findEntries(explaining(tx, cost), TENANT, { ...NO_FILTER, ...filters }, window));
          const several = Object.keys(filters).length > 1 ? Object.keys(filters).length * ROWS_OF_CHOOSING : 0;
          expect(cost.sequential).toEqual([]);
          expect(cost.rows, `${order} ${JSON.stringify(deep)}`).toBeLessThanOrEqual(ROWS_OF_A_PAGE + several);
        }
      }
    },
  );

  test.each(['access', 'control'] as const)('of %s looks its entries up one by one', async (topic) => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const indexes = Array.from({ length: 100 }, (_, i) => RECORDS - 1 - i * 7);
    const found = await asReader((tx) => readEntriesAt(explaining(tx, cost), TENANT, { topic, log: topic }, indexes));
    expect(found.map(({ index }) => index)).toEqual(indexes);
    // Nothing is signed here: an empty table is scanned in no time.
    expect(cost.sequential.filter((table) => table !== 'checkpoint')).toEqual([]);
    expect(cost.rows).toBeLessThanOrEqual(3 * indexes.length);
  });
});

test.each(CASES)('pages of %s are exactly what matches, in order', async (_, topic, filters) => {
  const columns: Readonly<Record<string, string>> = {
    kinds: 'kind',
    runId: 'run_id',
    credentialId: 'credential_id',
    correlationId: 'correlation_id',
  };
  const asked = Object.entries(filters);
  const where = asked.map(([name], i) => `${columns[name] ?? name} = any($${i + 2}::text[])`);
  const rows = await t.admin<{ index: string }>(
    `select leaf_index as index from sworn.${topic}_records where tenant_id = $1 ${where.map((one) => `and ${one}`).join(' ')} order by leaf_index`,
    [TENANT, ...asked.map(([, value]) => [value].flat())],
  );
  const expected = rows.map(({ index }) => Number(index));
  for (const order of ['desc', 'asc'] as const) {
    const seen: number[] = [];
    // A small share, so that pages end at it.
    let window = windowOf(topic, { order, limit: 997, examine: 1_500 });
    for (;;) {
      const { places, examinedEnd } = await asReader((tx) =>
        findEntries(tx, TENANT, { ...NO_FILTER, ...filters }, window),
      );
      seen.push(...places.map(({ index }) => index));
      const last = places.length === window.limit ? places.at(-1) : examinedEnd;
      if (last == null) break;
      window = { ...window, ...(order === 'desc' ? { below: last.index } : { from: last.index + 1 }) };
    }
    expect(seen).toEqual(order === 'desc' ? expected.toReversed() : expected);
  }
});
