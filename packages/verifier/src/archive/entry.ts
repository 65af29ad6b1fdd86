import type { CentralHeader } from './directory.js';
import { crc32 } from './crc32.js';
import type { TellArchive } from './finding.js';
import { LOCAL_BYTES, shown } from './profile.js';
import type { ArchiveSource } from './source.js';

/** Bytes of a file that are in memory at a time, unless another number is asked for. */
const CHUNK_BYTES = 64 * 1024;

/** A file of an archive that keeps to the profile. */
export interface ArchiveEntry {
  /** Path with `/`, ASCII. */
  readonly name: string;
  /** In bytes, below 4 GiB. */
  readonly size: number;
  readonly crc32: number;
  /**
   * The file from its beginning, in pieces of at most `length` bytes (64 KiB). After the last one its CRC-32 is compared, and ARCHIVE_CRC told if it
   * is another: whoever stops before has checked nothing.
   * @throws SourceFailed if the archive cannot be read any more
   */
  chunks(tell: TellArchive, length?: number): AsyncGenerator<Uint8Array, void, undefined>;
  /**
   * A part of it that lies within its size, checked by nothing.
   * @throws SourceFailed as `chunks`
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** The file that a header of the directory stands for; places and local headers are checked. */
export function entryOf(source: ArchiveSource, header: CentralHeader): ArchiveEntry {
  const { name, size } = header;
  const begin = header.offset + LOCAL_BYTES + name.length;
  return {
    name,
    size,
    crc32: header.crc32,
    read: (offset, length) => source.read(begin + offset, length),
    async *chunks(tell, length = CHUNK_BYTES) {
      let crc = 0;
      for (let at = 0; at < size; at += length) {
        const chunk = await source.read(begin + at, Math.min(length, size - at));
        crc = crc32(chunk, crc);
        yield chunk;
      }
      if (crc !== header.crc32)
        tell({ code: 'ARCHIVE_CRC', entry: name, expected: `CRC-32 ${shown(header.crc32)}`, found: shown(crc) });
    },
  };
}
