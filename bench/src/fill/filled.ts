import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from '../server.js';

/** A deployment that was filled: what is asked of it, and how it was made. Stands in its directory, so that it can be used again. */
export interface Filled {
  /** Turns, the long traces not counted. */
  readonly runs: number;
  readonly spans: number;
  /** Of `llm-runs` when the last run was sealed. */
  readonly leaves: number;
  readonly seconds: number;
  readonly tenant: string;
  readonly ingestKey: string;
  readonly readerKey: string;
  /** Trace ids by number of steps. */
  readonly longTraces: readonly { readonly steps: number; readonly traceIds: readonly string[] }[];
}

/** What stands in the directory; null: it was not filled, or not to the end. */
export function readFilled(place: Place): Filled | null {
  const file = fileOf(place);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Filled) : null;
}

/** Written last. Holds keys of a deployment that nobody else can reach. */
export function writeFilled(place: Place, filled: Filled): void {
  writeFileSync(fileOf(place), JSON.stringify(filled, null, 2), { mode: 0o600 });
}

function fileOf({ dir }: Place): string {
  return join(dir, 'filled.json');
}
