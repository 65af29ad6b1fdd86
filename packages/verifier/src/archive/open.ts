import { FindingList, type Told } from '../finding.js';
import { readDirectory } from './directory.js';
import { readEnd } from './end.js';
import { type ArchiveEntry, entryOf } from './entry.js';
import type { ArchiveCode, TellArchive } from './finding.js';
import { checkLocals } from './locals.js';
import { checkNames } from './names.js';
import type { ArchiveSource } from './source.js';

/** An archive as it was found. */
export interface Archive extends Told<ArchiveCode> {
  /** Its files in ascending order of names; none if there is a finding, since two readers might then see different ones. */
  readonly entries: readonly ArchiveEntry[];
}

/**
 * Holds an archive to the strict profile of docs/spec/archive.md: everything but the bytes of its files, which each file checks as it is read. Nothing is
 * unpacked or written; whatever the archive claims, a megabyte of it is in memory at most.
 * @throws SourceFailed if it cannot be read
 */
export async function openArchive(source: ArchiveSource): Promise<Archive> {
  const list = new FindingList<ArchiveCode>();
  const entries = await entriesOf(source, list.tell);
  const { findings, unlisted } = list;
  return { entries: findings.length === 0 ? entries : [], findings, unlisted };
}

async function entriesOf(source: ArchiveSource, tell: TellArchive): Promise<readonly ArchiveEntry[]> {
  const place = await readEnd(source, tell);
  if (place === undefined) return [];
  const headers = await readDirectory(source, place, tell);
  if (headers === undefined) return [];
  checkNames(
    headers.map(({ name }) => name),
    tell,
  );
  await checkLocals(source, headers, { directoryAt: place.offset, tell });
  return headers.map((header) => entryOf(source, header));
}
