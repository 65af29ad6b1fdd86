import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileServer } from '@sworn/testkit';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';

/** A process with an embedded cluster, as it describes itself once that runs. */
export interface Parent {
  readonly process: ChildProcess;
  readonly host: string;
  readonly user: string;
  readonly password: string;
  /** Pid of PostgreSQL. */
  readonly postmaster: number;
  /** Reason given to `onExit`. */
  readonly postgresEnded: Promise<string>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Whether these tests run as root. */
export const isRoot = process.getuid?.() === 0;
/** An account that every system has, to start as when the tests run as root. */
export const NOBODY = 65534;

let code: string;
/** A directory for each test, which other users may pass through. */
export let home: string;
const parents: Parent[] = [];
/** Copy of a home whose cluster was started and stopped; null until the first test asks. */
let kept: string | null = null;

/** Compiles the program, makes `home` for each test and stops what the test left running. */
export function useParents(): void {
  beforeAll(() => {
    code = compileServer('embedded', 'record', 'store');
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
  afterAll(() => {
    rmSync(code, { recursive: true, force: true });
    if (kept !== null) rmSync(kept, { recursive: true });
    kept = null;
  });

  beforeEach(() => {
    home = mkdtempSync('/tmp/sworn-home-');
    chmodSync(home, 0o711);
  });
  afterEach(async () => {
    for (const parent of parents.splice(0)) await parent.stop();
    rmSync(home, { recursive: true, force: true });
  });
}

/** The data directory of the test that runs; nothing is there at first. */
export const dataDir = (): string => join(home, 'data');
/** Its directory of keys. */
export const keyDir = (): string => join(home, 'keys');

interface StartOptions {
  readonly data?: string;
  readonly as?: number;
  readonly umask?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts Sworn's database in a process of its own, without waiting for it. */
export function spawnParent(options: StartOptions = {}): ChildProcess {
  return spawn(
    process.execPath,
    [join(code, 'parent.js'), options.data ?? dataDir(), keyDir(), String(options.umask ?? '')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: options.env ?? {},
      ...(options.as === undefined ? {} : { uid: options.as, gid: options.as }),
    },
  );
}

/** Starts Sworn's database in a process of its own. @throws Error with what it said. */
export async function start(options: StartOptions = {}): Promise<Parent> {
  const child = spawnParent(options);
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

/** Leaves a cluster in the test's home that was started and stopped before. Made once for the file: that takes seconds, a copy takes none. */
export async function startedBefore(): Promise<void> {
  const copy = (from: string, to: string): void => void execFileSync('/bin/cp', ['-a', `${from}/.`, to]);
  if (kept !== null) return copy(kept, home);
  await (await start()).stop();
  kept = mkdtempSync('/tmp/sworn-kept-');
  copy(home, kept);
}

/** Asks the superuser's question. */
export async function query(
  parent: Parent,
  text: string,
  password = parent.password,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ host: parent.host, port: 5432, database: 'sworn', user: parent.user, password });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Whether a process of this pid runs; a zombie does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Paths of all files under `dir`. */
export function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? files(path) : entry.isFile() ? [path] : [];
  });
}
