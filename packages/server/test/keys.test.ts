import { createPublicKey, verify } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EPOCH_DAYS, type KeyStore, openKeyStore } from '../src/record/keyStore.js';

const TENANT = '3f2b8c1e-0d4a-4f6b-9a77-5c1d2e3f4a5b';
const OTHER = '00000000-0000-4000-8000-000000000001';
const DK = '11111111-2222-4333-8444-555555555555';
const EPOCH_MS = EPOCH_DAYS * 86_400_000;

let root: string;
let now: number;
const open = (keyDir = join(root, 'keys')): Promise<KeyStore> =>
  openKeyStore({ keyDir, dataDir: join(root, 'data'), now: () => now });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sworn-keys-'));
  await mkdir(join(root, 'data'));
  now = Date.UTC(2026, 10, 25);
});

afterEach(() => rm(root, { recursive: true }));

describe('the key directory', () => {
  it('is made private, and every key in it too', async () => {
    const store = await open();
    await store.createTenant(TENANT);
    expect((await stat(join(root, 'keys'))).mode & 0o777).toBe(0o700);
    for (const entry of await readdir(join(root, 'keys'), { recursive: true, withFileTypes: true })) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      expect(mode & 0o777, entry.name).toBe(entry.isDirectory() ? 0o700 : 0o600);
    }
  });

  it('is refused inside the data directory, through a link as well, and around it', async () => {
    await expect(open(join(root, 'data', 'keys'))).rejects.toMatchObject({ code: 'inside_data_directory' });
    await symlink(join(root, 'data'), join(root, 'elsewhere'));
    await expect(open(join(root, 'elsewhere', 'keys'))).rejects.toMatchObject({ code: 'inside_data_directory' });
    await expect(open(root)).rejects.toMatchObject({ code: 'inside_data_directory' });
  });

  it('is refused when others may enter it or read a key', async () => {
    await open();
    await chmod(join(root, 'keys', 'deployment', 'cursor.key'), 0o640);
    await expect(open()).rejects.toMatchObject({ code: 'wrong_mode' });
    await chmod(join(root, 'keys', 'deployment', 'cursor.key'), 0o600);
    await chmod(join(root, 'keys'), 0o750);
    await expect(open()).rejects.toMatchObject({ code: 'wrong_mode' });
  });

  it('is refused when a key stands in the place of another, or is cut', async () => {
    await open();
    const dir = join(root, 'keys', 'deployment');
    await rename(join(dir, 'cursor.key'), join(dir, 'recorder.key'));
    await expect(open()).rejects.toMatchObject({ code: 'malformed' });
  });
});

describe('keys', () => {
  it('are the same when opened again, and each differs from every other', async () => {
    const first = await open();
    await first.createTenant(TENANT);
    await first.createTenant(OTHER);
    const second = await open();
    expect(second.deployment).toEqual(first.deployment);
    expect(await second.tenant(TENANT)).toEqual(await first.tenant(TENANT));
    const all = [first.deployment, await first.tenant(TENANT), await first.tenant(OTHER)].flatMap((keys) =>
      Object.values(keys),
    );
    expect(new Set(all.map((key: Uint8Array) => Buffer.from(key).toString('hex'))).size).toBe(11);
  });

  it('are agreed on by processes that make them at the same moment', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
    await Promise.all(stores.map((store) => store.createTenant(TENANT)));
    const values = await Promise.all(
      stores.map(async (store) => [await store.checkValues(null), await store.checkValues(TENANT)]),
    );
    for (const value of values) expect(value).toEqual(values[0]);
    const left = await readdir(join(root, 'keys'), { recursive: true });
    expect(left.filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('have check values that change when a key does and show nothing of it', async () => {
    const before = await open();
    const checks = await before.checkValues(null);
    await rm(join(root, 'keys', 'deployment', 'recorder.key'));
    const after = await (await open()).checkValues(null);
    expect(after.recorder).not.toBe(checks.recorder);
    expect({ ...after, recorder: '' }).toEqual({ ...checks, recorder: '' });
    expect(await readFile(join(root, 'keys', 'deployment', 'cursor.key'), 'latin1')).not.toContain(checks.cursor);
  });

  it('of a tenant are never made in silence when they are lost', async () => {
    const store = await open();
    await expect(store.tenant(TENANT)).rejects.toMatchObject({ code: 'missing' });
    await expect(store.wrap(TENANT, [{ dk: DK, key: new Uint8Array(32) }])).rejects.toMatchObject({ code: 'missing' });
  });

  it('sign notes that anyone with the public key can verify', async () => {
    const { noteSigner } = await open();
    const message = Buffer.from('sworn\n1\nroot\n');
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), noteSigner.publicKey]);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(verify(null, message, key, noteSigner.sign(message))).toBe(true);
  });
});

describe('a wrapped data key', () => {
  const key = Buffer.alloc(32, 7);

  it('opens for its own tenant, id and epoch and for nothing else', async () => {
    const store = await open();
    await store.createTenant(TENANT);
    await store.createTenant(OTHER);
    const [wrapped] = await store.wrap(TENANT, [{ dk: DK, key }]);
    if (wrapped === undefined) throw new Error('nothing wrapped');
    expect(Buffer.from(await (await open()).unwrap(TENANT, DK, wrapped))).toEqual(key);
    await store.wrap(OTHER, []);
    await expect(store.unwrap(OTHER, DK, wrapped)).rejects.toMatchObject({ code: 'wrong_key' });
    await expect(store.unwrap(TENANT, OTHER, wrapped)).rejects.toMatchObject({ code: 'wrong_key' });
    await expect(store.unwrap(TENANT, DK, { ...wrapped, epoch: wrapped.epoch - 1 })).rejects.toMatchObject({
      code: 'missing',
    });
    const bent = Uint8Array.from(wrapped.wrapped, (byte, at) => (at === 20 ? byte ^ 1 : byte));
    await expect(store.unwrap(TENANT, DK, { ...wrapped, wrapped: bent })).rejects.toMatchObject({ code: 'wrong_key' });
  });

  it('is lost when its epoch is destroyed, and the current epoch cannot be', async () => {
    const store = await open();
    await store.createTenant(TENANT);
    const [old] = await store.wrap(TENANT, [{ dk: DK, key }]);
    if (old === undefined) throw new Error('nothing wrapped');
    await expect(store.destroyEpoch(TENANT, old.epoch)).rejects.toThrow('current epoch');
    now += EPOCH_MS;
    const [fresh] = await store.wrap(TENANT, [{ dk: DK, key }]);
    expect(await store.epochs(TENANT)).toEqual([old.epoch, old.epoch + 1]);
    await store.destroyEpoch(TENANT, old.epoch);
    expect(await store.epochs(TENANT)).toEqual([fresh?.epoch]);
    await expect(store.unwrap(TENANT, DK, old)).rejects.toMatchObject({ code: 'missing' });
  });
});
