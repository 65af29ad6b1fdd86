/**
 * The OTLP messages of traces and logs as data: opentelemetry-proto 1.9, `trace/v1`, `logs/v1`, `common/v1`, `resource/v1`, `collector/*`.
 * The wire reader checks by it, the JSON transcoder and the redactor walk by it. A field that is not here is unknown:
 * it stays in the bytes and has no meaning. `key_strindex` and `string_value_strindex` belong to profiles and are left out.
 */
export type ScalarType = 'string' | 'bytes' | 'int64' | 'fixed64' | 'fixed32' | 'uint32' | 'double' | 'bool' | 'enum';

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
  | 'KeyValue'
  | 'AnyValue'
  | 'ArrayValue'
  | 'KeyValueList';

interface FieldBase {
  readonly number: number;
  /** The lowerCamelCase name of OTLP/JSON. */
  readonly name: string;
  readonly repeated: boolean;
  /** Wire type of the field's elements; any other wire type on this number makes the element unknown. */
  readonly wireType: 0 | 1 | 2 | 5;
}

/** A scalar field. `hexId`: bytes that OTLP/JSON writes as hex, not base64. */
export interface ScalarField extends FieldBase {
  readonly type: ScalarType;
  readonly hexId: boolean;
  readonly message: null;
}

/** A field that holds messages. */
export interface MessageField extends FieldBase {
  readonly type: 'message';
  readonly hexId: false;
  readonly message: MessageSchema;
}

export type Field = ScalarField | MessageField;

export interface MessageSchema {
  readonly name: MessageName;
  /** Ascending by number. */
  readonly fields: readonly Field[];
  /** By field number; a hole is an unknown field. */
  readonly byNumber: readonly (Field | undefined)[];
  /** By JSON name. A Map, so that no name a sender chooses can reach a prototype. */
  readonly byName: ReadonlyMap<string, Field>;
  /** All fields are members of one oneof (AnyValue): on the wire the last one counts. */
  readonly oneof: boolean;
}

/** number, JSON name, type; `[]` after the type means repeated, `hex` marks a trace or span id. */
type Row = readonly [number, string, `${ScalarType | MessageName}${'' | '[]'}`, 'hex'?];

const ROWS: Readonly<Record<MessageName, readonly Row[]>> = {
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
  KeyValue: [
    [1, 'key', 'string'],
    [2, 'value', 'AnyValue'],
  ],
  AnyValue: [
    [1, 'stringValue', 'string'],
    [2, 'boolValue', 'bool'],
    [3, 'intValue', 'int64'],
    [4, 'doubleValue', 'double'],
    [5, 'arrayValue', 'ArrayValue'],
    [6, 'kvlistValue', 'KeyValueList'],
    [7, 'bytesValue', 'bytes'],
  ],
  ArrayValue: [[1, 'values', 'AnyValue[]']],
  KeyValueList: [[1, 'values', 'KeyValue[]']],
};

const WIRE_TYPES: Readonly<Record<ScalarType, FieldBase['wireType']>> = {
  string: 2,
  bytes: 2,
  int64: 0,
  fixed64: 1,
  fixed32: 5,
  uint32: 0,
  double: 1,
  bool: 0,
  enum: 0,
};

/** Every message by its name, references resolved (AnyValue is recursive). */
export const MESSAGES: Readonly<Record<MessageName, MessageSchema>> = link();

function link(): Record<MessageName, MessageSchema> {
  const schemas = {} as Record<MessageName, MessageSchema>;
  const fieldLists = {} as Record<MessageName, Field[]>;
  const names = Object.keys(ROWS) as MessageName[];
  for (const name of names) {
    fieldLists[name] = [];
    schemas[name] = {
      name,
      fields: fieldLists[name],
      byNumber: [],
      byName: new Map(),
      oneof: name === 'AnyValue',
    };
  }
  for (const name of names) {
    const fields = fieldLists[name];
    fields.push(...ROWS[name].map((row) => fieldOf(row, schemas)));
    const highest = fields.at(-1)?.number ?? 0;
    const byNumber = Array.from({ length: highest + 1 }, (_, number) => fields.find((f) => f.number === number));
    const byName = new Map(fields.map((field) => [field.name, field]));
    Object.assign(schemas[name], { byNumber, byName });
  }
  return schemas;
}

function fieldOf([number, name, written, hex]: Row, schemas: Record<MessageName, MessageSchema>): Field {
  const repeated = written.endsWith('[]');
  const type = (repeated ? written.slice(0, -2) : written) as ScalarType | MessageName;
  if (type in WIRE_TYPES) {
    const scalar = type as ScalarType;
    return { number, name, repeated, wireType: WIRE_TYPES[scalar], type: scalar, hexId: hex === 'hex', message: null };
  }
  const message = schemas[type as MessageName];
  return { number, name, repeated, wireType: 2, type: 'message', hexId: false, message };
}
