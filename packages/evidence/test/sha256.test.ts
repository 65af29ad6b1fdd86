import { hkdf, expand as nobleExpand, extract as nobleExtract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as noble } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../src/bytes.js';
import { hkdfExpand, hkdfExtract, hmacSha256 } from '../src/hmac.js';
import { sha256 as node, startSha256 as startNode } from '../src/sha256.node.js';
import { sha256 as pure, startSha256 as startPure } from '../src/sha256.js';

describe('SHA-256', () => {
  it('is the same in Node, in a browser and in @noble/hashes, for every length around the block borders', () => {
    for (let length = 0; length <= 260; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
      expect(pure(bytes)).toEqual(noble(bytes));
      expect(node(bytes)).toEqual(noble(bytes));
    }
  });

  it('does not depend on how the bytes are cut into parts', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 6 }), (parts) => {
        const whole = noble(concat(...parts));
        expect(pure(...parts)).toEqual(whole);
        expect(node(...parts)).toEqual(whole);
      }),
    );
  });

  it('takes parts above what Node joins', () => {
    const large = new Uint8Array(40_000).fill(9);
    const small = Uint8Array.of(1, 2, 3);
    for (const parts of [[large], [small, large], [large, small], [small, large, small]]) {
      expect(node(...parts)).toEqual(noble(concat(...parts)));
      expect(pure(...parts)).toEqual(noble(concat(...parts)));
    }
  });

  it('can be fed piece by piece, several of them at a time', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 6 });
    fc.assert(
      fc.property(pieces, pieces, (left, right) => {
        for (const start of [startNode, startPure]) {
          const [a, b] = [start(), start()];
          for (let i = 0; i < 6; i++) {
            if (left[i] !== undefined) a.update(left[i]!);
            if (right[i] !== undefined) b.update(right[i]!);
          }
          expect(a.digest()).toEqual(noble(concat(...left)));
          expect(b.digest()).toEqual(noble(concat(...right)));
        }
      }),
    );
  });

  it('ends with its digest: it takes no more, and gives no other', () => {
    for (const start of [startNode, startPure]) {
      const hash = start();
      hash.digest();
      expect(() => hash.update(Uint8Array.of(1))).toThrow();
      expect(() => hash.digest()).toThrow();
    }
  });

  it('gives every caller a digest of its own', () => {
    const first = node(Uint8Array.of(1));
    const kept = first.slice();
    node(Uint8Array.of(2));
    expect(first).toEqual(kept);
    expect(first.constructor).toBe(Uint8Array);
  });
});

describe('what is built on it', () => {
  const bytes = fc.uint8Array({ maxLength: 200 });

  it('is HMAC', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (key, a, b) => {
        expect(hmacSha256(key, a, b)).toEqual(hmac(noble, key, concat(a, b)));
      }),
    );
  });

  it('is HKDF', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 300 }), (salt, ikm, info, length) => {
        const prk = hkdfExtract(salt, ikm);
        expect(prk).toEqual(nobleExtract(noble, ikm, salt.length === 0 ? undefined : salt));
        expect(hkdfExpand(prk, info, length)).toEqual(nobleExpand(noble, prk, info, length));
        expect(hkdfExpand(prk, info, length)).toEqual(
          hkdf(noble, ikm, salt.length === 0 ? undefined : salt, info, length),
        );
      }),
    );
  });

  it('gives no more than HKDF can', () => {
    for (const length of [0, -1, 1.5, 8161, Number.NaN])
      expect(() => hkdfExpand(new Uint8Array(32), new Uint8Array(0), length)).toThrow(RangeError);
    expect(hkdfExpand(new Uint8Array(32), new Uint8Array(0), 8160)).toHaveLength(8160);
  });
});
