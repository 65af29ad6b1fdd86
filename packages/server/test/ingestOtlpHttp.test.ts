import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { gzipSync, deflateSync } from 'node:zlib';
import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  BasicTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { KeyCredential } from '../src/access/credential.js';
import { presentedCredential } from '../src/access/presented.js';
import { Refusal } from '../src/access/refusal.js';
import { Admission, DEFAULT_ADMISSION } from '../src/ingest/admission.js';
import { Intake } from '../src/ingest/intake.js';
import { createOtlpHttp, type OtlpHttp } from '../src/ingest/otlpHttp.js';
import type { DecodedTraces } from '../src/otlp/decoded.js';
import { readSpan } from '../src/otlp/span.js';
import { permissionsByRules } from './accessRules.js';
import { any, keyValue, message, text } from './otlpBytes.js';
import { TRACE_CAPTURES } from './otlpCaptures.js';
import { oracleResponse, oracleStatus } from './otlpOracle.js';

const KEY = 'swk_tenant_secret';
const PROTOBUF = 'application/x-protobuf';
const MAX_BODY = 1_000_000;

const span = message([
  [1, Buffer.alloc(16, 1)],
  [2, Buffer.alloc(8, 2)],
  [5, text('work')],
]);
const badSpan = message([[2, Buffer.alloc(8, 2)]]);
const request = (...spans: Uint8Array[]) =>
  message([
    [
      1,
      message([
        [1, message([[1, keyValue('service.name', any('shop'))]])],
        [2, message(spans.map((s) => [2, s] as const))],
      ]),
    ],
  ]);

interface Accepted {
  readonly credential: KeyCredential;
  readonly traces: DecodedTraces;
}

let accepted: Accepted[];
let accept: (credential: KeyCredential, traces: DecodedTraces) => Promise<void>;
let credential: KeyCredential;
let admission: Admission;
let logged: string[];
let receiver: OtlpHttp;
let port: number;

beforeEach(async () => {
  accepted = [];
  accept = async (by, traces) => void accepted.push({ credential: by, traces });
  credential = {
    kind: 'key',
    tenantId: 'tenant',
    keyId: 'key',
    role: 'ingest',
    permissions: permissionsByRules('ingest'),
    scopes: [],
    services: [],
    tenantSynthetic: false,
    bounds: UNBOUNDED,
    expiresAt: new Date(Date.now() + 60_000),
  };
  admission = new Admission({ ...DEFAULT_ADMISSION });
  logged = [];
  await start();
});

afterEach(async () => {
  await receiver.stop();
});

async function start(maxBodyBytes = MAX_BODY): Promise<void> {
  const intake = new Intake({
    authenticate: async (headers) => {
      const { text: key } = presentedCredential(headers);
      if (key === 'expired') throw new Refusal('credential_expired', 'the API key has passed its expiry');
      if (key === 'database-away') throw new Error('connection refused');
      if (key !== KEY) throw new Refusal('not_authenticated', 'the API key is unknown or revoked');
      return credential;
    },
    accept: {
      traces: (by, traces) => accept(by, traces),
      logs: () => Promise.reject(new Error('no logs in this file')),
      metrics: () => Promise.reject(new Error('no metrics in this file')),
    },
    admission,
    maxBodyBytes,
    log: { error: (fields, said) => logged.push(said, Object.values(fields).join(' ')) },
  });
  receiver = createOtlpHttp({ intake });
  receiver.server.listen(0, '127.0.0.1');
  await once(receiver.server, 'listening');
  port = (receiver.server.address() as AddressInfo).port;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: Uint8Array;
  readonly chunked?: boolean;
  readonly agent?: http.Agent;
}

function send({
  method = 'POST',
  path = '/v1/traces',
  headers = {},
  body = Buffer.alloc(0),
  chunked = false,
  agent,
}: Sent): Promise<Answer> {
  const all = {
    'content-type': PROTOBUF,
    'x-api-key': KEY,
    ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
    ...headers,
  };
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ host: '127.0.0.1', port, method, path, headers: present, agent }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    outgoing.on('error', reject);
    for (let at = 0; at < body.length; at += 65_536) outgoing.write(body.subarray(at, at + 65_536));
    outgoing.end();
  });
}

const json = (answer: Answer): Record<string, unknown> => JSON.parse(answer.body.toString()) as Record<string, unknown>;

