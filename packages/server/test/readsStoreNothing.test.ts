import { type Endpoint, ENDPOINTS } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildTenantPair, pathOf, sharedIds, type TenantPair } from './tenantPair.js';

/**
 * INV-LOG-REPLAY-001: a replay is a query and never a stored set of data; nor is any other answer. Whatever is asked, in whatever form, the
 * database has afterwards what it had, and the record of the asking.
 */

let pair: TenantPair;
beforeAll(async () => {
  pair = await buildTenantPair();
  await pair.fill(pair.ours);
}, 120_000);
afterAll(() => pair?.close());

/** Hash of the rows of every table, those of the log `access` apart. */
async function contents(): Promise<ReadonlyMap<string, string>> {
  const tables = await pair.house.database.admin<{ name: string; logged: boolean }>(
    `select c.relname as name, exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'log') as logged
       from pg_class c where c.relnamespace = 'sworn'::regnamespace and c.relkind in ('r', 'p', 'm') order by 1`,
  );
  expect(tables.length).toBeGreaterThan(15);
  const hashes = new Map<string, string>();
  for (const { name, logged } of tables) {
    const [row] = await pair.house.database.admin<{ hash: string }>(
      `select count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') as hash
         from sworn.${name} t ${logged ? `where log not like 'access%'` : ''}`,
    );
    hashes.set(name, row?.hash ?? '');
  }
  return hashes;
}

/** What the record of a read is encrypted under, and the tokens in it: of `access`, in tables that have no log. */
const OF_ACCESS = ['data_key', 'directory'];
/** Whose turn it is to build the bundle that endpoint 6 has queued: a working table, and no data. */
const OF_TURNS = ['lease'];

describe.each(ENDPOINTS as readonly Endpoint[])('INV-LOG-REPLAY-001: $id', (endpoint) => {
  it('stores nothing but the record that it was read', async () => {
    const before = await contents();
    for (const id of sharedIds(endpoint)) {
      const path = pathOf(endpoint, id);
      for (const [method, accept] of [
        ['GET', 'application/json'],
        ['HEAD', 'application/json'],
        ['GET', 'application/x-ndjson'],
      ] as const)
        expect((await get(pair.house, path, pair.ours.auditor, { accept }, method)).status).toBe(200);
    }
    const after = await contents();
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect(
      [...after].filter(([table, hash]) => before.get(table) !== hash && ![...OF_ACCESS, ...OF_TURNS].includes(table)),
    ).toEqual([]);
  });
});
