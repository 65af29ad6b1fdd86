import {
  ARCHIVE_NAME,
  DEEP_LINKS,
  DOWNLOAD_ROUTES,
  downloadPath,
  type Endpoint,
  ENDPOINTS,
  FACADE_PREFIX,
  PERMISSIONS,
  PROBLEM_CODES,
  Problem,
  PROBLEMS,
  PUBLIC_ROUTES,
  TLOG_ROUTES,
} from '@sworn/contract';
import { recordId } from '@sworn/evidence';
import { Registry } from 'prom-client';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import { createFacade } from '../src/http/facade.js';
import { accessRecords, type Got, get, raw } from './facadeClient.js';
import { productionRuling } from './accessRules.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;
let reader: string;
let ingestKey: string;
let auditor: string;
let otherAuditor: string;
const runId = newTrace();
const isProblem = Compile(Problem);

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  const other = await house.tenants.create({ name: 'other' });
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
  ingestKey = (await house.keys.issue({ tenantId: tenant, role: 'ingest' })).key;
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  otherAuditor = (await house.keys.issue({ tenantId: other, role: 'auditor' })).key;
  await house.ingest(tenant, agentRun(runId));
  await house.seal(tenant);
  for (let n = 0; n < 60; n++) await get(house, `${FACADE_PREFIX}/llm-runs`, reader);
  await house.sign(tenant);
});
afterAll(() => house.close());

/** A record of the tenant; the other one has not read so often. */
const entryId = recordId({ topic: 'access', generation: 1, index: 55 });
const pathOf = (path: string, id?: string): string =>
  path.replace('{run_id}', id ?? runId).replace('{entry_id}', id ?? entryId);
const isAudit = ({ permission }: Endpoint) => permission === 'logs.audit';
const keyFor = (endpoint: Endpoint) => (isAudit(endpoint) ? auditor : reader);

/** The code of a problem that is one in every respect. */
function problemCode(got: Got): string {
  const code = got.json?.code as keyof typeof PROBLEMS;
  expect(got.headers.get('content-type')).toBe('application/problem+json');
  expect(got.status, got.text).toBe(PROBLEMS[code]?.status);
  expect(isProblem.Check(got.json), got.text).toBe(true);
  expect(got.json.instance).toBe(got.headers.get('x-request-id'));
  expect(got.headers.get('etag')).toBeNull();
  expect(got.json.metadata).toBeUndefined();
  return code;
}

