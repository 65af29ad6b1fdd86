import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseVkey, vkeyOf } from '@sworn/evidence';
import { bytesSource, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeyBounds, UNBOUNDED } from '../src/access/keyBounds.js';
import { described, download, type Exported, withRun } from './exportHouse.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun } from './facadeSpans.js';

const run = promisify(execFile);
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

interface Format {
  readonly format: string;
  readonly name: string;
  readonly size: number;
  readonly checksum: string;
  readonly path: string;
}

let house: House;
let mine: Exported;
let zip: Format;
let formats: readonly Format[];

beforeAll(async () => {
  house = await buildHouse();
  mine = await withRun(house);
  ({ formats } = (await described(house, mine)).json);
  zip = formats.find(({ format }) => format === 'zip') as Format;
});
afterAll(() => house.close());

const deliveries = async () =>
  (await accessRecords(house, mine.tenant)).filter((m) => m['kind'] === 'EXPORT_DELIVERED');

describe('a bundle that is downloaded', () => {
  it('is what its description says, and is verified by a stranger who pinned the key', async () => {
    const got = await download(house, zip.path, mine.auditor.key);
    expect(got.status).toBe(200);
    expect(sha256(got.bytes)).toBe(zip.checksum);
    expect(got.bytes.length).toBe(zip.size);
    expect(Object.fromEntries(got.headers)).toMatchObject({
      'content-type': 'application/zip',
      'content-length': String(zip.size),
      'content-disposition': expect.stringMatching(/^attachment; filename="exp_[0-9a-f]{32}\.zip"$/),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'private, no-store',
      'accept-ranges': 'bytes',
      etag: `"${zip.checksum.slice(7)}"`,
      'repr-digest': `sha-256=:${Buffer.from(zip.checksum.slice(7), 'hex').toString('base64')}:`,
    });
    const keys = ['llm-runs', 'system', 'audit', 'access'].map((log) =>
      parseVkey(vkeyOf(house.read.originOf(mine.tenant, log), house.keyStore.noteSigner.publicKey)),
    );
    const found = await verifyBundle(bytesSource(got.bytes), { keys, verify: verifyEd25519 });
    expect(found.findings).toEqual([]);
    expect(found.verdict).toBe('VERIFIED');
  });

  it('has each of its files by name, as an attachment that no browser shows as a page of ours', async () => {
    expect(new Set(formats.map(({ format }) => format))).toEqual(new Set(['zip', 'json', 'csv', 'html', 'pdf']));
    for (const { path, size, checksum, format } of formats) {
      const got = await download(house, path, mine.auditor.key);
      expect([got.status, got.bytes.length, sha256(got.bytes)], path).toEqual([200, size, checksum]);
      expect(got.headers.get('content-disposition'), path).toMatch(/^attachment; filename="exp_[A-Za-z0-9._-]+"$/);
      if (format === 'html') expect(got.headers.get('content-type')).toBe('application/octet-stream');
    }
    const proof = await download(house, zip.path.replace('bundle.zip', 'proofs/llm-runs/checkpoint'), mine.auditor.key);
    expect(proof.bytes.toString('utf8')).toContain(house.read.originOf(mine.tenant, 'llm-runs'));
  });

  it('is on record before it leaves: who, which file, how many bytes and from where', async () => {
    const before = (await deliveries()).length;
    await download(house, zip.path, mine.auditor.key, { range: 'bytes=10-19' });
    const csv = formats.find(({ format }) => format === 'csv') as Format;
    await download(house, csv.path, mine.auditor.key);
    const [ranged, whole] = (await deliveries()).slice(before);
    const common = {
      endpoint: 'exports.download',
      decision: 'ALLOW',
      credential_id: mine.auditor.keyId,
      run_id: mine.run,
    };
    expect(ranged).toMatchObject({ ...common, delivered: 'zip', bytes: 10, range_from: 10, status: 206 });
    expect(whole).toMatchObject({ ...common, delivered: csv.name, bytes: csv.size, status: 200 });
    expect(whole).not.toHaveProperty('range_from');
  });

  it('is not sent when that cannot be recorded', async () => {
    house.breakRecorder(true);
    try {
      for (const headers of [{}, { range: 'bytes=0-1' }])
        expect(await download(house, zip.path, mine.auditor.key, headers)).toMatchObject({
          status: 503,
          code: 'unavailable',
        });
    } finally {
      house.breakRecorder(false);
    }
  });

  it('answers HEAD with what GET would say, records a read, and delivers nothing', async () => {
    const before = (await deliveries()).length;
    const whole = await download(house, zip.path, mine.auditor.key);
    const head = await download(house, zip.path, mine.auditor.key, { range: 'bytes=0-1' }, 'HEAD');
    expect(head.bytes.length).toBe(0);
    for (const name of ['content-length', 'etag', 'content-type', 'content-disposition', 'accept-ranges'])
      expect(head.headers.get(name), name).toBe(whole.headers.get(name));
    expect(head.status).toBe(200);
    expect((await deliveries()).length).toBe(before + 1);
    expect((await accessRecords(house, mine.tenant)).at(-1)).toMatchObject({
      kind: 'READ',
      method: 'HEAD',
      status: 200,
    });
  });

  it('is sent in ranges that together are all of it', async () => {
    const whole = (await download(house, zip.path, mine.auditor.key)).bytes;
    const at = async (range: string, more: Record<string, string> = {}) =>
      download(house, zip.path, mine.auditor.key, { range, ...more });
    const cut = Math.floor(zip.size / 3);
    const parts = [
      await at(`bytes=0-${cut - 1}`),
      await at(`bytes=${cut}-${2 * cut}`),
      await at(`bytes=${2 * cut + 1}-`),
    ];
    expect(Buffer.concat(parts.map(({ bytes }) => bytes)).equals(whole)).toBe(true);
    for (const part of parts) expect(part.status).toBe(206);
    expect(parts[0]?.headers.get('content-range')).toBe(`bytes 0-${cut - 1}/${zip.size}`);
    expect((await at('bytes=-5')).bytes.equals(whole.subarray(-5))).toBe(true);
    expect((await at('bytes=0-0,5-6')).status).toBe(200);
    expect((await at('lines=0-1')).status).toBe(200);
    const etag = parts[0]?.headers.get('etag') ?? '';
    expect((await at('bytes=0-1', { 'if-range': etag })).status).toBe(206);
    expect((await at('bytes=0-1', { 'if-range': '"other"' })).status).toBe(200);
    const behind = await at(`bytes=${zip.size}-`);
    expect([behind.status, behind.code]).toEqual([416, 'range_not_satisfiable']);
    expect(behind.headers.get('content-range')).toBe(`bytes */${zip.size}`);
    expect((await at('bytes=0-1', { 'if-none-match': etag })).status).toBe(304);
  });

  it('is gone on with by curl where it was broken off', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sworn-curl-'));
    const file = join(dir, 'bundle.zip');
    const ask = ['-sS', '--fail', '-H', `Authorization: Bearer ${mine.auditor.key}`, '-o', file, house.url + zip.path];
    try {
      await run('curl', ask);
      truncateSync(file, Math.floor(zip.size / 2));
      await run('curl', ['-C', '-', ...ask]);
      expect(sha256(readFileSync(file))).toBe(zip.checksum);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
    expect((await deliveries()).at(-1)).toMatchObject({ range_from: Math.floor(zip.size / 2), status: 206 });
  });

  it('counts as one download however many ranges it is taken in; whoever leaves out the first byte is counted too', async () => {
    const other = await withRun(house);
    const { formats: theirs } = (await described(house, other)).json as { readonly formats: readonly Format[] };
    const all = theirs[0] as Format;
    const size = Math.ceil(all.size / 20);
    for (let from = 0; from < all.size; from += size)
      await download(house, all.path, other.auditor.key, { range: `bytes=${from}-${from + size - 1}` });
    const second = await house.keys.issue({ tenantId: other.tenant, role: 'auditor' });
    await download(house, all.path, second.key, { range: 'bytes=1-' });
    const [item] = (await get(house, '/api/v1/logs/audit/exports', other.auditor.key)).json.items;
    expect(item).toMatchObject({
      export_status: 'COMPLETED',
      actor_id: other.auditor.keyId,
      downloads: 2,
      delivered: true,
      partial: false,
      recipients_left_out: 0,
      recipients: [
        {
          actor_type: 'API_KEY',
          actor_id: other.auditor.keyId,
          name: 'zip',
          downloads: 1,
          deliveries: 20,
          bytes: all.size,
        },
        { actor_id: second.keyId, name: 'zip', downloads: 1, deliveries: 1, bytes: all.size - 1, by_link: false },
      ],
    });
    const accesses = (await get(house, `/api/v1/logs/audit/access?run_id=${other.run}`, other.auditor.key)).json.items;
    expect(accesses.filter((one: { action: string }) => one.action === 'DOWNLOAD')).toHaveLength(21);
  });
});

