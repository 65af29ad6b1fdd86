import { printable } from '../printable.js';
import type { DirectoryPlace } from './end.js';
import type { ArchiveCode, TellArchive } from './finding.js';
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  DATE,
  EXTERNAL_ATTRIBUTES,
  type Field,
  FLAGS,
  MADE_BY,
  NEEDED_TO_EXTRACT,
  shown,
  STORED,
  TIME,
  valueOf,
  viewOf,
} from './profile.js';
import type { ArchiveSource } from './source.js';

/** What the central directory says of one file. */
export interface CentralHeader {
  /** Each byte of the name as the character of that number, so that names of any bytes can be told apart. */
  readonly name: string;
  readonly crc32: number;
  /** In bytes; stored, so it is that of the bytes in the archive too. */
  readonly size: number;
  /** Of its local header. */
  readonly offset: number;
  /** Header and name, as they stand in the directory. */
  readonly bytes: Uint8Array;
}

const CENTRAL = {
  crc32: { name: 'CRC-32', at: 16, width: 4 },
  storedSize: { name: 'compressed size', at: 20, width: 4 },
  size: { name: 'size', at: 24, width: 4 },
  nameLength: { name: 'length of the name', at: 28, width: 2 },
  extraLength: { name: 'length of the extra field', at: 30, width: 2 },
  commentLength: { name: 'length of the comment', at: 32, width: 2 },
  offset: { name: 'offset of the local header', at: 42, width: 4 },
} as const satisfies Record<string, Field>;

/** Fields that have one value in every header, and the finding that another value is. */
const FIXED: readonly (Field & { value: number; code: (found: number) => ArchiveCode })[] = [
  { name: 'version made by', at: 4, width: 2, value: MADE_BY, code: () => 'ARCHIVE_VERSION' },
  { name: 'version needed', at: 6, width: 2, value: NEEDED_TO_EXTRACT, code: () => 'ARCHIVE_VERSION' },
  { name: 'flags', at: 8, width: 2, value: FLAGS, code: flagsCode },
  { name: 'compression method', at: 10, width: 2, value: STORED, code: () => 'ARCHIVE_COMPRESSED' },
  { name: 'time', at: 12, width: 2, value: TIME, code: () => 'ARCHIVE_TIME' },
  { name: 'date', at: 14, width: 2, value: DATE, code: () => 'ARCHIVE_TIME' },
  { ...CENTRAL.extraLength, value: 0, code: () => 'ARCHIVE_EXTRA_FIELD' },
  { ...CENTRAL.commentLength, value: 0, code: () => 'ARCHIVE_COMMENT' },
  { name: 'disk', at: 34, width: 2, value: 0, code: () => 'ARCHIVE_DISKS' },
  { name: 'internal attributes', at: 36, width: 2, value: 0, code: () => 'ARCHIVE_ATTRIBUTES' },
  { name: 'external attributes', at: 38, width: 4, value: EXTERNAL_ATTRIBUTES, code: attributesCode },
];

/**
 * Reads the central directory whole, at most a megabyte.
 * @returns undefined if it is not so many headers, one after another; a finding says so
 */
export async function readDirectory(
  source: ArchiveSource,
  place: DirectoryPlace,
  tell: TellArchive,
): Promise<readonly CentralHeader[] | undefined> {
  const bytes = await source.read(place.offset, place.size);
  const view = viewOf(bytes);
  const headers: CentralHeader[] = [];
  let at = 0;
  while (headers.length < place.count) {
    const end = endOfHeader(view, at);
    if (end === undefined) {
      tell({
        code: 'ARCHIVE_DIRECTORY',
        entry: null,
        expected: `${place.count} headers in the central directory`,
        found: `${headers.length}, and then something else`,
      });
      return undefined;
    }
    headers.push(headerAt(bytes, at, tell));
    at = end;
  }
  if (at === place.size) return headers;
  tell({
    code: 'ARCHIVE_COUNT',
    entry: null,
    expected: `${place.count} headers in ${place.size} bytes of central directory`,
    found: `they end after ${at}`,
  });
  return undefined;
}

/** Where the header at this place ends, or undefined if there is none that ends within the directory. */
function endOfHeader(view: DataView, at: number): number | undefined {
  if (at + CENTRAL_BYTES > view.byteLength || view.getUint32(at, true) !== CENTRAL_SIGNATURE) return undefined;
  const lengths = [CENTRAL.nameLength, CENTRAL.extraLength, CENTRAL.commentLength];
  const end = lengths.reduce((sum, field) => sum + valueOf(view, field, at), at + CENTRAL_BYTES);
  return end > view.byteLength ? undefined : end;
}

function headerAt(directory: Uint8Array, at: number, tell: TellArchive): CentralHeader {
  const nameLength = valueOf(viewOf(directory), CENTRAL.nameLength, at);
  const bytes = directory.subarray(at, at + CENTRAL_BYTES + nameLength);
  const view = viewOf(bytes);
  const header = {
    name: Array.from(bytes.subarray(CENTRAL_BYTES), (byte) => String.fromCharCode(byte)).join(''),
    crc32: valueOf(view, CENTRAL.crc32),
    size: valueOf(view, CENTRAL.size),
    offset: valueOf(view, CENTRAL.offset),
    bytes,
  };
  tellFields(view, printable(header.name), tell);
  return header;
}

function tellFields(view: DataView, entry: string, tell: TellArchive): void {
  for (const field of FIXED) {
    const found = valueOf(view, field);
    if (found !== field.value)
      tell({ code: field.code(found), entry, expected: `${field.name}: ${shown(field.value)}`, found: shown(found) });
  }
  const [stored, size] = [valueOf(view, CENTRAL.storedSize), valueOf(view, CENTRAL.size)];
  if ([stored, size, valueOf(view, CENTRAL.offset)].includes(0xffff_ffff))
    tell({ code: 'ARCHIVE_ZIP64', entry, expected: 'no ZIP64', found: 'its value for a size or an offset' });
  else if (stored !== size)
    tell({ code: 'ARCHIVE_SIZE', entry, expected: `${size} bytes stored, as many as in the file`, found: `${stored}` });
}

/** Bits of the flags (APPNOTE.TXT 4.4.4) that say how the bytes can be read at all. */
const ENCRYPTED = 0x0001 | 0x0040 | 0x2000;
const DESCRIPTOR = 0x0008;

function flagsCode(found: number): ArchiveCode {
  if ((found & ENCRYPTED) !== 0) return 'ARCHIVE_ENCRYPTED';
  return (found & DESCRIPTOR) !== 0 ? 'ARCHIVE_DESCRIPTOR' : 'ARCHIVE_FLAGS';
}

const TYPE_OF_FILE = 0o170000;
const SYMBOLIC_LINK = 0o120000;

function attributesCode(found: number): ArchiveCode {
  return ((found >>> 16) & TYPE_OF_FILE) === SYMBOLIC_LINK ? 'ARCHIVE_LINK' : 'ARCHIVE_ATTRIBUTES';
}
