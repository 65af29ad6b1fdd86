import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseAddress, Login } from '../store/address.js';
import { DATABASE, SUPERUSER, superuserPassword } from './initialise.js';
import { lockOwner } from './parentLock.js';
import { findServer, isReady } from './pidFile.js';
import { arrangePlaces, SOCKET_PORT } from './places.js';

/** Milliseconds that a process which has just started may take until its PostgreSQL accepts connections; a first start is included. */
const START_TIMEOUT_MS = 30_000;
/** Milliseconds between two looks. */
const POLL_MS = 50;

/** The embedded PostgreSQL of another process, to work beside it. */
export interface RunningCluster {
  readonly address: DatabaseAddress;
  readonly superuser: Login;
}

/**
 * The cluster that a living Sworn process runs on `dataDir`; null when none does. One that is still starting is waited for.
 * @throws Error when its password file is missing, or when it does not become ready.
 */
export async function findRunning(dataDir: string, secretsDir: string): Promise<RunningCluster | null> {
  const places = arrangePlaces(dataDir);
  const until = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const owner = await lockOwner(places.runDir);
    if (owner === null) return null;
    const server = findServer(places.clusterDir);
    if (server !== null && isReady(places.clusterDir, server)) break;
    if (performance.now() > until)
      throw new Error(`the Sworn process with pid ${owner} is starting or stopping its database: try again`);
    await sleep(POLL_MS);
  }
  return {
    address: { host: places.socketDir, port: SOCKET_PORT, database: DATABASE, tls: null },
    superuser: { user: SUPERUSER, password: superuserPassword(secretsDir, true) },
  };
}
