import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { findRunning } from '../src/embedded/beside.js';
import {
  dataDir,
  files,
  home,
  isRoot,
  isRunning,
  keyDir,
  query,
  start,
  startedBefore,
  useParents,
} from './embeddedParent.js';

useParents();

describe('a fresh data directory', () => {
  test('becomes a PostgreSQL that only its own user can reach, durable, quiet and without TCP', async () => {
    const parent = await start({ env: { SECRET_OF_OURS: 'do not hand on' } });
    const settings = await query(
      parent,
      `select name || '=' || setting as s from pg_settings where name in (
      'listen_addresses', 'fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'log_error_verbosity', 'log_parameter_max_length',
      'log_parameter_max_length_on_error', 'log_min_error_statement', 'password_encryption', 'idle_in_transaction_session_timeout', 'server_encoding')`,
    );
    expect(settings.map((row) => String(row['s'])).sort()).toEqual([
      'data_checksums=on',
      'fsync=on',
      'full_page_writes=on',
      'idle_in_transaction_session_timeout=5000',
      'listen_addresses=',
      'log_error_verbosity=terse',
      'log_min_error_statement=panic',
      'log_parameter_max_length=0',
      'log_parameter_max_length_on_error=0',
      'password_encryption=scram-sha-256',
      'server_encoding=UTF8',
      'synchronous_commit=on',
    ]);
    expect(await query(parent, 'select type, auth_method from pg_hba_file_rules')).toEqual([
      { type: 'local', auth_method: 'scram-sha-256' },
    ]);
    await expect(query(parent, 'select 1', 'guessed')).rejects.toMatchObject({ code: '28P01' });
    expect(statSync(parent.host).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataDir(), 'pgdata')).mode & 0o777).toBe(0o700);
    expect(statSync(join(keyDir(), 'postgres-superuser')).mode & 0o777).toBe(0o600);
    expect(statSync(keyDir()).mode & 0o777).toBe(0o700);
    const environment = readFileSync(`/proc/${parent.postmaster}/environ`, 'utf8');
    expect(environment).not.toContain('SECRET_OF_OURS');
    expect(readFileSync(`/proc/${parent.postmaster}/cmdline`, 'utf8')).not.toContain(parent.password);
  });

  test('does not hold the superuser’s password anywhere', async () => {
    const parent = await start();
    await parent.stop();
    const found = files(dataDir()).filter((path) => readFileSync(path).includes(parent.password));
    expect(found).toEqual([]);
  });

  test('that was left half made is made anew', async () => {
    mkdirSync(join(dataDir(), 'pgdata.new'), { recursive: true });
    writeFileSync(join(dataDir(), 'pgdata.new', 'PG_VERSION'), '18\n');
    expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('may have a path that is too long for a socket', async () => {
    const data = join(home, 'd'.repeat(120));
    const parent = await start({ data });
    expect(parent.host).toMatch(/^\/tmp\/sworn-[0-9a-f]{16}\/pg$/);
    expect(await query(parent, 'select 1 as one')).toEqual([{ one: 1 }]);
    await parent.stop();
    rmSync(join(parent.host, '..'), { recursive: true });
  });

  test('finds its data at the second start, and another password file opens nothing', async () => {
    const first = await start();
    await query(first, 'create table kept (n int); insert into kept values (7)');
    await first.stop();
    const second = await start();
    expect(await query(second, 'select n from kept')).toEqual([{ n: 7 }]);
    await second.stop();
    rmSync(join(keyDir(), 'postgres-superuser'));
    await expect(start()).rejects.toThrow('restore it from your backup');
  });
});

