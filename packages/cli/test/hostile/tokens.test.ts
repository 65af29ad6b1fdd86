import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bearer, buildStage, LOGS, newId, type Reply, SECRET, type Stage } from './stage.js';

const AUDIENCE = 'https://sworn.example/';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = (key: KeyObject, kid: string): object => ({
  ...key.export({ format: 'jwk' }),
  kid,
  alg: 'RS256',
  use: 'sig',
});

const folder = mkdtempSync('/tmp/sworn-oidc-');
let issuer: string;
/** How often the issuer was asked for its keys. */
let asked = 0;
let provider: Server;
/** Asked by nobody, if all is well: where a token says that its keys are. */
let askedElsewhere = 0;
let elsewhere: Server;
let stage: Stage;

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  provider = createServer((request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration';
    if (!isDiscovery) asked += 1;
    const body = isDiscovery ? { issuer, jwks_uri: `${issuer}/keys` } : { keys: [jwk(keys.publicKey, 'one')] };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  issuer = await listening(provider);
  elsewhere = createServer((_request, response) => {
    askedElsewhere += 1;
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ keys: [jwk(stranger.publicKey, 'one')] }));
  });
  const jwks = await listening(elsewhere);
  forgedPlaces = { jku: `${jwks}/keys`, x5u: `${jwks}/cert`, jwk: jwk(stranger.publicKey, 'one') };
  stage = await buildStage(({ attacker }) => {
    const file = join(folder, 'oidc.yaml');
    const tenants = `{ acme: ${attacker.id} }`;
    writeFileSync(
      file,
      `issuers:\n  - name: idp\n    issuer: ${issuer}\n    audience: [${AUDIENCE}]\n    algorithms: [RS256]\n    tenant: { claim: [org], values: ${tenants} }\n    roles: { claim: [roles], values: { sworn-auditor: auditor } }\n`,
    );
    return { SWORN_OIDC_FILE: file };
  });
});
afterAll(async () => {
  await stage.close();
  provider.close();
  elsewhere.close();
  rmSync(folder, { recursive: true });
});

let forgedPlaces: { readonly jku: string; readonly x5u: string; readonly jwk: object };

const HEADER = { alg: 'RS256', typ: 'at+jwt', kid: 'one' };
const claims = (more: object = {}): object => {
  const now = Math.floor(Date.now() / 1_000);
  return {
    iss: issuer,
    aud: AUDIENCE,
    sub: 'jane',
    iat: now,
    exp: now + 300,
    jti: newId(8),
    client_id: 'console',
    org: 'acme',
    roles: ['sworn-auditor'],
    ...more,
  };
};
const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = (header: object, payload: object, key: KeyObject = keys.privateKey): string => {
  const text = `${base64(header)}.${base64(payload)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
};
const macced = (header: object, secret: string | Buffer): string => {
  const text = `${base64(header)}.${base64(claims())}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
};
const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString();

async function shown(token: string): Promise<Reply> {
  const reply = await stage.ask({ target: `${LOGS}/llm-runs`, headers: bearer(token) });
  expect(reply.text).not.toContain(SECRET);
  await stage.unharmed([reply]);
  return reply;
}

test('a token that is right opens its own tenant, and nothing of another', async () => {
  const reply = await shown(signed(HEADER, claims()));
  expect([reply.status, (JSON.parse(reply.text) as { items: unknown[] }).items]).toEqual([200, []]);
  const theirs = await stage.ask({
    target: `${LOGS}/llm-runs/${stage.run}/envelope`,
    headers: bearer(signed(HEADER, claims())),
  });
  expect(theirs.status).toBe(404);
});

