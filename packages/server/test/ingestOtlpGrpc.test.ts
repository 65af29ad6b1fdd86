import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { KeyCredential } from '../src/access/credential.js';
import { presentedCredential } from '../src/access/presented.js';
import { Refusal } from '../src/access/refusal.js';
import { Admission, DEFAULT_ADMISSION } from '../src/ingest/admission.js';
import { Intake } from '../src/ingest/intake.js';
import { createOtlpGrpc, type OtlpGrpc } from '../src/ingest/otlpGrpc.js';
import type { DecodedTraces } from '../src/otlp/decoded.js';
import { permissionsByRules } from './accessRules.js';
import { framed, GrpcClient, LOGS, rawCall, TRACES } from './grpcCalls.js';
import { any, keyValue, message, text } from './otlpBytes.js';
import { rawConnection } from './http2Frames.js';
import { oracleResponse } from './otlpOracle.js';

const KEY = 'swk_tenant_secret';
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
const large = request(
  span,
  message([
    [1, Buffer.alloc(16, 1)],
    [2, Buffer.alloc(8, 3)],
    [5, Buffer.alloc(900_000, 97)],
  ]),
);

let accepted: DecodedTraces[];
let accept: (traces: DecodedTraces) => Promise<void>;
let credential: KeyCredential;
let admission: Admission;
let logged: string[];
let receiver: OtlpGrpc;
let address: string;
let client: GrpcClient;

beforeEach(async () => {
  accepted = [];
  accept = async (traces) => void accepted.push(traces);
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
  client.close();
  await receiver.stop();
});

async function start(tls?: { cert: Buffer; key: Buffer }): Promise<void> {
  const intake = new Intake({
    authenticate: async (headers) => {
      const { text: key } = presentedCredential(headers);
      if (key === 'expired') throw new Refusal('credential_expired', 'the API key has passed its expiry');
      if (key === 'database-away') throw new Error('connection refused');
      if (key === 'flood') throw new Refusal('unavailable', 'too many unknown keys are tried');
      if (key !== KEY) throw new Refusal('not_authenticated', 'the API key is unknown or revoked');
      return credential;
    },
    accept: {
      traces: (_, traces) => accept(traces),
      logs: () => Promise.reject(new Error('no logs in this file')),
      metrics: () => Promise.reject(new Error('no metrics in this file')),
    },
    admission,
    maxBodyBytes: MAX_BODY,
    log: { error: (fields, said) => logged.push(said, Object.values(fields).join(' ')) },
  });
  receiver = createOtlpGrpc({ intake, ...(tls !== undefined && { tls }) });
  receiver.server.listen(0, '127.0.0.1');
  await once(receiver.server, 'listening');
  const { port } = receiver.server.address() as AddressInfo;
  address = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  client = new GrpcClient(address, tls?.cert);
}

async function restart(tls?: { cert: Buffer; key: Buffer }): Promise<void> {
  client.close();
  await receiver.stop();
  await start(tls);
}

