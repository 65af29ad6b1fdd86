import { fileURLToPath } from 'node:url';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeSchema } from '../src/store/catalogue.js';

const GOLDEN = fileURLToPath(new URL('../sql/schema.sql', import.meta.url));

/** Tables that belong to no tenant: named as no evidence (CONTRACT.md §4). */
const WITHOUT_TENANT = ['deployment', 'lease', 'migration', 'check_round'];

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
});
afterAll(() => t.drop());

test('the migrated schema is the golden one', async () => {
  const found = await describeSchema(
    { query: (text: string, values: unknown[]) => t.admin(text, values).then((rows) => ({ rows })) } as never,
    t.rolePrefix,
  );
  // `npx vitest run packages/server/test/catalogue.test.ts -u` writes it anew.
  await expect(found).toMatchFileSnapshot(GOLDEN);
});

describe('of every table that holds a tenant', () => {
  test('each primary key, unique constraint and index is led by the tenant', async () => {
    const rows = await t.admin<{ name: string; first: string }>(
      `
      select i.indexrelid::regclass::text as name, a.attname as first
        from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
       where c.relnamespace = 'sworn'::regnamespace and c.relname <> all ($1)`,
      [WITHOUT_TENANT],
    );
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter((row) => row.first !== 'tenant_id')).toEqual([]);
  });

  test('each has a primary key, a tenant, and row-level security that binds its owner too', async () => {
    const rows = await t.admin(
      `
      select c.relname from pg_class c
       where c.relnamespace = 'sworn'::regnamespace and c.relkind in ('r', 'p') and not (
         c.relrowsecurity and c.relforcerowsecurity
         and exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
         and (c.relname = any ($1) or exists (
           select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull and a.atttypid = 'uuid'::regtype)))`,
      [WITHOUT_TENANT],
    );
    expect(rows).toEqual([]);
  });

  test('no foreign key leaves the tenant', async () => {
    const rows = await t.admin(`
      select k.conname from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
       where k.connamespace = 'sworn'::regnamespace and k.contype = 'f' and a.attname <> 'tenant_id'`);
    expect(rows).toEqual([]);
  });

  test('no column is of a type whose comparison is not leakproof', async () => {
    const rows = await t.admin(`
      select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as type
        from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = 'sworn'::regnamespace and c.relkind = 'r' and a.attnum > 0
         and a.atttypid <> all (array['uuid', 'text', 'bytea', 'bigint', 'integer', 'smallint', 'boolean', 'timestamptz', 'text[]', 'bytea[]']::regtype[])`);
    expect(rows).toEqual([]);
  });
});

test('nothing belongs to a superuser', async () => {
  const rows = await t.admin(`
    select 'schema' as what, nspname::text as name, nspowner as owner from pg_namespace where nspname = 'sworn'
    union all select 'relation', relname, relowner from pg_class where relnamespace = 'sworn'::regnamespace
    union all select 'function', proname, proowner from pg_proc where pronamespace = 'sworn'::regnamespace
    union all select 'database', datname, datdba from pg_database where datname = current_database()`);
  const superusers = await t.admin<{ oid: number }>('select oid::int as oid from pg_roles where rolsuper');
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((row) => superusers.some(({ oid }) => oid === row['owner']))).toEqual([]);
});

test('every function says where names are looked up, and only the two that remove run with another role’s rights', async () => {
  const rows = await t.admin<{ name: string; definer: boolean; pinned: boolean; open: boolean }>(`
    select proname as name, prosecdef as definer, coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false) as pinned,
           has_function_privilege('public', oid, 'execute') as open
      from pg_proc where pronamespace = 'sworn'::regnamespace order by proname`);
  expect(rows.filter((row) => !row.pinned || row.open)).toEqual([]);
  expect(rows.filter((row) => row.definer).map((row) => row.name)).toEqual(['erase', 'retain']);
});

test('PUBLIC may not connect, create or use temporary tables', async () => {
  const rows = await t.admin(`
    select a.privilege_type from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
     where d.datname = current_database() and a.grantee = 0
    union all
    select a.privilege_type from pg_namespace n, aclexplode(n.nspacl) a where n.nspname in ('public', 'sworn') and a.grantee = 0`);
  expect(rows).toEqual([]);
});

test('no role may do more than CONTRACT.md §4 gives it: none that logs in changes or removes evidence', async () => {
  const rows = await t.admin(
    `
    select distinct r.rolname, c.relname, v.verb
      from pg_roles r, pg_class c, unnest(array['UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) v(verb)
     where r.rolname like $1 and r.rolcanlogin and c.relnamespace = 'sworn'::regnamespace and c.relname = any ($2)
       and (has_table_privilege(r.oid, c.oid, v.verb) or (v.verb in ('UPDATE', 'REFERENCES') and has_any_column_privilege(r.oid, c.oid, v.verb)))`,
    [`${t.rolePrefix}\\_%`, EVIDENCE],
  );
  expect(rows).toEqual([]);
});

const EVIDENCE = [
  'leaf',
  'tile',
  'batch_authenticator',
  'checkpoint',
  'llm_run_records',
  'run_members',
  'run_names',
  'resources',
  'system_records',
  'audit_ledger',
  'access_records',
  'control_records',
];
