import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findArrivals, readNewestGap } from '../src/store/arrivals.js';
import { inTenant, type Tx } from '../src/store/database.js';
import { type Cost, explaining } from './planCost.js';

const FEW = 2_000;
const MANY = 20_000;
const TENANT = '11111111-1111-4111-8111-111111111111';
/** A round's worth of new records. */
const NEW = 500;
/** A way down an index that has grown by a few levels. */
const DEEPER = 4;
const LOAD_MS = 600_000;
const TABLES = ['leaf', 'system_records'].map((table) => `sworn.${table}`);

/** One record in ten is of the shop and calls itself a gap, one in a hundred of them is Sworn's word of one. */
const LEAVES = `
  insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, digest, occurred_at, recorded_at)
  select $1::uuid, 'system', i, case when i % 1000 = 0 then 'GAP' else 'LOG' end,
         convert_to('{"by":"' || case when i % 1000 = 0 then 'sworn' else 'producer' end || '","service":"' || case when i % 10 = 0 then 'shop' else 'pay' end
                    || '","signal":"logs"}', 'UTF8'),
         sha256(int8send(i)), sha256(int8send(i)), sha256(int8send(i)), now(), now()
    from generate_series(0, $2::bigint - 1) i`;
const ROWS = `
  insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, service, signal, occurred_at)
  select $1::uuid, 'system', i, case when i % 10 = 0 then 'TELEMETRY_GAP' else 'LOG' end, 'INFO', case when i % 10 = 0 then 'shop' else 'pay' end,
         case when i % 1000 = 0 then 'logs' end, now()
    from generate_series(0, $2::bigint - 1) i`;
async function filled(records: number): Promise<TestDatabase> {
  const t = await testDatabase();
  // When statistics are made is the test's to say.
  for (const table of TABLES) await t.admin(`alter table ${table} set (autovacuum_enabled = off)`);
  await t.admin('set session_replication_role = replica');
  for (const fill of [LEAVES, ROWS]) await t.admin(fill, [TENANT, records]);
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

/** What it costs with few records, and with many. */
async function costs(look: (tx: Tx, size: number) => Promise<void>): Promise<readonly [Cost, Cost]> {
  const of = async (t: TestDatabase, size: number): Promise<Cost> => {
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    await inTenant(t.db, 'reader', TENANT, (tx) => look(explaining(tx, cost), size), {
      readOnly: true,
      snapshot: true,
    });
    expect(cost.sequential).toEqual([]);
    return cost;
  };
  return [await of(few, FEW), await of(many, MANY)];
}

describe.each(['before there are statistics', 'with statistics'])('a look for who is silent, %s,', (when) => {
  beforeAll(async () => {
    if (when === 'with statistics') for (const t of [few, many]) await t.admin(`analyze ${TABLES.join(', ')}`);
  }, LOAD_MS);

  const range = (size: number, service: string) => ({
    log: 'system',
    from: size - NEW,
    below: size,
    isOf: false,
    kinds: ['TELEMETRY'],
    service,
  });

  test('reads the newest records of who reports, however many there are', async () => {
    const [ofFew, ofMany] = await costs(async (tx, size) => {
      const { arrivals, isWhole } = await findArrivals(tx, TENANT, range(size, 'shop'));
      expect(arrivals.map(({ index }) => size - index)).toEqual(Array.from({ length: 16 }, (_, i) => 10 * (i + 1)));
      expect(isWhole).toBe(false);
    });
    expect(ofMany.rows).toBe(ofFew.rows);
    expect(ofMany.rows).toBeLessThanOrEqual(160);
    expect(ofMany.blocks).toBeLessThanOrEqual(ofFew.blocks + DEEPER);
  });

  test('reads of who is silent each new record, and no other', async () => {
    const [ofFew, ofMany] = await costs(async (tx, size) => {
      expect((await findArrivals(tx, TENANT, range(size, 'nobody'))).isWhole).toBe(true);
    });
    expect([ofFew.rows, ofMany.rows]).toEqual([NEW, NEW]);
    expect(ofMany.blocks).toBeLessThanOrEqual(ofFew.blocks + DEEPER);
  });

  test('finds the newest gap among all records of the service', async () => {
    const [ofFew, ofMany] = await costs(async (tx, size) => {
      const gap = await readNewestGap(tx, TENANT, { log: 'system', service: 'shop', signal: 'logs' });
      expect(gap?.index).toBe(size - 1_000);
    });
    expect(ofMany.rows).toBe(ofFew.rows);
    expect(ofMany.rows).toBeLessThanOrEqual(4);
    expect(ofMany.blocks).toBeLessThanOrEqual(ofFew.blocks + DEEPER * ofFew.rows);
  });
});
