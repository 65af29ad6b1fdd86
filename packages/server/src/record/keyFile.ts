import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { chmod, link, mkdir, open, readFile, realpath, unlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

/** Bytes of every key: 256 bits, for HMAC-SHA256, AES-256-GCM and as an Ed25519 seed alike. */
export const KEY_BYTES = 32;

/** Why a key directory or file is refused. */
export type KeyRefusal = 'inside_data_directory' | 'wrong_mode' | 'wrong_owner' | 'malformed' | 'missing' | 'wrong_key';

/** A key that cannot be used as it is; `code` is for programs, the message names the file and the remedy, never key bytes. */
export class KeyRefused extends Error {
  readonly code: KeyRefusal;

  constructor(code: KeyRefusal, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Makes a private directory (0700), parents too, and checks who may enter it.
 * @throws KeyRefused when it belongs to another user or others may enter.
 */
export async function privateDirectory(dir: string): Promise<void> {
  const made = await mkdir(dir, { recursive: true, mode: 0o700 });
  // A umask can only take rights away; what mkdir made is brought to exactly 0700, what was there before is judged, not repaired.
  if (made !== undefined) {
    await chmod(dir, 0o700);
    await syncDirectory(dirname(made));
  }
  refuseExposed(dir, 'directory');
}

/**
 * A key directory must not be carried by a copy of the data directory, nor hold it.
 * @throws KeyRefused `inside_data_directory`; symbolic links are followed first.
 */
export async function refuseNested(keyDir: string, dataDir: string): Promise<void> {
  const keys = await realPathOf(keyDir);
  const data = await realPathOf(dataDir);
  if (isWithin(keys, data) || isWithin(data, keys)) {
    throw new KeyRefused(
      'inside_data_directory',
      `key directory ${keys} and data directory ${data} must lie apart: a copy of one would carry the other`,
    );
  }
}

/**
 * The key in `file`, made at random where there is none. Two processes that make the same file get the same key: the file
 * appears complete, by link(2), or not at all, and whoever comes second reads what the first one wrote.
 */
export async function readOrMakeKey(file: string, purpose: string): Promise<Buffer> {
  const present = await readKey(file, purpose);
  if (present !== null) return present;
  const draft = `${file}.${randomBytes(8).toString('hex')}.new`;
  await writeDurably(draft, keyText(purpose, randomBytes(KEY_BYTES)));
  try {
    await link(draft, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  await syncDirectory(dirname(file));
  const made = await readKey(file, purpose);
  if (made === null) throw new KeyRefused('missing', `key file ${file} vanished while it was made`);
  return made;
}

/**
 * The key in `file`, or null where there is none.
 * @throws KeyRefused when others may read it, or it is not a key of this purpose (a file moved to another key's place).
 */
export async function readKey(file: string, purpose: string): Promise<Buffer | null> {
  let text: string;
  try {
    refuseExposed(file, 'file');
    text = await readFile(file, 'latin1');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  const match = /^sworn\.key\/1 ([a-z0-9._-]{1,64}) ([0-9a-f]{64})\n$/.exec(text);
  if (match?.[1] !== purpose) throw new KeyRefused('malformed', `key file ${file} does not hold a key for ${purpose}`);
  return Buffer.from(match[2] ?? '', 'hex');
}

/**
 * Overwrites and removes a key file. On copy-on-write file systems and flash the old blocks may live on until they are
 * reused; docs/operate/keys.md says so.
 */
export async function destroyKeyFile(file: string): Promise<void> {
  try {
    const handle = await open(file, 'r+');
    try {
      const { size } = await handle.stat();
      await handle.write(randomBytes(size), 0, size, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await unlink(file);
  } catch (error) {
    // Another process destroyed it first: that is what was asked for.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await syncDirectory(dirname(file));
}

function keyText(purpose: string, key: Uint8Array): string {
  return `sworn.key/1 ${purpose} ${Buffer.from(key).toString('hex')}\n`;
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes names in a directory durable. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * @throws KeyRefused when others may read, write or enter what holds keys, or it is another user's; what the disk says when it is not there.
 */
export function refuseExposed(path: string, what: 'directory' | 'file'): void {
  const { mode, uid } = statSync(path);
  if ((mode & 0o077) !== 0) {
    const wanted = what === 'directory' ? '0700' : '0600';
    throw new KeyRefused(
      'wrong_mode',
      `key ${what} ${path} is open to others (${octal(mode)}): chmod ${wanted} ${path}, and if others were there who must not know it, replace what it holds`,
    );
  }
  refuseForeign(path, `key ${what}`, uid);
}

/** @throws KeyRefused when others may write to the signer's memory, which is believed, or it is another user's. */
export function refuseWritableMemory(path: string): void {
  const { mode, uid } = statSync(path);
  if ((mode & 0o022) !== 0)
    throw new KeyRefused(
      'wrong_mode',
      `signer memory ${path} can be written by others (${octal(mode)}): chmod go-w ${path}`,
    );
  refuseForeign(path, 'signer memory', uid);
}

function refuseForeign(path: string, what: string, uid: number): void {
  const me = process.geteuid?.();
  if (me !== undefined && uid !== me)
    throw new KeyRefused('wrong_owner', `${what} ${path} belongs to user ${uid}, not to this process (user ${me})`);
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8);
}

/** The real path of something that may not exist yet: of its nearest existing parent, plus the rest. */
async function realPathOf(path: string): Promise<string> {
  const full = resolve(path);
  try {
    return await realpath(full);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    const parent = dirname(full);
    return parent === full ? full : join(await realPathOf(parent), relative(parent, full));
  }
}

function isWithin(inner: string, outer: string): boolean {
  const way = relative(outer, inner);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
