import { timeOf } from '@sworn/evidence';
import type { TelemetrySeries } from '@sworn/contract';
import { checksumOf } from './metadata.js';
import { figuresOf, type RunTimes } from './seriesFigures.js';
import type { RawSeries } from './seriesPoints.js';

/** Points of one series that are shown: one a second for a quarter of an hour. Figures are of all. */
const MAX_POINTS = 1_000;
const MAX_EXEMPLARS = 16;
const TEMPORALITIES: Readonly<Record<number, TelemetrySeries['temporality']>> = { 1: 'DELTA', 2: 'CUMULATIVE' };

/** A series as answers show it. `traces`: those of the run, hex. */
export function shownSeries(raw: RawSeries, run: RunTimes, traces: ReadonlySet<string>): TelemetrySeries {
  const { points } = raw;
  const { rates, sinceNs, statisticsOf, ...figures } = figuresOf(raw, run);
  const newest = points.reduce((a, b) => (a.batch.index > b.batch.index ? a : b)).batch;
  const isCounted = raw.kind !== 'gauge' && raw.kind !== 'sum';
  return {
    metric: raw.metric,
    native_metric: raw.native,
    unit: raw.unit === '' ? null : raw.unit,
    kind: raw.kind,
    temporality: TEMPORALITIES[raw.temporality] ?? null,
    attributes: raw.attributes.map(({ name, value }) => ({ name, value })),
    source: { service: raw.source.service, instance: raw.source.instance, host_id: raw.source.hostId },
    joined_by: raw.joinedBy,
    derived: raw.derived,
    statistics_of: statisticsOf,
    percentiles: figures.percentiles,
    count: finite(figures.count),
    total: finite(figures.total),
    min: finite(figures.min),
    max: finite(figures.max),
    mean: finite(figures.mean),
    p50: finite(figures.p50),
    p95: finite(figures.p95),
    p99: finite(figures.p99),
    since: sinceNs === null ? null : timeOf(sinceNs),
    resets: figures.resets,
    points: points.slice(0, MAX_POINTS).map(({ view, batch }, at) => ({
      timestamp: timeOf(view.timeNs),
      placement: placementOf(view.timeNs, run),
      value: view.noRecordedValue ? null : finite(isCounted ? (view.count ?? 0) : view.value),
      rate: finite(rates[at] ?? null),
      leaf_index: batch.index,
      checksum: checksumOf(batch.leafHash),
      recorded_at: batch.recordedAt,
    })),
    points_left_out: Math.max(0, points.length - MAX_POINTS),
    exemplars: raw.exemplars
      .filter(({ traceId }) => traceId !== '')
      .toSorted((a, b) => Number(traces.has(b.traceId)) - Number(traces.has(a.traceId)))
      .slice(0, MAX_EXEMPLARS)
      .map(({ timeNs, value, traceId, spanId }) => ({
        timestamp: timeOf(timeNs),
        value: finite(value),
        trace_id: traceId,
        span_id: spanId === '' ? null : spanId,
        of_run: traces.has(traceId),
      })),
    leaf_index: newest.index,
    checksum: checksumOf(newest.leafHash),
    recorded_at: newest.recordedAt,
  };
}

/** Where a moment lies of a run. */
export function placementOf(timeNs: bigint, { startNs, endNs }: RunTimes): 'BEFORE' | 'DURING' | 'AFTER' {
  if (timeNs < startNs) return 'BEFORE';
  return timeNs > endNs ? 'AFTER' : 'DURING';
}

/** JSON has no other numbers. */
function finite(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : value;
}
