import { base64, unbase64 } from '../bytes.js';
import { Malformed } from '../malformed.js';

/** `proofs/<log>/range.json`: which leaves of a log are in the bundle, and the proof of all of them at once (`verifySet`). */
export interface RangeFile {
  readonly log: string;
  readonly size: number;
  /** Strictly ascending. */
  readonly indexes: readonly number[];
  readonly path: readonly Uint8Array[];
}

/** Most leaves and hashes that a reader takes, about 200 MB while they are held: a run has 100,000 steps at most. */
const MAX_LEAVES = 1_000_000;
const MAX_HASHES = 4_000_000;

/** The file, in pieces: indexes as [first, how many], a hash a line. */
export function* rangeText({ path, ...of }: Omit<RangeFile, 'path'> & { path: Iterable<Uint8Array> }) {
  yield* hashesText(of, 'path', path);
}

/** `proofs/<log>/withheld.json`: leaves of the scope that are in the bundle as bare hashes. */
export interface WithheldFile {
  readonly log: string;
  readonly size: number;
  /** Strictly ascending, at least one. */
  readonly indexes: readonly number[];
  /** One for each. */
  readonly hashes: readonly Uint8Array[];
}

/** The file, in pieces, as that of a range. */
export function* withheldText({ hashes, ...of }: Omit<WithheldFile, 'hashes'> & { hashes: Iterable<Uint8Array> }) {
  yield* hashesText(of, 'hashes', hashes);
}

function* hashesText(
  { log, size, indexes }: Omit<RangeFile, 'path'>,
  member: 'path' | 'hashes',
  hashes: Iterable<Uint8Array>,
): Generator<string> {
  yield `{"log":${JSON.stringify(log)},"size":${size},"indexes":${JSON.stringify(rangesOf(indexes))},"${member}":[`;
  let count = 0;
  for (const hash of hashes) yield `${count++ === 0 ? '' : ','}\n"${base64(hash)}"`;
  yield '\n]}\n';
}

/**
 * Reads a range file; one that is not written as `rangeText` writes it is refused. Nothing is verified. Read from the front, so that what is held is bounded
 * whatever is there.
 * @throws Malformed `range`
 */
export function parseRange(text: string): RangeFile {
  const { hashes: path, ...of } = parseHashes(text, 'path');
  return { ...of, path };
}

/** Reads a file of withheld leaves, as `parseRange` does. @throws Malformed `range` */
export function parseWithheld(text: string): WithheldFile {
  const file = parseHashes(text, 'hashes');
  if (file.indexes.length === 0 || file.hashes.length !== file.indexes.length)
    throw wrong('it has not one hash for each of its indexes');
  return file;
}

function parseHashes(text: string, member: 'path' | 'hashes'): WithheldFile {
  const reader = { text, at: 0 };
  const [, log = '', size = ''] = take(reader, HEAD, 'it does not begin with log, size and indexes');
  const indexes = readIndexes(reader);
  take(reader, MIDDLE[member], `no ${member} follows its indexes`);
  const hashes = readPath(reader);
  take(reader, END, `its ${member} is not hashes of 32 bytes in base64, a line each`);
  const file = { log, size: Number(size), indexes, hashes };
  if (!Number.isSafeInteger(file.size)) throw wrong('its size is no number of leaves');
  return file;
}

const NUMBER = '(0|[1-9][0-9]{0,15})';
const HEAD = new RegExp(`\\{"log":"([a-z0-9.-]{1,64})","size":${NUMBER},"indexes":\\[`, 'y');
const RANGE = new RegExp(`(,?)\\[${NUMBER},${NUMBER}\\]`, 'y');
const MIDDLE = { path: /\],"path":\[/y, hashes: /\],"hashes":\[/y } as const;
const HASH = /(,?)\n"([A-Za-z0-9+/]{43}=)"/y;
const END = /\n\]\}\n$/y;

interface Reader {
  readonly text: string;
  at: number;
}

/** Takes what matches where the reader is; null: nothing does. */
function tryTake(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text);
  if (found !== null) reader.at = pattern.lastIndex;
  return found;
}

function take(reader: Reader, pattern: RegExp, otherwise: string): RegExpExecArray {
  const found = tryTake(reader, pattern);
  if (found === null) throw wrong(otherwise);
  return found;
}

/** Ranges that ascend and do not touch, so that a set has one spelling. */
function readIndexes(reader: Reader): number[] {
  const indexes: number[] = [];
  for (let found = tryTake(reader, RANGE); found !== null; found = tryTake(reader, RANGE)) {
    const [, comma, first, count] = [found[0], found[1], Number(found[2]), Number(found[3])];
    const isFirst = indexes.length === 0;
    const end = (indexes.at(-1) ?? -2) + 1;
    if ((comma === '') !== isFirst || first <= end || count < 1 || !Number.isSafeInteger(first + count))
      throw wrong('its indexes are not ranges [first, how many] that ascend and do not touch');
    if (indexes.length + count > MAX_LEAVES) throw wrong(`more than ${MAX_LEAVES} leaves`);
    for (let i = 0; i < count; i++) indexes.push(first + i);
  }
  return indexes;
}

function readPath(reader: Reader): Uint8Array[] {
  const path: Uint8Array[] = [];
  for (let found = tryTake(reader, HASH); found !== null; found = tryTake(reader, HASH)) {
    const [, comma, hash] = found;
    if ((comma === '') !== (path.length === 0)) throw wrong('its path is no list');
    if (path.length === MAX_HASHES) throw wrong(`more than ${MAX_HASHES} hashes`);
    path.push(unbase64(hash as string));
  }
  return path;
}

/** Ascending indexes as [first, how many], as few as there can be. */
export function rangesOf(indexes: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const index of indexes) {
    const last = ranges.at(-1);
    if (last !== undefined && last[0] + last[1] === index) last[1]++;
    else ranges.push([index, 1]);
  }
  return ranges;
}

function wrong(detail: string): Malformed {
  return new Malformed('range', detail);
}
