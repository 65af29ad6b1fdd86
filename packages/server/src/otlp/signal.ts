import type { Level } from './envelope.js';
import type { MessageName } from './messages.js';

/** One kind of export request: the messages it is made of, from the outside in, and what its items are called. */
export interface Signal {
  readonly request: MessageName;
  /** Items of one resource: field 1 of the request. */
  readonly group: MessageName;
  /** Items of one scope: field 2 of a group. */
  readonly scoped: MessageName;
  /** Field 2 of `scoped`. */
  readonly item: MessageName;
  /** English, in the singular. */
  readonly noun: string;
}

export const TRACES: Signal = {
  request: 'ExportTraceServiceRequest',
  group: 'ResourceSpans',
  scoped: 'ScopeSpans',
  item: 'Span',
  noun: 'span',
};

export const LOGS: Signal = {
  request: 'ExportLogsServiceRequest',
  group: 'ResourceLogs',
  scoped: 'ScopeLogs',
  item: 'LogRecord',
  noun: 'log record',
};

/** Its items are metrics; what is counted is their points. */
export const METRICS: Signal = {
  request: 'ExportMetricsServiceRequest',
  group: 'ResourceMetrics',
  scoped: 'ScopeMetrics',
  item: 'Metric',
  noun: 'data point',
};

const HOLDS_FIRST: ReadonlySet<number> = new Set([1]);
const HOLDS_SECOND: ReadonlySet<number> = new Set([2]);

/** The levels of a request above its items, from the outside in. */
export function levelsOf({ request, group, scoped }: Signal): readonly [request: Level, group: Level, scoped: Level] {
  return [
    { name: request, holds: HOLDS_FIRST, part: 'request' },
    { name: group, holds: HOLDS_SECOND, part: 'resource' },
    { name: scoped, holds: HOLDS_SECOND, part: 'scope' },
  ];
}
