import { type Distribution, added, between, distributionOf, estimatedQuantile } from './distribution.js';
import type { RawSeries, SeriesPoint } from './seriesPoints.js';

/** When a run was, in nanoseconds since 1970. */
export interface RunTimes {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** What the points of a series come to. */
export interface SeriesFigures {
  readonly statisticsOf: 'value' | 'rate' | 'distribution';
  readonly percentiles: 'OF_POINTS' | 'ESTIMATED_FROM_BUCKETS' | 'AS_SENT' | null;
  readonly count: number | null;
  readonly total: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  /** Nanoseconds; null: not of a cumulative one. */
  readonly sinceNs: bigint | null;
  readonly resets: number;
  /** For each point, by how much a second it grew; null where that is not asked or cannot be told. */
  readonly rates: readonly (number | null)[];
}

/** AggregationTemporality of OTLP. */
export const DELTA = 1;
export const CUMULATIVE = 2;

/** The figures of a series, as of the kind of its metric. */
export function figuresOf(series: RawSeries, run: RunTimes): SeriesFigures {
  switch (series.kind) {
    case 'histogram':
    case 'exponentialHistogram':
      return ofHistogram(series, run);
    case 'summary':
      return ofSummary(series);
    case 'sum':
      if (series.temporality === CUMULATIVE && series.isMonotonic) return ofCounter(series, run);
      return ofValues(series, series.temporality === DELTA);
    default:
      return ofValues(series, false);
  }
}

const NOTHING = { count: null, total: null, min: null, max: null, mean: null, p50: null, p95: null, p99: null };
const PLAIN = { sinceNs: null, resets: 0, rates: [] };

/** Values as they stand; of deltas also what they add up to. */
function ofValues({ points }: RawSeries, isDelta: boolean): SeriesFigures {
  const values = points.flatMap((point) => valueOf(point) ?? []);
  return {
    ...PLAIN,
    statisticsOf: 'value',
    ...statistics(values),
    count: values.length,
    total: isDelta && values.length > 0 ? values.reduce((sum, value) => sum + value, 0) : null,
  };
}

/** A step of a cumulative series from one point to the next. */
export interface Step {
  /** Place of the later point. */
  readonly at: number;
  /** Place of the earlier one. */
  readonly from: number;
  /** The series began anew between them, so that all of the later one is new. */
  readonly isReset: boolean;
}

/** Place of the point from which on a cumulative series is the run's: the last one before it, or its first. */
function baseOf(points: readonly SeriesPoint[], run: RunTimes): number {
  return Math.max(
    0,
    points.findLastIndex(({ view }) => view.timeNs > 0n && view.timeNs <= run.startNs),
  );
}

/**
 * The steps of a cumulative series. It began anew where its start moved or its value dropped (metrics data model, "Resets and Gaps"). A point without a
 * value breaks the chain.
 */
export function stepsOf(points: readonly SeriesPoint[], sizeOf: (point: SeriesPoint) => number | null): Step[] {
  const steps: Step[] = [];
  let last: number | null = null;
  for (let at = 0; at < points.length; at++) {
    const point = points[at] as SeriesPoint;
    const size = sizeOf(point);
    if (size === null) {
      last = null;
      continue;
    }
    if (last !== null) {
      const earlier = points[last] as SeriesPoint;
      const isReset = isLater(point.view.startNs, earlier.view.startNs) || size < (sizeOf(earlier) ?? 0);
      steps.push({ at, from: last, isReset });
    }
    last = at;
  }
  return steps;
}

function resetsAmong(steps: readonly Step[]): number {
  return steps.filter(({ isReset }) => isReset).length;
}

function isLater(start: bigint, before: bigint): boolean {
  return start > 0n && before > 0n && start > before;
}

function ofCounter(series: RawSeries, run: RunTimes): SeriesFigures {
  const { points } = series;
  const base = baseOf(points, run);
  const steps = stepsOf(points, valueOf);
  const rates: (number | null)[] = points.map(() => null);
  let total = 0;
  for (const { at, from, isReset } of steps) {
    const [earlier, later] = [points[from] as SeriesPoint, points[at] as SeriesPoint];
    const grown = (valueOf(later) ?? 0) - (isReset ? 0 : (valueOf(earlier) ?? 0));
    const [timeNs, startNs] = [earlier.view.timeNs, later.view.startNs];
    const seconds = Number(later.view.timeNs - (isReset && startNs > timeNs ? startNs : timeNs)) / 1e9;
    rates[at] = seconds > 0 ? grown / seconds : null;
    if (at > base) total += grown;
  }
  const known = rates.flatMap((rate) => rate ?? []);
  return {
    statisticsOf: 'rate',
    ...statistics(known),
    count: points.filter((point) => valueOf(point) !== null).length,
    total: steps.some(({ at }) => at > base) ? total : null,
    sinceNs: points[base]?.view.timeNs ?? null,
    resets: resetsAmong(steps),
    rates,
  };
}

function ofHistogram({ points, temporality }: RawSeries, run: RunTimes): SeriesFigures {
  const recorded = points.filter(({ view }) => !view.noRecordedValue);
  const [first] = recorded;
  if (first === undefined) return { ...NOTHING, ...PLAIN, statisticsOf: 'distribution', percentiles: null };
  if (temporality !== CUMULATIVE) {
    const whole = recorded.map(({ view }) => distributionOf(view)).reduce(added);
    return { ...PLAIN, ...ofDistribution(whole) };
  }
  const countOf = ({ view }: SeriesPoint): number | null => (view.noRecordedValue ? null : (view.count ?? 0));
  const base = baseOf(points, run);
  const steps = stepsOf(points, countOf);
  const resets = resetsAmong(steps);
  const grown = steps
    .filter(({ at }) => at > base)
    .map(({ at, from, isReset }) => {
      const later = distributionOf((points[at] as SeriesPoint).view);
      return isReset ? later : between(distributionOf((points[from] as SeriesPoint).view), later);
    });
  const [one, ...more] = grown;
  // One point alone: all since the series began.
  if (one === undefined) {
    const { startNs } = first.view;
    return { ...PLAIN, ...ofDistribution(distributionOf(first.view)), sinceNs: startNs > 0n ? startNs : null, resets };
  }
  const sinceNs = points[base]?.view.timeNs ?? null;
  return { ...PLAIN, ...ofDistribution(more.reduce(added, one)), sinceNs, resets };
}

function ofDistribution(whole: Distribution): Omit<SeriesFigures, 'sinceNs' | 'resets' | 'rates'> {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => estimatedQuantile(whole, share));
  return {
    statisticsOf: 'distribution',
    percentiles: p50 == null ? null : 'ESTIMATED_FROM_BUCKETS',
    count: whole.count,
    total: whole.sum,
    min: whole.min,
    max: whole.max,
    mean: whole.sum === null || whole.count <= 0 ? null : whole.sum / whole.count,
    p50: p50 ?? null,
    p95: p95 ?? null,
    p99: p99 ?? null,
  };
}

