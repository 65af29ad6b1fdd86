import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEntriesAt } from '../src/store/auditEntries.js';
import { inTenant, type Tx } from '../src/store/database.js';
import { type AskedGovernance, findGovernance, type GovernancePlace, hasGovernance } from '../src/store/governance.js';
import { findEvents } from '../src/store/sealedEvents.js';
import { type Cost, explaining } from './planCost.js';

/** `SWORN_TEST_RECORDS=1000000` asks it of a million. */
const RECORDS = Number(process.env['SWORN_TEST_RECORDS'] ?? 10_000);
const TENANT = '11111111-1111-4111-8111-111111111111';
const LIMIT = 51;
/** Runs, and traces, that rows are of. */
const RUNS = 7;
/** Of each of the three ways to a run a page, and its leaves. */
const ROWS_OF_A_PAGE = 6 * LIMIT;
const LOAD_MS = 600_000;

/** One in three has a trace of one run, the others name it or hint at it; time goes against the order of the log. Nobody's `quiet` governs. */
const FILL = `
  insert into sworn.audit_ledger (tenant_id, log, leaf_index, event_type, category, run_id, hinted_run, trace_id, service, occurred_at, conflict_of)
  select $1::uuid, 'audit', i, 'X', case when i % 2 = 0 then 'EVALUATION' end,
         case when i % 3 = 0 then 'run-' || i % 7 end, case when i % 3 = 1 then 'run-' || i % 7 end,
         case when i % 3 = 2 then decode(lpad(to_hex(i % 7), 32, '0'), 'hex') end, case when i % 2 = 0 then 'governed' else 'quiet' end,
         timestamptz '2026-01-02 00:00:00Z' - i * interval '1 second', case when i % 50 = 0 then 0 end
    from generate_series(0, $2::int - 1) i`;
const LEAVES = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, 'audit', i, 'AUDIT', convert_to(repeat('x', 400), 'UTF8'), sha256(int8send(i)), sha256(int8send(i)), sha256(int8send(i)),
         now(), now()
    from generate_series(0, $2::bigint - 1) i`;
const TABLES = ['leaf', 'audit_ledger'].map((table) => `sworn.${table}`);

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  await t.admin('set session_replication_role = replica');
  for (const fill of [FILL, LEAVES]) await t.admin(fill, [TENANT, RECORDS]);
  await t.admin('set session_replication_role = origin');
}, LOAD_MS);
afterAll(() => t.drop());

const asReader = <T>(work: (tx: Tx) => Promise<T>) =>
  inTenant(t.db, 'reader', TENANT, work, { readOnly: true, snapshot: true, inIndexOrder: true });
const traceOf = (n: number) => n.toString(16).padStart(32, '0');
const asked = (of: Partial<AskedGovernance> = {}): AskedGovernance => ({
  runId: 'run-3',
  traceIds: [traceOf(3)],
  logs: [{ log: 'audit', size: RECORDS }],
  from: null,
  before: null,
  after: null,
  limit: LIMIT,
  ...of,
});

describe.each(['before there are statistics', 'with statistics'])('the governance of a run, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') await t.admin(`analyze ${TABLES.join(', ')}`);
  }, LOAD_MS);

  test.each([
    ['from its beginning', {}],
    ['from the middle', { from: '2026-01-01T23:00:00.000000Z' }],
    ['behind an event', { after: { log: 'audit', index: 5_000, occurredAt: '2026-01-01T23:00:00.000000Z' } }],
    ['of many traces', { traceIds: Array.from({ length: 1_500 }, (_, n) => traceOf(n + 3)) }],
    ['of a run without any', { runId: 'none', traceIds: [] }],
  ] as const)('%s is read along indexes in the order of time', async (_, of) => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const found = await asReader((tx) => findGovernance(explaining(tx, cost), TENANT, asked(of)));
    const indexes = found.map(({ index }) => index);
    await asReader((tx) => readEntriesAt(explaining(tx, cost), TENANT, { topic: 'audit', log: 'audit' }, indexes));
    // Nothing is signed here: an empty table is scanned in no time.
    expect(cost.sequential.filter((table) => table !== 'checkpoint')).toEqual([]);
    expect(cost.rows).toBeLessThanOrEqual(2 * ROWS_OF_A_PAGE + 4 * LIMIT);
  });

  const SOME = Array.from({ length: 256 }, (_, n) => n);
  test.each([
    ['RUN', SOME.map((n) => `run-${n}`), null],
    ['HINT', SOME.map((n) => `run-${n}`), null],
    ['TRACE', SOME.map(traceOf), null],
    ['RUN', ['run-3'], { index: 5_000, occurredAt: '2026-01-01T23:00:00.000000Z' }],
  ] as const)(
    'is found for the sealer by %s, of each value so many, and nothing else is read',
    async (tie, values, after) => {
      const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
      const window = { log: 'audit', below: RECORDS, after, each: LIMIT };
      const found = await inTenant(
        t.db,
        'reader',
        TENANT,
        (tx) => findEvents(explaining(tx, cost), TENANT, { tie, values }, window),
        { inIndexOrder: true },
      );
      expect(found).toHaveLength(Math.min(values.length, RUNS) * LIMIT);
      expect(cost.sequential).toEqual([]);
      // Half of what is there is of no category, and is passed by.
      expect(cost.rows).toBeLessThanOrEqual(3 * found.length);
    },
  );

  test.each([
    ['governed', true],
    ['quiet', false],
    [null, true],
  ] as const)(
    'says of the service %s whether it ever reported any, without reading the others',
    async (service, ever) => {
      const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
      const { logs } = asked();
      expect(await asReader((tx) => hasGovernance(explaining(tx, cost), TENANT, { logs, service }))).toBe(ever);
      expect(cost.sequential).toEqual([]);
      expect(cost.rows).toBeLessThanOrEqual(2);
    },
  );
});

test('pages are exactly the rows of a run that are no conflicts, in the order of time', async () => {
  const rows = await t.admin<{ index: string }>(
    `select leaf_index as index from sworn.audit_ledger
      where tenant_id = $1 and leaf_index < $2 and conflict_of is null and (run_id = 'run-3' or hinted_run = 'run-3' or trace_id = decode($3, 'hex'))
      order by occurred_at, leaf_index`,
    [TENANT, RECORDS - 100, traceOf(3)],
  );
  const logs = [{ log: 'audit', size: RECORDS - 100 }];
  const seen: number[] = [];
  for (let after: GovernancePlace | null = null; ; ) {
    const page: GovernancePlace[] = await asReader((tx) =>
      findGovernance(tx, TENANT, asked({ after, logs, limit: 97 })),
    );
    seen.push(...page.map(({ index }) => index));
    after = page.at(-1) ?? null;
    if (page.length < 97) break;
  }
  expect(seen).toEqual(rows.map(({ index }) => Number(index)));
});
