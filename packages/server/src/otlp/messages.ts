/** Types of the scalars of OTLP's messages, by their protobuf names. */
export type ScalarType =
  | 'string'
  | 'bytes'
  | 'int64'
  | 'uint64'
  | 'sint32'
  | 'fixed64'
  | 'sfixed64'
  | 'fixed32'
  | 'uint32'
  | 'double'
  | 'bool'
  | 'enum';

/** The messages that are known. */
export type MessageName =
  | 'ExportTraceServiceRequest'
  | 'ResourceSpans'
  | 'Resource'
  | 'EntityRef'
  | 'ScopeSpans'
  | 'InstrumentationScope'
  | 'Span'
  | 'Event'
  | 'Link'
  | 'Status'
  | 'ExportLogsServiceRequest'
  | 'ResourceLogs'
  | 'ScopeLogs'
  | 'LogRecord'
  | 'ExportMetricsServiceRequest'
  | 'ResourceMetrics'
  | 'ScopeMetrics'
  | 'Metric'
  | 'Gauge'
  | 'Sum'
  | 'Histogram'
  | 'ExponentialHistogram'
  | 'Summary'
  | 'NumberDataPoint'
  | 'HistogramDataPoint'
  | 'ExponentialHistogramDataPoint'
  | 'Buckets'
  | 'SummaryDataPoint'
  | 'ValueAtQuantile'
  | 'Exemplar'
  | 'KeyValue'
  | 'AnyValue'
  | 'ArrayValue'
  | 'KeyValueList';

/** number, JSON name, type; `[]` after the type means repeated, `hex` marks a trace or span id, `one` a member of the oneof. */
export type Row = readonly [number, string, `${ScalarType | MessageName}${'' | '[]'}`, ('hex' | 'one')?];

/**
 * The OTLP messages of traces, logs and metrics: opentelemetry-proto 1.9, `trace/v1`, `logs/v1`, `metrics/v1`, `common/v1`, `resource/v1`,
 * `collector/*`. A field that is not here is unknown: it stays in the bytes and has no meaning. `key_strindex` and `string_value_strindex`
 * belong to profiles and are left out.
 */
