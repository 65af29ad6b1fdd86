import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lane, mergeLanes } from '../src/read/entryMerge.js';

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

/** What a log has in a window, as the store gives it: at most `limit` that match, of at most `examine` that are looked at. */
function laneOf(
  name: string,
  entries: Log,
  w: { from: number; below: number; limit: number; examine: number; order: 'desc' | 'asc' },
): Lane {
  const inside = entries
    .map((time, index) => ({
      index,
      time,
      recordedAt: timeOf(time ?? entries.slice(0, index).findLast((t) => t !== null) ?? 0),
    }))
    .filter(({ index }) => index >= w.from && index < w.below);
  const walked = (w.order === 'asc' ? inside : inside.toReversed()).slice(0, w.examine);
  const places = walked.filter(({ time }) => time !== null).slice(0, w.limit);
  const isCut = places.length < w.limit && walked.length === w.examine;
  return {
    topic: name,
    log: name,
    from: w.from,
    below: w.below,
    places,
    examinedEnd: isCut ? (walked.at(-1) ?? null) : null,
  };
}

describe('entries of several logs', () => {
  it.each(['desc', 'asc'] as const)('come each once and in order, whatever a page holds and examines, %s', (order) => {
    fc.assert(
      fc.property(
        fc.array(log, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 8, max: 12 }),
        (logs, limit, examine) => {
          const named = logs.map((entries, i) => ({ name: LOGS[i] ?? '', entries }));
          const expected = named
            .flatMap(({ name, entries }) =>
              entries.flatMap((time, index) => (time === null ? [] : [{ time, name, index }])),
            )
            .toSorted((a, b) => a.time - b.time || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index));
          if (order === 'desc') expected.reverse();
          const seen: string[] = [];
          let next: ReadonlyMap<string, number> | null = null;
          for (let pages = 0; ; pages++) {
            expect(pages).toBeLessThan(200);
            const at: ReadonlyMap<string, number> | null = next;
            const lanes = named.map(({ name, entries }) => {
              const from = order === 'asc' ? (at?.get(name) ?? 0) : 0;
              const below = order === 'asc' ? entries.length : (at?.get(name) ?? entries.length);
              return laneOf(name, entries, { from, below, limit: limit + 1, examine, order });
            });
            const merged = mergeLanes(lanes, limit, order);
            expect(merged.shown.length).toBeLessThanOrEqual(limit);
            seen.push(...merged.shown.map(({ lane, index }) => `${lane.log} ${index}`));
            next = merged.next;
            if (!merged.hasMore) break;
          }
          expect(seen).toEqual(expected.map(({ name, index }) => `${name} ${index}`));
        },
      ),
    );
  });
});
