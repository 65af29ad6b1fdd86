import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../src/export/objectStore.js';
import { createS3Store } from '../src/export/s3Store.js';
import { bytesOf, itIsAnObjectStore, namesIn, pieces } from './objectStoreContract.js';
import { openS3House, type S3House } from './s3House.js';

const scratch = mkdtempSync(join(tmpdir(), 'sworn-scratch-'));
let house: S3House;
let opened = 0;

beforeAll(async () => {
  house = await openS3House();
});
afterAll(async () => {
  await house.close();
  rmSync(scratch, { recursive: true });
});

/** An empty one: each deployment has its own. */
const open = (address = house.address, silenceMs?: number): ObjectStore =>
  createS3Store({ address, deployment: `d${opened++}`, scratch, ...(silenceMs === undefined ? {} : { silenceMs }) });
const put = (store: ObjectStore, name: string, text = 'hello') =>
  store.put(name, text.length, pieces(Buffer.from(text)));

describe('a store in a bucket', () => {
  itIsAnObjectStore(async () => open());

  it('keeps deployments that share a bucket apart', async () => {
    const [one, two] = [open(), open()];
    await put(one, 'same', 'first');
    expect(await two.size('same')).toBeNull();
    expect(await put(two, 'same', 'second')).toBe(true);
    expect([await namesIn(one), await namesIn(two)]).toEqual([['same'], ['same']]);
    expect(String(await bytesOf(one.read('same', 0, 5)))).toBe('first');
  });

  it('is not used where what is there would be written over', async () => {
    const careless = await openS3House({ isConditional: false });
    const store = open(careless.address);
    await expect(put(store, 'first')).rejects.toMatchObject({
      name: 'StoreFailed',
      code: 'failed',
      message: expect.stringContaining('If-None-Match') as string,
    });
    expect(await namesIn(store)).toEqual([]);
    await careless.close();
  });

  it('lists more than fit a page', async () => {
    const store = open();
    const names = Array.from({ length: 45 }, (_, n) => `many/${String(n).padStart(4, '0')}`);
    await Promise.all(names.map((name) => put(store, name, 'x')));
    expect(await namesIn(store, 'many/')).toEqual(names);
  });

  it('leaves nothing of what it sent on this disk', () => {
    expect(readdirSync(scratch)).toEqual([]);
  });
});

describe('a bucket that fails', () => {
  const busy = { status: 503, code: 'SlowDown' };
  const failed = (code: string, says: string) => ({
    name: 'StoreFailed',
    code,
    message: expect.stringContaining(says) as string,
  });

  it('is sent to again, whole, when it was busy or the connection was cut', async () => {
    const store = open();
    await put(store, 'probed');
    const bytes = randomBytes(3_000_000);
    house.faults.push({ method: 'PUT', how: busy }, { method: 'PUT', how: 'cut' });
    expect(await store.put('again', bytes.length, pieces(bytes))).toBe(true);
    expect(house.faults).toEqual([]);
    expect(bytes.equals(await bytesOf(store.read('again', 0, bytes.length)))).toBe(true);
  });

  it('is told of when it stays so, and has nothing then', async () => {
    const store = open();
    await put(store, 'probed');
    for (const how of [busy, 'cut'] as const) {
      house.faults.push(...Array.from({ length: 3 }, () => ({ method: 'PUT', how })));
      await expect(put(store, 'never')).rejects.toMatchObject(failed('unreachable', house.address.endpoint ?? ''));
      expect(house.faults).toEqual([]);
    }
    expect(await store.size('never')).toBeNull();
  });

  it('is told of when a connection ends in the middle of what is read, or nothing comes', async () => {
    const store = open(house.address, 300);
    const bytes = randomBytes(2_000_000);
    await store.put('long', bytes.length, pieces(bytes));
    house.faults.push({ method: 'GET', how: 'cut in the middle' });
    await expect(bytesOf(store.read('long', 0, bytes.length))).rejects.toMatchObject(failed('unreachable', 'network'));
    house.faults.push(...Array.from({ length: 3 }, () => ({ method: 'GET', how: 'silence' as const })));
    await expect(bytesOf(store.read('long', 0, bytes.length))).rejects.toMatchObject(failed('unreachable', 'Timeout'));
    expect(bytes.equals(await bytesOf(store.read('long', 0, bytes.length)))).toBe(true);
  });

  it('is told with the way out: no such bucket, no right, another region, nobody there', async () => {
    await expect(put(open({ ...house.address, bucket: 'nowhere' }), 'x')).rejects.toMatchObject(
      failed('denied', 'SWORN_EXPORT_S3_BUCKET'),
    );
    house.faults.push({ method: 'GET', how: { status: 403, code: 'AccessDenied' } });
    await expect(bytesOf(open().read('x', 0, 1))).rejects.toMatchObject(failed('denied', 's3:GetObject'));
    house.faults.push({ method: 'GET', how: { status: 301, code: 'PermanentRedirect' } });
    await expect(bytesOf(open().read('x', 0, 1))).rejects.toMatchObject(failed('denied', 'SWORN_EXPORT_S3_REGION'));
    const closed = await openS3House();
    await closed.close();
    await expect(put(open(closed.address), 'x')).rejects.toMatchObject(
      failed('unreachable', 'SWORN_EXPORT_S3_ENDPOINT'),
    );
  });
});
