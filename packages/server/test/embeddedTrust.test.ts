import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  dataDir,
  files,
  home,
  isRoot,
  isRunning,
  keyDir,
  NOBODY,
  query,
  spawnParent,
  start,
  startedBefore,
  useParents,
} from './embeddedParent.js';

useParents();

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

  test('what the database’s user puts in the place of its pid file is neither read nor written by root', async () => {
    await startedBefore();
    const cluster = join(dataDir(), 'pgdata');
    const pidFile = join(cluster, 'postmaster.pid');
    const control = join(cluster, 'global', 'pg_control');
    const secret = join(home, 'secret');
    writeFileSync(secret, '1\nfor root’s eyes only\n', { mode: 0o600 });
    symlinkSync(secret, pidFile);
    lchownSync(pidFile, statSync(cluster).uid, statSync(cluster).gid);
    // So that PostgreSQL ends before it looks at the file, and what we did with it stays.
    renameSync(control, `${control}.away`);
    await expect(start()).rejects.toThrow('PostgreSQL did not start');
    expect(lstatSync(pidFile).isSymbolicLink()).toBe(true);
    expect(files(dataDir()).filter((path) => readFileSync(path).includes('for root’s eyes only'))).toEqual([]);
    expect(statSync(secret).uid).toBe(0);
    renameSync(`${control}.away`, control);
    await expect(start()).rejects.toThrow('Permission denied');
    rmSync(pidFile);
    execFileSync('/usr/bin/mkfifo', [pidFile]);
    renameSync(control, `${control}.away`);
    await expect(start()).rejects.toThrow('PostgreSQL did not start');
    renameSync(`${control}.away`, control);
    rmSync(pidFile);
    expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('root does not walk through what the database’s user has made beside its socket', async () => {
    await startedBefore();
    const theirs = join(dataDir(), 'run', 'pg', 'theirs');
    mkdirSync(theirs, { recursive: true });
    writeFileSync(join(theirs, 'file'), '');
    writeFileSync(join(dataDir(), 'run', 'pg', '.s.PGSQL.5432.lock'), `${process.pid}\n`);
    expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(existsSync(join(theirs, 'file'))).toBe(true);
  });

  test('no other process of the account that makes a cluster can get at it, or at the password’s verifier', async () => {
    const parent = spawnParent();
    const gone = new Promise((resolve) => parent.once('exit', resolve));
    // Killed half way, it leaves everything as it was.
    while (!made().some((path) => path.endsWith('/PG_VERSION'))) await new Promise((resolve) => setTimeout(resolve, 5));
    parent.kill('SIGKILL');
    await gone;
    while (readdirSync('/proc').some(isAtWork)) await new Promise((resolve) => setTimeout(resolve, 20));
    const left = made().filter((path) => /\/(PG_VERSION|verifier)$/.test(path));
    expect(left.length).toBeGreaterThanOrEqual(2);
    for (const path of left) {
      const { uid } = statSync(path);
      const read = spawnSync('/bin/cat', [path], { uid, gid: uid });
      expect([path, uid === 0, String(read.stdout), read.status]).toEqual([path, false, '', 1]);
    }
    expect(await query(await start(), 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(readdirSync(dataDir()).filter((name) => name.startsWith('pgdata'))).toEqual(['pgdata']);
  });
});

describe('a socket directory where everybody can make one', () => {
  test('is ours to the last bit or refused, and what a link in its place leads to is left alone', async () => {
    const data = join(home, 'd'.repeat(120));
    const first = await start({ data });
    await first.stop();
    const place = join(first.host, '..');
    const theirs = join(home, 'theirs');
    try {
      mkdirSync(join(theirs, 'pg', 'kept'), { recursive: true });
      chmodSync(theirs, isRoot ? 0o711 : 0o700);
      rmSync(place, { recursive: true });
      symlinkSync(theirs, place);
      await expect(start({ data })).rejects.toThrow('is not a directory of ours');
      expect(existsSync(join(theirs, 'pg', 'kept'))).toBe(true);
      rmSync(place);
      for (const mode of [0o777, 0o755, 0o1711]) {
        mkdirSync(place);
        chmodSync(place, mode);
        await expect(start({ data })).rejects.toThrow('is not a directory of ours');
        rmSync(place, { recursive: true });
      }
      const second = await start({ data, umask: 0 });
      expect(statSync(place).mode & 0o7777).toBe(isRoot ? 0o711 : 0o700);
      await second.stop();
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  });
});

/** Files that initdb has made so far, under a path that does not say so yet. */
function made(): string[] {
  try {
    return files(home).filter((path) => /\/(pgdata\.new|verifier)/.test(path));
  } catch {
    // What was listed a moment ago is gone.
    return [];
  }
}

/** Whether a process of this pid works on the cluster that is being made. */
function isAtWork(pid: string): boolean {
  try {
    return (
      /^\d+$/.test(pid) &&
      isRunning(Number(pid)) &&
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(dataDir(), 'pgdata.new'))
    );
  } catch {
    return false;
  }
}
