import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scramVerifier } from '../store/scram.js';
import { type Account, accountForNewCluster, blockedAt, giveTo, handOver, namedAccount } from './account.js';
import type { Binaries } from './binaries.js';
import type { Places } from './places.js';
import { SCRUBBED } from './postmaster.js';

/** The superuser's name. Used to migrate and by the owner's own hand, never by a server at work. */
export const SUPERUSER = 'postgres';
/** The one database. */
export const DATABASE = 'sworn';

/** Makes the cluster, or nothing at all: it appears under its name only when it is complete. */
export async function initialiseCluster(places: Places, binaries: Binaries, password: string): Promise<void> {
  const account = accountForNewCluster();
  const maker = account === null ? null : namedAccount(account);
  const draft = `${places.clusterDir}.new`;
  const verifierFile = join(places.runDir, 'verifier');
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  for (const who of [account, maker]) if (who !== null) assertReachable(draft, who);
  giveTo(draft, maker);
  // initdb puts what it reads into `ALTER USER … PASSWORD`, which takes a verifier as well: the password itself stays with us.
  rmSync(verifierFile, { force: true });
  writeFileSync(verifierFile, `${scramVerifier(password)}\n`, { mode: 0o600, flag: 'wx' });
  giveTo(verifierFile, maker);
  try {
    await run(binaries.initdb, [...INITDB_OPTIONS, `--pwfile=${verifierFile}`, '-D', draft], maker);
    await run(binaries.postgres, ['--single', '-D', draft, 'postgres'], maker, `create database ${DATABASE}\n`);
    if (account !== null) handOver(draft, account);
    renameSync(draft, places.clusterDir);
  } finally {
    rmSync(verifierFile, { force: true });
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
 * @throws Error when the cluster is there and the file is not: a new password would open nothing.
 */
export function superuserPassword(secretsDir: string, clusterExists: boolean): string {
  const file = join(secretsDir, 'postgres-superuser');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  if (clusterExists)
    throw new Error(
      `${file} is missing, and with it the way into the database: restore it from your backup of the keys`,
    );
  mkdirSync(secretsDir, { recursive: true, mode: 0o700 });
  const password = randomBytes(32).toString('base64url');
  writeFileSync(file, `${password}\n`, { mode: 0o600, flag: 'wx' });
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
