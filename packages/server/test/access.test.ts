import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiKeyMac, formatApiKey, makeApiKey, parseApiKey } from '../src/access/apiKey.js';
import { type AuthenticatorDeps, createAuthenticator } from '../src/access/authenticate.js';
import { Refusal } from '../src/access/refusal.js';
import { networkOf } from '../src/networks.js';
import { ndjson, type StreamEnd } from '../src/http/ndjson.js';
import { presentedCredential } from '../src/access/presented.js';
import { inTenant } from '../src/store/database.js';
import { insertApiKey } from '../src/store/apiKey.js';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import { permissionsByRules } from './accessRules.js';
import { accessRecords, get, raw } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
const HALF_A_YEAR_MS = 180 * 86_400_000;
let house: House;
let tenant: string;
let reader: string;
const runId = newTrace();

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
  await house.ingest(tenant, agentRun(runId));
  await house.seal(tenant);
  await house.sign(tenant);
});
afterAll(() => house.close());

/** What an authenticator of the house's keys needs. */
function authenticating(): AuthenticatorDeps {
  const { directory: directoryKey, apiKeyPepper: pepper } = house.keyStore.deployment;
  return {
    db: house.database.db,
    directoryKey,
    pepper,
    permissionsOf: permissionsByRules,
    originOf: house.read.originOf,
    now: Date.now,
  };
}
const codeOf = async (key: string): Promise<string | null> => (await get(house, LIST, key)).json.code ?? null;

