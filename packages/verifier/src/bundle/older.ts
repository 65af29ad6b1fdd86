import { leafHash, Malformed, parseRange, parseStatement, type RangeFile } from '@sworn/evidence';
import { openArchive } from '../archive/open.js';
import { type ArchiveSource, SourceFailed } from '../archive/source.js';
import { type BundleFiles, linesOf, textOf } from './files.js';
import type { TellBundle } from './finding.js';
import type { CheckedRecords } from './records.js';

const MAX_BYTES = 256 << 20;
const MAX_LEAF_BYTES = 16 << 10;

/**
 * Holds the records of a bundle against those of one from before: a log never changes a record, so where both have the leaf at an index it is the same one.
 * @throws SourceFailed when the older one cannot be read as a bundle: nothing was compared
 */
export async function checkAgainst(
  older: ArchiveSource,
  records: readonly (CheckedRecords & { readonly origin: string })[],
  tell: TellBundle,
): Promise<void> {
  const archive = await openArchive(older);
  const files: BundleFiles = new Map(archive.entries.map((entry) => [entry.name, entry]));
  const before = await readOlder(files);
  for (const { origin, hashes, lineOf, file } of records) {
    const range = before.get(origin);
    const entry = range === undefined ? undefined : files.get(`data/records/${range.log}.ndjson`);
    if (range === undefined || entry === undefined) continue;
    let line = 0;
    for await (const { bytes } of linesOf(entry, MAX_LEAF_BYTES)) {
      const index = range.indexes[line++];
      const at = index === undefined ? undefined : lineOf.get(index);
      if (bytes === null || at === undefined) continue;
      const [was, is] = [leafHash(bytes), hashes[at]];
      if (is !== undefined && was.every((byte, i) => byte === is[i])) continue;
      tell({
        code: 'CONTRADICTS_OLDER',
        entry: `data/records/${file.log}.ndjson`,
        expected: `leaf ${index} of ${origin} as the older bundle has it`,
        found: 'another',
      });
    }
  }
}

/** Which leaves the older bundle has, by origin. */
async function readOlder(files: BundleFiles): Promise<ReadonlyMap<string, RangeFile>> {
  const unreadable = (why: string): never => {
    throw new SourceFailed(`the older bundle cannot be compared: ${why}; verify it alone first`);
  };
  const read = async (name: string) =>
    (await textOf(files, name, {
      maxBytes: MAX_BYTES,
      tell: ({ entry, found }) => unreadable(`${entry}: ${found}`),
    })) ?? unreadable(name);
  try {
    const statement = parseStatement(await read('data/statement.json'));
    const ranges = new Map<string, RangeFile>();
    for (const { log, origin } of statement.logs)
      ranges.set(origin, parseRange(await read(`proofs/${log}/range.json`)));
    return ranges;
  } catch (error) {
    if (error instanceof Malformed) return unreadable(error.message);
    throw error;
  }
}
