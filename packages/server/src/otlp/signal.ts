import type { MessageName } from './schema.js';

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
