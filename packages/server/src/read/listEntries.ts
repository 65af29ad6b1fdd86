import type { AggregateMetadata, CompromisedItem, EndpointId } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import { inTenant, isStatementTimeout, type TxOptions } from '../store/database.js';
import type { EntrySelection } from '../store/entryPlaces.js';
import type { StoredEntry } from '../store/auditEntries.js';
import type { Checked } from './check.js';
import type { SoundEntry } from './checkEntry.js';
import type { EntryFormat } from './entryFormat.js';
import { coveredAt } from './checkpoints.js';
import { type CursorScope, openCursor, sealCursor } from './cursor.js';
import { type Lane, mergeLanes, type Merged } from './entryMerge.js';
import {
  type AskedPage,
  countSource,
  type EntrySource,
  placeName,
  PLATFORM_PREFIX,
  positionsOf,
  type WalkedSource,
  walkSource,
} from './entryWalk.js';
import type { ListAsked } from './listAsked.js';
import { type AggregatedItem, aggregateMetadata, type Spine } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { compromisedItem } from './runItem.js';
import { openBodiesOf } from './systemBodies.js';
import { type Covered, coveredBy } from './tier.js';

/** A list of the records of one or several logs of a tenant: which of them, and how they are shown. */
export interface EntryListing<I> {
  readonly id: EndpointId;
  /** Logs of these topics are read, and pinned. */
  readonly topics: readonly string[];
  /** What is asked of a topic's logs; null: none of its records can have it. */
  readonly selectionOf: (topic: string) => EntrySelection | null;
  /** What is asked of the platform's logs, which stand beside the tenant's own; absent: they do not. */
  readonly platformSelection?: EntrySelection;
  readonly asked: ListAsked;
  /** Whether an entry's body is opened for its item; absent: none is. */
  readonly opensBody?: (entry: SoundEntry) => boolean;
  /** `tenantId`: whose record it is; `covered`: by the verified checkpoint; `body`: null where it is not opened. */
  readonly itemOf: (tenantId: string, entry: SoundEntry, covered: Covered | null, body: Uint8Array | null) => I;
  /** What stands in the place of one that failed its check; absent: a `CompromisedItem`. */
  readonly compromisedOf?: EntryFormat<I>['compromisedOf'];
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

const PAGE: TxOptions = { readOnly: true, snapshot: true, inIndexOrder: true };

/**
 * One page, at one pin for a whole crawl; each record held against its leaf, its row and the open findings. What is the platform's is read by statements
 * of its own, in a transaction that sees the platform's tenant and nothing of this one. @throws Refusal
 */
export async function listEntries<I>(
  deps: ReadDeps,
  tenantId: string,
  listing: EntryListing<I>,
): Promise<Reading<EntryList<I>>> {
  const { asked, opensBody = () => false } = listing;
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: [listing.id], filters: asked.applied };
  const cursor = asked.cursor === null ? null : openCursor(scope, asked.cursor);
  const sources = sourcesOf(deps, tenantId, listing);
  const page: AskedPage = { asked, cursor, opensBody, sources: sources.filter(isLookedAt).length };
  const walked: WalkedSource[] = [];
  for (const source of sources)
    walked.push(await inTenant(deps.db, 'reader', source.tenantId, (tx) => walkSource(deps, tx, page, source), PAGE));
  const reading = await answer(deps, { tenantId, listing, page, scope }, walked);
  if (!asked.includeTotal) return reading;
  // Only now: a request that held one connection and waited for another could wait for itself.
  let total = 0;
  for (const one of walked) total += await totalOf(deps, asked, one);
  return { ...reading, answer: { ...reading.answer, total } };
}

/** The tenant's own first. */
function sourcesOf(
  { platformTenant }: ReadDeps,
  tenantId: string,
  { topics, selectionOf, platformSelection }: EntryListing<unknown>,
): readonly EntrySource[] {
  const own: EntrySource = { tenantId, prefix: '', topics, selectionOf };
  if (platformSelection === undefined) return [own];
  return [own, { tenantId: platformTenant, prefix: PLATFORM_PREFIX, topics, selectionOf: () => platformSelection }];
}

function isLookedAt({ topics, selectionOf }: EntrySource): boolean {
  return topics.some((topic) => selectionOf(topic) !== null);
}

interface Asked<I> {
  readonly tenantId: string;
  readonly listing: EntryListing<I>;
  readonly page: AskedPage;
  readonly scope: CursorScope;
}

