import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  findGapsBefore,
  findShared,
  findTied,
  type FoundTied,
  type Tie,
  type TiedPlace,
  type TieLane,
  type TieWindow,
} from '../src/store/associations.js';
import { inTenant, type Tx } from '../src/store/database.js';
import { type Cost, explaining } from './planCost.js';

/** After so many records what they are comes round again: a minute has the same ones however many there are. */
const ROUND = 350;
/** What must cost the same; `SWORN_TEST_RECORDS=1000000` asks it of a million. */
const FEW = 3 * ROUND;
const MANY = ROUND * Math.ceil(Number(process.env['SWORN_TEST_RECORDS'] ?? 10_000) / ROUND);
const TENANT = '11111111-1111-4111-8111-111111111111';
const LIMIT = 51;
/** A way down an index that has grown by a few levels. */
const DEEPER = 4;
const LOAD_MS = 600_000;
const TABLES = ['leaf', 'resources', 'system_records'].map((table) => `sworn.${table}`);

/** A record a second, from the same moment however many there are; time goes against the order of the log. One in seven is of each tie, one in fifty contradicts. */
const FILL = `
  insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, service, instance, hinted_run, correlation_id, trace_id, occurred_at, conflict_of, shared, signal, event_name)
  select $1::uuid, 'system', i, case when i % 7 = 6 then 'TELEMETRY_GAP' else 'LOG' end, 'INFO', case when i % 2 = 0 then 'shop' else 'pay' end, case when i % 7 <> 4 then 'i-' || i % 7 end,
         case when i % 7 = 1 then 'run-1' end, case when i % 7 = 2 then 'case-2' when i % 7 = 0 then repeat('0', 32) end,
         case when i % 7 = 0 then decode(repeat('0', 32), 'hex') end,
         timestamptz '2026-01-01 00:00:00Z' + ($2::int - 1 - i) * interval '1 second', case when i % 50 = 0 then 0 end,
         case when i % 5 = 2 then true end, case when i % 7 = 6 then 'logs' end,
         case when i % 7 = 6 then case when i % 21 = 6 then 'sworn.producer.silent' else 'sworn.producer.reported' end end
    from generate_series(0, $2::int - 1) i`;
