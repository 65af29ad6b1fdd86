import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SWORN = fileURLToPath(new URL('../../packages/cli/bin/sworn.mjs', import.meta.url));

/** A first start initialises a cluster; a machine under load takes its time. */
const START_PATIENCE_MS = 60_000;

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

/** Runs a `sworn` command beside the server. Resolves to what it printed. */
export async function sworn(place: Place, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [SWORN, ...args], {
    env: place.env,
    timeout: START_PATIENCE_MS,
  });
  return stdout.trim();
}

/** Resolves to what the server printed, once its last line about addresses is there. */
function firstWords(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the server did not start within ${START_PATIENCE_MS / 1000} s: ${said}`));
    }, START_PATIENCE_MS);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
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
