import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file of mode 0600: the old content or the new one, whatever happens meanwhile. Durable when it returns. */
export function writeDurably(path: string, bytes: Uint8Array | string): void {
  const next = `${path}.${process.pid}`;
  const fd = openSync(next, 'w', 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, path);
  const dir = openSync(dirname(path), 'r');
  fsyncSync(dir);
  closeSync(dir);
}
