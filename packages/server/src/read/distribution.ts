import type { Bucket, PointView } from '../otlp/metricPoint.js';

/** How measurements are spread. What is not known is null. */
export interface Distribution {
  readonly count: number;
  readonly sum: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** By their bounds, ascending; none where the sender keeps none. */
  readonly buckets: readonly Bucket[];
}

/** What a point of a histogram says. */
export function distributionOf(view: PointView): Distribution {
  const { count, sum, min, max, buckets } = view;
  return { count: count ?? 0, sum, min, max, buckets };
}

/** Measurements of both. */
export function added(a: Distribution, b: Distribution): Distribution {
  return {
    count: a.count + b.count,
    sum: a.sum === null || b.sum === null ? null : a.sum + b.sum,
    min: least(a.min, b.min),
    max: greatest(a.max, b.max),
    buckets: merged(a.buckets, b.buckets, 1),
  };
}

/** Measurements that came between two points of a cumulative histogram. Which of them were least and greatest, nobody says. */
export function between(earlier: Distribution, later: Distribution): Distribution {
  return {
    count: later.count - earlier.count,
    sum: later.sum === null || earlier.sum === null ? null : later.sum - earlier.sum,
    min: null,
    max: null,
    buckets: merged(later.buckets, earlier.buckets, -1),
  };
}

/** Value below which this share of the measurements lies, by straight lines within buckets; null where no bucket says. */
export function estimatedQuantile({ buckets, min, max }: Distribution, share: number): number | null {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total <= 0) return null;
  let below = 0;
  for (const { above, upTo, count } of buckets) {
    if (count > 0 && below + count >= share * total) {
      const from = Number.isFinite(above) ? above : (min ?? upTo);
      const to = Number.isFinite(upTo) ? upTo : (max ?? above);
      return bounded(from + (to - from) * ((share * total - below) / count), min, max);
    }
    below += count;
  }
  return null;
}

function bounded(value: number, min: number | null, max: number | null): number | null {
  const held = Math.min(Math.max(value, min ?? value), max ?? value);
  return Number.isFinite(held) ? held : null;
}

/** Buckets of the same bounds added, or taken away; others beside them. */
function merged(a: readonly Bucket[], b: readonly Bucket[], sign: 1 | -1): Bucket[] {
  const counts = new Map<string, Bucket>();
  for (const bucket of a) counts.set(`${bucket.above}/${bucket.upTo}`, bucket);
  for (const bucket of b) {
    const name = `${bucket.above}/${bucket.upTo}`;
    const count = (counts.get(name)?.count ?? 0) + sign * bucket.count;
    counts.set(name, { above: bucket.above, upTo: bucket.upTo, count });
  }
  return [...counts.values()].filter(({ count }) => count > 0).toSorted((x, y) => x.above - y.above || x.upTo - y.upTo);
}

function least(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

function greatest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
