import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { giveTo } from './account.js';

/** Whether PostgreSQL, running as `pid` on `clusterDir`, accepts connections: line 8 of postmaster.pid says so, as `pg_ctl` knows it. */
export function isReady(clusterDir: string, pid: number): boolean {
  const lines = read(clusterDir);
  return lines !== null && Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

/** The pid of a server that still runs on `clusterDir`, left behind by a parent that was killed; null when there is none. */
export function findOrphan(clusterDir: string): number | null {
  const pid = namedPid(clusterDir);
  return pid !== null && isAlive(pid) && isPostmasterOf(pid, clusterDir) ? pid : null;
}

/**
 * What a dead server left behind names its pid, which may by now be another process's, or a zombie's that nobody collects, and PostgreSQL
 * then refuses to start. We hold the directory and know better. The file stays, with our pid, which PostgreSQL knows as its parent's: its other lines tell it whether
 * server processes of the old life still hold the memory, and that must not be lost.
 */
export function disownPidFile(clusterDir: string): void {
  const lines = read(clusterDir);
  if (lines === null) return;
  const path = join(clusterDir, 'postmaster.pid');
  const draft = join(clusterDir, 'postmaster.pid.disowned');
  rmSync(draft, { force: true });
  writeFileSync(draft, [String(process.pid), ...lines.slice(1)].join('\n'), {
    mode: 0o600,
    flag: 'wx',
  });
  giveTo(draft, statSync(clusterDir));
  renameSync(draft, path);
}

/** Whether a process of this pid runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  // A zombie whose parent does not collect it (pid 1 of a careless container) still answers to signals.
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function namedPid(clusterDir: string): number | null {
  const pid = Number(read(clusterDir)?.[0]);
  return Number.isSafeInteger(pid) && pid > 1 ? pid : null;
}

function read(clusterDir: string): string[] | null {
  try {
    return readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
}

/**
 * Pids are given out again: the process must be a postgres of the directory's owner whose data directory is this one. The file was written
 * by the database's user, who must not make root signal anyone else's process.
 */
function isPostmasterOf(pid: number, clusterDir: string): boolean {
  try {
    if (process.platform === 'linux') {
      return (
        statSync(`/proc/${pid}`).uid === statSync(clusterDir).uid &&
        /^postgres( \(deleted\))?$/.test(basename(readlinkSync(`/proc/${pid}/exe`))) &&
        readlinkSync(`/proc/${pid}/cwd`) === realpathSync(clusterDir)
      );
    }
    const command = execFileSync('/bin/ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return command.includes('postgres') && command.includes(clusterDir);
  } catch {
    return false;
  }
}
