import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GoesOn, type Lane, type ListOrder, mergeLanes } from '../src/read/entryMerge.js';

/** A log as its entries' times, in leaf order; of some indexes there is none that matches. */
type Log = readonly (number | null)[];

const LOGS = ['access', 'audit', 'control'];
/** Times never go back within a log. */
const log: fc.Arbitrary<Log> = fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 30 }).map((steps) => {
  let time = 0;
  return steps.map(([step, matches]) => {
    time += step;
    return matches ? time : null;
  });
});

const timeOf = (time: number) => String(time).padStart(6, '0');

/** When an entry happened, in no order of its place. */
const occurredOf = (index: number) => (index * 7) % 5;

/** What a log has in a window, as the store gives it: at most `limit` that match, of at most `examine` that are looked at. */
function laneOf(
  name: string,
  entries: Log,
  w: { after: GoesOn | null; limit: number; examine: number; order: ListOrder },
): Lane {
  const { order, after } = w;
  const from = order === 'asc' ? (after?.index ?? 0) : 0;
  const below = order === 'desc' ? (after?.index ?? entries.length) : entries.length;
  const inside = entries
    .map((time, index) => ({
      index,
      time,
      recordedAt: timeOf(time ?? entries.slice(0, index).findLast((t) => t !== null) ?? 0),
      occurredAt: timeOf(occurredOf(index)),
    }))
    .filter(({ index }) => index >= from && index < below);
  const inOrder =
    order === 'occurred'
      ? inside
          .toSorted((a, b) =>
            a.occurredAt === b.occurredAt ? b.index - a.index : a.occurredAt < b.occurredAt ? 1 : -1,
          )
          .filter(({ index, occurredAt: at }) => {
            const end = after?.occurredAt;
            return after === null || end == null || at < end || (at === end && index < after.index);
          })
      : order === 'asc'
        ? inside
        : inside.toReversed();
  const walked = inOrder.slice(0, w.examine);
  const places = walked.filter(({ time }) => time !== null).slice(0, w.limit);
  const isCut = places.length < w.limit && walked.length === w.examine;
  return {
    name,
    from,
    below,
    after: order === 'occurred' ? after : null,
    places,
    examinedEnd: isCut ? (walked.at(-1) ?? null) : null,
  };
}

describe('entries of several logs', () => {
  const orders: ListOrder[] = ['desc', 'asc', 'occurred'];
  it.each(orders)('come each once and in order, whatever a page holds and examines, %s', (order) => {
    fc.assert(
      fc.property(
        fc.array(log, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 8, max: 12 }),
        (logs, limit, examine) => {
          const named = logs.map((entries, i) => ({ name: LOGS[i] ?? '', entries }));
          const expected = named
            .flatMap(({ name, entries }) =>
              entries.flatMap((time, index) =>
                time === null ? [] : [{ time: order === 'occurred' ? occurredOf(index) : time, name, index }],
              ),
            )
            .toSorted((a, b) => a.time - b.time || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index));
          if (order !== 'asc') expected.reverse();
          const seen: string[] = [];
          let next: ReadonlyMap<string, GoesOn> | null = null;
          for (let pages = 0; ; pages++) {
            expect(pages).toBeLessThan(200);
            const at: ReadonlyMap<string, GoesOn> | null = next;
            const lanes: Lane[] = named.map(({ name, entries }) =>
              laneOf(name, entries, { after: at?.get(name) ?? null, limit: limit + 1, examine, order }),
            );
            const merged = mergeLanes(lanes, limit, order);
            expect(merged.shown.length).toBeLessThanOrEqual(limit);
            seen.push(...merged.shown.map(({ lane, index }) => `${lane.name} ${index}`));
            next = merged.next;
            if (!merged.hasMore) break;
          }
          expect(seen).toEqual(expected.map(({ name, index }) => `${name} ${index}`));
        },
      ),
    );
  });
});
