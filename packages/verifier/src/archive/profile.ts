// The strict profile of docs/spec/archive.md as numbers. All offsets are those of APPNOTE.TXT 6.3.10, 4.3.7, 4.3.12 and 4.3.16.

/** Bytes of an archive, at most: below 4 GiB no field of it can hold the value that stands for ZIP64. */
export const MAX_ARCHIVE_BYTES = 0xffff_fffe;
/** Files of an archive. A bundle has some hundred: RUN proofs, at most 64 others, and a few files a log. */
export const MAX_ENTRIES = 4096;
/** Bytes of a name: all file systems and unpackers take it, below any folder. */
export const MAX_NAME_BYTES = 200;

export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
export const END_BYTES = 22;

/** The central directory is read at once; this is what it can be with the bounds above, about a megabyte. */
export const MAX_DIRECTORY_BYTES = MAX_ENTRIES * (CENTRAL_BYTES + MAX_NAME_BYTES);

export const LOCAL_SIGNATURE = 0x0403_4b50;
export const CENTRAL_SIGNATURE = 0x0201_4b50;
export const END_SIGNATURE = 0x0605_4b50;
/** Of the locator that stands before the end of a ZIP64 archive. */
export const ZIP64_LOCATOR_SIGNATURE = 0x0706_4b50;
export const ZIP64_LOCATOR_BYTES = 20;

/** Unix, APPNOTE 6.3. */
export const MADE_BY = 0x033f;
export const NEEDED_TO_EXTRACT = 20;
/** The name is UTF-8; nothing else. */
export const FLAGS = 0x0800;
export const STORED = 0;
/** 1980-01-01 00:00:00, the first that the format can say. */
export const TIME = 0;
export const DATE = 0x0021;
/** Regular file, rw-r--r--, and no attribute of MS-DOS. */
export const EXTERNAL_ATTRIBUTES = 0o100644 * 0x1_0000;

/** A little-endian number in a header. */
export interface Field {
  readonly name: string;
  /** Bytes from the beginning of the header. */
  readonly at: number;
  readonly width: 2 | 4;
}

/** Reads a field of the header that begins at `base`. */
export function valueOf(bytes: DataView, field: Field, base = 0): number {
  return field.width === 2 ? bytes.getUint16(base + field.at, true) : bytes.getUint32(base + field.at, true);
}

/** A view on the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A value as findings show it. */
export function shown(value: number): string {
  return `${value} (0x${value.toString(16)})`;
}
