import {
  decodeLeaf,
  isTimestamp,
  leafHash,
  type PinnedRecords,
  parseRange,
  parseTlogProof,
  type RangeFile,
  type Statement,
  type RecordFile,
  verifyInclusion,
  verifySet,
} from '@sworn/evidence';
import type { ArchiveEntry } from '../archive/entry.js';
import { type Beside, readBeside } from './beside.js';
import type { SignedCheckpoint } from './checkpoint.js';
import { type BundleFiles, linesOf, reading, textOf } from './files.js';
import type { TellBundle } from './finding.js';

/** Of the 100,000 leaves of the longest run that lie between ten million of others it is 31 MB. */
const MAX_RANGE_BYTES = 64 << 20;
const MAX_PROOF_BYTES = 1 << 20;
/** docs/spec/leaf.md. */
const MAX_LEAF_BYTES = 16 << 10;

/** The records of one log, each found to be a leaf of it. */
export interface CheckedRecords {
  readonly file: RecordFile;
  /** Hash of each leaf, in order. */
  readonly hashes: readonly Uint8Array[];
  /** Bodies that the leaves commit to. */
  readonly bodies: number;
  /** Line of a leaf index. */
  readonly lineOf: ReadonlyMap<number, number>;
  readonly beside: Beside;
  /** All leaves that the proof is of, records and those beside them, ascending. */
  readonly proven: { readonly indexes: readonly number[]; readonly hashes: readonly Uint8Array[] };
  /** That they were held against; null: there was none. */
  readonly signed: SignedCheckpoint | null;
}

/** Holds the records of a log against their proof; null, and told: they are not such that more could be asked of them. */
export async function checkRecords(
  files: BundleFiles,
  { statement, pinned, signed }: RecordsClaim,
  tell: TellBundle,
): Promise<CheckedRecords | null> {
  const { log, size } = pinned;
  const entry = `data/records/${log}.ndjson`;
  const range = await rangeOf(files, pinned, tell);
  const records = files.get(entry);
  const beside = await readBeside(files, statement, log, tell);
  if (range === null || records === undefined || beside === null) return null;
  const indexes = recordIndexes(range, beside);
  if (indexes === null) {
    const expected = 'the records, those withheld and those around them, each once';
    tell({ code: 'PROOF_DIFFERS', entry: `proofs/${log}/range.json`, expected, found: 'other leaves' });
    return null;
  }
  const lines = await readRecords(records, indexes, pinned, tell);
  if (lines === null) return null;
  const hashes = range.indexes.map(
    (index) =>
      beside.withheld.get(index) ?? beside.boundary.get(index)?.hash ?? lines.hashes[lines.lineOf.get(index) as number],
  ) as Uint8Array[];
  const read: CheckedRecords = { ...lines, beside, proven: { indexes: range.indexes, hashes }, signed };
  if (signed !== null) {
    const { root } = signed.checkpoint;
    const claim = { indexes: range.indexes, size, leafHashes: hashes, path: range.path, root };
    if (!verifySet(claim)) {
      tell({
        code: 'NOT_UNDER_CHECKPOINT',
        entry,
        expected: `${range.indexes.length} leaves that lie under the checkpoint of size ${size}`,
        found: 'another root',
      });
    }
    await checkSingle(files, { log, signed, read }, tell);
  }
  return read;
}

/** What the records of a log are held against. */
export interface RecordsClaim {
  readonly statement: Statement;
  readonly pinned: PinnedRecords;
  readonly signed: SignedCheckpoint | null;
}

/** The leaves of a range that are records; null: not each of it is one thing. */
function recordIndexes({ indexes }: RangeFile, { withheld, boundary }: Beside): readonly number[] | null {
  const records = indexes.filter((index) => !withheld.has(index) && !boundary.has(index));
  return records.length + withheld.size + boundary.size === indexes.length ? records : null;
}

