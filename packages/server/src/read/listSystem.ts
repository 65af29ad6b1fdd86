import type { CompromisedItem, SystemItem, SystemList, SystemListQuery } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import { type LeaflessEntry, readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import { inTenant, isStatementTimeout, type Tx } from '../store/database.js';
import type { RecordWindow } from '../store/recordPlaces.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { findPlaceOf } from '../store/runPlaces.js';
import { readBodies } from '../store/steps.js';
import { countSystemRecords, findSystemRecords } from '../store/systemPlaces.js';
import type { Checked } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { type AggregatedItem, aggregateMetadata } from './metadata.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { openBodies, type RecordBody } from './recordBody.js';
import { type LanePosition, type MergedRecords, mergeRecords, type RecordLane } from './recordMerge.js';
import { compromisedItem } from './runItem.js';
import { isSummarised, systemItem, systemSpine } from './systemItem.js';
import { readSystemQuery, type SystemAsked } from './systemQuery.js';
import { coveredBy } from './tier.js';

/** Endpoint 7: what producers' log records say of the systems around runs, newest first, at one pin for a whole crawl. */
export async function listSystem(
  deps: ReadDeps,
  tenantId: string,
  parameters: SystemListQuery,
): Promise<Reading<SystemList>> {
  const query = readSystemQuery(parameters);
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['system.list'], filters: query.applied };
  const asked: Asked = { tenantId, query, cursor: query.cursor === null ? null : openCursor(scope, query.cursor) };
  const found = await inTenant(deps.db, 'reader', tenantId, (tx) => walk(deps, tx, asked), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
  const reading = await answer(deps, asked, scope, found);
  if (!query.includeTotal) return reading;
  // Only now: a request that held one connection and waited for another could wait for itself.
  return { ...reading, answer: { ...reading.answer, total: await total(deps, asked, found.logs) } };
}

interface Asked {
  readonly tenantId: string;
  readonly query: SystemAsked;
  readonly cursor: Cursor | null;
}

/** A log with what it has for the page. */
type Lane = RecordLane & { readonly entries: ReadonlyMap<number, Checked<StoredEntry>> };

/** What came out of one snapshot; bodies are still sealed. */
interface Walked {
  readonly sizes: readonly LogSize[];
  readonly logs: readonly Pin[];
  readonly lanes: readonly Lane[];
  readonly bodies: ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>;
  readonly whenEmpty: { readonly occurredAt: string; readonly recordedAt: string };
}

async function walk(deps: ReadDeps, tx: Tx, asked: Asked): Promise<Walked> {
  const { tenantId, query } = asked;
  const sizes = await readLogSizes(tx, tenantId);
  const logs = sizes
    .filter(({ topic }) => topic === 'system')
    .map(({ log, size }) => ({ log, size: pinOf(asked, log, size) }));
  const examine = Math.floor(MAX_EXAMINED / Math.max(1, logs.length));
  const lanes: Lane[] = [];
  const bodies = new Map<string, ReadonlyMap<number, Uint8Array>>();
  for (const pin of logs) {
    const window = await windowOf(tx, asked, pin, { limit: query.limit + 1, examine });
    const found = await findSystemRecords(tx, tenantId, query.filters, window);
    const indexes = found.places.map(({ index }) => index);
    const entries = await entriesAt(deps, tx, { tenantId, log: pin.log }, indexes);
    lanes.push({ name: pin.log, found, window, entries });
    const opened = [...entries.values()].filter((entry) => entry.kind === 'sound' && isSummarised(entry));
    bodies.set(
      pin.log,
      await readBodies(
        tx,
        tenantId,
        pin.log,
        opened.map(({ stored }) => stored.index),
      ),
    );
  }
  return { sizes, logs, lanes, bodies, whenEmpty: await emptyTimes(tx, tenantId, logs) };
}

/** A log that the cursor does not name was opened after the crawl began, and is not part of it; a tail has no end. */
function pinOf({ query, cursor }: Asked, log: string, size: number): number {
  return cursor === null || query.order === 'asc' ? size : Math.min(size, cursor.pins[log] ?? 0);
}

async function windowOf(
  tx: Tx,
  { tenantId, query, cursor }: Asked,
  { log, size }: Pin,
  bound: Pick<RecordWindow, 'limit' | 'examine'>,
): Promise<RecordWindow> {
  const { order, occurredAfter, occurredBefore, recordedAfter, recordedBefore } = query;
  const placeOf = (time: string | null, otherwise: number) =>
    time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
  const at = positionsOf(cursor).get(log) ?? null;
  const from = Math.max(await placeOf(recordedAfter, 0), order === 'asc' ? (at?.index ?? 0) : 0);
  const below = Math.min(await placeOf(recordedBefore, size), order === 'desc' ? (at?.index ?? size) : size);
  const after = order === 'occurred' && at?.at != null ? { index: at.index, at: at.at } : null;
  return { log, order, from, below, occurredAfter, occurredBefore, after, ...bound };
}

/** The records at these places, each held against its leaf, its row and the open findings. */
async function entriesAt(
  deps: ReadDeps,
  tx: Tx,
  { tenantId, log }: { readonly tenantId: string; readonly log: string },
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Checked<StoredEntry>>> {
  const open = await deps.openFindings(tx, tenantId);
  const stored: readonly (StoredEntry | LeaflessEntry)[] = await readEntriesAt(
    tx,
    tenantId,
    { topic: 'system', log },
    indexes,
  );
  const origin = deps.originOf(tenantId, log);
  return new Map(stored.map((one) => [one.index, heldAgainst(checkEntry(one, 'system', origin), open)]));
}

async function answer(
  deps: ReadDeps,
  asked: Asked,
  scope: CursorScope,
  { sizes, logs, lanes, bodies, whenEmpty }: Walked,
): Promise<Reading<SystemList>> {
  const { tenantId, query } = asked;
  const merged = mergeRecords(lanes, query.limit, query.order);
  const coveringOf = coveredBy(deps, tenantId, sizes);
  const opened = await openAll(deps, tenantId, merged, bodies);
  const items: (SystemItem | CompromisedItem)[] = [];
  const sound: AggregatedItem[] = [];
  for (const { lane, index } of merged.shown) {
    const entry = lane.entries.get(index);
    if (entry === undefined) throw new Error('a record that was found is in the same snapshot');
    const body = opened.get(lane)?.get(index);
    if (entry.kind === 'compromised' || body?.kind === 'compromised') {
      items.push(compromisedItem(entry.kind === 'compromised' ? entry : damagedBody(entry, body)));
      continue;
    }
    const covered = coveringOf(entry.stored, await coveredAt(deps.verifyCheckpoint, tenantId, entry.stored));
    items.push(systemItem(tenantId, entry, covered, body?.value ?? null));
    sound.push({ ...entry.stored, covered, spine: systemSpine(entry.members) });
  }
  const metadata = aggregateMetadata({
    tenantId,
    items: sound,
    pins: logs,
    whenEmpty,
    sound: sound.length === items.length,
  });
  return {
    answer: {
      items,
      has_more: merged.hasMore,
      examined_limit_reached: merged.limitReached,
      next_cursor: nextCursor(asked, scope, merged, logs),
      filters_applied: query.applied,
      metadata: { ...metadata, source_domain: 'SYSTEM' },
    },
    pins: logs,
    count: items.length,
    sizes,
  };
}

type Opened = ReadonlyMap<Lane, ReadonlyMap<number, RecordBody>>;

/** Bodies of the shown records, where a list opens them. */
async function openAll(
  deps: ReadDeps,
  tenantId: string,
  { shown }: MergedRecords<Lane>,
  bodies: Walked['bodies'],
): Promise<Opened> {
  const opened = new Map<Lane, ReadonlyMap<number, RecordBody>>();
  for (const lane of new Set(shown.map((one) => one.lane))) {
    const records = shown
      .filter((one) => one.lane === lane)
      .flatMap(({ index }) => {
        const entry = lane.entries.get(index);
        return entry?.kind === 'sound' && isSummarised(entry) ? [entry] : [];
      });
    opened.set(lane, await openBodies(deps, tenantId, records, bodies.get(lane.name) ?? new Map()));
  }
  return opened;
}

function damagedBody(
  { stored }: SoundEntry,
  body: RecordBody | undefined,
): Extract<Checked<unknown>, { kind: 'compromised' }> {
  if (body?.kind !== 'compromised') throw new Error('a body that is as it was');
  return { kind: 'compromised', stored, finding: body.finding };
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

function nextCursor(
  { query }: Asked,
  scope: CursorScope,
  { hasMore, next }: MergedRecords<Lane>,
  logs: readonly Pin[],
): string | null {
  const isTail = query.order === 'asc';
  if (!isTail && !hasMore) return null;
  return sealCursor(scope, {
    pins: isTail ? {} : Object.fromEntries(logs.map(({ log, size }) => [log, size])),
    position: [...next].flatMap(([name, { index, at }]) => [name, index, at ?? '']),
  });
}

/** In a transaction of its own, as that of runs. @throws Refusal `invalid_parameter` when it takes longer than the database lets it. */
async function total(deps: ReadDeps, asked: Asked, logs: readonly Pin[]): Promise<number> {
  const { tenantId, query } = asked;
  try {
    return await inTenant(
      deps.db,
      'reader',
      tenantId,
      async (tx) => {
        let sum = 0;
        for (const pin of logs) {
          const window = await windowOf(tx, { ...asked, cursor: null }, pin, { limit: 0, examine: 0 });
          sum += await countSystemRecords(tx, tenantId, query.filters, window);
        }
        return sum;
      },
      { readOnly: true, snapshot: true },
    );
  } catch (error) {
    if (!isStatementTimeout(error)) throw error;
    throw invalidParameter(
      'include_total',
      'takes longer to count than the database allows; narrow the range with recorded_* or occurred_*, add a filter, or leave it out',
    );
  }
}
