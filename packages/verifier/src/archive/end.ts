import type { TellArchive } from './finding.js';
import {
  CENTRAL_SIGNATURE,
  END_BYTES,
  END_SIGNATURE,
  type Field,
  MAX_ARCHIVE_BYTES,
  MAX_DIRECTORY_BYTES,
  MAX_ENTRIES,
  valueOf,
  viewOf,
  ZIP64_LOCATOR_BYTES,
  ZIP64_LOCATOR_SIGNATURE,
} from './profile.js';
import type { ArchiveSource } from './source.js';

/** Where the central directory lies. */
export interface DirectoryPlace {
  readonly offset: number;
  readonly size: number;
  /** Number of entries that the end speaks of. */
  readonly count: number;
}

const END = {
  disk: { name: 'number of this disk', at: 4, width: 2 },
  directoryDisk: { name: 'disk of the central directory', at: 6, width: 2 },
  countHere: { name: 'entries on this disk', at: 8, width: 2 },
  count: { name: 'entries', at: 10, width: 2 },
  size: { name: 'size of the central directory', at: 12, width: 4 },
  offset: { name: 'offset of the central directory', at: 16, width: 4 },
  commentLength: { name: 'length of the comment', at: 20, width: 2 },
} as const satisfies Record<string, Field>;

/** A comment can be this long, so an end that is followed by something is looked for in as many bytes. */
const MAX_COMMENT_BYTES = 0xffff;

/**
 * Reads the end of central directory record, which must be the last 22 bytes.
 * @returns undefined if it does not lead to a directory that can be read; a finding says why
 */
export async function readEnd(source: ArchiveSource, tell: TellArchive): Promise<DirectoryPlace | undefined> {
  if (source.size > MAX_ARCHIVE_BYTES) {
    tell({
      code: 'ARCHIVE_TOO_LARGE',
      entry: null,
      expected: `at most ${MAX_ARCHIVE_BYTES} bytes`,
      found: `${source.size}`,
    });
    return undefined;
  }
  if (source.size < END_BYTES) {
    tell({
      code: 'ARCHIVE_NOT_A_ZIP',
      entry: null,
      expected: `at least ${END_BYTES} bytes`,
      found: `${source.size}`,
    });
    return undefined;
  }
  const end = viewOf(await source.read(source.size - END_BYTES, END_BYTES));
  if (end.getUint32(0, true) !== END_SIGNATURE) {
    await tellWhatFollows(source, tell);
    return undefined;
  }
  return placeOf(source, end, tell);
}

/** The record is not at the end: says whether there is one that something follows. */
async function tellWhatFollows(source: ArchiveSource, tell: TellArchive): Promise<void> {
  const length = Math.min(source.size, END_BYTES + MAX_COMMENT_BYTES);
  const tail = viewOf(await source.read(source.size - length, length));
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_SIGNATURE) continue;
    const following = length - END_BYTES - at;
    const isComment = valueOf(tail, END.commentLength, at) === following;
    tell({
      code: isComment ? 'ARCHIVE_COMMENT' : 'ARCHIVE_TRAILING',
      entry: null,
      expected: 'nothing after the end of central directory record',
      found: `${following} bytes${isComment ? ' of comment' : ''}`,
    });
    return;
  }
  tell({
    code: 'ARCHIVE_NOT_A_ZIP',
    entry: null,
    expected: 'a ZIP archive: an end of central directory record as its last 22 bytes',
    found: 'none',
  });
}

async function placeOf(source: ArchiveSource, end: DataView, tell: TellArchive): Promise<DirectoryPlace | undefined> {
  const place = { offset: valueOf(end, END.offset), size: valueOf(end, END.size), count: valueOf(end, END.count) };
  if (place.count === 0xffff || place.size === 0xffff_ffff || place.offset === 0xffff_ffff) {
    tell({ code: 'ARCHIVE_ZIP64', entry: null, expected: 'no ZIP64', found: 'its values in the end record' });
    return undefined;
  }
  if (valueOf(end, END.commentLength) !== 0)
    tell({
      code: 'ARCHIVE_COMMENT',
      entry: null,
      expected: 'no comment',
      found: `one of ${valueOf(end, END.commentLength)} bytes, which are not there`,
    });
  for (const field of [END.disk, END.directoryDisk])
    if (valueOf(end, field) !== 0)
      tell({
        code: 'ARCHIVE_DISKS',
        entry: null,
        expected: `${field.name}: 0`,
        found: `${valueOf(end, field)}`,
      });
  if (valueOf(end, END.countHere) !== place.count)
    tell({
      code: 'ARCHIVE_COUNT',
      entry: null,
      expected: `${place.count} entries on this disk, as in all`,
      found: `${valueOf(end, END.countHere)}`,
    });
  if (!isBounded(place, tell)) return undefined;
  return (await liesBeforeEnd(source, place, tell)) ? place : undefined;
}

/** The attacker chooses these numbers: nothing is read or allocated by them before they are held to the bounds. */
function isBounded({ count, size }: DirectoryPlace, tell: TellArchive): boolean {
  if (count === 0) tell({ code: 'ARCHIVE_EMPTY', entry: null, expected: 'at least one file', found: 'none' });
  else if (count > MAX_ENTRIES)
    tell({
      code: 'ARCHIVE_TOO_MANY',
      entry: null,
      expected: `at most ${MAX_ENTRIES} files`,
      found: `${count}`,
    });
  else if (size > MAX_DIRECTORY_BYTES)
    tell({
      code: 'ARCHIVE_DIRECTORY',
      entry: null,
      expected: `a central directory of at most ${MAX_DIRECTORY_BYTES} bytes`,
      found: `${size}`,
    });
  else return true;
  return false;
}

/** Whether the directory ends where the end record begins; else says what lies between or before. */
async function liesBeforeEnd(source: ArchiveSource, place: DirectoryPlace, tell: TellArchive): Promise<boolean> {
  const endAt = source.size - END_BYTES;
  const between = endAt - place.offset - place.size;
  if (between === 0) return true;
  const expected = `the central directory up to the end record, at ${endAt}`;
  const found = `up to ${place.offset + place.size}`;
  if (between < 0) tell({ code: 'ARCHIVE_DIRECTORY', entry: null, expected, found });
  else if (await hasSignature(source, endAt - ZIP64_LOCATOR_BYTES, ZIP64_LOCATOR_SIGNATURE))
    tell({ code: 'ARCHIVE_ZIP64', entry: null, expected: 'no ZIP64', found: 'its locator before the end record' });
  else if (await hasSignature(source, endAt - place.size, CENTRAL_SIGNATURE))
    // The usual self-extracting archive: something was put before it, and its offsets are as they were.
    tell({ code: 'ARCHIVE_PREFIX', entry: null, expected: 'the archive at byte 0', found: `at byte ${between}` });
  else tell({ code: 'ARCHIVE_GAP', entry: null, expected, found });
  return false;
}

async function hasSignature(source: ArchiveSource, offset: number, signature: number): Promise<boolean> {
  if (offset < 0 || offset + 4 > source.size) return false;
  return viewOf(await source.read(offset, 4)).getUint32(0, true) === signature;
}
