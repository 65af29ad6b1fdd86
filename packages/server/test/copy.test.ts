import { randomUUID } from 'node:crypto';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Column, type ColumnValue, insertRows } from '../src/store/copyBinary.js';
import { type Database, inTenant, isTransient, openDatabase, StoreFailure, type Tx } from '../src/store/database.js';
import { sql } from '../src/store/sql.js';

const COLUMNS: readonly Column[] = [
  ['n', 'int8'],
  ['u', 'uuid'],
  ['t', 'text'],
  ['b', 'bytea'],
  ['i8', 'int8'],
  ['i4', 'int4'],
  ['i2', 'int2'],
  ['o', 'bool'],
  ['at', 'timestamptz'],
  ['ts', 'text[]'],
  ['bs', 'bytea[]'],
];

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
  await t.admin(`create table sworn.scratch (n bigint primary key, u uuid, t text, b bytea, i8 bigint, i4 integer, i2 smallint, o boolean,
    at timestamptz, ts text[], bs bytea[])`);
  await t.admin(`grant select, insert, delete on sworn.scratch to ${t.rolePrefix}_writer`);
});
afterAll(() => t.drop());

const tenant = randomUUID();
const asWriter = <T>(work: (tx: Tx) => Promise<T>, db: Database = t.db): Promise<T> =>
  inTenant(db, 'writer', tenant, work);
/** The same transaction as a role that row-level security binds would see it. */
const bound = (tx: Tx): Tx => ({ ...tx, bypassesRowSecurity: false });

const text = fc.string({ unit: 'binary', maxLength: 40 }).map((s) => s.replaceAll('\0', ''));
const time = fc
  .tuple(
    fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
    fc.nat(999),
  )
  .map(([date, micros]) => `${date.toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`);
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const row: fc.Arbitrary<readonly ColumnValue[]> = fc.tuple(
  orNull(fc.uuid()),
  orNull(text),
  orNull(fc.uint8Array({ maxLength: 60 })),
  orNull(fc.maxSafeInteger()),
  orNull(fc.integer()),
  orNull(fc.integer({ min: -32768, max: 32767 })),
  orNull(fc.boolean()),
  orNull(time),
  orNull(fc.array(text, { maxLength: 4 })),
  orNull(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 4 })),
);
const rows = fc
  .array(row, { minLength: 1, maxLength: 20 })
  .map((list) => list.map((values, n): readonly ColumnValue[] => [n, ...values]));

/** Rows as they come back, in the shape they went in. */
async function stored(tx: Tx): Promise<ColumnValue[][]> {
  const found = await tx.query<Record<string, ColumnValue>>(sql`select * from sworn.scratch order by n`);
  return found.map((r) =>
    COLUMNS.map(([name, type]) => {
      const value = r[name] ?? null;
      if (type === 'bytea[]' && value !== null) return (value as Uint8Array[]).map((bytes) => new Uint8Array(bytes));
      return value instanceof Uint8Array ? new Uint8Array(value) : value;
    }),
  );
}

