import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseVkey, vkeyOf } from '@sworn/evidence';
import { bytesSource, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../src/export/fileStore.js';
import { createKeptBundles, type KeptBundle, KeptBundleDamaged, type KeptBundles } from '../src/export/keptBundles.js';
import { createS3Store } from '../src/export/s3Store.js';
import { createDataKeys } from '../src/record/dataKeys.js';
import { madeBundle } from './exporting.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { bytesOf, namesIn } from './objectStoreContract.js';
import { openS3House } from './s3House.js';

const OTHER_EXPORT = `exp_${'0'.repeat(32)}`;

let house: House;
let root: string;
let kept: KeptBundles;
let tenant: string;
let run: string;

beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'sworn-kept-'));
  kept = keeping();
  tenant = await house.tenants.create({ name: 'acme' });
  run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  await house.sign(tenant);
  return () => rmSync(root, { recursive: true });
});

const storeOf = () => createFileStore({ root, reserveBytes: 0, now: Date.now });
const keeping = (store = storeOf()) =>
  createKeptBundles({
    store,
    dataKeys: recorderKeys(),
    now: Date.now,
  });
const recorderKeys = () =>
  createDataKeys({ db: house.read.db, keyStore: house.keyStore, role: 'recorder', now: house.exporting.now });

/** Makes the bundle of the run and keeps it. */
async function keepRun(disclosure: 'none' | 'all' = 'all', by = kept, before = async () => {}): Promise<KeptBundle> {
  const made = await madeBundle(house, { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure });
  try {
    await before();
    const { keyIds, manifest } = made.core;
    return await by.keep(tenant, made.exportId, { keyIds, manifest, files: made.files });
  } finally {
    await made.core.close();
  }
}

const fileOf = (bundle: KeptBundle, of = tenant) => join(root, of, bundle.exportId);
const zipOf = (bundle: KeptBundle) => bytesOf(bundle.read(0, bundle.size));
const keysOf = (of: string) =>
  ['llm-runs', 'system', 'audit', 'access'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(of, log), house.keyStore.noteSigner.publicKey)),
  );
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const destroyKeys = (where: string, params: unknown[] = []) =>
  house.database.admin(`delete from sworn.data_key where tenant_id = $1 and ${where}`, [tenant, ...params]);

/** The data keys under which it is, as rows. */
async function rowsOf(
  bundle: KeptBundle,
  stored: Buffer = readFileSync(fileOf(bundle)),
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { keyIds } = JSON.parse(stored.subarray(16, 16 + stored.readUInt32BE(12)).toString('utf8')) as {
    readonly keyIds: readonly string[];
  };
  return house.database.admin('select * from sworn.data_key where dk = any($1::uuid[]) order by dk', [keyIds]);
}

