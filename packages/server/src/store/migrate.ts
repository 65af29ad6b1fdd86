import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { DatabaseAddress, Login } from './address.js';
import { clientConfig, type Role } from './database.js';
import { toStoreFailure } from './failure.js';
import { ALL_ROLES, assertPrefix, closeDatabase, ensureRoles } from './roles.js';

/** What `migrate` needs. */
export interface MigrateOptions {
  readonly address: DatabaseAddress;
  /** A superuser, or a role that owns the database and may create roles. */
  readonly admin: Login;
  readonly rolePrefix: string;
  readonly passwordOf: (role: Role) => string;
}

/** One numbered file of `sql/`, as it is on disk. */
export interface Migration {
  readonly number: number;
  /** File name, e.g. `0001_logs.sql`. */
  readonly name: string;
  readonly text: string;
  /** Lower-case hex of the file's bytes. */
  readonly sha256: string;
}

/** Any constant will do that other users of advisory locks in the same database do not take: "swornmig" as bytes. */
const LOCK_KEY = 0x73776f726e6d6967n;

const SQL_DIR = fileURLToPath(new URL('../../sql/', import.meta.url));

/**
 * Brings roles and schema up to date; safe to run from several processes at once. Every file runs in one transaction, as the owner.
 *
 * @returns names of the files that were applied now.
 * @throws Error when a file that was applied has been edited since, or the database is newer than this program; StoreFailure.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  assertPrefix(options.rolePrefix);
  const admin = new pg.Client(clientConfig(options.address, options.admin));
  try {
    await admin.connect();
    await admin.query(`select pg_catalog.pg_advisory_lock(${LOCK_KEY})`);
    await admin.query("set search_path = ''; set timezone = 'UTC'; set client_min_messages = warning");
    await ensureRoles(admin, options.rolePrefix, options.passwordOf);
    await closeDatabase(admin, options.rolePrefix);
    return await applyPending(admin, options.rolePrefix, readMigrations());
  } catch (error) {
    throw toStoreFailure(error);
  } finally {
    await admin.end().catch(() => undefined);
  }
}

/** The files of `sql/` in order, without the golden schema. */
export function readMigrations(dir: string = SQL_DIR): readonly Migration[] {
  const names = readdirSync(dir)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort();
  return names.map((name, i) => {
    const bytes = readFileSync(join(dir, name));
    const number = Number(name.slice(0, 4));
    if (number !== i + 1) throw new Error(`migration ${name} is out of order`);
    return { number, name, text: bytes.toString('utf8'), sha256: createHash('sha256').update(bytes).digest('hex') };
  });
}

async function applyPending(
  admin: pg.Client,
  prefix: string,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  await createLedger(admin, prefix);
  await admin.query(`set role ${prefix}_owner`);
  const { rows } = await admin.query<{ number: number; name: string; sha256: string }>(
    'select number, name, sha256 from sworn.migration order by number',
  );
  for (const applied of rows) {
    const file = migrations[applied.number - 1];
    if (file === undefined) throw new Error(`the database is newer than this program: it has ${applied.name}`);
    if (file.sha256 !== applied.sha256) throw new Error(`${file.name} was edited after it was applied`);
  }
  const pending = migrations.slice(rows.length);
  for (const migration of pending) await apply(admin, prefix, migration);
  if (pending.length > 0) await analyse(admin);
  return pending.map((migration) => migration.name);
}

/** Plans that are made before there are statistics read whole tables. */
async function analyse(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ tables: string }>(
    "select pg_catalog.string_agg(oid::pg_catalog.regclass::text, ', ') as tables from pg_catalog.pg_class where relkind = 'r' and relnamespace = 'sworn'::pg_catalog.regnamespace",
  );
  await admin.query(`analyze ${rows[0]?.tables}`);
}

async function createLedger(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query("select from pg_catalog.pg_namespace where nspname = 'sworn'");
  if (rows.length > 0) return;
  await admin.query(`
    begin;
    create schema sworn authorization ${prefix}_owner;
    set local role ${prefix}_owner;
    alter default privileges revoke execute on functions from public;
    create table sworn.migration (number integer primary key, name text not null, sha256 text not null, applied_at timestamptz not null);
    commit`);
}

async function apply(admin: pg.Client, prefix: string, migration: Migration): Promise<void> {
  try {
    await admin.query('begin');
    await admin.query(withRoleNames(migration.text, prefix));
    await admin.query({
      text: 'insert into sworn.migration (number, name, sha256, applied_at) values ($1, $2, $3, clock_timestamp())',
      values: [migration.number, migration.name, migration.sha256],
    });
    await admin.query('commit');
  } catch (error) {
    await admin.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Fills `:"writer"` (an identifier) and `:'writer'` (a literal) with the deployment's role names. */
export function withRoleNames(text: string, prefix: string): string {
  return text.replace(/(?<!:):(["'])([a-z]+)\1/g, (_, quote: string, role: string) => {
    if (!(ALL_ROLES as readonly string[]).includes(role)) throw new Error(`no role ${role}`);
    return `${quote}${prefix}_${role}${quote}`;
  });
}
