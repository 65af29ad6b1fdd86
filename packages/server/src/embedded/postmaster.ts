import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './account.js';
import type { Places } from './places.js';

/** Milliseconds between two looks at what PostgreSQL is doing. */
const POLL_MS = 10;
/** Milliseconds until PostgreSQL must accept connections; a recovery after a crash under load is included. */
const START_TIMEOUT_MS = 120_000;
/** Milliseconds a fast shutdown may take before it becomes an immediate one, which the next start repairs from the write-ahead log. */
const STOP_TIMEOUT_MS = 60_000;
/** Lines of PostgreSQL's own words that an error at the start quotes. */
const QUOTED_LINES = 20;

/** Takes one line of PostgreSQL's log. */
export type ServerLog = (line: string) => void;

/** What PostgreSQL inherits of our environment: nothing. */
export const SCRUBBED: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** A PostgreSQL server that this process started. */
export interface Postmaster {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason, with what it said of it. */
  readonly ended: Promise<string>;
}

/** Starts PostgreSQL and waits until it accepts connections. @throws Error with its last words when it does not. */
export async function startPostmaster(
  postgres: string,
  places: Places,
  account: Account | null,
  log: ServerLog,
): Promise<Postmaster> {
  // Its own session: Ctrl-C at our terminal must reach us alone, so that we stop it after the last commit.
  const child = spawn(postgres, ['-D', places.clusterDir, '-c', `config_file=${places.configFile}`], {
    env: SCRUBBED,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(account ?? {}),
  });
  const lastWords: string[] = [];
  const ended = watch(child, (line) => {
    lastWords.push(line);
    if (lastWords.length > QUOTED_LINES) lastWords.shift();
    log(line);
  });
  let reason: string | null = null;
  void ended.then((why) => (reason = why));
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (child.pid !== undefined && isReady(places.clusterDir, child.pid)) return { pid: child.pid, ended };
    if (reason !== null) throw new Error([`PostgreSQL did not start: ${reason}`, ...lastWords].join('\n'));
    await sleep(POLL_MS);
  }
  child.kill('SIGQUIT');
  throw new Error(['PostgreSQL did not become ready', ...lastWords].join('\n'));
}

function watch(child: ChildProcess, log: ServerLog): Promise<string> {
  if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', log);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
}

/** Line 8 of postmaster.pid says what the server is doing; `pg_ctl` waits for the same word. */
function isReady(clusterDir: string, pid: number): boolean {
  const lines = readPidFile(clusterDir);
  return lines !== null && Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

function readPidFile(clusterDir: string): string[] | null {
  try {
    return readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
}

/** The pid of a server that still runs on `clusterDir`, left behind by a parent that was killed; null when there is none. */
export function findOrphan(clusterDir: string): number | null {
  const pid = Number(readPidFile(clusterDir)?.[0]);
  return Number.isSafeInteger(pid) && pid > 1 && isAlive(pid) && isPostmasterOf(pid, clusterDir) ? pid : null;
}

/** Pids are given out again: the process must be a postgres whose data directory is this one. */
function isPostmasterOf(pid: number, clusterDir: string): boolean {
  try {
    if (process.platform === 'linux') {
      // The file was written by the database's user: it must not make root signal anyone else's process.
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

/** Fast shutdown: clients are disconnected, everything committed is kept. Resolves when the process is gone. */
export async function stopServer(pid: number): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', STOP_TIMEOUT_MS],
    ['SIGQUIT', STOP_TIMEOUT_MS / 6],
    ['SIGKILL', STOP_TIMEOUT_MS / 6],
  ] as const) {
    if (!send(pid, signal)) return;
    for (let waited = 0; waited < patience; waited += POLL_MS) {
      if (!isAlive(pid)) return;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`PostgreSQL (pid ${pid}) does not stop`);
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
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
