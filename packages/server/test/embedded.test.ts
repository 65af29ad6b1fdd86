import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileServer } from '@sworn/testkit';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

/** What a parent says once its cluster runs, or why it does not. */
interface Parent {
  readonly process: ChildProcess;
  readonly host: string;
  readonly user: string;
  readonly password: string;
  readonly postmaster: number;
  /** Reason given to `onExit`. */
  readonly postgresEnded: Promise<string>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

const isRoot = process.getuid?.() === 0;
/** An account that every system has, to start as when the tests run as root. */
const NOBODY = 65534;

let code: string;
let home: string;
const parents: Parent[] = [];

beforeAll(() => {
  code = compileServer('embedded', 'store');
  chmodSync(code, 0o755);
  writeFileSync(
    join(code, 'parent.js'),
    `import { startEmbedded } from './embedded/cluster.js';
     import { readFileSync } from 'node:fs';
     const [dataDir, secretsDir, umask] = process.argv.slice(2);
     if (umask) process.umask(Number(umask));
     const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n');
     try {
       const cluster = await startEmbedded({ dataDir, secretsDir, log: () => undefined });
       cluster.onExit((reason) => say({ ended: reason }));
       say({ ...cluster.address, ...cluster.superuser });
       process.stdin.on('data', async () => { await cluster.stop(); say({ stopped: true }); process.exit(0); });
     } catch (error) { say({ error: error.message }); process.exit(1); }`,
  );
});
afterAll(() => rmSync(code, { recursive: true, force: true }));

beforeEach(() => {
  home = mkdtempSync('/tmp/sworn-home-');
  chmodSync(home, 0o711);
});
afterEach(async () => {
  for (const parent of parents.splice(0)) await parent.stop();
  rmSync(home, { recursive: true, force: true });
});

const dataDir = (): string => join(home, 'data');
const keyDir = (): string => join(home, 'keys');

interface StartOptions {
  readonly data?: string;
  readonly as?: number;
  readonly umask?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts Sworn's database in a process of its own. @throws Error with what it said. */
async function start(options: StartOptions = {}): Promise<Parent> {
  const child = spawn(
    process.execPath,
    [join(code, 'parent.js'), options.data ?? dataDir(), keyDir(), String(options.umask ?? '')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: options.env ?? {},
      ...(options.as === undefined ? {} : { uid: options.as, gid: options.as }),
    },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const heard: Record<string, unknown>[] = [];
  let wake = (): void => undefined;
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    heard.push(JSON.parse(line) as Record<string, unknown>);
    wake();
  });
  const hear = async (name: string): Promise<unknown> => {
    for (;;) {
      const found = heard.find((message) => name in message || 'error' in message);
      if (found?.['error'] !== undefined) throw new Error(JSON.stringify(found['error']));
      if (found !== undefined) return found[name];
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const host = String(await hear('host'));
  const parent: Parent = {
    process: child,
    host,
    user: String(await hear('user')),
    password: String(await hear('password')),
    postmaster: Number(
      readFileSync(join(options.data ?? dataDir(), 'pgdata', 'postmaster.pid'), 'utf8').split('\n')[0],
    ),
    postgresEnded: hear('ended').then(String),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.stdin?.write('stop');
      await gone;
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
  parent.postgresEnded.catch(() => undefined);
  parents.push(parent);
  return parent;
}

async function query(parent: Parent, text: string, password = parent.password): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ host: parent.host, port: 5432, database: 'sworn', user: parent.user, password });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

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
    mkdirSync(join(parent.host, '..'));
    chmodSync(join(parent.host, '..'), 0o777);
    await expect(start({ data })).rejects.toThrow('can be written by others');
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
    const first = await start();
    await expect(start()).rejects.toThrow(`in use by the Sworn process with pid ${first.process.pid}`);
    expect(await query(first, 'select 1 as one')).toEqual([{ one: 1 }]);
    await first.stop();
    expect(isRunning(first.postmaster)).toBe(false);
    const second = await start();
    expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('goes to one of two that start at the same moment', async () => {
    await (await start()).stop();
    const both = await Promise.allSettled([start(), start()]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('after the parent was killed', () => {
  test('the next start shuts down the server it left behind and finds everything committed', async () => {
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
    const first = await start();
    await first.stop();
    const stranger = spawn('/bin/sleep', ['600'], isRoot ? { uid: statSync(join(dataDir(), 'pgdata')).uid } : {});
    const lines = [
      stranger.pid,
      join(dataDir(), 'pgdata'),
      '1700000000',
      '5432',
      first.host,
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
  const first = await start();
  process.kill(first.postmaster, 'SIGKILL');
  expect(await first.postgresEnded).toBe('signal SIGKILL');
  await first.stop();
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

describe.runIf(isRoot)('started by root', () => {
  test('PostgreSQL runs as another user, from programs that user cannot change', async () => {
    const parent = await start({ umask: 0o077 });
    const { uid } = statSync(`/proc/${parent.postmaster}`);
    expect(uid).not.toBe(0);
    expect(statSync(join(dataDir(), 'pgdata')).uid).toBe(uid);
    expect(files(dataDir()).filter((path) => !/\/(pgdata|run\/pg)\//.test(path) && statSync(path).uid !== 0)).toEqual(
      [],
    );
    expect(statSync(dataDir()).mode & 0o777).toBe(0o711);
    // Root's groups are root's.
    expect(readFileSync(`/proc/${parent.postmaster}/status`, 'utf8')).toMatch(/^Groups:\s*$/m);
  });

  test('a directory which that user cannot reach is refused, naming the obstacle', async () => {
    chmodSync(home, 0o700);
    await expect(start()).rejects.toThrow(`may not enter ${home}`);
  });

  test('a directory of another user is refused, by root too, who would write where that user can put a link', async () => {
    chownSync(home, NOBODY, NOBODY);
    await (await start({ as: NOBODY })).stop();
    await expect(start()).rejects.toThrow(`belongs to uid ${NOBODY}`);
    rmSync(dataDir(), { recursive: true });
    rmSync(keyDir(), { recursive: true });
    await (await start()).stop();
    await expect(start({ as: NOBODY })).rejects.toThrow('belongs to uid 0');
  });

  test('an ordinary user has it all in a directory nobody else enters', async () => {
    chownSync(home, NOBODY, NOBODY);
    chmodSync(home, 0o700);
    const parent = await start({ as: NOBODY });
    expect(statSync(`/proc/${parent.postmaster}`).uid).toBe(NOBODY);
    expect(statSync(dataDir()).mode & 0o777).toBe(0o700);
    await parent.kill();
    const second = await start({ as: NOBODY });
    expect(isRunning(parent.postmaster)).toBe(false);
    expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

test('a socket that a program of another kind left in the place of the lock does not keep us out for ever', async () => {
  await (await start()).stop();
  const path = join(dataDir(), 'run', 'sworn.lock');
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  await new Promise<void>((resolve) => server.close(() => resolve()));
  writeFileSync(path, '');
  expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(existsSync(path)).toBe(true);
});

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? files(path) : entry.isFile() ? [path] : [];
  });
}
