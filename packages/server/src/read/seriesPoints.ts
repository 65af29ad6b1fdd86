import type { JoinRule } from '@sworn/contract';
import type { AttributeValue } from '../otlp/attributes.js';
import { jsonText } from '../otlp/attributes.js';
import type { TelemetryRules } from '../otlp/map/telemetryRules.js';
import type { ExemplarView, PointView } from '../otlp/metricPoint.js';
import { type MetricKind, readMetrics } from '../otlp/metrics.js';

/** Whose metrics they are. */
export interface MetricSource {
  readonly service: string | null;
  readonly instance: string | null;
  readonly hostId: string | null;
}

/** A record of metrics, checked and opened. */
export interface OpenedBatch {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly recordedAt: string;
  readonly source: MetricSource;
  readonly joinedBy: JoinRule;
  /** A ResourceMetrics with field 2 alone. */
  readonly body: Uint8Array;
}

/** A point of a series, and the record it stands in. */
export interface SeriesPoint {
  readonly view: PointView;
  readonly batch: OpenedBatch;
}

/** How a series came about that nobody sent: of which metric, divided by what. */
export type Derivation =
  | { readonly of: string; readonly by: 'ELAPSED_TIME'; readonly cpus: number }
  | { readonly of: string; readonly by: 'TIME_OF_ALL_MODES'; readonly cpus: null };

/** One metric with one set of attributes, of one source; points by time. */
export interface RawSeries {
  /** As it is called by the rules. */
  readonly metric: string;
  readonly native: string;
  readonly unit: string;
  readonly kind: MetricKind;
  /** OTLP's number: 1 DELTA, 2 CUMULATIVE. */
  readonly temporality: number;
  readonly isMonotonic: boolean;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
  readonly source: MetricSource;
  /** Name of its scope; empty: none. */
  readonly scope: string;
  readonly joinedBy: JoinRule;
  /** Null: as sent. */
  readonly derived: Derivation | null;
  readonly points: SeriesPoint[];
  readonly exemplars: ExemplarView[];
}

/** Characters of an attribute's value that are shown. */
const MAX_VALUE = 1_024;

/** By host.id or host.name, and by bindings to a machine, a run is joined to what is measured of the machine alone. */
const HOST_RULES: ReadonlySet<JoinRule> = new Set(['host.id', 'host.name', 'binding']);

/**
 * Puts the points of records together to series, under canonical names. A point that came twice, in requests that were put together in other ways,
 * counts once: the one of the first record.
 */
export function seriesOf(rules: TelemetryRules, batches: readonly OpenedBatch[]): RawSeries[] {
  const series = new Map<string, RawSeries & { readonly seen: Set<string> }>();
  for (const batch of batches) {
    readMetrics(batch.body, (metric) => {
      const canonical = rules.metrics.get(metric.name);
      const name = canonical?.metric ?? metric.name;
      if (HOST_RULES.has(batch.joinedBy) && !rules.hostMetrics.some((start) => name.startsWith(start))) return;
      const unit = metric.unit === '' ? (canonical?.unit ?? '') : metric.unit;
      metric.eachPoint((view) => {
        const attributes = attributesOf(view, canonical?.attributes);
        const { source, joinedBy } = batch;
        const { kind, temporality, isMonotonic, scope } = metric;
        const identity = [name, metric.name, unit, kind, temporality, isMonotonic, scope, attributes, source];
        const key = JSON.stringify(identity);
        let of = series.get(key);
        if (of === undefined) {
          const raw = { metric: name, native: metric.name, unit, kind, temporality, isMonotonic, attributes };
          of = { ...raw, source, scope, joinedBy, derived: null, points: [], exemplars: [], seen: new Set() };
          series.set(key, of);
        }
        const moment = `${view.startNs}/${view.timeNs}`;
        if (of.seen.has(moment)) return;
        of.seen.add(moment);
        of.points.push({ view, batch });
        of.exemplars.push(...view.exemplars);
      });
    });
  }
  const inOrder = [...series].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, of]) => of);
  for (const { points } of inOrder)
    points.sort((a, b) => (a.view.timeNs < b.view.timeNs ? -1 : a.view.timeNs > b.view.timeNs ? 1 : 0));
  return inOrder;
}

function attributesOf(
  { attributes }: PointView,
  canonical: ReadonlyMap<string, string> | undefined,
): { name: string; value: string }[] {
  return [...attributes.keys()]
    .map((key) => ({ name: canonical?.get(key) ?? key, value: textOf(attributes.get(key) ?? null) }))
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** A value as text: a list, a map or bytes as JSON. */
export function textOf(value: AttributeValue): string {
  const text = typeof value === 'object' ? jsonText(value) : String(value);
  return text.slice(0, MAX_VALUE);
}