describe('a kept bundle', () => {
  it('is the bundle, byte for byte, in every process and for a stranger who pinned the key', async () => {
    const bundle = await keepRun();
    const zip = await zipOf(bundle);
    expect(zip).toHaveLength(bundle.size);
    expect(sha256(zip)).toBe(bundle.sha256);
    const found = await keeping().find(tenant, bundle.exportId);
    if (found.kind !== 'kept') throw new Error(found.kind);
    expect(zip.equals(await zipOf(found.bundle))).toBe(true);
    const { findings, verdict } = await verifyBundle(bytesSource(zip), { keys: keysOf(tenant), verify: verifyEd25519 });
    expect([findings, verdict]).toEqual([[], 'VERIFIED']);
  });

  it('says of each file where it lies in the ZIP, and its digest: the manifest lists the same', async () => {
    const bundle = await keepRun();
    const texts = new Map<string, string>();
    for (const { name, from, size, sha256: digest } of bundle.parts) {
      const bytes = await bytesOf(bundle.read(from, from + size));
      expect(sha256(bytes), name).toBe(digest);
      texts.set(name, bytes.toString('utf8'));
    }
    const manifest = texts.get('manifest-sha256.txt') ?? '';
    expect(sha256(Buffer.from(manifest))).toBe(bundle.manifest);
    for (const line of manifest.trimEnd().split('\n')) {
      const [digest, name] = line.split('  ');
      expect(bundle.parts.find((part) => part.name === name)?.sha256).toBe(digest);
    }
    expect([...texts.keys()]).toContain('attestation.dsse.json');
  });

  it('has nothing of what is in it in clear', async () => {
    const bundle = await keepRun();
    const [stored, zip] = [readFileSync(fileOf(bundle)), await zipOf(bundle)];
    for (const { name, from, size } of bundle.parts) {
      expect(stored.includes(name), name).toBe(false);
      if (size >= 16) expect(stored.includes(zip.subarray(from, from + 16)), name).toBe(false);
    }
    expect(stored.includes(bundle.manifest) || stored.includes(run)).toBe(false);
    const again = await keeping().keep(tenant, bundle.exportId, { keyIds: [], manifest: '', files: [] });
    expect(again.sha256).toBe(bundle.sha256);
  });

  it('is kept once: of two that are made at once, both have the one that came first', async () => {
    const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'all' } as const;
    const made = [await madeBundle(house, asked), await madeBundle(house, asked)];
    const both = await Promise.all(
      made.map(({ exportId, core, files }) => keeping().keep(tenant, exportId, { ...core, files })),
    );
    await Promise.all(made.map(({ core }) => core.close()));
    expect(new Set([...both, await keepRun()].map(({ sha256: digest }) => digest)).size).toBe(1);
    expect(await namesIn(storeOf())).toEqual([`${tenant}/${made[0]?.exportId}`]);
  });

  it('opens after the data keys went to another epoch', async () => {
    const bundle = await keepRun();
    const before = await rowsOf(bundle);
    house.advance(31 * 86_400_000);
    const { lost } = await recorderKeys().rewrapEpoch(tenant);
    const after = await rowsOf(bundle);
    expect([lost, after.map((row) => row['dk'])]).toEqual([[], before.map((row) => row['dk'])]);
    for (const [at, row] of after.entries()) expect(row['epoch']).toBeGreaterThan(Number(before[at]?.['epoch']));
    const found = await keeping().find(tenant, bundle.exportId);
    if (found.kind !== 'kept') throw new Error(found.kind);
    expect(sha256(await zipOf(found.bundle))).toBe(bundle.sha256);
  });

  it('opens never again once any one of its data keys is destroyed, whatever was disclosed', async () => {
    for (const disclosure of ['none', 'all'] as const) {
      const bundle = await keepRun(disclosure);
      const rows = await rowsOf(bundle);
      expect(rows.length).toBeGreaterThan(1);
      for (const row of rows) {
        await destroyKeys('dk = $2', [row['dk']]);
        expect(await kept.find(tenant, bundle.exportId), disclosure).toEqual({ kind: 'key_destroyed' });
        await house.database.admin('select set_config($1, $2, false)', ['sworn.tenant', tenant]);
        await house.database.admin(
          'insert into sworn.data_key (tenant_id, dk, scope, epoch, wrapped, created_at) values ($1, $2, $3, $4, $5, now())',
          [tenant, row['dk'], row['scope'], row['epoch'], row['wrapped']],
        );
        expect((await kept.find(tenant, bundle.exportId)).kind).toBe('kept');
      }
    }
  });

  it('makes room for the one that is made after an erasure', async () => {
    const bundle = await keepRun('none');
    await destroyKeys('dk = $2', [(await rowsOf(bundle))[0]?.['dk']]);
    expect((await kept.find(tenant, bundle.exportId)).kind).toBe('key_destroyed');
    const after = await keepRun('none');
    expect(after.exportId).toBe(bundle.exportId);
    expect((await rowsOf(after)).length).toBeLessThan((await rowsOf(bundle)).length + 1);
    expect(sha256(await zipOf(after))).toBe(after.sha256);
  });

  it('is not kept when something of it was erased while it was made', async () => {
    const erasing = keepRun('all', kept, async () => void (await destroyKeys('true')));
    await expect(erasing).rejects.toMatchObject({ name: 'ExportRefused', code: 'erased' });
    expect(await namesIn(storeOf())).toEqual([]);
  });

  it('is sealed under a key of the tenant’s own when nothing of it has one any more', async () => {
    await destroyKeys('true');
    const bundle = await keepRun('none');
    expect(sha256(await zipOf(bundle))).toBe(bundle.sha256);
    expect(await rowsOf(bundle)).toHaveLength(1);
    await destroyKeys('true');
    expect(await kept.find(tenant, bundle.exportId)).toEqual({ kind: 'key_destroyed' });
  });
});

