import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CpuTime, measureCpu } from './process.js';

/** The `sworn` command. */
export const SWORN = fileURLToPath(new URL('../../packages/cli/bin/sworn.mjs', import.meta.url));

/** A first start initialises a cluster; a machine under load takes its time. */
const START_PATIENCE_MS = 60_000;

/** How often a running command's processor time is looked at: what it uses after the last look is missed. */
const LOOK_EVERY_MS = 100;

/** Directories of one deployment. */
export interface Place {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Removes them, unless they are kept. */
  remove(): void;
}

/** A running server, the real one, as a process of its own. */
export interface Server {
  readonly pid: number;
  readonly http: string;
  readonly otlpHttp: string;
  /** Milliseconds from spawn until it said that it is running. */
  readonly startedInMs: number;
  stop(): Promise<void>;
}

/**
 * Makes directories for a deployment of its own, away from any other on this machine: under the system's temporary directory, or
 * `kept`, which is left there.
 */
export function makePlace(kept?: string): Place {
  if (kept !== undefined) mkdirSync(kept, { recursive: true });
  const dir = kept ?? mkdtempSync(join(tmpdir(), 'sworn-bench-'));
  chmodSync(dir, 0o711); // as root, PostgreSQL runs under another uid and has to pass through
  return {
    dir,
    env: {
      ...process.env,
      SWORN_DATA_DIR: join(dir, 'data'),
      SWORN_KEY_DIR: join(dir, 'keys'),
      SWORN_SIGNER_STATE: join(dir, 'signer'),
      SWORN_HTTP_PORT: '0',
      SWORN_OTLP_HTTP_PORT: '0',
      SWORN_OTLP_GRPC_PORT: '0',
      SWORN_LOG_LEVEL: 'warn',
    },
    remove() {
      if (kept === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Starts `sworn serve` and waits until it says where it is. */
export async function startServer(place: Place): Promise<Server> {
  const begun = performance.now();
  const child = spawn(process.execPath, [SWORN, 'serve'], { env: place.env, stdio: ['ignore', 'pipe', 'inherit'] });
  const said = await firstWords(child);
  const startedInMs = performance.now() - begun;
  const addressAfter = (label: string): string => {
    const url = new RegExp(`${label}\\s+(https?://[^/\\s]+)`).exec(said)?.[1];
    if (url === undefined) throw new Error(`the server did not say where it is: ${said}`);
    return url;
  };
  return {
    pid: child.pid ?? 0,
    http: addressAfter('read it at'),
    otlpHttp: addressAfter('send OTLP to'),
    startedInMs,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Starts a server for the time of `work`, which is told the superuser's URL of its database. */
export async function withServer<T>(
  place: Place,
  work: (server: Server, superuserUrl: string) => Promise<T>,
): Promise<T> {
  const server = await startServer(place);
  try {
    return await work(server, await sworn(place, 'db', 'url', '--superuser'));
  } finally {
    await server.stop();
  }
}

/** Runs a `sworn` command beside the server. Resolves to what it printed. */
export async function sworn(place: Place, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [SWORN, ...args], {
    env: place.env,
    timeout: START_PATIENCE_MS,
  });
  return stdout.trim();
}

/** A command that ran to its end. */
export interface Ran {
  readonly said: string;
  /** From spawning it until it had left, the start and stop of the embedded PostgreSQL with it. */
  readonly seconds: number;
  /** Of the command and of its PostgreSQL. */
  readonly cpu: CpuTime;
}

/** Runs a `sworn` command without a server, as a user would, and times it; its progress goes to the terminal. @throws Error when it leaves with another code than 0 */
export async function timeSworn(place: Place, ...args: readonly string[]): Promise<Ran> {
  const begun = performance.now();
  const child = spawn(process.execPath, [SWORN, ...args], { env: place.env, stdio: ['ignore', 'pipe', 'inherit'] });
  let cpu: CpuTime = { serverS: 0, postgresS: 0 };
  const watch = setInterval(() => {
    const { serverS, postgresS } = measureCpu(child.pid ?? 0);
    // PostgreSQL leaves before the command does.
    cpu = { serverS: Math.max(cpu.serverS, serverS), postgresS: Math.max(cpu.postgresS, postgresS) };
  }, LOOK_EVERY_MS);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const said = await text(child.stdout);
  const code = await ended;
  clearInterval(watch);
  if (code !== 0) throw new Error(`sworn ${args.join(' ')} left with ${code}: ${said.slice(0, 1_000)}`);
  return { said, seconds: (performance.now() - begun) / 1000, cpu };
}

/** A Node process that ran to its end. */
export interface Peak {
  readonly seconds: number;
  /** The most memory that it had resident at once. */
  readonly peakMb: number;
}

/** Has a process say, as it leaves, what the kernel says of its memory. */
const SAYS_PEAK = `data:text/javascript,${encodeURIComponent(
  `import { writeFileSync } from 'node:fs';
  const file = process.env.BENCH_PEAK_FILE;
  process.on('exit', () => writeFileSync(file, String(process.resourceUsage().maxRSS)));`,
)}`;

/** Runs a script beside the server, as a user would. @throws Error when it leaves with another code than 0 */
export async function peakOf(place: Place, script: string, ...args: readonly string[]): Promise<Peak> {
  const file = join(place.dir, 'peak');
  const begun = performance.now();
  await promisify(execFile)(process.execPath, ['--import', SAYS_PEAK, script, ...args], {
    env: { ...place.env, BENCH_PEAK_FILE: file },
  });
  return { seconds: (performance.now() - begun) / 1000, peakMb: Number(readFileSync(file, 'utf8')) / 1024 };
}

/** Resolves to what the server printed, once its last line about addresses is there. */
function firstWords(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the server did not start within ${START_PATIENCE_MS / 1000} s: ${said}`));
    }, START_PATIENCE_MS);
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      said += piece;
      if (!/signing key .*\n/.test(said)) return;
      clearTimeout(timer);
      resolve(said);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the server left with ${code}: ${said}`));
    });
  });
}
