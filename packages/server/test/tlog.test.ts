import { TLOG_ROUTES } from '@sworn/contract';
import { decodeEntries, leafHash, parseCheckpoint, splitTile, treeHash } from '@sworn/evidence';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { Permission } from '../src/access/credential.js';
import { createFacade } from '../src/http/facade.js';
import { signedCheckpoint } from '../src/sign/ourCheckpoint.js';
import { accessRecords, raw } from './facadeClient.js';
import { productionRuling } from './accessRules.js';
import { buildHouse, type House } from './facadeHouse.js';
import { ask, type GotBytes, grow, type LoggedTenant, storedLeaves, tenantWithLogs } from './tlogHouse.js';

let house: House;
/** Of one log longer than a tile. */
let mine: LoggedTenant;
let theirs: LoggedTenant;
/** Leaves of `llm-runs` of mine, all under the newest checkpoint. */
let leaves: { leaf: Buffer; hash: Buffer }[];
/** A full tile and an unfinished one: each span is a leaf. */
const SPANS = 300;

beforeAll(async () => {
  house = await buildHouse();
  mine = await tenantWithLogs(house, SPANS);
  theirs = await tenantWithLogs(house, SPANS);
  leaves = await storedLeaves(house, mine.id);
});
afterAll(() => house.close());

const mineAt = (path: string, asking: Parameters<typeof ask>[3] = {}): Promise<GotBytes> =>
  ask(house, mine.prefix + path, mine.auditor, asking);
/** Hashes of my level 0 from a place on. */
const hashesFrom = (from: number, to?: number): Buffer => Buffer.concat(leaves.slice(from, to).map(({ hash }) => hash));
const rest = (): number => leaves.length - 256;

/** One answer of each route. */
const PATHS: Readonly<Record<(typeof TLOG_ROUTES)[number]['id'], string>> = {
  'tlog.checkpoint': 'checkpoint',
  'tlog.entries': 'tile/entries/000',
  'tlog.tile': 'tile/0/000',
};

