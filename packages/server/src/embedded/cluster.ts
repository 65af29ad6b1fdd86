import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseAddress, Login } from '../store/address.js';
import { type Account, accountOf, giveTo } from './account.js';
import { prepareBinaries } from './binaries.js';
import { assertReachable, DATABASE, initialiseCluster, SUPERUSER, superuserPassword } from './initialise.js';
import { takeParentLock } from './parentLock.js';
import { arrangePlaces, SOCKET_PORT } from './places.js';
import { type Postmaster, type ServerLog, sendSignal, startPostmaster, stopServer } from './postmaster.js';
import { findDeadPid, findServer } from './pidFile.js';
import { HOST_RULES, serverSettings } from './settings.js';

/** What `startEmbedded` needs. */
export interface EmbeddedOptions {
  /** Made when missing; as root it must lie where others may pass through. */
  readonly dataDir: string;
  /** Outside the data directory: holds the superuser's password, 0600. */
  readonly secretsDir: string;
  /** Takes what PostgreSQL says, line by line; terse, without parameters. */
  readonly log: ServerLog;
}

/** The PostgreSQL that comes with Sworn, running. */
export interface EmbeddedCluster {
  /** A Unix socket; there is no TCP. */
  readonly address: DatabaseAddress;
  /** For migrations and for the owner of the data directory. */
  readonly superuser: Login;
  /** Fast shutdown; resolves when it is down and the directory is free for another process. */
  stop(): Promise<void>;
  /** Calls back with the reason when PostgreSQL ends without `stop`. */
  onExit(callback: (reason: string) => void): void;
}

/**
 * Starts PostgreSQL on `dataDir`, which is initialised on first use. A server that a killed parent left behind is shut down first.
 *
 * @throws DirectoryInUse when another living process of ours has the directory; Error that says what to do about anything else.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedCluster> {
  const places = arrangePlaces(options.dataDir);
  const lock = await takeParentLock(places.runDir, places.dataDir);
  try {
    const binaries = prepareBinaries(places.dataDir);
    const password = superuserPassword(options.secretsDir, existsSync(places.clusterDir));
    if (!existsSync(places.clusterDir)) await initialiseCluster(places, binaries, password);
    const account = accountOf(places.clusterDir);
    if (account !== null) assertReachable(places.clusterDir, account);
    const orphan = findServer(places.clusterDir);
    if (orphan !== null) await stopServer(orphan);
    clearSocketDir(places.socketDir, account);
    writeReadable(places.configFile, serverSettings(places));
    writeReadable(places.hostRulesFile, HOST_RULES);
    const { log } = options;
    const deadPid = findDeadPid(places.clusterDir);
    const postmaster = await startPostmaster({ postgres: binaries.postgres, places, account, deadPid, log });
    return {
      address: { host: places.socketDir, port: SOCKET_PORT, database: DATABASE, tls: null },
      superuser: { user: SUPERUSER, password },
      ...supervise(postmaster, () => lock.release()),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * What a dead server left of its socket goes. By its names and not deeper: the directory is the database's user's, who could turn a directory
 * in it into a link while root walks through it.
 */
function clearSocketDir(socketDir: string, account: Account | null): void {
  if (!existsSync(socketDir)) mkdirSync(socketDir, { mode: 0o700 });
  giveTo(socketDir, account);
  chmodSync(socketDir, 0o700);
  const socket = join(socketDir, `.s.PGSQL.${SOCKET_PORT}`);
  for (const path of [socket, `${socket}.lock`]) rmSync(path, { force: true });
}

/** For the database's user to read, whatever our umask. */
function writeReadable(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}

function supervise({ pid, ended }: Postmaster, release: () => void): Pick<EmbeddedCluster, 'stop' | 'onExit'> {
  let stopping = false;
  let gone = false;
  // A process that ends without `stop` (an exception nobody caught) takes the server along.
  const takeAlong = (): void => void sendSignal(pid, 'SIGINT');
  process.once('exit', takeAlong);
  void ended.then(() => {
    gone = true;
    process.off('exit', takeAlong);
  });
  return {
    async stop() {
      stopping = true;
      // The pid of one that has ended may be someone else's by now.
      if (!gone) await stopServer(pid);
      await ended;
      release();
    },
    onExit(callback) {
      void (async () => {
        const reason = await ended;
        if (!stopping) callback(reason);
      })();
    },
  };
}
