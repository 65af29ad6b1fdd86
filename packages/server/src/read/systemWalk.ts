import { readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import type { RecordWindow } from '../store/recordPlaces.js';
import { findPlaceOf } from '../store/runPlaces.js';
import { readBodies } from '../store/steps.js';
import { findSystemRecords, type SystemFilters } from '../store/systemPlaces.js';
import type { Checked } from './check.js';
import { checkEntry } from './checkEntry.js';
import type { Cursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import type { LanePosition, RecordLane } from './recordMerge.js';
import { isSummarised } from './systemItem.js';
import type { SystemAsked } from './systemQuery.js';

/** A page of the list, as asked. */
export interface AskedPage {
  readonly query: SystemAsked;
  readonly cursor: Cursor | null;
}

/** Whose records a page is made of, and which of them. */
export interface SystemSource {
  readonly tenantId: string;
  /** Before the names of its logs, in pins and cursors. */
  readonly prefix: string;
  readonly shared: SystemFilters['shared'];
  /** False: its logs are pinned, and not looked at. */
  readonly isAsked: boolean;
  /** Index entries examined at most, of all its logs. */
  readonly examine: number;
}

/** A log with what it has for the page. */
export interface SystemLane extends RecordLane {
  readonly source: SystemSource;
  readonly sizes: readonly LogSize[];
  readonly entries: ReadonlyMap<number, Checked<StoredEntry>>;
  /** Still sealed. */
  readonly bodies: ReadonlyMap<number, Uint8Array>;
}

/** What came out of one snapshot of one source. */
export interface WalkedSource {
  readonly source: SystemSource;
  readonly sizes: readonly LogSize[];
  /** By their names in cursors. */
  readonly pins: readonly Pin[];
  readonly lanes: readonly SystemLane[];
  readonly whenEmpty: { readonly occurredAt: string; readonly recordedAt: string };
}

/** What the logs of one source have for a page, each record held against its leaf, its row and the open findings. */
export async function walkSource(
  deps: ReadDeps,
  tx: Tx,
  asked: AskedPage,
  source: SystemSource,
): Promise<WalkedSource> {
  const { tenantId, prefix } = source;
  const sizes = await readLogSizes(tx, tenantId);
  const logs = sizes
    .filter(({ topic }) => topic === 'system')
    .map(({ log, size }) => ({ log, size: pinOf(asked, prefix + log, size) }));
  const examine = Math.floor(source.examine / Math.max(1, logs.length));
  const bound = { limit: asked.query.limit + 1, examine };
  const lanes: SystemLane[] = [];
  for (const pin of source.isAsked ? logs : []) {
    const window = await windowOf(tx, asked, source, pin, bound);
    const found = await findSystemRecords(tx, tenantId, { ...asked.query.filters, shared: source.shared }, window);
    const entries = await entriesAt(
      deps,
      tx,
      { tenantId, log: pin.log },
      found.places.map(({ index }) => index),
    );
    const opened = [...entries.values()].filter((entry) => entry.kind === 'sound' && isSummarised(entry));
    const bodies = await readBodies(
      tx,
      tenantId,
      pin.log,
      opened.map(({ stored }) => stored.index),
    );
    lanes.push({ name: prefix + pin.log, found, window, source, sizes, entries, bodies });
  }
  const pins = logs.map(({ log, size }) => ({ log: prefix + log, size }));
  return { source, sizes, pins, lanes, whenEmpty: await emptyTimes(tx, tenantId, logs) };
}

/** A log that the cursor does not name was opened after the crawl began, and is not part of it; a tail has no end. */
function pinOf({ query, cursor }: AskedPage, name: string, size: number): number {
  return cursor === null || query.order === 'asc' ? size : Math.min(size, cursor.pins[name] ?? 0);
}

/** Which part of a log a page looks at. */
export async function windowOf(
  tx: Tx,
  { query, cursor }: AskedPage,
  { tenantId, prefix }: SystemSource,
  { log, size }: Pin,
  bound: Pick<RecordWindow, 'limit' | 'examine'>,
): Promise<RecordWindow> {
  const { order, occurredAfter, occurredBefore, recordedAfter, recordedBefore } = query;
  const placeOf = (time: string | null, otherwise: number) =>
    time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
  const at = positionsOf(cursor).get(prefix + log) ?? null;
  const from = Math.max(await placeOf(recordedAfter, 0), order === 'asc' ? (at?.index ?? 0) : 0);
  const below = Math.min(await placeOf(recordedBefore, size), order === 'desc' ? (at?.index ?? size) : size);
  const after = order === 'occurred' && at?.at != null ? { index: at.index, at: at.at } : null;
  return { log, order, from, below, occurredAfter, occurredBefore, after, ...bound };
}

/** A cursor's position is a list of logs, each with where it goes on; no time is an empty text. */
function positionsOf(cursor: Cursor | null): ReadonlyMap<string, LanePosition> {
  const positions = new Map<string, LanePosition>();
  const { position } = cursor ?? { position: [] };
  for (let at = 0; at + 2 < position.length; at += 3) {
    const time = String(position[at + 2]);
    positions.set(String(position[at]), { index: Number(position[at + 1]), at: time === '' ? null : time });
  }
  return positions;
}

async function entriesAt(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, log }: { readonly tenantId: string; readonly log: string },
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Checked<StoredEntry>>> {
  const open = await deps.openFindings(tx, tenantId);
  const stored = await readEntriesAt(tx, tenantId, { topic: 'system', log }, indexes);
  const origin = deps.originOf(tenantId, log);
  return new Map(stored.map((one) => [one.index, heldAgainst(checkEntry(one, 'system', origin), open)]));
}
