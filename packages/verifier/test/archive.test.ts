import { createRequire } from 'node:module';
import { crc32 as nodeCrc32 } from 'node:zlib';
import { equalBytes, utf8 } from '@sworn/evidence';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../src/archive/crc32.js';
import { DATE, TIME } from '../src/archive/profile.js';
import { blobSource, bytesSource, openArchive } from '../src/index.js';
import { assembled, looked, PROFILE, zipped } from './zip.js';

const TWO = [
  { name: 'bagit.txt', bytes: 'BagIt-Version: 1.0\n' },
  { name: 'data/records/audit.ndjson', bytes: '{"a":1}\n' },
];

describe('an archive that yazl writes', () => {
  it('keeps to the profile, whatever its files, gives each of them back, and is what evidence says that it is', async () => {
    const segment = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
    const name = fc.array(segment, { minLength: 1, maxLength: 4 }).map((path) => `${path.join('/')}.x`);
    const files = fc
      .uniqueArray(fc.record({ name, bytes: fc.uint8Array({ maxLength: 400 }) }), {
        selector: (file) => file.name,
        minLength: 1,
        maxLength: 12,
      })
      .map((all) => all.sort((a, b) => (a.name < b.name ? -1 : 1)));
    await fc.assert(
      fc.asyncProperty(files, async (given) => {
        const archive = await zipped(given);
        expect(equalBytes(assembled(given), archive)).toBe(true);
        const { files: read, codes } = await looked(archive);
        expect(codes).toEqual([]);
        expect([...read]).toEqual(given.map((file) => [file.name, file.bytes]));
      }),
    );
  });

  it('has the same time in every time zone', () => {
    const before = process.env['TZ'];
    const require = createRequire(import.meta.url);
    try {
      for (const zone of Intl.supportedValuesOf('timeZone')) {
        process.env['TZ'] = zone;
        // What its times are clamped to is computed when it is loaded.
        delete require.cache[require.resolve('yazl')];
        const { dateToDosDateTime } = require('yazl') as {
          dateToDosDateTime(date: Date): { date: number; time: number };
        };
        expect(dateToDosDateTime(PROFILE.mtime!), zone).toEqual({ date: DATE, time: TIME });
      }
    } finally {
      if (before === undefined) delete process.env['TZ'];
      else process.env['TZ'] = before;
    }
  });

  it('does not keep to it if its files are streamed: then sizes stand after the bytes', async () => {
    const { codes } = await looked(await zipped(TWO.map((file) => ({ ...file, streamed: true }))));
    expect(new Set(codes)).toEqual(new Set(['ARCHIVE_DESCRIPTOR', 'ARCHIVE_GAP', 'ARCHIVE_LOCAL_DIFFERS']));
  });

  it('is read from a Blob as from memory', async () => {
    const bytes = await zipped(TWO);
    const { files, codes } = await looked(blobSource(new Blob([Buffer.from(bytes)])));
    expect(codes).toEqual([]);
    expect(files).toEqual((await looked(bytes)).files);
  });

  it('is read in pieces of the length asked for', async () => {
    const bytes = Uint8Array.from({ length: 150_000 }, (_, i) => i & 0xff);
    const { entries } = await openArchive(bytesSource(await zipped([{ name: 'a', bytes }])));
    const lengths = async (length?: number): Promise<number[]> => {
      const all: number[] = [];
      for await (const chunk of entries[0]!.chunks(() => expect.unreachable(), length)) all.push(chunk.length);
      return all;
    };
    expect(await lengths()).toEqual([65_536, 65_536, 18_928]);
    expect(await lengths(100_000)).toEqual([100_000, 50_000]);
  });
});

describe('one changed byte', () => {
  it('anywhere in an archive is found, whatever it is changed to', async () => {
    const honest = await zipped([
      { name: 'a.txt', bytes: 'one' },
      { name: 'data/b', bytes: '' },
      { name: 'data/c', bytes: Uint8Array.of(0, 255, 7) },
    ]);
    const missed: string[] = [];
    for (let at = 0; at < honest.length; at++) {
      for (let difference = 1; difference < 256; difference++) {
        const changed = honest.slice();
        changed[at] = changed[at]! ^ difference;
        if ((await looked(changed)).codes.length === 0) missed.push(`byte ${at} by ${difference}`);
      }
    }
    expect(missed).toEqual([]);
  });

  it('less or more is found too, wherever it stood', async () => {
    const honest = await zipped(TWO);
    for (let at = 0; at < honest.length; at++) {
      const without = new Uint8Array([...honest.subarray(0, at), ...honest.subarray(at + 1)]);
      const within = new Uint8Array([...honest.subarray(0, at), 0x50, ...honest.subarray(at)]);
      for (const changed of [without, within]) expect((await looked(changed)).codes, `at ${at}`).not.toEqual([]);
    }
  });
});

describe('CRC-32', () => {
  it('is Node’s, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 90 }), { maxLength: 5 }), (parts) => {
        expect(parts.reduce((crc, part) => crc32(part, crc), 0)).toBe(nodeCrc32(Buffer.concat(parts)));
      }),
    );
    expect(crc32(utf8('123456789'))).toBe(0xcbf43926);
  });
});

describe('the options that make yazl write the profile', () => {
  it('are all needed', async () => {
    const without = async (option: keyof typeof PROFILE): Promise<string[]> => {
      const options = { [option]: undefined };
      return (await looked(await zipped([{ name: 'a', bytes: 'aaaa', options }]))).codes;
    };
    expect(await without('compress')).toContain('ARCHIVE_COMPRESSED');
    expect(await without('mode')).toEqual(['ARCHIVE_ATTRIBUTES']);
    expect(await without('mtime')).toContain('ARCHIVE_TIME');
    expect(await without('forceDosTimestamp')).toContain('ARCHIVE_EXTRA_FIELD');
    const plain = await zipped([{ name: 'a', bytes: 'aaaa' }]);
    expect(equalBytes(plain, await zipped([{ name: 'a', bytes: 'aaaa', options: PROFILE }]))).toBe(true);
  });
});
