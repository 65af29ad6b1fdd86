import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, createChunkSeal, SealBroken, sealedSize } from '../src/export/chunkSeal.js';
import { bytesOf, pieces } from './objectStoreContract.js';

const key = randomBytes(32);
const context = Buffer.from('whose');
const seal = createChunkSeal(key, 'test', context);
const SEALED = CHUNK_BYTES + 16;
/** Around the ends of chunks, where things go wrong. */
const size = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }))
  .map(([chunks, off]) => Math.max(1, chunks * CHUNK_BYTES + off));
const sealed = (plain: Uint8Array, at = 50_000) => bytesOf(seal.seal(pieces(plain, at)));
const open = (bytes: Buffer, of: number, [from, to] = [0, of], by = seal) =>
  bytesOf(by.open(of, from, to, (a, b) => pieces(bytes.subarray(a, b), 70_000)));

describe('bytes sealed in chunks', () => {
  it('open again, whole and any range, however they come in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(size, fc.integer({ min: 1, max: 200_000 }), fc.nat(), fc.nat(), async (bytes, piece, a, b) => {
        const plain = randomBytes(bytes);
        const stored = await sealed(plain, piece);
        expect(stored).toHaveLength(sealedSize(bytes));
        const [from = 0, to = 0] = [a % (bytes + 1), b % (bytes + 1)].sort((x, y) => x - y);
        expect(plain.equals(await open(stored, bytes))).toBe(true);
        expect(plain.subarray(from, to).equals(await open(stored, bytes, [from, to]))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('read no more of what is stored than the chunks that a range lies in', async () => {
    const plain = randomBytes(10 * CHUNK_BYTES);
    const stored = await sealed(plain);
    const asked: [number, number][] = [];
    const range = seal.open(plain.length, 3 * CHUNK_BYTES + 5, 4 * CHUNK_BYTES + 1, (a, b) => {
      asked.push([a, b]);
      return pieces(stored.subarray(a, b));
    });
    await bytesOf(range);
    expect(asked).toEqual([[3 * SEALED, 5 * SEALED]]);
  });

  it('do not open when they were changed, cut off, swapped or repeated', async () => {
    const plain = randomBytes(3 * CHUNK_BYTES + 100);
    const stored = await sealed(plain);
    const chunk = (n: number) => stored.subarray(n * SEALED, (n + 1) * SEALED);
    const flipped = (at: number) => {
      const copy = Buffer.from(stored);
      copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
      return copy;
    };
    const others: [string, Buffer, number][] = [
      ...[0, SEALED - 1, SEALED, 2 * SEALED + 5, stored.length - 1].map((at): [string, Buffer, number] => [
        `a bit at ${at}`,
        flipped(at),
        plain.length,
      ]),
      ['swapped', Buffer.concat([chunk(1), chunk(0), chunk(2), chunk(3)]), plain.length],
      ['repeated', Buffer.concat([chunk(0), chunk(0), chunk(2), chunk(3)]), plain.length],
      ['the last for another', Buffer.concat([chunk(0), chunk(1), chunk(3), chunk(3)]), plain.length],
      ['cut at a chunk', stored.subarray(0, 3 * SEALED), plain.length],
      ['cut in a chunk', stored.subarray(0, 3 * SEALED + 50), plain.length],
      ['said to be shorter, by chunks', stored.subarray(0, 3 * SEALED), 3 * CHUNK_BYTES],
      ['said to be longer', Buffer.concat([stored, chunk(0)]), plain.length + CHUNK_BYTES],
      ['nothing', Buffer.alloc(0), plain.length],
    ];
    for (const [what, bytes, of] of others) await expect(open(bytes, of), what).rejects.toThrow(SealBroken);
  });

  it('do not open under another key, purpose or context', async () => {
    const plain = randomBytes(10);
    const stored = await sealed(plain);
    for (const other of [
      createChunkSeal(randomBytes(32), 'test', context),
      createChunkSeal(key, 'else', context),
      createChunkSeal(key, 'test', Buffer.from('hers')),
    ])
      await expect(open(stored, 10, [0, 10], other)).rejects.toThrow(SealBroken);
  });
});
