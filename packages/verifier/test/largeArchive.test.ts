import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, open, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { archiveEnd, archiveHeader, concat } from '@sworn/evidence';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ArchiveSource, openArchive, SourceFailed } from '../src/index.js';
import { fileSource } from '../src/index.node.js';
import { headersOf, looked, patched, zipped } from './zip.js';

const MEBIBYTE = 2 ** 20;
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sworn-archive-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** The source, and the most that was asked of it at once and in all. */
function measured(source: ArchiveSource): { source: ArchiveSource; asked: { most: number; all: number } } {
  const asked = { most: 0, all: 0 };
  const read: ArchiveSource['read'] = (offset, length) => {
    asked.most = Math.max(asked.most, length);
    asked.all += length;
    return source.read(offset, length);
  };
  return { source: { size: source.size, read }, asked };
}

describe('memory', () => {
  it('holds 64 KiB of a file at a time, of one of 500 MB too', async () => {
    const size = 500 * MEBIBYTE;
    let crc = 0;
    for (let at = 0; at < size; at += MEBIBYTE) crc = crc32(new Uint8Array(MEBIBYTE), crc);
    const file = { name: 'data/records/llm-runs.ndjson', size, crc32: crc };
    const path = join(dir, 'sparse.zip');
    const header = archiveHeader(file);
    await writeFile(path, header);
    await truncate(path, header.length + size);
    const handle = await open(path, 'a');
    await handle.write(archiveEnd([file]));
    await handle.close();

    const opened = await fileSource(path);
    const { source, asked } = measured(opened);
    const { entries, findings } = await openArchive(source);
    expect(findings).toEqual([]);
    expect(asked.all).toBeLessThan(1000);
    let read = 0;
    for await (const chunk of entries[0]!.chunks(() => expect.unreachable())) read += chunk.length;
    expect(read).toBe(size);
    expect(asked.most).toBe(64 * 1024);
    await opened.close();
  });

  it('is asked for by no number that an archive claims', async () => {
    const archive = await zipped([{ name: 'a', bytes: 'x' }]);
    const { centrals, end } = headersOf(archive);
    const claims = {
      'four gigabytes of file': [centrals[0]! + 24, 4, 0xffff_fffe],
      'four gigabytes of directory': [end + 12, 4, 0xffff_fffe],
      'a directory from afar': [end + 16, 4, 0xffff_fffe],
      '65,535 files': [end + 10, 2, 0xffff],
      '65,534 files': [end + 10, 2, 0xfffe],
      'a name of 65,535 bytes': [centrals[0]! + 28, 2, 0xffff],
    } as const;
    for (const [claim, put] of Object.entries(claims)) {
      const bytes = patched(archive, put);
      const { source, asked } = measured({
        size: bytes.length,
        read: async (offset, length) => {
          expect(offset >= 0 && offset + length <= bytes.length, `${claim}: ${length} bytes at ${offset}`).toBe(true);
          return bytes.slice(offset, offset + length);
        },
      });
      const { findings, entries } = await openArchive(source);
      expect(findings.length, claim).toBeGreaterThan(0);
      expect(entries).toEqual([]);
      expect(asked.most).toBeLessThanOrEqual(bytes.length);
    }
  });

  it('holds at most the largest directory that there can be', async () => {
    const names = Array.from({ length: 4096 }, (_, i) => `${'n'.repeat(195)}${String(i).padStart(5, '0')}`);
    const files = names.map((name) => ({ name, size: 0, crc32: 0 }));
    const archive = concat(...files.map(archiveHeader), archiveEnd(files));
    const { source, asked } = measured({
      size: archive.length,
      read: async (offset, length) => archive.slice(offset, offset + length),
    });
    const { findings, entries } = await openArchive(source);
    expect([findings.length, entries.length]).toEqual([0, 4096]);
    expect(asked.most).toBe(4096 * 246);
  });
});

describe('a file that cannot be looked at', () => {
  it('is no finding: it is said that nothing was learnt', async () => {
    await mkdir(join(dir, 'folder'));
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    for (const name of ['absent.zip', 'folder', 'pipe'])
      await expect(fileSource(join(dir, name)), name).rejects.toThrow(SourceFailed);
  });

  it('includes one that becomes shorter while it is read', async () => {
    const path = join(dir, 'shrinks.zip');
    const archive = await zipped([{ name: 'a', bytes: 'x'.repeat(1000) }]);
    await writeFile(path, archive);
    const source = await fileSource(path);
    const { entries } = await openArchive(source);
    await truncate(path, 500);
    await expect(entries[0]!.chunks(() => expect.unreachable()).next()).rejects.toThrow(SourceFailed);
    await expect(looked(source)).rejects.toThrow(SourceFailed);
    await source.close();
  });
});
