import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { DatabaseAddress, Login } from '../store/address.js';
import { accountOf, giveTo } from './account.js';
import { prepareBinaries } from './binaries.js';
import { assertReachable, DATABASE, initialiseCluster, SUPERUSER, superuserPassword } from './initialise.js';
import { takeParentLock } from './parentLock.js';
import { arrangePlaces, SOCKET_PORT } from './places.js';
import { findOrphan, type ServerLog, startPostmaster, stopServer } from './postmaster.js';
import { HOST_RULES, serverSettings } from './settings.js';

export { DirectoryInUse } from './parentLock.js';

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
  const lock = await takeParentLock(places.runDir);
  try {
    const binaries = prepareBinaries(places.dataDir);
    const password = superuserPassword(options.secretsDir, existsSync(places.clusterDir));
    if (!existsSync(places.clusterDir)) await initialiseCluster(places, binaries, password);
    const account = accountOf(places.clusterDir);
    if (account !== null) assertReachable(places.clusterDir, account);
    const orphan = findOrphan(places.clusterDir);
    if (orphan !== null) await stopServer(orphan);
    mkdirSync(places.socketDir, { recursive: true, mode: 0o700 });
    giveTo(places.socketDir, account);
    writeFileSync(places.configFile, serverSettings(places), { mode: 0o644 });
    writeFileSync(places.hostRulesFile, HOST_RULES, { mode: 0o644 });
    const postmaster = await startPostmaster(binaries.postgres, places, account, options.log);
    return running(postmaster);

    function running({ pid, ended }: { pid: number; ended: Promise<string> }): EmbeddedCluster {
      let stopping = false;
      // A parent that ends without stopping us (an exception nobody caught) takes the server along.
      const onProcessExit = (): void => void process.kill(pid, 'SIGINT');
      process.once('exit', onProcessExit);
      void ended.then(() => process.off('exit', onProcessExit));
      return {
        address: { host: places.socketDir, port: SOCKET_PORT, database: DATABASE, tls: null },
        superuser: { user: SUPERUSER, password },
        async stop() {
          stopping = true;
          await stopServer(pid);
          await ended;
          lock.release();
        },
        onExit(callback) {
          void ended.then((reason) => {
            if (!stopping) callback(reason);
          });
        },
      };
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}
