/** Bytes that can be read from any place: a file, a download in a browser, memory. */
export interface ArchiveSource {
  /** In bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`, in an array of its own; the range lies within `size`.
   * @throws SourceFailed if they cannot be had
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What is to be looked at cannot be read. Not a finding: nothing was learnt about it. */
export class SourceFailed extends Error {
  override readonly name = 'SourceFailed';
}

/** Bytes in memory. */
export function bytesSource(bytes: Uint8Array): ArchiveSource {
  return {
    size: bytes.length,
    read: async (offset, length) => whole(bytes.slice(offset, offset + length), length),
  };
}

/** A file that somebody chose in a browser, or any other Blob. */
export function blobSource(blob: Blob): ArchiveSource {
  return {
    size: blob.size,
    async read(offset, length) {
      let bytes: ArrayBuffer;
      try {
        bytes = await blob.slice(offset, offset + length).arrayBuffer();
      } catch (error) {
        throw new SourceFailed(`cannot read ${length} bytes at ${offset}`, { cause: error });
      }
      return whole(new Uint8Array(bytes), length);
    },
  };
}

/** @throws SourceFailed if they are fewer than asked for: the source has become shorter. */
export function whole(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new SourceFailed(`${length} bytes asked for, ${bytes.length} there`);
  return bytes;
}
