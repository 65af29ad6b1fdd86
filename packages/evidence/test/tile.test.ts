import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex, utf8 } from '../src/bytes.js';
import {
  consistencyProof,
  inclusionProof,
  rangeProof,
  verifyConsistency,
  verifyInclusion,
  verifySubtrees,
} from '../src/proof.js';
import {
  decodeEntries,
  encodeEntries,
  fullTilesBetween,
  nodesInTiles,
  parseTilePath,
  splitTile,
  tilePath,
  tileWidth,
} from '../src/tile.js';
import { leafHash, treeHash } from '../src/tree.js';
import { entry } from './reference.js';
import { refusalOf } from './refusal.js';

describe('a tile path', () => {
  it('is written as C2SP tlog-tiles writes it', () => {
    expect(tilePath(0, 1234067)).toBe('tile/0/x001/x234/067');
    expect(tilePath(0, 0)).toBe('tile/0/000');
    expect(tilePath(1, 999)).toBe('tile/1/999');
    expect(tilePath(2, 1000, 1)).toBe('tile/2/x001/000.p/1');
    expect(tilePath('entries', 273, 112)).toBe('tile/entries/273.p/112');
  });

  it('is read back, and only in that one spelling', () => {
    const level = fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 6 }));
    fc.assert(
      fc.property(level, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (l, index, width) => {
        expect(parseTilePath(tilePath(l, index, width))).toEqual({ level: l, index, width });
      }),
    );
  });

  it('is nothing else', () => {
    const bad = [
      '',
      'tile',
      'tile/',
      'tile/0',
      'tile/0/',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/00/000',
      'tile/-1/000',
      'tile/7/000',
      'tile/63/000',
      'tile/a/000',
    ];
    bad.push(
      '/tile/0/000',
      'tile/0/000/',
      'tile/0/x000',
      'tile/0/x000/001',
      'tile/0/x001',
      'tile/0/001/x002',
      'tile/0/001/002',
      'tile/0/X001/002',
      'tile/0/x01/002',
    );
    bad.push(
      'tile/0/000.p',
      'tile/0/000.p/',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/257',
      'tile/0/000.p/01',
      'tile/0/000.p/-1',
      'tile/0/000.p/1/',
      'tile/0/000p/1',
      'tile/0/000.P/1',
    );
    bad.push(
      'tile/entries',
      'tile/Entries/000',
      'tile/data/000',
      'tile/8/0/000',
      'tile/0/0%30',
      'tile/0/000\n',
      'tile/0/../000',
      'tile/0/٠٠٠',
      `tile/0/${'x001/'.repeat(6)}000`,
      'tile/0/x009/x007/x199/x254/x740/992',
    );
    for (const path of bad) expect(parseTilePath(path), path).toBeNull();
  });
});

