import type { Tx } from '../store/database.js';
import { readBodies } from '../store/steps.js';
import type { SoundEntry } from './checkEntry.js';
import type { ReadDeps } from './reading.js';
import { openBodies, type RecordBody } from './recordBody.js';

/** Sealed bodies by log and leaf index. */
export type BodiesByLog = ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>;

/** Bodies of records of several logs. */
export async function readBodiesOf(tx: Tx, tenantId: string, records: readonly SoundEntry[]): Promise<BodiesByLog> {
  const bodies = new Map<string, ReadonlyMap<number, Uint8Array>>();
  for (const [log, ofLog] of byLog(records)) {
    const indexes = ofLog.map(({ stored }) => stored.index);
    bodies.set(log, await readBodies(tx, tenantId, log, indexes));
  }
  return bodies;
}

/** Opens them. To be called outside any transaction, see `openBodies`. */
export async function openBodiesOf(
  deps: ReadDeps,
  tenantId: string,
  records: readonly SoundEntry[],
  bodies: BodiesByLog,
): Promise<(record: SoundEntry) => RecordBody | null> {
  const opened = new Map<string, ReadonlyMap<number, RecordBody>>();
  for (const [log, ofLog] of byLog(records))
    opened.set(log, await openBodies(deps, tenantId, ofLog, bodies.get(log) ?? new Map()));
  return ({ stored }) => opened.get(stored.log)?.get(stored.index) ?? null;
}

function byLog(records: readonly SoundEntry[]): ReadonlyMap<string, readonly SoundEntry[]> {
  const logs = new Map<string, SoundEntry[]>();
  for (const record of records) {
    const same = logs.get(record.stored.log);
    if (same === undefined) logs.set(record.stored.log, [record]);
    else same.push(record);
  }
  return logs;
}
