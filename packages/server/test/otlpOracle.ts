import { createRequire } from 'node:module';
import fc from 'fast-check';

/** The generated protobufjs code of the OpenTelemetry JS project, as 0.213 still ships it for traces: a decoder nobody here wrote. */
export interface OracleType {
  decode(bytes: Uint8Array): unknown;
  encode(message: unknown): { finish(): Uint8Array };
  fromObject(object: unknown): unknown;
  toObject(message: unknown, options: object): unknown;
}

const require = createRequire(import.meta.url);
const root = require('@opentelemetry/otlp-transformer/build/src/generated/root.js') as {
  opentelemetry: {
    proto: { collector: { trace: { v1: Record<string, OracleType> } }; trace: { v1: Record<string, OracleType> } };
  };
};
const { proto } = root.opentelemetry;
const Request = proto.collector.trace.v1['ExportTraceServiceRequest'] as OracleType;
const Response = proto.collector.trace.v1['ExportTraceServiceResponse'] as OracleType;
const Span = proto.trace.v1['Span'] as OracleType;

/** An export request decoded by the oracle, as OTLP/JSON. */
export function oracleTraces(bytes: Uint8Array): unknown {
  return otlpJson(Request, bytes);
}

export function oracleSpan(bytes: Uint8Array): unknown {
  return otlpJson(Span, bytes);
}

export function oracleResponse(bytes: Uint8Array): unknown {
  return otlpJson(Response, bytes);
}

/** protobufjs itself, the one that the generated code runs on: reads google.rpc.Status from its published definition. */
export const protobufjs = createRequire(require.resolve('@opentelemetry/otlp-transformer'))('protobufjs') as {
  parse(proto: string): { root: { lookupType(name: string): OracleType } };
};
const rpc = protobufjs.parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message BadRequest { message FieldViolation { string field = 1; string description = 2; } repeated FieldViolation field_violations = 1; }
  message RetryInfo { message Duration { int64 seconds = 1; int32 nanos = 2; } Duration retry_delay = 1; }
`).root;

/** A google.rpc.Status, what its BadRequest details say, and after how many seconds its RetryInfo wants the client back. */
export function oracleStatus(bytes: Uint8Array): {
  code: number;
  message: string;
  violations: unknown[];
  retrySeconds: number | null;
} {
  const status = rpc.lookupType('google.rpc.Status').decode(bytes) as {
    code: number;
    message: string;
    details: { typeUrl: string; value: Uint8Array }[];
  };
  const detailsOf = (name: string): any[] => {
    const type = rpc.lookupType(`google.rpc.${name}`);
    const those = status.details.filter(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`);
    return those.map(({ value }) => type.toObject(type.decode(value), { longs: Number }));
  };
  return {
    code: status.code,
    message: status.message,
    violations: detailsOf('BadRequest').flatMap(({ fieldViolations }) => fieldViolations as unknown[]),
    retrySeconds: (detailsOf('RetryInfo')[0]?.retryDelay.seconds as number | undefined) ?? null,
  };
}

/** OTLP/JSON encoded by the oracle as protobuf. */
export function oracleEncode(request: unknown): Uint8Array {
  return Request.encode(Request.fromObject(withBase64Ids(request))).finish();
}

function otlpJson(type: OracleType, bytes: Uint8Array): unknown {
  return tidy(type.toObject(type.decode(bytes), { longs: String, bytes: Buffer, json: true }));
}

/** Ids to hex, other bytes to base64, the one number JSON cannot hold to a string. */
function tidy(value: unknown, name = ''): unknown {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array)
    return Buffer.from(value).toString(isId(name) ? 'hex' : 'base64');
  if (Array.isArray(value)) return value.map((item) => tidy(item, name));
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, tidy(member, key)]));
}

/** OTLP/JSON as protobufjs takes it. */
export function withBase64Ids(value: unknown, name = ''): unknown {
  if (isId(name) && typeof value === 'string') return Buffer.from(value, 'hex');
  if (name === 'bytesValue' && typeof value === 'string') return Buffer.from(value, 'base64');
  if (name === 'doubleValue' && typeof value === 'string') return Number(value);
  if (Array.isArray(value)) return value.map((item) => withBase64Ids(item, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withBase64Ids(member, key)]));
}

function isId(name: string): boolean {
  return name === 'traceId' || name === 'spanId' || name === 'parentSpanId';
}

const id = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .filter((array) => array.some((byte) => byte !== 0))
    .map((array) => Buffer.from(array).toString('hex'));
export const words = fc.string({ unit: 'grapheme', maxLength: 80 });
export const uint32 = fc.nat({ max: 0xffffffff });
export const ns = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const double = fc
  .double()
  .map((value) => (Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : String(value)));

export const { anyValue } = fc.letrec<{ anyValue: object; keyValue: object }>((tie) => ({
  anyValue: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    words.map((stringValue) => ({ stringValue })),
    fc.boolean().map((boolValue) => ({ boolValue })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ intValue: String(value) })),
    double.map((doubleValue) => ({ doubleValue })),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => ({ bytesValue: Buffer.from(bytes).toString('base64') })),
    fc.constant({}),
    some('values', tie('anyValue')).map((arrayValue) => ({ arrayValue })),
    some('values', tie('keyValue')).map((kvlistValue) => ({ kvlistValue })),
  ),
  keyValue: fc.record({ key: words, value: tie('anyValue') }, { requiredKeys: ['key'] }),
}));
const attributes = fc.array(fc.record({ key: words, value: anyValue }), { minLength: 1, maxLength: 4 });
/** Attributes, and how many were dropped. */
export const counted = { attributes, droppedAttributesCount: uint32 };
/** Any of these members. */
export const optional = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(shape, { requiredKeys: [] });

/** A list under one name, absent when empty: protobuf knows no empty list. */
function some(name: string, of: fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc.array(of, { maxLength: 3 }).map((items) => (items.length > 0 ? { [name]: items } : {}));
}

const event = optional({ timeUnixNano: ns, name: words, ...counted });
const link = optional({ traceId: id(16), spanId: id(8), traceState: words, ...counted, flags: uint32 });
export const enumValue = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

/** A span as OTLP/JSON, every field of it in use, identity valid. */
export const anySpan = fc.record(
  {
    traceId: id(16),
    spanId: id(8),
    traceState: words,
    parentSpanId: id(8),
    name: words,
    kind: enumValue,
    startTimeUnixNano: ns,
    endTimeUnixNano: ns,
    ...counted,
    events: fc.array(event, { minLength: 1, maxLength: 2 }),
    droppedEventsCount: uint32,
    links: fc.array(link, { minLength: 1, maxLength: 2 }),
    droppedLinksCount: uint32,
    status: optional({ message: words, code: enumValue }),
    flags: uint32,
  },
  { requiredKeys: ['traceId', 'spanId'] },
);

/** An export request as OTLP/JSON; every group holds at least one span. */
export const anyRequest = fc.record({
  resourceSpans: fc.array(
    fc.record(
      {
        resource: optional(counted),
        scopeSpans: fc.array(
          fc.record(
            {
              scope: optional({ name: words, version: words, ...counted }),
              spans: fc.array(anySpan, { minLength: 1, maxLength: 3 }),
              schemaUrl: words,
            },
            { requiredKeys: ['spans'] },
          ),
          { minLength: 1, maxLength: 2 },
        ),
        schemaUrl: words,
      },
      { requiredKeys: ['scopeSpans'] },
    ),
    { minLength: 1, maxLength: 2 },
  ),
});
