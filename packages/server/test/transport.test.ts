import { chmodSync, copyFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { credentials, Metadata } from '@grpc/grpc-js';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as HttpExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { closeSlowReaders } from '../src/http/slowReaders.js';
import { readTls } from '../src/tls.js';
import { type Certificate, issue, makeAuthority } from './certificates.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

const METRICS_TOKEN = 'a-token-of-the-tests-0123456789';

/** Two servers with one certificate: `strict` demands certificates of senders, stands behind a proxy, and has a token for metrics; `lenient` does none of it. */
let site: RunningSite;
let deployment: Deployment;
let strict: RunningApp;
let lenient: RunningApp;
let authority: Certificate;
let shown: Certificate;
let sender: Certificate;
let stranger: Certificate;
let tenant: string;
let keys: { readonly ingest: string; readonly reader: string };

beforeAll(async () => {
  site = await newRunningSite();
  authority = makeAuthority(site.dir, 'authority');
  shown = issue(authority, site.dir, 'shown', 'serverAuth');
  sender = issue(authority, site.dir, 'sender', 'clientAuth');
  stranger = issue(makeAuthority(site.dir, 'other'), site.dir, 'stranger', 'clientAuth');
  deployment = await site.open();
  const tls = {
    SWORN_HOST: '0.0.0.0',
    SWORN_TLS_CERT: shown.certFile,
    SWORN_TLS_KEY: shown.keyFile,
    SWORN_INGEST_CLIENT_CA: authority.certFile,
    SWORN_PUBLIC_URL: 'https://evidence.example:8443',
  };
  strict = await site.start(
    site.with({
      ...tls,
      SWORN_METRICS_TOKEN: METRICS_TOKEN,
      SWORN_TRUSTED_PROXIES: '127.0.0.0/8, 10.1.0.0/16, 2001:db8:1::/48',
    }),
  );
  lenient = await site.start(site.with({ ...tls, SWORN_INGEST_CLIENT_CERT: 'optional' }));
  tenant = await deployment.tenants.create({ name: 'acme' });
  keys = {
    ingest: (await deployment.keys.issue({ tenantId: tenant, role: 'ingest' })).key,
    reader: (await deployment.keys.issue({ tenantId: tenant, role: 'reader' })).key,
  };
});
afterAll(async () => {
  for (const app of [strict, lenient]) await site.stop(app);
  await site.drop();
});

const portOf = (url: string): number => Number(new URL(url).port);
const LISTENERS = ['http', 'otlpHttp', 'otlpGrpc'] as const;
const INGEST = ['otlpHttp', 'otlpGrpc'] as const;
/** What a client holds, as `node:tls` takes it. */
const holding = (of: Certificate | null): ConnectionOptions => (of === null ? {} : { cert: of.cert, key: of.key });

/** Status and text of an answer; null: there was none. */
interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

function ask(
  url: string,
  { method = 'GET', headers = {}, body = '', host = 'localhost', of = null as Certificate | null } = {},
): Promise<Answered | null> {
  return new Promise((resolve) => {
    const { port, pathname } = new URL(url);
    const options = {
      host,
      servername: 'localhost',
      port,
      path: pathname,
      method,
      headers,
      ca: authority.cert,
      agent: false,
    };
    const asked = httpsRequest({ ...options, ...holding(of) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    asked.on('error', () => resolve(null));
    asked.end(body);
  });
}

/** Empty traces, with the tenant's key or none. */
const sendBy = (app: RunningApp, of: Certificate | null, key: string | null = keys.ingest) =>
  ask(`${app.addresses.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key !== null && { 'x-api-key': key }) },
    body: '{}',
    of,
  });

/** A handshake, and whether the server holds to it: one that refuses a certificate says so after TLS 1.3 has begun. */
function shakeHands(
  app: RunningApp,
  which: (typeof LISTENERS)[number],
  options: ConnectionOptions,
): Promise<TLSSocket | null> {
  return new Promise((resolve) => {
    const socket = connect({
      host: '127.0.0.1',
      port: portOf(app.addresses[which]),
      servername: 'localhost',
      ca: authority.cert,
      ALPNProtocols: which === 'otlpGrpc' ? ['h2'] : ['http/1.1'],
      ...options,
    });
    socket.on('error', () => resolve(null)).on('close', () => resolve(null));
    socket.on('secureConnect', () => setTimeout(() => resolve(socket), 500));
  });
}

async function export1(exporter: SpanExporter): Promise<string> {
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const span = provider.getTracer('agent').startSpan('chat gpt-5');
  span.end();
  await provider.forceFlush();
  await provider.shutdown();
  return span.spanContext().traceId;
}

const storedTraces = async (): Promise<unknown[]> =>
  (await site.leaves(tenant, 'llm-runs')).map((leaf) => leaf['trace_id']);

describe('a sender of OTLP', () => {
  const exporters = {
    HTTP: (of: Certificate) =>
      new HttpExporter({
        url: `https://localhost:${portOf(strict.addresses.otlpHttp)}/v1/traces`,
        headers: { 'x-api-key': keys.ingest },
        httpAgentOptions: { ca: authority.cert, cert: of.cert, key: of.key },
        timeoutMillis: 3_000,
      }),
    gRPC(of: Certificate) {
      const metadata = new Metadata();
      metadata.set('x-api-key', keys.ingest);
      const pem = [authority.cert, of.key, of.cert].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
      return new GrpcExporter({
        url: `https://localhost:${portOf(strict.addresses.otlpGrpc)}`,
        metadata,
        credentials: credentials.createSsl(...pem),
        timeoutMillis: 3_000,
      });
    },
  };

  it.each(['HTTP', 'gRPC'] as const)('sends with its certificate and its key by %s', async (by) => {
    const traceId = await export1(exporters[by](sender));
    expect(await storedTraces()).toContain(traceId);
  });

  it.each(['HTTP', 'gRPC'] as const)('stores nothing with a certificate of another authority by %s', async (by) => {
    const traceId = await export1(exporters[by](stranger));
    expect(await storedTraces()).not.toContain(traceId);
  });

  it('is nobody without a key, whatever its certificate', async () => {
    expect((await sendBy(strict, sender))?.status).toBe(200);
    expect((await sendBy(strict, sender, null))?.status).toBe(401);
  });

  it.each([
    ['none', () => null],
    ['one of another authority', () => stranger],
    ['one that is a server’s', () => shown],
  ])('is not listened to where a certificate is demanded and it shows %s', async (_what, of) => {
    expect(await sendBy(strict, of())).toBeNull();
    for (const which of INGEST) expect(await shakeHands(strict, which, holding(of()))).toBeNull();
  });

  it('may show none where it is optional, and no bad one, which is counted', async () => {
    expect((await sendBy(lenient, null))?.status).toBe(200);
    expect((await sendBy(lenient, sender))?.status).toBe(200);
    expect(await sendBy(lenient, stranger)).toBeNull();
    const { text = '' } = (await ask(`${lenient.addresses.http}/metrics`)) ?? {};
    expect(text).toContain('sworn_ingest_tls_connections_total{certificate="none"} 1\n');
    expect(text).toContain('sworn_ingest_tls_connections_total{certificate="verified"} 1\n');
  });
});

