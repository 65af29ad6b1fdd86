import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Where the parts of an embedded cluster lie. */
export interface Places {
  readonly dataDir: string;
  /** PostgreSQL's own directory. */
  readonly clusterDir: string;
  /** Ours alone: the lock. The database's user may only pass through. */
  readonly runDir: string;
  /** The database's user's alone: its socket. */
  readonly socketDir: string;
  /** Ours to write, the database's user's to read: a file in its own directory it could turn into a link to anywhere. */
  readonly configFile: string;
  readonly hostRulesFile: string;
}

/** The number in the socket's name; nothing listens on such a port. */
export const SOCKET_PORT = 5432;

/** `sun_path` less its NUL (Linux has 108 bytes, macOS 104). A longer path is cut by Node without a word. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/** Makes the directories that are ours and says where everything is. @throws Error when the short directory under /tmp is someone else's. */
export function arrangePlaces(dataDir: string): Places {
  const isRoot = process.getuid?.() === 0;
  // Passing through is all that the database's user may do here.
  const mode = isRoot ? 0o711 : 0o700;
  mkdirSync(dataDir, { recursive: true, mode });
  if (isRoot) chmodSync(dataDir, mode);
  const real = realpathSync(dataDir);
  const runDir = isUsable(join(real, 'run'))
    ? join(real, 'run')
    : join('/tmp', `sworn-${createHash('sha256').update(real).digest('hex').slice(0, 16)}`);
  mkdirSync(runDir, { recursive: true, mode });
  // /tmp is everyone's: whoever knows the name could have made it first.
  const found = lstatSync(runDir);
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new Error(`${runDir} is not ours: remove it, or choose a data directory with a shorter path`);
  chmodSync(runDir, mode);
  return {
    dataDir: real,
    clusterDir: join(real, 'pgdata'),
    runDir,
    socketDir: join(runDir, 'pg'),
    configFile: join(real, 'postgresql.conf'),
    hostRulesFile: join(real, 'pg_hba.conf'),
  };
}

/** A comma would end the name in PostgreSQL's list of directories. */
function isUsable(runDir: string): boolean {
  if (/[,"]/.test(runDir)) return false;
  return Buffer.byteLength(join(runDir, 'pg', `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH_BYTES;
}
