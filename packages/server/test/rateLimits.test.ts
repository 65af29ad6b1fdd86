import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatApiKey, makeApiKey } from '../src/access/apiKey.js';
import { createAuthenticator } from '../src/access/authenticate.js';
import { createRateLimits } from '../src/access/rateLimits.js';
import { Admission, DEFAULT_ADMISSION } from '../src/ingest/admission.js';
import { Intake } from '../src/ingest/intake.js';
import { createOtlpGrpc, type OtlpGrpc } from '../src/ingest/otlpGrpc.js';
import { createOtlpHttp, type OtlpHttp } from '../src/ingest/otlpHttp.js';
import { readNetworks } from '../src/networks.js';
import { permissionsByRules } from './accessRules.js';
import { accessRecords, get, raw } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { GrpcClient } from './grpcCalls.js';
import { oracleStatus } from './otlpOracle.js';

const LIST = '/api/v1/logs/llm-runs';
/** Of the house: loopback is the proxy, and of a test that names no other source. */
const RATES = { address: 60, loopback: 600, credential: 90 };
const MINUTE_MS = 60_000;

let house: House;
let tenant: string;

beforeAll(async () => {
  // The test is the proxy: it says where its requests come from.
  house = await buildHouse({ trustedProxies: ['127.0.0.1'], rates: RATES });
  tenant = await house.tenants.create({ name: 'acme' });
});
afterAll(() => house.close());

const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });
const guess = (): string => formatApiKey(makeApiKey(tenant));
const newReader = async (): Promise<{ readonly key: string; readonly keyId: string }> =>
  house.keys.issue({ tenantId: tenant, role: 'reader' });

/** An address that nobody has asked from yet. */
let addresses = 0;
const newAddress = (): string => `10.1.${++addresses >> 8}.${addresses & 255}`;

async function times(count: number, ask: () => Promise<{ readonly status: number }>): Promise<number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < count; n++) statuses.push((await ask()).status);
  return statuses;
}

