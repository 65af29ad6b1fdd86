import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { ObjectStore } from '../src/export/objectStore.js';

/** Bytes as they come from somewhere: in pieces, one by one. */
export async function* pieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

export async function namesIn(store: ObjectStore, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names.sort();
}

/** What every store does; `open` gives an empty one. */
export function itIsAnObjectStore(open: () => Promise<ObjectStore>): void {
  it('gives back what was put there, whole or any range of it', async () => {
    const store = await open();
    const bytes = randomBytes(700_001);
    expect(await store.put('a/b', bytes.length, pieces(bytes))).toBe(true);
    expect(await store.size('a/b')).toBe(bytes.length);
    expect(bytes.equals(await bytesOf(store.read('a/b', 0, bytes.length)))).toBe(true);
    for (const [from, to] of [
      [0, 1],
      [99_999, 100_001],
      [262_143, 600_000],
      [700_000, 700_001],
    ] as const)
      expect(bytes.subarray(from, to).equals(await bytesOf(store.read('a/b', from, to)))).toBe(true);
    expect(await bytesOf(store.read('a/b', 5, 5))).toHaveLength(0);
    expect(bytes.subarray(9).equals(await bytesOf(store.read('a/b', 9, 800_000)))).toBe(true);
  });

  it('writes each name once: the first stays, also of many that come at once', async () => {
    const store = await open();
    const all = Array.from({ length: 10 }, (_, digit) => Buffer.alloc(300_000, digit));
    const put = await Promise.all(all.map((bytes) => store.put('same', bytes.length, pieces(bytes))));
    expect(put.filter(Boolean)).toHaveLength(1);
    const first = all[put.indexOf(true)] ?? Buffer.alloc(0);
    expect(await store.put('same', 3, pieces(Buffer.from('new')))).toBe(false);
    expect(first.equals(await bytesOf(store.read('same', 0, first.length)))).toBe(true);
    expect(await store.size('same')).toBe(first.length);
  });

  it('has nothing under a name whose bytes did not all come', async () => {
    const store = await open();
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(200_000);
      throw new Error('the source broke');
    };
    await expect(store.put('half', 400_000, broken())).rejects.toThrow('the source broke');
    await expect(store.put('short', 400_000, pieces(Buffer.alloc(200_000)))).rejects.toThrow();
    await expect(store.put('long', 100_000, pieces(Buffer.alloc(200_000)))).rejects.toThrow();
    expect([await store.size('half'), await store.size('short'), await store.size('long')]).toEqual([null, null, null]);
    expect(await namesIn(store)).toEqual([]);
    expect(await store.put('half', 4, pieces(Buffer.from('then')))).toBe(true);
  });

  it('knows what it has: by prefix, with size and time, and no more once it is removed', async () => {
    const store = await open();
    for (const name of ['one/x', 'one/y', 'two/x']) await store.put(name, 5, pieces(Buffer.from('hello')));
    expect(await namesIn(store)).toEqual(['one/x', 'one/y', 'two/x']);
    expect(await namesIn(store, 'one/')).toEqual(['one/x', 'one/y']);
    for await (const { size, writtenAt } of store.list('two')) {
      expect(size).toBe(5);
      // Of another clock, in whole seconds: near this one.
      expect(Math.abs(writtenAt - Date.now())).toBeLessThan(600_000);
    }
    await store.remove('one/x');
    await store.remove('one/x');
    expect(await store.size('one/x')).toBeNull();
    expect(await namesIn(store)).toEqual(['one/y', 'two/x']);
    await expect(bytesOf(store.read('one/x', 0, 5))).rejects.toMatchObject({ name: 'StoreFailed', code: 'gone' });
    expect(await store.put('one/x', 5, pieces(Buffer.from('again')))).toBe(true);
    expect(String(await bytesOf(store.read('one/x', 0, 5)))).toBe('again');
  });

  it('takes no name that leads elsewhere', async () => {
    const store = await open();
    for (const name of ['', '..', '../x', '/x', 'a//b', 'A', 'a/../../b', 'a\\b', 'a.b', 'a\0b', 'ä'])
      await expect((async () => store.put(name, 1, pieces(Buffer.from('x'))))()).rejects.toThrow('not the name');
    expect(await namesIn(store)).toEqual([]);
  });
}
