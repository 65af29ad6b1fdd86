import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { refuseExposed } from '../record/keyFile.js';
import { scramVerifier } from '../store/scram.js';
import { type Account, accountForNewCluster, blockedAt, giveTo, handOver, initdbAccount } from './account.js';
import type { Binaries } from './binaries.js';
import type { Places } from './places.js';
import { SCRUBBED } from './postmaster.js';

/** The superuser's name. Used to migrate and by the owner's own hand, never by a server at work. */
export const SUPERUSER = 'postgres';
/** The one database. */
export const DATABASE = 'sworn';

/**
 * Makes the cluster, or nothing at all: it appears under its name only when it is complete. Each attempt has a directory of its own, since
 * the programs of one whose parent was killed go on writing into theirs.
 *
 * As root, what initdb makes belongs for a while to an account that other processes run as too, and root then walks through it: it lies in a
 * shelter that none of them can enter.
 */
export async function initialiseCluster(places: Places, binaries: Binaries, password: string): Promise<void> {
  const account = accountForNewCluster();
  const maker = account === null ? null : initdbAccount(account);
  for (const who of [account, maker]) if (who !== null) assertReachable(places.clusterDir, who);
  removeDrafts(places.clusterDir);
  const shelter = `${places.clusterDir}.new.${randomBytes(4).toString('hex')}`;
  const draft = join(shelter, 'pgdata');
  const verifierFile = join(shelter, 'verifier');
  mkdirSync(shelter, { mode: 0o700 });
  mkdirSync(draft, { mode: 0o700 });
  giveTo(draft, maker);
  // initdb puts what it reads into `ALTER USER … PASSWORD`, which takes a verifier as well: the password itself stays with us.
  writeFileSync(verifierFile, `${scramVerifier(password)}\n`, { mode: 0o600, flag: 'wx' });
  giveTo(verifierFile, maker);
  if (maker !== null) {
    chownSync(shelter, 0, maker.gid);
    chmodSync(shelter, 0o710);
  }
  await run(binaries.initdb, [...INITDB_OPTIONS, `--pwfile=${verifierFile}`, '-D', draft], maker);
  await run(binaries.postgres, ['--single', '-D', draft, 'postgres'], maker, `create database ${DATABASE}\n`);
  // Shut before the first file has its new owner, who may run elsewhere too.
  chmodSync(shelter, 0o700);
  if (account !== null) handOver(draft, account);
  renameSync(draft, places.clusterDir);
  rmSync(verifierFile);
  rmdirSync(shelter);
}

/** What is still being written into cannot be removed; the next cluster that is made here, or a person, will. */
function removeDrafts(clusterDir: string): void {
  const dir = dirname(clusterDir);
  for (const name of readdirSync(dir)) {
    if (!name.startsWith(`${basename(clusterDir)}.new`)) continue;
    const shelter = join(dir, name);
    // In a directory of someone else's, a path may lead elsewhere by the time it is removed.
    if (lstatSync(shelter).uid !== process.getuid?.()) continue;
    try {
      rmSync(shelter, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    }
  }
}

const INITDB_OPTIONS = [
  `--username=${SUPERUSER}`,
  '--auth=scram-sha-256',
  '--data-checksums',
  '--encoding=UTF8',
  // Orders text by code point on every machine: an index must not depend on the system's libraries.
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--no-instructions',
];

/** @throws Error that names the directory `who` may not pass through. */
export function assertReachable(path: string, who: Account): void {
  const blocked = blockedAt(path, who);
  if (blocked !== null) {
    throw new Error(
      `started as root, PostgreSQL runs as uid ${who.uid}, which may not enter ${blocked}: choose another data directory (the default is /var/lib/sworn)`,
    );
  }
}

/**
 * The superuser's password, from a file that only we may read; made on first use.
 * @throws Error when the cluster is there and the file is not: a new password would open nothing; KeyRefused when others may read it.
 */
export function superuserPassword(secretsDir: string, clusterExists: boolean): string {
  const file = join(secretsDir, 'postgres-superuser');
  if (existsSync(file)) return readPassword(file);
  if (clusterExists)
    throw new Error(
      `${file} is missing, and with it the way into the database: restore it from your backup of the keys`,
    );
  mkdirSync(secretsDir, { recursive: true, mode: 0o700 });
  // Whole and on the disk before a cluster is made with it: half of it, or nothing, would be a password too.
  const draft = `${file}.new`;
  rmSync(draft, { force: true });
  const fd = openSync(draft, 'wx', 0o600);
  writeFileSync(fd, `${randomBytes(32).toString('base64url')}\n`);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(draft, file);
  const dir = openSync(secretsDir, 'r');
  fsyncSync(dir);
  closeSync(dir);
  return readPassword(file);
}

function readPassword(file: string): string {
  refuseExposed(file, 'file');
  const password = readFileSync(file, 'utf8').trim();
  if (!/^[A-Za-z0-9_-]{43}$/.test(password))
    throw new Error(`${file} does not hold the password: restore it from your backup of the keys`);
  return password;
}

function run(program: string, args: readonly string[], account: Account | null, input = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env: SCRUBBED, cwd: '/', ...(account ?? {}) }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`${program} failed: ${stderr.trim() || error.message}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
