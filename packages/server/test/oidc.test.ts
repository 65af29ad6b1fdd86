import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sessionRoles } from '../src/access/rules.js';
import { readOidcFile } from '../src/oidcIssuers.js';
import { RULES } from './accessRules.js';
import { accessRecords, get, type Got } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { type IdentityProvider, startIdentityProvider } from './identityProvider.js';

const RUNS = '/api/v1/logs/llm-runs';
const ACCESS = '/api/v1/logs/audit/access';
const IDENTITY = '/api/v1/logs/audit/identity';
const AUDIENCE = 'https://sworn.example/';
const TENANT = 'https://sworn.example/tenant';

let dir: string;
let house: House;
let idp: IdentityProvider;
let neighbour: IdentityProvider;
let acme: string;
let globex: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sworn-oidc-'));
  idp = await startIdentityProvider();
  neighbour = await startIdentityProvider();
  house = await buildHouse({
    async oidc(createTenant) {
      acme = await createTenant('acme');
      globex = await createTenant('globex');
      return file({ issuers: [entry('acme-idp', idp, { acme }), entry('globex-idp', neighbour, { globex })] });
    },
  });
});
afterAll(async () => {
  await house.close();
  await Promise.all([idp.close(), neighbour.close()]);
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  idp.instead(null);
  // Past every cooldown, so that tests do not share one.
  advance(31_000);
});

