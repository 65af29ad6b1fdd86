import { randomUUID } from 'node:crypto';
import { createReadStream, type Dir } from 'node:fs';
import { type FileHandle, link, mkdir, open, opendir, stat, statfs, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from '../record/keyFile.js';
import { isObjectName, type ObjectStore, StoreFailed, type StoredObject } from './objectStore.js';

/** What a file is called until it is whole: no name of an object begins so. */
const DRAFT = '.draft-';
/** A draft that nobody wrote to for this long has no writer any more. */
const DRAFT_LEFT_MS = 3_600_000;
/** Bytes that are read from a file at once. */
const READ_AT_ONCE = 1 << 18;

/** Where files lie, and what else needs the disk. */
export interface FileStorePlace {
  readonly root: string;
  /** Bytes of its disk that are not used up. */
  readonly reserveBytes: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Objects as files of a directory (0700, 0600), a directory a part of the name. Several processes may share it. */
export function createFileStore({ root, reserveBytes, now }: FileStorePlace): ObjectStore {
  const pathOf = (name: string): string => {
    if (!isObjectName(name)) throw new Error('not the name of an object');
    return join(root, name);
  };
  const told = <T>(doing: Promise<T>): Promise<T> =>
    doing.catch((error: unknown) => {
      throw failureOf(root, error);
    });

  /** The file appears complete, by link(2), or not at all; whoever comes second is told so. */
  async function put(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<boolean> {
    const path = pathOf(name);
    await makeDirectory(dirname(path));
    if ((await sizeOf(path)) !== null) return false;
    const { bavail, bsize } = await statfs(root);
    if (bavail * bsize < size + reserveBytes) throw fullDisk(root);
    const draft = join(root, `${DRAFT}${randomUUID()}`);
    const file = await open(draft, 'wx', 0o600);
    try {
      await writeAll(file, size, chunks);
      await link(draft, path);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    } finally {
      await file.close();
      await unlink(draft);
    }
    await syncDirectory(dirname(path));
    return true;
  }

  /** Names of directories that were made are durable too. */
  async function makeDirectory(dir: string): Promise<void> {
    const first = await mkdir(dir, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let made = dir; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
  }

  async function* read(name: string, from: number, to: number): AsyncGenerator<Uint8Array> {
    if (to <= from) return;
    const bytes = createReadStream(pathOf(name), { start: from, end: to - 1, highWaterMark: READ_AT_ONCE });
    try {
      for await (const chunk of bytes) yield chunk as Buffer;
    } catch (error) {
      throw failureOf(root, error);
    }
  }

  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    for await (const name of filesBelow(root, '')) {
      if (!name.startsWith(prefix) || !isObjectName(name)) continue;
      const found = await told(stat(join(root, name)).catch(absent));
      if (found !== null) yield { name, size: found.size, writtenAt: Math.round(found.mtimeMs) };
    }
  }

  async function sweepDrafts(): Promise<void> {
    const entries: Dir | null = await opendir(root).catch(absent);
    for await (const { name } of entries ?? []) {
      if (!name.startsWith(DRAFT)) continue;
      const draft = join(root, name);
      const found = await stat(draft).catch(absent);
      if (found !== null && now() - found.mtimeMs > DRAFT_LEFT_MS) await unlink(draft).catch(absent);
    }
  }

  return {
    put: (name, size, chunks) => told(put(name, size, chunks)),
    size: (name) => told(sizeOf(pathOf(name))),
    read,
    async remove(name) {
      const path = pathOf(name);
      const was = await told(unlink(path).catch(absent));
      if (was !== null) await told(syncDirectory(dirname(path)));
    },
    list,
    sweepDrafts: () => told(sweepDrafts()),
  };
}

async function writeAll(file: FileHandle, size: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let written = 0;
  for await (const chunk of chunks) {
    await file.writeFile(chunk);
    written += chunk.length;
  }
  if (written !== size) throw new Error(`an object of ${size} bytes was to be stored, and ${written} came`);
  await file.sync();
}

async function sizeOf(path: string): Promise<number | null> {
  const found = await stat(path).catch(absent);
  return found?.size ?? null;
}

/** Paths of the files below a directory, from it on; none where it is not there. */
async function* filesBelow(root: string, within: string): AsyncGenerator<string> {
  const entries: Dir | null = await opendir(join(root, within)).catch(absent);
  for await (const entry of entries ?? []) {
    const path = within === '' ? entry.name : `${within}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(root, path);
    else if (entry.isFile()) yield path;
  }
}

function absent(error: unknown): null {
  if (codeOf(error) === 'ENOENT') return null;
  throw error;
}

/** What the system says of a directory, for whoever has to do something about it; what it does not say is passed on as it is. */
function failureOf(root: string, error: unknown): unknown {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return fullDisk(root, error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new StoreFailed(
        'denied',
        `this process may not write to ${root} or read there: chown it to its user`,
        error,
      );
    case 'ENOENT':
      return new StoreFailed('gone', `a file in ${root} was removed while it was read`, error);
    case 'EIO':
    case 'EMFILE':
    case 'ENFILE':
      return new StoreFailed('failed', `${root}: ${(error as Error).message}`, error);
    default:
      return error;
  }
}

function fullDisk(root: string, cause?: unknown): StoreFailed {
  const detail = `the disk of ${root} has no room for it beside SWORN_DISK_RESERVE_BYTES: make some, and ask again`;
  return new StoreFailed('full', detail, cause);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