const LEAVES = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, 'system', i, 'LOG', convert_to('{"resource":"' || encode(sha256(int8send(i % 2)), 'hex') || '"}', 'UTF8'), sha256(int8send(i)), sha256(int8send(i)),
         sha256(int8send(i)), now(), now()
    from generate_series(0, $2::bigint - 1) i`;
const RESOURCES = `
  insert into sworn.resources (tenant_id, log, leaf_index, part, leaf_hash, host_id)
  select $1::uuid, 'system', -1 - n, 'resource', sha256(int8send(n)), 'host-' || n from generate_series(0, 1) n`;

async function filled(records: number): Promise<TestDatabase> {
  const t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  await t.admin('set session_replication_role = replica');
  for (const fill of [FILL, LEAVES]) await t.admin(fill, [TENANT, records]);
  await t.admin(RESOURCES, [TENANT]);
  await t.admin('set session_replication_role = origin');
  return t;
}

let few: TestDatabase;
let many: TestDatabase;
beforeAll(async () => {
  few = await filled(FEW);
  many = await filled(MANY);
}, LOAD_MS);
afterAll(async () => {
  await few?.drop();
  await many?.drop();
});

const asReader = <T>(t: TestDatabase, work: (tx: Tx) => Promise<T>) =>
  inTenant(t.db, 'reader', TENANT, work, { readOnly: true, snapshot: true, inIndexOrder: true });

/** A minute of a replay. */
const MINUTE = { from: '2026-01-01T00:10:00Z', before: '2026-01-01T00:11:00Z' };
const ALWAYS = { from: null, before: null };
const LANES: readonly TieLane[] = [
  { tie: 'TRACE', values: ['0'.repeat(32), 'f'.repeat(32)], ...MINUTE },
  { tie: 'RUN', values: ['run-1'], ...MINUTE },
  { tie: 'CORRELATION', values: ['case-2'], ...MINUTE },
  { tie: 'INSTANCE', values: ['i-3', 'i-5'], services: ['shop', 'pay'], ...MINUTE },
  { tie: 'HOST', values: ['host-1', 'host-7'], ...MINUTE },
  { tie: 'SERVICE', values: ['logs', 'traces'], services: ['shop', 'shop'], ...MINUTE },
];

describe.each(['before there are statistics', 'with statistics'])('a window of a replay, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') for (const t of [few, many]) await t.admin(`analyze ${TABLES.join(', ')}`);
  }, LOAD_MS);

  test.each(LANES.map((lane) => [lane.tie, lane] as const))(
    'by %s is a range of one index, that costs the same among any number of records',
    async (_, lane) => {
      const costs: Cost[] = [];
      for (const [t, below] of [
        [few, FEW],
        [many, MANY],
      ] as const) {
        const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
        const window = { log: 'system', below, after: null, limit: LIMIT };
        const { places } = await asReader(t, (tx) => findTied(explaining(tx, cost), TENANT, lane, window));
        expect(places.length).toBeGreaterThan(0);
        expect(cost.sequential).toEqual([]);
        costs.push(cost);
      }
      const [ofFew, ofMany] = costs as [Cost, Cost];
      expect(ofMany.rows).toBe(ofFew.rows);
      expect(ofMany.blocks).toBeLessThanOrEqual(ofFew.blocks + DEEPER * ofFew.rows);
      // Each found row, its leaf and its resource, where a host is asked for.
      expect(ofMany.rows).toBeLessThanOrEqual(lane.tie === 'HOST' ? 4 * 60 : 60);
    },
  );

  test('for which gaps were open before it reads one record of each signal, among any number', async () => {
    const lane = { tie: 'SERVICE', values: ['logs', 'traces'], services: ['shop', 'shop'], ...MINUTE } as const;
    const costs: Cost[] = [];
    for (const [t, below] of [
      [few, FEW],
      [many, MANY],
    ] as const) {
      const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
      const words = await asReader(t, (tx) =>
        findGapsBefore(explaining(tx, cost), TENANT, lane, { log: 'system', below }),
      );
      // One record in fourteen is of its logs, a second each.
      expect(words.map(({ of, place }) => [of, place.occurredAt])).toEqual([[1, '2026-01-01T00:09:55.000000Z']]);
      expect(cost.sequential).toEqual([]);
      costs.push(cost);
    }
    const [ofFew, ofMany] = costs as [Cost, Cost];
    // PostgreSQL before 18 rounds what a loop found to whole rows: one in two is none.
    expect(ofMany.rows).toBe(ofFew.rows);
    expect(ofMany.rows).toBeLessThanOrEqual(1);
    expect(ofMany.blocks).toBeLessThanOrEqual(ofFew.blocks + DEEPER);
  });

  test('of what Sworn shares of its own life is a range of one index, that costs the same among any number of records', async () => {
    const costs: Cost[] = [];
    for (const [t, below] of [
      [few, FEW],
      [many, MANY],
    ] as const) {
      const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
      const window = { log: 'system', name: 'platform/system', below, after: null, limit: LIMIT };
      const { places, end } = await asReader(t, (tx) => findShared(explaining(tx, cost), TENANT, MINUTE, window));
      expect([places.length, end]).toEqual([12, null]);
      expect(cost.sequential).toEqual([]);
      costs.push(cost);
    }
    const [ofFew, ofMany] = costs as [Cost, Cost];
    expect(ofMany.rows).toBe(ofFew.rows);
    expect(ofMany.blocks).toBeLessThanOrEqual(ofFew.blocks + DEEPER * ofFew.rows);
    // What is not shared is passed over, and walked once more for whether there are others.
    expect(ofMany.rows).toBeLessThanOrEqual(2 * 60);
  });
});

const CONDITIONS: Readonly<Record<Tie, string>> = {
  TRACE: `trace_id = decode(repeat('0', 32), 'hex')`,
  RUN: `hinted_run = 'run-1'`,
  CORRELATION: `correlation_id = 'case-2'`,
  INSTANCE: `(instance, service) in (('i-3', 'shop'), ('i-5', 'pay'))`,
  HOST: 'instance is null and leaf_index % 2 = 1',
  SERVICE: `service = 'shop' and signal = 'logs'`,
};

test.each(LANES.map((lane) => [lane.tie, lane] as const))(
  'pages by %s are exactly what it ties, by time',
  async (tie, { values, services }) => {
    const rows = await few.admin<{ index: string }>(
      `select leaf_index as index from sworn.system_records
        where tenant_id = $1 and conflict_of is null and leaf_index < 900 and ${CONDITIONS[tie]} order by occurred_at, leaf_index`,
      [TENANT],
    );
    const lane: TieLane = { tie, values, ...(services && { services }), ...ALWAYS };
    const seen: number[] = [];
    let after: TiedPlace | null = null;
    for (;;) {
      const window: TieWindow = { log: 'system', below: 900, after, limit: 7 };
      const { places, end }: FoundTied = await asReader(few, (tx) => findTied(tx, TENANT, lane, window));
      seen.push(...places.map(({ index }) => index));
      if (end === null) break;
      after = end;
    }
    expect(seen).toEqual(rows.map(({ index }) => Number(index)));
    expect(seen.length).toBeGreaterThan(30);
  },
);
