import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type ArchiveSource, SourceFailed, whole } from './source.js';

/** A file that is open for reading until it is closed. */
export interface FileSource extends ArchiveSource {
  close(): Promise<void>;
}

/**
 * Opens a regular file, for reading alone. Its size is that of now; if it becomes shorter, reading fails.
 * @throws SourceFailed if it is not there, may not be read, or is a folder, a pipe or a device
 */
export async function fileSource(path: string): Promise<FileSource> {
  // Opening a pipe would otherwise wait for somebody to write to it.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
    throw failed(path, error);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new SourceFailed(`${path} is not a file`);
    return {
      size: stat.size,
      read: (offset, length) => readAt(handle, path, { offset, length }),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw failed(path, error);
  }
}

async function readAt(
  handle: FileHandle,
  path: string,
  { offset, length }: { offset: number; length: number },
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled).catch((error: unknown) => {
      throw failed(path, error);
    });
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return whole(bytes.subarray(0, filled), length);
}

function failed(path: string, error: unknown): SourceFailed {
  if (error instanceof SourceFailed) return error;
  return new SourceFailed(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, {
    cause: error,
  });
}
