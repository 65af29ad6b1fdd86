import type { RunList, RunListQuery } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import { readLogSizes } from '../store/checkpointRead.js';
import { inTenant, isStatementTimeout, type Tx } from '../store/database.js';
import { countRuns } from '../store/runCount.js';
import type { RunWindow } from '../store/runLead.js';
import { findPlaceOf, findRunPlaces, type RunPage, type RunPlace } from '../store/runPlaces.js';
import type { StoredRun } from '../store/runs.js';
import type { Checked } from './check.js';
import { coveredAt } from './checkpoints.js';
import { coveredBy } from './tier.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { liveFigures } from './live.js';
import { type AggregatedItem, aggregateMetadata, runSpine } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { compromisedItem, runItem } from './runItem.js';
import { type RunQuery, readRunQuery } from './runQuery.js';
import { checkedRunsAt } from './runsAt.js';

/** Endpoint 1: runs, newest first by the place of their OPENED leaf, at one pin for a whole crawl. */
export async function listRuns(deps: ReadDeps, tenantId: string, parameters: RunListQuery): Promise<Reading<RunList>> {
  const query = await readRunQuery(parameters, (value) => deps.tokenOf(tenantId, value));
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['llm_runs.list'], filters: query.applied };
  const cursor = query.cursor === null ? null : openCursor(scope, query.cursor);
  const asked: Asked = { tenantId, query, scope, cursor };
  const reading = await inTenant(deps.db, 'reader', tenantId, (tx) => page(deps, tx, asked), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
  if (!query.includeTotal) return reading;
  // Only now: a request that held one connection and waited for another could wait for itself.
  return { ...reading, answer: { ...reading.answer, total: await total(deps, asked, reading.pins) } };
}

interface Asked {
  readonly tenantId: string;
  readonly query: RunQuery;
  readonly scope: CursorScope;
  readonly cursor: Cursor | null;
}

/** Where a page begins: log, place, and under `occurred_*` the time. */
type Position = readonly [log: string, place: number, occurredAt: string];

async function page(deps: ReadDeps, tx: Tx, asked: Asked): Promise<Reading<RunList>> {
  const { tenantId, query } = asked;
  const sizes = await readLogSizes(tx, tenantId);
  const isTail = query.order === 'asc';
  const logs = sizes
    .filter((log) => log.topic === 'llm-runs')
    .map(({ log, size }) => ({ log, size: isTail ? size : pinOf(asked, log, size) }));
  const found = await walk(tx, asked, isTail ? logs.toReversed() : logs);
  const checked: Checked<StoredRun>[] = [];
  for (const { log, places } of found.pages) {
    const size = logs.find((l) => l.log === log)?.size ?? 0;
    const indexes = places.map((p) => p.index);
    checked.push(...(await checkedRunsAt(deps, tx, tenantId, { log, size }, indexes)));
  }
  const coveringOf = coveredBy(deps, tenantId, sizes);
  const items = [];
  const sound: AggregatedItem[] = [];
  const live = await liveFigures(deps, tx, tenantId, checked, logs);
  for (const run of checked) {
    if (run.kind === 'compromised') {
      items.push(compromisedItem(run));
      continue;
    }
    const covered = coveringOf(run.stored, await coveredAt(deps.verifyCheckpoint, tenantId, run.stored));
    items.push(runItem(tenantId, run, covered, live.get(run.stored) ?? null));
    sound.push({ ...run.stored, covered, spine: runSpine(run.members) });
  }
  const pins: Pin[] = logs;
  const next =
    found.next === null
      ? null
      : sealCursor(asked.scope, {
          pins: isTail ? {} : Object.fromEntries(logs.map((l) => [l.log, l.size])),
          position: found.next,
        });
  const answer: RunList = {
    items,
    has_more: found.hasMore,
    examined_limit_reached: found.limitReached,
    next_cursor: next,
    filters_applied: query.applied,
    metadata: aggregateMetadata({
      tenantId,
      items: sound,
      pins,
      whenEmpty: await emptyTimes(tx, tenantId, pins),
      sound: sound.length === checked.length,
    }),
  };
  return { answer, pins, count: items.length, sizes };
}

