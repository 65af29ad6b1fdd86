import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** How long the disk takes to promise one 8 KiB page, in milliseconds: what no commit can be faster than. */
export interface FsyncLatency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const ROUNDS = 300;

/** Overwrites one page and syncs it, again and again, as `pg_test_fsync` does. */
export function measureFsync(dir: string): FsyncLatency {
  const path = join(dir, 'fsync-probe');
  const file = openSync(path, 'w');
  try {
    const page = Buffer.alloc(8192, 1);
    const took = Array.from({ length: ROUNDS }, () => {
      const begun = performance.now();
      writeSync(file, page, 0, page.length, 0);
      fdatasyncSync(file);
      return performance.now() - begun;
    }).sort((a, b) => a - b);
    return { p50Ms: took[ROUNDS / 2] ?? 0, p99Ms: took[Math.floor(ROUNDS * 0.99)] ?? 0 };
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