describe('the tiles of a log', () => {
  it('are those of the example in C2SP tlog-tiles, for 70,000 leaves', () => {
    expect(tileWidth(0, 272, 70_000)).toBe(256);
    expect(tileWidth(0, 273, 70_000)).toBe(112);
    expect(tileWidth(0, 274, 70_000)).toBe(0);
    expect(tileWidth('entries', 273, 70_000)).toBe(112);
    expect(tileWidth(1, 0, 70_000)).toBe(256);
    expect(tileWidth(1, 1, 70_000)).toBe(17);
    expect(tileWidth(2, 0, 70_000)).toBe(1);
    expect(tileWidth(3, 0, 70_000)).toBe(0);
    expect(tileWidth(1, 0, 256)).toBe(1);
    expect(fullTilesBetween(0, 70_000)).toHaveLength(274);
  });

  it('become full exactly once, whatever the batches', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 5 }), (batches) => {
        const seen: string[] = [];
        let size = 0;
        for (const count of batches) {
          for (const { level, index } of fullTilesBetween(size, size + count)) {
            expect(tileWidth(level, index, size)).toBeLessThan(256);
            expect(tileWidth(level, index, size + count)).toBe(256);
            seen.push(`${level}/${index}`);
          }
          size += count;
        }
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen).toHaveLength(Math.floor(size / 256) + Math.floor(size / 65_536));
      }),
    );
  });

  it('are enough to make every proof', () => {
    const leaves = Array.from({ length: 66_000 }, (_, i) => leafHash(entry(i)));
    const row = (level: number, size: number): Uint8Array[] => {
      if (level === 0) return leaves.slice(0, size);
      const below = row(level - 1, size);
      return Array.from({ length: Math.floor(below.length / 256) }, (_, i) =>
        treeHash(below.slice(256 * i, 256 * (i + 1))),
      );
    };
    const rows = [0, 1, 2].map((level) => row(level, leaves.length));
    const fetched: string[] = [];
    const read = nodesInTiles((level, index) => {
      fetched.push(`${level}/${index}`);
      return concat(...(rows[level] ?? []).slice(256 * index, 256 * (index + 1)));
    });
    const root = treeHash(leaves);
    for (const index of [0, 1, 255, 256, 40_000, 65_535, 65_536, 65_999]) {
      expect(
        verifyInclusion({
          index,
          size: 66_000,
          leafHash: leaves[index] as Uint8Array,
          path: inclusionProof(index, 66_000, read),
          root,
        }),
      ).toBe(true);
    }
    for (const from of [1, 255, 256, 257, 65_536, 65_999]) {
      expect(
        verifyConsistency({
          from,
          to: 66_000,
          fromRoot: treeHash(leaves.slice(0, from)),
          toRoot: root,
          path: consistencyProof(from, 66_000, read),
        }),
      ).toBe(true);
    }
    expect(fetched).toContain('2/0');
  });

  it('lie under the root of the tree, full and partial ones of every level, and a changed one does not', () => {
    const leaves = Array.from({ length: 66_000 }, (_, i) => leafHash(entry(i)));
    const above = Array.from({ length: 257 }, (_, i) => treeHash(leaves.slice(256 * i, 256 * (i + 1))));
    const rows = [leaves, above, [treeHash(above.slice(0, 256))]];
    const read = nodesInTiles((level, index) => concat(...(rows[level] ?? []).slice(256 * index, 256 * (index + 1))));
    const size = leaves.length;
    const root = treeHash(leaves);
    for (const [level, index] of [
      [0, 0],
      [0, 256],
      [0, 257],
      [1, 0],
      [1, 1],
      [2, 0],
    ] as const) {
      const roots = (rows[level] ?? []).slice(256 * index, 256 * (index + 1));
      const begin = index * 256 ** (level + 1);
      const path = rangeProof({ begin, end: begin + roots.length * 256 ** level, size }, read);
      const good = { begin, size, level: 8 * level, roots, path, root };
      expect(verifySubtrees(good), `${level}/${index}`).toBe(true);
      const other = leaves[7] as Uint8Array;
      const lies = [
        { ...good, roots: roots.with(roots.length - 1, other) },
        { ...good, roots: roots.slice(1) },
        { ...good, roots: [] },
        { ...good, path: [...path, other] },
        { ...good, root: other },
        ...[-1, 0.5, 8 * level + 1, 53].map((bad) => ({ ...good, level: bad })),
        ...[-1, begin + 1, 0.5].map((bad) => ({ ...good, begin: bad })),
        { ...good, size: begin },
      ];
      expect(lies.filter(verifySubtrees), `${level}/${index}`).toEqual([]);
    }
  });

  it('are refused when a proof asks more of them than they hold', () => {
    const narrow = nodesInTiles(() => new Uint8Array(32 * 3));
    expect(refusalOf(() => narrow(2, 0))).toBe('tile');
    expect(refusalOf(() => narrow(0, 3))).toBe('tile');
    for (const length of [0, 1, 31, 33, 32 * 257])
      expect(
        refusalOf(() => splitTile(new Uint8Array(length))),
        `${length}`,
      ).toBe('tile');
    expect(splitTile(new Uint8Array(32 * 256))).toHaveLength(256);
  });
});

describe('an entry tile', () => {
  it('holds leaves after their lengths, and gives them back', () => {
    expect(hex(encodeEntries([utf8('ab'), utf8('')]))).toBe('000261620000');
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 }), (leaves) => {
        expect(decodeEntries(encodeEntries(leaves))).toEqual(leaves);
      }),
    );
  });

  it('is refused when a length lies', () => {
    for (const bytes of [[], [0], [0, 1], [0, 2, 97], [0, 0, 0], [255, 255, 1], [0, 1, 97, 0]]) {
      expect(
        refusalOf(() => decodeEntries(Uint8Array.from(bytes))),
        String(bytes),
      ).toBe('tile');
    }
    expect(refusalOf(() => decodeEntries(new Uint8Array(2 * 257)))).toBe('tile');
    expect(() => encodeEntries([])).toThrow(RangeError);
    expect(() => encodeEntries([new Uint8Array(0x10000)])).toThrow(RangeError);
  });
});
