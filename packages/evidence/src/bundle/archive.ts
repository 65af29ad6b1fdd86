import { concat, utf8 } from '../bytes.js';

/** What the headers of an archive say of one of its files (docs/spec/archive.md). */
export interface ArchivedFile {
  /** As the profile wants it. Not checked here: whoever reads the archive refuses another. */
  readonly name: string;
  /** In bytes, below 4 GiB. */
  readonly size: number;
  /** CRC-32 of its bytes. */
  readonly crc32: number;
}

/** What both headers hold, from the version needed to the length of the extra field: stored, UTF-8, 1980-01-01 00:00:00. */
const SHARED_BYTES = 26;

/** The local header: what stands in an archive before the bytes of a file. */
export function archiveHeader(file: ArchivedFile): Uint8Array {
  return concat(Uint8Array.of(0x50, 0x4b, 3, 4), shared(file), utf8(file.name));
}

/**
 * What stands after the bytes of the last file: the central directory and its end. With a header and the bytes of each file before it, in the same order and with
 * nothing between, this is the whole archive.
 * @param files in ascending order of names
 */
export function archiveEnd(files: readonly ArchivedFile[]): Uint8Array {
  const headers: Uint8Array[] = [];
  let offset = 0;
  for (const file of files) {
    headers.push(centralHeader(file, offset));
    offset += archiveHeader(file).length + file.size;
  }
  const directory = concat(...headers);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x0605_4b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, directory.length, true);
  end.setUint32(16, offset, true);
  return concat(directory, new Uint8Array(end.buffer));
}

function centralHeader(file: ArchivedFile, offset: number): Uint8Array {
  // Comment, disk, internal attributes: none. External attributes: a regular file, rw-r--r--.
  const tail = new DataView(new ArrayBuffer(14));
  tail.setUint32(6, 0o100644 * 0x1_0000, true);
  tail.setUint32(10, offset, true);
  const madeByUnix = [63, 3];
  return concat(
    Uint8Array.of(0x50, 0x4b, 1, 2, ...madeByUnix),
    shared(file),
    new Uint8Array(tail.buffer),
    utf8(file.name),
  );
}

function shared({ name, size, crc32 }: ArchivedFile): Uint8Array {
  const fields = new DataView(new ArrayBuffer(SHARED_BYTES));
  fields.setUint16(0, 20, true);
  fields.setUint16(2, 0x0800, true);
  fields.setUint16(8, 0x0021, true);
  fields.setUint32(10, crc32, true);
  fields.setUint32(14, size, true);
  fields.setUint32(18, size, true);
  fields.setUint16(22, utf8(name).length, true);
  return new Uint8Array(fields.buffer);
}
