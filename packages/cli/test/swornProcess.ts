import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const START = fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url));
const SWORN = fileURLToPath(new URL('../bin/sworn.mjs', import.meta.url));

/** What a command said and left with. */
export interface Said {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly out: string;
  readonly err: string;
}

/** A server of `sworn serve`, until it is stopped. */
export interface Serving {
  readonly pid: number;
  readonly http: string;
  readonly otlpHttp: string;
  readonly otlpGrpc: string;
  /** Everything on standard output until now. */
  out(): string;
  /** The same, and everything on standard error. */
  said(): string;
  /** Exit code of the process once it has ended. */
  readonly gone: Promise<number | null>;
  stop(): Promise<number | null>;
}

/** A deployment of its own, and the command to work on it. */
export interface Home {
  readonly dir: string;
  readonly dataDir: string;
  readonly keyDir: string;
  readonly signerDir: string;
  /** Starts the command, and leaves it running. */
  start(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess;
  /** `node`: another one than that of the tests. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>, node?: string): Promise<Said>;
  /** The same with a standard output that nobody reads any more. */
  runUnread(args: readonly string[]): Promise<Omit<Said, 'bytes' | 'out'>>;
  /** What `npm start` runs. */
  npmStart(): Promise<Said>;
  serve(args?: readonly string[], env?: Readonly<Record<string, string>>): Promise<Serving>;
  remove(): void;
}

/** Directories under /tmp. As root, PostgreSQL runs under another user, who must pass through. */
export function makeHome(): Home {
  const dir = mkdtempSync('/tmp/sworn-cli-');
  chmodSync(dir, 0o711);
  const own = {
    HOME: dir,
    PATH: process.env.PATH ?? '',
    SWORN_DATA_DIR: join(dir, 'data'),
    SWORN_KEY_DIR: join(dir, 'keys'),
    SWORN_SIGNER_STATE: join(dir, 'signer'),
    SWORN_HTTP_PORT: '0',
    SWORN_OTLP_HTTP_PORT: '0',
    SWORN_OTLP_GRPC_PORT: '0',
    SWORN_LOG_LEVEL: 'warn',
  };
  const start = (
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    { script = SWORN, node = process.execPath } = {},
  ): ChildProcess =>
    // Under the most open umask that a user can have.
    spawn('sh', ['-c', 'umask 0; exec "$0" "$@"', node, script, ...args], {
      env: { ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return {
    dir,
    dataDir: own.SWORN_DATA_DIR,
    keyDir: own.SWORN_KEY_DIR,
    signerDir: own.SWORN_SIGNER_STATE,
    start: (args, env) => start(args, env),
    run: (args, env = {}, node = process.execPath) => said(start(args, env, { node })),
    npmStart: () => said(start([], {}, { script: START })),
    async runUnread(args) {
      const child = start(args, {});
      child.stdout!.destroy();
      const code = new Promise<number | null>((resolve) => child.once('close', resolve));
      return { err: await text(child.stderr!), code: await code };
    },
    serve: (args = [], env = {}) => serving(start(['serve', ...args], env)),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

async function said(child: ChildProcess): Promise<Said> {
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [bytes, err] = await Promise.all([buffer(child.stdout!), text(child.stderr!)]);
  return { code: await code, bytes, out: bytes.toString('utf8'), err };
}

function serving(child: ChildProcess): Promise<Serving> {
  let out = '';
  let err = '';
  const gone = new Promise<number | null>((resolve) => child.once('close', resolve));
  const addressAfter = (label: string): string => new RegExp(`${label}\\s+(https?://[^/\\s]+)`).exec(out)?.[1] ?? '';
  child.stderr?.setEncoding('utf8').on('data', (said: string) => (err += said));
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (said: string) => {
      out += said;
      if (!/signing key .*\n/.test(out)) return;
      resolve({
        pid: child.pid!,
        http: addressAfter('read it at'),
        otlpHttp: addressAfter('send OTLP to'),
        otlpGrpc: addressAfter('or by gRPC to'),
        out: () => out,
        said: () => out + err,
        gone,
        stop() {
          child.kill('SIGTERM');
          return gone;
        },
      });
    });
    void gone.then((code) => reject(new Error(`sworn serve left with ${code}: ${err}`)));
  });
}

/** Looks every 100 ms until `look` gives something; the test's own time limit ends it. */
export async function eventually<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
