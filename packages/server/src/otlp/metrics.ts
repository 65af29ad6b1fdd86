import { Message } from './message.js';
import { readPoint, type PointView } from './metricPoint.js';
import { type MessageField, MESSAGES } from './schema.js';

/** What a metric measures with, by the member of its oneof. */
export type MetricKind = 'gauge' | 'sum' | 'histogram' | 'exponentialHistogram' | 'summary';

/** A metric of a record, and how to read its points. */
export interface MetricView {
  /** Name of the scope; empty: none. */
  readonly scope: string;
  readonly name: string;
  /** As sent; many senders say none. */
  readonly unit: string;
  readonly kind: MetricKind;
  /** AggregationTemporality: 1 DELTA, 2 CUMULATIVE, 0 or any other: not said, or of a kind that has none. */
  readonly temporality: number;
  /** Of a sum: it only grows. */
  readonly isMonotonic: boolean;
  /** Calls `visit` for each point, in wire order. */
  eachPoint(visit: (point: PointView) => void): void;
}

/** Reads the body of a TELEMETRY record: a ResourceMetrics that the wire reader has checked (or the redactor has written). */
export function readMetrics(bytes: Uint8Array, visit: (metric: MetricView) => void): void {
  eachScope(bytes, (scope, metrics) => {
    for (const metric of metrics) {
      const view = readMetric(scope, metric);
      if (view !== null) visit(view);
    }
  });
}

/** Names of the metrics in it, each once, in order; empty ones are left out. */
export function readMetricNames(bytes: Uint8Array): ReadonlySet<string> {
  const names = new Set<string>();
  eachScope(bytes, (_, metrics) => {
    for (const metric of metrics) {
      let name = '';
      metric.elements(MESSAGES.Metric, (field) => {
        if (field.name === 'name') name = metric.name();
      });
      if (name !== '') names.add(name);
    }
  });
  return names;
}

function eachScope(bytes: Uint8Array, visit: (scope: string, metrics: readonly Message[]) => void): void {
  const batch = Message.of(bytes);
  const scopes: Message[] = [];
  batch.elements(MESSAGES.ResourceMetrics, (field) => {
    if (field.name === 'scopeMetrics') scopes.push(batch.inner());
  });
  for (const ofScope of scopes) {
    const described: Message[] = [];
    const metrics: Message[] = [];
    ofScope.elements(MESSAGES.ScopeMetrics, (field) => {
      if (field.name === 'metrics') metrics.push(ofScope.inner());
      else if (field.name === 'scope') described.push(ofScope.inner());
    });
    visit(scopeName(Message.merged(described)), metrics);
  }
}

function scopeName(scope: Message): string {
  let name = '';
  scope.elements(MESSAGES.InstrumentationScope, (field) => {
    if (field.name === 'name') name = scope.name();
  });
  return name;
}

/** Null: it has no data. */
function readMetric(scope: string, metric: Message): MetricView | null {
  let name = '';
  let unit = '';
  let member: MessageField | null = null;
  let parts: Message[] = [];
  metric.elements(MESSAGES.Metric, (field) => {
    if (field.name === 'name') name = metric.name();
    else if (field.name === 'unit') unit = metric.name();
    else if (field.oneof && field.type === 'message') {
      if (member?.name !== field.name) parts = [];
      member = field;
      parts.push(metric.inner());
    }
  });
  // The compiler does not see that the visit assigns it.
  const chosen = member as MessageField | null;
  if (chosen === null) return null;
  const data = Message.merged(parts);
  let temporality = 0;
  let isMonotonic = false;
  data.elements(chosen.message, (field) => {
    if (field.name === 'aggregationTemporality') temporality = data.enum();
    else if (field.name === 'isMonotonic') isMonotonic = data.bool();
  });
  const schema = chosen.message.byNumber[1]?.message;
  return {
    scope,
    name,
    unit,
    kind: chosen.name as MetricKind,
    temporality,
    isMonotonic,
    eachPoint(visit) {
      const points: Message[] = [];
      data.elements(chosen.message, (field) => {
        if (field.number === 1) points.push(data.inner());
      });
      if (schema === null || schema === undefined) return;
      for (const point of points) visit(readPoint(point, schema));
    },
  };
}
