import { type ArchivedFile, archiveEnd, archiveHeader } from '@sworn/evidence';

/** A file of an archive, and its bytes. */
export interface StreamedFile extends ArchivedFile {
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** The files as one ZIP archive of the strict profile (docs/spec/archive.md), in the order of their names. */
export async function* zipArchive(files: readonly StreamedFile[]): AsyncGenerator<Uint8Array> {
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const file of sorted) {
    yield archiveHeader(file);
    yield* file.chunks();
  }
  yield archiveEnd(sorted);
}

/** Size in bytes of the archive of these files. */
export function archiveSize(files: readonly ArchivedFile[]): number {
  const bytes = files.reduce((sum, file) => sum + archiveHeader(file).length + file.size, 0);
  return bytes + archiveEnd(files).length;
}