describe('an API key', () => {
  it('is what its text says, and nothing else is one', () => {
    fc.assert(
      fc.property(fc.uuid(), (tenantId) => {
        const key = makeApiKey(tenantId);
        expect(parseApiKey(formatApiKey(key))).toEqual(key);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseApiKey(text)).toThrow(Refusal);
        expect(() => parseApiKey(`${formatApiKey(makeApiKey(randomUUID()))}${text || 'x'}`)).toThrow(Refusal);
      }),
    );
  });

  it('with one character that is another’s, or cut, is told so; those of before had no checksum and open what they did', async () => {
    const digits = '0123456789abcdefABCDEF_-xyz';
    fc.assert(
      fc.property(fc.uuid(), fc.nat(85), fc.constantFrom(...digits.split('')), (tenantId, at, digit) => {
        const key = formatApiKey(makeApiKey(tenantId));
        const typed = key.slice(0, at) + digit + key.slice(at + 1);
        if (typed !== key) expect(() => parseApiKey(typed)).toThrow(Refusal);
        if (at > 0 && at !== 6) expect(() => parseApiKey(key.slice(0, -at))).toThrow(Refusal);
      }),
    );
    expect((await get(house, LIST, `${reader.slice(0, -1)}${reader.endsWith('A') ? 'B' : 'A'}`)).json).toMatchObject({
      code: 'not_authenticated',
      detail: expect.stringContaining('mistyped') as string,
    });
    expect(await codeOf(reader.slice(0, -6))).toBeNull();
  });

  it('is stored as a MAC under a pepper, never as its text', async () => {
    const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    const secret = parseApiKey(key).secret;
    const rows = await house.database.admin<{ all: string }>(
      `select string_agg(k::text, '') as all from sworn.api_key k`,
    );
    const leaves = await house.database.admin<{ all: string }>(
      `select string_agg(convert_from(leaf, 'UTF8'), '') as all from sworn.leaf where log = 'control'`,
    );
    expect(rows[0]?.all).not.toContain(secret);
    expect(leaves[0]?.all).not.toContain(secret);
    expect(leaves[0]?.all).toContain(keyId);
  });

  it('of another secret, another tenant or another pepper opens nothing', async () => {
    const other = await house.tenants.create({ name: 'other' });
    const secret = parseApiKey(reader).secret;
    expect(await codeOf(formatApiKey(makeApiKey(tenant)))).toBe('not_authenticated');
    expect(await codeOf(formatApiKey({ tenantId: other, secret }))).toBe('not_authenticated');
    expect(await codeOf(formatApiKey({ tenantId: randomUUID(), secret }))).toBe('not_authenticated');
  });

  it('is dead when it expires, also while it is remembered, and as long as the clock says so', async () => {
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'reader', livesMs: 60_000 });
    expect(await codeOf(key)).toBeNull();
    house.advance(60_001);
    expect(await codeOf(key)).toBe('credential_expired');
    // It goes by the machine's clock. One that is set back by more than a minute has nothing answered, until that is accepted.
    house.advance(-60_001);
    expect(await codeOf(key)).toBeNull();
    house.advance(60_001);
    expect(await codeOf(key)).toBe('credential_expired');
  });

  it('is dead within five seconds of its revocation', async () => {
    const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    expect(await codeOf(key)).toBeNull();
    expect(await house.keys.revoke(tenant, keyId)).toBe(true);
    house.advance(5_000);
    expect(await codeOf(key)).toBe('not_authenticated');
  });

  it('stays dead when the database’s owner takes the revocation back', async () => {
    const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    await house.keys.revoke(tenant, keyId);
    await asOwner(`update sworn.api_key set revoked_at = null where key_id = '${keyId}'`);
    expect(await codeOf(key)).toBe('not_authenticated');
  });

  it('gains no role from a control leaf that the database’s owner rewrote with its hash', async () => {
    const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'ingest' });
    await rewriteControl(keyId, '"role":"ingest"', '"role":"reader"');
    await asOwner(`update sworn.api_key set role = 'reader' where key_id = '${keyId}'`);
    expect(await codeOf(key)).toBe('not_authenticated');
    expect((await house.keys.list(tenant)).find((k) => k.keyId === keyId)).toMatchObject({ proven: false });
  });

  it.each(['log_head set next_index = 0', 'leaf set leaf_index = leaf_index + 1000'])(
    'opens nothing when its leaf stands beyond the end of its log: %s',
    async (change) => {
      const own = await house.tenants.create({ name: 'beyond' });
      const { key } = await house.keys.issue({ tenantId: own, role: 'reader' });
      await asOwner(`update sworn.${change} where tenant_id = '${own}' and log = 'control'`);
      expect(await codeOf(key)).toBe('not_authenticated');
    },
  );

  it('stays dead when its KEY_REVOKED leaf is moved to another event key, with the row untouched or not', async () => {
    const hide = (keyId: string) =>
      asOwner(
        `update sworn.leaf set event_key = sha256(event_key) where tenant_id = '${tenant}' and log = 'control' and kind = 'KEY_REVOKED' and leaf like '%${keyId}%'::bytea`,
      );
    for (const row of [`revoked_at = revoked_at`, `revoked_at = null`]) {
      const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
      await house.keys.revoke(tenant, keyId);
      await hide(keyId);
      await asOwner(`update sworn.api_key set ${row} where key_id = '${keyId}'`);
      expect(await codeOf(key)).toBe('not_authenticated');
    }
  });

  it('of a tenant is not helped by the leaf of another', async () => {
    const [mine, made] = [
      await house.tenants.create({ name: 'real' }),
      await house.tenants.create({ name: 'made up', synthetic: true }),
    ];
    const { key } = await house.keys.issue({ tenantId: mine, role: 'reader' });
    await asOwner(`update sworn.tenant set synthetic = true where tenant_id = '${mine}'`);
    await asOwner(
      `update sworn.leaf l set leaf = o.leaf, leaf_hash = o.leaf_hash from sworn.leaf o where o.tenant_id = '${made}' and o.log = 'control' and o.leaf_index = 0 and l.tenant_id = '${mine}' and l.log = 'control' and l.leaf_index = 0`,
    );
    expect(await codeOf(key)).toBe('tenant_required');
  });

  it('counts only as far as its control leaf says the same', async () => {
    const forged = makeApiKey(tenant);
    await inTenant(house.database.db, 'recorder', tenant, (tx) =>
      insertApiKey(
        tx,
        tenant,
        {
          keyId: randomUUID(),
          role: 'auditor',
          scopes: [],
          services: [],
          label: null,
          ...UNBOUNDED,
          secretMac: apiKeyMac(house.keyStore.deployment.apiKeyPepper, forged),
          expiresAt: '2030-01-01T00:00:00.000000Z',
        },
        0,
      ),
    );
    expect(await codeOf(formatApiKey(forged))).toBe('not_authenticated');
    const changes = [`role = 'reader'`, `scopes = '{ingest:assert}'`, `expires_at = expires_at + interval '1 year'`];
    for (const change of changes) {
      const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'ingest' });
      await asOwner(`update sworn.api_key set ${change} where key_id = '${keyId}'`);
      expect(await codeOf(key), change).toBe('not_authenticated');
      expect((await house.keys.list(tenant)).find((k) => k.keyId === keyId)?.proven).toBe(false);
    }
  });

  it('of a tenant whose row is not what its leaf says opens nothing', async () => {
    const changed = await house.tenants.create({ name: 'changed', synthetic: false });
    const { key } = await house.keys.issue({ tenantId: changed, role: 'reader' });
    await asOwner(`update sworn.tenant set synthetic = true where tenant_id = '${changed}'`);
    expect(await codeOf(key)).toBe('tenant_required');
  });

  it('that is wrong costs one look in five seconds, however often it comes', async () => {
    const { pool } = house.database.db.as('reader');
    const wrong = formatApiKey(makeApiKey(tenant));
    let looks = 0;
    const look = (): void => void looks++;
    pool.on('acquire', look);
    const codes = await Promise.all(Array.from({ length: 40 }, () => codeOf(wrong)));
    for (let i = 0; i < 10; i++) codes.push(await codeOf(wrong));
    expect(new Set(codes)).toEqual(new Set(['not_authenticated']));
    expect(looks).toBe(1);
    house.advance(5_000);
    expect(await codeOf(wrong)).toBe('not_authenticated');
    expect(looks).toBe(2);
    pool.off('acquire', look);
    // Nothing of it delays a key that is made now.
    expect(await codeOf((await house.keys.issue({ tenantId: tenant, role: 'reader' })).key)).toBeNull();
  });

  it('that is guessed takes two of the reader’s connections, and keeps nobody waiting whose key is known', async () => {
    let monotonicMs = 0;
    const { pool } = house.database.db.as('reader');
    const authenticate = createAuthenticator({ ...authenticating(), monotonicMs: () => monotonicMs });
    const of = (key: string) => authenticate({ authorization: [`Bearer ${key}`] }, '127.0.0.1');
    const inUse = () => pool.totalCount - pool.idleCount;
    await of(reader);
    const holder = new pg.Client(house.database.url);
    await holder.connect();
    await holder.query('begin; lock table sworn.api_key in access exclusive mode');
    const guesses = Array.from({ length: 300 }, () => of(formatApiKey(makeApiKey(tenant))));
    const codes = Promise.all(guesses.map((guess) => guess.catch((error: Refusal) => error.code)));
    expect((await of(reader)).role).toBe('reader');
    await expect.poll(inUse).toBe(2);
    monotonicMs += 5_000;
    const asked = of(reader);
    await expect.poll(inUse).toBe(3);
    await holder.query('rollback');
    await holder.end();
    expect((await asked).role).toBe('reader');
    const refused = (await codes).filter((code) => code === 'unavailable');
    expect(refused.length).toBe(300 - 2 - 256);
    expect(new Set(await codes)).toEqual(new Set(['unavailable', 'not_authenticated']));
  });

  it('that is revoked is dead within 5 seconds, also where the clock is set back meanwhile', async () => {
    let [now, monotonicMs] = [Date.now(), 0];
    const authenticate = createAuthenticator({
      ...authenticating(),
      now: () => now,
      monotonicMs: () => monotonicMs,
    });
    const { keyId, key } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    const asked = () => authenticate({ authorization: [`Bearer ${key}`] }, '127.0.0.1');
    expect((await asked()).keyId).toBe(keyId);
    await house.keys.revoke(tenant, keyId);
    now -= 3_600_000;
    monotonicMs += 5_000;
    await expect(asked()).rejects.toMatchObject({ code: 'not_authenticated' });
  });

  it('lives 90 days unless told otherwise, and has bounds', async () => {
    const { expiresAt } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    const days = (Date.parse(expiresAt) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(90);
    await expect(
      house.keys.issue({ tenantId: tenant, role: 'reader', livesMs: 20 * HALF_A_YEAR_MS * 2 }),
    ).rejects.toThrow(RangeError);
    await expect(house.keys.issue({ tenantId: tenant, role: 'ingest', services: ['a\nb'] })).rejects.toThrow(
      RangeError,
    );
    expect(await house.keys.revoke(tenant, randomUUID())).toBe(false);
  });
});

