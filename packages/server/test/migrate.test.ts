import { randomBytes, randomUUID } from 'node:crypto';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseAddress } from '../src/store/address.js';
import { parseDatabaseUrl } from '../src/store/address.js';
import { insertRows } from '../src/store/copyBinary.js';
import { type Database, inTenant, LOGIN_ROLES, openDatabase, type Role } from '../src/store/database.js';
import { migrate, readMigrations, withRoleNames } from '../src/store/migrate.js';
import { describeSchema } from '../src/store/catalogue.js';
import { scramVerifier } from '../src/store/scram.js';
import { sql } from '../src/store/sql.js';

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
});
afterAll(() => t.drop());

/** An empty database whose owner may create roles and is no superuser: what a managed PostgreSQL gives. */
async function managedDatabase(): Promise<{
  address: DatabaseAddress;
  admin: { user: string; password: string };
  prefix: string;
  drop(): Promise<void>;
}> {
  const prefix = `t${randomBytes(4).toString('hex')}`;
  const [user, password, database] = [`${prefix}_admin`, randomBytes(12).toString('hex'), `sworn_${prefix}`];
  await t.admin(`create role ${user} login createrole password '${password}'`);
  await t.admin(`create database ${database} owner ${user}`);
  return {
    address: { ...t.address, database },
    admin: { user, password },
    prefix,
    async drop() {
      await t.admin(`drop database ${database} with (force)`);
      for (const role of [...LOGIN_ROLES, 'owner', 'remover', 'admin'])
        await t.admin(`drop role if exists ${prefix}_${role}`);
    },
  };
}

const passwordOf = (role: Role): string => `secret-of-${role}`;

describe('on a server that gives us no superuser', () => {
  let place: Awaited<ReturnType<typeof managedDatabase>>;
  let db: Database;
  beforeAll(async () => {
    place = await managedDatabase();
    await migrate({ address: place.address, admin: place.admin, rolePrefix: place.prefix, passwordOf });
    db = openDatabase({ address: place.address, rolePrefix: place.prefix, passwordOf });
  });
  afterAll(async () => {
    await db.close();
    await place.drop();
  });

  test('the schema is the same, and belongs to nobody who logs in', async () => {
    const client = {
      query: (text: string, values: unknown[]) =>
        inTenant(db, 'checker', randomUUID(), (tx) => tx.client.query(text, values)),
    };
    await expect(await describeSchema(client as never, place.prefix)).toMatchFileSnapshot('../sql/schema.sql');
  });

  test('the writer is bound by row-level security and inserts through unnest, for its own tenant only', async () => {
    expect(await db.as('writer').bypassesRowSecurity()).toBe(false);
    const [ours, theirs] = [randomUUID(), randomUUID()];
    const columns = [
      ['tenant_id', 'uuid'],
      ['log', 'text'],
      ['tile_index', 'int8'],
      ['level', 'int2'],
      ['hashes', 'bytea'],
    ] as const;
    const row = (tenantId: string) => [tenantId, 'llm-runs', 0, 0, randomBytes(8192)];
    await inTenant(db, 'writer', ours, (tx) => insertRows(tx, 'tile', columns, [row(ours)]));
    await expect(
      inTenant(db, 'writer', ours, (tx) => insertRows(tx, 'tile', columns, [row(theirs)])),
    ).rejects.toMatchObject({ code: '42501' });
    expect(await inTenant(db, 'reader', ours, (tx) => tx.query(sql`select tenant_id as id from sworn.tile`))).toEqual([
      { id: ours },
    ]);
  });

  test('migrating again changes nothing, from several processes at once too', async () => {
    const again = () => migrate({ address: place.address, admin: place.admin, rolePrefix: place.prefix, passwordOf });
    expect(await Promise.all([again(), again(), again()])).toEqual([[], [], []]);
  });

  test('a new password of a role holds from the next migration on', async () => {
    const renewed = (role: Role): string => `renewed-${role}`;
    await migrate({ address: place.address, admin: place.admin, rolePrefix: place.prefix, passwordOf: renewed });
    const other = openDatabase({ address: place.address, rolePrefix: place.prefix, passwordOf: renewed });
    expect(await inTenant(other, 'reader', randomUUID(), (tx) => tx.query(sql`select 1 as one`))).toEqual([{ one: 1 }]);
    await other.close();
    const old = openDatabase({ address: place.address, rolePrefix: place.prefix, passwordOf: () => 'wrong' });
    await expect(inTenant(old, 'reader', randomUUID(), (tx) => tx.query(sql`select 1`))).rejects.toMatchObject({
      code: '28P01',
    });
    await old.close();
    await migrate({ address: place.address, admin: place.admin, rolePrefix: place.prefix, passwordOf });
  });
});

