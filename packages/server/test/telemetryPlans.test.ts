import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTenant } from '../src/store/database.js';
import { findLastChange, findResource } from '../src/store/resources.js';
import { type BatchKey, findBatches } from '../src/store/telemetry.js';
import { type Cost, explaining } from './planCost.js';

const RECORDS = 20_000;
const TENANT = '11111111-1111-4111-8111-111111111111';
const LOAD_MS = 600_000;
const time = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString().replace('Z', '000Z');

/** A record a minute, of a hundred instances on ten hosts; logs of one instance, of which one in a thousand is a deployment. */
const FILLS = [
  `insert into sworn.telemetry_batches (tenant_id, log, leaf_index, service, environment, instance, host_id, host_name, process_pid, container_id,
     pod_uid, metrics, points, occurred_at)
   select $1::uuid, 'system', i, 'service', 'production', 'i-' || i % 100, 'h-' || i % 10, 'tok_' || i % 10, i % 100, 'c-' || i % 100, 'p-' || i % 100,
          1, 1, timestamptz '2026-01-01 00:00:00Z' + i * interval '1 minute'
     from generate_series(0, $2::int - 1) i`,
  `insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, instance, occurred_at)
   select $1::uuid, 'system', i, case when i % 1000 = 0 then 'DEPLOY' else 'LOG' end, 'INFO', 'i-1', timestamptz '2026-01-01 00:00:00Z' + i * interval '1 minute'
     from generate_series(0, $2::int - 1) i`,
  `insert into sworn.resources (tenant_id, log, leaf_index, part, leaf_hash)
   select $1::uuid, 'system', i, 'resource', sha256(int8send(i)) from generate_series(0, $2::bigint - 1) i`,
];

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  await t.admin('set session_replication_role = replica');
  for (const fill of FILLS) await t.admin(fill, [TENANT, RECORDS]);
  await t.admin('set session_replication_role = origin');
}, LOAD_MS);
afterAll(() => t.drop());

const KEYS: readonly BatchKey[] = [
  { by: 'instance', value: 'i-7' },
  { by: 'process', hostId: 'h-7', pid: 7 },
  { by: 'container', value: 'c-7' },
  { by: 'pod', value: 'p-7' },
  { by: 'host', value: 'h-7' },
  { by: 'host_name', value: 'tok_7' },
  { by: 'service', value: 'service', environment: 'production' },
  { by: 'any' },
];

async function costOf<T>(
  work: (tx: Parameters<typeof findResource>[0]) => Promise<T>,
): Promise<{ cost: Cost; found: T }> {
  const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
  const found = await inTenant(t.db, 'reader', TENANT, (tx) => work(explaining(tx, cost)), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
  expect(cost.sequential).toEqual([]);
  return { cost, found };
}

test.each(['before there are statistics', 'with statistics'])(
  '%s, the records around a run are found by an index, as many rows as there are',
  async (when) => {
    if (when === 'with statistics')
      await t.admin('analyze sworn.telemetry_batches, sworn.system_records, sworn.resources');
    for (const key of KEYS) {
      for (const newest of [false, true]) {
        const window = { log: 'system', below: RECORDS, from: time(10_000), to: time(10_300), limit: 50, newest };
        const { cost, found } = await costOf((tx) => findBatches(tx, TENANT, key, window));
        expect(found.length).toBeGreaterThan(0);
        expect(cost.rows, `${key.by} ${String(newest)}`).toBeLessThanOrEqual(found.length + 1);
        expect(cost.blocks).toBeLessThan(200);
      }
    }
    const asked = { log: 'system', below: RECORDS, instance: 'i-1', at: time(10_500) };
    const change = await costOf((tx) => findLastChange(tx, TENANT, asked));
    expect([change.found, change.cost.rows]).toEqual([10_000, 1]);
    const [stored] = await t.admin<{ hash: Buffer }>('select sha256(int8send(77)) as hash');
    const resource = await costOf((tx) => findResource(tx, TENANT, stored?.hash ?? new Uint8Array()));
    expect([resource.found?.index, resource.cost.rows]).toEqual([77, 1]);
  },
);
