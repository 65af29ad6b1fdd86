/** A resource or scope of a request: all fields of ResourceSpans (or ScopeSpans) but the repeated spans, in wire order. */
export interface SourceSlice {
  readonly part: 'resource' | 'scope';
  /** Protobuf bytes: ResourceSpans without field 2, or ScopeSpans without field 2. The same for logs and metrics. */
  readonly bytes: Uint8Array;
}

/** One span of a request, as its own wire bytes: the evidence. */
export interface SpanSlice {
  /** The Span message's own bytes; a view into the request body for protobuf, freshly written for JSON. */
  readonly bytes: Uint8Array;
  /** Shared by identity among the spans of one ResourceSpans. */
  readonly resource: SourceSlice;
  /** Shared by identity among the spans of one ScopeSpans. */
  readonly scope: SourceSlice;
  /** 16 bytes, not all zero. */
  readonly traceId: Uint8Array;
  /** 8 bytes, not all zero. */
  readonly spanId: Uint8Array;
}

/** What a request holds: the good spans, and how many were refused and why (OTLP partial success). */
export interface DecodedTraces {
  readonly spans: readonly SpanSlice[];
  readonly rejected: number;
  /** English, names the first reasons; null when nothing was refused. */
  readonly message: string | null;
}
