import type { AggregateMetadata, CompromisedItem, EndpointId } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import { readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import { readLogSizes } from '../store/checkpointRead.js';
import { inTenant, isStatementTimeout, type Tx } from '../store/database.js';
import { countEntries, type EntrySelection, type EntryWindow, findEntries } from '../store/entryPlaces.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { findPlaceOf } from '../store/runPlaces.js';
import type { Checked } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { type GoesOn, type Lane, mergeLanes, type Merged } from './entryMerge.js';
import type { ListAsked } from './listAsked.js';
import { type AggregatedItem, aggregateMetadata, type Spine } from './metadata.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { compromisedItem } from './runItem.js';
import { type Covered, coveredBy } from './tier.js';

/** A list of the records of one or several logs of a tenant: which of them, and how they are shown. */
export interface EntryListing<I> {
  readonly id: EndpointId;
  /** Logs of these topics are read, and pinned. */
  readonly topics: readonly string[];
  /** What is asked of a topic's logs; null: none of its records can have it. */
  readonly selectionOf: (topic: string) => EntrySelection | null;
  readonly asked: ListAsked;
  /** `covered`: by the verified checkpoint. */
  readonly itemOf: (tenantId: string, entry: SoundEntry, covered: Covered | null) => I;
  readonly spineOf: (entry: SoundEntry) => Spine;
  /** What of the aggregate is the endpoint's own. */
  readonly aggregateOf: (entries: readonly SoundEntry[]) => Pick<AggregateMetadata, 'actor_basis' | 'source_domain'>;
}

/** A page of a list. */
export interface EntryList<I> {
  items: (I | CompromisedItem)[];
  has_more: boolean;
  examined_limit_reached: boolean;
  next_cursor: string | null;
  filters_applied: Record<string, string | number | boolean>;
  total?: number;
  metadata: AggregateMetadata;
}

interface Asked<I> {
  readonly tenantId: string;
  readonly listing: EntryListing<I>;
  readonly scope: CursorScope;
  readonly cursor: Cursor | null;
}

/** One page, at one pin for a whole crawl; each record held against its leaf, its row and the open findings. @throws Refusal */
export async function listEntries<I>(
  deps: ReadDeps,
  tenantId: string,
  listing: EntryListing<I>,
): Promise<Reading<EntryList<I>>> {
  const { applied, cursor: text, includeTotal } = listing.asked;
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: [listing.id], filters: applied };
  const asked: Asked<I> = { tenantId, listing, scope, cursor: text === null ? null : openCursor(scope, text) };
  const reading = await inTenant(deps.db, 'reader', tenantId, (tx) => page(deps, tx, asked), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
  if (!includeTotal) return reading;
  // Only now: a request that held one connection and waited for another could wait for itself.
  return { ...reading, answer: { ...reading.answer, total: await total(deps, asked, reading.pins) } };
}

async function page<I>(deps: ReadDeps, tx: Tx, asked: Asked<I>): Promise<Reading<EntryList<I>>> {
  const { tenantId, listing } = asked;
  const { limit, order, applied } = listing.asked;
  const sizes = await readLogSizes(tx, tenantId);
  const logs = sizes
    .filter(({ topic }) => listing.topics.includes(topic))
    .map(({ topic, log, size }) => ({ topic, log, size: pinOf(asked, log, size) }));
  const merged = mergeLanes(await lanesOf(tx, asked, logs), limit, order);
  const checked = await checkedOf(deps, tx, tenantId, merged);
  const coveringOf = coveredBy(deps, tenantId, sizes);
  const items: (I | CompromisedItem)[] = [];
  const sound: AggregatedItem[] = [];
  for (const entry of checked) {
    if (entry.kind === 'compromised') {
      items.push(compromisedItem(entry));
      continue;
    }
    const covered = coveringOf(entry.stored, await coveredAt(deps.verifyCheckpoint, tenantId, entry.stored));
    items.push(listing.itemOf(tenantId, entry, covered));
    sound.push({ ...entry.stored, covered, spine: listing.spineOf(entry) });
  }
  const pins: Pin[] = logs.map(({ log, size }) => ({ log, size }));
  const metadata = aggregateMetadata({
    tenantId,
    items: sound,
    pins,
    whenEmpty: await emptyTimes(tx, tenantId, pins),
    sound: sound.length === checked.length,
  });
  return {
    answer: {
      items,
      has_more: merged.hasMore,
      examined_limit_reached: merged.limitReached,
      next_cursor: nextCursor(asked, merged, pins),
      filters_applied: applied,
      metadata: { ...metadata, ...listing.aggregateOf(checked.filter((entry) => entry.kind === 'sound')) },
    },
    pins,
    count: items.length,
    sizes,
  };
}

interface AskedLog extends Pin {
  readonly topic: string;
}

/** A log that the cursor does not name was opened after the crawl began, and is not part of it; a tail has no end. */
function pinOf({ listing, cursor }: Asked<unknown>, log: string, size: number): number {
  return cursor === null || listing.asked.order === 'asc' ? size : Math.min(size, cursor.pins[log] ?? 0);
}

/** What each log has for the page. They share what a page may examine. */
async function lanesOf<I>(tx: Tx, asked: Asked<I>, logs: readonly AskedLog[]): Promise<Lane[]> {
  const { tenantId, listing, cursor } = asked;
  const { order, occurred, limit } = listing.asked;
  const walked = selected(listing, logs);
  const examine = Math.floor(MAX_EXAMINED / Math.max(1, walked.length));
  const goOn = cursor === null ? null : positionsOf(cursor);
  const lanes: Lane[] = [];
  for (const { topic, log, size, selection } of walked) {
    const range = await rangeOf(tx, asked, { log, size });
    const at = goOn?.get(log) ?? null;
    const from = order === 'asc' ? Math.max(range.from, at?.index ?? 0) : range.from;
    const below = order === 'desc' ? Math.min(range.below, at?.index ?? size) : range.below;
    const after = order === 'occurred' ? at : null;
    const window: EntryWindow = {
      log,
      order: order === 'asc' ? 'asc' : 'desc',
      from,
      below,
      occurred,
      after,
      limit: limit + 1,
      examine,
    };
    const found = from < below ? await findEntries(tx, tenantId, selection, window) : NOTHING;
    lanes.push({ ...found, topic, log, from, below, after });
  }
  return lanes;
}

const NOTHING = { places: [], examinedEnd: null } as const;

/** Logs that can have what is asked. */
function selected<L extends AskedLog>(
  { selectionOf }: EntryListing<unknown>,
  logs: readonly L[],
): (L & { readonly selection: EntrySelection })[] {
  return logs.flatMap((log) => {
    const selection = selectionOf(log.topic);
    return selection === null ? [] : [{ ...log, selection }];
  });
}

/** `recorded_*` as leaf indexes of one log, below its pin. */
async function rangeOf(tx: Tx, { tenantId, listing }: Asked<unknown>, { log, size }: Pin) {
  const { recordedAfter, recordedBefore } = listing.asked;
  const placeOf = (time: string | null, otherwise: number) =>
    time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
  return { from: await placeOf(recordedAfter, 0), below: await placeOf(recordedBefore, size) };
}

/** A cursor's position is a list of logs, each with where it goes on. */
function positionsOf({ position }: Cursor): ReadonlyMap<string, GoesOn> {
  const positions = new Map<string, GoesOn>();
  for (let at = 0; at + 2 < position.length; at += 3) {
    const occurredAt = String(position[at + 2]);
    positions.set(String(position[at]), {
      index: Number(position[at + 1]),
      occurredAt: occurredAt === '' ? null : occurredAt,
    });
  }
  return positions;
}

function nextCursor<I>(
  { listing, scope, cursor }: Asked<I>,
  { hasMore, next }: Merged,
  pins: readonly Pin[],
): string | null {
  const isTail = listing.asked.order === 'asc';
  if (!isTail && !hasMore) return null;
  // What a tail knows of a log that is not walked now stays known.
  const positions = new Map([...(cursor === null ? [] : positionsOf(cursor)), ...next]);
  return sealCursor(scope, {
    pins: isTail ? {} : Object.fromEntries(pins.map(({ log, size }) => [log, size])),
    position: [...positions].flatMap(([log, { index, occurredAt }]) => [log, index, occurredAt ?? '']),
  });
}

/** The shown entries, each held against its leaf, its row and the open findings. */
async function checkedOf(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { shown }: Merged,
): Promise<readonly Checked<StoredEntry>[]> {
  const open = await deps.openFindings(tx, tenantId);
  const byPlace = new Map<string, Checked<StoredEntry>>();
  for (const lane of new Set(shown.map((one) => one.lane))) {
    const indexes = shown.filter((one) => one.lane === lane).map(({ index }) => index);
    const origin = deps.originOf(tenantId, lane.log);
    for (const stored of await readEntriesAt(tx, tenantId, lane, indexes))
      byPlace.set(`${lane.log} ${stored.index}`, heldAgainst(checkEntry(stored, lane.topic, origin), open));
  }
  return shown.map(({ lane, index }) => {
    const checked = byPlace.get(`${lane.log} ${index}`);
    if (checked === undefined) throw new Error('an entry that was found is in the same snapshot');
    return checked;
  });
}

/**
 * How many match at the pins. In a transaction of its own: the planner may read whole tables, and one that takes too long has not spoilt the
 * page's. @throws Refusal `invalid_parameter` when it takes longer than the database lets it.
 */
async function total<I>(deps: ReadDeps, asked: Asked<I>, pins: readonly Pin[]): Promise<number> {
  const { tenantId, listing } = asked;
  const count = async (tx: Tx): Promise<number> => {
    const sizes = await readLogSizes(tx, tenantId);
    const logs = pins.map((pin) => ({ ...pin, topic: sizes.find(({ log }) => log === pin.log)?.topic ?? '' }));
    let sum = 0;
    for (const { log, size, selection } of selected(listing, logs)) {
      const window = { log, ...(await rangeOf(tx, asked, { log, size })), occurred: listing.asked.occurred };
      sum += await countEntries(tx, tenantId, selection, window);
    }
    return sum;
  };
  try {
    return await inTenant(deps.db, 'reader', tenantId, count, { readOnly: true, snapshot: true });
  } catch (error) {
    if (!isStatementTimeout(error)) throw error;
    throw invalidParameter(
      'include_total',
      'takes longer to count than the database allows; narrow the range with recorded_* or occurred_*, add a filter, or leave it out',
    );
  }
}
