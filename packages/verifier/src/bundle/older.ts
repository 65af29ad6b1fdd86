import {
  hex,
  leafHash,
  Malformed,
  parseCheckpoint,
  parseRange,
  parseStatement,
  type RangeFile,
  type Statement,
} from '@sworn/evidence';
import { openArchive } from '../archive/open.js';
import { type ArchiveSource, SourceFailed } from '../archive/source.js';
import { type Beside, readBeside } from './beside.js';
import { type BundleFiles, linesOf, textOf } from './files.js';
import type { TellBundle } from './finding.js';
import { rulesOf } from './kinds.js';
import type { CheckedRecords } from './records.js';

const MAX_BYTES = 256 << 20;
const MAX_LEAF_BYTES = 16 << 10;

/**
 * Holds the leaves of a bundle against those of one from before: a log never changes a record, so where both have the leaf at an index, whole or as a bare
 * hash, it is the same one.
 * @throws SourceFailed when the older one cannot be read as a bundle: nothing was compared
 */
export async function checkAgainst(
  source: ArchiveSource,
  {
    statement,
    records,
  }: { readonly statement: Statement; readonly records: readonly (CheckedRecords & { readonly origin: string })[] },
  tell: TellBundle,
): Promise<void> {
  const archive = await openArchive(source);
  const files: BundleFiles = new Map(archive.entries.map((entry) => [entry.name, entry]));
  const older = await readOlder(files);
  for (const { origin, proven, file } of records) {
    const before = older.logs.get(origin);
    if (before === undefined) continue;
    const placeOf = new Map(proven.indexes.map((index, at) => [index, at]));
    for await (const [index, was] of hashesOf(files, before)) {
      const at = placeOf.get(index);
      const is = at === undefined ? undefined : proven.hashes[at];
      if (is === undefined || was.every((byte, i) => byte === is[i])) continue;
      tell({
        code: 'CONTRADICTS_OLDER',
        entry: `data/records/${file.log}.ndjson`,
        expected: `leaf ${index} of ${origin} as the older bundle has it`,
        found: 'another',
      });
    }
  }
  rulesOf(statement).checkOlder?.(statement, older, records, tell);
}

/** Which leaves of a log the older bundle has. */
interface OlderLog {
  readonly range: RangeFile;
  readonly beside: Beside;
}

/** Their hashes, by index: of its records one after the other, then of those beside them. */
async function* hashesOf(files: BundleFiles, { range, beside }: OlderLog): AsyncGenerator<[number, Uint8Array]> {
  const { withheld, boundary } = beside;
  const indexes = range.indexes.filter((index) => !withheld.has(index) && !boundary.has(index));
  const entry = files.get(`data/records/${range.log}.ndjson`);
  let line = 0;
  for await (const { bytes } of entry === undefined ? [] : linesOf(entry, MAX_LEAF_BYTES)) {
    const index = indexes[line++];
    if (bytes !== null && index !== undefined) yield [index, leafHash(bytes)];
  }
  yield* withheld;
  for (const [index, { hash }] of boundary) yield [index, hash];
}

async function readOlder(files: BundleFiles) {
  const unreadable = (why: string): never => {
    throw new SourceFailed(`the older bundle cannot be compared: ${why}; verify it alone first`);
  };
  const tell: TellBundle = ({ entry, found }) => unreadable(`${entry}: ${found}`);
  const read = async (name: string) => (await textOf(files, name, { maxBytes: MAX_BYTES, tell })) ?? unreadable(name);
  try {
    const statement = parseStatement(await read('data/statement.json'));
    const logs = new Map<string, OlderLog>();
    const roots = new Map<string, string>();
    for (const { log, origin } of statement.logs) {
      const range = parseRange(await read(`proofs/${log}/range.json`));
      logs.set(origin, { range, beside: (await readBeside(files, statement, log, tell)) ?? unreadable(log) });
      roots.set(log, hex(parseCheckpoint(await read(`proofs/${log}/checkpoint`)).root));
    }
    return { statement, logs, roots };
  } catch (error) {
    if (error instanceof Malformed) return unreadable(error.message);
    throw error;
  }
}
