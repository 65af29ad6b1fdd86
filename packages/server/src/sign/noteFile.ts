import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** From the end of a file; our notes have some 300 bytes. */
const TAIL_BYTES = 16 << 10;
/** How a signature line begins, byte by byte. */
const DASH = Buffer.from('\u2014 ').toString('latin1');
const SUFFIX = '.notes';

/**
 * Notes of one log in one file, oldest first, each followed by an empty line. Bytes behind the last whole note are torn: they were never confirmed,
 * and the next append cuts them off.
 */
export interface NoteFile {
  /** The newest whole note; null: none. */
  readonly newest: string | null;
  /** Durable when it resolves: written and fsynced. */
  append(note: string): Promise<void>;
  close(): Promise<void>;
}

/** Name of the file of a log: the origin, percent-encoded, so that no origin names a path. */
export function noteFileName(origin: string): string {
  return `${encodeURIComponent(origin)}${SUFFIX}`;
}

/** Origins of the logs that have a file in `dir`; none when there is no such directory. */
export async function notedOrigins(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.endsWith(SUFFIX)).map((name) => decodeURIComponent(name.slice(0, -SUFFIX.length)));
}

/** The newest whole note of a log in `dir`; null when there is none. Only looks. */
export async function newestNote(dir: string, origin: string): Promise<string | null> {
  let file: FileHandle;
  try {
    file = await open(join(dir, noteFileName(origin)), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return (await readTail(file)).newest;
  } finally {
    await file.close();
  }
}

/** Opens the file of a log in `dir`, both made when they are not there. */
export async function openNoteFile(dir: string, origin: string): Promise<NoteFile> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const file = await open(join(dir, noteFileName(origin)), 'a+', 0o600);
  try {
    const { size, newest, torn } = await readTail(file);
    return {
      newest,
      async append(note) {
        if (torn > 0) await file.truncate(size - torn);
        await file.appendFile(`${note}\n`);
        await file.sync();
        if (newest === null) await syncDirectory(dir);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readTail(file: FileHandle): Promise<{ size: number; newest: string | null; torn: number }> {
  const { size } = await file.stat();
  const length = Math.min(size, TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return { size, ...lastNote(buffer.subarray(0, bytesRead)) };
}

/** The last whole note of these bytes, and how many stand behind it. A note is a block of text and a block of signatures, each ended by an empty line. */
function lastNote(bytes: Buffer): { readonly newest: string | null; readonly torn: number } {
  const blocks = bytes.toString('latin1').split('\n\n');
  // What stands behind the last empty line is ended by nothing.
  let at = blocks.length - 2;
  while (at > 0 && blocks[at]?.startsWith(DASH) !== true) at--;
  if (at < 1) return { newest: null, torn: bytes.length };
  const torn = blocks.slice(at + 1).join('\n\n').length;
  const note = `${blocks[at - 1]}\n\n${blocks[at]}\n`;
  return { newest: Buffer.from(note, 'latin1').toString('utf8'), torn };
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  await handle.sync();
  await handle.close();
}
