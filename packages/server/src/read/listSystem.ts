import type { CompromisedItem, SystemItem, SystemList, SystemListQuery } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import { inTenant, isStatementTimeout, type TxOptions } from '../store/database.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { countSystemRecords } from '../store/systemPlaces.js';
import type { Checked } from './check.js';
import type { SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type CursorScope, openCursor, sealCursor } from './cursor.js';
import { type AggregatedItem, aggregateMetadata } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { openBodies, type RecordBody } from './recordBody.js';
import { type MergedRecords, mergeRecords } from './recordMerge.js';
import { compromisedItem } from './runItem.js';
import { isOwn, isSummarised, systemItem, systemSpine } from './systemItem.js';
import { readSystemQuery } from './systemQuery.js';
import {
  type AskedPage,
  type SystemLane,
  type SystemSource,
  type WalkedSource,
  walkSource,
  windowOf,
} from './systemWalk.js';
import { coveredBy } from './tier.js';

const PAGE: TxOptions = { readOnly: true, snapshot: true, inIndexOrder: true };

/**
 * Endpoint 7: what happened around runs, newest first, at one pin for a whole crawl: what producers' log records say, and what Sworn shares of its own
 * life. The latter is read by statements of its own, in a transaction that sees the platform's tenant and nothing of this one.
 */
export async function listSystem(
  deps: ReadDeps,
  tenantId: string,
  parameters: SystemListQuery,
): Promise<Reading<SystemList>> {
  const query = readSystemQuery(parameters);
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['system.list'], filters: query.applied };
  const asked: AskedPage = { query, cursor: query.cursor === null ? null : openCursor(scope, query.cursor) };
  const walked: WalkedSource[] = [];
  for (const source of sourcesOf(deps, tenantId, query.scope))
    walked.push(await inTenant(deps.db, 'reader', source.tenantId, (tx) => walkSource(deps, tx, asked, source), PAGE));
  const reading = await answer(deps, tenantId, { asked, scope, walked });
  if (!query.includeTotal) return reading;
  // Only now: a request that held one connection and waited for another could wait for itself.
  let total = 0;
  for (const one of walked) total += await count(deps, asked, one);
  return { ...reading, answer: { ...reading.answer, total } };
}

const SHARED_PREFIX = 'platform/';

/** The tenant's own logs, first, and the platform's. Who is the platform has both in the same ones. */
function sourcesOf(
  { platformTenant }: ReadDeps,
  tenantId: string,
  scope: AskedPage['query']['scope'],
): readonly SystemSource[] {
  const own = { tenantId, prefix: '', isAsked: true, examine: MAX_EXAMINED };
  if (tenantId === platformTenant) return [{ ...own, shared: scope === null ? null : scope === 'PLATFORM' }];
  const shared = { tenantId: platformTenant, prefix: SHARED_PREFIX, shared: true, isAsked: true };
  if (scope === 'TENANT') return [{ ...own, shared: null }];
  if (scope === 'PLATFORM')
    return [
      { ...own, shared: null, isAsked: false },
      { ...shared, examine: MAX_EXAMINED },
    ];
  const examine = MAX_EXAMINED / 2;
  return [
    { ...own, shared: null, examine },
    { ...shared, examine },
  ];
}

interface Walked {
  readonly asked: AskedPage;
  readonly scope: CursorScope;
  /** The tenant's own first. */
  readonly walked: readonly WalkedSource[];
}

async function answer(
  deps: ReadDeps,
  tenantId: string,
  { asked, scope, walked }: Walked,
): Promise<Reading<SystemList>> {
  const { query } = asked;
  const [own] = walked;
  if (own === undefined) throw new Error('a tenant has logs of its own');
  const pins = walked.flatMap((one) => one.pins);
  const merged = mergeRecords(
    walked.flatMap(({ lanes }) => lanes),
    query.limit,
    query.order,
  );
  const opened = await openAll(deps, merged);
  const items: (SystemItem | CompromisedItem)[] = [];
  const sound: AggregatedItem[] = [];
  let isAllOwn = true;
  for (const { lane, index } of merged.shown) {
    const entry = lane.entries.get(index);
    if (entry === undefined) throw new Error('a record that was found is in the same snapshot');
    const body = opened.get(lane)?.get(index);
    if (entry.kind === 'compromised' || body?.kind === 'compromised') {
      items.push(compromisedItem(entry.kind === 'compromised' ? entry : damagedBody(entry, body)));
      continue;
    }
    const { tenantId: owner } = lane.source;
    const at = await coveredAt(deps.verifyCheckpoint, owner, entry.stored);
    const covered = coveredBy(deps, owner, lane.sizes)(entry.stored, at);
    items.push(systemItem(owner, entry, covered, body?.value ?? null));
    sound.push({ ...entry.stored, log: lane.name, covered, spine: systemSpine(entry.members) });
    isAllOwn &&= isOwn(entry.members);
  }
  const isSound = sound.length === items.length;
  const metadata = aggregateMetadata({ tenantId, items: sound, pins, whenEmpty: own.whenEmpty, sound: isSound });
  return {
    answer: {
      items,
      has_more: merged.hasMore,
      examined_limit_reached: merged.limitReached,
      next_cursor: nextCursor(asked, scope, merged, pins),
      filters_applied: query.applied,
      metadata: {
        ...metadata,
        source_domain: 'SYSTEM',
        actor_basis: isAllOwn && sound.length > 0 ? 'AUTHENTICATED' : 'CLAIMED',
      },
    },
    pins,
    count: items.length,
    sizes: own.sizes,
  };
}

/** Bodies of the shown records, where a list opens them. */
async function openAll(
  deps: ReadDeps,
  { shown }: MergedRecords<SystemLane>,
): Promise<ReadonlyMap<SystemLane, ReadonlyMap<number, RecordBody>>> {
  const opened = new Map<SystemLane, ReadonlyMap<number, RecordBody>>();
  for (const lane of new Set(shown.map((one) => one.lane))) {
    const records = shown
      .filter((one) => one.lane === lane)
      .flatMap(({ index }) => {
        const entry = lane.entries.get(index);
        return entry?.kind === 'sound' && isSummarised(entry) ? [entry] : [];
      });
    opened.set(lane, await openBodies(deps, lane.source.tenantId, records, lane.bodies));
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

function nextCursor(
  { query }: AskedPage,
  scope: CursorScope,
  { hasMore, next }: MergedRecords<SystemLane>,
  pins: readonly Pin[],
): string | null {
  const isTail = query.order === 'asc';
  if (!isTail && !hasMore) return null;
  return sealCursor(scope, {
    pins: isTail ? {} : Object.fromEntries(pins.map(({ log, size }) => [log, size])),
    position: [...next].flatMap(([name, { index, at }]) => [name, index, at ?? '']),
  });
}

/** In a transaction of its own, as that of runs. @throws Refusal `invalid_parameter` when it takes longer than the database lets it. */
async function count(deps: ReadDeps, { query }: AskedPage, { source, pins, lanes }: WalkedSource): Promise<number> {
  const filters = { ...query.filters, shared: source.shared };
  const logs = pins.map(({ log, size }) => ({ log: log.slice(source.prefix.length), size }));
  try {
    return await inTenant(
      deps.db,
      'reader',
      source.tenantId,
      async (tx) => {
        let sum = 0;
        for (const pin of lanes.length === 0 ? [] : logs) {
          const window = await windowOf(tx, { query, cursor: null }, source, pin, { limit: 0, examine: 0 });
          sum += await countSystemRecords(tx, source.tenantId, filters, window);
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
