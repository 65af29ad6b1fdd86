import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';

/** Bytes of a pid file that are read: PostgreSQL's are eight lines, of which two are paths. */
const MAX_PID_FILE_BYTES = 8192;

/** Whether PostgreSQL, running as `pid` on `clusterDir`, accepts connections: line 8 of postmaster.pid says so, as `pg_ctl` knows it. */
export function isReady(clusterDir: string, pid: number): boolean {
  const lines = read(clusterDir);
  return lines !== null && Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

/** The pid of a server that runs on `clusterDir`, be it one that a killed parent left behind; null when there is none. */
export function findServer(clusterDir: string): number | null {
  const pid = namedPid(clusterDir);
  return pid !== null && pid > 1 && isServerOf(pid, clusterDir) ? pid : null;
}

/**
 * The pid that a dead server left in its file; null when there is none, or when it lives. It may by now be another process's, or a zombie's
 * that nobody collects, and PostgreSQL then refuses to start unless it is told better. We hold the directory and know.
 *
 * The file itself stays as it is. Its other lines tell PostgreSQL whether server processes of the old life still hold the memory; and root
 * writes nothing into a directory of the database's user, who could put a link there.
 */
export function findDeadPid(clusterDir: string): number | null {
  const named = namedPid(clusterDir);
  if (named === null) return null;
  const pid = Math.abs(named);
  return isServerOf(pid, clusterDir) ? null : pid;
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

/** Negative: of a single-user PostgreSQL, which a person works with. */
function namedPid(clusterDir: string): number | null {
  const first = read(clusterDir)?.[0] ?? '';
  return /^-?[1-9]\d{0,9}$/.test(first) ? Number(first) : null;
}

/** Lines of the pid file; null when there is none, or when it is not a file of the cluster's owner: the database's user can put anything there. */
function read(clusterDir: string): string[] | null {
  let fd: number;
  try {
    // Not through a link, and without waiting for somebody to write into a pipe.
    fd = openSync(join(clusterDir, 'postmaster.pid'), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.uid !== statSync(clusterDir).uid) return null;
    const bytes = Buffer.alloc(MAX_PID_FILE_BYTES);
    return bytes.toString('utf8', 0, readSync(fd, bytes)).split('\n');
  } finally {
    closeSync(fd);
  }
}

/**
 * Pids are given out again: the process must be a postgres of the directory's owner whose data directory is this one. The file was written
 * by the database's user, who must not make root signal anyone else's process.
 */
function isServerOf(pid: number, clusterDir: string): boolean {
  if (!isAlive(pid)) return false;
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
