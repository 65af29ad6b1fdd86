import {
  EMPTY_ROOT,
  emptyFrontier,
  extendFrontier,
  frontierRoot,
  leafHash,
  splitTile,
  treeHash,
} from '@sworn/evidence';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Finding } from '../src/check/finding.js';
import { type Entry, TreeWalk } from '../src/check/tree.js';

type Told = Omit<Finding, 'check'>;

/** Enough for a tile of level 1 and some more. */
const SIZE = 70_000;
const hashes = Array.from({ length: SIZE }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));
const other = leafHash(Buffer.from('another'));
const rootAt = (size: number) => frontierRoot(extendFrontier(emptyFrontier, hashes.slice(0, size)));
const upperTile = Buffer.concat(
  Array.from({ length: 256 }, (_, tile) => treeHash(hashes.slice(tile * 256, (tile + 1) * 256))),
);

/** Walks leaves in batches; `change` replaces what stands at one place. */
function walked(
  size: number,
  batch: number,
  change: (index: number, entry: Entry) => Entry = (_, entry) => entry,
  upper: Uint8Array = upperTile,
): { told: Told[]; walk: TreeWalk } {
  const told: Told[] = [];
  const walk = new TreeWalk({ tenantId: 't', log: 'llm-runs' }, emptyFrontier, (finding) => told.push(finding));
  const tiles = () => upper;
  let tree = emptyFrontier;
  for (let index = 0; index < size; index++) {
    const hash = hashes[index] as Uint8Array;
    const inTile = index < Math.floor(size / 256) * 256;
    walk.add(change(index, { computed: hash, stored: hash, inTile }));
    if ((index + 1) % batch !== 0 && index + 1 !== size) continue;
    tree = extendFrontier(tree, hashes.slice(tree.size, index + 1));
    walk.hold({ size: index + 1, root: frontierRoot(tree), what: 'batch', first: index - (index % batch) }, tiles);
  }
  walk.settle(tiles);
  return { told, walk };
}

test('a sound log of any size and batches is proven to its end, and nothing is said', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_500 }), fc.integer({ min: 1, max: 700 }), (size, batch) => {
      const { told, walk } = walked(size, batch);
      expect(told).toEqual([]);
      expect(walk.proven).toBe(size);
      expect(frontierRoot(walk.provenTree())).toEqual(rootAt(size));
      expect(walk.resumeFrom().size % 256).toBe(0);
      expect(size - walk.resumeFrom().size).toBeLessThan(256 + 256);
    }),
    { numRuns: 60 },
  );
});

test('one changed thing at any place is named with its place: leaf, tile, or batch when all of it was written anew', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 1_500 }),
      fc.integer({ min: 1, max: 700 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.constantFrom('leaf', 'stored', 'both'),
      (size, batch, part, what) => {
        const at = Math.floor(part * size);
        const { told, walk } = walked(size, batch, (index, entry) => {
          if (index !== at) return entry;
          return {
            ...entry,
            ...(what !== 'stored' && { computed: other }),
            ...(what !== 'leaf' && { stored: other }),
          };
        });
        expect(told.length).toBe(1);
        const inTile = at < Math.floor(size / 256) * 256;
        const code = {
          leaf: 'LEAF_HASH_MISMATCH',
          stored: inTile ? 'TILE_MISMATCH' : 'COLUMN_MISMATCH',
          both: 'ROOT_MISMATCH',
        };
        expect(told[0]?.code).toBe(code[what]);
        expect(told[0]?.index).toBe(what === 'both' ? at - (at % batch) : at);
        expect(walk.proven).toBe(what === 'both' ? walk.proven : size);
        if (what === 'both') expect(walk.proven).toBeLessThanOrEqual(at);
      },
    ),
    { numRuns: 150 },
  );
});

test('a leaf that is gone is no obstacle where its tile remembers it, and nothing after it is proven where none does', () => {
  const gone = (at: number) => (index: number, entry: Entry) =>
    index === at ? { ...entry, computed: null, stored: entry.inTile ? entry.stored : null } : entry;
  expect(walked(600, 100, gone(300)).walk.proven).toBe(600);
  const { told, walk } = walked(600, 100, gone(550));
  expect(told).toEqual([]);
  expect(walk.proven).toBeLessThanOrEqual(550);
});

test('upper tiles are held against the tree below them', () => {
  expect(walked(SIZE, 997).told).toEqual([]);
  const changed = Buffer.from(upperTile);
  changed[40] = (changed[40] as number) ^ 1;
  const { told } = walked(SIZE, 997, undefined, changed);
  expect(told.map(({ code, index }) => [code, index])).toEqual([['TILE_MISMATCH', 0]]);
  expect(splitTile(upperTile).length).toBe(256);
});

test('a checkpoint accuses itself also where nothing was held yet, and what comes after it is proven all the same', () => {
  const told: Told[] = [];
  const walk = new TreeWalk({ tenantId: 't', log: 'llm-runs' }, emptyFrontier, (finding) => told.push(finding));
  const none = () => null;
  for (const size of [10, 20, 400]) {
    for (const hash of hashes.slice(walk.size, size)) walk.add({ computed: hash, stored: hash, inTile: false });
    walk.hold({ size, root: rootAt(size), what: 'batch', first: 0 }, none);
    if (size === 20) walk.hold({ size, root: EMPTY_ROOT, what: 'checkpoint', first: 0 }, none);
  }
  expect(told.map(({ code, index }) => [code, index])).toEqual([['CHECKPOINT_DIFFERS', 19]]);
  expect(walk.proven).toBe(400);
});

test('one bit of a leaf is named also after a place from which nothing is proven any more', () => {
  const { told } = walked(900, 50, (index, entry) => {
    if (index === 40) return { ...entry, computed: other, stored: other };
    return index === 700 ? { ...entry, computed: other } : entry;
  });
  expect(told.map(({ code, index }) => [code, index])).toEqual([
    ['ROOT_MISMATCH', 0],
    ['LEAF_HASH_MISMATCH', 700],
  ]);
});

test('what another root has proven stands: a checkpoint beside it that says otherwise is itself the finding', () => {
  const told: Told[] = [];
  const walk = new TreeWalk({ tenantId: 't', log: 'llm-runs' }, emptyFrontier, (finding) => told.push(finding));
  for (const hash of hashes.slice(0, 300)) walk.add({ computed: hash, stored: hash, inTile: false });
  const none = () => null;
  walk.hold({ size: 300, root: rootAt(300), what: 'batch', first: 0 }, none);
  walk.hold({ size: 300, root: EMPTY_ROOT, what: 'checkpoint', first: 0 }, none);
  walk.hold({ size: 300, root: EMPTY_ROOT, what: 'signer', first: 0 }, none);
  expect(told.map(({ code, index }) => [code, index])).toEqual([
    ['CHECKPOINT_DIFFERS', 299],
    ['LOG_DIFFERS_FROM_SIGNED', 299],
  ]);
  expect(walk.proven).toBe(300);
});