describe('a token is 401', () => {
  const now = (): number => Math.floor(Date.now() / 1_000);
  test.each<[string, () => string]>([
    ['without a signature, by its own word', () => `${base64({ ...HEADER, alg: 'none' })}.${base64(claims())}.`],
    ['without a signature, in another spelling', () => `${base64({ ...HEADER, alg: 'nOnE' })}.${base64(claims())}.`],
    ['whose signature is left out', () => signed(HEADER, claims()).replace(/[^.]+$/, '')],
    ['under an HMAC whose secret is the public key', () => macced({ ...HEADER, alg: 'HS256' }, pem(keys.publicKey))],
    ['under an HMAC of nothing', () => macced({ ...HEADER, alg: 'HS256' }, '')],
    ['that says RS256 of an HMAC', () => macced(HEADER, pem(keys.publicKey))],
    ['under another algorithm of the same key', () => signed({ ...HEADER, alg: 'PS256' }, claims())],
    ['under a key of a stranger', () => signed(HEADER, claims(), stranger.privateKey)],
    ['that brings its key along', () => signed({ ...HEADER, ...forgedPlaces }, claims(), stranger.privateKey)],
    [
      'whose claims were changed after',
      () => {
        const [header, , signature] = signed(HEADER, claims()).split('.');
        return `${header}.${base64(claims({ org: 'other' }))}.${signature}`;
      },
    ],
    ['of another issuer', () => signed(HEADER, claims({ iss: 'https://evil.example/' }))],
    ['of an issuer that only begins alike', () => signed(HEADER, claims({ iss: `${issuer}.evil.example` }))],
    ['of a list of issuers', () => signed(HEADER, claims({ iss: [issuer] }))],
    ['for another audience', () => signed(HEADER, claims({ aud: 'https://other.example/' }))],
    ['for no audience', () => signed(HEADER, claims({ aud: undefined }))],
    ['that is over', () => signed(HEADER, claims({ exp: now() - 120 }))],
    ['that never ends', () => signed(HEADER, claims({ exp: undefined }))],
    ['that is not yet', () => signed(HEADER, claims({ nbf: now() + 600 }))],
    ['of tomorrow', () => signed(HEADER, claims({ iat: now() + 86_400, exp: now() + 90_000 }))],
    ['without a subject', () => signed(HEADER, claims({ sub: undefined }))],
    ['whose subject is a list', () => signed(HEADER, claims({ sub: ['jane'] }))],
    ['of the wrong kind', () => signed({ ...HEADER, typ: 'id+jwt' }, claims())],
    ['that demands what nobody understands', () => signed({ ...HEADER, crit: ['exp2'], exp2: 1 }, claims())],
    [
      'with a kid that is a path',
      () => signed({ ...HEADER, kid: '../../../../dev/null' }, claims(), stranger.privateKey),
    ],
    ['with a kid that is SQL', () => signed({ ...HEADER, kid: "x' union select 'k" }, claims(), stranger.privateKey)],
    ['in five parts', () => `${signed(HEADER, claims())}.x.y`],
  ])('%s', async (_, token) => {
    const reply = await shown(token());
    expect(reply.status).toBe(401);
  });
});

test('nobody was asked for the keys that a token brings along', () => {
  expect(asked).toBeGreaterThan(0);
  expect(askedElsewhere).toBe(0);
});

test('a token that no header can hold is refused before it is read', async () => {
  const token = signed(HEADER, claims({ x: 'x'.repeat(100_000) }));
  expect((await stage.ask({ target: `${LOGS}/llm-runs`, headers: bearer(token) })).status).toBe(400);
  await stage.unharmed();
});

describe('a token of a tenant', () => {
  test.each<[unknown]>([
    ['other'],
    [''],
    [['acme']],
    [['acme', 'other']],
    [{ acme: true }],
    [1],
    [true],
    [null],
    ['ACME'],
    ['acme '],
    ['__proto__'],
    ['constructor'],
    ['toString'],
  ])('that is %j is 403', async (org) => {
    const reply = await shown(signed(HEADER, claims({ org })));
    expect([reply.status, (JSON.parse(reply.text) as { code: string }).code]).toEqual([403, 'tenant_required']);
  });

  test('by its id, which no claim may name', async () => {
    for (const org of [stage.attacker.id, stage.bystander.id])
      expect((await shown(signed(HEADER, claims({ org })))).status).toBe(403);
  });
});

test.each<[unknown]>([
  [[]],
  ['admin'],
  [['__proto__']],
  [{ 'sworn-auditor': true }],
  [[['sworn-auditor']]],
  [undefined],
])('a role that is %j opens nothing', async (roles) => {
  expect((await shown(signed(HEADER, claims({ roles })))).status).toBe(403);
});

test('a token beside a key is ambiguous, and a token opens no door of producers', async () => {
  const token = signed(HEADER, claims());
  const both = await stage.ask({
    target: `${LOGS}/llm-runs`,
    headers: [...bearer(token), 'x-api-key', stage.attacker.reader],
  });
  expect(both.status).toBe(400);
  expect((await stage.send('traces', {}, { key: token })).status).toBe(401);
});

test('a flood of keys that nobody has asks the issuer once', async () => {
  await shown(signed(HEADER, claims()));
  const before = asked;
  const flood = Array.from({ length: 300 }, () =>
    stage.ask({
      target: `${LOGS}/llm-runs`,
      headers: bearer(signed({ ...HEADER, kid: newId(8) }, claims(), stranger.privateKey)),
    }),
  );
  for (const { status } of await Promise.all(flood)) expect([401, 429, 503]).toContain(status);
  expect(asked - before).toBeLessThanOrEqual(1);
  expect((await shown(signed(HEADER, claims()))).status).toBe(200);
});
