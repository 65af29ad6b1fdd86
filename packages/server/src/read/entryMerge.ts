import type { EntryPlace, FoundEntries } from '../store/entryPlaces.js';

/** What one log has for a page, in the asked order. */
export interface Lane extends FoundEntries {
  /** Of the log, among those of the list. */
  readonly name: string;
  /** The window it was found in. */
  readonly from: number;
  readonly below: number;
  /** Of a list by time: where the page before ended. */
  readonly after: GoesOn | null;
}

/** Where the next page goes on in a log: desc below the index, asc at it; by time behind both. */
export interface GoesOn {
  readonly index: number;
  readonly occurredAt: string | null;
}

/** By place, newest or oldest first; or by `occurred_at`, newest first. */
export type ListOrder = 'desc' | 'asc' | 'occurred';

/** A page of several logs. */
export interface Merged<L extends Lane> {
  readonly shown: readonly { readonly lane: L; readonly index: number }[];
  readonly hasMore: boolean;
  /** It ends where a log had been examined for as far as a page may. */
  readonly limitReached: boolean;
  readonly next: ReadonlyMap<string, GoesOn>;
}

/**
 * Merges logs by (recorded_at, name, leaf_index), from the newest or from the oldest, or by (occurred_at, name, leaf_index). By place it goes within
 * a log by leaf index alone, whatever the rows say of their times: a page takes a beginning of each, so that no crawl passes an entry over.
 */
export function mergeLanes<L extends Lane>(lanes: readonly L[], limit: number, order: ListOrder): Merged<L> {
  const taken = new Map(lanes.map((lane) => [lane, 0]));
  const ended = new Set<L>();
  const shown: { lane: L; index: number }[] = [];
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

  function next(): ReadonlyMap<string, GoesOn> {
    return new Map(
      lanes.flatMap((lane) => {
        const going = goesOn(lane, taken.get(lane) ?? 0, ended.has(lane), order);
        return going === null ? [] : [[lane.name, going] as const];
      }),
    );
  }
}

/** The log whose next entry comes first; null: none has one. Where a log's examined part ends counts as an entry. */
function firstOf<L extends Lane>(lanes: readonly L[], taken: ReadonlyMap<L, number>, order: ListOrder): L | null {
  let first: { lane: L; head: EntryPlace } | null = null;
  for (const lane of lanes) {
    const head = lane.places[taken.get(lane) ?? 0] ?? lane.examinedEnd;
    if (head === null) continue;
    if (first === null || comesBefore({ lane, head }, first, order)) first = { lane, head };
  }
  return first?.lane ?? null;
}

interface Head {
  readonly lane: Lane;
  readonly head: EntryPlace;
}

/** An entry whose leaf is gone has no time, and comes at once. */
function comesBefore(a: Head, b: Head, order: ListOrder): boolean {
  const [x, y] = [timeOf(a.head, order), timeOf(b.head, order)];
  if (x === null || y === null) return x === null && y !== null;
  const isLess = x < y || (x === y && a.lane.name < b.lane.name);
  return order === 'asc' ? isLess : !isLess;
}

function timeOf(place: EntryPlace, order: ListOrder): string | null {
  return order === 'occurred' ? place.occurredAt : place.recordedAt;
}

/** Null: by time, and nothing of the log was looked at yet. */
function goesOn(lane: Lane, taken: number, isAtEnd: boolean, order: ListOrder): GoesOn | null {
  const { places, examinedEnd, from, below } = lane;
  if (order === 'occurred') {
    const last = isAtEnd ? examinedEnd : places[taken - 1];
    return last == null ? lane.after : { index: last.index, occurredAt: last.occurredAt };
  }
  const at = (index: number): GoesOn => ({ index, occurredAt: null });
  const step = order === 'asc' ? 1 : 0;
  if (isAtEnd && examinedEnd !== null) return at(examinedEnd.index + step);
  if (taken === places.length && examinedEnd === null) return at(order === 'asc' ? Math.max(from, below) : from);
  const last = places[taken - 1];
  if (last === undefined) return at(order === 'asc' ? from : below);
  return at(last.index + step);
}
