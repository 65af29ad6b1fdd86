import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkText, readLink } from '../src/access/exportLink.js';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import { described, download, type Exported, withRun } from './exportHouse.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';

let house: House;
beforeAll(async () => {
  house = await buildHouse({ linkSeconds: 300 });
});
afterAll(() => house.close());

interface Linked {
  readonly path: string;
  readonly expires_at: string;
}

const linksOf = async (of: Exported, key = of.auditor.key): Promise<readonly Linked[]> =>
  (await described(house, of, '?link=true', key)).json.formats;
const opens = async (path: string, headers = {}) => {
  const { status, code } = await download(house, path, null, headers);
  return code ?? status;
};
const linkIn = (path: string) => new URL(path, house.url).searchParams.get('link') ?? '';

describe('a link to a bundle', () => {
  it('opens one file for some minutes, without a credential, in the name of the key that asked', async () => {
    const of = await withRun(house);
    const [zip, other] = await linksOf(of);
    expect(await opens(zip?.path ?? '')).toBe(200);
    expect(await opens((other?.path ?? '').replace(/\?.*/, `?link=${linkIn(zip?.path ?? '')}`))).toBe(
      'not_authenticated',
    );
    expect((await accessRecords(house, of.tenant)).filter((m) => m['kind'] === 'EXPORT_DELIVERED')).toMatchObject([
      { credential_id: of.auditor.keyId, by_link: true, delivered: 'zip' },
    ]);
    const [item] = (await get(house, '/api/v1/logs/audit/exports', of.auditor.key)).json.items;
    expect(item.recipients).toMatchObject([{ actor_id: of.auditor.keyId, by_link: true, downloads: 1 }]);
    house.advance(200_000);
    expect(await opens(zip?.path ?? '')).toBe(200);
    house.advance(101_000);
    expect(await opens(zip?.path ?? '')).toBe('not_authenticated');
  });

  it('is dead when its key is revoked or has ended', async () => {
    const of = await withRun(house);
    const revoked = await house.keys.issue({ tenantId: of.tenant, role: 'auditor' });
    const [zip] = await linksOf(of, revoked.key);
    expect(await opens(zip?.path ?? '')).toBe(200);
    await house.keys.revoke(of.tenant, revoked.keyId);
    expect(await opens(zip?.path ?? '')).toBe('not_authenticated');
    const short = await house.keys.issue({ tenantId: of.tenant, role: 'auditor', livesMs: 60_000 });
    const [brief] = await linksOf(of, short.key);
    expect(Date.parse(brief?.expires_at ?? '')).toBeLessThanOrEqual(Date.parse(short.expiresAt));
    house.advance(61_000);
    expect(['not_authenticated', 'credential_expired']).toContain(await opens(brief?.path ?? ''));
  });

  it('is dead when the bundle is not there any more', async () => {
    const of = await withRun(house);
    const got = await described(house, of, '?link=true');
    await house.kept.remove(of.tenant, got.json.identity.export_id);
    expect(await opens(got.json.formats[0].path)).toBe('not_found');
  });

  it('opens nothing that its key may not have, and goes with no credential', async () => {
    const of = await withRun(house);
    const { key } = await house.keys.issue({
      tenantId: of.tenant,
      role: 'auditor',
      bounds: { ...UNBOUNDED, payloads: 'hashes' },
    });
    expect((await get(house, `${of.path}?link=true&disclose=all`, key)).status).toBe(403);
    const [zip] = await linksOf(of);
    expect(await opens(zip?.path ?? '', { authorization: `Bearer ${of.auditor.key}` })).toBe('ambiguous_credential');
    expect(await opens(`${zip?.path}&link=x`)).toBe('invalid_parameter');
    expect(await opens(`${zip?.path}&limit=1`)).toBe('invalid_parameter');
  });

  it('says nothing of itself in what is stored or logged, whatever becomes of the request', async () => {
    const of = await withRun(house);
    const [zip] = await linksOf(of);
    const path = zip?.path ?? '';
    const link = linkIn(path);
    const authorization = { authorization: `Bearer ${of.auditor.key}` };
    await opens(path);
    await opens(path.replace('bundle.zip', 'none.zip'));
    await opens(path, authorization);
    for (const [method, to] of [
      ['POST', path],
      ['GET', `/api/v1/logs/llm-runs?link=${link}`],
      ['GET', `/api/v1/logs/llm-runs?l%69nk=${link}`],
      ['GET', `/nowhere?link=${link}`],
    ] as const) {
      const answer = await fetch(house.url + to, { method, headers: authorization });
      expect(await answer.text()).not.toContain(link);
    }
    expect(house.logged.join('\n')).not.toContain(link);
    for (const m of await accessRecords(house, of.tenant)) expect(JSON.stringify(m)).not.toContain(link);
    const accesses = (await get(house, '/api/v1/logs/audit/access?limit=100', of.auditor.key)).json.items;
    for (const { id } of accesses as readonly { readonly id: string }[]) {
      const { text } = await get(house, `/api/v1/logs/audit/${id}`, of.auditor.key);
      expect(text).not.toContain(link);
    }
    expect((await download(house, path, null)).headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('is neither made nor taken where no setting says so', async () => {
    const without = await buildHouse();
    try {
      const of = await withRun(without);
      const got = await get(without, `${of.path}?link=true`, of.auditor.key);
      expect([got.status, got.json.errors?.[0]?.parameter]).toEqual([400, 'link']);
      const { formats, identity } = (await described(without, of)).json;
      expect(formats[0]).toMatchObject({ expires_at: null });
      const until = Math.floor(Date.now() / 1_000) + 60;
      const file = {
        tenantId: of.tenant,
        keyId: of.auditor.keyId,
        exportId: identity.export_id,
        name: 'bundle.zip',
        until,
      };
      const forged = `${formats[0].path}?link=${linkText(without.keyStore.linkKey, file)}`;
      expect((await download(without, forged, null)).code).toBe('not_authenticated');
    } finally {
      await without.close();
    }
  });
});

describe('the text of a link', () => {
  const key = new Uint8Array(32).fill(7);
  const now = 1_800_000_000_000;
  const file = {
    tenantId: '00000000-0000-4000-8000-000000000001',
    keyId: '00000000-0000-4000-8000-000000000002',
    exportId: `exp_${'a'.repeat(32)}`,
    name: 'bundle.zip',
    until: now / 1_000 + 300,
  };
  const text = linkText(key, file);

  it('says what it opens', () => {
    expect(readLink(key, text, { ...file, now })).toEqual(file);
  });

  it('opens nothing with any of it changed, for any other file, key or time', () => {
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom('A', 'B', 'a', 'b', '0', '9', '-', '_', '=', '.', ' '),
        (at, character) => {
          fc.pre(text[at] !== character);
          expect(readLink(key, text.slice(0, at) + character + text.slice(at + 1), { ...file, now })).toBeNull();
        },
      ),
    );
    for (const other of ['', text.slice(1), `${text}A`, `${text}=`])
      expect(readLink(key, other, { ...file, now })).toBeNull();
    expect(readLink(key, text, { ...file, name: 'data/report.pdf', now })).toBeNull();
    expect(readLink(key, text, { ...file, exportId: `exp_${'b'.repeat(32)}`, now })).toBeNull();
    expect(readLink(new Uint8Array(32), text, { ...file, now })).toBeNull();
    expect(readLink(key, text, { ...file, now: file.until * 1_000 })).toBeNull();
    expect(readLink(key, text, { ...file, now: now - 601_000 })).toBeNull();
  });

  it('is another of another tenant, key, file, export or end', () => {
    const others = [
      { tenantId: file.keyId },
      { keyId: file.tenantId },
      { name: 'data/trace.json' },
      { exportId: `exp_${'b'.repeat(32)}` },
      { until: file.until + 1 },
    ].map((change) => linkText(key, { ...file, ...change }).slice(-40));
    expect(new Set([text.slice(-40), ...others]).size).toBe(6);
  });
});
