import { createRequire } from 'node:module';
import fc from 'fast-check';
import { counted, enumValue, ns, optional, type OracleType, uint32, withBase64Ids, words } from './otlpOracle.js';

/** The generated protobufjs code of the OpenTelemetry JS project, as its exporter of metrics carries it: a codec nobody here wrote. */
const require = createRequire(import.meta.resolve('@opentelemetry/exporter-metrics-otlp-proto'));
const root = require('@opentelemetry/otlp-transformer/build/src/generated/root.js') as {
  opentelemetry: {
    proto: { collector: { metrics: { v1: Record<string, OracleType> } }; metrics: { v1: Record<string, OracleType> } };
  };
};
const { proto } = root.opentelemetry;

function typeOf(name: string): OracleType {
  const type = proto.collector.metrics.v1[name] ?? proto.metrics.v1[name];
  if (type === undefined) throw new Error(`the oracle knows no ${name}`);
  return type;
}

/** A message given as OTLP/JSON, encoded by the oracle. */
export function oracleMetricBytes(name: string, json: unknown): Uint8Array {
  const type = typeOf(name);
  return type.encode(type.fromObject(withBase64Ids(json))).finish();
}

/** What the oracle reads: an object as it would be sent again, absent fields left out. */
export function oracleMetrics(name: string, bytes: Uint8Array): unknown {
  const type = typeOf(name);
  return type.toObject(type.decode(bytes), { longs: String, bytes: String });
}

/** Any number JSON has a literal for. */
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0));
const sfixed64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const { attributes } = counted;
const hexId = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((id) => Buffer.from(id).toString('hex'));
const value = fc.oneof(
  number.map((asDouble) => ({ asDouble })),
  sfixed64.map((asInt) => ({ asInt })),
  fc.constant({}),
);
const joined = <A extends object, B extends object>(a: fc.Arbitrary<A>, b: fc.Arbitrary<B>) =>
  fc.tuple(a, b).map(([one, other]) => ({ ...one, ...other }));
const exemplars = fc.array(
  joined(value, optional({ timeUnixNano: ns, spanId: hexId(8), traceId: hexId(16), filteredAttributes: attributes })),
  { minLength: 1, maxLength: 2 },
);
const base = { attributes, startTimeUnixNano: ns, timeUnixNano: ns, flags: uint32 };
const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 5 });
const buckets = optional({ offset: enumValue, bucketCounts: list(ns) });
const points = {
  number: joined(value, optional({ ...base, exemplars })),
  histogram: optional({
    ...base,
    exemplars,
    count: ns,
    sum: number,
    min: number,
    max: number,
    bucketCounts: list(ns),
    explicitBounds: list(number),
  }),
  exponential: optional({
    ...base,
    exemplars,
    count: ns,
    sum: number,
    min: number,
    max: number,
    scale: enumValue,
    zeroCount: ns,
    zeroThreshold: number,
    positive: buckets,
    negative: buckets,
  }),
  summary: optional({
    ...base,
    count: ns,
    sum: number,
    quantileValues: list(optional({ quantile: number, value: number })),
  }),
};
const some = <T>(point: fc.Arbitrary<T>) => ({ dataPoints: fc.array(point, { minLength: 1, maxLength: 3 }) });
const withTemporality = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record({ ...shape, aggregationTemporality: enumValue });
const data = fc.oneof(
  fc.record(some(points.number)).map((gauge) => ({ gauge })),
  fc
    .record({ ...some(points.number), aggregationTemporality: enumValue, isMonotonic: fc.boolean() })
    .map((sum) => ({ sum })),
  withTemporality(some(points.histogram)).map((histogram) => ({ histogram })),
  withTemporality(some(points.exponential)).map((exponentialHistogram) => ({ exponentialHistogram })),
  fc.record(some(points.summary)).map((summary) => ({ summary })),
);
const metric = joined(data, optional({ name: words, description: words, unit: words, metadata: attributes }));

/** A request for metrics as OTLP/JSON, of every kind of point; every group holds at least one. */
export const anyMetricsRequest = fc.record({
  resourceMetrics: fc.array(
    fc.record(
      {
        resource: optional(counted),
        scopeMetrics: fc.array(
          fc.record(
            {
              scope: optional({ name: words, version: words, ...counted }),
              metrics: fc.array(metric, { minLength: 1, maxLength: 3 }),
              schemaUrl: words,
            },
            { requiredKeys: ['metrics'] },
          ),
          { minLength: 1, maxLength: 2 },
        ),
        schemaUrl: words,
      },
      { requiredKeys: ['scopeMetrics'] },
    ),
    { minLength: 1, maxLength: 2 },
  ),
});