export const ROWS: Readonly<Record<MessageName, readonly Row[]>> = {
  ExportTraceServiceRequest: [[1, 'resourceSpans', 'ResourceSpans[]']],
  ResourceSpans: [
    [1, 'resource', 'Resource'],
    [2, 'scopeSpans', 'ScopeSpans[]'],
    [3, 'schemaUrl', 'string'],
  ],
  Resource: [
    [1, 'attributes', 'KeyValue[]'],
    [2, 'droppedAttributesCount', 'uint32'],
    [3, 'entityRefs', 'EntityRef[]'],
  ],
  EntityRef: [
    [1, 'schemaUrl', 'string'],
    [2, 'type', 'string'],
    [3, 'idKeys', 'string[]'],
    [4, 'descriptionKeys', 'string[]'],
  ],
  ScopeSpans: [
    [1, 'scope', 'InstrumentationScope'],
    [2, 'spans', 'Span[]'],
    [3, 'schemaUrl', 'string'],
  ],
  InstrumentationScope: [
    [1, 'name', 'string'],
    [2, 'version', 'string'],
    [3, 'attributes', 'KeyValue[]'],
    [4, 'droppedAttributesCount', 'uint32'],
  ],
  Span: [
    [1, 'traceId', 'bytes', 'hex'],
    [2, 'spanId', 'bytes', 'hex'],
    [3, 'traceState', 'string'],
    [4, 'parentSpanId', 'bytes', 'hex'],
    [5, 'name', 'string'],
    [6, 'kind', 'enum'],
    [7, 'startTimeUnixNano', 'fixed64'],
    [8, 'endTimeUnixNano', 'fixed64'],
    [9, 'attributes', 'KeyValue[]'],
    [10, 'droppedAttributesCount', 'uint32'],
    [11, 'events', 'Event[]'],
    [12, 'droppedEventsCount', 'uint32'],
    [13, 'links', 'Link[]'],
    [14, 'droppedLinksCount', 'uint32'],
    [15, 'status', 'Status'],
    [16, 'flags', 'fixed32'],
  ],
  Event: [
    [1, 'timeUnixNano', 'fixed64'],
    [2, 'name', 'string'],
    [3, 'attributes', 'KeyValue[]'],
    [4, 'droppedAttributesCount', 'uint32'],
  ],
  Link: [
    [1, 'traceId', 'bytes', 'hex'],
    [2, 'spanId', 'bytes', 'hex'],
    [3, 'traceState', 'string'],
    [4, 'attributes', 'KeyValue[]'],
    [5, 'droppedAttributesCount', 'uint32'],
    [6, 'flags', 'fixed32'],
  ],
  Status: [
    [2, 'message', 'string'],
    [3, 'code', 'enum'],
  ],
  ExportLogsServiceRequest: [[1, 'resourceLogs', 'ResourceLogs[]']],
  ResourceLogs: [
    [1, 'resource', 'Resource'],
    [2, 'scopeLogs', 'ScopeLogs[]'],
    [3, 'schemaUrl', 'string'],
  ],
  ScopeLogs: [
    [1, 'scope', 'InstrumentationScope'],
    [2, 'logRecords', 'LogRecord[]'],
    [3, 'schemaUrl', 'string'],
  ],
  LogRecord: [
    [1, 'timeUnixNano', 'fixed64'],
    [2, 'severityNumber', 'enum'],
    [3, 'severityText', 'string'],
    [5, 'body', 'AnyValue'],
    [6, 'attributes', 'KeyValue[]'],
    [7, 'droppedAttributesCount', 'uint32'],
    [8, 'flags', 'fixed32'],
    [9, 'traceId', 'bytes', 'hex'],
    [10, 'spanId', 'bytes', 'hex'],
    [11, 'observedTimeUnixNano', 'fixed64'],
    [12, 'eventName', 'string'],
  ],
  ExportMetricsServiceRequest: [[1, 'resourceMetrics', 'ResourceMetrics[]']],
  ResourceMetrics: [
    [1, 'resource', 'Resource'],
    [2, 'scopeMetrics', 'ScopeMetrics[]'],
    [3, 'schemaUrl', 'string'],
  ],
  ScopeMetrics: [
    [1, 'scope', 'InstrumentationScope'],
    [2, 'metrics', 'Metric[]'],
    [3, 'schemaUrl', 'string'],
  ],
  Metric: [
    [1, 'name', 'string'],
    [2, 'description', 'string'],
    [3, 'unit', 'string'],
    [5, 'gauge', 'Gauge', 'one'],
    [7, 'sum', 'Sum', 'one'],
    [9, 'histogram', 'Histogram', 'one'],
    [10, 'exponentialHistogram', 'ExponentialHistogram', 'one'],
    [11, 'summary', 'Summary', 'one'],
    [12, 'metadata', 'KeyValue[]'],
  ],
  Gauge: [[1, 'dataPoints', 'NumberDataPoint[]']],
  Sum: [
    [1, 'dataPoints', 'NumberDataPoint[]'],
    [2, 'aggregationTemporality', 'enum'],
    [3, 'isMonotonic', 'bool'],
  ],
  Histogram: [
    [1, 'dataPoints', 'HistogramDataPoint[]'],
    [2, 'aggregationTemporality', 'enum'],
  ],
  ExponentialHistogram: [
    [1, 'dataPoints', 'ExponentialHistogramDataPoint[]'],
    [2, 'aggregationTemporality', 'enum'],
  ],
  Summary: [[1, 'dataPoints', 'SummaryDataPoint[]']],
  NumberDataPoint: [
    [2, 'startTimeUnixNano', 'fixed64'],
    [3, 'timeUnixNano', 'fixed64'],
    [4, 'asDouble', 'double', 'one'],
    [5, 'exemplars', 'Exemplar[]'],
    [6, 'asInt', 'sfixed64', 'one'],
    [7, 'attributes', 'KeyValue[]'],
    [8, 'flags', 'uint32'],
  ],
  HistogramDataPoint: [
    [2, 'startTimeUnixNano', 'fixed64'],
    [3, 'timeUnixNano', 'fixed64'],
    [4, 'count', 'fixed64'],
    [5, 'sum', 'double'],
    [6, 'bucketCounts', 'fixed64[]'],
    [7, 'explicitBounds', 'double[]'],
    [8, 'exemplars', 'Exemplar[]'],
    [9, 'attributes', 'KeyValue[]'],
    [10, 'flags', 'uint32'],
    [11, 'min', 'double'],
    [12, 'max', 'double'],
  ],
  ExponentialHistogramDataPoint: [
    [1, 'attributes', 'KeyValue[]'],
    [2, 'startTimeUnixNano', 'fixed64'],
    [3, 'timeUnixNano', 'fixed64'],
    [4, 'count', 'fixed64'],
    [5, 'sum', 'double'],
    [6, 'scale', 'sint32'],
    [7, 'zeroCount', 'fixed64'],
    [8, 'positive', 'Buckets'],
    [9, 'negative', 'Buckets'],
    [10, 'flags', 'uint32'],
    [11, 'exemplars', 'Exemplar[]'],
    [12, 'min', 'double'],
    [13, 'max', 'double'],
    [14, 'zeroThreshold', 'double'],
  ],
  Buckets: [
    [1, 'offset', 'sint32'],
    [2, 'bucketCounts', 'uint64[]'],
  ],
  SummaryDataPoint: [
    [2, 'startTimeUnixNano', 'fixed64'],
    [3, 'timeUnixNano', 'fixed64'],
    [4, 'count', 'fixed64'],
    [5, 'sum', 'double'],
    [6, 'quantileValues', 'ValueAtQuantile[]'],
    [7, 'attributes', 'KeyValue[]'],
    [8, 'flags', 'uint32'],
  ],
  ValueAtQuantile: [
    [1, 'quantile', 'double'],
    [2, 'value', 'double'],
  ],
  Exemplar: [
    [2, 'timeUnixNano', 'fixed64'],
    [3, 'asDouble', 'double', 'one'],
    [4, 'spanId', 'bytes', 'hex'],
    [5, 'traceId', 'bytes', 'hex'],
    [6, 'asInt', 'sfixed64', 'one'],
    [7, 'filteredAttributes', 'KeyValue[]'],
  ],
  KeyValue: [
    [1, 'key', 'string'],
    [2, 'value', 'AnyValue'],
  ],
  AnyValue: [
    [1, 'stringValue', 'string', 'one'],
    [2, 'boolValue', 'bool', 'one'],
    [3, 'intValue', 'int64', 'one'],
    [4, 'doubleValue', 'double', 'one'],
    [5, 'arrayValue', 'ArrayValue', 'one'],
    [6, 'kvlistValue', 'KeyValueList', 'one'],
    [7, 'bytesValue', 'bytes', 'one'],
  ],
  ArrayValue: [[1, 'values', 'AnyValue[]']],
  KeyValueList: [[1, 'values', 'KeyValue[]']],
};