describe('a request that OTLP allows', () => {
  test.each([
    ['application/x-protobuf', PROTOBUF],
    ['application/protobuf', PROTOBUF],
    ['Application/X-Protobuf; charset=utf-8', PROTOBUF],
    ['application/json', 'application/json'],
    ['application/json;charset=utf-8', 'application/json'],
  ])('as %s is accepted and answered in its own encoding, partial_success unset', async (contentType, answered) => {
    const body =
      answered === PROTOBUF
        ? request(span)
        : Buffer.from(
            `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${'01'.repeat(16)}","spanId":"${'02'.repeat(8)}"}]}]}]}`,
          );
    const answer = await send({ headers: { 'content-type': contentType }, body });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, answered]);
    expect(answer.body.toString()).toBe(answered === PROTOBUF ? '' : '{}');
    expect(accepted).toMatchObject([{ credential: { tenantId: 'tenant' }, traces: { spans: { length: 1 } } }]);
  });

  test.each([
    ['identity', (body: Uint8Array) => body],
    ['gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
  ] as const)('with Content-Encoding %s is inflated, chunked or not', async (coding, encode) => {
    for (const chunked of [false, true]) {
      const answer = await send({ headers: { 'content-encoding': coding }, body: encode(request(span)), chunked });
      expect(answer.status).toBe(200);
    }
    expect(accepted.map(({ traces }) => traces.spans.length)).toEqual([1, 1]);
  });

  test.each(['/v1/traces', '/api/public/otel/v1/traces', '/otel/v1/traces', '/v1/traces?api-version=1'])(
    'arrives on %s',
    async (path) => {
      expect((await send({ path, body: request(span) })).status).toBe(200);
      expect(accepted).toHaveLength(1);
    },
  );

  test('without spans succeeds, and has nothing to accept', async () => {
    expect(await send({ body: Buffer.alloc(0) })).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(await send({ body: message([[1, message([])]]) })).toMatchObject({ status: 200 });
    expect(await send({ headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') })).toMatchObject({
      status: 200,
    });
    expect(accepted).toEqual([]);
  });

  test.each([
    ['Bearer', { authorization: `bearer ${KEY}` }],
    ['Basic, as password', { authorization: `Basic ${Buffer.from(`pk:${KEY}`).toString('base64')}` }],
    ['Basic, as user', { authorization: `Basic ${Buffer.from(`${KEY}:`).toString('base64')}` }],
    ['x-api-key', { 'x-api-key': KEY }],
  ])('carries its key by %s', async (_, headers) => {
    expect((await send({ headers: { 'x-api-key': '', ...headers }, body: request(span) })).status).toBe(200);
  });

  test('is one of many over one connection', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<number>();
    receiver.server.on('request', (incoming: http.IncomingMessage) => sockets.add(incoming.socket.remotePort ?? 0));
    for (let i = 0; i < 5; i++) await send({ body: request(span), agent });
    expect([accepted.length, sockets.size]).toEqual([5, 1]);
    agent.destroy();
  });

  test.each(TRACE_CAPTURES)('is what $client really sent', async ({ encoding, body }) => {
    const headers = { 'content-type': encoding === 'json' ? 'application/json' : PROTOBUF };
    expect((await send({ headers, body, chunked: true })).status).toBe(200);
    expect(accepted).toHaveLength(1);
    expect(accepted[0]?.traces.rejected).toBe(0);
  });
});

describe('a request with a bad span', () => {
  test('succeeds in part: the good ones are stored, the bad ones counted, in protobuf', async () => {
    const answer = await send({ body: request(span, badSpan, span) });
    expect(answer.status).toBe(200);
    expect(oracleResponse(answer.body)).toEqual({
      partialSuccess: {
        rejectedSpans: '1',
        errorMessage: '1 span rejected: trace_id is not 16 bytes or is all zero (1)',
      },
    });
    expect(accepted[0]?.traces.spans).toHaveLength(2);
  });

  test('succeeds in part, in JSON', async () => {
    const body = Buffer.from('{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"},{}]}]}]}');
    const answer = await send({ headers: { 'content-type': 'application/json' }, body });
    expect([answer.status, json(answer)]).toEqual([
      200,
      {
        partialSuccess: {
          rejectedSpans: '2',
          errorMessage: expect.stringMatching(/^1 span rejected: an id is not hex/),
        },
      },
    ]);
    expect(accepted).toEqual([]);
  });
});

