import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rootsOf, subtreesBeside, verifySet } from '../src/setProof.js';
import { leafHash, treeHash } from '../src/tree.js';
import { entry } from './reference.js';

const MAX = 70;
const leaves = Array.from({ length: MAX }, (_, i) => leafHash(entry(i)));
const other = leafHash(new TextEncoder().encode('not in the tree'));
const read = (level: number, index: number) => treeHash(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));

/** A size, and a set of leaves below it. */
const sets = fc
  .integer({ min: 1, max: MAX })
  .chain((size) => fc.tuple(fc.constant(size), fc.subarray([...Array(size).keys()], { minLength: 1 })));

function claimOf(size: number, indexes: readonly number[]) {
  return {
    indexes,
    size,
    leafHashes: indexes.map((index) => leaves[index] as Uint8Array),
    path: rootsOf(subtreesBeside(indexes, size), read),
    root: treeHash(leaves.slice(0, size)),
  };
}

describe('a proof of many leaves at once', () => {
  it('holds for any set of leaves of a tree of any shape', () => {
    fc.assert(fc.property(sets, ([size, indexes]) => verifySet(claimOf(size, indexes))));
  });

  it('has nothing for leaves that are all there are, and one subtree at most beside each level of a run of them', () => {
    expect([...subtreesBeside([0, 1, 2, 3, 4], 5)]).toEqual([]);
    expect([...subtreesBeside([2, 3], 8)]).toEqual([
      { begin: 0, end: 2 },
      { begin: 4, end: 8 },
    ]);
  });

  it('does not hold for another leaf, place, size, root or path', () => {
    fc.assert(
      fc.property(sets, fc.nat(), ([size, indexes], at) => {
        const claim = claimOf(size, indexes);
        const place = at % indexes.length;
        const moved = (indexes[place] as number) + 1;
        expect(verifySet({ ...claim, leafHashes: claim.leafHashes.with(place, other) })).toBe(false);
        expect(verifySet({ ...claim, root: other })).toBe(false);
        expect(verifySet({ ...claim, path: [...claim.path, other] })).toBe(false);
        for (const i of claim.path.keys()) {
          expect(verifySet({ ...claim, path: claim.path.toSpliced(i, 1) })).toBe(false);
          expect(verifySet({ ...claim, path: claim.path.with(i, other) })).toBe(false);
          expect(verifySet({ ...claim, path: claim.path.with(i, (claim.path[i] as Uint8Array).subarray(1)) })).toBe(
            false,
          );
        }
        if (moved < size && !indexes.includes(moved))
          expect(verifySet({ ...claim, indexes: indexes.with(place, moved).toSorted((a, b) => a - b) })).toBe(false);
        // A set that is all of the tree has no path: what it is the tree of, its size says.
        if (indexes.length < size) expect(verifySet({ ...claim, size: indexes.at(-1) as number })).toBe(false);
      }),
    );
  });

  it('is refused, and not run into, where it is no claim', () => {
    const claim = claimOf(5, [1, 3]);
    for (const indexes of [[], [1], [3, 1], [1, 1], [1, 5], [-1, 3], [1.5, 3], [1, Number.NaN]])
      expect(verifySet({ ...claim, indexes })).toBe(false);
    for (const size of [0, -1, 3, 2 ** 60, Number.NaN]) expect(verifySet({ ...claim, size })).toBe(false);
    expect(() => [...subtreesBeside([3, 1], 5)]).toThrow(RangeError);
  });
});