describe('rows', () => {
  test('come back as they went in, through COPY and through unnest alike', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (list) => {
        for (const through of [(tx: Tx) => tx, bound]) {
          const back = await asWriter(async (tx) => {
            await tx.query(sql`delete from sworn.scratch`);
            await insertRows(through(tx), 'scratch', COLUMNS, list);
            return stored(tx);
          });
          expect(back).toEqual(list.map((values) => [...values]));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('are stored by neither when there are none', async () => {
    await expect(asWriter((tx) => insertRows(tx, 'scratch', COLUMNS, []))).resolves.toBeUndefined();
  });

  test('of many megabytes go in one COPY', async () => {
    const body = new Uint8Array(64 * 1024).fill(7);
    const many = Array.from({ length: 500 }, (_, n) => [n, null, null, body, null, null, null, null, null, null, null]);
    const [sum] = await asWriter(async (tx) => {
      await tx.query(sql`delete from sworn.scratch`);
      await insertRows(tx, 'scratch', COLUMNS, many);
      return tx.query<{ bytes: number; rows: number }>(
        sql`select sum(octet_length(b))::bigint as bytes, count(*) as rows from sworn.scratch`,
      );
    });
    expect(sum).toEqual({ bytes: 500 * 64 * 1024, rows: 500 });
  });
});

describe('a COPY that fails', () => {
  const one = (n: number, body: Uint8Array | null = null): readonly ColumnValue[] => [
    n,
    null,
    null,
    body,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
  ];
  /** Large enough that the server refuses while the socket is still full. */
  const flood = (n: number): (readonly ColumnValue[])[] => [
    one(n),
    one(n),
    ...Array.from({ length: 400 }, (_, i) => one(n + 1 + i, new Uint8Array(64 * 1024))),
  ];

  test('rejects with the constraint and without the row, and the next transaction of the same connection works', async () => {
    const db = openDatabase({
      address: t.address,
      rolePrefix: t.rolePrefix,
      passwordOf: t.passwordOf,
      poolSizes: { writer: 1 },
    });
    await asWriter((tx) => tx.query(sql`delete from sworn.scratch`), db);
    const pids = new Set<number>();
    for (let round = 0; round < 20; round++) {
      const rejected = await asWriter(async (tx) => {
        const [me] = await tx.query<{ pid: number }>(sql`select pg_backend_pid() as pid`);
        pids.add(me?.pid ?? 0);
        await insertRows(tx, 'scratch', COLUMNS, round % 2 === 0 ? [one(1), one(1)] : flood(1));
      }, db).catch((error: unknown) => error);
      expect(rejected).toBeInstanceOf(StoreFailure);
      expect(rejected).toMatchObject({
        code: '23505',
        constraint: 'scratch_pkey',
        message: 'the database refused (23505, scratch_pkey)',
      });
    }
    await asWriter((tx) => insertRows(tx, 'scratch', COLUMNS, [one(2)]), db);
    expect(await asWriter((tx) => tx.query(sql`select n from sworn.scratch`), db)).toEqual([{ n: 2 }]);
    expect(pids.size).toBe(1);
    await db.close();
  });

  test('before its first byte, for want of a right, is one of ours to read', async () => {
    const rejected = await inTenant(t.db, 'recorder', tenant, (tx) =>
      insertRows(tx, 'scratch', COLUMNS, [one(1)]),
    ).catch((e: unknown) => e);
    expect(rejected).toMatchObject({ code: '42501', message: 'permission denied for table scratch' });
  });

  test('in a swallowed error does not commit in silence', async () => {
    const rejected = await asWriter(async (tx) => {
      await insertRows(tx, 'scratch', COLUMNS, [one(5), one(5)]).catch(() => undefined);
    }).catch((error: unknown) => error);
    expect(rejected).toMatchObject({ message: 'the transaction had failed and was rolled back' });
  });

  test('because the connection was cut rejects as transient, and the pool goes on', async () => {
    const db = openDatabase({
      address: t.address,
      rolePrefix: t.rolePrefix,
      passwordOf: t.passwordOf,
      poolSizes: { writer: 1 },
    });
    for (let round = 0; round < 5; round++) {
      const rejected = await asWriter(async (tx) => {
        const [me] = await tx.query<{ pid: number }>(sql`select pg_backend_pid() as pid`);
        const copy = insertRows(tx, 'scratch', COLUMNS, flood(1000).slice(1));
        await Promise.all([t.admin('select pg_terminate_backend($1)', [me?.pid]), copy]);
        await tx.query(sql`select 1`);
      }, db).catch((error: unknown) => error);
      expect(isTransient(rejected)).toBe(true);
    }
    expect(await asWriter((tx) => tx.query(sql`select 1 as one`), db)).toEqual([{ one: 1 }]);
    await db.close();
  });

  test('because a value is no value of its type fails before anything is sent', async () => {
    for (const bad of [
      [1, 'no-uuid', null, null, null, null, null, null, null, null],
      [1, null, null, null, null, null, null, null, 'yesterday', null],
      [1, null, null, null, null, null, 70_000, null, null, null],
    ] as const) {
      await expect(asWriter((tx) => insertRows(tx, 'scratch', COLUMNS, [bad]))).rejects.toThrow(
        /UUID|RFC 3339|out of range/,
      );
    }
    expect(await asWriter((tx) => tx.query(sql`select 1 as one`))).toEqual([{ one: 1 }]);
  });
});
