import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTenant, type Tx } from '../src/store/database.js';
import { sql } from '../src/store/sql.js';

let t: TestDatabase;
let tenant: string;
beforeAll(async () => {
  t = await testDatabase();
});
beforeEach(async () => {
  tenant = randomUUID();
  await newTenant(false);
});
afterAll(() => t.drop());

const recorder = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => inTenant(t.db, 'recorder', tenant, work);
const reader = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => inTenant(t.db, 'reader', tenant, work);

async function newTenant(synthetic: boolean): Promise<void> {
  await recorder((tx) =>
    tx.query(sql`insert into sworn.tenant values (${tenant}::uuid, 'n', ${synthetic}, false, now(), null)`),
  );
}

/** A leaf of `control` with its row, as the recorder writes it. */
async function control(
  index: number,
  kind: string,
  fields: object,
  leaf: object = { kind, by: 'sworn', ...fields },
): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(leaf));
  const hash = createHash('sha256').update('\0').update(bytes).digest();
  await recorder(async (tx) => {
    await tx.query(sql`insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, occurred_at, recorded_at, digest)
      values (${tenant}::uuid, 'control', ${index}, ${kind}, ${bytes}, ${hash}, ${randomBytes(32)}, now(), now(), ${hash})`);
    await tx.query(sql`insert into sworn.control_records values (${tenant}::uuid, 'control', ${index}, ${kind}, null)`);
  });
}

/** A checkpoint over the first `size` leaves of `control`. */
async function cover(size: number): Promise<void> {
  await inTenant(t.db, 'signer', tenant, (tx) =>
    tx.query(
      sql`insert into sworn.checkpoint values (${tenant}::uuid, 'control', ${size}, ${randomBytes(32)}, 'note', now())`,
    ),
  );
}

/** `count` steps with bodies, the last `days` days ago. Returns the ids of their data keys, one each. */
async function steps(log: string, count: number, days: number): Promise<string[]> {
  const keys = Array.from({ length: count }, () => randomUUID());
  await inTenant(t.db, 'writer', tenant, async (tx) => {
    await tx.query(sql`insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, occurred_at, recorded_at, body, digest, dk)
      select ${tenant}::uuid, ${log}, n - 1, 'STEP', '{}', decode(repeat('00', 32), 'hex'), key, now(), now() - ${days}::int * interval '1 day', 'body', decode(repeat('00', 32), 'hex'), dk
        from unnest(${keys}::uuid[], ${keys.map(() => randomBytes(32))}::bytea[]) with ordinality as k(dk, key, n)`);
    await tx.query(
      sql`insert into sworn.data_key select ${tenant}::uuid, dk, convert_to(dk::text, 'UTF8'), 1, 'wrapped', now() from unnest(${keys}::uuid[]) dk`,
    );
    await tx.query(
      sql`insert into sworn.directory select ${tenant}::uuid, 'tok_' || dk, 'value', dk from unnest(${keys}::uuid[]) dk`,
    );
    await tx.query(
      sql`insert into sworn.run_members select ${tenant}::uuid, ${log}, n - 1, 'r', ${randomBytes(16)}, true from generate_series(1, ${count}::int) n`,
    );
    await tx.query(
      sql`insert into sworn.run_names select ${tenant}::uuid, ${log}, n - 1, 'tool', 'search', 0 from generate_series(1, ${count}::int) n`,
    );
    await tx.query(
      sql`insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, occurred_at)
        select ${tenant}::uuid, ${log}, n - 1, 'LOG', 'INFO', now() from generate_series(1, ${count}::int) n`,
    );
  });
  return keys;
}

const erase = (indexes: number[], log = 'llm-runs') =>
  recorder(
    async (tx) =>
      (await tx.query<{ n: number }>(sql`select sworn.erase(${tenant}::uuid, ${log}, ${indexes}::bigint[]) as n`))[0]
        ?.n,
  );
const retain = (below: number, chunk = 100, log = 'llm-runs') =>
  recorder(
    async (tx) =>
      (
        await tx.query<{ n: number }>(
          sql`select sworn.retain(${tenant}::uuid, ${log}, ${below}::bigint, ${chunk}::int) as n`,
        )
      )[0]?.n,
  );
const bodies = () =>
  reader((tx) =>
    tx.query<{ i: number; there: boolean }>(
      sql`select leaf_index as i, body is not null as there from sworn.leaf where log = 'llm-runs' order by 1`,
    ),
  );