describe('a request that OTLP does not allow', () => {
  test.each([
    ['a body that is no protobuf', { body: Buffer.from('not protobuf at all') }, 400, 3],
    ['a cut body', { body: request(span).subarray(0, -4) }, 400, 3],
    ['a Content-Encoding nobody knows', { headers: { 'content-encoding': 'snappy' } }, 400, 3],
    ['two Content-Encodings', { headers: { 'content-encoding': 'gzip, gzip' } }, 400, 3],
    ['a body that is not gzip', { headers: { 'content-encoding': 'gzip' }, body: Buffer.from('plain') }, 400, 3],
    [
      'a gzip cut off',
      { headers: { 'content-encoding': 'gzip' }, body: gzipSync(request(span)).subarray(0, -9) },
      400,
      3,
    ],
    [
      'rubbish after the gzip',
      { headers: { 'content-encoding': 'gzip' }, body: Buffer.concat([gzipSync(request(span)), text('xx')]) },
      400,
      3,
    ],
    ['two keys', { headers: { authorization: 'Bearer swk_other_secret' } }, 400, 3],
    ['no key', { headers: { 'x-api-key': '' } }, 401, 16],
    ['a wrong key', { headers: { 'x-api-key': 'swk_wrong' } }, 401, 16],
    ['an expired key', { headers: { 'x-api-key': 'expired' } }, 401, 16],
    ['another path', { path: '/v1/tracesx' }, 404, 12],
    ['a body that says it is too large', { body: Buffer.alloc(MAX_BODY + 1) }, 413, 8],
    ['a chunked body that is too large', { body: Buffer.alloc(MAX_BODY + 1), chunked: true }, 413, 8],
    ['a gzip bomb', { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(MAX_BODY * 20)) }, 413, 8],
  ] as [string, Sent, number, number][])(
    'for %s is answered with a Status in protobuf',
    async (_, sent, status, code) => {
      const answer = await send(sent);
      expect([answer.status, answer.headers['content-type']]).toEqual([status, PROTOBUF]);
      expect(oracleStatus(answer.body)).toMatchObject({ code, message: expect.stringMatching(/\w/) });
      const violations = [{ field: expect.any(String) as string, description: expect.any(String) as string }];
      expect(oracleStatus(answer.body).violations).toEqual(status === 400 ? violations : []);
      expect(answer.headers['www-authenticate'] ?? '').toMatch(status === 401 ? /^Bearer/ : /^$/);
      expect(accepted).toEqual([]);
      expect(admission.bytesInFlight).toBe(0);
    },
  );

  test('for broken JSON is answered in JSON, with a BadRequest detail', async () => {
    const answer = await send({
      headers: { 'content-type': 'application/json' },
      body: Buffer.from('{"resourceSpans":[}'),
    });
    expect([answer.status, answer.headers['content-type']]).toEqual([400, 'application/json']);
    expect(json(answer)).toEqual({
      code: 3,
      message: expect.stringMatching(/not JSON|not an export request/),
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [{ field: 'body', description: expect.any(String) }],
        },
      ],
    });
  });

  test.each(['text/plain', 'application/grpc', 'multipart/form-data', ''])(
    'for media type "%s" is a 415',
    async (contentType) => {
      const answer = await send({ headers: { 'content-type': contentType }, body: request(span) });
      expect([answer.status, json(answer)['code']]).toEqual([415, 3]);
    },
  );

  test.each(['GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])('for %s is a 405 that names POST', async (method) => {
    expect(await send({ method })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  });

  test('for profiles says that the signal is not accepted', async () => {
    const headers = { 'content-type': 'application/json' };
    const answer = await send({ path: '/v1development/profiles', headers, body: Buffer.from('{}') });
    expect([answer.status, json(answer)['message']]).toEqual([
      404,
      'profiles are not accepted, only traces, logs and metrics',
    ]);
  });

  test('with a key that may not write is a 403', async () => {
    credential = { ...credential, role: 'reader', permissions: permissionsByRules('reader') };
    const answer = await send({ body: request(span) });
    expect([answer.status, oracleStatus(answer.body).code]).toEqual([403, 7]);
  });

  test('never shows the key or the content it came with', async () => {
    const body = Buffer.from('{"secret-content": }');
    const answer = await send({ headers: { 'content-type': 'application/json' }, body });
    expect(answer.body.toString()).not.toMatch(/secret/);
  });

  test('leaves the connection usable for the next one, also when its body was not read', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    expect((await send({ headers: { 'x-api-key': 'wrong' }, body: Buffer.alloc(500_000), agent })).status).toBe(401);
    expect((await send({ body: request(span), agent })).status).toBe(200);
    agent.destroy();
  });
});

