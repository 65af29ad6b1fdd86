import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createFileStore } from '../src/export/fileStore.js';
import { bytesOf, itIsAnObjectStore, namesIn, pieces } from './objectStoreContract.js';

const base = mkdtempSync(join(tmpdir(), 'sworn-files-'));
let opened = 0;
const newRoot = () => join(base, String(opened++), 'kept');
const storeIn = (root: string, now = Date.now, reserveBytes = 0) => createFileStore({ root, reserveBytes, now });
const disk = smallDisk();

afterAll(() => {
  if (disk !== null) {
    execFileSync('umount', [disk]);
    rmdirSync(disk);
  }
  rmSync(base, { recursive: true });
});

/** A disk of 1 MiB; null where who runs this may not make one. */
function smallDisk(): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'sworn-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'ignore' });
    return dir;
  } catch {
    rmdirSync(dir);
    process.stderr.write('skipped: who runs this may mount no small disk\n');
    return null;
  }
}

describe('a store of files', () => {
  itIsAnObjectStore(async () => storeIn(newRoot()));

  it('is for its user alone', async () => {
    const root = newRoot();
    await storeIn(root).put('a/b', 1, pieces(Buffer.from('x')));
    const modeOf = (...path: string[]) => statSync(join(root, ...path)).mode & 0o777;
    expect([modeOf(), modeOf('a'), modeOf('a', 'b')]).toEqual([0o700, 0o700, 0o600]);
  });

  it('has nothing readable of a writer that was killed, and frees what it left once that is an hour old', async () => {
    const root = newRoot();
    const writer = spawn(process.execPath, ['--input-type=module', '--eval', WRITES_AND_WAITS, root]);
    await once(writer.stdout, 'data');
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const drafts = () => readdirSync(root).filter((name) => name.startsWith('.draft-'));
    expect(drafts()).toHaveLength(1);
    let now = Date.now();
    const store = storeIn(root, () => now);
    expect([await namesIn(store), await store.size('half')]).toEqual([[], null]);
    await store.sweepDrafts();
    expect(drafts()).toHaveLength(1);
    now += 3_700_000;
    await store.sweepDrafts();
    expect(drafts()).toEqual([]);
  });

  it.skipIf(disk === null)(
    'tells that a disk is full, and where; what was there stays, and what is small still fits',
    async () => {
      const store = storeIn(join(disk ?? '', 'kept'));
      await store.put('first', 3, pieces(Buffer.from('one')));
      const full = {
        name: 'StoreFailed',
        code: 'full',
        message: expect.stringContaining(join(disk ?? '', 'kept')) as string,
      };
      const large = Buffer.alloc(2 << 20);
      await expect(store.put('large', large.length, pieces(large))).rejects.toMatchObject(full);
      // Somebody else takes the room while it is written.
      const meanwhile = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(100_000);
        writeFileSync(join(disk ?? '', 'ballast'), Buffer.alloc(600_000));
        yield Buffer.alloc(500_000);
      };
      await expect(store.put('large', 600_000, meanwhile())).rejects.toMatchObject(full);
      expect(readdirSync(join(disk ?? '', 'kept'))).toEqual(['first']);
      expect(await store.put('second', 3, pieces(Buffer.from('two')))).toBe(true);
      expect(String(await bytesOf(store.read('first', 0, 3)))).toBe('one');
    },
  );
});

const WRITES_AND_WAITS = `
import { createFileStore } from ${JSON.stringify(new URL('../dist/export/fileStore.js', import.meta.url).href)};
async function* chunks() {
  yield Buffer.alloc(500_000);
  yield Buffer.alloc(500_000);
  process.stdout.write('half');
  await new Promise(() => setInterval(() => undefined, 1_000));
}
await createFileStore({ root: process.argv[1], reserveBytes: 0, now: Date.now }).put('half', 2_000_000, chunks());
`;
