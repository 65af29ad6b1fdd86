/** A file of an archive: its name (ASCII), what its header says of it, and its bytes. */
export interface ArchivedFile {
  readonly name: string;
  readonly size: number;
  readonly crc32: number;
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** docs/spec/archive.md: names, sizes and CRC-32s give every byte of every header. */
const LOCAL = 0x0403_4b50;
const CENTRAL = 0x0201_4b50;
const END = 0x0605_4b50;
const MADE_BY = 0x033f;
const NEEDED = 20;
const UTF8_NAME = 0x0800;
const DATE = 0x0021;
const REGULAR_FILE = 0x81a4_0000;
/** The format has four bytes for a size; larger ones would need a second place for it, which the profile does not allow. */
export const MAX_ARCHIVE_BYTES = 0xffff_fffe;

/**
 * The files as one ZIP archive of the strict profile, in the order of their names. Ours to write: the profile wants sizes and CRC-32 before the bytes, which
 * libraries know only of what they hold in memory.
 */
export async function* zipArchive(files: readonly ArchivedFile[]): AsyncGenerator<Uint8Array> {
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const file of sorted) {
    directory.push(centralHeader(file, offset));
    const header = localHeader(file);
    yield header;
    for await (const chunk of file.chunks()) yield chunk;
    offset += header.length + file.size;
  }
  const size = directory.reduce((sum, header) => sum + header.length, 0);
  yield* directory;
  yield endRecord(sorted.length, size, offset);
}

/** Size in bytes of the archive of these files. */
export function archiveSize(files: readonly Pick<ArchivedFile, 'name' | 'size'>[]): number {
  return files.reduce((sum, { name, size }) => sum + size + 76 + 2 * name.length, 22);
}

function localHeader({ name, size, crc32 }: ArchivedFile): Uint8Array {
  const header = Buffer.alloc(30 + name.length);
  header.writeUInt32LE(LOCAL, 0);
  header.writeUInt16LE(NEEDED, 4);
  writeCommon(header, 6, { name, size, crc32 });
  header.write(name, 30, 'latin1');
  return header;
}

function centralHeader({ name, size, crc32 }: ArchivedFile, offset: number): Uint8Array {
  const header = Buffer.alloc(46 + name.length);
  header.writeUInt32LE(CENTRAL, 0);
  header.writeUInt16LE(MADE_BY, 4);
  header.writeUInt16LE(NEEDED, 6);
  writeCommon(header, 8, { name, size, crc32 });
  header.writeUInt32LE(REGULAR_FILE, 38);
  header.writeUInt32LE(offset, 42);
  header.write(name, 46, 'latin1');
  return header;
}

/** From the flags to the length of the name, which stand alike in both headers. */
function writeCommon(header: Buffer, at: number, { name, size, crc32 }: Omit<ArchivedFile, 'chunks'>): void {
  header.writeUInt16LE(UTF8_NAME, at);
  header.writeUInt16LE(DATE, at + 6);
  header.writeUInt32LE(crc32, at + 8);
  header.writeUInt32LE(size, at + 12);
  header.writeUInt32LE(size, at + 16);
  header.writeUInt16LE(name.length, at + 20);
}

function endRecord(count: number, size: number, offset: number): Uint8Array {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return end;
}
