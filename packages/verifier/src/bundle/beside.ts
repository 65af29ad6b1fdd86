import {
  decodeLeaf,
  leafHash,
  type LogsStatement,
  parseWithheld,
  type PeriodRange,
  type Statement,
} from '@sworn/evidence';
import { type BundleFiles, linesOf, reading, textOf } from './files.js';
import type { TellBundle } from './finding.js';

/** A million bare hashes have 47 MB. */
const MAX_WITHHELD_BYTES = 64 << 20;
/** docs/spec/leaf.md. */
const MAX_LEAF_BYTES = 16 << 10;

/** Leaves of a log that are proven with its records and are none of them. */
export interface Beside {
  /** Leaves of the scope that are there as bare hashes, by index. */
  readonly withheld: ReadonlyMap<number, Uint8Array>;
  /** Leaves around the scope, which say where it ends. */
  readonly boundary: ReadonlyMap<number, BoundaryLeaf>;
}

export interface BoundaryLeaf {
  readonly hash: Uint8Array;
  readonly origin: string;
  readonly recordedAt: string;
}

/** What a log has of them; null, and told: they could not be read. */
export async function readBeside(
  files: BundleFiles,
  statement: Statement,
  log: string,
  tell: TellBundle,
): Promise<Beside | null> {
  const withheld = await readWithheld(files, log, tell);
  const range = isOfLogs(statement) ? statement.complete_by.find((one) => one.log === log) : undefined;
  const boundary = range === undefined ? new Map<number, BoundaryLeaf>() : await readBoundary(files, range, tell);
  return withheld === null || boundary === null ? null : { withheld, boundary };
}

function isOfLogs(statement: Statement): statement is LogsStatement {
  return statement.scope.kind === 'LOGS';
}

/** The indexes of the leaves that say where a range ends. */
export function boundaryOf({ before, after }: PeriodRange): readonly number[] {
  return [before, after].filter((index) => index !== null);
}

async function readWithheld(
  files: BundleFiles,
  log: string,
  tell: TellBundle,
): Promise<ReadonlyMap<number, Uint8Array> | null> {
  const entry = `proofs/${log}/withheld.json`;
  if (!files.has(entry)) return new Map();
  const text = await textOf(files, entry, { maxBytes: MAX_WITHHELD_BYTES, tell });
  const file = text === null ? null : reading('PROOF_MALFORMED', entry, tell, () => parseWithheld(text));
  if (file === null) return null;
  if (file.log !== log) {
    tell({ code: 'PROOF_DIFFERS', entry, expected: `leaves of ${log}`, found: `of ${file.log}` });
    return null;
  }
  return new Map(file.indexes.map((index, at) => [index, file.hashes[at] as Uint8Array]));
}

async function readBoundary(
  files: BundleFiles,
  range: PeriodRange,
  tell: TellBundle,
): Promise<ReadonlyMap<number, BoundaryLeaf> | null> {
  const name = `proofs/${range.log}/boundary.ndjson`;
  const indexes = boundaryOf(range);
  const leaves = new Map<number, BoundaryLeaf>();
  const entry = files.get(name);
  // That it is not there is told by the layout.
  if (entry === undefined) return indexes.length === 0 ? leaves : null;
  let count = 0;
  for await (const { bytes } of linesOf(entry, MAX_LEAF_BYTES)) {
    const index = indexes[count++];
    const leaf = bytes === null ? null : reading('RECORD_MALFORMED', name, tell, () => decodeLeaf(bytes));
    if (bytes === null || leaf === null || index === undefined) continue;
    leaves.set(index, { hash: leafHash(bytes), origin: leaf.log, recordedAt: leaf.recordedAt });
  }
  if (count === indexes.length && leaves.size === indexes.length) return leaves;
  tell({
    code: 'RECORD_COUNT',
    entry: name,
    expected: `${indexes.length} leaves, a line each`,
    found: `${count} lines`,
  });
  return null;
}
