import { lchownSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A user and group that PostgreSQL runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Used when root starts Sworn and there is no account `sworn`: a number that neither distributions nor systemd give to anyone (60706 to
 * 61183 are unused), and below 65536, so that it exists inside a container's user namespace too.
 */
const NUMBERED: Account = { uid: 60924, gid: 60924 };

/** Whom a new cluster belongs to; null: the user who started us. PostgreSQL refuses to run as root. */
export function accountForNewCluster(): Account | null {
  if (process.getuid?.() !== 0) return null;
  return accountNamed('sworn') ?? NUMBERED;
}

/** Whom an existing cluster belongs to; null: the user who started us. */
export function accountOf(clusterDir: string): Account | null {
  const { uid, gid } = statSync(clusterDir);
  if (uid === 0) throw new Error(`${clusterDir} belongs to root, and PostgreSQL refuses to run as root`);
  return uid === process.getuid?.() ? null : { uid, gid };
}

/**
 * Whom initdb runs as. It insists that its user has a name, which a bare number has not; it then runs as an account that always exists, and
 * what it made is handed over. Always with a group that no process of that user has: a directory that only this group may pass through keeps
 * them out, and the kernel lets a process of another group neither trace it nor look through its descriptors.
 */
export function initdbAccount(account: Account): Account {
  if (readPasswd().some((entry) => entry.uid === account.uid)) return { uid: account.uid, gid: NUMBERED.gid };
  const nobody = accountNamed('nobody');
  if (nobody === null)
    throw new Error(
      'started as root on a system without an account `sworn` or `nobody`: create one, or start as another user',
    );
  return { uid: nobody.uid, gid: NUMBERED.gid };
}

/** Gives a whole tree to `account`. Goes by paths: the caller sees to it that nobody else can get into the tree. */
export function handOver(path: string, account: Account): void {
  lchownSync(path, account.uid, account.gid);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) handOver(join(path, entry.name), account);
    else lchownSync(join(path, entry.name), account.uid, account.gid);
  }
}

/** Gives one file or directory to `account`, unless it is ours anyway. Goes by the path: only for what lies in a directory of ours. */
export function giveTo(path: string, account: Account | null): void {
  if (account !== null) lchownSync(path, account.uid, account.gid);
}

/** The first directory above `path` that `account` may not pass through; null when the way is free. */
export function blockedAt(path: string, account: Account): string | null {
  let blocked: string | null = null;
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    const { uid, gid, mode } = statSync(dir);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) blocked = dir;
    if (dir === dirname(dir)) return blocked;
  }
}

function accountNamed(name: string): Account | null {
  return readPasswd().find((entry) => entry.name === name && entry.uid !== 0) ?? null;
}

function readPasswd(): (Account & { readonly name: string })[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map((fields) => ({ name: fields[0] ?? '', uid: Number(fields[2]), gid: Number(fields[3]) }));
}