describe('a data directory in use', () => {
  test('is refused, naming the process that has it, and is free once that has stopped', async () => {
    await startedBefore();
    const first = await start();
    await expect(start()).rejects.toThrow(`in use by the Sworn process with pid ${first.process.pid}`);
    expect(await query(first, 'select 1 as one')).toEqual([{ one: 1 }]);
    await first.stop();
    expect(isRunning(first.postmaster)).toBe(false);
    const second = await start();
    expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('goes to one of two that start at the same moment', async () => {
    await startedBefore();
    const both = await Promise.allSettled([start(), start()]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('after the parent was killed', () => {
  test('the next start shuts down the server it left behind and finds everything committed', async () => {
    await startedBefore();
    const first = await start();
    await query(first, 'create table kept (n int)');
    for (let n = 0; n < 20; n++) await query(first, `insert into kept values (${n})`);
    await first.kill();
    expect(isRunning(first.postmaster)).toBe(true);
    const second = await start();
    expect(isRunning(first.postmaster)).toBe(false);
    expect(await query(second, 'select count(*)::int as n from kept')).toEqual([{ n: 20 }]);
  });

  test('together with PostgreSQL, under load, the next start recovers', async () => {
    await startedBefore();
    const first = await start();
    await query(first, 'create table kept (n serial primary key, filler text)');
    const client = new pg.Client({
      host: first.host,
      port: 5432,
      database: 'sworn',
      user: first.user,
      password: first.password,
    });
    client.on('error', () => undefined);
    await client.connect();
    let acknowledged = 0;
    const load = (async () => {
      for (;;) {
        await client.query("insert into kept (filler) values (repeat('x', 500))");
        acknowledged++;
      }
    })().catch(() => undefined);
    while (acknowledged < 200) await new Promise((resolve) => setTimeout(resolve, 5));
    process.kill(first.postmaster, 'SIGKILL');
    await first.kill();
    await load;
    const second = await start();
    const [row] = await query(second, 'select count(*)::int as n from kept');
    expect(row?.['n']).toBeGreaterThanOrEqual(acknowledged);
  });

  test('a pid that now belongs to someone else is neither believed nor harmed', async () => {
    await startedBefore();
    const stranger = spawn('/bin/sleep', ['600'], isRoot ? { uid: statSync(join(dataDir(), 'pgdata')).uid } : {});
    const lines = [
      stranger.pid,
      join(dataDir(), 'pgdata'),
      '1700000000',
      '5432',
      join(dataDir(), 'run', 'pg'),
      '',
      ' 9999999 9999999',
      'ready   ',
    ];
    const pidFile = join(dataDir(), 'pgdata', 'postmaster.pid');
    writeFileSync(pidFile, `${lines.join('\n')}\n`, { mode: 0o600 });
    const { uid, gid } = statSync(join(dataDir(), 'pgdata'));
    chownSync(pidFile, uid, gid);
    const second = await start();
    expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(isRunning(stranger.pid ?? 0)).toBe(true);
    stranger.kill();
  });
});

test('a parent hears that PostgreSQL ended, and its directory can be started again', async () => {
  await startedBefore();
  const first = await start();
  process.kill(first.postmaster, 'SIGKILL');
  expect(await first.postgresEnded).toBe('signal SIGKILL');
  await first.stop();
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a socket that a program of another kind left in the place of the lock does not keep us out for ever', async () => {
  await startedBefore();
  const path = join(dataDir(), 'run', 'sworn.lock');
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  await new Promise<void>((resolve) => server.close(() => resolve()));
  writeFileSync(path, '');
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(existsSync(path)).toBe(true);
});

test('a command that starts while the server is still starting waits until its database can be asked', async () => {
  const starting = start();
  while (!existsSync(join(dataDir(), 'run', 'sworn.lock'))) await new Promise((resolve) => setTimeout(resolve, 5));
  const running = await findRunning(dataDir(), keyDir());
  const client = new pg.Client({ ...running?.superuser, host: running?.address.host, port: 5432, database: 'sworn' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await client.end();
    await starting;
  }
});

test('a command that starts while a server fails to start is told that there is none', async () => {
  await startedBefore();
  writeFileSync(join(dataDir(), 'pgdata', 'PG_VERSION'), '9\n');
  let over = false;
  const starting = start()
    .catch(String)
    .finally(() => (over = true));
  while (!over && !existsSync(join(dataDir(), 'run', 'sworn.lock')))
    await new Promise((resolve) => setTimeout(resolve, 1));
  expect(await findRunning(dataDir(), keyDir())).toBeNull();
  expect(await starting).toContain('PostgreSQL did not start');
});