function file(content: unknown): string {
  const path = join(dir, `${crypto.randomUUID()}.yaml`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function entry(name: string, of: { readonly issuer: string }, tenants: Record<string, string>) {
  return {
    name,
    issuer: of.issuer,
    audience: [AUDIENCE],
    algorithms: ['RS256'],
    required: [{ claim: ['plan'], values: ['evidence'] }],
    tenant: { claim: [TENANT], values: tenants },
    roles: { claim: ['realm_access', 'roles'], values: { 'sworn-reader': 'reader', 'sworn-auditor': 'auditor' } },
  };
}

/** What a token says beside what every token does. */
const claims = (more: Record<string, unknown> = {}) => ({
  [TENANT]: 'acme',
  plan: 'evidence',
  realm_access: { roles: ['sworn-auditor', 'cook'] },
  ...more,
});

/** A whole payload, as of the house's clock. */
async function payload(more: Record<string, unknown> = {}): Promise<JWTPayload> {
  const now = Math.floor(clock() / 1000);
  return {
    iss: idp.issuer,
    sub: 'ada.lovelace',
    aud: AUDIENCE,
    iat: now,
    exp: now + 600,
    jti: crypto.randomUUID(),
    ...claims(),
    ...more,
  };
}
const clock = (): number => Date.now() + ahead;
let ahead = 0;
function advance(ms: number): void {
  house.advance(ms);
  ahead += ms;
}
const seconds = (): number => Math.floor(clock() / 1000);

const read = (token: string, path = RUNS): Promise<Got> => get(house, path, token);
const refusal = async (token: string): Promise<string> => {
  const { status, json } = await read(token);
  return `${status} ${json?.code}`;
};

describe('a session of an identity provider', () => {
  it('reads what its role may, of the tenant that its claim names, and is recorded by tokens alone', async () => {
    const token = await idp.sign(await payload({ sid: 'session-1' }));
    expect((await read(token)).status).toBe(200);
    expect((await read(token, ACCESS)).status).toBe(200);
    const records = (await accessRecords(house, acme)).slice(-2);
    const [first] = records;
    expect(records).toMatchObject([
      { decision: 'ALLOW', role: 'auditor', identity_provider: 'acme-idp' },
      { decision: 'ALLOW', role: 'auditor', identity_provider: 'acme-idp' },
    ]);
    expect(first?.['human_actor_id']).toMatch(/^tok_[0-9a-f]{32}$/);
    expect(first?.['credential_id']).toBe(first?.['human_actor_id']);
    expect(JSON.stringify(records)).not.toContain('lovelace');
    expect(JSON.stringify(records)).not.toContain('session-1');
    const actor = String(first?.['human_actor_id']);
    const shown = (await read(token, `/api/v1/logs/audit?log=access&actor_id=${actor}&actor_type=HUMAN`)).json;
    expect(shown.items.at(-1)).toMatchObject({
      actor_type: 'HUMAN',
      actor_id: actor,
      metadata: { human_actor_id: actor, system_id: null, actor_basis: 'AUTHENTICATED' },
    });
    expect(shown.clear[actor]).toBe(`${idp.issuer} ada.lovelace`);
    expect((await house.check(acme)).findings).toEqual([]);
  });

  it('is taken from the provider’s own hand: discovery, keys and an access token as it makes them', async () => {
    // The provider signs by the real clock.
    const real = await buildHouse({
      async oidc(createTenant) {
        const id = await createTenant('acme');
        return file({ issuers: [entry('acme-idp', idp, { acme: id })] });
      },
    });
    try {
      expect((await get(real, RUNS, await idp.token(claims()))).status).toBe(200);
      expect((await get(real, RUNS, await idp.token(claims(), 'https://elsewhere.example/'))).json.code).toBe(
        'not_authenticated',
      );
    } finally {
      await real.close();
    }
  });

  it('signs in once, however often its tokens are used or renewed, and is shown with how it came', async () => {
    const [one, two] = [await payload({ sid: 'renewed' }), await payload({ sid: 'renewed' })];
    const tokens = [await idp.sign(one), await idp.sign(two)];
    await Promise.all([...tokens, ...tokens].map((token) => read(token)));
    const { items } = (await read(tokens[0] ?? '', `${IDENTITY}?event_type=LOGIN`)).json;
    const session = items[0].session;
    expect(items.filter((item: { session: string }) => item.session === session)).toHaveLength(1);
    expect(items[0]).toMatchObject({
      log: 'control',
      actor_type: 'HUMAN',
      entity_type: 'PERSON',
      method: 'OIDC',
      identity_provider: 'acme-idp',
      decision: 'ALLOW',
      source: expect.stringMatching(/^tok_/),
      session: expect.stringMatching(/^tok_/),
      metadata: { human_actor_id: items[0].actor_id, actor_basis: 'AUTHENTICATED' },
    });
    const mine = (await read(tokens[0] ?? '', `${IDENTITY}?actor_id=${items[0].actor_id}&decision=ALLOW`)).json.items;
    expect(mine.length).toBeGreaterThan(0);
    expect((await read(tokens[0] ?? '', `${IDENTITY}?actor_id=${items[0].actor_id}&decision=DENY`)).json.items).toEqual(
      [],
    );
  });

  it('without a role that is mapped is known, refused, and recorded in its tenant', async () => {
    const before = (await accessRecords(house, acme)).length;
    for (const realm_access of [
      undefined,
      'sworn-auditor',
      { roles: ['constructor', '__proto__'] },
      { roles: { 0: 'sworn-auditor' } },
    ])
      expect(await refusal(await idp.sign(await payload({ realm_access })))).toBe('403 permission_denied');
    expect((await accessRecords(house, acme)).slice(before)).toMatchObject(
      Array.from({ length: 4 }, () => ({ decision: 'DENY', reason_code: 'permission_denied', role: 'none' })),
    );
  });
});

describe('a token is refused', () => {
  it.each<[string, () => Promise<string>]>([
    ['of an issuer that is not known', async () => idp.sign(await payload({ iss: 'https://evil.example' }))],
    ['that says it is of another issuer than signed it', async () => neighbour.sign(await payload({}))],
    ['for another audience', async () => idp.sign(await payload({ aud: 'https://elsewhere.example/' }))],
    ['without an audience', async () => idp.sign(await payload({ aud: undefined }))],
    ['without an expiry', async () => idp.sign(await payload({ exp: undefined }))],
    ['that is not valid yet', async () => idp.sign(await payload({ nbf: seconds() + 90 }))],
    ['that was issued in the future', async () => idp.sign(await payload({ iat: seconds() + 90 }))],
    ['that lives for a year', async () => idp.sign(await payload({ exp: seconds() + 31_536_000 }))],
    ['without a subject', async () => idp.sign(await payload({ sub: undefined }))],
    ['whose subject is no text', async () => idp.sign(await payload({ sub: ['ada.lovelace'] }))],
    ['that lacks a required claim', async () => idp.sign(await payload({ plan: 'cinema' }))],
    ['that is an ID token by its type', async () => idp.sign(await payload(), { typ: 'JWT' })],
    ['without a type', async () => idp.sign(await payload(), { typ: undefined as unknown as string })],
    ['with claims of an ID token', async () => idp.sign(await payload({ nonce: 'n', at_hash: 'h' }))],
    ['that is bound to a key of its holder', async () => idp.sign(await payload({ cnf: { jkt: 'thumb' } }))],
    ['with a header that must be understood', async () => critical(await idp.sign(await payload()))],
    ['with an algorithm that is not its issuer’s', async () => es256(await payload())],
    ['that nobody signed', async () => unsigned(await payload())],
    ['signed by HMAC with the public key', async () => hmac(await payload())],
    ['with a key in its own header', async () => withOwnKey(await payload())],
    [
      'of four parts, or with a signature of nothing',
      async () => `${(await idp.sign(await payload())).split('.').slice(0, 2).join('.')}.`,
    ],
    ['that was changed', async () => changed(await idp.sign(await payload()))],
  ])('%s', async (_name, make) => {
    await read(await idp.sign(await payload()));
    expect(await refusal(await make())).toBe('401 not_authenticated');
  });

  it('that has expired, a minute of skew aside', async () => {
    const past = (ago: number) =>
      payload({ iat: seconds() - 600, exp: seconds() - ago }).then((said) => idp.sign(said));
    expect(await refusal(await past(90))).toBe('401 credential_expired');
    expect((await read(await past(30))).status).toBe(200);
  });

  it.each([[['acme']], [7], [{ acme: true }], [''], ['globex'], ['constructor'], [null], [undefined], ['ACME']])(
    'that names its tenant by %j',
    async (named) => {
      expect(await refusal(await idp.sign(await payload({ [TENANT]: named })))).toBe('403 tenant_required');
    },
  );

  it('for another issuer’s tenant, even if that issuer would have named it so', async () => {
    const said = await payload({ iss: neighbour.issuer, [TENANT]: 'acme' });
    expect(await refusal(await neighbour.sign(said))).toBe('403 tenant_required');
    expect((await read(await neighbour.sign({ ...said, [TENANT]: 'globex' }))).json.metadata.tenant_id).toBe(globex);
  });

  it('beside another credential', async () => {
    const token = await idp.sign(await payload());
    const { key } = await house.keys.issue({ tenantId: acme, role: 'reader' });
    const both = await get(house, RUNS, token, { 'x-api-key': key });
    expect(both.json.code).toBe('ambiguous_credential');
    const basic = await get(house, RUNS, null, { authorization: `Basic ${btoa(`x:${token}`)}` });
    expect(basic.json.code).toBe('not_authenticated');
  });

  it('and its issuer’s failures are recorded, one for each minute and reason however many there are', async () => {
    advance(60_000 - (clock() % 60_000));
    const bad = await idp.sign(await payload({ aud: 'https://elsewhere.example/' }));
    for (let i = 0; i < 5; i++) await refusal(bad);
    const { key } = await house.keys.issue({ tenantId: house.platformTenant, role: 'auditor' });
    const { items } = (await get(house, `${IDENTITY}?event_type=LOGIN_FAILED&limit=1`, key)).json;
    expect(items).toMatchObject([
      {
        actor_type: 'UNKNOWN',
        identity_provider: 'acme-idp',
        decision: 'DENY',
        method: 'OIDC',
        metadata: { actor_basis: 'OBSERVED' },
      },
    ]);
    const all = await house.database.admin<{ n: number }>(
      `select count(*)::int as n from sworn.control_records where kind = 'LOGIN_FAILED'`,
    );
    for (let i = 0; i < 5; i++) await refusal(bad);
    expect(
      await house.database.admin(`select count(*)::int as n from sworn.control_records where kind = 'LOGIN_FAILED'`),
    ).toEqual(all);
  });
});

describe('the keys of an issuer', () => {
  it('are fetched anew when a token names one that is not there, and an old one is dead then', async () => {
    const before = await idp.sign(await payload());
    expect((await read(before)).status).toBe(200);
    await idp.rotate();
    advance(31_000);
    expect((await read(await idp.sign(await payload()))).status).toBe(200);
    expect(await refusal(before)).toBe('401 not_authenticated');
  });

  it('are fetched once a cooldown, however many tokens name keys that nobody has', async () => {
    await read(await idp.sign(await payload()));
    const before = idp.fetches();
    const flood = async () =>
      Promise.all(
        Array.from({ length: 50 }, async () => refusal(await idp.sign(await payload(), { kid: crypto.randomUUID() }))),
      );
    expect(new Set(await flood())).toEqual(new Set(['401 not_authenticated']));
    await flood();
    expect(idp.fetches() - before).toBeLessThanOrEqual(1);
  });

  it.each<[string, Parameters<IdentityProvider['instead']>[0]]>([
    ['a redirect', (request, response) => moved(request.url === '/moved', response)],
    ['an error', (_request, response) => void response.writeHead(500).end()],
    [
      'more than it may',
      (_request, response) => void response.writeHead(200).end(`{"keys":[${'0,'.repeat(200_000)}0]}`),
    ],
    ['no JSON', (_request, response) => void response.writeHead(200).end('<html>')],
    [
      'a document of another issuer',
      (_request, response) =>
        void response
          .writeHead(200)
          .end(JSON.stringify({ issuer: 'https://evil.example', jwks_uri: 'http://127.0.0.1:1/' })),
    ],
    [
      'a place for its keys that is not https',
      (_request, response) =>
        void response.writeHead(200).end(JSON.stringify({ issuer: idp.issuer, jwks_uri: 'http://evil.example/' })),
    ],
  ])('stay what they were while it answers with %s, and after an hour nobody is let in', async (_what, answer) => {
    await read(await idp.sign(await payload()));
    idp.instead(answer);
    advance(600_001);
    expect((await read(await idp.sign(await payload()))).status).toBe(200);
    advance(3_600_001);
    const away = await read(await idp.sign(await payload()));
    expect(away.status).toBe(503);
    expect(away.headers.get('retry-after')).toBe('30');
    idp.instead(null);
    advance(31_000);
    expect((await read(await idp.sign(await payload()))).status).toBe(200);
  });
});

const READING = ['reader', 'auditor'];

describe('a file of issuers', () => {
  it('may be as the examples of its page say', () => {
    const page = readFileSync(new URL('../../../docs/operate/oidc.md', import.meta.url), 'utf8');
    const examples = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml]) => readOidcFile(file(yaml), READING));
    expect(examples.map(([issuer]) => issuer?.name)).toEqual(['acme-idp', 'keycloak', 'entra']);
  });

  it('may give roles that the rules name, of whichever name', () => {
    const roles = { claim: ['groups'], values: { 'on call': 'support' } };
    const [issuer] = readOidcFile(file({ issuers: [{ ...good(), roles }] }), [...READING, 'support']);
    expect(issuer?.roles).toEqual(roles);
    const support = new Set(['logs.read'] as const);
    expect(sessionRoles({ ...RULES, roles: new Map([...RULES.roles, ['support', support]]) })).toEqual([
      ...READING,
      'support',
    ]);
  });

  const good = () => entry('acme-idp', idp, { acme });
  it.each<[string, () => unknown, string]>([
    ['a member nobody knows', () => ({ ...good(), audiences: ['x'] }), 'issuers › 0 › audiences: is no member here'],
    [
      'an algorithm with a shared secret',
      () => ({ ...good(), algorithms: ['HS256'] }),
      'issuers › 0 › algorithms › 0: must be one of RS256',
    ],
    ['the algorithm none', () => ({ ...good(), algorithms: ['none'] }), 'issuers › 0 › algorithms › 0'],
    ['an issuer that is not https', () => ({ ...good(), issuer: 'http://id.example' }), 'https://'],
    ['keys that are not https', () => ({ ...good(), jwks_uri: 'http://id.example/jwks' }), 'jwks_uri'],
    ['more skew than a minute', () => ({ ...good(), skew_seconds: 61 }), 'skew_seconds'],
    ['no audience', () => ({ ...good(), audience: [] }), 'audience'],
    ['a tenant that is no id', () => ({ ...good(), tenant: { id: 'acme' } }), 'tenant'],
    [
      'a role that sends',
      () => ({ ...good(), roles: { claim: ['r'], values: { x: 'ingest' } } }),
      'must be one of reader, auditor',
    ],
    [
      'tokens of type JWT without what tells ID tokens apart',
      () => ({ ...good(), header_types: ['JWT'], required: [] }),
      'ID tokens',
    ],
  ])('with %s is refused by name', (_name, make, said) => {
    expect(() => readOidcFile(file({ issuers: [make()] }), READING)).toThrow(said);
  });

  it('with one issuer twice is refused', () => {
    expect(() => readOidcFile(file({ issuers: [good(), good()] }), READING)).toThrow('stands twice');
  });
});

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function unsigned(said: JWTPayload): string {
  return `${part({ alg: 'none', typ: 'at+jwt' })}.${part(said)}.`;
}