async function rangeOf(files: BundleFiles, { log, size }: PinnedRecords, tell: TellBundle): Promise<RangeFile | null> {
  const entry = `proofs/${log}/range.json`;
  const text = await textOf(files, entry, { maxBytes: MAX_RANGE_BYTES, tell });
  const range = text === null ? null : reading('PROOF_MALFORMED', entry, tell, () => parseRange(text));
  if (range === null || (range.log === log && range.size === size)) return range;
  tell({
    code: 'PROOF_DIFFERS',
    entry,
    expected: `leaves of ${log} at size ${size}`,
    found: `of ${range.log} at size ${range.size}`,
  });
  return null;
}

async function readRecords(
  entry: ArchiveEntry,
  indexes: readonly number[],
  { log, origin }: PinnedRecords,
  tell: TellBundle,
): Promise<Omit<CheckedRecords, 'beside' | 'proven' | 'signed'> | null> {
  const starts = new Float64Array(indexes.length);
  const lengths = new Uint16Array(indexes.length);
  const hashes: Uint8Array[] = [];
  let [bodies, count, last, isSound] = [0, 0, '', true];
  const wrong = (line: number, found: string) => {
    isSound = false;
    const expected = `line ${line + 1}: a canonical leaf of ${origin}`;
    tell({ code: 'RECORD_MALFORMED', entry: entry.name, expected, found });
  };
  for await (const { at, bytes } of linesOf(entry, MAX_LEAF_BYTES)) {
    const line = count++;
    if (line >= indexes.length) continue;
    if (bytes === null) {
      wrong(line, 'no line end, or more bytes than a leaf has');
      continue;
    }
    starts[line] = at;
    lengths[line] = bytes.length;
    hashes.push(leafHash(bytes));
    const leaf = reading('RECORD_MALFORMED', entry.name, tell, () => decodeLeaf(bytes));
    if (leaf === null) {
      isSound = false;
      continue;
    }
    if (leaf.log !== origin) wrong(line, `one of ${leaf.log}`);
    if (leaf.c !== null) bodies += Object.keys(leaf.c).length;
    if (!isTimestamp(leaf.recordedAt) || leaf.recordedAt < last) {
      const expected = `line ${line + 1}: recorded at ${last} or later`;
      tell({ code: 'RECORD_ORDER', entry: entry.name, expected, found: leaf.recordedAt });
    } else last = leaf.recordedAt;
  }
  if (count !== indexes.length) {
    tell({ code: 'RECORD_COUNT', entry: entry.name, expected: `${indexes.length} records`, found: `${count}` });
    return null;
  }
  if (!isSound) return null;
  const leafAt = (line: number) => entry.read(starts[line] as number, lengths[line] as number);
  return {
    file: {
      log,
      indexes,
      leafAt,
      async *leaves() {
        for await (const { bytes } of linesOf(entry, MAX_LEAF_BYTES)) if (bytes !== null) yield bytes;
      },
    },
    hashes,
    bodies,
    lineOf: new Map(indexes.map((index, line) => [index, line])),
  };
}

/** The proofs of single leaves: each of a leaf that is there, against the very checkpoint. */
async function checkSingle(
  files: BundleFiles,
  { log, signed, read }: { readonly log: string; readonly signed: SignedCheckpoint; readonly read: CheckedRecords },
  tell: TellBundle,
): Promise<void> {
  for (const entry of files.keys()) {
    const [, ofLog, indexText] = /^proofs\/([a-z0-9.-]+)\/([0-9]+)\.tlog-proof$/.exec(entry) ?? [];
    if (ofLog !== log) continue;
    const text = await textOf(files, entry, { maxBytes: MAX_PROOF_BYTES, tell });
    const proof = text === null ? null : reading('PROOF_MALFORMED', entry, tell, () => parseTlogProof(text));
    if (proof === null) continue;
    const line = read.lineOf.get(proof.index);
    const { size, root } = signed.checkpoint;
    const hash = line === undefined ? undefined : read.hashes[line];
    const isProven =
      String(proof.index) === indexText &&
      proof.checkpoint === signed.note &&
      hash !== undefined &&
      verifyInclusion({ index: proof.index, size, leafHash: hash, path: proof.path, root });
    if (!isProven)
      tell({ code: 'PROOF_DIFFERS', entry, expected: 'a proof of that leaf of the bundle', found: 'another' });
  }
}
