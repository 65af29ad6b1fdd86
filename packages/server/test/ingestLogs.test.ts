import http from 'node:http';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { LoggerProvider, type LogRecordExporter, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { auditDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { logsRequest } from './logLines.js';
import { message, text } from './otlpBytes.js';
import { oracleLogsResponse } from './otlpLogOracle.js';
import { oracleStatus } from './otlpOracle.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

let site: RunningSite;
let deployment: Deployment;
let app: RunningApp;
let tenant: string;
let key: string;
let reader: string;
beforeAll(async () => {
  site = await newRunningSite();
  deployment = await site.open();
  app = await site.start(site.with({ SWORN_MAX_REQUEST_BYTES: '200000' }));
}, 120_000);
beforeEach(async () => {
  tenant = await deployment.tenants.create({ name: 'acme' });
  key = (await deployment.keys.issue({ tenantId: tenant, role: 'ingest' })).key;
  reader = (await deployment.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => site.drop());

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

function send(body: Uint8Array, headers: http.OutgoingHttpHeaders = {}, path = '/v1/logs'): Promise<Answer> {
  const all = { 'content-type': PROTOBUF, 'x-api-key': key, 'content-length': body.length, ...headers };
  return new Promise((resolve, reject) => {
    const outgoing = http.request(`${app.addresses.otlpHttp}${path}`, { method: 'POST', headers: all }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const kinds = async (log: string): Promise<unknown[]> => (await site.leaves(tenant, log)).map((leaf) => leaf['kind']);
const jsonLines = (...records: unknown[]) =>
  Buffer.from(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] }));

describe('a plain OpenTelemetry logger', () => {
  const exporters: [string, (url: string, headers: Record<string, string>, gzip: boolean) => LogRecordExporter][] = [
    [
      'JSON',
      (url, headers, gzip) => new JsonExporter({ url, headers, compression: (gzip ? 'gzip' : 'none') as never }),
    ],
    [
      'protobuf',
      (url, headers, gzip) => new ProtobufExporter({ url, headers, compression: (gzip ? 'gzip' : 'none') as never }),
    ],
  ];

  it.each(exporters)(
    'sends a line and an audit event as %s, gzipped or not, with nothing of ours',
    async (_, create) => {
      for (const gzip of [false, true]) {
        const exporter = create(`${app.addresses.otlpHttp}/v1/logs`, { 'x-api-key': key }, gzip);
        const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor(exporter)] });
        const logger = provider.getLogger('refunds', '1.0.0');
        const context = trace.setSpanContext(ROOT_CONTEXT, {
          traceId: 'ab'.repeat(16),
          spanId: 'cd'.repeat(8),
          traceFlags: TraceFlags.SAMPLED,
        });
        logger.emit({
          severityNumber: SeverityNumber.WARN,
          severityText: 'WARN',
          body: `slow ${String(gzip)}`,
          context,
        });
        logger.emit({
          eventName: 'sworn.audit.incident.linked',
          body: `the refund loop ${String(gzip)}`,
          attributes: { 'sworn.audit.run.id': 'run-1', 'sworn.audit.incident.id': 'INC-9' },
        });
        await provider.forceFlush();
        await provider.shutdown();
      }
      const system = (await site.leaves(tenant, 'system')).filter((leaf) => leaf['kind'] === 'LOG');
      expect(system).toHaveLength(2);
      expect(system[0]).toMatchObject({
        by: 'producer',
        severity: 'WARN',
        severity_number: 13,
        logger: 'refunds',
        trace_id: 'ab'.repeat(16),
        span_id: 'cd'.repeat(8),
      });
      const audit = await site.leaves(tenant, 'audit');
      expect(audit).toHaveLength(2);
      expect(audit[0]).toMatchObject({
        kind: 'AUDIT',
        event_type: 'INCIDENT_LINKED',
        run_id: 'run-1',
        incident_id: 'INC-9',
      });
    },
  );

  it('leaves a deployment that fsck, and an auditor of other code, find sound', async () => {
    await send(logsRequest([{ body: 'a' }, { event: 'sworn.audit.note', body: 'b' }, { event: 'sworn.system.oom' }]));
    await site.covered(tenant, 'system');
    await site.covered(tenant, 'audit');
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

describe('a request for logs', () => {
  it.each([
    ['identity', (body: Uint8Array) => body],
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)(
    'in %s, as protobuf and as JSON, is durable when it is answered, in its own encoding',
    async (coding, encode) => {
      const sent = [
        [PROTOBUF, logsRequest([{ body: `p ${coding}` }]), ''],
        [JSON_TYPE, jsonLines({ body: { stringValue: `j ${coding}` } }), '{}'],
      ] as const;
      for (const [type, body, empty] of sent) {
        const answer = await send(encode(body), {
          'content-type': type,
          'content-encoding': coding,
          'content-length': encode(body).length,
        });
        expect([answer.status, answer.headers['content-type'], answer.body.toString()]).toEqual([200, type, empty]);
      }
      expect((await kinds('system')).filter((kind) => kind === 'LOG')).toHaveLength(2);
    },
  );

  it('arrives under any prefix; without records it succeeds and stores nothing', async () => {
    expect((await send(logsRequest([{ body: 'x' }]), {}, '/api/public/otel/v1/logs')).status).toBe(200);
    const before = await kinds('system');
    expect((await send(Buffer.alloc(0))).status).toBe(200);
    expect((await send(Buffer.from('{"resourceLogs":[]}'), { 'content-type': JSON_TYPE })).status).toBe(200);
    expect(await kinds('system')).toEqual(before);
  });

  it('succeeds in part: what is good is stored, what is not is counted', async () => {
    const broken = message([[3, Buffer.from([0xff])]]);
    const answer = await send(logsRequest([{ body: 'a' }, broken, { body: 'b' }]));
    expect([answer.status, oracleLogsResponse(answer.body)]).toEqual([
      200,
      {
        partialSuccess: {
          rejectedLogRecords: '1',
          errorMessage: '1 log record rejected: a string is not valid UTF-8 (1)',
        },
      },
    ]);
    const inJson = await send(jsonLines({ traceId: 'xyz' }, { body: { stringValue: 'c' } }), {
      'content-type': JSON_TYPE,
    });
    expect(JSON.parse(inJson.body.toString())).toEqual({
      partialSuccess: { rejectedLogRecords: '1', errorMessage: expect.stringMatching(/^1 log record rejected: an id/) },
    });
    expect((await kinds('system')).filter((kind) => kind === 'LOG')).toHaveLength(3);
  });

  it.each([
    ['no protobuf', text('hello there'), PROTOBUF, 400, 3],
    ['no JSON', text('{'), JSON_TYPE, 400, 3],
    ['of another media type', text('x'), 'text/plain', 415, 3],
    ['too large', Buffer.alloc(200_001), PROTOBUF, 413, 8],
  ] as const)('that is %s is refused with a Status, and stores nothing', async (_, body, type, status, code) => {
    const answer = await send(body, { 'content-type': type });
    const said =
      type === PROTOBUF ? oracleStatus(answer.body) : (JSON.parse(answer.body.toString()) as { code: number });
    expect([answer.status, said.code]).toEqual([status, code]);
    expect(await kinds('system')).toEqual([]);
  });

  it('that inflates past the bound is a 413', async () => {
    const bomb = gzipSync(Buffer.alloc(2_000_000));
    expect((await send(bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
  });

  it('needs a key that may write', async () => {
    expect((await send(logsRequest([{}]), { 'x-api-key': reader })).status).toBe(403);
    expect((await send(logsRequest([{}]), { 'x-api-key': 'swk_x_y' })).status).toBe(401);
    expect(await kinds('system')).toEqual([]);
  });

  it('that is sent again is stored once', async () => {
    const body = logsRequest([{ body: 'once' }, { body: 'once' }, { event: 'sworn.audit.note' }]);
    expect([(await send(body)).status, (await send(body)).status]).toEqual([200, 200]);
    expect((await kinds('system')).filter((kind) => kind === 'LOG')).toHaveLength(2);
    expect(await kinds('audit')).toEqual(['AUDIT']);
  });

  it('of one tenant is nothing of another’s', async () => {
    await send(logsRequest([{ body: 'ours' }, { event: 'sworn.audit.note' }]));
    const [ours] = [tenant];
    const theirs = await deployment.tenants.create({ name: 'theirs' });
    key = (await deployment.keys.issue({ tenantId: theirs, role: 'ingest' })).key;
    await send(logsRequest([{ body: 'ours' }]));
    tenant = theirs;
    expect([await kinds('system'), await kinds('audit')]).toEqual([['RESOURCE', 'RESOURCE', 'LOG'], []]);
    const rows = await site.admin<{ n: number }>(
      `select count(*)::int as n from sworn.system_records where tenant_id = $1`,
      [ours],
    );
    expect(rows[0]?.n).toBe(1);
  });
});