/** Algorithm confusion: the public key, which everybody has, as the secret of an HMAC. */
async function hmac(said: JWTPayload): Promise<string> {
  const { keys } = (await (await fetch(`${idp.issuer}/jwks`)).json()) as { readonly keys: readonly JsonWebKey[] };
  const publicKey = await crypto.subtle.importKey(
    'jwk',
    keys[0] as JsonWebKey,
    { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    true,
    ['verify'],
  );
  return idp.sign(said, { alg: 'HS256' }, Buffer.from(await exportSPKI(publicKey)));
}

async function withOwnKey(said: JWTPayload): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  return idp.sign(said, { jwk, jku: 'http://127.0.0.1:1/keys', x5u: 'http://127.0.0.1:1/cert' }, privateKey);
}

function changed(token: string): string {
  const [header, said, signature] = token.split('.');
  const value = JSON.parse(Buffer.from(said ?? '', 'base64url').toString()) as object;
  return [header, part({ ...value, sub: 'eve' }), signature].join('.');
}

/** Whoever follows it takes another provider's keys for this one's. */
function moved(isThere: boolean, response: ServerResponse): void {
  if (isThere)
    response.writeHead(200).end(JSON.stringify({ issuer: idp.issuer, jwks_uri: `${neighbour.issuer}/jwks` }));
  else response.writeHead(302, { location: '/moved' }).end();
}

function critical(token: string): string {
  const [header, said, signature] = token.split('.');
  const value = JSON.parse(Buffer.from(header ?? '', 'base64url').toString()) as object;
  return [part({ ...value, crit: ['exp'], exp: 1 }), said, signature].join('.');
}

async function es256(said: JWTPayload): Promise<string> {
  return idp.sign(said, { alg: 'ES256' }, (await generateKeyPair('ES256')).privateKey);
}