/** A log that the cursor does not name was opened after the crawl began, and is not part of it. */
function pinOf({ cursor }: Asked, log: string, size: number): number {
  return cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0);
}

interface Walked {
  readonly pages: readonly { readonly log: string; readonly places: readonly RunPlace[] }[];
  readonly hasMore: boolean;
  /** The page ends where it had examined its share, full or not. */
  readonly limitReached: boolean;
  readonly next: Position | null;
}

/** Goes through the generations of the log until the page is full, or has examined its share. */
async function walk(tx: Tx, asked: Asked, logs: readonly Pin[]): Promise<Walked> {
  const { query, tenantId } = asked;
  const isTail = query.order === 'asc';
  const start = positionOf(asked);
  const from = start === null ? 0 : logs.findIndex((l) => l.log === start[0]);
  if (from < 0) throw invalidParameter('cursor', 'is not a cursor of this query');
  const pages: { log: string; places: readonly RunPlace[] }[] = [];
  let wanted = query.limit;
  let last: Position | null = start;
  for (const [i, { log, size }] of logs.slice(from).entries()) {
    const window = await windowOf(tx, asked, { log, size, after: i === 0 ? start : null, limit: wanted + 1 });
    const { places, examinedEnd } = await findRunPlaces(tx, tenantId, query.filters, window);
    const shown = places.slice(0, wanted);
    pages.push({ log, places: shown });
    last = endOf(log, shown, window, isTail) ?? last;
    if (places.length > wanted) return { pages, hasMore: true, limitReached: false, next: last };
    if (examinedEnd !== null) {
      const next: Position = [log, examinedEnd.place + (isTail ? 1 : 0), examinedEnd.occurredAt];
      return { pages, hasMore: true, limitReached: true, next };
    }
    wanted -= shown.length;
  }
  return { pages, hasMore: false, limitReached: false, next: isTail ? last : null };
}

/** The position after the last shown run; of a tail that saw everything, the end of the log. */
function endOf(log: string, shown: readonly RunPlace[], window: RunWindow, isTail: boolean): Position | null {
  const last = shown.at(-1);
  if (last === undefined) return isTail ? [log, Math.max(window.fromPlace, 0), ''] : null;
  return [log, isTail ? last.place + 1 : last.place, last.occurredAt];
}

function positionOf({ cursor }: Asked): Position | null {
  if (cursor === null) return null;
  const [log, place, occurredAt] = cursor.position;
  return [String(log), Number(place), String(occurredAt)];
}

interface Part {
  readonly log: string;
  readonly size: number;
  readonly after: Position | null;
  readonly limit: number;
}

async function windowOf(tx: Tx, { tenantId, query }: Asked, { log, size, after, limit }: Part): Promise<RunPage> {
  const placeOf = (time: string | null, otherwise: number) =>
    time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
  const fromPlace = await placeOf(query.recordedAfter, 0);
  const belowPlace = await placeOf(query.recordedBefore, size);
  const base = { log, pin: size, limit };
  if (query.by === 'occurred') {
    const at = after === null ? null : { occurredAt: after[2], place: after[1] };
    return { ...base, order: 'occurred_desc', fromPlace, belowPlace, after: at };
  }
  if (query.order === 'asc')
    return { ...base, order: 'place_asc', fromPlace: Math.max(fromPlace, after?.[1] ?? 0), belowPlace, after: null };
  return { ...base, order: 'place_desc', fromPlace, belowPlace: Math.min(belowPlace, after?.[1] ?? size), after: null };
}

/**
 * In a transaction of its own: what the pin holds is the same in each, the planner may read whole tables, and one that takes too long has not
 * spoilt the page's. @throws Refusal `invalid_parameter` when it takes longer than the database lets it.
 */
async function total(deps: ReadDeps, asked: Asked, logs: readonly Pin[]): Promise<number> {
  const { tenantId, query } = asked;
  try {
    return await inTenant(
      deps.db,
      'reader',
      tenantId,
      async (tx) => {
        let sum = 0;
        for (const { log, size } of logs) {
          const window = await windowOf(tx, asked, { log, size, after: null, limit: 0 });
          sum += await countRuns(tx, tenantId, query.filters, window);
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
