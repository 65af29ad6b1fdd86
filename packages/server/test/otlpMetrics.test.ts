import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DecodedMetrics, MetricsSlice } from '../src/otlp/decoded.js';
import { MAX_PARTS_PER_REQUEST } from '../src/otlp/envelope.js';
import { decodeMetricsJson } from '../src/otlp/json.js';
import type { PointView } from '../src/otlp/metricPoint.js';
import { type MetricView, readMetricNames, readMetrics } from '../src/otlp/metrics.js';
import { TooManyParts, UndecodableRequest } from '../src/otlp/rejections.js';
import { readResource } from '../src/otlp/span.js';
import { decodeMetrics, MAX_BATCH_BYTES, MAX_BATCH_POINTS } from '../src/otlp/wireMetrics.js';
import { any, keyValue, message, text, varint, type WireMessage } from './otlpBytes.js';
import { METRIC_CAPTURES } from './otlpCaptures.js';
import { anyMetricsRequest, oracleMetricBytes, oracleMetrics } from './otlpMetricOracle.js';

interface Json {
  readonly [name: string]: unknown;
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const fixed64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
const point = (timeNs: bigint, ...fields: WireMessage) => message([[3, fixed64(timeNs), 1], ...fields]);
const gauge = (name: string, points: readonly Uint8Array[], ...fields: WireMessage) =>
  message([[1, text(name)], ...fields, [5, message(points.map((one) => [1, one] as const))]]);
const request = (metrics: readonly Uint8Array[], resource: WireMessage = [], scope: WireMessage = []) =>
  message([[1, message([...resource, [2, message([...scope, ...metrics.map((m) => [2, m] as const)])]])]]);

/** Every metric and point of some records, as they are read. */
function viewsOf(batches: readonly MetricsSlice[]): { metric: MetricView; points: PointView[] }[] {
  const views: { metric: MetricView; points: PointView[] }[] = [];
  for (const { bytes } of batches)
    readMetrics(bytes, (metric) => {
      const points: PointView[] = [];
      metric.eachPoint((view) => points.push(view));
      views.push({ metric, points });
    });
  return views;
}

const pointsIn = (batches: readonly MetricsSlice[]) => batches.reduce((sum, { points }) => sum + points, 0);

describe('the reader of metrics', () => {
  test.each(METRIC_CAPTURES)('reads every point that $client sent ($encoding)', ({ encoding, body }) => {
    const { batches, rejected, message: said } = encoding === 'json' ? decodeMetricsJson(body) : decodeMetrics(body);
    expect([rejected, said]).toEqual([0, null]);
    expect(batches).toHaveLength(1);
    const views = viewsOf(batches);
    const points = views.flatMap((view) => view.points);
    expect(points).toHaveLength(pointsIn(batches));
    for (const { metric, points: of } of views) {
      expect(metric.name).not.toBe('');
      for (const view of of) {
        expect(view.timeNs).toBeGreaterThan(0n);
        const isNumber = metric.kind === 'gauge' || metric.kind === 'sum';
        expect(isNumber ? view.value : view.count).not.toBeNull();
      }
    }
    expect(batches[0]?.lastNs).toBe(points.map(({ timeNs }) => timeNs).reduce((a, b) => (a > b ? a : b)));
    if (encoding === 'protobuf') {
      const sent = oracleMetrics('ExportMetricsServiceRequest', body) as { resourceMetrics: Json[] };
      const { resource: _, ...held } = sent.resourceMetrics[0] ?? {};
      expect(oracleMetrics('ResourceMetrics', batches[0]?.bytes ?? body)).toEqual(held);
    }
  });

  test('hands over of any request all that its resources hold, byte for byte, from protobuf and from JSON alike', () => {
    fc.assert(
      fc.property(anyMetricsRequest, (sent) => {
        const expected = sent.resourceMetrics.map(({ scopeMetrics }) =>
          hexOf(oracleMetricBytes('ResourceMetrics', { scopeMetrics })),
        );
        const resources = sent.resourceMetrics.map((group) =>
          hexOf(oracleMetricBytes('ResourceMetrics', { ...group, scopeMetrics: undefined })),
        );
        const wire = decodeMetrics(oracleMetricBytes('ExportMetricsServiceRequest', sent));
        const json = decodeMetricsJson(Buffer.from(JSON.stringify(sent)));
        for (const decoded of [wire, json]) {
          expect(decoded).toMatchObject({ rejected: 0, message: null });
          expect(decoded.batches.map(({ bytes }) => hexOf(bytes))).toEqual(expected);
          expect(decoded.batches.map(({ resource }) => hexOf(resource.bytes))).toEqual(resources);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('reads of any point what the oracle reads', () => {
    const numberOf = (said: unknown) => (said === undefined ? null : Number(said));
    fc.assert(
      fc.property(anyMetricsRequest, (sent) => {
        const metrics = sent.resourceMetrics.flatMap(({ scopeMetrics }) =>
          scopeMetrics.flatMap(({ metrics: of }) => of as Json[]),
        );
        const views = viewsOf(decodeMetrics(oracleMetricBytes('ExportMetricsServiceRequest', sent)).batches);
        expect(views.map(({ metric }) => [metric.name, metric.unit])).toEqual(
          metrics.map((of) => [of['name'] ?? '', of['unit'] ?? '']),
        );
        for (const [at, { metric, points }] of views.entries()) {
          const of = (metrics[at] as Json)[metric.kind] as Json & { dataPoints: Json[] };
          expect(metric.temporality).toBe(of['aggregationTemporality'] ?? 0);
          expect(metric.isMonotonic).toBe(of['isMonotonic'] ?? false);
          for (const [n, json] of of.dataPoints.entries()) {
            const view = points[n] as PointView;
            expect(view.timeNs).toBe(BigInt((json['timeUnixNano'] as string | undefined) ?? 0));
            expect(view.value).toBe(numberOf(json['asDouble'] ?? json['asInt']));
            expect(view.count).toBe(numberOf(json['count']));
            expect(view.sum).toBe(numberOf(json['sum']));
            expect(view.noRecordedValue).toBe((Number(json['flags'] ?? 0) & 1) === 1);
            expect(view.exemplars).toHaveLength(((json['exemplars'] as unknown[] | undefined) ?? []).length);
            expect(view.quantiles.map(({ value }) => value)).toEqual(
              ((json['quantileValues'] as Json[] | undefined) ?? []).map(({ value }) => value ?? 0),
            );
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test('counts a point that cannot be read, and keeps its neighbours, its metric and its scope', () => {
    const broken = point(2n, [7, keyValue(Buffer.from([0xff]), any('v'))]);
    const decoded = decodeMetrics(
      request([gauge('a', [point(1n), broken, point(3n)], [3, text('By')])], [], [[3, text('u')]]),
    );
    expect(decoded).toMatchObject({ rejected: 1, message: '1 data point rejected: a string is not valid UTF-8 (1)' });
    expect(decoded.batches).toMatchObject([{ metrics: 1, points: 2, firstNs: 1n, lastNs: 3n }]);
    expect(viewsOf(decoded.batches)).toMatchObject([
      { metric: { name: 'a', unit: 'By' }, points: [{ timeNs: 1n }, { timeNs: 3n }] },
    ]);
    expect(oracleMetrics('ResourceMetrics', decoded.batches[0]?.bytes ?? broken)).toMatchObject({
      scopeMetrics: [{ schemaUrl: 'u' }],
    });
  });

  test('of JSON the same, and says what is wrong', () => {
    const dataPoints = [
      { asInt: '1' },
      { asInt: 'x' },
      { asDouble: 1, asInt: 2 },
      { timeUnixNano: '5', asDouble: 0.5 },
    ];
    const metrics = [
      { name: 'a', gauge: { dataPoints } },
      { name: 7, sum: { dataPoints: [{}, {}] } },
      { name: 'two', sum: { dataPoints: [{}] }, gauge: { dataPoints: [{}] } },
    ];
    const decoded = decodeMetricsJson(
      Buffer.from(JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] })),
    );
    expect(decoded.rejected).toBe(6);
    expect(decoded.message).toMatch(
      /^6 data points rejected: .*int64 \(1\); more than one value in one NumberDataPoint \(1\); metric: .* \(2\); metric: more than one value in one Metric \(2\)$/,
    );
    expect(viewsOf(decoded.batches).map(({ metric, points }) => [metric.name, points.length])).toEqual([['a', 2]]);
  });

  test.each([
    ['a metric', request([gauge('', [point(1n), point(2n)], [2, Buffer.from([0xff])])]), 'metric: a string is not'],
    ['a scope', request([gauge('a', [point(1n), point(2n)])], [], [[3, Buffer.from([0xff])]]), 'scope: a string'],
    ['a resource', request([gauge('a', [point(1n), point(2n)])], [[3, Buffer.from([0xff])]]), 'resource: a string'],
    [
      'a metric of two kinds',
      request([
        message([
          [5, message([[1, point(1n)]])],
          [7, message([[1, point(2n)]])],
        ]),
      ]),
      'metric: more than one kind of data',
    ],
  ])('counts the points of %s that cannot be read, and keeps those of others', (_, bad, said) => {
    const decoded = decodeMetrics(Buffer.concat([bad, request([gauge('b', [point(9n)])])]));
    expect(decoded).toMatchObject({ rejected: 2, batches: [{ points: 1, firstNs: 9n }] });
    expect(decoded.message).toContain(said);
  });

  test('leaves out what cannot be read and holds no point, and so what it makes a reader read is readable', () => {
    const decoded = decodeMetrics(
      request([gauge('good', [point(1n)]), message([[1, Buffer.from([0xff])]]), gauge('empty', [])]),
    );
    expect(decoded).toMatchObject({ rejected: 0, batches: [{ points: 1 }] });
    expect([...readMetricNames(decoded.batches[0]?.bytes ?? new Uint8Array())]).toEqual(['good', 'empty']);
  });

  test('takes numbers of packed fields one by one too, as old encoders write them', () => {
    const unpacked = message([
      [6, fixed64(3n), 1],
      [6, fixed64(4n), 1],
      [7, Buffer.from(new Float64Array([10]).buffer), 1],
    ]);
    const metric = message([[9, message([[1, unpacked]])]]);
    expect(viewsOf(decodeMetrics(request([metric])).batches)[0]?.points[0]?.buckets).toEqual([
      { above: Number.NEGATIVE_INFINITY, upTo: 10, count: 3 },
      { above: 10, upTo: Number.POSITIVE_INFINITY, count: 4 },
    ]);
    const cut = message([[9, message([[1, message([[6, Buffer.alloc(7)]])]])]]);
    expect(decodeMetrics(request([cut]))).toMatchObject({ rejected: 1, message: expect.stringContaining('cut off') });
  });

  test('reads the buckets of an exponential histogram, negative ones and zero first', () => {
    const zigzag = (value: number) => varint(value < 0 ? -2 * value - 1 : 2 * value);
    const exponential = message([
      [6, zigzag(-1), 0],
      [7, fixed64(2n), 1],
      [
        8,
        message([
          [1, zigzag(1), 0],
          [2, Buffer.from([1, 0, 5])],
        ]),
      ],
      [
        9,
        message([
          [1, zigzag(0), 0],
          [2, Buffer.from([7])],
        ]),
      ],
    ]);
    const metric = message([[10, message([[1, exponential]])]]);
    expect(viewsOf(decodeMetrics(request([metric])).batches)[0]?.points[0]?.buckets).toEqual([
      { above: -4, upTo: -1, count: 7 },
      { above: -0, upTo: 0, count: 2 },
      { above: 4, upTo: 16, count: 1 },
      { above: 64, upTo: 256, count: 5 },
    ]);
  });

  test('loses nothing: what is not handed over is counted, or the whole request refused', () => {
    const good = request(
      [gauge('a', [point(1n), point(2n, [7, keyValue('k', any('v'))])]), gauge('b', [point(3n)])],
      [[3, text('s')]],
    );
    const mutated = fc
      .array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const copy = Buffer.from(good);
        for (const [at, byte] of changes) copy[at] = byte;
        return copy;
      });
    const total = (decode: (bytes: Uint8Array) => DecodedMetrics) => (bytes: Uint8Array) => {
      try {
        const { batches, rejected, message: said } = decode(bytes);
        expect(said === null).toBe(rejected === 0);
        for (const { resource } of batches) readResource(resource.bytes);
        expect(viewsOf(batches).reduce((sum, { points }) => sum + points.length, 0)).toBe(pointsIn(batches));
      } catch (error) {
        expect(error).toBeInstanceOf(UndecodableRequest);
      }
    };
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), total(decodeMetrics)), {
      numRuns: 1_000,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json().map((json) => Buffer.from(json)),
          anyMetricsRequest.map((sent) => Buffer.from(JSON.stringify(sent).slice(0, -3))),
        ),
        total(decodeMetricsJson),
      ),
      { numRuns: 150 },
    );
  });

  test('refuses what is no request, and more parts than its bound; an empty one holds nothing', () => {
    expect(() => decodeMetrics(Buffer.from('hello'))).toThrow(UndecodableRequest);
    expect(() => decodeMetricsJson(Buffer.from('[]'))).toThrow(UndecodableRequest);
    const points = Buffer.alloc(MAX_PARTS_PER_REQUEST * 2);
    for (let at = 0; at < points.length; at += 2) points[at] = 0x0a;
    expect(() => decodeMetrics(request([message([[5, points]])]))).toThrow(TooManyParts);
    for (const empty of [new Uint8Array(), request([]), request([gauge('a', [])])])
      expect(decodeMetrics(empty)).toEqual({ batches: [], rejected: 0, message: null });
  });
});

describe('a large ResourceMetrics', () => {
  const wide = (n: number) => point(BigInt(n + 1), [7, keyValue('path', any('x'.repeat(100)))]);
  const many = Array.from({ length: 3_000 }, (_, n) => wide(n));

  test('becomes several records of bounded size, with every point in order and its metric, scope and resource', () => {
    const scope: WireMessage = [[1, message([[1, text('scope')]])]];
    const body = request([gauge('small', [point(7n)]), gauge('big', many, [3, text('By')])], [[3, text('r')]], scope);
    const { batches } = decodeMetrics(body);
    expect(batches.length).toBeGreaterThan(5);
    for (const { bytes, points } of batches) {
      expect(points).toBeLessThanOrEqual(MAX_BATCH_POINTS);
      expect(bytes.length).toBeLessThan(MAX_BATCH_BYTES + 200);
    }
    const views = viewsOf(batches);
    expect(views.every(({ metric }) => metric.scope === 'scope')).toBe(true);
    const big = views.filter(({ metric }) => metric.name === 'big' && metric.unit === 'By');
    expect(big.flatMap(({ points }) => points.map(({ timeNs }) => timeNs))).toEqual(many.map((_, n) => BigInt(n + 1)));
    expect(new Set(batches.map(({ resource }) => hexOf(resource.bytes))).size).toBe(1);
    expect(decodeMetrics(body).batches.map(({ bytes }) => hexOf(bytes))).toEqual(
      batches.map(({ bytes }) => hexOf(bytes)),
    );
  });

  test('is not multiplied by long headers before its points', () => {
    const scope: WireMessage = [[1, message([[1, text('s'.repeat(1_000_000))]])]];
    const body = request([gauge('big', [...many, ...many])], [], scope);
    const { batches } = decodeMetrics(body);
    expect(pointsIn(batches)).toBe(6_000);
    expect(batches.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(body.length * 1.2);
  });

  test('whose one point is longer than a record is kept whole', () => {
    const long = point(1n, [7, keyValue('k', any('x'.repeat(200_000)))]);
    const { batches } = decodeMetrics(request([gauge('a', [point(1n), long, point(2n)])]));
    expect(viewsOf(batches).flatMap(({ points }) => points.map(({ timeNs }) => timeNs))).toEqual([1n, 1n, 2n]);
  });
});
