import type {
  AccessList,
  AggregateMetadata,
  AuditList,
  AuditQuery,
  AuthorizationList,
  CompromisedItem,
  EndpointId,
} from '@sworn/contract';
import { readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import { type AuditWindow, findEntries } from '../store/auditPlaces.js';
import { readLogSizes } from '../store/checkpointRead.js';
import { inTenant, type Tx } from '../store/database.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { findPlaceOf } from '../store/runPlaces.js';
import { accessItem, auditItem, authorizationItem, basisOf, entrySpine, type ShowEntry } from './auditItem.js';
import { type AuditAsked, readAuditQuery } from './auditQuery.js';
import type { Checked } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { type Lane, mergeLanes, type Merged } from './entryMerge.js';
import { type AggregatedItem, aggregateMetadata } from './metadata.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { compromisedItem } from './runItem.js';
import { type CoveredBy, coveredBy } from './tier.js';

/** Endpoint 13: entries of `audit`, `access` and `control`, newest first, at one pin for a whole crawl. */
export function listAudit(deps: ReadDeps, tenantId: string, query: AuditQuery): Promise<Reading<AuditList>> {
  const shown = { id: 'audit.list', topics: ['audit', 'access', 'control'], itemOf: auditItem } as const;
  return list(deps, tenantId, query, shown);
}

/** Endpoint 15: every access record as a decision. */
export function listAuthorization(
  deps: ReadDeps,
  tenantId: string,
  query: AuditQuery,
): Promise<Reading<AuthorizationList>> {
  return list(deps, tenantId, query, { id: 'audit.authorization', topics: ['access'], itemOf: authorizationItem });
}

/** Endpoint 16: every access record as an access. */
export function listAccess(deps: ReadDeps, tenantId: string, query: AuditQuery): Promise<Reading<AccessList>> {
  return list(deps, tenantId, query, { id: 'audit.access', topics: ['access'], itemOf: accessItem });
}

/** One of the lists: which logs it shows, and how. */
interface Shown<I> {
  readonly id: EndpointId;
  readonly topics: AuditAsked['topics'];
  readonly itemOf: ShowEntry<I>;
}

interface EntryList<I> {
  items: (I | CompromisedItem)[];
  has_more: boolean;
  examined_limit_reached: boolean;
  next_cursor: string | null;
  filters_applied: Record<string, string | number | boolean>;
  metadata: AggregateMetadata;
}

interface Asked<I> {
  readonly tenantId: string;
  readonly query: AuditAsked;
  readonly scope: CursorScope;
  readonly cursor: Cursor | null;
  readonly shown: Shown<I>;
}

async function list<I>(
  deps: ReadDeps,
  tenantId: string,
  parameters: AuditQuery,
  shown: Shown<I>,
): Promise<Reading<EntryList<I>>> {
  const query = await readAuditQuery(parameters, shown.topics, (value) => deps.tokenOf(tenantId, value));
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: [shown.id], filters: query.applied };
  const cursor = query.cursor === null ? null : openCursor(scope, query.cursor);
  return inTenant(deps.db, 'reader', tenantId, (tx) => page(deps, tx, { tenantId, query, scope, cursor, shown }), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
}

async function page<I>(deps: ReadDeps, tx: Tx, asked: Asked<I>): Promise<Reading<EntryList<I>>> {
  const { tenantId, query, shown } = asked;
  const sizes = await readLogSizes(tx, tenantId);
  const logs = sizes.flatMap(({ topic, log, size }) => {
    const known = shown.topics.find((one) => one === topic);
    return known === undefined ? [] : [{ topic: known, log, size: pinOf(asked, log, size) }];
  });
  const merged = mergeLanes(await lanesOf(tx, asked, logs), query.limit, query.order);
  const checked = await checkedOf(deps, tx, tenantId, merged);
  const coveringOf = coveredBy(deps, tenantId, sizes);
  const items: (I | CompromisedItem)[] = [];
  const sound: AggregatedItem[] = [];
  for (const entry of checked) {
    if (entry.kind === 'compromised') {
      items.push(compromisedItem(entry));
      continue;
    }
    const covered = await coverOfEntry(deps, tenantId, entry, coveringOf);
    items.push(shown.itemOf(tenantId, entry, covered));
    sound.push({ ...entry.stored, covered, spine: entrySpine(entry.members) });
  }
  const pins: Pin[] = logs.map(({ log, size }) => ({ log, size }));
  const metadata = aggregateMetadata({
    tenantId,
    items: sound,
    pins,
    whenEmpty: await emptyTimes(tx, tenantId, pins),
    sound: sound.length === checked.length,
  });
  const isObserved = checked.some((entry) => entry.kind === 'sound' && basisOf(entry) === 'OBSERVED');
  return {
    answer: {
      items,
      has_more: merged.hasMore,
      examined_limit_reached: merged.limitReached,
      next_cursor: nextCursor(asked, merged, pins),
      filters_applied: query.applied,
      metadata: { ...metadata, actor_basis: isObserved ? 'OBSERVED' : 'AUTHENTICATED', source_domain: 'LOGS' },
    },
    pins,
    count: items.length,
    sizes,
  };
}

interface AskedLog extends Pin {
  readonly topic: AuditWindow['topic'];
}

/** A log that the cursor does not name was opened after the crawl began, and is not part of it; a tail has no end. */
function pinOf({ query, cursor }: Pick<Asked<unknown>, 'query' | 'cursor'>, log: string, size: number): number {
  return cursor === null || query.order === 'asc' ? size : Math.min(size, cursor.pins[log] ?? 0);
}

/** What each log has for the page. They share what a page may examine. */
async function lanesOf(tx: Tx, asked: Asked<unknown>, logs: readonly AskedLog[]): Promise<Lane[]> {
  const { tenantId, query, cursor } = asked;
  const { filters, order, recordedAfter, recordedBefore } = query;
  const asc = order === 'asc';
  const walked = logs.filter(({ topic }) => query.topics.includes(topic));
  const examine = Math.floor(MAX_EXAMINED / Math.max(1, walked.length));
  const goOn = cursor === null ? null : positionsOf(cursor);
  const lanes: Lane[] = [];
  for (const { topic, log, size } of walked) {
    const placeOf = (time: string | null, otherwise: number) =>
      time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
    const at = goOn?.get(log) ?? null;
    const from = Math.max(await placeOf(recordedAfter, 0), asc ? (at ?? 0) : 0);
    const below = Math.min(await placeOf(recordedBefore, size), asc ? size : (at ?? size));
    const window: AuditWindow = { topic, log, order, from, below, limit: query.limit + 1, examine };
    const found = from < below ? await findEntries(tx, tenantId, filters, window) : NOTHING;
    lanes.push({ ...found, topic, log, from, below });
  }
  return lanes;
}

const NOTHING = { places: [], examinedEnd: null } as const;

/** A cursor's position is a list of logs, each with where it goes on. */
function positionsOf({ position }: Cursor): ReadonlyMap<string, number> {
  const positions = new Map<string, number>();
  for (let at = 0; at + 1 < position.length; at += 2) positions.set(String(position[at]), Number(position[at + 1]));
  return positions;
}

function nextCursor({ query, scope }: Asked<unknown>, { hasMore, next }: Merged, pins: readonly Pin[]): string | null {
  const isTail = query.order === 'asc';
  if (!isTail && !hasMore) return null;
  return sealCursor(scope, {
    pins: isTail ? {} : Object.fromEntries(pins.map(({ log, size }) => [log, size])),
    position: [...next].flat(),
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

async function coverOfEntry(deps: ReadDeps, tenantId: string, { stored }: SoundEntry, coveringOf: CoveredBy) {
  return coveringOf(stored, await coveredAt(deps.verifyCheckpoint, tenantId, stored));
}
