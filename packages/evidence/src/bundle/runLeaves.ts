import { Malformed } from '../malformed.js';
import { rangesOf } from './rangeFile.js';
import type { RecordFile } from './runRecords.js';

/** Which leaves of one log a run of a bundle of several has. */
export interface LeavesOfLog {
  readonly log: string;
  /** Ascending, not empty. */
  readonly indexes: readonly number[];
}

/** Leaves of one run that a reader takes: of the longest and what is around it. */
const MAX_LEAVES = 300_000;

/**
 * `leaves.json` of one run: which of the leaves of a bundle of several runs are its own. It is a claim, which the run's RUN leaf is held against. Several runs
 * may have the same leaf: of `system`, of what was around both.
 */
export function runLeavesText(logs: readonly LeavesOfLog[]): string {
  const said = logs.map(({ log, indexes }) => ({ log, indexes: rangesOf(indexes) }));
  return `${JSON.stringify({ logs: said })}\n`;
}

/**
 * Reads such a file; one that is not written as `runLeavesText` writes it is refused.
 * @throws Malformed `run_leaves`
 */
export function parseRunLeaves(text: string): readonly LeavesOfLog[] {
  const logs = listOf(objectOf(jsonOf(text)).logs).map((value) => {
    const { log, indexes } = objectOf(value);
    if (typeof log !== 'string') throw wrong('a log has no name');
    return { log, indexes: expanded(listOf(indexes)) };
  });
  if (logs.some(({ log }, i) => i > 0 && log <= (logs[i - 1]?.log ?? ''))) throw wrong('its logs do not ascend');
  if (runLeavesText(logs) !== text) throw wrong('it is not written as this format writes it');
  return logs;
}

/**
 * The records of one run among those of a bundle of several.
 * @throws Malformed `run` where one of its leaves is not there
 */
export function recordsOfRun(files: readonly RecordFile[], logs: readonly LeavesOfLog[]): RecordFile[] {
  return logs.map(({ log, indexes }) => {
    const file = files.find((one) => one.log === log);
    const lines = indexes.map((index) => {
      const line = file === undefined ? -1 : lineOf(file.indexes, index);
      if (line < 0) throw new Malformed('run', `leaf ${index} of ${log} is not there`);
      return line;
    });
    const leafAt = (line: number) => (file as RecordFile).leafAt(lines[line] as number);
    return {
      log,
      indexes,
      leafAt,
      async *leaves() {
        for (const line of lines.keys()) yield await leafAt(line);
      },
    };
  });
}

/** Where `index` stands among ascending ones; −1: nowhere. */
export function lineOf(indexes: readonly number[], index: number): number {
  let [low, high] = [0, indexes.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = indexes[middle] as number;
    if (found === index) return middle;
    if (found < index) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Ranges [first, how many], as indexes. */
function expanded(ranges: readonly unknown[]): number[] {
  const indexes: number[] = [];
  for (const range of ranges) {
    const [first, count, ...more] = listOf(range);
    if (!isCount(first) || !isCount(count) || more.length > 0) throw wrong('a range is not [first, how many]');
    if (first <= (indexes.at(-1) ?? -1)) throw wrong('its ranges do not ascend');
    if (indexes.length + count > MAX_LEAVES) throw wrong(`more than ${MAX_LEAVES} leaves`);
    for (let i = 0; i < count; i++) indexes.push(first + i);
  }
  if (indexes.length === 0) throw wrong('a log has no leaves');
  return indexes;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong('it is no JSON');
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('a member is no object');
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong('a member is no list');
  return value;
}

function wrong(detail: string): Malformed {
  return new Malformed('run_leaves', detail);
}
