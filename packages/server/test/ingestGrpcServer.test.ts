import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { Metadata } from '@grpc/grpc-js';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RunningApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { GrpcClient, LOGS, METRICS, TRACES } from './grpcCalls.js';
import { LOG_CAPTURES, METRIC_CAPTURES, TRACE_CAPTURES } from './otlpCaptures.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

let site: RunningSite;
let deployment: Deployment;
let app: RunningApp;
let client: GrpcClient;
let tenant: string;
let key: string;
beforeAll(async () => {
  site = await newRunningSite();
  deployment = await site.open();
  app = await site.start();
  client = new GrpcClient(app.addresses.otlpGrpc);
}, 120_000);
beforeEach(async () => {
  tenant = await deployment.tenants.create({ name: 'acme' });
  key = (await deployment.keys.issue({ tenantId: tenant, role: 'ingest' })).key;
});
afterAll(async () => {
  client.close();
  await site.drop();
});

const kinds = async (log: string): Promise<unknown[]> => (await site.leaves(tenant, log)).map((leaf) => leaf['kind']);
const compressions = [undefined, 'gzip'] as const;

/** As an application is told by OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _COMPRESSION. */
function exporterOptions(compression: 'gzip' | undefined) {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return { url: app.addresses.otlpGrpc, metadata, ...(compression && { compression: compression as never }) };
}

test('what a client really sent by gRPC is stored, and sent again by HTTP it is stored once', async () => {
  const isOfGrpc = ({ client }: { client: string }): boolean => client === 'openai-auto-grpc';
  const requests = [
    ...TRACE_CAPTURES.filter(isOfGrpc).map(({ body }) => ({ path: TRACES, signal: 'traces', body })),
    ...LOG_CAPTURES.filter(isOfGrpc).map(({ body }) => ({ path: LOGS, signal: 'logs', body })),
    ...METRIC_CAPTURES.filter(isOfGrpc).map(({ body }) => ({ path: METRICS, signal: 'metrics', body })),
  ];
  expect(new Set(requests.map(({ signal }) => signal)).size).toBe(3);
  for (const { path, body } of requests) {
    expect(await client.call({ path, body, metadata: { 'x-api-key': key } })).toMatchObject({
      status: 'OK',
      response: Buffer.alloc(0),
    });
  }
  const stored = async () => [
    (await kinds('llm-runs')).filter((kind) => kind === 'STEP').length,
    (await kinds('system')).filter((kind) => kind === 'LOG').length,
    (await kinds('system')).filter((kind) => kind === 'TELEMETRY').length,
  ];
  const first = await stored();
  expect(first.every((records) => records > 0)).toBe(true);
  for (const { signal, body } of requests) {
    const headers = { 'x-api-key': key, 'content-type': 'application/x-protobuf' };
    const by = `${app.addresses.otlpHttp}/v1/${signal}`;
    expect((await fetch(by, { method: 'POST', headers, body: Buffer.from(body) })).status).toBe(200);
  }
  expect(await stored()).toEqual(first);
});

test.each(compressions)(
  'spans, log lines and measurements of the OpenTelemetry SDK arrive, compressed by %s',
  async (compression) => {
    const spans = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter(exporterOptions(compression)))],
    });
    const exporter = new OTLPLogExporter(exporterOptions(compression));
    const logs = new LoggerProvider({ processors: [new SimpleLogRecordProcessor(exporter)] });
    const meters = new MeterProvider({
      readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(exporterOptions(compression)) })],
    });
    const span = spans.getTracer('agent').startSpan('invoke_agent refunds');
    const context = trace.setSpan(ROOT_CONTEXT, span);
    const { traceId, spanId, traceFlags } = span.spanContext();
    expect(traceFlags).toBe(TraceFlags.SAMPLED);
    logs.getLogger('refunds').emit({ severityNumber: SeverityNumber.WARN, body: 'slow', context });
    logs.getLogger('refunds').emit({ eventName: 'sworn.audit.note', body: 'looked at', context });
    span.end();
    meters.getMeter('refunds').createCounter('refunds').add(3);
    await Promise.all([spans.forceFlush(), logs.forceFlush(), meters.forceFlush()]);
    await Promise.all([spans.shutdown(), logs.shutdown(), meters.shutdown()]);
    const ids = { trace_id: traceId, span_id: spanId };
    expect(await site.leaves(tenant, 'llm-runs')).toContainEqual(expect.objectContaining({ kind: 'STEP', ...ids }));
    expect(await site.leaves(tenant, 'system')).toContainEqual(expect.objectContaining({ severity: 'WARN', ...ids }));
    expect(await kinds('system')).toContain('TELEMETRY');
    expect(await kinds('audit')).toEqual(['AUDIT']);
  },
);

test('a hundred calls at once are all durable when they are answered, and nothing of it is found amiss', async () => {
  const bodies = TRACE_CAPTURES.filter(({ encoding }) => encoding === 'protobuf').map(({ body }) => body);
  const calls = Array.from({ length: 100 }, (_, i) =>
    client.call({ body: bodies[i % bodies.length] as Uint8Array, metadata: { 'x-api-key': key }, gzip: i % 2 === 0 }),
  );
  expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set(['OK']));
  await site.covered(tenant, 'llm-runs');
  expect((await fsck(site.config, { tenant, log: null })).findings).toEqual([]);
});

test('a key of a reader, or none, opens nothing', async () => {
  const { key: reader } = await deployment.keys.issue({ tenantId: tenant, role: 'reader' });
  const body = TRACE_CAPTURES.find(({ encoding }) => encoding === 'protobuf')?.body ?? new Uint8Array();
  expect((await client.call({ body, metadata: { 'x-api-key': reader } })).status).toBe('PERMISSION_DENIED');
  expect((await client.call({ body })).status).toBe('UNAUTHENTICATED');
  expect(await kinds('llm-runs')).toEqual([]);
});

test('a port that is taken stops the start', async () => {
  const { port } = new URL(app.addresses.otlpGrpc);
  await expect(site.start(site.with({ SWORN_OTLP_GRPC_PORT: port }))).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
