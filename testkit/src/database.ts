import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import {
  type Database,
  type DatabaseAddress,
  LOGIN_ROLES,
  type Login,
  migrate,
  openDatabase,
  type Role,
} from '@sworn/server';
import pg from 'pg';
import { inject } from 'vitest';
import type { TestCluster } from './cluster.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Socket at which the run's database is asked for. */
    databaseDesk: string;
  }
}

/** What a test file needs to know of the run it is part of. Plain data: it crosses a process boundary. */
export interface TestRun {
  readonly address: DatabaseAddress;
  readonly superuser: Login;
  readonly template: string;
  readonly rolePrefix: string;
}

/** A database of one test file's own, migrated and empty. */
export interface TestDatabase {
  readonly db: Database;
  readonly address: DatabaseAddress;
  readonly rolePrefix: string;
  readonly superuser: Login;
  /** `postgres://` URL for the superuser. */
  readonly url: string;
  readonly passwordOf: (role: Role) => string;
  /** Runs SQL as the superuser: the attacker's seat, and the tester's. */
  admin<T extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<T[]>;
  /** A connection of its own, with nothing set; closed by `drop` at the latest. */
  connect(role: Role | 'superuser'): Promise<pg.Client>;
  /** Runs `work` with the second wall taken away: no policy of any table counts. The first, the `where` of each query, stands alone. */
  withoutRowSecurity<T>(work: () => Promise<T>): Promise<T>;
  drop(): Promise<void>;
}

/** Of no secrecy: databases of tests live for a minute. */
const passwordOf = (role: Role): string => `test-${role}`;

/** Migrates a database that all files of the run clone. A random name and prefix: a shared PostgreSQL may serve several runs. */
export async function makeTemplate(cluster: TestCluster): Promise<{ readonly run: TestRun; drop(): Promise<void> }> {
  const rolePrefix = `t${randomBytes(4).toString('hex')}`;
  const template = `sworn_${rolePrefix}_template`;
  const address = { ...cluster.address, database: template };
  await asSuperuser(cluster.address, cluster.superuser, (client) => client.query(`create database ${template}`));
  await migrate({ address, admin: cluster.superuser, rolePrefix, passwordOf });
  return {
    run: { address, superuser: cluster.superuser, template, rolePrefix },
    drop: () =>
      asSuperuser(cluster.address, cluster.superuser, async (client) => {
        const left = await client.query<{ name: string }>(
          'select datname as name from pg_database where datname like $1',
          [`sworn\\_${rolePrefix}%`],
        );
        for (const { name } of left.rows) await client.query(`drop database ${name} with (force)`);
        const roles = await client.query<{ name: string }>(
          'select rolname as name from pg_roles where rolname like $1',
          [`${rolePrefix}\\_%`],
        );
        for (const { name } of roles.rows) await client.query(`drop role ${name}`);
      }),
  };
}

/** Clones the template for one test file. Call `drop` in `afterAll`. */
export async function testDatabase(): Promise<TestDatabase> {
  const run = await askDesk(inject('databaseDesk'));
  const name = `sworn_${run.rolePrefix}_${randomBytes(4).toString('hex')}`;
  await asSuperuser(
    run.address,
    run.superuser,
    async (client) => {
      await cloneTemplate(client, name, run.template);
      await closeToPublic(client, name, run.rolePrefix);
    },
    'postgres',
  );
  const address = { ...run.address, database: name };
  const db = openDatabase({ address, rolePrefix: run.rolePrefix, passwordOf });
  const admin = new pg.Client(driverConfig(address, run.superuser));
  await admin.connect();
  const clients: pg.Client[] = [];
  return {
    db,
    address,
    rolePrefix: run.rolePrefix,
    superuser: run.superuser,
    url: urlOf(address, run.superuser),
    passwordOf,
    async admin<T extends pg.QueryResultRow>(text: string, values: unknown[] = []) {
      return (await admin.query<T>(text, values)).rows;
    },
    async connect(role) {
      const login =
        role === 'superuser' ? run.superuser : { user: `${run.rolePrefix}_${role}`, password: passwordOf(role) };
      const client = new pg.Client(driverConfig(address, login));
      // A connection that a test has cut says so to whoever uses it; the event would end the process.
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    async withoutRowSecurity(work) {
      const switchAll = (verb: 'enable' | 'disable') =>
        admin.query(`do $$ declare t regclass; begin
          for t in select oid::regclass from pg_class where relnamespace = 'sworn'::regnamespace and relkind = 'r' loop
            execute format('alter table %s ${verb} row level security', t);
          end loop; end $$`);
      await switchAll('disable');
      try {
        return await work();
      } finally {
        await switchAll('enable');
      }
    },
    async drop() {
      await db.close();
      await Promise.all([admin, ...clients].map((client) => client.end()));
      await asSuperuser(
        run.address,
        run.superuser,
        (client) => client.query(`drop database ${name} with (force)`),
        'postgres',
      );
    },
  };
}

function askDesk(path: string): Promise<TestRun> {
  return new Promise((resolve, reject) => {
    let answer = '';
    createConnection(path)
      .on('data', (chunk) => (answer += chunk.toString('utf8')))
      .on('error', reject)
      .on('end', () => {
        const { run, error } = JSON.parse(answer) as { run?: TestRun; error?: string };
        if (run === undefined) reject(new Error(error));
        else resolve(run);
      });
  });
}

/** Only one clone at a time may read a template. */
async function cloneTemplate(client: pg.Client, name: string, template: string): Promise<void> {
  await client.query('select pg_advisory_lock(4242)');
  await client.query(`create database ${name} template ${template}`);
}

/** Rights on the database itself are no part of what a clone copies. */
async function closeToPublic(client: pg.Client, name: string, rolePrefix: string): Promise<void> {
  await client.query(`alter database ${name} owner to ${rolePrefix}_owner; revoke all on database ${name} from public`);
  await client.query(
    `grant connect on database ${name} to ${LOGIN_ROLES.map((role) => `${rolePrefix}_${role}`).join(', ')}`,
  );
}

async function asSuperuser<T>(
  address: DatabaseAddress,
  login: Login,
  work: (client: pg.Client) => Promise<T>,
  database = address.database,
): Promise<T> {
  const client = new pg.Client(driverConfig({ ...address, database }, login));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function driverConfig(address: DatabaseAddress, login: Login): pg.ClientConfig {
  return {
    host: address.host,
    port: address.port,
    database: address.database,
    user: login.user,
    password: login.password,
    ssl: address.tls !== null,
  };
}

/** A socket's directory cannot stand where a URL has its host, so it is a parameter, which wins. */
function urlOf(address: DatabaseAddress, login: Login): string {
  const isSocket = address.host.startsWith('/');
  const credentials = `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}`;
  const where = `${isSocket ? 'localhost' : address.host}:${address.port}/${address.database}`;
  return `postgres://${credentials}@${where}${isSocket ? `?host=${encodeURIComponent(address.host)}` : ''}`;
}
