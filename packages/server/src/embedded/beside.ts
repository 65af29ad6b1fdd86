import type { DatabaseAddress, Login } from '../store/address.js';
import { DATABASE, SUPERUSER, superuserPassword } from './initialise.js';
import { lockOwner } from './parentLock.js';
import { arrangePlaces, SOCKET_PORT } from './places.js';

/** The embedded PostgreSQL of another process, to work beside it. */
export interface RunningCluster {
  readonly address: DatabaseAddress;
  readonly superuser: Login;
}

/** The cluster that a living Sworn process runs on `dataDir`; null when none does. @throws Error when its password file is missing. */
export async function findRunning(dataDir: string, secretsDir: string): Promise<RunningCluster | null> {
  const places = arrangePlaces(dataDir);
  if ((await lockOwner(places.runDir)) === null) return null;
  return {
    address: { host: places.socketDir, port: SOCKET_PORT, database: DATABASE, tls: null },
    superuser: { user: SUPERUSER, password: superuserPassword(secretsDir, true) },
  };
}