/** A connection of HTTP/2's own client, closed when `use` is done. */
async function raw<T>(use: (session: http2.ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = http2.connect(address);
  session.on('error', () => undefined);
  try {
    return await use(session);
  } finally {
    session.destroy();
  }
}

function openConnections(): Promise<number> {
  return new Promise((resolve) => receiver.server.getConnections((_, connections) => resolve(connections)));
}

const sender = { 'x-api-key': KEY };

describe('a call that OTLP allows', () => {
  test.each([false, true])('is accepted and answered with partial_success unset, gzip %s', async (gzip) => {
    const ended = await client.call({ body: request(span), metadata: sender, gzip });
    expect(ended).toMatchObject({ status: 'OK', response: Buffer.alloc(0) });
    expect(accepted).toMatchObject([{ spans: { length: 1 } }]);
  });

  test.each([
    ['Bearer', { authorization: `bearer ${KEY}` }],
    ['Basic, as password', { authorization: `Basic ${Buffer.from(`pk:${KEY}`).toString('base64')}` }],
    ['x-api-key', { 'x-api-key': KEY }],
  ])('carries its key by %s', async (_, metadata) => {
    expect((await client.call({ body: request(span), metadata })).status).toBe('OK');
  });

  test('without spans succeeds, and has nothing to accept', async () => {
    expect(await client.call({ metadata: sender })).toMatchObject({ status: 'OK', response: Buffer.alloc(0) });
    expect(accepted).toEqual([]);
  });

  test('with a bad span succeeds in part', async () => {
    const ended = await client.call({ body: request(span, badSpan, span), metadata: sender });
    expect(ended.status).toBe('OK');
    expect(oracleResponse(ended.response ?? Buffer.alloc(0))).toEqual({
      partialSuccess: {
        rejectedSpans: '1',
        errorMessage: '1 span rejected: trace_id is not 16 bytes or is all zero (1)',
      },
    });
    expect(accepted[0]?.spans).toHaveLength(2);
  });

  test('is one of many at a time over one connection, of any size', async () => {
    const plain = Array.from({ length: 300 }, (_, i) =>
      client.call({ body: i % 50 === 0 ? large : request(span), metadata: sender }),
    );
    expect(new Set((await Promise.all(plain)).map(({ status }) => status))).toEqual(new Set(['OK']));
    // What is compressed may become anything, and has room for that reserved: 128 KiB each, of the tenant's 16 MiB.
    const zipped = Array.from({ length: 100 }, () =>
      client.call({ body: request(span), metadata: sender, gzip: true }),
    );
    expect(new Set((await Promise.all(zipped)).map(({ status }) => status))).toEqual(new Set(['OK']));
    expect(accepted).toHaveLength(400);
    expect(admission.bytesInFlight).toBe(0);
  });

  test('may come byte by byte, and compressed by what else is known', async () => {
    await raw(async (session) => {
      const deflated = framed(deflateSync(request(span)), { flag: 1 });
      const headers = { ...sender, 'grpc-encoding': 'deflate' };
      expect((await rawCall(session, { headers, body: deflated })).status).toBe('0');
      const stream = session.request({
        ':method': 'POST',
        ':path': TRACES,
        'content-type': 'application/grpc',
        ...sender,
      });
      stream.resume();
      for (const byte of framed(request(span))) {
        await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
      }
      stream.end();
      const [trailers] = (await once(stream, 'trailers')) as [http2.IncomingHttpHeaders];
      expect(trailers['grpc-status']).toBe('0');
    });
    expect(accepted.map(({ spans }) => spans.length)).toEqual([1, 1]);
  });

  test('is acknowledged only when it is durable', async () => {
    let store = () => undefined as void;
    accept = () => new Promise<void>((resolve) => (store = resolve));
    let status = '';
    const call = client.call({ body: request(span), metadata: sender }).then((ended) => (status = ended.status));
    await expect.poll(() => admission.bytesInFlight).toBeGreaterThan(0);
    expect((await client.call({ metadata: sender })).status).toBe('OK');
    expect(status).toBe('');
    store();
    expect(await call).toBe('OK');
  });
});

describe('a call that is refused', () => {
  test.each([
    ['no key', { metadata: {} }, 'UNAUTHENTICATED'],
    ['a wrong key', { metadata: { 'x-api-key': 'swk_wrong' } }, 'UNAUTHENTICATED'],
    ['an expired key', { metadata: { authorization: 'Bearer expired' } }, 'UNAUTHENTICATED'],
    ['another service', { path: '/grpc.health.v1.Health/Check' }, 'UNIMPLEMENTED'],
    ['another method', { path: TRACES.replace('Export', 'Import') }, 'UNIMPLEMENTED'],
    ['another path that ends alike', { path: `/x${TRACES}` }, 'UNIMPLEMENTED'],
    ['a message that is too large', { body: Buffer.alloc(MAX_BODY + 1) }, 'RESOURCE_EXHAUSTED'],
    ['a gzip bomb', { body: Buffer.alloc(MAX_BODY * 20), gzip: true }, 'RESOURCE_EXHAUSTED'],
  ] as const)('for %s must not be sent again', async (_, call, status) => {
    const ended = await client.call({ metadata: sender, ...call });
    expect(ended).toMatchObject({ status, message: expect.stringMatching(/\w/), response: null });
    expect(ended.details).toMatchObject({ message: ended.message, violations: [], retrySeconds: null });
    expect([accepted, admission.bytesInFlight, logged]).toEqual([[], 0, []]);
  });

  test.each([
    ['no protobuf', { body: Buffer.from('not protobuf at all') }, 'body'],
    ['two keys', { metadata: { ...sender, authorization: `Bearer ${KEY}` } }, 'Authorization'],
  ] as const)('for %s says what was wrong', async (_, call, field) => {
    const ended = await client.call({ metadata: sender, ...call });
    expect(ended.status).toBe('INVALID_ARGUMENT');
    expect(ended.details?.violations).toEqual([{ field, description: ended.message }]);
  });

  test.each([
    ['database-away', 'export request not stored'],
    ['flood', undefined],
  ])('for what may pass (%s) is to be sent again, at a time that is said', async (key, said) => {
    const ended = await client.call({ body: request(span), metadata: { 'x-api-key': key } });
    expect([ended.status, ended.details?.retrySeconds, logged[0]]).toEqual(['UNAVAILABLE', 1, said]);
  });

  test('when nothing can be stored is to be sent again', async () => {
    accept = () => Promise.reject(new Error('disk full of secrets'));
    const ended = await client.call({ body: request(span), metadata: sender });
    expect([ended.status, ended.details?.retrySeconds]).toEqual(['UNAVAILABLE', 1]);
    expect(ended.message).not.toMatch(/secret/);
  });

  test('with a key that may not write is PERMISSION_DENIED', async () => {
    credential = { ...credential, role: 'reader', permissions: permissionsByRules('reader') };
    expect((await client.call({ body: request(span), metadata: sender })).status).toBe('PERMISSION_DENIED');
  });

  test.each([
    ['a cut message', framed(request(span)).subarray(0, -3), {}, '3'],
    ['a cut prefix', Buffer.alloc(3), {}, '3'],
    ['no message', Buffer.alloc(0), {}, '12'],
    ['two messages', Buffer.concat([framed(request(span)), framed(request(span))]), {}, '12'],
    ['a length above the bound', framed(Buffer.alloc(9), { length: 0xffffffff }), {}, '8'],
    ['a flag that is none', framed(request(span), { flag: 2 }), {}, '13'],
    ['a compressed message of a call that is not', framed(gzipSync(request(span)), { flag: 1 }), {}, '13'],
    ['a coding nobody knows', framed(request(span), { flag: 1 }), { 'grpc-encoding': 'snappy' }, '12'],
    ['what is no gzip', framed(request(span), { flag: 1 }), { 'grpc-encoding': 'gzip' }, '3'],
    ['a gzip cut off', framed(gzipSync(request(span)).subarray(0, -9), { flag: 1 }), { 'grpc-encoding': 'gzip' }, '3'],
    ['a key sent twice', framed(request(span)), { 'x-api-key': [KEY, KEY] }, '3'],
  ] as const)('for %s costs nothing and leaves the connection usable', async (_, body, headers, status) => {
    await raw(async (session) => {
      const answer = await rawCall(session, { headers: { ...sender, ...headers } as never, body });
      expect([answer.headers[':status'], answer.status]).toEqual([200, status]);
      expect([accepted, admission.bytesInFlight]).toEqual([[], 0]);
      expect((await rawCall(session, { headers: sender, body: framed(request(span)) })).status).toBe('0');
      // Nothing of the refused one is left that would keep the connection when its client is done.
      session.close();
      await once(session, 'close');
    });
    await expect.poll(openConnections).toBe(0);
  });

  test('in the middle of its message is told so, and to stop', async () => {
    await raw(async (session) => {
      const answer = await rawCall(session, { body: framed(Buffer.alloc(500_000)), ends: false });
      expect([answer.status, answer.code]).toEqual(['16', http2.constants.NGHTTP2_NO_ERROR]);
    });
  });

  test.each([{ ':method': 'GET' }, { 'content-type': 'application/json' }, { 'content-type': 'application/grpc-web' }])(
    'because it is no gRPC (%o) is a 415 of HTTP',
    async (headers) => {
      const { headers: answered } = await raw((session) => rawCall(session, { headers: { ...sender, ...headers } }));
      expect(answered[':status']).toBe(415);
    },
  );
});

describe('memory', () => {
  test('in use by one tenant refuses its next call, at a time that is said, and nobody else', async () => {
    admission = new Admission({ processBytes: 4 * MAX_BODY, tenantBytes: MAX_BODY });
    await restart();
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    accept = () => held;
    const first = client.call({ body: large, metadata: sender });
    await expect.poll(() => admission.bytesInFlight).toBeGreaterThan(900_000);
    for (const gzip of [false, true]) {
      const refused = await client.call({ body: large, metadata: sender, gzip });
      expect([refused.status, refused.details?.retrySeconds]).toEqual(['RESOURCE_EXHAUSTED', 1]);
    }
    credential = { ...credential, tenantId: 'other' };
    const other = client.call({ body: large, metadata: sender });
    release();
    expect([(await first).status, (await other).status]).toEqual(['OK', 'OK']);
    expect(admission.bytesInFlight).toBe(0);
  });

  test('is not given to whoever is unknown, and given back by whoever goes away', async () => {
    const grown: number[] = [];
    admission = new (class extends Admission {
      override open(tenantId: string) {
        const reservation = super.open(tenantId);
        return { ...reservation, growTo: (bytes: number) => (grown.push(bytes), reservation.growTo(bytes)) };
      }
    })();
    await restart();
    await client.call({ body: large, metadata: { 'x-api-key': 'wrong' } });
    expect(grown).toEqual([]);
    await raw(async (session) => {
      void rawCall(session, { headers: sender, body: framed(request(span), { length: 500_000 }), ends: false });
      await expect.poll(() => admission.bytesInFlight).toBeGreaterThan(0);
    });
    await expect.poll(() => admission.bytesInFlight).toBe(0);
    expect((await client.call({ body: gzipSync(Buffer.alloc(200 * MAX_BODY)), metadata: sender })).status).toBe(
      'INVALID_ARGUMENT',
    );
    grown.length = 0;
    await client.call({ body: Buffer.alloc(50 * MAX_BODY), metadata: sender, gzip: true });
    expect(Math.max(...grown)).toBeLessThanOrEqual(MAX_BODY);
  });
});

describe('the listener', () => {
  test('stopped answers the calls in flight before it is gone', async () => {
    let store = () => undefined as void;
    const held = new Promise<void>((resolve) => (store = resolve));
    let waiting = 0;
    accept = (traces) => ((waiting += 1), held.then(() => void accepted.push(traces)));
    const calls = [1, 2, 3].map(() => client.call({ body: request(span), metadata: sender }));
    await expect.poll(() => waiting).toBe(3);
    const idle = http2.connect(address);
    await once(idle, 'connect');
    const stopped = receiver.stop();
    store();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(['OK', 'OK', 'OK']);
    await stopped;
    expect(idle.closed || idle.destroyed).toBe(true);
    const late = await client.call({ body: request(span), metadata: sender });
    expect(late.status).toBe('UNAVAILABLE');
  });

  test('stopped is gone though somebody does not hang up', async () => {
    const { socket, closed } = await rawConnection(address, { hangsUp: false });
    await client.call({ body: request(span), metadata: sender });
    await receiver.stop();
    const writing = setInterval(() => socket.write('x'), 100);
    await closed;
    clearInterval(writing);
  });

  test('survives what is no HTTP/2, and sends more streams than it takes away', async () => {
    const { port } = new URL(address);
    const socket = net.connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'close');
    await raw(async (session) => {
      await once(session, 'remoteSettings');
      expect(session.remoteSettings.maxConcurrentStreams).toBe(128);
      const many = Array.from({ length: 400 }, () =>
        rawCall(session, { headers: sender, body: framed(request(span)) }),
      );
      expect(new Set((await Promise.all(many)).map(({ status }) => status))).toEqual(new Set(['0']));
    });
  });

  test('takes no headers without end', async () => {
    await raw(async (session) => {
      await once(session, 'remoteSettings');
      const answer = await rawCall(session, { headers: { ...sender, filler: 'x'.repeat(40_000) } });
      expect(answer.status).toBeUndefined();
    });
    expect((await client.call({ path: LOGS, metadata: sender })).status).toBe('OK');
  });

  test('speaks TLS where it is told to', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sworn-tls-'));
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const made = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', ...made, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    await restart({ cert: readFileSync(cert), key: readFileSync(key) });
    rmSync(dir, { recursive: true });
    expect((await client.call({ body: request(span), metadata: sender, gzip: true })).status).toBe('OK');
    const plain = new GrpcClient(address.replace('https', 'http'));
    expect((await plain.call({ body: request(span), metadata: sender })).status).toBe('UNAVAILABLE');
    plain.close();
    expect(accepted).toHaveLength(1);
  });
});