describe('an address', () => {
  it('that asks more often than it may is told when to come back, and is answered then', async () => {
    const { key } = await newReader();
    const address = newAddress();
    const ask = () => get(house, LIST, key, from(address));
    const first = await ask();
    expect(first.status).toBe(200);
    expect(first.headers.get('ratelimit-policy')).toBe('"address";q=60;w=60, "credential";q=90;w=60');
    expect(first.headers.get('ratelimit')).toBe('"address";r=59;t=1, "credential";r=89;t=1');
    const statuses = await times(RATES.address - 1, ask);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const over = await ask();
    expect([over.status, over.json.code, over.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1']);
    expect(over.headers.get('ratelimit')).toBe('"address";r=0;t=1');
    expect(over.headers.get('etag')).toBeNull();
    house.advance(1_000);
    expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(429);
    house.advance(MINUTE_MS);
    expect((await ask()).headers.get('ratelimit')).toContain('"address";r=59;');
  });

  it('that guesses keys is held off for ten times as long, and keeps nobody out who comes from elsewhere', async () => {
    const { key } = await newReader();
    const [bad, good] = [newAddress(), newAddress()];
    const statuses = await times(50, () => get(house, LIST, guess(), from(bad)));
    expect(statuses.slice(0, 6)).toEqual(Array(6).fill(401));
    expect(new Set(statuses.slice(6))).toEqual(new Set([429]));
    expect((await get(house, LIST, key, from(bad))).status).toBe(429);
    expect((await get(house, LIST, key, from(good))).status).toBe(200);
    // What is no guess costs one.
    const silent = await times(RATES.address, () => get(house, LIST, null, from(newAddress())));
    expect(new Set(silent)).toEqual(new Set([401]));
  });

  it('cannot run up a debt of more than a minute', async () => {
    const bad = newAddress();
    await Promise.all(Array.from({ length: RATES.address }, () => get(house, LIST, guess(), from(bad))));
    const over = await get(house, LIST, null, from(bad));
    expect(over.status).toBe(429);
    expect(Number(over.headers.get('retry-after'))).toBeLessThanOrEqual(61);
    house.advance(Number(over.headers.get('retry-after')) * 1_000);
    expect((await get(house, LIST, null, from(bad))).status).toBe(401);
  });

  it('that is held off leaves one record a minute and a number, in the log of those whom nobody knows', async () => {
    house.advance(2 * MINUTE_MS);
    await house.access.settle();
    const before = (await accessRecords(house, house.platformTenant)).length;
    const bad = newAddress();
    await times(RATES.address, () => get(house, '/healthz/nothing', null, from(bad)));
    const statuses = await times(40, () => get(house, LIST, guess(), from(bad)));
    expect(new Set(statuses)).toEqual(new Set([429]));
    house.advance(MINUTE_MS);
    await house.access.settle();
    const records = (await accessRecords(house, house.platformTenant)).slice(before);
    const limited = records.filter((record) => record.reason_code === 'rate_limited');
    expect(limited.map(({ kind, endpoint, count }) => [kind, endpoint, count])).toEqual([
      ['READ', 'llm_runs.list', undefined],
      ['READ_FOLDED', 'llm_runs.list', 39],
    ]);
    expect(limited[0]).not.toHaveProperty('credential_id');
  });

  it.each([
    ['a path that is none', 'GET /nothing HTTP/1.1'],
    ['a path that cannot be decoded', 'GET /%zz HTTP/1.1'],
    ['a verb that changes', `DELETE ${LIST} HTTP/1.1`],
    ['a deep link', `GET /t/${newTrace()} HTTP/1.1`],
  ])('counts by %s too', async (_, line) => {
    const address = newAddress();
    await times(RATES.address, () => get(house, '/problems/not_found', null, from(address)));
    const answer = await raw(
      house,
      `${line}\r\nhost: localhost\r\nx-forwarded-for: ${address}\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 429 /);
    // Whoever restarts a server that gives no sign of life is not led to it by a flood.
    expect((await get(house, '/healthz', null, from(address))).status).toBe(200);
    expect((await get(house, '/readyz', null, from(address))).status).toBe(200);
  });

  it('of IPv6 is its network: one host has all that is in it', async () => {
    let host = 0;
    const within = () => get(house, '/problems/not_found', null, from(`2001:db8:7:1::${(++host).toString(16)}`));
    await times(RATES.address, within);
    expect((await within()).status).toBe(429);
    expect((await get(house, '/problems/not_found', null, from('2001:db8:7:2::1'))).status).toBe(200);
  });

  it('cannot be forged: what stands to the left of what a trusted proxy wrote is not read', async () => {
    const address = newAddress();
    let forged = 0;
    const ask = () => get(house, '/problems/not_found', null, from(`203.0.113.${++forged}, 127.0.0.1, ${address}`));
    await times(RATES.address, ask);
    expect((await ask()).status).toBe(429);
  });

  it('is the socket’s where no proxy is trusted, whatever a header says, and loopback has a limit of its own', async () => {
    const open = await buildHouse({ rates: { address: 1, loopback: 30, credential: 0 } });
    try {
      let forged = 0;
      const ask = () => get(open, '/problems/not_found', null, from(`203.0.113.${++forged}`));
      expect(new Set(await times(30, ask))).toEqual(new Set([200]));
      const over = await ask();
      expect([over.status, over.headers.get('ratelimit-policy')]).toEqual([429, '"address";q=30;w=60']);
    } finally {
      await open.close();
    }
  });

  it('that asked longest ago is forgotten when there are too many to remember', () => {
    const limits = createRateLimits({ rates: { address: 2, loopback: 0, credential: 0 }, monotonicMs: () => 0 });
    const nth = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    limits.ofAddress(nth(0));
    for (let n = 1; n < 20_000; n++) limits.ofAddress(nth(n));
    expect(limits.ofAddress(nth(0))).toMatchObject({ remaining: 0 });
    for (let n = 20_000; n < 40_000; n++) limits.ofAddress(nth(n));
    expect(limits.ofAddress(nth(0))).toMatchObject({ remaining: 1 });
  });

  it('has no limit of 0', () => {
    const limits = createRateLimits({ rates: { address: 0, loopback: 0, credential: 0 } });
    expect([limits.ofAddress('198.51.100.1'), limits.ofAddress('127.0.0.1')]).toEqual([null, null]);
  });
});

describe('a credential', () => {
  it('that asks more often than it may is refused wherever it comes from, with a record in its tenant', async () => {
    const [busy, other] = [await newReader(), await newReader()];
    const elsewhere = newAddress();
    const ask = () => get(house, LIST, busy.key, from(newAddress()));
    expect(new Set(await times(RATES.credential, ask))).toEqual(new Set([200]));
    const over = await ask();
    expect([over.status, over.json.code, over.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1']);
    expect(over.headers.get('ratelimit')).toMatch(/^"address";r=59;t=1, "credential";r=0;t=1$/);
    expect((await get(house, LIST, other.key, from(elsewhere))).status).toBe(200);
    const [record] = (await accessRecords(house, tenant)).filter((r) => r.reason_code === 'rate_limited');
    expect(record).toMatchObject({
      kind: 'READ',
      decision: 'DENY',
      status: 429,
      endpoint: 'llm_runs.list',
      credential_id: busy.keyId,
      request_id: over.headers.get('x-request-id'),
    });
    // A route that is none does not get around it, and is said to be none only within the limit.
    expect((await get(house, '/nothing', busy.key, from(elsewhere))).status).toBe(429);
    house.advance(1_000);
    expect((await get(house, '/nothing', busy.key, from(elsewhere))).status).toBe(404);
  });

  it('that floods fills no log: ten records a minute, and the number of the others', async () => {
    house.advance(2 * MINUTE_MS);
    await house.access.settle();
    const { key, keyId } = await newReader();
    const flood = () =>
      Promise.all(Array.from({ length: 20 }, (_, n) => get(house, LIST, key, from(`198.18.0.${n % 5}`))));
    for (let n = 0; n < 10; n++) await flood();
    house.advance(MINUTE_MS);
    await house.access.settle();
    const limited = (await accessRecords(house, tenant)).filter(
      (r) => r.credential_id === keyId && r.reason_code === 'rate_limited',
    );
    const own = limited.filter(({ kind }) => kind === 'READ').length;
    const counted = limited
      .filter(({ kind }) => kind === 'READ_FOLDED')
      .reduce((sum, { count }) => sum + Number(count), 0);
    expect(own).toBeLessThanOrEqual(50);
    expect(own + counted).toBe(200 - RATES.credential);
  });
});

describe('OTLP', () => {
  let http: OtlpHttp;
  let grpc: OtlpGrpc;
  let client: GrpcClient;
  let sender: string;
  const stored: string[] = [];

  beforeAll(async () => {
    const { directory: directoryKey, apiKeyPepper: pepper } = house.keyStore.deployment;
    let ahead = 0;
    advance = (ms) => void (ahead += ms);
    const intake = new Intake({
      authenticate: createAuthenticator({
        db: house.database.db,
        directoryKey,
        pepper,
        permissionsOf: permissionsByRules,
        originOf: house.read.originOf,
        now: Date.now,
      }),
      accept: {
        traces: async (credential) => void stored.push(credential.keyId),
        logs: () => Promise.resolve(),
        metrics: () => Promise.resolve(),
      },
      admission: new Admission({ ...DEFAULT_ADMISSION }),
      rates: createRateLimits({ rates: RATES, monotonicMs: () => ahead }),
      trustedProxies: readNetworks('test', ['127.0.0.1']).networks,
      log: { error: () => undefined },
    });
    http = createOtlpHttp({ intake });
    grpc = createOtlpGrpc({ intake });
    for (const { server } of [http, grpc])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    client = new GrpcClient(`http://127.0.0.1:${(grpc.server.address() as AddressInfo).port}`);
    sender = (await house.keys.issue({ tenantId: tenant, role: 'ingest' })).key;
  });
  afterAll(async () => {
    client.close();
    await Promise.all([http.stop(), grpc.stop()]);
  });

  let advance: (ms: number) => void;
  const byHttp = async (key: string, address: string) => {
    const { port } = http.server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...from(address) },
      body: new Uint8Array(agentRun(newTrace()).body),
    });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
  };
  const byGrpc = (key: string, address: string) =>
    client.call({ metadata: { authorization: `Bearer ${key}`, ...from(address) } });

  it('by HTTP is answered 429 with a time to come back, as Retry-After and as RetryInfo, beyond the limit of an address', async () => {
    const address = newAddress();
    expect(new Set(await times(RATES.address, () => byHttp(sender, address)))).toEqual(new Set([200]));
    const over = await byHttp(sender, address);
    expect(over.status).toBe(429);
    expect(over.headers.get('retry-after')).toBe('1');
    expect(over.headers.get('ratelimit-policy')).toBe('"address";q=60;w=60');
    expect(over.headers.get('ratelimit')).toBe('"address";r=0;t=1');
    expect(over.body).toMatchObject({
      code: 8,
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' }],
    });
    advance(1_000);
    expect((await byHttp(sender, address)).status).toBe(200);
    advance(MINUTE_MS);
  });

  it('by gRPC is answered RESOURCE_EXHAUSTED with RetryInfo, and counts with what the address sends by HTTP', async () => {
    const address = newAddress();
    await times(RATES.address, () => byHttp(sender, address));
    const over = await byGrpc(sender, address);
    expect([over.status, over.details?.retrySeconds]).toEqual(['RESOURCE_EXHAUSTED', 1]);
    expect(over.message).toBe('this address asks more than 60 times a minute');
    advance(1_000);
    expect((await byGrpc(sender, address)).status).toBe('OK');
    advance(MINUTE_MS);
  });

  it('counts a key wherever it is used from, by either protocol', async () => {
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'ingest' });
    await times(RATES.credential, () => byHttp(key, newAddress()));
    const [overHttp, overGrpc] = [await byHttp(key, newAddress()), await byGrpc(key, newAddress())];
    expect([overHttp.status, overHttp.headers.get('ratelimit')]).toEqual([429, '"credential";r=0;t=1']);
    expect([overGrpc.status, overGrpc.details?.retrySeconds]).toEqual(['RESOURCE_EXHAUSTED', 1]);
    expect((await byHttp(sender, newAddress())).status).toBe(200);
    advance(MINUTE_MS);
  });

  it('of bad keys is held off before the database is asked, and a good key of another address gets through by both', async () => {
    const bad = newAddress();
    const [byFirst, byLater] = [await byHttp(guess(), bad), await byGrpc(guess(), bad)];
    expect([byFirst.status, byLater.status]).toEqual([401, 'UNAUTHENTICATED']);
    await times(4, () => byHttp(guess(), bad));
    expect((await byHttp(guess(), bad)).status).toBe(429);
    expect((await byGrpc(guess(), bad)).status).toBe('RESOURCE_EXHAUSTED');
    expect((await byHttp(sender, bad)).status).toBe(429);
    const before = stored.length;
    expect((await byHttp(sender, newAddress())).status).toBe(200);
    expect((await byGrpc(sender, newAddress())).status).toBe('OK');
    expect(stored.length).toBe(before + 1);
    advance(2 * MINUTE_MS);
  });

  it('says by protobuf what it says by JSON', async () => {
    const address = newAddress();
    await times(RATES.address, () => byHttp(sender, address));
    const { port } = http.server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: 'POST',
      headers: { authorization: `Bearer ${sender}`, 'content-type': 'application/x-protobuf', ...from(address) },
    });
    const status = oracleStatus(new Uint8Array(await answer.arrayBuffer()));
    expect([answer.status, status.code, status.retrySeconds]).toEqual([429, 8, 1]);
  });
});