describe('a database is refused', () => {
  test('when a file was edited after it was applied', async () => {
    await t.admin(`update sworn.migration set sha256 = repeat('0', 64) where number = 2`);
    await expect(migrate(options())).rejects.toThrow('0002_working.sql was edited after it was applied');
    await t.admin('update sworn.migration set sha256 = $1 where number = 2', [readMigrations()[1]?.sha256]);
    expect(await migrate(options())).toEqual([]);
  });

  test('when it is newer than the program', async () => {
    await t.admin(`insert into sworn.migration values (9999, '9999_later.sql', 'x', now())`);
    await expect(migrate(options())).rejects.toThrow('newer than this program: it has 9999_later.sql');
    await t.admin('delete from sworn.migration where number = 9999');
  });

  test('when a prefix or a password could break out of its statement', async () => {
    await expect(migrate({ ...options(), rolePrefix: 'a"b' })).rejects.toThrow('role prefix');
    expect(() => scramVerifier("it's")).not.toThrow();
    expect(() => scramVerifier('with space')).toThrow('printable ASCII');
    expect(scramVerifier("it's")).toMatch(/^SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/);
  });

  const options = () => ({
    address: t.address,
    admin: t.superuser,
    rolePrefix: t.rolePrefix,
    passwordOf: t.passwordOf,
  });
});

test('a migration that fails leaves nothing of itself behind, and goes through once the reason is gone', async () => {
  const place = await managedDatabase();
  const again = () => migrate({ address: place.address, admin: place.admin, rolePrefix: place.prefix, passwordOf });
  const { Client } = (await import('pg')).default;
  const inPlace = new Client({ connectionString: t.url.replace(/\/sworn_[a-z0-9_]+/, `/${place.address.database}`) });
  await inPlace.connect();
  const applied = async () =>
    (await inPlace.query('select name from sworn.migration order by number')).rows.map((row) => row.name);
  // Someone refuses the third table of the second file.
  await inPlace.query(`
    create schema hindrance;
    create function hindrance.refuse() returns event_trigger language plpgsql as $$
    begin
      if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'sworn.api_key') then raise exception 'hindered'; end if;
    end $$;
    create event trigger hindrance on ddl_command_end execute function hindrance.refuse()`);
  await expect(again()).rejects.toMatchObject({ code: 'P0001' });
  expect(await applied()).toEqual(['0001_logs.sql']);
  expect((await inPlace.query(`select to_regclass('sworn.tenant') as tenant`)).rows).toEqual([{ tenant: null }]);
  await inPlace.query('drop event trigger hindrance; drop schema hindrance cascade');
  expect(await again()).toEqual(
    readMigrations()
      .slice(1)
      .map((m) => m.name),
  );
  await inPlace.end();
  await place.drop();
});

test('role names are filled in as identifier and as literal, casts are left alone', () => {
  expect(withRoleNames(`grant x to :"writer"; select :'reader', a::text, b::"char"`, 'p')).toBe(
    `grant x to "p_writer"; select 'p_reader', a::text, b::"char"`,
  );
  expect(() => withRoleNames('grant x to :"admin"', 'p')).toThrow('no role admin');
});

describe('a database URL', () => {
  test('over a network must prove the server’s name', () => {
    expect(() => parseDatabaseUrl('postgres://u:p@db.example/sworn')).toThrow('verify-full');
    expect(() => parseDatabaseUrl('postgres://u:p@db.example/sworn?sslmode=require')).toThrow('verify-full');
    expect(parseDatabaseUrl('postgres://u:p%40@db.example:6432/sworn?sslmode=verify-full')).toEqual({
      address: { host: 'db.example', port: 6432, database: 'sworn', tls: { ca: null } },
      login: { user: 'u', password: 'p@' },
    });
  });

  test('by socket or loopback need not', () => {
    expect(parseDatabaseUrl('postgres://u:p@localhost:5433/sworn?host=%2Frun%2Fpg').address).toEqual({
      host: '/run/pg',
      port: 5433,
      database: 'sworn',
      tls: null,
    });
    expect(parseDatabaseUrl('postgres://u:p@[::1]/sworn').address).toMatchObject({ host: '::1', port: 5432 });
    expect(parseDatabaseUrl('postgres://u:p@127.0.0.1/sworn').address.tls).toBe(null);
  });

  test('names host, database and user', () => {
    for (const url of ['mysql://u@h/d', 'postgres://localhost/d', 'postgres://u@localhost'])
      expect(() => parseDatabaseUrl(url)).toThrow(/a database URL/);
  });
});
