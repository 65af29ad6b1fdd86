import { linkSync, rmSync, statSync } from 'node:fs';
import { type Server, createConnection, createServer } from 'node:net';
import { join } from 'node:path';

/** Milliseconds a living process has to say who it is. */
const ANSWER_TIMEOUT_MS = 2_000;

/** Held while a Sworn process uses a data directory. */
export interface ParentLock {
  release(): void;
}

/**
 * Takes the data directory for this process, by a lock in `socketDir`. The lock is a listening socket that answers with its owner's pid: when the owner dies, however it
 * dies, nobody listens any more, and no pid that was given to another process meanwhile can look like a living owner.
 *
 * @throws DirectoryInUse when another process holds it.
 */
export async function takeParentLock(socketDir: string, dataDir: string): Promise<ParentLock> {
  const path = join(socketDir, 'sworn.lock');
  const own = join(socketDir, `sworn.${process.pid}`);
  rmSync(own, { force: true });
  const server = await listen(own);
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        // A link, because binding has no "unless it exists" that also survives a dead owner's file.
        linkSync(own, path);
        rmSync(own);
        return {
          release() {
            rmSync(path, { force: true });
            server.close();
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      await clearDeadLock(path, dataDir);
    }
    throw new Error(`could not take ${path}`);
  } catch (error) {
    server.close();
    rmSync(own, { force: true });
    throw error;
  }
}

/** Pid of the living process that holds the directory; null when none does. */
export function lockOwner(socketDir: string): Promise<number | null> {
  return askOwner(join(socketDir, 'sworn.lock'));
}

/** What is said of a data directory that another process has. @public by `scripts/start.mjs` */
export function inUse(dataDir: string, pid: number): string {
  return `the data directory ${dataDir} is in use by the Sworn process with pid ${pid}: stop that one, or choose another with SWORN_DATA_DIR`;
}

/** Another Sworn process uses the data directory. */
class DirectoryInUse extends Error {
  override readonly name = 'DirectoryInUse';
  readonly pid: number;

  constructor(pid: number, dataDir: string) {
    super(inUse(dataDir, pid));
    this.pid = pid;
  }
}

async function clearDeadLock(path: string, dataDir: string): Promise<void> {
  const before = inode(path);
  const pid = await askOwner(path);
  if (pid !== null) throw new DirectoryInUse(pid, dataDir);
  if (before !== null && inode(path) === before) rmSync(path, { force: true });
}

function inode(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/** The owner's pid; null when nobody listens. */
function askOwner(path: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let answer = '';
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error(`whoever holds ${path} does not answer`)));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('end', () => resolve(Number(answer)));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? resolve(null) : reject(error),
    );
  });
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(String(process.pid));
    });
    server.once('error', reject);
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}