async function answer<I>(
  deps: ReadDeps,
  request: Asked<I>,
  walked: readonly WalkedSource[],
): Promise<Reading<EntryList<I>>> {
  const { tenantId, listing } = request;
  const [own] = walked;
  if (own === undefined) throw new Error('a tenant has logs of its own');
  const { limit, order, applied } = listing.asked;
  const merged = mergeLanes(
    walked.flatMap(({ lanes }) => lanes),
    limit,
    order,
  );
  const items: (I | CompromisedItem)[] = [];
  const sound: (AggregatedItem & { readonly entry: SoundEntry })[] = [];
  for (const { owner, name, entry, body, covered } of await shownOf(deps, request, walked, merged)) {
    if (entry.kind === 'compromised') {
      items.push(listing.compromisedOf?.(owner, entry) ?? compromisedItem(entry));
      continue;
    }
    items.push(listing.itemOf(owner, entry, covered, body));
    sound.push({ ...entry.stored, log: name, covered, spine: listing.spineOf(entry), entry });
  }
  const pins = walked.flatMap((one) => one.pins);
  const metadata = aggregateMetadata({
    tenantId,
    items: sound,
    pins,
    whenEmpty: own.whenEmpty,
    sound: sound.length === items.length,
  });
  return {
    answer: {
      items,
      has_more: merged.hasMore,
      examined_limit_reached: merged.limitReached,
      next_cursor: nextCursor(request, merged, pins),
      filters_applied: applied,
      metadata: { ...metadata, ...listing.aggregateOf(sound.map(({ entry }) => entry)) },
    },
    pins,
    count: items.length,
    sizes: own.sizes,
  };
}

interface Shown {
  readonly owner: string;
  /** Of the log. */
  readonly name: string;
  readonly entry: Checked<StoredEntry>;
  readonly body: Uint8Array | null;
  readonly covered: Covered | null;
}

/** The entries of a page in its order, with the bodies that the list opens. Outside any transaction, see `openBodies`. */
async function shownOf(
  deps: ReadDeps,
  { page }: Pick<Asked<unknown>, 'page'>,
  walked: readonly WalkedSource[],
  merged: Merged<Lane>,
): Promise<readonly Shown[]> {
  const shown = new Map<string, Shown>();
  for (const { source, sizes, lanes, entries, bodies } of walked) {
    const { tenantId: owner } = source;
    const found = merged.shown
      .filter(({ lane }) => lanes.includes(lane))
      .map(({ lane: { name }, index }) => {
        const entry = entries.get(placeName(name, index));
        if (entry === undefined) throw new Error('an entry that was found is in the same snapshot');
        return { name, index, entry };
      });
    const opened = found.flatMap(({ entry }) => (entry.kind === 'sound' && page.opensBody(entry) ? [entry] : []));
    const bodyOf = await openBodiesOf(deps, owner, opened, bodies);
    const coveringOf = coveredBy(deps, owner, sizes);
    for (const { name, index, entry } of found) {
      const body = entry.kind === 'sound' ? bodyOf(entry) : null;
      const checked: Checked<StoredEntry> =
        body?.kind === 'compromised' ? { kind: 'compromised', stored: entry.stored, finding: body.finding } : entry;
      const covered =
        checked.kind === 'sound'
          ? coveringOf(checked.stored, await coveredAt(deps.verifyCheckpoint, owner, checked.stored))
          : null;
      shown.set(placeName(name, index), {
        owner,
        name,
        entry: checked,
        body: body?.kind === 'open' ? body.value : null,
        covered,
      });
    }
  }
  return merged.shown.flatMap(({ lane, index }) => shown.get(placeName(lane.name, index)) ?? []);
}

function nextCursor(
  { page: { asked, cursor }, scope }: Asked<unknown>,
  { hasMore, next }: Merged<Lane>,
  pins: readonly Pin[],
): string | null {
  const isTail = asked.order === 'asc';
  if (!isTail && !hasMore) return null;
  // What a tail knows of a log that is not walked now stays known.
  const positions = new Map([...positionsOf(cursor), ...next]);
  return sealCursor(scope, {
    pins: isTail ? {} : Object.fromEntries(pins.map(({ log, size }) => [log, size])),
    position: [...positions].flatMap(([log, { index, occurredAt }]) => [log, index, occurredAt ?? '']),
  });
}

/**
 * How many match at the pins. In a transaction of its own: the planner may read whole tables, and one that takes too long has not spoilt the
 * page's. @throws Refusal `invalid_parameter` when it takes longer than the database lets it.
 */
async function totalOf(deps: ReadDeps, asked: ListAsked, walked: WalkedSource): Promise<number> {
  const { tenantId } = walked.source;
  try {
    return await inTenant(deps.db, 'reader', tenantId, (tx) => countSource(tx, asked, walked), {
      readOnly: true,
      snapshot: true,
    });
  } catch (error) {
    if (!isStatementTimeout(error)) throw error;
    throw invalidParameter(
      'include_total',
      'takes longer to count than the database allows; narrow the range with recorded_* or occurred_*, add a filter, or leave it out',
    );
  }
}
