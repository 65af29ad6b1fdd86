import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './account.js';
import { isAlive, isReady } from './pidFile.js';
import type { Places } from './places.js';

/** Milliseconds between two looks at what PostgreSQL is doing. */
const POLL_MS = 10;
/** Milliseconds until PostgreSQL must accept connections; a recovery after a crash under load is included. */
const START_TIMEOUT_MS = 120_000;
/** Milliseconds that server processes of a killed postmaster may take to notice and go; they hold its memory until then. */
const LEFTOVER_TIMEOUT_MS = 15_000;
/**
 * Signals of a shutdown, and milliseconds to wait for each: fast (clients are disconnected, everything committed is kept), immediate
 * (the next start repairs from the write-ahead log), and the end.
 */
const SHUTDOWN = [
  ['SIGINT', 60_000],
  ['SIGQUIT', 10_000],
  ['SIGKILL', 10_000],
] as const;
/** Milliseconds to wait for the last words of a server that has ended. */
const LAST_WORDS_MS = 500;
/** Lines of PostgreSQL's own words that an error at the start quotes. */
const QUOTED_LINES = 20;

/** Takes one line of PostgreSQL's log. */
export type ServerLog = (line: string) => void;

/** What PostgreSQL inherits of our environment: nothing. */
export const SCRUBBED: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** How PostgreSQL is started. */
export interface PostmasterOptions {
  /** The program. */
  readonly postgres: string;
  readonly places: Places;
  /** Whom it runs as; null: as we do. */
  readonly account: Account | null;
  /** What `findDeadPid` found: a pid in the cluster's pid file that stands for nobody. */
  readonly deadPid: number | null;
  readonly log: ServerLog;
}

/** A PostgreSQL server that this process started. */
export interface Postmaster {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason, with how. */
  readonly ended: Promise<string>;
}

/** Starts PostgreSQL and waits until it accepts connections. @throws Error with its last words when it does not. */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const patience = performance.now() + LEFTOVER_TIMEOUT_MS;
  for (;;) {
    const started = await tryStart(options);
    if (started.kind === 'ready') return started;
    if (!/shared memory block .* still in use/.test(started.words) || performance.now() > patience) {
      throw new Error(`PostgreSQL did not start: ${started.words}`);
    }
    await sleep(10 * POLL_MS);
  }
}

type Started = ({ readonly kind: 'ready' } & Postmaster) | { readonly kind: 'failed'; readonly words: string };

async function tryStart({ postgres, places, account, deadPid, log }: PostmasterOptions): Promise<Started> {
  // Its own session: Ctrl-C at our terminal must reach us alone, so that we stop it after the last commit.
  const child = spawn(postgres, ['-D', places.clusterDir, '-c', `config_file=${places.configFile}`], {
    // How `pg_ctl` tells PostgreSQL of a pid that is none of a server's, should a pid file name it.
    env: { ...SCRUBBED, ...(deadPid === null ? {} : { PG_GRANDPARENT_PID: String(deadPid) }) },
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
  let how: string | null = null;
  void ended.then((reason) => (how = reason));
  const until = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < until) {
    if (child.pid !== undefined && isReady(places.clusterDir, child.pid))
      return { kind: 'ready', pid: child.pid, ended };
    if (how !== null) return { kind: 'failed', words: [how, ...lastWords].join('\n') };
    await sleep(POLL_MS);
  }
  if (child.pid !== undefined) await stopServer(child.pid);
  return { kind: 'failed', words: ['it did not become ready', ...lastWords].join('\n') };
}

function watch(child: ChildProcess, log: ServerLog): Promise<string> {
  if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', log);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      // Its last words are read by `close`, which waits for every process that shares its standard error.
      child.once('close', () => resolve(how));
      setTimeout(() => resolve(how), LAST_WORDS_MS);
    });
  });
}

/** Shuts a server down, this process's or a killed parent's. Resolves when it is gone. */
export async function stopServer(pid: number): Promise<void> {
  for (const [signal, patience] of SHUTDOWN) {
    if (!sendSignal(pid, signal)) return;
    const until = performance.now() + patience;
    while (performance.now() < until) {
      if (!isAlive(pid)) return;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`PostgreSQL (pid ${pid}) does not stop`);
}

/** Returns false when there is no such process. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