describe('memory', () => {
  test('in use by one tenant refuses its next request with 429 and a time to come back, and nobody else', async () => {
    await receiver.stop();
    admission = new Admission({ processBytes: 4 * MAX_BODY, tenantBytes: MAX_BODY });
    await start();
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    accept = () => held;
    const large = request(
      span,
      message([
        [1, Buffer.alloc(16, 1)],
        [2, Buffer.alloc(8, 2)],
        [5, Buffer.alloc(900_000, 97)],
      ]),
    );
    const first = send({ body: large });
    await expect.poll(() => admission.bytesInFlight).toBeGreaterThan(900_000);
    for (const chunked of [false, true]) {
      const refused = await send({ body: large, chunked });
      expect([refused.status, refused.headers['retry-after'], oracleStatus(refused.body).code]).toEqual([429, '1', 8]);
    }
    credential = { ...credential, tenantId: 'other' };
    const other = send({ body: large });
    release();
    expect([(await first).status, (await other).status]).toEqual([200, 200]);
    expect(admission.bytesInFlight).toBe(0);
  });

  test('for a bomb is reserved before it is inflated, and stops at the bound', async () => {
    await receiver.stop();
    const grown: number[] = [];
    admission = new (class extends Admission {
      override open(tenantId: string) {
        const reservation = super.open(tenantId);
        return { ...reservation, growTo: (bytes: number) => (grown.push(bytes), reservation.growTo(bytes)) };
      }
    })();
    await start();
    const answer = await send({
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(Buffer.alloc(200 * MAX_BODY)),
    });
    expect(answer.status).toBe(413);
    expect(Math.max(...grown)).toBeLessThanOrEqual(MAX_BODY);
  });

  test('is reserved for what arrived, not for what was declared, and given back when the sender goes away', async () => {
    const socket = net.connect(port, '127.0.0.1');
    socket.write(
      `POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: ${PROTOBUF}\r\nx-api-key: ${KEY}\r\nContent-Length: 500000\r\n\r\n`,
    );
    socket.write(Buffer.alloc(1000));
    await expect.poll(() => admission.bytesInFlight).toBe(1000 + 131_072);
    socket.destroy();
    await expect.poll(() => admission.bytesInFlight).toBe(0);
  });
});

describe('what cannot be stored now', () => {
  test('is answered 503 with a time to come back, never 500, and logged', async () => {
    accept = () =>
      Promise.reject(Object.assign(new Error('the database is away'), { detail: 'a value', code: '08006' }));
    const answer = await send({ body: request(span) });
    expect([answer.status, answer.headers['retry-after'], oracleStatus(answer.body).code]).toEqual([503, '1', 14]);
    expect(answer.body.toString()).not.toMatch(/database/);
    // Name, code and place of the error: messages and details may quote values.
    expect(logged).toEqual(['export request not stored', expect.stringMatching(/^Error 08006 at /)]);
    expect(logged.join('')).not.toMatch(/database is away|a value/);
  });

  test('is a 503 too when keys cannot be looked up', async () => {
    expect(await send({ headers: { 'x-api-key': 'database-away' }, body: request(span) })).toMatchObject({
      status: 503,
    });
  });
});

describe('stopping', () => {
  test('answers what is in flight, closes idle connections and takes no more', async () => {
    let release = () => undefined as void;
    let arrived = () => undefined as void;
    const inFlight = new Promise<void>((resolve) => (arrived = resolve));
    accept = () => {
      arrived();
      return new Promise<void>((resolve) => (release = resolve));
    };
    const agent = new http.Agent({ keepAlive: true });
    const silent = net.connect(port, '127.0.0.1');
    await once(silent, 'connect');
    const last = send({ body: request(span), agent });
    await inFlight;
    const stopped = receiver.stop();
    await once(silent, 'close');
    await expect(send({ body: request(span) })).rejects.toThrow(/ECONNREFUSED/);
    release();
    expect(await last).toMatchObject({ status: 200, headers: { connection: 'close' } });
    await stopped;
    agent.destroy();
  });
});

