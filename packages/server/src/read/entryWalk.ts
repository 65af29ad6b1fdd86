import { readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { countEntries, type EntrySelection, findEntries } from '../store/entryPlaces.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { findPlaceOf } from '../store/runPlaces.js';
import type { Checked } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import type { Cursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { type GoesOn, type Lane, mergeLanes } from './entryMerge.js';
import type { ListAsked } from './listAsked.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import { type BodiesByLog, readBodiesOf } from './systemBodies.js';

/** What stands before the name of a log that is the platform's, in pins and cursors. */
export const PLATFORM_PREFIX = 'platform/';

/** A tenant's logs that a list reads, and what it asks of them. */
export interface EntrySource {
  readonly tenantId: string;
  /** Before the names of its logs, in pins and cursors. */
  readonly prefix: string;
  /** Logs of these topics are pinned. */
  readonly topics: readonly string[];
  /** What is asked of a topic's logs; null: none of its records can have it, and they are not looked at. */
  readonly selectionOf: (topic: string) => EntrySelection | null;
}

/** A page of a list, as asked. */
export interface AskedPage {
  readonly asked: ListAsked;
  readonly cursor: Cursor | null;
  /** Whether the list opens an entry's body. */
  readonly opensBody: (entry: SoundEntry) => boolean;
  /** Sources that share what a page may examine. */
  readonly sources: number;
}

/** What came out of one snapshot of one source. */
export interface WalkedSource {
  readonly source: EntrySource;
  readonly sizes: readonly LogSize[];
  readonly pins: readonly Pin[];
  readonly lanes: readonly Lane[];
  /** As much of the lanes as a page can show, by `placeName`; each held against its leaf, its row and the open findings. */
  readonly entries: ReadonlyMap<string, Checked<StoredEntry>>;
  /** Still sealed. */
  readonly bodies: BodiesByLog;
  readonly whenEmpty: { readonly occurredAt: string; readonly recordedAt: string };
}

/** What the logs of one source have for a page. In a transaction with `inIndexOrder` that sees the source's tenant. */
export async function walkSource(deps: ReadDeps, tx: Tx, page: AskedPage, source: EntrySource): Promise<WalkedSource> {
  const sizes = await readLogSizes(tx, source.tenantId);
  const logs = sizes
    .filter(({ topic }) => source.topics.includes(topic))
    .map(({ topic, log, size }) => {
      const name = source.prefix + log;
      return { topic, name, log, size: pinOf(page, name, size) };
    });
  const lanes = await lanesOf(tx, page, source, logs);
  const entries = await entriesOf(deps, tx, page, { source, lanes });
  const opened = [...entries.values()].flatMap((entry) =>
    entry.kind === 'sound' && page.opensBody(entry) ? [entry] : [],
  );
  return {
    source,
    sizes,
    pins: logs.map(({ name, size }) => ({ log: name, size })),
    lanes,
    entries,
    bodies: await readBodiesOf(tx, source.tenantId, opened),
    whenEmpty: await emptyTimes(tx, source.tenantId, logs),
  };
}

/** How many of a source's records match at its pins, all of them. */
export async function countSource(
  tx: Tx,
  asked: ListAsked,
  { source, sizes, pins }: Pick<WalkedSource, 'source' | 'sizes' | 'pins'>,
): Promise<number> {
  const { tenantId, prefix } = source;
  let sum = 0;
  for (const { log: name, size } of pins) {
    const { log = '', topic = '' } = sizes.find((one) => prefix + one.log === name) ?? {};
    const selection = source.selectionOf(topic);
    if (selection === null) continue;
    const window = { log, ...(await rangeOf(tx, asked, tenantId, { log, size })), occurred: asked.occurred };
    sum += await countEntries(tx, tenantId, selection, window);
  }
  return sum;
}

/** An entry's name among those of a list. */
export function placeName(name: string, index: number): string {
  return `${name} ${index}`;
}

/** A cursor's position is a list of logs, each with where it goes on; no time is an empty text. */
export function positionsOf(cursor: Cursor | null): ReadonlyMap<string, GoesOn> {
  const positions = new Map<string, GoesOn>();
  const { position } = cursor ?? { position: [] };
  for (let at = 0; at + 2 < position.length; at += 3) {
    const occurredAt = String(position[at + 2]);
    positions.set(String(position[at]), {
      index: Number(position[at + 1]),
      occurredAt: occurredAt === '' ? null : occurredAt,
    });
  }
  return positions;
}

/** A log that the cursor does not name was opened after the crawl began, and is not part of it; a tail has no end. */
function pinOf({ asked, cursor }: AskedPage, name: string, size: number): number {
  return cursor === null || asked.order === 'asc' ? size : Math.min(size, cursor.pins[name] ?? 0);
}

interface NamedLog extends Pin {
  readonly topic: string;
  readonly name: string;
}

type LogLane = Lane & Pick<NamedLog, 'topic' | 'log'>;

/** What each log has for the page. They share what a page may examine. */
async function lanesOf(
  tx: Tx,
  { asked, cursor, sources }: AskedPage,
  { tenantId, selectionOf }: EntrySource,
  logs: readonly NamedLog[],
): Promise<readonly LogLane[]> {
  const { order, occurred, limit } = asked;
  const walked = logs.flatMap((log) => {
    const selection = selectionOf(log.topic);
    return selection === null ? [] : [{ ...log, selection }];
  });
  const bound = { limit: limit + 1, examine: Math.floor(MAX_EXAMINED / (sources * Math.max(1, walked.length))) };
  const goOn = positionsOf(cursor);
  const lanes: LogLane[] = [];
  for (const { topic, name, log, size, selection } of walked) {
    const range = await rangeOf(tx, asked, tenantId, { log, size });
    const at = goOn.get(name) ?? null;
    const from = order === 'asc' ? Math.max(range.from, at?.index ?? 0) : range.from;
    const below = order === 'desc' ? Math.min(range.below, at?.index ?? size) : range.below;
    const after = order === 'occurred' ? at : null;
    const window = { log, order: order === 'asc' ? order : 'desc', from, below, occurred, after, ...bound } as const;
    const found = from < below ? await findEntries(tx, tenantId, selection, window) : NOTHING;
    lanes.push({ ...found, topic, log, name, from, below, after });
  }
  return lanes;
}

const NOTHING = { places: [], examinedEnd: null } as const;

/** `recorded_*` as leaf indexes of one log, below its pin. */
async function rangeOf(
  tx: Tx,
  { recordedAfter, recordedBefore }: ListAsked,
  tenantId: string,
  { log, size }: Pin,
): Promise<{ readonly from: number; readonly below: number }> {
  const placeOf = (time: string | null, otherwise: number) =>
    time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
  return { from: await placeOf(recordedAfter, 0), below: await placeOf(recordedBefore, size) };
}

/** Those that a page of this source alone would show: a page of several shows no others. */
async function entriesOf(
  deps: ReadDeps,
  tx: Tx,
  { asked: { limit, order } }: AskedPage,
  { source, lanes }: { readonly source: EntrySource; readonly lanes: readonly LogLane[] },
): Promise<ReadonlyMap<string, Checked<StoredEntry>>> {
  const { tenantId } = source;
  const open = await deps.openFindings(tx, tenantId);
  const { shown } = mergeLanes(lanes, limit, order);
  const entries = new Map<string, Checked<StoredEntry>>();
  for (const lane of new Set(shown.map((one) => one.lane))) {
    const indexes = shown.filter((one) => one.lane === lane).map(({ index }) => index);
    const origin = deps.originOf(tenantId, lane.log);
    for (const stored of await readEntriesAt(tx, tenantId, lane, indexes))
      entries.set(placeName(lane.name, stored.index), heldAgainst(checkEntry(stored, lane.topic, origin), open));
  }
  return entries;
}
