import { readFileSync } from 'node:fs';
import { concat, utf8 } from '@sworn/evidence';
import { describe, expect, it } from 'vitest';
import { ARCHIVE_CODES, type ArchiveCode, bytesSource, openArchive } from '../src/index.js';
import { type File, headersOf, looked, patched, renamed, zipped } from './zip.js';

const FILES: readonly File[] = [
  { name: 'a.txt', bytes: 'one' },
  { name: 'b/c.txt', bytes: 'two' },
];
const NAMED = (name: string): readonly File[] => [{ name, bytes: 'x' }];
/** One file called `from`, whose name is then another in both headers. */
const called = async (name: string): Promise<Uint8Array> => {
  const from = 'n'.repeat(name.length);
  return renamed(await zipped(NAMED(from)), from, name);
};
const both = async (central: number, local: number, width: 2 | 4, value: number): Promise<Uint8Array> => {
  const archive = await zipped(FILES);
  const { centrals, locals } = headersOf(archive);
  return patched(archive, [centrals[0]! + central, width, value], [locals[0]! + local, width, value]);
};
const central = async (at: number, width: 2 | 4, value: number): Promise<Uint8Array> => {
  const archive = await zipped(FILES);
  return patched(archive, [headersOf(archive).centrals[0]! + at, width, value]);
};
const local = async (at: number, width: 1 | 2 | 4, value: number): Promise<Uint8Array> => {
  const archive = await zipped(FILES);
  return patched(archive, [headersOf(archive).locals[0]! + at, width, value]);
};
const end = async (...puts: readonly (readonly [number, 2 | 4, number])[]): Promise<Uint8Array> => {
  const archive = await zipped(FILES);
  return patched(archive, ...puts.map(([at, width, value]) => [headersOf(archive).end + at, width, value] as const));
};
/** Bytes put in before the one at `at`, and the numbers that depend on it moved. */
const spliced = async (bytes: Uint8Array, place: (archive: Uint8Array) => number): Promise<Uint8Array> => {
  const archive = await zipped(FILES);
  const at = place(archive);
  const longer = concat(archive.subarray(0, at), bytes, archive.subarray(at));
  const view = new DataView(longer.buffer);
  const endAt = longer.length - 22;
  const moved = (field: number): void => {
    const value = view.getUint32(field, true);
    if (value >= at) view.setUint32(field, value + bytes.length, true);
  };
  moved(endAt + 16);
  for (const header of headersOf(archive).centrals) moved(header + (header >= at ? bytes.length : 0) + 42);
  return longer;
};

const commented = (name: string): File => ({ name, bytes: '', options: { fileComment: 'c'.repeat(60_000) } });

interface Attack {
  readonly what: string;
  readonly archive: () => Promise<Uint8Array>;
  /** Every code that it gives, if there are others too. */
  readonly codes?: readonly ArchiveCode[];
}