describe('a checkpoint', () => {
  it('is the newest, signed by us under the name of the log', async () => {
    const got = await mineAt('checkpoint');
    expect(got.status).toBe(200);
    expect(got.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(got.headers.get('cache-control')).toBe('private, no-cache');
    const origin = house.read.originOf(mine.id, 'llm-runs');
    const said = signedCheckpoint(got.bytes.toString('utf8'), origin, house.keyStore.noteSigner.publicKey);
    expect(said).toMatchObject({ size: leaves.length });
    expect(said?.root).toEqual(treeHash(leaves.map(({ leaf }) => leafHash(leaf))));
  });

  it('is not there before one was signed, nor of a log that does not exist', async () => {
    const unsigned = await tenantWithLogs(house, 0);
    await grow(house, unsigned.id, 3, false);
    for (const log of ['llm-runs', 'llm-runs.2', 'audit']) {
      for (const path of ['checkpoint', 'tile/0/000.p/1', 'tile/entries/000.p/1']) {
        const got = await ask(house, `/tlog/${unsigned.id}/${log}/${path}`, unsigned.auditor);
        expect(got.status, log).toBe(404);
        expect(got.json.detail).toBe('there is no such log or tile');
      }
    }
  });

  it('and a hash tile are polled with their ETag, and polls are counted', async () => {
    for (const path of ['checkpoint', 'tile/0/000', 'tile/1/000.p/1']) {
      const etag = (await mineAt(path)).headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[0-9a-f]{32}-identity"$/);
      const told = house.told.length;
      house.advance(60_000);
      for (let i = 0; i < 3; i++) {
        const got = await mineAt(path, { headers: { 'if-none-match': etag } });
        expect([got.status, got.bytes.length]).toEqual([304, 0]);
        expect(got.headers.get('etag')).toBe(etag);
      }
      // A minute may end in between.
      expect(house.told.slice(told).filter((one) => one === 'ALLOW folded').length).toBeGreaterThan(0);
    }
  });
});

describe('a hash tile', () => {
  it('of level 0 is the leaf hashes, full or as wide as the checkpoint covers', async () => {
    const full = await mineAt('tile/0/000');
    expect(full.bytes).toEqual(hashesFrom(0, 256));
    expect(full.headers.get('content-type')).toBe('application/octet-stream');
    expect(full.headers.get('cache-control')).toBe('private, immutable, max-age=31536000');
    expect((await mineAt(`tile/0/001.p/${rest()}`)).bytes).toEqual(hashesFrom(256));
  });

  it('above is the roots of full tiles', async () => {
    const got = await mineAt('tile/1/000.p/1');
    expect(got.bytes).toEqual(Buffer.from(treeHash(splitTile(hashesFrom(0, 256)))));
  });

  it('may be narrower than what is covered, as older checkpoints have it, and never wider', async () => {
    for (const width of [1, 7, 255])
      expect((await mineAt(`tile/0/000.p/${width}`)).bytes).toEqual(hashesFrom(0, width));
    expect((await mineAt('tile/0/001.p/1')).bytes).toEqual(hashesFrom(256, 257));
    for (const path of [`tile/0/001.p/${rest() + 1}`, 'tile/0/001', 'tile/0/002.p/1', 'tile/1/000', 'tile/1/000.p/2']) {
      expect((await mineAt(path)).status, path).toBe(404);
    }
    for (const path of ['tile/1/001.p/1', 'tile/2/000.p/1', 'tile/6/000', 'tile/6/x009/x007/x199/x254/x740/991'])
      expect((await mineAt(path)).status, path).toBe(404);
  });

  it('does not change when the log grows, and leaves are in none before they are under a checkpoint', async () => {
    const tenant = await tenantWithLogs(house, 5);
    const at = (path: string) => ask(house, tenant.prefix + path, tenant.auditor);
    const size = Number((await at('checkpoint')).bytes.toString('utf8').split('\n')[1]);
    const first = await at(`tile/0/000.p/${size}`);
    await grow(house, tenant.id, 4, false);
    expect((await at(`tile/0/000.p/${size + 1}`)).status).toBe(404);
    expect((await at(`tile/entries/000.p/${size + 1}`)).status).toBe(404);
    await house.sign(tenant.id);
    expect((await at(`tile/0/000.p/${size + 1}`)).status).toBe(200);
    expect((await at(`tile/0/000.p/${size}`)).bytes).toEqual(first.bytes);
  });
});

describe('an entry tile', () => {
  it('is the exact leaves, each after its length', async () => {
    const [full, partial] = [await mineAt('tile/entries/000'), await mineAt(`tile/entries/001.p/${rest()}`)];
    const entries = [full, partial].flatMap(({ bytes }) => decodeEntries(bytes)).map((leaf) => Buffer.from(leaf));
    expect(entries).toEqual(leaves.map(({ leaf }) => leaf));
    expect((await mineAt('tile/entries/000.p/2')).bytes).toEqual(full.bytes.subarray(0, 4 + leavesLength(2)));
  });

  it('is kept by nobody', async () => {
    const got = await mineAt('tile/entries/000');
    expect(got.headers.get('content-type')).toBe('application/octet-stream');
    expect(got.headers.get('cache-control')).toBe('private, no-store');
    expect(got.headers.get('etag')).toBeNull();
    const again = await mineAt('tile/entries/000', { headers: { 'if-none-match': '*' } });
    expect(again.status).toBe(200);
  });

  it.each(['br', 'gzip', 'identity'])('says the same under Accept-Encoding: %s', async (coding) => {
    const got = await mineAt('tile/entries/000', { headers: { 'accept-encoding': coding } });
    expect(got.headers.get('content-encoding')).toBe(coding === 'identity' ? null : coding);
    expect(got.headers.get('vary')).toBe('accept-encoding');
    expect(decodeEntries(got.bytes).length).toBe(256);
  });

  it('has a record of its own each time', async () => {
    const told = house.told.length;
    for (let i = 0; i < 3; i++) await mineAt('tile/entries/000');
    expect(house.told.slice(told)).toEqual(['ALLOW own', 'ALLOW own', 'ALLOW own']);
  });

  it('of each log of the tenant is read with the permissions of an auditor', async () => {
    for (const log of ['access', 'control']) {
      const at = (path: string) => ask(house, `/tlog/${mine.id}/${log}/${path}`, mine.auditor);
      await house.sign(mine.id);
      const { size } = parseCheckpoint((await at('checkpoint')).bytes.toString('utf8'));
      const width = Math.min(size, 256);
      const got = await at(`tile/entries/000${width === 256 ? '' : `.p/${width}`}`);
      const stored = (await storedLeaves(house, mine.id, log)).slice(0, width);
      expect(decodeEntries(got.bytes).map((leaf) => Buffer.from(leaf))).toEqual(stored.map(({ leaf }) => leaf));
    }
  });
});

const leavesLength = (count: number): number => leaves.slice(0, count).reduce((sum, { leaf }) => sum + leaf.length, 0);

describe.each(TLOG_ROUTES)('$id', ({ id, permission }) => {
  const path = PATHS[id];
  const refusalOf = ({ status, headers, bytes, json }: GotBytes): string => {
    expect(headers.get('content-type'), `${status} ${bytes.toString('latin1').slice(0, 200)}`).toBe(
      'application/problem+json',
    );
    expect(json.status).toBe(status);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('etag')).toBeNull();
    return json.code;
  };

  it('asks for a credential whose role has logs.proof', async () => {
    expect(permission).toBe('logs.proof');
    const nobody = await ask(house, mine.prefix + path, null);
    expect([nobody.status, refusalOf(nobody)]).toEqual([401, 'not_authenticated']);
    for (const key of [mine.reader, mine.ingest]) {
      const got = await ask(house, mine.prefix + path, key);
      expect([got.status, refusalOf(got)]).toEqual([403, 'permission_denied']);
    }
  });

  it.each([
    [['logs.proof'], 'llm-runs', 403],
    [['logs.proof'], 'system', 403],
    [['logs.proof', 'logs.read'], 'llm-runs', 200],
    [['logs.proof', 'logs.read'], 'access', 403],
    [['logs.proof', 'logs.read'], 'control.2', 403],
    [['logs.proof', 'logs.read'], 'audit', 403],
    [['logs.proof', 'logs.audit'], 'llm-runs', 403],
    [['logs.read', 'logs.audit'], 'llm-runs', 403],
  ] as const)('with %j answers of %s with %d', async (permissions, log, status) => {
    const app = facadeFor(mine.id, permissions);
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    try {
      const got = await ask({ url }, `/tlog/${mine.id}/${log}/${path}`, 'any');
      expect(got.status).toBe(status);
    } finally {
      await app.close();
    }
  });

  it('tells another tenant from one that never existed in nothing but the request id', async () => {
    const [other, never] = [theirs.id, crypto.randomUUID()];
    const [theirAnswer, noAnswer] = await Promise.all(
      [other, never].map((tenant) => ask(house, `/tlog/${tenant}/llm-runs/${path}`, mine.auditor)),
    );
    const masked = (got: GotBytes | undefined) => ({
      text: got?.bytes.toString('utf8').replace(got.json.instance, ''),
      names: [...(got?.headers.keys() ?? [])].sort(),
    });
    expect(theirAnswer?.status).toBe(404);
    expect(masked(theirAnswer)).toEqual(masked(noAnswer));
    for (const tenant of [mine.id.toUpperCase(), mine.id.replaceAll('-', ''), `${mine.id}%20`])
      expect((await ask(house, `/tlog/${tenant}/llm-runs/${path}`, mine.auditor)).status).toBe(404);
  });

  it.each(['llm-runs.1', 'llm-runs.02', 'llm-runs.2', 'LLM-RUNS', 'runs', '%00', 'llm-runs%2F', "x'--", '..'])(
    'knows no log %s',
    async (log) => {
      const answer = await raw(
        house,
        `GET /tlog/${mine.id}/${log}/${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${mine.auditor}\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    },
  );

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('answers %s with 405', async (method) => {
    const got = await mineAt(path, { method });
    expect([got.status, refusalOf(got)]).toEqual([405, 'method_not_allowed']);
    expect(got.headers.get('allow')).toBe('GET, HEAD');
  });

  it('takes no parameter, no body, and answers for no other host', async () => {
    const parameter = await mineAt(`${path}?size=1`);
    expect([parameter.status, parameter.json?.errors?.[0].parameter]).toEqual([400, 'size']);
    const head = `GET ${mine.prefix}${path} HTTP/1.1\r\nauthorization: Bearer ${mine.auditor}\r\nconnection: close\r\n`;
    expect(await raw(house, `${head}host: localhost\r\ncontent-length: 2\r\n\r\n{}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(house, `${head}host: evil.example\r\n\r\n`)).toMatch(/^HTTP\/1\.1 421 /);
  });

  it('answers HEAD as GET, without a body', async () => {
    const [whole, head] = [await mineAt(path), await mineAt(path, { method: 'HEAD' })];
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
    for (const name of ['content-type', 'cache-control', 'etag'])
      expect(head.headers.get(name)).toBe(whole.headers.get(name));
  });

  it('has a record before it is answered: which tile, of which log at which size, and what was answered', async () => {
    const before = (await accessRecords(house, mine.id)).length;
    const got = await mineAt(path);
    const records = (await accessRecords(house, mine.id)).slice(before);
    expect(records).toHaveLength(1);
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(got.bytes))).toString('hex');
    expect(records[0]).toMatchObject({
      kind: 'READ',
      endpoint: id,
      permission: 'logs.proof',
      decision: 'ALLOW',
      status: 200,
      role: 'auditor',
      pins: [{ log: 'llm-runs', size: leaves.length }],
      filters: {
        'tlog.checkpoint': {},
        'tlog.entries': { index: 0, width: 256 },
        'tlog.tile': { level: 0, index: 0, width: 256 },
      }[id],
      count: id === 'tlog.entries' ? 256 : 0,
      answer: `sha256:${digest}`,
    });
  });

  it('records who tried what, the path as tokens', async () => {
    // The eleventh refusal of a minute is only counted.
    house.advance(60_000);
    const before = (await accessRecords(house, mine.id)).length;
    await ask(house, `/tlog/${theirs.id}/llm-runs/${path}`, mine.auditor);
    const [record] = (await accessRecords(house, mine.id)).slice(before);
    expect(record).toMatchObject({ endpoint: id, decision: 'DENY', status: 404, reason_code: 'not_found', pins: [] });
    const filters = record?.['filters'] as Record<string, string>;
    expect(Object.keys(filters)).toEqual(expect.arrayContaining(['tenant_id', 'log']));
    for (const value of Object.values(filters)) expect(value).toMatch(/^tok_[0-9a-f]{32}$/);
    expect(JSON.stringify(record)).not.toContain(theirs.id);
  });

  it('is not answered when it cannot be recorded', async () => {
    house.breakRecorder(true);
    const got = await mineAt(path);
    house.breakRecorder(false);
    expect([got.status, refusalOf(got)]).toEqual([503, 'unavailable']);
  });
});

