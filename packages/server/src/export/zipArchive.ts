import { type ArchivedFile, archiveEnd, archiveHeader } from '@sworn/evidence';

/** A file of an archive, and its bytes. */
export interface StreamedFile extends ArchivedFile {
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Where the bytes of a file lie in an archive. */
export interface ArchivePart {
  readonly name: string;
  /** Of its first byte. */
  readonly from: number;
  readonly size: number;
}

/** The files as one ZIP archive of the strict profile (docs/spec/archive.md), in the order of their names. */
export async function* zipArchive(files: readonly StreamedFile[]): AsyncGenerator<Uint8Array> {
  const sorted = inOrder(files);
  for (const file of sorted) {
    yield archiveHeader(file);
    yield* file.chunks();
  }
  yield archiveEnd(sorted);
}

/** Where each file lies in the archive of these: they are stored as they are. */
export function archiveParts(files: readonly ArchivedFile[]): ArchivePart[] {
  let at = 0;
  return inOrder(files).map((file) => {
    const from = at + archiveHeader(file).length;
    at = from + file.size;
    return { name: file.name, from, size: file.size };
  });
}

/** Size in bytes of the archive of these files. */
export function archiveSize(files: readonly ArchivedFile[]): number {
  const bytes = files.reduce((sum, file) => sum + archiveHeader(file).length + file.size, 0);
  return bytes + archiveEnd(files).length;
}

function inOrder<T extends ArchivedFile>(files: readonly T[]): T[] {
  return files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