describe('the exporters of the OpenTelemetry JS SDK', () => {
  const exporters: readonly (readonly [string, (options: object) => SpanExporter])[] = [
    ['protobuf', (options) => new ProtobufExporter(options)],
    ['JSON', (options) => new JsonExporter(options)],
  ];

  async function exportRun(exporter: SpanExporter): Promise<ReadableSpan[]> {
    const finished: ReadableSpan[] = [];
    const provider = new BasicTracerProvider({
      spanProcessors: [
        new SimpleSpanProcessor(exporter),
        {
          onStart: () => undefined,
          onEnd: (ended) => void finished.push(ended),
          forceFlush: async () => undefined,
          shutdown: async () => undefined,
        },
      ],
    });
    const tracer = provider.getTracer('lib', '1.2.3');
    const remote = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: 'ab'.repeat(16),
      spanId: 'cd'.repeat(8),
      traceFlags: TraceFlags.SAMPLED,
      isRemote: true,
    });
    const parent = tracer.startSpan(
      'chat gpt',
      { attributes: { 'gen_ai.usage.input_tokens': 120, ratio: 0.5, tags: ['a', 'b'], big: 2 ** 53 - 1 } },
      remote,
    );
    parent.addEvent('exception', { 'exception.type': 'TypeError' });
    parent.setStatus({ code: 2, message: 'failed' });
    tracer
      .startSpan('child', { links: [{ context: parent.spanContext() }] }, trace.setSpan(ROOT_CONTEXT, parent))
      .end();
    parent.end();
    await provider.forceFlush();
    await provider.shutdown();
    return finished;
  }

  test.each(exporters)('deliver a run in %s, gzip or not, and every field of it arrives', async (_, create) => {
    for (const compression of ['none', 'gzip']) {
      accepted.length = 0;
      const finished = await exportRun(
        create({ url: `http://127.0.0.1:${port}/v1/traces`, headers: { authorization: `Bearer ${KEY}` }, compression }),
      );
      const views = accepted.flatMap(({ traces }) => traces.spans.map(({ bytes }) => readSpan(bytes)));
      const byId = new Map(views.map((view) => [view.spanId, view]));
      expect(views).toHaveLength(2);
      for (const sent of finished) {
        const view = byId.get(sent.spanContext().spanId);
        const nanos = ([seconds, rest]: readonly [number, number]) => BigInt(seconds) * 1_000_000_000n + BigInt(rest);
        expect(view).toMatchObject({
          traceId: sent.spanContext().traceId,
          parentSpanId: sent.parentSpanContext?.spanId,
          name: sent.name,
          startNs: nanos(sent.startTime),
          endNs: nanos(sent.endTime),
          status: { code: sent.status.code, message: sent.status.message ?? '' },
        });
      }
      const parent = views.find(({ name }) => name === 'chat gpt');
      const child = views.find(({ name }) => name === 'child');
      expect([
        parent?.attributes.get('gen_ai.usage.input_tokens'),
        parent?.attributes.get('ratio'),
        parent?.attributes.get('tags'),
        parent?.attributes.get('big'),
      ]).toEqual([120n, 0.5, ['a', 'b'], 9007199254740991n]);
      expect(parent?.events[0]?.attributes.text('exception.type')).toBe('TypeError');
      expect(child?.links[0]?.spanId).toBe(parent?.spanId);
      expect((parent?.flags ?? 0) & 0x300).toBe(0x300);
    }
  });

  test.each(exporters)(
    'in %s come back after 429 and 503 by themselves, and the run arrives once',
    async (_, create) => {
      const store = accept;
      let refusals = 2;
      accept = async (by, traces) => {
        if (refusals-- > 0) throw new Error('not now');
        await store(by, traces);
      };
      const exporter = create({ url: `http://127.0.0.1:${port}/v1/traces`, headers: { 'x-api-key': KEY } });
      await exportRun(exporter);
      expect(accepted.flatMap(({ traces }) => traces.spans)).toHaveLength(2);
    },
  );
});
