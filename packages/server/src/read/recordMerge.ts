import type { FoundRecords, RecordPlace, RecordWindow } from '../store/recordPlaces.js';

/** What one log has for a page, in the asked order. */
export interface RecordLane {
  /** Of the log, among those of the list. */
  readonly name: string;
  readonly found: FoundRecords;
  /** Where it was found. */
  readonly window: RecordWindow;
}

/** Where a page goes on in a log: desc below the index, asc at it, by occurrence after index and time; `at` null: at its beginning. */
export interface LanePosition {
  readonly index: number;
  readonly at: string | null;
}

/** A page of several logs. */
export interface MergedRecords<L extends RecordLane> {
  readonly shown: readonly { readonly lane: L; readonly index: number }[];
  readonly hasMore: boolean;
  /** It ends where a log had been examined for as far as a page may. */
  readonly limitReached: boolean;
  readonly next: ReadonlyMap<string, LanePosition>;
}

type Order = RecordWindow['order'];

/** Before every time that there is. */
const NO_MORE = '0001-01-01T00:00:00.000000Z';

/**
 * Merges logs by (time, name, leaf index): the time each record was recorded, or when it happened. Within a log it keeps the order in which the log was
 * walked, whatever the rows say of their times: a page takes a beginning of each, so that no crawl passes a record over.
 */
export function mergeRecords<L extends RecordLane>(lanes: readonly L[], limit: number, order: Order): MergedRecords<L> {
  const taken = new Map(lanes.map((lane) => [lane, 0]));
  const ended = new Set<L>();
  const shown: { lane: L; index: number }[] = [];
  const next = () =>
    new Map(lanes.map((lane) => [lane.name, goesOn(lane, taken.get(lane) ?? 0, ended.has(lane), order)]));
  for (;;) {
    const lane = firstOf(lanes, taken, order);
    if (lane === null || shown.length === limit)
      return { shown, hasMore: lane !== null, limitReached: false, next: next() };
    const at = taken.get(lane) ?? 0;
    const place = lane.found.places[at];
    if (place === undefined) {
      ended.add(lane);
      return { shown, hasMore: true, limitReached: true, next: next() };
    }
    shown.push({ lane, index: place.index });
    taken.set(lane, at + 1);
  }
}

/** The log whose next record comes first; null: none has one. Where a log's examined part ends counts as a record. */
function firstOf<L extends RecordLane>(lanes: readonly L[], taken: ReadonlyMap<L, number>, order: Order): L | null {
  let first: { lane: L; head: RecordPlace } | null = null;
  for (const lane of lanes) {
    const head = lane.found.places[taken.get(lane) ?? 0] ?? lane.found.examinedEnd;
    if (head === null) continue;
    if (first === null || comesBefore({ lane, head }, first, order)) first = { lane, head };
  }
  return first?.lane ?? null;
}

interface Head {
  readonly lane: RecordLane;
  readonly head: RecordPlace;
}

/** A record whose leaf is gone has no time, and comes at once. */
function comesBefore(a: Head, b: Head, order: Order): boolean {
  const [x, y] = [a.head.at, b.head.at];
  if (x === null || y === null) return x === null && y !== null;
  const isLess = x < y || (x === y && a.lane.name < b.lane.name);
  return order === 'asc' ? isLess : !isLess;
}

function goesOn({ found, window }: RecordLane, taken: number, isAtEnd: boolean, order: Order): LanePosition {
  const { places, examinedEnd } = found;
  const last = isAtEnd && examinedEnd !== null ? examinedEnd : places[taken - 1];
  const isThrough = taken === places.length && examinedEnd === null;
  if (order === 'occurred') {
    if (isThrough) return { index: 0, at: NO_MORE };
    return last ?? window.after ?? { index: 0, at: null };
  }
  if (isThrough) return { index: order === 'asc' ? Math.max(window.from, window.below) : window.from, at: null };
  if (last === undefined) return { index: order === 'asc' ? window.from : window.below, at: null };
  return { index: order === 'asc' ? last.index + 1 : last.index, at: null };
}