/** For every rule at least one archive that breaks it. */
const ATTACKS: Record<ArchiveCode, readonly Attack[]> = {
  ARCHIVE_NOT_A_ZIP: [
    { what: 'nothing', archive: async () => new Uint8Array(0) },
    { what: 'text', archive: async () => utf8('not an archive at all, but long enough to be looked at') },
    { what: 'one that is cut', archive: async () => (await zipped(FILES)).slice(0, -30) },
  ],
  ARCHIVE_TOO_LARGE: [],
  ARCHIVE_TOO_MANY: [
    {
      what: '4,097 files',
      archive: () =>
        zipped(Array.from({ length: 4097 }, (_, i) => ({ name: `f${String(i).padStart(5, '0')}`, bytes: '' }))),
    },
    { what: '65,534 claimed', archive: () => end([8, 2, 65_534], [10, 2, 65_534]) },
  ],
  ARCHIVE_EMPTY: [{ what: 'no file', archive: () => zipped([]) }],
  ARCHIVE_ZIP64: [
    {
      what: 'a ZIP64 end',
      archive: () => zipped(FILES, { forceZip64Format: true, comment: '' }),
    },
    {
      what: 'a ZIP64 file',
      archive: () => zipped([{ ...FILES[0]!, options: { forceZip64Format: true } }]),
      codes: ['ARCHIVE_VERSION', 'ARCHIVE_EXTRA_FIELD', 'ARCHIVE_ZIP64', 'ARCHIVE_PREFIX', 'ARCHIVE_OVERLAP'],
    },
    { what: '65,535 files claimed', archive: () => end([8, 2, 0xffff], [10, 2, 0xffff]) },
    {
      what: 'its locator, and an end that says otherwise',
      archive: () => spliced(concat(Uint8Array.of(0x50, 0x4b, 6, 7), new Uint8Array(16)), (zip) => zip.length - 22),
    },
  ],
  ARCHIVE_DISKS: [
    { what: 'the second disk', archive: () => end([4, 2, 1]) },
    { what: 'a directory on another disk', archive: () => end([6, 2, 1]) },
    { what: 'a file on another disk', archive: () => central(34, 2, 1) },
  ],
  ARCHIVE_COMMENT: [
    { what: 'a comment', archive: () => zipped(FILES, { comment: 'hello', forceZip64Format: false }) },
    { what: 'a comment that is not there', archive: () => end([20, 2, 5]) },
    {
      what: 'a comment of a file',
      archive: () => zipped([{ ...FILES[0]!, options: { fileComment: 'hello' } }]),
    },
  ],
  ARCHIVE_TRAILING: [
    { what: 'a line after it', archive: async () => concat(await zipped(FILES), utf8('\n')) },
    {
      what: 'another archive before it whose end is taken',
      archive: async () => concat(await zipped(FILES), utf8('x'.repeat(60_000))),
    },
  ],
  ARCHIVE_PREFIX: [
    { what: 'a program before it', archive: async () => concat(utf8('#!/bin/sh\nexit\n'), await zipped(FILES)) },
    { what: 'a program before it, offsets moved', archive: () => spliced(utf8('MZ'), () => 0) },
    { what: 'an archive before it', archive: async () => concat(await zipped(NAMED('z')), await zipped(FILES)) },
  ],
  ARCHIVE_DIRECTORY: [
    { what: 'a directory of four gigabytes', archive: () => end([12, 4, 0xffff_fffe]) },
    {
      what: 'a directory of nothing but comments',
      archive: () => zipped(Array.from({ length: 17 }, (_, i) => commented(`f${String(i).padStart(2, '0')}`))),
    },
    { what: 'a directory beyond the end', archive: () => end([16, 4, 0x7fff_ffff]) },
    { what: 'a file more than there is', archive: () => end([8, 2, 3], [10, 2, 3]) },
    { what: 'a name that goes beyond it', archive: () => central(28, 2, 0xffff) },
    { what: 'a header that is none', archive: () => central(0, 4, 0) },
  ],
  ARCHIVE_COUNT: [
    { what: 'a file less than there is', archive: () => end([8, 2, 1], [10, 2, 1]) },
    { what: 'other numbers on this disk and in all', archive: () => end([8, 2, 1]) },
  ],
  ARCHIVE_GAP: [
    { what: 'bytes between files', archive: () => spliced(utf8('hidden'), (zip) => headersOf(zip).locals[1]!) },
    {
      what: 'bytes before the directory',
      archive: () => spliced(utf8('hidden'), (zip) => headersOf(zip).centrals[0]!),
    },
    { what: 'bytes after the directory', archive: () => spliced(utf8('hidden'), (zip) => headersOf(zip).end) },
  ],
  ARCHIVE_OVERLAP: [
    {
      what: 'two names for one place',
      archive: async () => {
        const archive = await zipped(FILES);
        return patched(archive, [headersOf(archive).centrals[1]! + 42, 4, 0]);
      },
      codes: ['ARCHIVE_OVERLAP', 'ARCHIVE_LOCAL_DIFFERS', 'ARCHIVE_GAP'],
    },
    {
      what: 'a file of four gigabytes in a few bytes',
      archive: async () => {
        const archive = await zipped([FILES[0]!]);
        const { centrals, locals } = headersOf(archive);
        const size = 0xffff_fffe;
        return patched(
          archive,
          [centrals[0]! + 20, 4, size],
          [centrals[0]! + 24, 4, size],
          [locals[0]! + 18, 4, size],
          [locals[0]! + 22, 4, size],
        );
      },
    },
  ],
  ARCHIVE_LOCAL_DIFFERS: [
    { what: 'another local name', archive: () => local(30, 1, 0x62) },
    { what: 'another local length of the name', archive: () => local(26, 2, 4) },
    { what: 'another local size', archive: () => local(22, 4, 2) },
    { what: 'another local CRC-32', archive: () => local(14, 4, 1) },
    { what: 'another local method', archive: () => local(8, 2, 8) },
    { what: 'local flags that say encrypted', archive: () => local(6, 2, 0x0801) },
    { what: 'a local header that is none', archive: () => local(0, 4, 0) },
  ],
  ARCHIVE_EXTRA_FIELD: [
    { what: 'a time in UTC', archive: () => zipped([{ ...FILES[0]!, options: { forceDosTimestamp: false } }]) },
    { what: 'a local extra field', archive: () => local(28, 2, 3) },
  ],
  ARCHIVE_VERSION: [
    { what: 'another system', archive: () => central(4, 2, 20) },
    { what: 'a newer version', archive: () => both(6, 4, 2, 45) },
  ],
  ARCHIVE_ENCRYPTED: [
    { what: 'an encrypted file', archive: () => both(8, 6, 2, 0x0801) },
    { what: 'a strongly encrypted file', archive: () => both(8, 6, 2, 0x0841) },
    { what: 'an encrypted directory', archive: () => both(8, 6, 2, 0x2800) },
  ],
  ARCHIVE_DESCRIPTOR: [{ what: 'a size after the bytes', archive: () => both(8, 6, 2, 0x0808) }],
  ARCHIVE_FLAGS: [
    { what: 'a name in another encoding', archive: () => both(8, 6, 2, 0) },
    { what: 'a reserved flag', archive: () => both(8, 6, 2, 0x8800) },
  ],
  ARCHIVE_COMPRESSED: [
    {
      what: 'a compressed file',
      archive: () => zipped([{ name: 'a', bytes: 'a'.repeat(5000), options: { compress: true } }]),
      codes: ['ARCHIVE_COMPRESSED', 'ARCHIVE_SIZE', 'ARCHIVE_OVERLAP'],
    },
  ],
  ARCHIVE_TIME: [
    { what: 'another day', archive: () => both(14, 12, 2, 0x0022) },
    { what: 'another time', archive: () => both(12, 10, 2, 1) },
  ],
  ARCHIVE_SIZE: [{ what: 'two sizes', archive: () => both(20, 18, 4, 2) }],
  ARCHIVE_LINK: [
    {
      what: 'a symbolic link',
      archive: () => zipped([{ name: 'a', bytes: '/etc/passwd', options: { mode: 0o120777 } }]),
    },
  ],
  ARCHIVE_ATTRIBUTES: [
    { what: 'a program', archive: () => zipped([{ ...FILES[0]!, options: { mode: 0o100755 } }]) },
    { what: 'a device', archive: () => zipped([{ ...FILES[0]!, options: { mode: 0o060644 } }]) },
    { what: 'text, as internal attributes say', archive: () => central(36, 2, 1) },
  ],
  ARCHIVE_NAME_LENGTH: [
    { what: '201 bytes', archive: () => zipped(NAMED('n'.repeat(201))) },
    // Not ARCHIVE_DUPLICATE_NAME: what lies above it is not looked into.
    { what: 'a long name twice', archive: () => zipped([...NAMED('n'.repeat(201)), ...NAMED('n'.repeat(201))]) },
    { what: 'a name of nothing but folders', archive: () => zipped(NAMED('n/'.repeat(30_000).concat('n'))) },
  ],
  ARCHIVE_NAME_CHARACTER: [
    { what: 'a space', archive: () => zipped(NAMED('a b')) },
    { what: 'a NUL', archive: () => called('a\0b') },
    { what: 'an escape sequence', archive: () => called('a\x1b[2J') },
    { what: 'a letter beyond ASCII', archive: () => zipped(NAMED('ä')) },
    { what: 'a stream of NTFS', archive: () => zipped(NAMED('data.txt:x')) },
  ],
  ARCHIVE_NAME_PATH: [
    { what: 'a way up', archive: () => called('../etc/passwd') },
    { what: 'a way up in the middle', archive: () => called('a/../../b') },
    { what: 'here', archive: () => called('a/./b') },
    { what: 'nothing between', archive: () => called('a//b') },
    { what: 'a dot at the end', archive: () => called('a./b') },
    {
      what: 'a file that is a folder too',
      archive: () =>
        zipped([
          { name: 'a', bytes: '' },
          { name: 'a/b', bytes: '' },
        ]),
    },
  ],
  ARCHIVE_BACKSLASH: [
    { what: 'a backslash', archive: () => called('a\\b') },
    { what: 'a way up of Windows', archive: () => called('..\\..\\b') },
  ],
  ARCHIVE_ABSOLUTE: [
    { what: 'from the root', archive: () => called('/etc/passwd') },
    { what: 'from a drive', archive: () => called('C:/autoexec.bat') },
  ],
  ARCHIVE_FOLDER: [
    { what: 'a folder', archive: () => zipped([{ name: 'a/', bytes: '', options: { mode: 0o100644 } }]) },
  ],
  ARCHIVE_DUPLICATE_NAME: [
    {
      what: 'a name twice',
      archive: () =>
        zipped([
          { name: 'a', bytes: '1' },
          { name: 'a', bytes: '2' },
        ]),
    },
  ],
  ARCHIVE_NAME_CASE: [
    {
      what: 'names that differ in case',
      archive: () =>
        zipped([
          { name: 'A', bytes: '1' },
          { name: 'a', bytes: '2' },
        ]),
    },
    {
      what: 'folders that differ in case',
      archive: () =>
        zipped([
          { name: 'D/a', bytes: '1' },
          { name: 'd/b', bytes: '2' },
        ]),
    },
  ],
  ARCHIVE_ORDER: [
    {
      what: 'names that go down',
      archive: () =>
        zipped([
          { name: 'b', bytes: '1' },
          { name: 'a', bytes: '2' },
        ]),
    },
  ],
  ARCHIVE_FETCH: [
    { what: 'a list of what to fetch', archive: () => zipped(NAMED('fetch.txt')) },
    { what: 'another spelling of it', archive: () => zipped(NAMED('Fetch.TXT')) },
  ],
  ARCHIVE_CRC: [{ what: 'another CRC-32 than that of the bytes', archive: () => both(16, 14, 4, 1) }],
};