describe.each<Endpoint>([...ENDPOINTS])('$id', (endpoint) => {
  const path = pathOf(endpoint.path);
  const isAnswer = Compile(endpoint.response);
  const isOcsf = endpoint.ocsf === undefined ? isAnswer : Compile(endpoint.ocsf);

  it('answers what its schema says, and nothing else', async () => {
    const got = await get(house, path, keyFor(endpoint));
    expect(got.status).toBe(200);
    expect([...isAnswer.Errors(got.json)]).toEqual([]);
    expect(got.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(got.headers.get('sworn-log-sizes')).toMatch(isAudit(endpoint) ? /access=\d+/ : /llm-runs=\d+/);
  });

  it('takes every parameter it names', async () => {
    for (const [name, schema] of Object.entries(endpoint.query.properties)) {
      // Which logs, leaves and checkpoints there are, and when a run was, no schema says.
      if (name === 'cursor' || name === 'at' || endpoint.shape === 'status') continue;
      const {
        enum: words,
        pattern,
        type,
        minimum = 1,
      } = schema as {
        enum?: string[];
        pattern?: string;
        type?: string;
        minimum?: number;
      };
      const value =
        words?.[0] ??
        (type === 'integer'
          ? String(Math.max(minimum, 1))
          : type === 'boolean'
            ? 'true'
            : name.includes('_after') || name.includes('_before')
              ? '2026-01-31T00:00:00Z'
              : name.startsWith('min_cost')
                ? '0.5'
                : pattern?.includes('{32}')
                  ? newTrace()
                  : pattern?.includes('{16}')
                    ? '0123456789abcdef'
                    : 'a-value');
      const got = await get(house, `${path}?${name}=${value}`, keyFor(endpoint));
      expect(got.status, `${name}=${value}: ${got.text}`).toBe(200);
      expect([...(name === 'format' ? isOcsf : isAnswer).Errors(got.json)]).toEqual([]);
    }
  });

  it('refuses an unknown, a repeated and an ill-formed parameter by name', async () => {
    const unknown = await get(house, `${path}?nope=1`, keyFor(endpoint));
    expect(problemCode(unknown)).toBe('invalid_parameter');
    expect(unknown.json.errors).toEqual([{ parameter: 'nope', detail: expect.any(String) }]);
    for (const [name, schema] of Object.entries(endpoint.query.properties)) {
      const {
        type,
        enum: words,
        pattern,
        description,
      } = schema as { type?: string; enum?: string[]; pattern?: string; description: string };
      const twice = await get(house, `${path}?${name}=1&${name}=1`, keyFor(endpoint));
      expect(problemCode(twice)).toBe('invalid_parameter');
      expect(twice.json.errors[0].parameter).toBe(name);
      const bad =
        type === 'integer'
          ? ['1e1', '+1', '0x1', '01', '-1', '1.0', '', ' 1', '99999999999999999999']
          : type === 'boolean'
            ? ['TRUE', '1', '']
            : words !== undefined
              ? ['NOPE', '']
              : [''];
      for (const value of bad) {
        const got = await get(house, `${path}?${name}=${encodeURIComponent(value)}`, keyFor(endpoint));
        expect(problemCode(got)).toBe('invalid_parameter');
        expect(got.json.errors[0].parameter).toBe(name);
        // What would be right, in words: every word of a closed list, and never a regular expression.
        const { detail } = got.json.errors[0] as { detail: string };
        for (const word of words ?? []) expect(detail).toContain(word);
        expect(detail).not.toContain(pattern ?? '^');
        expect(description).toMatch(/e\.g\. \S/i);
        if (pattern !== undefined) expect(detail).toContain(description);
      }
    }
  });

  it('refuses a caller without a credential, and one whose role lacks the permission', async () => {
    const nobody = await get(house, path, null);
    expect(problemCode(nobody)).toBe('not_authenticated');
    expect(nobody.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(problemCode(await get(house, path, ingestKey))).toBe('permission_denied');
  });

  it('refuses a credential before it says what is wrong with the parameters', async () => {
    expect(problemCode(await get(house, `${path}?nope=1`, null))).toBe('not_authenticated');
    expect(problemCode(await get(house, `${path}?nope=1`, ingestKey))).toBe('permission_denied');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'answers %s with 405 and what is allowed',
    async (method) => {
      const got = await get(house, path, keyFor(endpoint), { 'content-type': 'application/json' }, method);
      expect(problemCode(got)).toBe('method_not_allowed');
      expect(got.headers.get('allow')).toBe('GET, HEAD');
    },
  );

  it('answers HEAD as GET, without a body', async () => {
    const [head, whole] = [
      await get(house, path, keyFor(endpoint), {}, 'HEAD'),
      await get(house, path, keyFor(endpoint)),
    ];
    expect(head.status).toBe(200);
    expect(head.text).toBe('');
    // Reading what is read makes more of it.
    const grows = endpoint.shape === 'status' || (isAudit(endpoint) && endpoint.shape === 'list');
    if (!grows) expect(head.headers.get('content-length')).toBe(whole.headers.get('content-length'));
    expect(head.headers.get('etag')).toBe(whole.headers.get('etag'));
  });

  it('refuses a body', async () => {
    const answer = await raw(
      house,
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${keyFor(endpoint)}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"parameter":"body"');
  });
});

describe.each<Endpoint>(ENDPOINTS.filter((endpoint) => endpoint.params.length > 0))('$id, by id,', (endpoint) => {
  const path = pathOf(endpoint.path);

  it('tells another tenant’s record from one that never existed in nothing but the request id', async () => {
    const theirs = await get(house, path, otherAuditor);
    const never = await get(house, pathOf(endpoint.path, newTrace()), otherAuditor);
    expect(problemCode(theirs)).toBe('not_found');
    const masked = ({ text, json }: Got) => text.replace(json.instance, '');
    expect(masked(theirs)).toBe(masked(never));
    const names = ({ headers }: Got) => [...headers.keys()].sort();
    expect(names(theirs)).toEqual(names(never));
  });

  it.each(['%20', 'a%2Fb', '%00', 'a'.repeat(257), '%F0%9F%92%A9', '%zz', '..%2f..', "x'--"])(
    'knows no record of the id %s',
    async (id) => {
      expect(problemCode(await get(house, pathOf(endpoint.path, id), keyFor(endpoint)))).toBe('not_found');
    },
  );
});

describe('the facade', () => {
  it('INV-LOG-READ-001: mounts GET and HEAD and nothing else, and every route that reads evidence has a permission', async () => {
    const app = createFacade({ ...facadeDeps(), log: house.app.log });
    await app.ready();
    // By common prefixes: the other drawing loses what stands before a wildcard.
    const mounted = app.printRoutes({ includeHooks: false });
    await app.close();
    expect(mounted).toMatch(/GET, HEAD/);
    expect(mounted).not.toMatch(/POST|PUT|PATCH|DELETE|OPTIONS|TRACE/);
    const allowed = new Set(
      [...[...ENDPOINTS, ...DEEP_LINKS, ...TLOG_ROUTES, ...DOWNLOAD_ROUTES].map((e) => e.path), ...PUBLIC_ROUTES].map(
        (path) => path.replaceAll(/\{([a-z_]+)\}/g, ':$1'),
      ),
    );
    const urls = routeUrls(mounted);
    expect(urls.length).toBe(allowed.size);
    expect(new Set(urls)).toEqual(allowed);
    for (const { permission } of [...ENDPOINTS, ...TLOG_ROUTES, ...DOWNLOAD_ROUTES])
      expect(PERMISSIONS).toContain(permission);
  });

  it('knows no other route, under the prefix or beside it', async () => {
    for (const path of [
      `${FACADE_PREFIX}/nope`,
      '/',
      '/api/v1/logs',
      `${FACADE_PREFIX}/llm-runs/`,
      '/problems/nope',
      '/%zz',
      `//${runId}`,
    ]) {
      expect(problemCode(await get(house, path, reader))).toBe('not_found');
      expect(problemCode(await get(house, path, null))).toBe('not_found');
    }
  });

  it('answers 405 to a body of any kind and size without reading it', async () => {
    const got = await fetch(`${house.url}${FACADE_PREFIX}/llm-runs`, {
      method: 'POST',
      body: 'x'.repeat(2_000_000),
      headers: { 'content-type': 'text/strange' },
    });
    expect(got.status).toBe(405);
  });

  it('answers for no other host', async () => {
    const ask = (host: string) =>
      raw(house, `GET ${FACADE_PREFIX}/llm-runs HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    for (const host of ['evil.example', 'localhost.evil.example', '10.0.0.1', 'evidence.example.evil.example']) {
      expect(await ask(host)).toMatch(/^HTTP\/1\.1 421 /);
    }
    for (const host of [
      'localhost',
      'localhost:4300',
      '127.0.0.1:1',
      '[::1]:80',
      'evidence.example',
      'EVIDENCE.example:443',
    ]) {
      expect(await ask(host)).toMatch(/^HTTP\/1\.1 401 /);
    }
    expect(await raw(house, 'GET /healthz HTTP/1.1\r\nhost: 10.0.0.7\r\nconnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 200 /,
    );
  });

  it('echoes a well-formed correlation id and no other', async () => {
    const good = await get(house, `${FACADE_PREFIX}/llm-runs`, reader, { 'x-correlation-id': 'case-17:a' });
    expect(good.headers.get('x-correlation-id')).toBe('case-17:a');
    const bad = await get(house, `${FACADE_PREFIX}/llm-runs`, reader, { 'x-correlation-id': 'a b<script>' });
    expect(bad.status).toBe(200);
    expect(bad.headers.get('x-correlation-id')).toBeNull();
  });

  it('serves the document it validates by, and a page for every problem', async () => {
    const document = await get(house, '/api/v1/openapi.json', null);
    expect(Object.keys(document.json.paths)).toEqual([
      ...[...ENDPOINTS, ...DEEP_LINKS].map((e) => e.path),
      downloadPath('{export_id}', ARCHIVE_NAME),
    ]);
    for (const code of PROBLEM_CODES) {
      const page = await get(house, `/problems/${code}`, null);
      expect(page.status).toBe(200);
      expect(page.text).toContain(`\`${code}\``);
    }
  });

  it('tells probes and Prometheus how it is, and names no tenant', async () => {
    expect((await get(house, '/healthz', null)).text).toBe('ok\n');
    expect((await get(house, '/readyz', null)).status).toBe(200);
    const metrics = await get(house, '/metrics', null);
    expect(metrics.text).toContain('sworn_http_request_duration_seconds');
    expect(metrics.text).not.toContain(tenant);
    expect(metrics.text).not.toContain(tenant.replaceAll('-', ''));
  });

  it('logs no credential, no query and no payload', async () => {
    await get(house, `${FACADE_PREFIX}/llm-runs?human_actor_id=jane%40example.org&nope=1`, reader);
    const logged = house.logged.join('');
    for (const secret of [reader, reader.slice(-20), 'jane', 'Where is my order']) expect(logged).not.toContain(secret);
  });

  it.each(['br', 'gzip', 'gzip, br;q=0', 'deflate', '*;q=0'])(
    'answers the same bytes under Accept-Encoding: %s',
    async (coding) => {
      const path = `${FACADE_PREFIX}/llm-runs/${runId}/envelope`;
      const [plain, coded] = [
        await get(house, path, reader, { 'accept-encoding': 'identity' }),
        await get(house, path, reader, { 'accept-encoding': coding }),
      ];
      expect(coded.text).toBe(plain.text);
      expect(coded.headers.get('vary')).toContain('accept-encoding');
    },
  );

  it('stops although a client does not go away, and not before the end of its stream is recorded', async () => {
    let record: () => void = () => undefined;
    const recorded = new Promise<void>((resolve) => (record = resolve));
    let ended: boolean | undefined;
    let closed = false;
    let isInside: boolean | null = null;
    const app = createFacade({
      ...facadeDeps(),
      enter() {
        isInside = true;
        return () => {
          isInside = false;
        };
      },
      authenticate: () =>
        Promise.resolve({
          kind: 'key',
          tenantId: tenant,
          keyId: crypto.randomUUID(),
          role: 'reader',
          permissions: new Set(['logs.read' as const]),
          scopes: [],
          services: [],
          tenantSynthetic: false,
          bounds: UNBOUNDED,
          expiresAt: new Date('2100-01-01'),
        }),
      recordAccess: async ({ kind, complete }) => {
        if (kind === 'READ') return;
        await recorded;
        ended = complete;
      },
      log: house.app.log,
      stopTimeoutMs: 20,
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${url}${FACADE_PREFIX}/llm-runs`, { headers: { accept: 'application/x-ndjson' } });
    // Nor does it keep a place from others: its beginning is recorded.
    expect(isInside).toBe(false);
    const closing = app.close().then(() => (closed = true));
    await expect(answer.text()).rejects.toThrow();
    expect(closed).toBe(false);
    record();
    await closing;
    expect(ended).toBeDefined();
    expect(app.server.maxConnections).toBeGreaterThan(0);
    expect(app.server.timeout).toBeGreaterThan(0);
  });

  it('never answers 5xx to a query of any shape', async () => {
    const before = (await accessRecords(house, tenant)).length;
    for (const query of [
      '?',
      '?=',
      '?&&',
      '?%',
      '?limit',
      '?limit=%00',
      '?cursor=AAAAAAAAAAAAAAAAAAAAAAAA',
      '?__proto__=1',
      '?constructor=1',
      '?limit[]=1',
      '?run_id=%ff%fe',
      `?run_id=${'a'.repeat(5000)}`,
      '?occurred_after=2026-02-30',
      '?recorded_after=9999-12-31T23:59:60Z',
      '?occurred_after=0000-01-01',
      '?conversation_id=%00',
    ]) {
      const got = await get(house, `${FACADE_PREFIX}/llm-runs${query}`, reader);
      expect(got.status, query).toBeLessThan(500);
    }
    expect((await accessRecords(house, tenant)).length).toBeGreaterThan(before);
  });
});

function facadeDeps(): Parameters<typeof createFacade>[0] {
  return {
    authenticate: () => Promise.reject(new Error('never asked')),
    ruling: productionRuling(),
    recordAccess: () => Promise.resolve(),
    enter: () => () => undefined,
    read: house.read,
    bundles: house.bundles,
    platformTenant: house.platformTenant,
    trustedProxies: new Set(),
    now: Date.now,
    version: '0.0.0',
    allowedHosts: new Set(),
    registry: new Registry(),
    missing: () => Promise.resolve([]),
    log: house.app.log,
    tls: null,
  };
}

/** Paths of the router's tree, as `printRoutes` draws it. */
function routeUrls(drawn: string): string[] {
  const stack: string[] = [];
  const urls: string[] = [];
  for (const line of drawn.split('\n')) {
    const match = /^([│ ]*)(?:├──|└──) (\S+)(.*)$/.exec(line);
    if (match === null) continue;
    const depth = (match[1] as string).length / 4;
    stack.length = depth;
    stack[depth] = match[2] as string;
    if ((match[3] as string).includes('(')) urls.push(stack.join(''));
  }
  return urls;
}