describe('a credential', () => {
  it('comes as Bearer, as Basic or as x-api-key', async () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const ways: Record<string, string>[] = [
      { authorization: `Bearer ${reader}` },
      { authorization: `bearer  ${reader}` },
      { authorization: basic(`any:${reader}`) },
      { authorization: basic(`${reader}:`) },
      { 'x-api-key': reader },
    ];
    for (const headers of ways)
      expect((await get(house, LIST, null, headers)).status, JSON.stringify(headers)).toBe(200);
  });

  it('is one, or the request is refused', async () => {
    const both = { authorization: `Bearer ${reader}`, 'x-api-key': reader };
    expect((await get(house, LIST, null, both)).json.code).toBe('ambiguous_credential');
    const twoKeys = {
      authorization: `Basic ${Buffer.from(`${reader}:${formatApiKey(makeApiKey(tenant))}`).toString('base64')}`,
    };
    expect((await get(house, LIST, null, twoKeys)).json.code).toBe('ambiguous_credential');
    expect(() => presentedCredential({ 'x-api-key': `${reader}, ${reader}` })).toThrow(/more than one/);
    expect(() => presentedCredential({ authorization: ['Bearer a', 'Bearer a'] })).toThrow(/more than one/);
  });

  it('is never found in anything else, whatever the headers say', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^(bearer|basic) /i.test(text));
        expect(() => presentedCredential({ authorization: text })).toThrow(/credential|Authorization/);
      }),
    );
  });
});