describe('a path that is none', () => {
  it.each([
    'tile/0',
    'tile/0/',
    'tile/0/0',
    'tile/0/0000',
    'tile/0/x000/000',
    'tile/0/000/',
    'tile/00/000',
    'tile/7/000',
    'tile/63/000',
    'tile/-1/000',
    'tile/data/000',
    'tile/8/0/000',
    'tile/0/000.p/0',
    'tile/0/000.p/01',
    'tile/0/000.p/256',
    'tile/0/000.p/-1',
    'tile/0/000.p',
    'tile/0/000.p/1/',
    'tile/0/../0/000',
    'tile/0/%2e%2e/000',
    'tile/0/%00',
    'tile/0/%zz',
    'tile/0/000%0a',
    `tile/0/${'x001/'.repeat(6)}000`,
    `tile/0/${'x001/'.repeat(400)}000`,
    'tile/entries',
    'tile/entries/',
    'tile/entries/0',
    'tile/entries/000.p/0',
    'tile/entries/000/000',
    'tile/Entries/000',
    'tile',
    'checkpoint/',
    'checkpoints',
    '',
    '/checkpoint',
  ])('%s is answered 404 like any other', async (path) => {
    // The bytes as they are: a client would tidy them up.
    const answer = await raw(
      house,
      `GET ${mine.prefix}${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${mine.auditor}\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain('application/problem+json');
  });
});

describe('what is read', () => {
  it('is the tenant’s own also where nothing but the queries themselves says whose it is', async () => {
    const paths = ['checkpoint', 'tile/0/000', `tile/0/001.p/${rest()}`, 'tile/1/000.p/1', 'tile/entries/000'];
    const before = await Promise.all(paths.map((path) => mineAt(path)));
    await house.database.withoutRowSecurity(async () => {
      for (const [i, path] of paths.entries()) {
        const got = await mineAt(path);
        expect([got.status, got.bytes.equals(before[i]?.bytes ?? Buffer.alloc(0))], path).toEqual([200, true]);
      }
    });
  });
});

/** A facade whose callers have these permissions: no role has them so. */
function facadeFor(tenantId: string, permissions: readonly Permission[]): ReturnType<typeof createFacade> {
  return createFacade({
    authenticate: () =>
      Promise.resolve({
        kind: 'key',
        tenantId,
        keyId: crypto.randomUUID(),
        role: 'auditor',
        permissions: new Set(permissions),
        scopes: [],
        services: [],
        tenantSynthetic: false,
        bounds: UNBOUNDED,
        expiresAt: new Date('2100-01-01'),
      }),
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
  });
}
