import type { AuditPlace, FoundEntries } from '../store/auditPlaces.js';

/** What one log has for a page, in the asked order. */
export interface Lane extends FoundEntries {
  readonly topic: string;
  readonly log: string;
  /** The window it was found in. */
  readonly from: number;
  readonly below: number;
}

/** A page of several logs. */
export interface Merged {
  readonly shown: readonly { readonly lane: Lane; readonly index: number }[];
  readonly hasMore: boolean;
  /** It ends where a log had been examined for as far as a page may. */
  readonly limitReached: boolean;
  /** Where the next page goes on in each log: desc below it, asc at it. */
  readonly next: ReadonlyMap<string, number>;
}

/**
 * Merges logs by (recorded_at, log, leaf_index), from the newest or from the oldest. Within a log it goes by leaf index alone, whatever the rows
 * say of their times: a page takes a beginning of each, so that no crawl passes an entry over.
 */
export function mergeLanes(lanes: readonly Lane[], limit: number, order: 'desc' | 'asc'): Merged {
  const taken = new Map(lanes.map((lane) => [lane, 0]));
  const ended = new Set<Lane>();
  const shown: { lane: Lane; index: number }[] = [];
  for (;;) {
    const lane = firstOf(lanes, taken, order);
    if (lane === null || shown.length === limit)
      return { shown, hasMore: lane !== null, limitReached: false, next: next() };
    const at = taken.get(lane) ?? 0;
    const place = lane.places[at];
    if (place === undefined) {
      ended.add(lane);
      return { shown, hasMore: true, limitReached: true, next: next() };
    }
    shown.push({ lane, index: place.index });
    taken.set(lane, at + 1);
  }

  function next(): ReadonlyMap<string, number> {
    return new Map(lanes.map((lane) => [lane.log, goesOn(lane, taken.get(lane) ?? 0, ended.has(lane), order)]));
  }
}

/** The log whose next entry comes first; null: none has one. Where a log's examined part ends counts as an entry. */
function firstOf(lanes: readonly Lane[], taken: ReadonlyMap<Lane, number>, order: 'desc' | 'asc'): Lane | null {
  let first: { lane: Lane; head: AuditPlace } | null = null;
  for (const lane of lanes) {
    const head = lane.places[taken.get(lane) ?? 0] ?? lane.examinedEnd;
    if (head === null) continue;
    if (first === null || comesBefore({ lane, head }, first, order)) first = { lane, head };
  }
  return first?.lane ?? null;
}

interface Head {
  readonly lane: Lane;
  readonly head: AuditPlace;
}

/** An entry whose leaf is gone has no time, and comes at once. */
function comesBefore(a: Head, b: Head, order: 'desc' | 'asc'): boolean {
  const [x, y] = [a.head.recordedAt, b.head.recordedAt];
  if (x === null || y === null) return x === null && y !== null;
  const isLess = x < y || (x === y && a.lane.log < b.lane.log);
  return order === 'asc' ? isLess : !isLess;
}

function goesOn(lane: Lane, taken: number, isAtEnd: boolean, order: 'desc' | 'asc'): number {
  const { places, examinedEnd, from, below } = lane;
  const step = order === 'asc' ? 1 : 0;
  if (isAtEnd && examinedEnd !== null) return examinedEnd.index + step;
  if (taken === places.length && examinedEnd === null) return order === 'asc' ? Math.max(from, below) : from;
  const last = places[taken - 1];
  if (last === undefined) return order === 'asc' ? from : below;
  return last.index + step;
}
