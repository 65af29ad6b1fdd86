import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DEEP_LINKS } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessRecords, get, raw } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;
let reader: string;
const trace = newTrace();

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
  await house.ingest(tenant, agentRun(trace, { 'gen_ai.conversation.id': 'user/42 +1' }));
  await house.seal(tenant);
});
afterAll(() => house.close());

/** Where a link leads, without going there. */
async function locationOf(path: string, method = 'GET') {
  const answer = await fetch(house.url + path, { method, redirect: 'manual' });
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    headers: answer.headers,
    text: await answer.text(),
  };
}

const LINKS = [
  { what: 'a trace id', path: () => `/t/${trace}` },
  { what: 'a trace id in upper case', path: () => `/t/${trace.toUpperCase()}` },
  { what: 'a traceparent', path: () => `/t/00-${trace}-00f067aa0ba902b7-01` },
  { what: 'a conversation id with a slash', path: () => `/c/${encodeURIComponent('user/42 +1')}` },
  { what: 'a run id', path: () => `/r/${trace}` },
];

describe.each(LINKS)('the deep link of $what', ({ path }) => {
  it('leads a browser to the answer', async () => {
    const got = await get(house, path(), reader);
    expect(got.status).toBe(200);
    const runs = (got.json.items ?? [got.json]) as { run_id: string }[];
    expect(runs.map((run) => run.run_id)).toEqual([trace]);
  });

  it('leads curl -L to the answer, and nobody without a key', async () => {
    const curl = async (...args: string[]) => {
      const { stdout } = await promisify(execFile)('curl', [
        '-sSL',
        '-w',
        '\n%{http_code}',
        ...args,
        house.url + path(),
      ]);
      return stdout;
    };
    expect(await curl('-H', `Authorization: Bearer ${reader}`)).toMatch(new RegExp(`"run_id":"${trace}"[^]*\n200$`));
    expect(await curl('-u', `x:${reader}`)).toMatch(/\n200$/);
    expect(await curl()).toMatch(/"not_authenticated"[^]*\n401$/);
  });

  it('is a relative place that nobody keeps, the same for anyone, without a read', async () => {
    const before = (await accessRecords(house, tenant)).length;
    const got = await locationOf(path());
    expect(got.status).toBe(302);
    expect(got.location).toMatch(/^\/api\/v1\/logs\/llm-runs/);
    expect(got.headers.get('cache-control')).toBe('no-store');
    expect(got.headers.get('referrer-policy')).toBe('no-referrer');
    expect(got.headers.get('set-cookie')).toBeNull();
    const withKey = await fetch(house.url + path(), {
      redirect: 'manual',
      headers: { authorization: `Bearer ${reader}` },
    });
    expect(withKey.headers.get('location')).toBe(got.location);
    const head = await locationOf(path(), 'HEAD');
    expect({ status: head.status, location: head.location, text: head.text }).toEqual({
      status: 302,
      location: got.location,
      text: '',
    });
    expect((await accessRecords(house, tenant)).length).toBe(before);
  });

  it('changes nothing', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const got = await get(house, path(), reader, {}, method);
      expect(got.status).toBe(405);
      expect(got.headers.get('allow')).toBe('GET, HEAD');
    }
  });
});

describe('a deep link', () => {
  it('says the same of what is there and what is not', async () => {
    for (const { path } of DEEP_LINKS) {
      const got = await locationOf(path.replace(/\{.*\}/, newTrace()));
      expect(got.status).toBe(302);
    }
  });

  it('carries nothing on of what stands behind it', async () => {
    const got = await locationOf(`/t/${trace}?utm_source=chat&trace_id=${newTrace()}`);
    expect(got.location).toBe(`/api/v1/logs/llm-runs?trace_id=${trace}`);
  });

  it.each([
    '/t/',
    '/t/abc',
    '/t//evil.example',
    '/t/%2f%2fevil.example',
    `/t/${'0'.repeat(32)}`,
    '/r/..',
    '/r/%2e%2e',
    '/r/%2E',
    '/r/a%2Fb',
    '/r/a%0d%0aset-cookie:x=1',
    '/c/%0d%0alocation:%20https://evil.example',
    '/c/%00',
    '/c/%ED%A0%80',
    '/c/%zz',
    '/c/',
    `/c/${'a'.repeat(257)}`,
    `/r/${'a'.repeat(5000)}`,
    '/t/../t',
    '/x/abc',
  ])('does not lead anywhere from %.40s', async (path) => {
    // The bytes as they are: a client would tidy them up.
    const answer = await raw(house, `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer.toLowerCase()).not.toContain('\r\nlocation:');
    expect(answer).toContain('application/problem+json');
  });

  it.each([
    '/c/%2F%2Fevil.example',
    '/c/https:%2F%2Fevil.example%2F',
    '/c/%5C%5Cevil.example',
    '/c/..',
    '/c/..%2F..%2F',
    '/c/@evil.example',
  ])('does not lead away by %s', async (path) => {
    const answer = await raw(house, `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    const [, location = ''] = /\r\nlocation: (.*)\r\n/i.exec(answer) ?? [];
    const url = new URL(location, `${house.url}${path}`);
    expect(url.origin).toBe(house.url);
    expect(url.pathname).toBe('/api/v1/logs/llm-runs');
    expect([...url.searchParams.keys()]).toEqual(['conversation_id']);
  });

  it('says what it takes instead', async () => {
    const got = await get(house, '/t/4bf92f35', null);
    expect(got.json.detail).toContain('32 hex digits');
  });
});
