import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Who may send to and read from the tenant that the first start made. */
export interface IssuedAccess {
  readonly tenantId: string;
  readonly ingestKey: string;
  readonly readerKey: string;
}

/** How to reach a database as its superuser. */
export interface SuperuserPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** What a server says once it serves. */
export interface ServerPlace {
  /** Base URLs. */
  readonly http: string;
  readonly otlpHttp: string;
  readonly deploymentId: string;
  /** Null: not embedded. */
  readonly database: SuperuserPlace | null;
  /** Null: it was told a tenant. */
  readonly issued: IssuedAccess | null;
}

/** A server in a process of its own. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when it serves; rejects with its last words when it ended before. */
  readonly ready: Promise<ServerPlace>;
  /** Resolves when the process is gone, with its exit code, or null when a signal ended it. */
  readonly gone: Promise<number | null>;
  /** What it logged until now, by line. */
  readonly said: readonly string[];
  /** SIGKILL. Its PostgreSQL lives on until the next start. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
}

/** Directories that servers are started on, one after another. */
export interface ServerHome {
  readonly keyDir: string;
  readonly signerDir: string;
  /** Starts a server with these settings beside the home's own. */
  start(env?: Readonly<Record<string, string>>): ServerProcess;
  /** SIGKILL to the embedded PostgreSQL's first process; false when none runs. */
  killPostgres(): boolean;
  /** Kills what is left and removes the directories. */
  close(): Promise<void>;
}

const CHILD = fileURLToPath(new URL('../dist/server.child.js', import.meta.url));
/** Lines of a server's log that are kept. */
const LINES_KEPT = 2_000;

/** A new home under /tmp. As root, PostgreSQL runs under another user, who must pass through. */
export function serverHome(): ServerHome {
  const dir = mkdtempSync('/tmp/sworn-fault-');
  chmodSync(dir, 0o711);
  const clusterDir = join(dir, 'data', 'pgdata');
  const own = {
    HOME: dir,
    PATH: process.env['PATH'] ?? '',
    SWORN_DATA_DIR: join(dir, 'data'),
    SWORN_KEY_DIR: join(dir, 'keys'),
    SWORN_SIGNER_STATE: join(dir, 'signer'),
    SWORN_HTTP_PORT: '0',
    SWORN_OTLP_HTTP_PORT: '0',
    SWORN_OTLP_GRPC_PORT: '0',
    SWORN_LOG_LEVEL: 'warn',
  };
  const started: ServerProcess[] = [];
  return {
    keyDir: own.SWORN_KEY_DIR,
    signerDir: own.SWORN_SIGNER_STATE,
    start(env = {}) {
      const server = startServer({ ...own, ...env });
      started.push(server);
      return server;
    },
    killPostgres: () => killPostmaster(clusterDir),
    async close() {
      await Promise.all(started.map((server) => server.kill()));
      killPostmaster(clusterDir);
      rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

function startServer(env: Readonly<Record<string, string>>): ServerProcess {
  const child = spawn(process.execPath, [CHILD], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    if (said.length > LINES_KEPT) said.shift();
  });
  const gone = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const ready = new Promise<ServerPlace>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as ServerPlace));
    void gone.then((code) => reject(new Error(`the server ended (${code}): ${said.slice(-30).join('\n')}`)));
  });
  ready.catch(() => undefined);
  return {
    pid: pidOf(child),
    ready,
    gone,
    said,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    stop() {
      child.kill('SIGTERM');
      return gone;
    },
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('no process was started');
  return child.pid;
}

/** The pid stands in a file that outlives its process, so it is believed only of one that runs in this very directory. */
function killPostmaster(clusterDir: string): boolean {
  try {
    const pid = Number(readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
    if (readlinkSync(`/proc/${pid}/cwd`) !== realpathSync(clusterDir)) return false;
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
