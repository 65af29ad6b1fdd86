import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

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

/** As root: passing through is all that the database's user may do in a directory of ours. */
const OUR_MODE = process.getuid?.() === 0 ? 0o711 : 0o700;

/** The number in the socket's name; nothing listens on such a port. */
export const SOCKET_PORT = 5432;

/** `sun_path` less its NUL (Linux has 108 bytes, macOS 104). A longer path is cut by Node without a word. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Makes the directories that are ours and says where everything is.
 * @throws Error when one is someone else's, or open to others' writing: as root we would write where they can put a link.
 */
export function arrangePlaces(dataDir: string): Places {
  makeDataDir(dataDir);
  const real = realpathSync(dataDir);
  const runDir = isUsable(join(real, 'run'))
    ? join(real, 'run')
    : join('/tmp', `sworn-${createHash('sha256').update(real).digest('hex').slice(0, 16)}`);
  makeRunDir(runDir);
  return {
    dataDir: real,
    clusterDir: clusterIn(real),
    runDir,
    socketDir: join(runDir, 'pg'),
    configFile: join(real, 'postgresql.conf'),
    hostRulesFile: join(real, 'pg_hba.conf'),
  };
}

/**
 * Makes a directory that is ours, with the mode that a data directory has; leaves the mode of one that was there, which may be anything,
 * down to a home.
 * @throws Error when it is someone else's, or others may write there.
 */
export function makeDataDir(dir: string): void {
  const me = process.getuid?.() ?? 0;
  if (!existsSync(dir)) {
    makeParents(dirname(dir));
    makeOpenTo(dir, OUR_MODE);
  }
  const { uid, mode } = statSync(dir);
  if (uid !== me) throw new Error(`${dir} belongs to uid ${uid}: start as that user, or choose another data directory`);
  if ((mode & 0o022) !== 0)
    throw new Error(`${dir} can be written by others: take that right away, or choose another data directory`);
}

/** Makes what is missing above a data directory, to be passed through as it is. */
function makeParents(dir: string): void {
  if (existsSync(dir)) return;
  makeParents(dirname(dir));
  makeOpenTo(dir, OUR_MODE);
}

/**
 * Makes a directory that is ours alone. Nothing is taken for granted of one that was there: its place may be one where anybody can make
 * directories and links, under a name that anybody can work out.
 */
function makeRunDir(dir: string): void {
  makeOpenTo(dir, OUR_MODE);
  const found = lstatSync(dir);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? 0) || (found.mode & 0o7777) !== OUR_MODE)
    throw new Error(`${dir} is not a directory of ours with mode ${OUR_MODE.toString(8)}: remove it`);
}

/** Makes a directory with this mode whatever our umask, unless something of its name is there. Never more open than that, not for a moment. */
function makeOpenTo(dir: string, mode: number): void {
  try {
    mkdirSync(dir, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  chmodSync(dir, mode);
}

/** Whether `dataDir` holds an embedded cluster: keys were made before it was. */
export function hasCluster(dataDir: string): boolean {
  return existsSync(clusterIn(dataDir));
}

function clusterIn(dataDir: string): string {
  return join(dataDir, 'pgdata');
}

/** A comma would end the name in PostgreSQL's list of directories. */
function isUsable(runDir: string): boolean {
  if (/[,"]/.test(runDir)) return false;
  return Buffer.byteLength(join(runDir, 'pg', `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH_BYTES;
}
