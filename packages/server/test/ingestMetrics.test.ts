import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { OTLPMetricExporter as JsonExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import {
  AggregationTemporality,
  AggregationType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import { auditDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { METRIC_CAPTURES } from './otlpCaptures.js';
import { oracleMetricBytes, oracleMetrics } from './otlpMetricOracle.js';
import { oracleStatus } from './otlpOracle.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

let site: RunningSite;
let deployment: Deployment;
let app: RunningApp;
let tenant: string;
let key: string;
beforeAll(async () => {
  site = await newRunningSite();
  deployment = await site.open();
  app = await site.start(site.with({ SWORN_MAX_REQUEST_BYTES: '200000' }));
}, 120_000);
beforeEach(async () => {
  tenant = await deployment.tenants.create({ name: 'acme' });
  key = (await deployment.keys.issue({ tenantId: tenant, role: 'ingest' })).key;
});
afterAll(() => site.drop());

async function send(body: Uint8Array | string, headers: Record<string, string> = {}, path = '/v1/metrics') {
  const answer = await fetch(`${app.addresses.otlpHttp}${path}`, {
    method: 'POST',
    headers: { 'content-type': PROTOBUF, 'x-api-key': key, ...headers },
    body: typeof body === 'string' ? body : Buffer.from(body),
  });
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    body: Buffer.from(await answer.arrayBuffer()),
  };
}

const records = async () => (await site.leaves(tenant, 'system')).filter((leaf) => leaf['kind'] === 'TELEMETRY');
const requestOf = (name: string, dataPoints: readonly object[]) => ({
  resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name, gauge: { dataPoints } }] }] }],
});
const bytesOf = (name: string, dataPoints: readonly object[] = [{ asInt: '1' }]) =>
  oracleMetricBytes('ExportMetricsServiceRequest', requestOf(name, dataPoints));

describe('a plain OpenTelemetry meter', () => {
  const exporters: [string, (url: string, headers: Record<string, string>, gzip: boolean) => PushMetricExporter][] = [
    [
      'JSON, cumulative',
      (url, headers, gzip) => new JsonExporter({ url, headers, compression: (gzip ? 'gzip' : 'none') as never }),
    ],
    [
      'protobuf, delta',
      (url, headers, gzip) =>
        new ProtobufExporter({
          url,
          headers,
          compression: (gzip ? 'gzip' : 'none') as never,
          temporalityPreference: AggregationTemporality.DELTA,
        }),
    ],
  ];

  it.each(exporters)('sends counters, gauges and both kinds of histograms as %s, gzipped or not', async (_, create) => {
    for (const gzip of [false, true]) {
      const exporter = create(`${app.addresses.otlpHttp}/v1/metrics`, { 'x-api-key': key }, gzip);
      const provider = new MeterProvider({
        readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
        views: [
          {
            instrumentName: 'wide',
            aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
          },
        ],
      });
      const meter = provider.getMeter('shop', '1.0.0');
      meter.createCounter('refunds').add(gzip ? 2 : 1, { kind: 'full' });
      meter.createGauge('queue', { unit: '{item}' }).record(0.5);
      meter.createHistogram('latency', { unit: 's' }).record(0.25);
      meter.createHistogram('wide').record(3);
      await provider.forceFlush();
      await provider.shutdown();
    }
    // On shutdown the SDK exports once more.
    const stored = await records();
    expect(stored.length).toBeGreaterThanOrEqual(2);
    expect(stored[0]).toMatchObject({
      by: 'producer',
      metrics: 4,
      points: 4,
      metric_names: expect.arrayContaining(['refunds', 'queue', 'latency', 'wide']),
    });
  });

  it('leaves a deployment that fsck, and an auditor of other code, find sound', async () => {
    for (const { body, encoding } of METRIC_CAPTURES)
      expect((await send(body, { 'content-type': encoding === 'json' ? JSON_TYPE : PROTOBUF })).status).toBe(200);
    expect(await records()).toHaveLength(METRIC_CAPTURES.length);
    await site.covered(tenant, 'system');
    expect((await fsck(site.config, { tenant, log: null })).findings).toEqual([]);
    const { problems } = await auditDatabase({
      connection: { connectionString: site.config.databaseUrl ?? '' },
      deploymentId: deployment.id,
      keyDir: join(site.dir, 'keys'),
      signerDir: null,
      tenants: [tenant],
    });
    expect(problems).toEqual([]);
  });
});

describe('a request for metrics', () => {
  it('in gzip or not, as protobuf and as JSON, under any prefix, is durable when it is answered, in its own encoding', async () => {
    const protobuf = await send(gzipSync(bytesOf('a')), { 'content-encoding': 'gzip' }, '/otlp/v1/metrics');
    expect([protobuf.status, protobuf.type, protobuf.body.length]).toEqual([200, PROTOBUF, 0]);
    const json = await send(JSON.stringify(requestOf('b', [{ asInt: 1 }])), { 'content-type': JSON_TYPE });
    expect([json.status, json.type, json.body.toString()]).toEqual([200, JSON_TYPE, '{}']);
    expect((await records()).map((leaf) => leaf['metric_names'])).toEqual([['a'], ['b']]);
  });

  it('without points succeeds and stores nothing', async () => {
    expect((await send(new Uint8Array())).status).toBe(200);
    expect((await send('{"resourceMetrics":[]}', { 'content-type': JSON_TYPE })).status).toBe(200);
    expect((await send(bytesOf('empty', []))).status).toBe(200);
    expect(await site.leaves(tenant, 'system')).toEqual([]);
  });

  it('succeeds in part: what is good is stored, what is not is counted in data points', async () => {
    const bad = { asInt: '1', attributes: [{ key: 'BROKEN', value: { stringValue: 'x' } }] };
    const body = Buffer.from(bytesOf('a', [{ asInt: '1' }, bad, { asInt: '2' }]));
    body[body.indexOf('BROKEN')] = 0xff;
    const answer = await send(body);
    expect([answer.status, oracleMetrics('ExportMetricsServiceResponse', answer.body)]).toEqual([
      200,
      {
        partialSuccess: {
          rejectedDataPoints: '1',
          errorMessage: '1 data point rejected: a string is not valid UTF-8 (1)',
        },
      },
    ]);
    const json = await send(JSON.stringify(requestOf('b', [{ asInt: 'x' }, { asInt: '1' }])), {
      'content-type': JSON_TYPE,
    });
    expect(JSON.parse(json.body.toString())).toMatchObject({ partialSuccess: { rejectedDataPoints: '1' } });
    expect((await records()).map((leaf) => leaf['points'])).toEqual([2, 1]);
  });

  it('that is no request is refused with a Status, and needs a key that may write', async () => {
    const refused = await send(Buffer.from('hello there'));
    expect([refused.status, oracleStatus(refused.body).code]).toEqual([400, 3]);
    expect((await send(new Uint8Array(200_001))).status).toBe(413);
    const reader = (await deployment.keys.issue({ tenantId: tenant, role: 'reader' })).key;
    expect((await send(bytesOf('a'), { 'x-api-key': reader })).status).toBe(403);
    expect(await site.leaves(tenant, 'system')).toEqual([]);
  });

  it('that is sent again is stored once', async () => {
    const body = bytesOf('once');
    expect([(await send(body)).status, (await send(body)).status]).toEqual([200, 200]);
    expect(await records()).toHaveLength(1);
  });
});
