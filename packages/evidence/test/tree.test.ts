import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex, unhex, utf8 } from '../src/bytes.js';
import {
  decodeFrontier,
  EMPTY_ROOT,
  emptyFrontier,
  encodeFrontier,
  extendBySubtree,
  extendFrontier,
  frontierRoot,
  leafHash,
  nodeHash,
  treeHash,
} from '../src/tree.js';
import { entry, mth, referenceLeafHash } from './reference.js';
import { refusalOf } from './refusal.js';

const leaves = Array.from({ length: 131 }, (_, i) => leafHash(entry(i)));

describe('the tree', () => {
  it('has the roots that the test vectors of Certificate Transparency give', () => {
    const entries = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const roots = [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    roots.forEach((root, i) =>
      expect(hex(treeHash(entries.slice(0, i + 1).map((e) => leafHash(unhex(e)))))).toBe(root),
    );
    expect(hex(EMPTY_ROOT)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('has the root that RFC 6962 defines, for every size up to 130', () => {
    for (let size = 0; size <= 130; size++) expect(treeHash(leaves.slice(0, size))).toEqual(mth(leaves.slice(0, size)));
  });

  it('keeps leaves and nodes apart', () => {
    expect(leafHash(utf8('a'))).toEqual(referenceLeafHash(utf8('a')));
    const [left, right] = [leafHash(utf8('a')), leafHash(utf8('b'))];
    expect(nodeHash(left, right)).not.toEqual(leafHash(concat(left, right)));
  });
});

describe('the frontier', () => {
  it('has one hash for each one in the binary digits of the size', () => {
    for (let size = 0; size <= 130; size++) {
      const ones = Array.from(size.toString(2)).filter((digit) => digit === '1').length;
      expect(extendFrontier(emptyFrontier, leaves.slice(0, size)).hashes).toHaveLength(ones);
    }
  });

  it('comes out the same however the leaves are batched, and leaves the one it grew from alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }), (batches) => {
        let frontier = emptyFrontier;
        let size = 0;
        for (const count of batches) {
          const before = { size: frontier.size, hashes: frontier.hashes.map(hex) };
          const grown = extendFrontier(
            frontier,
            Array.from({ length: count }, (_, i) => leafHash(entry(size + i))),
          );
          expect({ size: frontier.size, hashes: frontier.hashes.map(hex) }).toEqual(before);
          frontier = grown;
          size += count;
        }
        expect(frontier.size).toBe(size);
        expect(frontierRoot(frontier)).toEqual(treeHash(Array.from({ length: size }, (_, i) => leafHash(entry(i)))));
      }),
    );
  });

  it('is written as its hashes and read back with its size', () => {
    for (let size = 0; size <= 130; size++) {
      const frontier = extendFrontier(emptyFrontier, leaves.slice(0, size));
      expect(decodeFrontier(size, encodeFrontier(frontier))).toEqual(frontier);
    }
  });

  it('is refused when hashes and size do not agree', () => {
    const hash = new Uint8Array(32);
    const cases: [number, Uint8Array][] = [
      [0, hash],
      [1, new Uint8Array(0)],
      [2, concat(hash, hash)],
      [3, hash],
      [3, concat(hash, hash.subarray(1))],
      [1, concat(hash, Uint8Array.of(0))],
      [-1, hash],
      [1.5, hash],
      [2 ** 53, hash],
      [Number.NaN, hash],
    ];
    for (const [size, bytes] of cases)
      expect(
        refusalOf(() => decodeFrontier(size, bytes)),
        `${size}`,
      ).toBe('frontier');
  });

  it('grows past 2^31 and 2^32 leaves, where bit operations would turn round', () => {
    for (const power of [30, 31, 32, 33, 40, 52]) {
      const perfect = { size: 2 ** power, hashes: [EMPTY_ROOT] };
      const one = extendFrontier(perfect, [leaves[0] as Uint8Array]);
      expect(one).toEqual({ size: 2 ** power + 1, hashes: [EMPTY_ROOT, leaves[0]] });
      expect(frontierRoot(one)).toEqual(nodeHash(EMPTY_ROOT, leaves[0] as Uint8Array));
      expect(extendBySubtree(perfect, 2 ** power, EMPTY_ROOT)).toEqual({
        size: 2 ** (power + 1),
        hashes: [nodeHash(EMPTY_ROOT, EMPTY_ROOT)],
      });
      expect(decodeFrontier(one.size, encodeFrontier(one))).toEqual(one);
    }
  });
});