describe('INV-LOG-LIFE-001: erasure', () => {
  test('takes body, key and directory entry of what a proven ERASURE leaf names, and leaves the leaf and the others', async () => {
    const keys = await steps('llm-runs', 3, 0);
    await control(0, 'ERASURE', { keys: [keys[1]] });
    await cover(1);
    expect(await erase([1])).toBe(1);
    expect(await bodies()).toEqual([
      { i: 0, there: true },
      { i: 1, there: false },
      { i: 2, there: true },
    ]);
    for (const table of ['data_key', 'directory']) {
      const left = await reader((tx) => tx.client.query<{ dk: string }>(`select dk from sworn.${table}`));
      expect(left.rows.map((row) => row.dk).sort()).toEqual([keys[0] ?? '', keys[2] ?? ''].sort());
    }
    expect(await erase([1])).toBe(0);
  });

  test.each([
    ['no leaf says so', async () => undefined],
    ['its leaf names another key', () => control(0, 'ERASURE', { keys: [randomUUID()] })],
    [
      'the bytes say another kind than the row',
      async (key: string) => control(0, 'ERASURE', {}, { kind: 'NOTE', by: 'sworn', keys: [key] }),
    ],
    [
      'the bytes say that a producer wrote it',
      async (key: string) => control(0, 'ERASURE', {}, { kind: 'ERASURE', by: 'producer', keys: [key] }),
    ],
  ])('is refused when %s', async (_, prepare: (key: string) => Promise<void>) => {
    const [key = ''] = await steps('llm-runs', 1, 0);
    await prepare(key);
    await cover(1);
    await expect(erase([0])).rejects.toMatchObject({ code: 'SW003' });
    expect(await bodies()).toEqual([{ i: 0, there: true }]);
  });

  test('is refused before a checkpoint covers its leaf, and when the leaf’s bytes were changed', async () => {
    const [key] = await steps('llm-runs', 1, 0);
    await control(0, 'ERASURE', { keys: [key] });
    await expect(erase([0])).rejects.toMatchObject({ code: 'SW003' });
    await cover(1);
    const attacker = await t.connect('superuser');
    await attacker.query(`set session_replication_role = replica`);
    await attacker.query(`update sworn.leaf set leaf = leaf || ' ' where tenant_id = $1 and log = 'control'`, [tenant]);
    await expect(erase([0])).rejects.toMatchObject({ code: 'SW003' });
  });

  test('is refused while a hold is open, until its proven release', async () => {
    const [key] = await steps('llm-runs', 1, 0);
    await control(0, 'ERASURE', { keys: [key] });
    await control(1, 'HOLD', { hold: 'h1' });
    await cover(1);
    await expect(erase([0])).rejects.toMatchObject({ code: 'SW004' });
    await control(2, 'HOLD_RELEASED', { hold: 'h1' });
    await expect(erase([0])).rejects.toMatchObject({ code: 'SW004' });
    await cover(3);
    expect(await erase([0])).toBe(1);
  });

  test('does not reach another tenant', async () => {
    const mine = tenant;
    await steps('llm-runs', 1, 0);
    tenant = randomUUID();
    await expect(
      recorder((tx) => tx.query(sql`select sworn.erase(${mine}::uuid, 'llm-runs', '{0}')`)),
    ).rejects.toMatchObject({ code: 'SW002' });
  });
});

describe('INV-LOG-LIFE-001: retention', () => {
  test('removes the oldest leaves with their projections, chunk by chunk, up to the bound and never beyond', async () => {
    await steps('llm-runs', 10, 200);
    await control(0, 'RETENTION', { of: 'llm-runs', below: 7 });
    await cover(1);
    expect([await retain(7, 4), await retain(7, 4), await retain(7, 4)]).toEqual([4, 3, 0]);
    expect((await bodies()).map((row) => row.i)).toEqual([7, 8, 9]);
    const left = [{ i: 7 }, { i: 8 }, { i: 9 }];
    expect(await reader((tx) => tx.query(sql`select leaf_index as i from sworn.run_members order by 1`))).toEqual(left);
    expect(await reader((tx) => tx.query(sql`select leaf_index as i from sworn.run_names order by 1`))).toEqual(left);
    expect(await reader((tx) => tx.query(sql`select leaf_index as i from sworn.system_records order by 1`))).toEqual(
      left,
    );
    await expect(retain(8)).rejects.toMatchObject({ code: 'SW003' });
  });

  test.each([
    ['llm-runs', false, 184, 182],
    ['system', false, 184, 182],
    ['llm-runs', true, 8, 6],
  ] as const)('of %s (synthetic: %s) waits %i days, not %i', async (log, synthetic, enough, tooFew) => {
    tenant = randomUUID();
    await newTenant(synthetic);
    await control(0, 'RETENTION', { of: log, below: 5 });
    await cover(1);
    await steps(log, 1, tooFew);
    await expect(retain(1, 10, log)).rejects.toMatchObject({ code: 'SW006' });
    tenant = randomUUID();
    await newTenant(synthetic);
    await control(0, 'RETENTION', { of: log, below: 5 });
    await cover(1);
    await steps(log, 1, enough);
    expect(await retain(1, 10, log)).toBe(1);
  });

  test('never touches audit and control, whatever a leaf says', async () => {
    for (const [i, log] of ['audit', 'control', 'control.2'].entries()) {
      await control(i, 'RETENTION', { of: log, below: 5 });
      await cover(i + 1);
      await expect(retain(1, 10, log)).rejects.toMatchObject({ code: 'SW006' });
    }
  });

  test('is refused without a proven leaf for this log and while a hold is open', async () => {
    await steps('llm-runs', 1, 400);
    await control(0, 'RETENTION', { of: 'system', below: 5 });
    await cover(1);
    await expect(retain(1)).rejects.toMatchObject({ code: 'SW003' });
    await control(1, 'RETENTION', { of: 'llm-runs', below: 5 });
    await cover(2);
    await control(2, 'HOLD', { hold: 'h' });
    await expect(retain(1)).rejects.toMatchObject({ code: 'SW004' });
    expect(await bodies()).toHaveLength(1);
  });
});