/** As the sender computed it, at its last point. */
function ofSummary({ points }: RawSeries): SeriesFigures {
  const view = points.findLast((point) => !point.view.noRecordedValue)?.view;
  const at = (share: number): number | null =>
    view?.quantiles.find(({ quantile }) => quantile === share)?.value ?? null;
  const { count = null, sum = null } = view ?? {};
  return {
    ...PLAIN,
    statisticsOf: 'distribution',
    percentiles: view === undefined || view.quantiles.length === 0 ? null : 'AS_SENT',
    count,
    total: sum,
    min: at(0),
    max: at(1),
    mean: sum === null || count === null || count <= 0 ? null : sum / count,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    sinceNs: view === undefined || view.startNs === 0n ? null : view.startNs,
  };
}

/** Of a gauge or sum; null: none was recorded, or none that is a number. */
export function valueOf({ view }: SeriesPoint): number | null {
  return view.noRecordedValue || view.value === null || !Number.isFinite(view.value) ? null : view.value;
}

function statistics(values: readonly number[]) {
  if (values.length === 0) return { ...NOTHING, percentiles: null };
  const sorted = values.toSorted((a, b) => a - b);
  // Nearest rank: always one of the values.
  const at = (share: number): number | null => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
  return {
    ...NOTHING,
    percentiles: 'OF_POINTS' as const,
    min: sorted[0] ?? null,
    max: sorted.at(-1) ?? null,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
  };
}