describe('the listeners', () => {
  it.each(LISTENERS)(
    'speak TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only: %s',
    async (which) => {
      const of = which === 'http' ? {} : holding(sender);
      const how = async (options: ConnectionOptions) => {
        const socket = await shakeHands(strict, which, { ...of, ...options });
        const said = socket === null ? null : socket.getProtocol();
        socket?.destroy();
        return said;
      };
      expect(await how({})).toBe('TLSv1.3');
      expect(await how({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2');
      expect(await how({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' })).toBeNull();
    },
  );

  it('ask readers for no certificate', async () => {
    expect((await ask(`${strict.addresses.http}/healthz`))?.status).toBe(200);
  });

  it('let no page of another origin in', async () => {
    const headers = {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-api-key',
    };
    const runs = `${lenient.addresses.http}/api/v1/logs/llm-runs`;
    const answers = [
      await ask(runs, { method: 'OPTIONS', headers }),
      await ask(runs, { headers: { ...headers, authorization: `Bearer ${keys.reader}` } }),
      await ask(`${lenient.addresses.otlpHttp}/v1/traces`, { method: 'OPTIONS', headers }),
    ];
    expect(answers.map((answer) => answer?.status)).toEqual([405, 200, 405]);
    const allowed = answers.flatMap((answer) => Object.keys(answer?.headers ?? {}));
    expect(allowed.filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  it('send what keeps a browser from running, framing or sniffing an answer, with every status', async () => {
    const { http } = lenient.addresses;
    const answers = [
      await ask(`${http}/api/v1/logs/llm-runs`, { headers: { authorization: `Bearer ${keys.reader}` } }),
      await ask(`${http}/api/v1/logs/llm-runs`),
      await ask(`${http}/nowhere`),
      await ask(`${http}/api/v1/logs/llm-runs`, { method: 'DELETE' }),
      await ask(`${http}/api/v1/logs/llm-runs`, { headers: { host: 'evil.example' } }),
    ];
    expect(answers.map((answer) => answer?.status)).toEqual([200, 401, 404, 405, 421]);
    for (const answer of answers) {
      expect(answer?.headers).toMatchObject({
        'content-security-policy': expect.stringContaining("default-src 'none'"),
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'SAMEORIGIN',
        'referrer-policy': 'no-referrer',
        'strict-transport-security': expect.stringMatching(/^max-age=/),
      });
    }
  });

  it('answer for the host of the public URL and name no host of a request', async () => {
    const by = (host: string) =>
      ask(`${lenient.addresses.http}/t/0af7651916cd43dd8448eb211c80319c`, { headers: { host } });
    expect((await by('evidence.example:8443'))?.status).not.toBe(421);
    expect((await by('evil.example'))?.status).toBe(421);
    expect(JSON.stringify(await by('evidence.example:8443'))).not.toContain('evidence.example');
  });
});

describe('/metrics', () => {
  const own = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

  it.skipIf(own === undefined)(
    'are read on this machine itself and from nowhere else, whatever a header says',
    async () => {
      const metrics = `${lenient.addresses.http}/metrics`;
      expect((await ask(metrics))?.status).toBe(200);
      for (const headers of [{}, { 'x-forwarded-for': '127.0.0.1', host: '127.0.0.1' }])
        expect((await ask(metrics, { host: own ?? '', headers }))?.status).toBe(401);
    },
  );

  it('are read with the token where there is one, by nobody else', async () => {
    const by = async (authorization: string | null) =>
      (await ask(`${strict.addresses.http}/metrics`, { headers: authorization === null ? {} : { authorization } }))
        ?.status;
    expect(await by(`Bearer ${METRICS_TOKEN}`)).toBe(200);
    for (const wrong of [
      null,
      'Bearer ',
      `Bearer ${METRICS_TOKEN}x`,
      `Bearer ${METRICS_TOKEN.slice(1)}`,
      `Basic ${METRICS_TOKEN}`,
      `Bearer ${keys.reader}`,
    ])
      expect(await by(wrong)).toBe(401);
  });

  it('are behind a proxy of nobody without a token', async () => {
    const proxied = await site.start(site.with({ SWORN_TRUSTED_PROXIES: '127.0.0.1' }));
    const { status } = await fetch(`${proxied.addresses.http}/metrics`);
    await site.stop(proxied);
    expect(status).toBe(401);
  });
});

describe('the source of a read', () => {
  it.each([
    [
      'behind proxies, the last address that is none of theirs',
      () => strict,
      '198.51.100.1, 203.0.113.9, 10.1.2.3',
      '203.0.113.9',
    ],
    [
      'of IPv6, without its brackets and port',
      () => strict,
      '[2001:DB8:9::7]:1234, [2001:db8:1::2]:80',
      '2001:db8:9::7',
    ],
    ['the proxy’s own where it names none', () => strict, '203.0.113.9, unknown', '127.0.0.1'],
    ['the socket’s where no proxy is trusted', () => lenient, '203.0.113.9', '127.0.0.1'],
  ])('is, %s', async (_what, app, forwarded, source) => {
    const headers = { authorization: `Bearer ${keys.reader}`, 'x-forwarded-for': forwarded };
    expect((await ask(`${app().addresses.http}/api/v1/logs/llm-runs`, { headers }))?.status).toBe(200);
    const newest = (await site.leaves(tenant, 'access')).at(-1);
    expect(JSON.stringify(newest)).toContain(await deployment.accessRecords.tokenOf(tenant, source));
  });
});

describe('who is too slow', () => {
  /** Resolves to what came back, once the server has closed. */
  const until = (port: number, bytes: string): Promise<string> =>
    new Promise((resolve) => {
      let answer = '';
      const socket = connectTcp(port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (piece) => (answer += piece.toString('latin1'))).on('error', () => undefined);
      socket.on('close', () => resolve(answer));
    });

  it('with a handshake, or with headers, is let go of by every listener', async () => {
    const plain = await site.start(site.config);
    const half = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ';
    const answers = await Promise.all([
      ...LISTENERS.map((which) => until(portOf(strict.addresses[which]), '')),
      until(portOf(plain.addresses.http), half),
      until(portOf(plain.addresses.otlpHttp), half),
    ]);
    await site.stop(plain);
    expect(answers.slice(0, 3)).toEqual(['', '', '']);
    expect(answers[3]).toMatch(/^HTTP\/1.1 400 [^]*did not come in time/);
    expect(answers[4]).toMatch(/^HTTP\/1.1 408 /);
  });
});

describe('a reader of a long answer', () => {
  /** Together more than the buffers of a connection hold. */
  const WRITE = Buffer.alloc(8 << 20, 'x');
  const WRITES = 8;
  const server = createServer((_request, response) => {
    Readable.from(Array.from({ length: WRITES }, () => WRITE)).pipe(response);
  });
  beforeAll(async () => {
    closeSlowReaders(server, { forOneWriteMs: 5_000, lookEveryMs: 200 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  /** Resolves to the bytes taken once the server has closed. */
  const read = (restMs: number): Promise<number> =>
    new Promise((resolve) => {
      const socket = connectTcp((server.address() as AddressInfo).port, '127.0.0.1', () =>
        socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'),
      );
      socket.on('error', () => undefined).on('close', () => resolve(socket.bytesRead));
      socket.on('data', () => {
        socket.pause();
        setTimeout(() => socket.resume(), restMs);
      });
    });

  it('that takes a little now and then is let go of', async () => {
    expect(await read(200)).toBeLessThan(WRITE.length * WRITES);
  });

  it('that goes on taking it gets all of it', async () => {
    expect(await read(1)).toBeGreaterThan(WRITE.length * WRITES);
  });
});

describe('files that are no certificate to show', () => {
  const places = () => ({ cert: shown.certFile, key: shown.keyFile, clients: null });
  it('keep a server from starting, which names the setting', async () => {
    expect(() => readTls({ ...places(), key: sender.keyFile })).toThrow(/SWORN_TLS_CERT .* SWORN_TLS_KEY/);
    expect(() => readTls({ ...places(), cert: join(site.dir, 'nowhere') })).toThrow(/SWORN_TLS_CERT .*ENOENT/);
    const clients = { ca: shown.keyFile, demand: 'required' as const };
    expect(() => readTls({ ...places(), clients })).toThrow(/SWORN_INGEST_CLIENT_CA/);
    const open = join(site.dir, 'open.key');
    copyFileSync(shown.keyFile, open);
    chmodSync(open, 0o644);
    expect(() => readTls({ ...places(), key: open })).toThrow(/chmod 0600/);
    const wrong = site.with({ SWORN_TLS_CERT: shown.certFile, SWORN_TLS_KEY: open });
    await expect(site.start(wrong)).rejects.toThrow(/chmod 0600/);
  });

  it.each([
    [{ SWORN_HOST: '0.0.0.0' }, /SWORN_HOST 0.0.0.0 is not loopback: .*SWORN_TLS_CERT.*SWORN_TLS_PROXY=true/],
    [{ SWORN_HOST: '::' }, /SWORN_HOST/],
    [{ SWORN_INGEST_CLIENT_CA: '/x' }, /needs SWORN_TLS_CERT/],
    [{ SWORN_INGEST_CLIENT_CERT: 'optional' }, /needs SWORN_INGEST_CLIENT_CA/],
    [{ SWORN_TRUSTED_PROXIES: '10.0.0.0/33' }, /SWORN_TRUSTED_PROXIES: "10.0.0.0\/33"/],
    [{ SWORN_TRUSTED_PROXIES: 'proxy.example' }, /SWORN_TRUSTED_PROXIES/],
    [{ SWORN_METRICS_TOKEN: 'short' }, /openssl rand/],
    [{ SWORN_PUBLIC_URL: 'http://evidence.example' }, /SWORN_PUBLIC_URL/],
    [{ SWORN_PUBLIC_URL: 'https://evidence.example/logs' }, /SWORN_PUBLIC_URL/],
  ])('nor do settings that open a door by mistake: %j', (settings, says) => {
    expect(() => site.with(settings as Record<string, string>)).toThrow(says);
  });
});

describe('certificates that are renewed', () => {
  const serialOf = async (which: (typeof LISTENERS)[number], of: Certificate): Promise<string | null> => {
    const socket = await shakeHands(strict, which, which === 'http' ? {} : holding(of));
    const serial = socket?.getPeerCertificate().serialNumber ?? null;
    socket?.destroy();
    return serial;
  };
  const put = (from: string, to: string) => {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  };

  it('are shown by every listener without a restart, and those in the middle of a renewal are not', async () => {
    const before = await serialOf('http', sender);
    const next = issue(authority, site.dir, 'next', 'serverAuth');
    put(next.keyFile, shown.keyFile);
    // Longer than it takes to look.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(await serialOf('http', sender)).toBe(before);
    put(next.certFile, shown.certFile);
    for (const which of LISTENERS)
      await expect.poll(() => serialOf(which, sender), { timeout: 30_000, interval: 500 }).not.toBe(before);
  });

  it('of an authority that is given up open nothing any more, sessions of before neither', async () => {
    const tls12 = { ...holding(sender), maxVersion: 'TLSv1.2' as const };
    const first = await shakeHands(strict, 'otlpHttp', tls12);
    const session = first?.getSession();
    first?.destroy();
    const resumed = await shakeHands(strict, 'otlpHttp', { ...tls12, session });
    expect(resumed?.isSessionReused()).toBe(true);
    resumed?.destroy();
    const again = makeAuthority(site.dir, 'again');
    const renewed = issue(again, site.dir, 'renewed', 'clientAuth');
    put(again.certFile, authority.certFile);
    await expect.poll(() => sendBy(strict, sender), { timeout: 30_000, interval: 500 }).toBeNull();
    expect((await sendBy(strict, renewed))?.status).toBe(200);
    expect(await shakeHands(strict, 'otlpHttp', { ...tls12, session })).toBeNull();
  });
});