describe('whoever may not see all of a bundle', () => {
  const keyFor = async (bounds: Partial<KeyBounds>, role: 'auditor' | 'reader' = 'auditor') =>
    (await house.keys.issue({ tenantId: mine.tenant, role, bounds: { ...UNBOUNDED, ...bounds } })).key;
  const tried = async (key: string | null, path = zip.path) => {
    const { status, code } = await download(house, path, key);
    return [status, code];
  };

  it('is told the same of one of another tenant as of one that never was', async () => {
    const stranger = await withRun(house);
    const texts = await Promise.all(
      [zip.path, zip.path.replace(/exp_[0-9a-f]{32}/, `exp_${'0'.repeat(32)}`), '/api/v1/exports/x/bundle.zip'].map(
        async (path) => {
          const got = await get(house, path, stranger.auditor.key);
          return [got.status, got.json.code, got.json.detail];
        },
      ),
    );
    expect(new Set(texts.map((text) => JSON.stringify(text))).size).toBe(1);
    expect(texts[0]?.slice(0, 2)).toEqual([404, 'not_found']);
    expect(await tried(mine.auditor.key, zip.path.replace('bundle.zip', 'data/none.json'))).toEqual([404, 'not_found']);
    expect(await tried(mine.auditor.key, zip.path.replace('bundle.zip', '..%2F..%2Fetc'))).toEqual([404, 'not_found']);
  });

  it('has none of it: without a key, without logs.export, of other topics or times', async () => {
    const ingest = (await house.keys.issue({ tenantId: mine.tenant, role: 'ingest' })).key;
    expect(await tried(null)).toEqual([401, 'not_authenticated']);
    expect(await tried(ingest)).toEqual([403, 'permission_denied']);
    expect(await tried(await keyFor({ topics: ['LLM_RUNS'] }))).toEqual([403, 'permission_denied']);
    expect(await tried(await keyFor({ occurredBefore: '2001-01-01T00:00:00.000000Z' }))).toEqual([
      403,
      'permission_denied',
    ]);
    expect(await tried(await keyFor({ payloads: 'none' }))).toEqual([200, null]);
    expect(await tried(mine.reader.key)).toEqual([200, null]);
    const refused = (await accessRecords(house, mine.tenant)).filter((m) => m['decision'] === 'DENY');
    expect(refused).toContainEqual(
      expect.objectContaining({ kind: 'READ', endpoint: 'exports.download', reason_code: 'permission_denied' }),
    );
  });

  it('has contents only where it may read them one by one', async () => {
    const full = (await described(house, mine, '?disclose=all')).json;
    const governance = (await described(house, mine, '?disclose=governance')).json;
    const hashes = await keyFor({ payloads: 'hashes' });
    expect(full.formats.map((one: Format) => one.format)).toContain('otlp');
    expect(await tried(mine.reader.key, full.formats[0].path)).toEqual([200, null]);
    expect(await tried(hashes, full.formats[0].path)).toEqual([403, 'permission_denied']);
    expect(await tried(mine.reader.key, governance.formats[0].path)).toEqual([403, 'permission_denied']);
    for (const [key, disclose] of [
      [hashes, 'all'],
      [hashes, 'governance'],
      [mine.reader.key, 'governance'],
    ] as const) {
      const got = await get(house, `${mine.path}?disclose=${disclose}`, key);
      expect([got.status, got.json.errors?.[0]?.parameter], disclose).toEqual([403, 'disclose']);
    }
  });

  it('is told that a bundle is withheld that would hold records it may not see, and has none built', async () => {
    const got = await get(house, mine.path, await keyFor({ topics: ['LLM_RUNS'] }));
    expect(got.json).toMatchObject({
      state: 'DESCRIBED',
      status: 'WITHHELD',
      reason: 'permission_denied',
      formats: [],
      identity: { export_id: null, pins: [{ log: 'llm-runs' }] },
    });
  });
});

it('a bundle of a run that is sealed anew is another one; the one before stays', async () => {
  const of = await withRun(house);
  const before = (await described(house, of)).json;
  // Other spans of the same trace.
  await house.ingest(of.tenant, agentRun(of.run));
  await house.seal(of.tenant);
  await house.sign(of.tenant);
  const after = (await described(house, of)).json;
  expect(after).toMatchObject({ status: 'READY' });
  expect(after.identity.export_id).not.toBe(before.identity.export_id);
  expect((await download(house, before.formats[0].path, of.auditor.key)).status).toBe(200);
  expect((await download(house, after.formats[0].path, of.auditor.key)).status).toBe(200);
});