describe('a hostile archive is told by its code:', () => {
  for (const code of ARCHIVE_CODES)
    for (const { what, archive, codes = [code] } of ATTACKS[code])
      it(`${code}: ${what}`, async () => {
        const looks = await looked(await archive());
        expect(new Set(looks.codes)).toEqual(new Set(codes));
      });

  it('ARCHIVE_TOO_LARGE: four gigabytes, of which nothing is read', async () => {
    const read = (): never => expect.unreachable();
    const { findings, entries } = await openArchive({ size: 0xffff_ffff, read });
    expect(findings.map(({ code }) => code)).toEqual(['ARCHIVE_TOO_LARGE']);
    expect(entries).toEqual([]);
  });
});

describe('what is said of a hostile archive', () => {
  it('names the file, what the rule is and what is there instead', async () => {
    const { findings } = await openArchive(bytesSource(await local(22, 4, 2)));
    expect(findings).toEqual([
      {
        code: 'ARCHIVE_LOCAL_DIFFERS',
        entry: 'a.txt',
        expected: 'local size: 3 (0x3)',
        found: '2 (0x2)',
      },
    ]);
  });

  it('is printable, whatever a name holds, and no longer than a line', async () => {
    for (const archive of [await called('a\x1b]0;x\x07\xff'), await zipped(NAMED('n'.repeat(60_000)))]) {
      const { findings } = await openArchive(bytesSource(archive));
      for (const { entry, expected, found } of findings)
        for (const text of [entry, expected, found]) expect(text).toMatch(/^[ -~…]{1,300}$/);
    }
  });

  it('stops at no finding, lists a thousand and counts the rest', async () => {
    const names = Array.from({ length: 1500 }, (_, i) => `f${String(i).padStart(5, '0')}`);
    const { findings, unlisted, entries } = await openArchive(
      bytesSource(await zipped(names.map((name) => ({ name, bytes: '', options: { mode: 0o100755 } })))),
    );
    expect([findings.length, unlisted, entries.length]).toEqual([1000, 500, 0]);
  });

  it('gives no files of it: two readers might see different ones', async () => {
    const { entries } = await openArchive(bytesSource(await both(14, 12, 2, 0x0022)));
    expect(entries).toEqual([]);
  });
});

describe('docs/spec/archive.md', () => {
  it('says of every code which rule it is', () => {
    const page = readFileSync(new URL('../../../docs/spec/archive.md', import.meta.url), 'utf8');
    const named = new Set(page.match(/ARCHIVE_[A-Z0-9_]+/g));
    expect(named).toEqual(new Set(ARCHIVE_CODES));
  });
});
