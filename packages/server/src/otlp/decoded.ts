/** A resource or scope of a request: all fields of ResourceSpans (or ScopeSpans) but the repeated spans, in wire order. */
export interface SourceSlice {
  readonly part: 'resource' | 'scope';
  /** Protobuf bytes: ResourceSpans without field 2, or ScopeSpans without field 2. The same for logs and metrics. */
  readonly bytes: Uint8Array;
}

/** One item of a request, as its own wire bytes: the evidence. */
export interface ItemSlice {
  /** The message's own bytes; a view into the request body for protobuf, freshly written for JSON. */
  readonly bytes: Uint8Array;
  /** Shared by identity among the items of one resource group. */
  readonly resource: SourceSlice;
  /** Shared by identity among the items of one scope group. */
  readonly scope: SourceSlice;
}

/** One span of a request. */
export interface SpanSlice extends ItemSlice {
  /** 16 bytes, not all zero. */
  readonly traceId: Uint8Array;
  /** 8 bytes, not all zero. */
  readonly spanId: Uint8Array;
}

/** One log record of a request. */
export interface LogSlice extends ItemSlice {
  /** 16 bytes, not all zero; null: it is of no trace, also where what was sent is no trace id (opentelemetry-proto, LogRecord). */
  readonly traceId: Uint8Array | null;
  /** 8 bytes, not all zero; null without a trace. */
  readonly spanId: Uint8Array | null;
}

/** How many items of a request were refused, and why (OTLP partial success). */
export interface Refused {
  readonly rejected: number;
  /** English, names the first reasons; null when nothing was refused. */
  readonly message: string | null;
}

/** What a request for traces holds: the good spans, and what was refused. */
export interface DecodedTraces extends Refused {
  readonly spans: readonly SpanSlice[];
}

/** What a request for logs holds: the good records, and what was refused. */
export interface DecodedLogs extends Refused {
  readonly records: readonly LogSlice[];
}

/** One record of metrics: the scopes, metrics and points of a ResourceMetrics, or, of a large one, some of them. */
export interface MetricsSlice {
  /** Protobuf bytes: a ResourceMetrics with field 2 alone. As sent where the whole of it is one record and none of its points was refused. */
  readonly bytes: Uint8Array;
  readonly resource: SourceSlice;
  /** Metric messages in it. */
  readonly metrics: number;
  /** Data points in it: at least one. */
  readonly points: number;
  /** Nanoseconds since 1970 of the first and last point that says its time; 0: none does. */
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

/** What a request for metrics holds, in records; refused are data points. */
export interface DecodedMetrics extends Refused {
  readonly batches: readonly MetricsSlice[];
}
