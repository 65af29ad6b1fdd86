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
export function* rangeText({ log, size, indexes, path }: Omit<RangeFile, 'path'> & { path: Iterable<Uint8Array> }) {
  yield `{"log":${JSON.stringify(log)},"size":${size},"indexes":${JSON.stringify(rangesOf(indexes))},"path":[`;
  let count = 0;
  for (const hash of path) yield `${count++ === 0 ? '' : ','}\n"${base64(hash)}"`;
  yield '\n]}\n';
}

/**
 * Reads a range file; one that is not written as `rangeText` writes it is refused. Nothing is verified.
 * @throws Malformed `range`
 */
export function parseRange(text: string): RangeFile {
  const said = jsonOf(text);
  const { log, size, indexes, path } = said;
  if (typeof log !== 'string' || typeof size !== 'number') throw wrong('log or size is missing');
  if (!Array.isArray(indexes) || !Array.isArray(path) || path.length > MAX_HASHES) throw wrong('it has no proof');
  const file = { log, size, indexes: indexesOf(indexes), path: path.map(hashOf) };
  if ([...rangeText(file)].join('') !== text) throw wrong('it is not written as this format writes it');
  return file;
}

function rangesOf(indexes: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const index of indexes) {
    const last = ranges.at(-1);
    if (last !== undefined && last[0] + last[1] === index) last[1]++;
    else ranges.push([index, 1]);
  }
  return ranges;
}

function indexesOf(ranges: readonly unknown[]): number[] {
  const indexes: number[] = [];
  for (const range of ranges) {
    const [first, count] = Array.isArray(range) ? (range as unknown[]) : [];
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || (count as number) < 1)
      throw wrong('a range is not [first, how many]');
    if (indexes.length + (count as number) > MAX_LEAVES) throw wrong(`more than ${MAX_LEAVES} leaves`);
    for (let i = 0; i < (count as number); i++) indexes.push((first as number) + i);
  }
  return indexes;
}

function hashOf(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]{43}=$/.test(text)) throw wrong('a hash is not 32 bytes in base64');
  return unbase64(text);
}

function jsonOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw wrong('it is no JSON object');
}

function wrong(detail: string): Malformed {
  return new Malformed('range', detail);
}
