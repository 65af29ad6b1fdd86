import fc from 'fast-check';
import {
  anyValue,
  counted,
  enumValue,
  ns,
  optional,
  type OracleType,
  protobufjs,
  uint32,
  withBase64Ids,
  words,
} from './otlpOracle.js';

/** The messages of logs in opentelemetry-proto 1.9, for protobufjs; enums as the integers that they are on the wire. */
const { root } = protobufjs.parse(`
  syntax = "proto3";
  package otlp;
  message AnyValue {
    oneof value {
      string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
      ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
    }
  }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValueList { repeated KeyValue values = 1; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
  message LogRecord {
    fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11; int32 severity_number = 2; string severity_text = 3;
    AnyValue body = 5; repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8;
    bytes trace_id = 9; bytes span_id = 10; string event_name = 12;
  }
  message ScopeLogs { InstrumentationScope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
  message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }
  message ExportLogsPartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
  message ExportLogsServiceResponse { ExportLogsPartialSuccess partial_success = 1; }
`);

/** A message given as OTLP/JSON, encoded by protobufjs. */
export function oracleBytes(name: 'ExportLogsServiceRequest' | 'LogRecord', json: unknown): Uint8Array {
  const type = typeOf(name);
  return type.encode(type.fromObject(withBase64Ids(json))).finish();
}

/** An answer to an export of logs. */
export function oracleLogsResponse(bytes: Uint8Array): unknown {
  const type = typeOf('ExportLogsServiceResponse');
  return type.toObject(type.decode(bytes), { longs: String });
}

function typeOf(name: string): OracleType {
  return root.lookupType(`otlp.${name}`);
}

/** An id of any length, or one of zeros: what senders write where there is none. */
const looseId = (bytes: number) =>
  fc.oneof(
    fc.uint8Array({ minLength: bytes, maxLength: bytes }),
    fc.constant(new Uint8Array(bytes)),
    fc.uint8Array({ maxLength: bytes + 2 }),
  );
const hexId = (bytes: number) => looseId(bytes).map((array) => Buffer.from(array).toString('hex'));

/** A log record as OTLP/JSON, every field of it in use. */
const anyRecord = optional({
  timeUnixNano: ns,
  observedTimeUnixNano: ns,
  severityNumber: enumValue,
  severityText: words,
  body: anyValue,
  ...counted,
  flags: uint32,
  traceId: hexId(16),
  spanId: hexId(8),
  eventName: words,
});

/** A request for logs as OTLP/JSON; every group holds at least one record. */
export const anyLogsRequest = fc.record({
  resourceLogs: fc.array(
    fc.record(
      {
        resource: optional(counted),
        scopeLogs: fc.array(
          fc.record(
            {
              scope: optional({ name: words, version: words, ...counted }),
              logRecords: fc.array(anyRecord, { minLength: 1, maxLength: 3 }),
              schemaUrl: words,
            },
            { requiredKeys: ['logRecords'] },
          ),
          { minLength: 1, maxLength: 2 },
        ),
        schemaUrl: words,
      },
      { requiredKeys: ['scopeLogs'] },
    ),
    { minLength: 1, maxLength: 2 },
  ),
});