describe('what was done to a kept bundle', () => {
  it('is told of a changed bit, wherever it is, before the first byte of it is given out', async () => {
    const bundle = await keepRun();
    const file = fileOf(bundle);
    const stored = readFileSync(file);
    const step = Math.floor(stored.length / 97);
    for (let at = 0; at < stored.length; at += step) {
      const copy = Buffer.from(stored);
      copy.writeUInt8(copy.readUInt8(at) ^ 0x04, at);
      writeFileSync(file, copy);
      const reading = kept.find(tenant, bundle.exportId).then(async (found) => {
        if (found.kind === 'kept') await zipOf(found.bundle);
        return found.kind;
      });
      // A data key with another id is one that is not there.
      const outcome = await reading.catch((error: unknown) => (error as Error).name);
      expect(['KeptBundleDamaged', 'key_destroyed'], String(at)).toContain(outcome);
    }
  });

  it('is told of one that was cut off or grew', async () => {
    const bundle = await keepRun();
    const { size } = statSync(fileOf(bundle));
    for (const bytes of [size + 1, size - 1, size - 70_000, 200, 14, 3, 0]) {
      truncateSync(fileOf(bundle), bytes);
      await expect(kept.find(tenant, bundle.exportId), String(bytes)).rejects.toThrow(KeptBundleDamaged);
    }
  });

  it('is told while it is read, when it was cut off since it was found', async () => {
    const bundle = await keepRun();
    truncateSync(fileOf(bundle), 20_000);
    await expect(zipOf(bundle)).rejects.toThrow(KeptBundleDamaged);
  });

  it('opens nothing in another’s place, of this tenant or of another', async () => {
    const [one, two] = [await keepRun('none'), await keepRun('all')];
    const [first, second] = [readFileSync(fileOf(one)), readFileSync(fileOf(two))];
    writeFileSync(fileOf(one), second);
    await expect(kept.find(tenant, one.exportId)).rejects.toThrow(KeptBundleDamaged);
    // Header of the one, the rest of the other.
    const renamed = Buffer.from(second);
    renamed.write(one.exportId, renamed.indexOf(two.exportId));
    writeFileSync(fileOf(one), renamed);
    await expect(kept.find(tenant, one.exportId)).rejects.toThrow(KeptBundleDamaged);
    writeFileSync(fileOf(one), first);
    expect((await kept.find(tenant, one.exportId)).kind).toBe('kept');
    const mine = tenant;
    tenant = await house.tenants.create({ name: 'other' });
    expect(await kept.find(tenant, one.exportId)).toEqual({ kind: 'none' });
    await house.ingest(tenant, agentRun((run = newTrace())));
    await house.seal(tenant);
    await house.sign(tenant);
    const theirs = await keepRun('none');
    writeFileSync(fileOf(theirs), first);
    await expect(kept.find(tenant, theirs.exportId)).rejects.toThrow(KeptBundleDamaged);
    const claimed = Buffer.from(first);
    claimed.write(tenant, claimed.indexOf(mine));
    claimed.write(theirs.exportId, claimed.indexOf(one.exportId));
    writeFileSync(fileOf(theirs), claimed);
    // The data keys it names are not of this tenant.
    expect(await kept.find(tenant, theirs.exportId)).toEqual({ kind: 'key_destroyed' });
  });

  it('finds nothing under what is no id of an export', async () => {
    for (const id of ['', '..', '../x', OTHER_EXPORT, `${OTHER_EXPORT}/x`, OTHER_EXPORT.toUpperCase()])
      expect(await kept.find(tenant, id)).toEqual({ kind: 'none' });
  });
});

describe('a bundle kept in a bucket', () => {
  it('is the same, whole and in ranges, and sealed as in a file', async () => {
    const bucket = await openS3House();
    try {
      const of = () => createS3Store({ address: bucket.address, deployment: 'd', scratch: root });
      const bundle = await keepRun('all', keeping(of()));
      const found = await keeping(of()).find(tenant, bundle.exportId);
      if (found.kind !== 'kept') throw new Error(found.kind);
      const zip = await zipOf(found.bundle);
      expect(sha256(zip)).toBe(bundle.sha256);
      for (const { name, from, size, sha256: digest } of bundle.parts)
        expect(sha256(await bytesOf(found.bundle.read(from, from + size))), name).toBe(digest);
      const stored = await bytesOf(of().read(`${tenant}/${bundle.exportId}`, 0, 2 * bundle.size));
      expect(stored.includes('manifest-sha256.txt') || stored.includes(zip.subarray(0, 16))).toBe(false);
      await destroyKeys('dk = $2', [(await rowsOf(bundle, stored))[0]?.['dk']]);
      expect(await keeping(of()).find(tenant, bundle.exportId)).toEqual({ kind: 'key_destroyed' });
    } finally {
      await bucket.close();
    }
  });

  it('is told not to be kept when the bucket is away, and is kept the next time', async () => {
    const bucket = await openS3House();
    try {
      const inBucket = keeping(createS3Store({ address: bucket.address, deployment: 'd', scratch: root }));
      for (let times = 0; times < 3; times++)
        bucket.faults.push({ method: 'PUT', how: { status: 503, code: 'SlowDown' } });
      await expect(keepRun('none', inBucket)).rejects.toMatchObject({ name: 'StoreFailed', code: 'unreachable' });
      const bundle = await keepRun('none', inBucket);
      expect(sha256(await zipOf(bundle))).toBe(bundle.sha256);
    } finally {
      await bucket.close();
    }
  });
});

describe('a sweep', () => {
  it('removes what was kept long enough, and names it; what is younger stays', async () => {
    const [old, young] = [await keepRun('none'), await keepRun('all')];
    const yearAgo = new Date(Date.now() - 366 * 86_400_000);
    utimesSync(fileOf(old), yearAgo, yearAgo);
    writeFileSync(join(root, 'not_ours'), '');
    utimesSync(join(root, 'not_ours'), yearAgo, yearAgo);
    const swept = [];
    for await (const one of kept.sweep(Date.now() - 365 * 86_400_000)) swept.push(one);
    expect(swept).toEqual([{ tenantId: tenant, exportId: old.exportId, keptAt: yearAgo.getTime() }]);
    expect(await kept.find(tenant, old.exportId)).toEqual({ kind: 'none' });
    expect((await kept.find(tenant, young.exportId)).kind).toBe('kept');
    expect(await namesIn(storeOf(), 'not_ours')).toEqual(['not_ours']);
    await kept.remove(tenant, young.exportId);
    expect(await kept.find(tenant, young.exportId)).toEqual({ kind: 'none' });
  });
});