describe('an access record', () => {
  const lastOf = async (of: string) => (await accessRecords(house, of)).at(-1);

  it('says who read what, how it was decided and what the answer was', async () => {
    const got = await get(house, `${LIST}/${runId}/envelope`, reader, {
      'user-agent': 'an-agent/1',
      'x-correlation-id': 'case-1',
    });
    expect(await lastOf(tenant)).toMatchObject({
      kind: 'READ',
      by: 'sworn',
      request_id: got.headers.get('x-request-id'),
      endpoint: 'llm_runs.envelope',
      method: 'GET',
      decision: 'ALLOW',
      permission: 'logs.read',
      rule: 'LOGS_READ_MACHINE',
      role: 'reader',
      status: 200,
      run_id: runId,
      count: 1,
      correlation_id: await house.read.tokenOf(tenant, 'case-1'),
      source: expect.stringMatching(/^tok_[0-9a-f]{32}$/),
      answer: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      pins: [{ log: 'llm-runs', size: expect.any(Number) }],
    });
  });

  it('holds filters, source address and user agent in no clear text', async () => {
    await get(house, `${LIST}?conversation_id=janes-chat&had_errors=false`, reader, { 'user-agent': 'janes-browser' });
    const record = await lastOf(tenant);
    expect(record?.filters).toEqual({ conversation_id: expect.stringMatching(/^tok_/), had_errors: false });
    const [row] = await house.database.admin<{ leaf: Buffer; body: Buffer }>(
      `select leaf, body from sworn.leaf where tenant_id = $1 and log = 'access' order by leaf_index desc limit 1`,
      [tenant],
    );
    for (const clear of ['janes-chat', 'janes-browser', '127.0.0.1']) {
      expect(row?.leaf.toString('latin1')).not.toContain(clear);
      expect(row?.body.toString('latin1')).not.toContain(clear);
    }
  });

  it('holds no value that only looks like a token, no unknown run id and no correlation id in clear text', async () => {
    const mine = `tok_${'0a'.repeat(16)}`;
    await get(house, `${LIST}?human_actor_id=${mine}`, reader);
    expect(await lastOf(tenant)).toMatchObject({ filters: { human_actor_id: mine } });
    const claim = { 'x-correlation-id': 'jane.doe' };
    for (const path of [
      `${LIST}?human_actor_id=tok_jane.doe`,
      `${LIST}/tok_jane.doe/envelope`,
      `${LIST}/jane.doe/trace`,
      `${LIST}?nope=jane.doe`,
    ])
      await get(house, path, reader, claim);
    const rows = await house.database.admin<{ all: string }>(
      `select string_agg(convert_from(leaf, 'UTF8'), '') || (select string_agg(a::text, '') from sworn.access_records a) as all
         from sworn.leaf where tenant_id = $1 and log = 'access' and leaf_index > 0`,
      [tenant],
    );
    expect(rows[0]?.all).not.toContain('jane');
    expect(rows[0]?.all).not.toContain('doe');
  });

  it('says which page view it belongs to, as a token; an ill-formed id is as if there were none', async () => {
    const view = 'c0ffee-1:a.B_2';
    const paths = [LIST, `${LIST}/${runId}/envelope`, `${LIST}?nope=1`];
    for (const path of paths) await get(house, path, reader, { 'sworn-view': view });
    const token = await house.read.tokenOf(tenant, view);
    const records = (await accessRecords(house, tenant)).slice(-3);
    expect(records.map((record) => record.view)).toEqual([token, token, token]);
    const rows = await house.database.admin(
      `select view from sworn.access_records where tenant_id = $1 order by leaf_index desc limit 3`,
      [tenant],
    );
    expect(rows).toEqual([{ view: token }, { view: token }, { view: token }]);
    for (const ill of ['', 'a b', 'jane@example.org', 'a'.repeat(65), `${view}, ${view}`]) {
      expect((await get(house, LIST, reader, { 'sworn-view': ill })).status).toBe(200);
      expect(await lastOf(tenant)).not.toHaveProperty('view');
    }
    house.toNextMinute();
    await get(house, LIST, null, { 'sworn-view': view });
    expect(await lastOf(house.platformTenant)).not.toHaveProperty('view');
  });

  it('of a stream’s end is made also of one that nobody began to take', async () => {
    const ends: StreamEnd[] = [];
    let over: Promise<void> = Promise.resolve();
    const stream = ndjson({
      coding: 'identity',
      first: { lines: [Buffer.from('1\n'), Buffer.from('2\n')], bytes: 4, nextCursor: null },
      next: () => Promise.reject(new Error('there is one page')),
      ended: async (end) => void ends.push(end),
      opened(promise) {
        over = promise;
      },
      log: () => undefined,
    });
    stream.destroy();
    await over;
    expect(ends).toMatchObject([{ count: 0, complete: false, code: null }]);
  });

  it('is made of HEAD, of a refused permission, of an unknown record, of a bad parameter and of an attempt to change', async () => {
    const { key: ingest } = await house.keys.issue({ tenantId: tenant, role: 'ingest' });
    const expected: [string, () => Promise<unknown>][] = [
      ['ALLOW', () => get(house, LIST, reader, {}, 'HEAD')],
      ['permission_denied', () => get(house, LIST, ingest)],
      ['not_found', () => get(house, `${LIST}/jane@example.org/trace`, reader)],
      ['invalid_parameter', () => get(house, `${LIST}?nope=1`, reader)],
      ['method_not_allowed', () => get(house, `${LIST}/${runId}/envelope`, reader, {}, 'DELETE')],
      ['not_found', () => get(house, '/api/v1/logs/nope', reader)],
    ];
    for (const [reason, ask] of expected) {
      const before = (await accessRecords(house, tenant)).length;
      await ask();
      const records = await accessRecords(house, tenant);
      expect(records.length).toBe(before + 1);
      const record = records.at(-1);
      expect(record?.decision).toBe(reason === 'ALLOW' ? 'ALLOW' : 'DENY');
      expect(record?.reason_code ?? 'ALLOW').toBe(reason);
      expect(JSON.stringify(record)).not.toContain('jane');
    }
  });

  it('is durable before the answer leaves: without it there is no answer', async () => {
    house.breakRecorder(true);
    try {
      for (const path of [LIST, `${LIST}/${runId}/envelope`, `${LIST}/${runId}/trace`, `${LIST}?nope=1`]) {
        for (const method of ['GET', 'HEAD']) {
          const got = await get(house, path, reader, { accept: 'application/json' }, method);
          expect(got.status).toBe(503);
          expect(got.headers.get('retry-after')).toMatch(/^\d+$/);
          expect(got.headers.get('etag')).toBeNull();
          expect(got.headers.get('sworn-log-sizes')).toBeNull();
          expect(got.text).not.toContain(runId);
        }
      }
      const stream = await get(house, LIST, reader, { accept: 'application/x-ndjson' });
      expect(stream.status).toBe(503);
      expect(stream.headers.get('sworn-log-sizes')).toBeNull();
      expect(stream.text).not.toContain(runId);
    } finally {
      house.breakRecorder(false);
    }
  });

  it('is never part of the answer that it records', async () => {
    const before = (await accessRecords(house, tenant)).length;
    const got = await get(house, LIST, reader);
    expect(got.json.metadata.integrity.logs).toEqual([{ log: 'llm-runs', size: expect.any(Number) }]);
    expect((await accessRecords(house, tenant)).length).toBe(before + 1);
  });

  it('of a caller nobody knows goes to the platform, one for each source, endpoint and minute', async () => {
    const before = (await accessRecords(house, house.platformTenant)).length;
    house.toNextMinute();
    const ask = () => get(house, `${LIST}/${runId}/trace`, 'swk_nonsense');
    for (let i = 0; i < 20; i++) expect((await ask()).status).toBe(401);
    const records = await accessRecords(house, house.platformTenant);
    expect(records.length).toBe(before + 1);
    expect(records.at(-1)).toMatchObject({
      decision: 'DENY',
      reason_code: 'not_authenticated',
      folded: true,
      endpoint: 'llm_runs.trace',
    });
    expect(records.at(-1)).not.toHaveProperty('run_id');
    house.toNextMinute();
    await ask();
    expect((await accessRecords(house, house.platformTenant)).length).toBe(before + 2);
  });

  it('of a request for another host goes to the platform, one for each source and minute', async () => {
    house.toNextMinute();
    const before = (await accessRecords(house, house.platformTenant)).length;
    const request = `GET ${LIST} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`;
    for (let i = 0; i < 5; i++) expect(await raw(house, request)).toMatch(/^HTTP\/1\.1 421 /);
    const records = (await accessRecords(house, house.platformTenant)).slice(before);
    expect(records).toMatchObject([{ decision: 'DENY', reason_code: 'misdirected', status: 421, folded: true }]);
  });

  it('of a caller nobody knows is one for all addresses of an IPv6 host', () => {
    const same = [
      '2001:db8:1:2::1',
      '2001:DB8:1:2:ffff:ffff:ffff:ffff',
      '2001:db8:1:2:3::',
      '2001:0db8:0001:0002::9%eth0',
    ];
    expect(new Set(same.map(networkOf))).toEqual(new Set(['2001:db8:1:2::/64']));
    expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'));
    expect(networkOf('::1')).toBe('0:0:0:0::/64');
    expect(networkOf('64:ff9b::192.0.2.1')).toBe('64:ff9b:0:0::/64');
    expect(networkOf('192.0.2.1')).toBe('192.0.2.1');
    expect(networkOf('unknown')).toBe('unknown');
  });

  it('of a poll that is answered 304 is one for each credential, run and minute', async () => {
    const path = `${LIST}/${runId}/envelope`;
    const { headers } = await get(house, path, reader);
    const etag = headers.get('etag') ?? '';
    const before = (await accessRecords(house, tenant)).length;
    for (let i = 0; i < 5; i++) {
      const again = await get(house, path, reader, { 'if-none-match': `"x", W/${etag}` });
      expect(again.status).toBe(304);
      expect(again.text).toBe('');
      expect(again.headers.get('etag')).toBe(etag);
    }
    expect((await accessRecords(house, tenant)).length - before).toBeLessThanOrEqual(2);
    expect((await get(house, path, null, { 'if-none-match': etag })).status).toBe(401);
  });
});

/** Edits the KEY_CREATED leaf of a key, hash and all. */
async function rewriteControl(keyId: string, from: string, to: string): Promise<void> {
  const where = `where tenant_id = '${tenant}' and log = 'control' and kind = 'KEY_CREATED' and leaf like '%${keyId}%'::bytea`;
  await asOwner(`update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '${from}', '${to}')::bytea ${where}`);
  await asOwner(`update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) ${where}`);
}

/** What a database's owner can do: change a directory row, whatever the walls say. */
async function asOwner(text: string): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  try {
    await house.database.admin(text);
  } finally {
    await house.database.admin('set session_replication_role = origin');
  }
}
