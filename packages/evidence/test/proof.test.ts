import type { LogCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../src/bytes.js';
import {
  consistencyProof,
  inclusionProof,
  type ReadNode,
  rangeProof,
  verifyConsistency,
  verifyInclusion,
  verifyRange,
} from '../src/proof.js';
import { leafHash, nodeHash, treeHash } from '../src/tree.js';
import { entry, path, proof } from './reference.js';

const MAX = 130;
const leaves = Array.from({ length: MAX + 1 }, (_, i) => leafHash(entry(i)));
const roots = Array.from({ length: MAX + 2 }, (_, size) => treeHash(leaves.slice(0, size)));
/** Sizes of every shape up to six levels, and where a seventh and an eighth begin: for what costs much at each size. */
const SHAPES = [...Array.from({ length: 40 }, (_, i) => i + 1), 63, 64, 65, 127, 128, 129, MAX];
const other = leafHash(new TextEncoder().encode('not in the tree'));

/** Reads nodes of the tree over `all`, and fails on any that is not wholly in the tree. */
function nodesOf(all: readonly Uint8Array[]): ReadNode {
  const known = new Map<string, Uint8Array>();
  return (level, index) => {
    const begin = index * 2 ** level;
    if (begin + 2 ** level > all.length) throw new Error(`node ${level}/${index} is not in a tree of ${all.length}`);
    const key = `${level}/${index}`;
    const hash = known.get(key) ?? treeHash(all.slice(begin, begin + 2 ** level));
    known.set(key, hash);
    return hash;
  };
}

/** Every proof that is almost this one: an element missing, doubled, changed in one bit, out of place. */
function almost(hashes: readonly Uint8Array[]): Uint8Array[][] {
  const each = hashes.flatMap((hash, i) => [
    hashes.toSpliced(i, 1),
    hashes.toSpliced(i, 0, other),
    hashes.with(i, flipped(hash, i)),
    hashes.with(i, hash.subarray(1)),
    ...(i === 0 ? [] : [hashes.with(i, hashes[i - 1] as Uint8Array).with(i - 1, hash)]),
  ]);
  return [...each, [...hashes, other]];
}

function flipped(hash: Uint8Array, seed: number): Uint8Array {
  return hash.map((byte, i) => (i === seed % 32 ? byte ^ (1 << (seed % 8)) : byte));
}

/** Whether sigstore's verifier, which nobody here wrote, finds the leaf included. */
function sigstoreAccepts(index: number, size: number, hashes: readonly Uint8Array[], root: Uint8Array): boolean {
  const item = {
    inclusionProof: { logIndex: String(index), hashes: hashes.map((h) => Buffer.from(h)) },
    canonicalizedBody: Buffer.from(entry(index)),
  };
  try {
    verifyMerkleInclusion(item as never, { logSize: BigInt(size), logHash: Buffer.from(root) } as LogCheckpoint);
    return true;
  } catch {
    return false;
  }
}

describe('an inclusion proof', () => {
  it('holds, here and with sigstore, for every leaf of every size up to 130, and is RFC 6962’s PATH', () => {
    for (let size = 1; size <= MAX; size++) {
      const read = nodesOf(leaves.slice(0, size));
      const root = roots[size] as Uint8Array;
      for (let index = 0; index < size; index++) {
        const made = inclusionProof(index, size, read);
        if (SHAPES.includes(size)) expect(made.map(hex)).toEqual(path(index, leaves.slice(0, size)).map(hex));
        expect(verifyInclusion({ index, size, leafHash: leaves[index] as Uint8Array, path: made, root })).toBe(true);
        expect(sigstoreAccepts(index, size, made, root)).toBe(true);
      }
    }
  });

  it('is refused when anything of it is changed, for every leaf of every size up to 40 and around 64 and 128', () => {
    for (const size of SHAPES) {
      const read = nodesOf(leaves.slice(0, size));
      const root = roots[size] as Uint8Array;
      for (let index = 0; index < size; index++) {
        const path = inclusionProof(index, size, read);
        const good = { index, size, leafHash: leaves[index] as Uint8Array, path, root };
        const lies = [
          ...almost(path).map((bad) => ({ ...good, path: bad })),
          ...[other, flipped(root, index)].map((bad) => ({ ...good, root: bad })),
          ...[index + 1, index - 1, size, index + 0.5].map((bad) => ({ ...good, index: bad })),
          { ...good, leafHash: other },
        ];
        expect(lies.filter(verifyInclusion)).toEqual([]);
      }
    }
  });

  it('is refused by sigstore exactly when it is refused here', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX }),
        fc.nat(),
        fc.nat(),
        fc.nat({ max: 3 }),
        (size, at, claimedAt, more) => {
          const made = inclusionProof(at % size, size, nodesOf(leaves.slice(0, size)));
          const index = claimedAt % size;
          const given = [...made, ...Array.from({ length: more }, () => other)].slice(
            0,
            made.length + more - (claimedAt % 2),
          );
          const root = roots[size] as Uint8Array;
          expect(verifyInclusion({ index, size, leafHash: leaves[index] as Uint8Array, path: given, root })).toBe(
            sigstoreAccepts(index, size, given, root),
          );
        },
      ),
    );
  });

  it('of a tree that cannot be is false, not an error', () => {
    const hash = leaves[0] as Uint8Array;
    for (const size of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
      expect(verifyInclusion({ index: 0, size, leafHash: hash, path: [], root: hash })).toBe(false);
    expect(verifyInclusion({ index: 0, size: 1, leafHash: hash.subarray(1), path: [], root: hash.subarray(1) })).toBe(
      false,
    );
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0.5, 1],
    ] as const)
      expect(() => inclusionProof(index, size, () => hash)).toThrow(RangeError);
  });
});

describe('a consistency proof', () => {
  it('holds for every pair of sizes up to 130, and is RFC 6962’s PROOF', () => {
    for (let to = 0; to <= MAX; to++) {
      const read = nodesOf(leaves.slice(0, to));
      for (let from = 0; from <= to; from++) {
        const made = consistencyProof(from, to, read);
        if (SHAPES.includes(to))
          expect(made.map(hex)).toEqual(from === 0 ? [] : proof(from, leaves.slice(0, to)).map(hex));
        expect(
          verifyConsistency({
            from,
            to,
            fromRoot: roots[from] as Uint8Array,
            toRoot: roots[to] as Uint8Array,
            path: made,
          }),
        ).toBe(true);
      }
    }
  });

  it('is refused when anything of it is changed, from every size to each up to 40 and around 64 and 128', () => {
    for (const to of SHAPES) {
      const read = nodesOf(leaves.slice(0, to));
      for (let from = 0; from <= to; from++) {
        const path = consistencyProof(from, to, read);
        const good = { from, to, fromRoot: roots[from] as Uint8Array, toRoot: roots[to] as Uint8Array, path };
        // Everything continues the empty log, so that claim says nothing of the new root.
        const toRoots = from === 0 ? [] : [other, flipped(good.toRoot, from)];
        const lies = [
          ...almost(path).map((bad) => ({ ...good, path: bad })),
          ...[other, flipped(good.fromRoot, from)].map((bad) => ({ ...good, fromRoot: bad })),
          ...toRoots.map((bad) => ({ ...good, toRoot: bad })),
          ...[-1, to + 1, from + 0.5, from === 0 ? -1 : 0].map((bad) => ({ ...good, from: bad })),
          { ...good, to: Number.NaN },
        ];
        expect(lies.filter(verifyConsistency)).toEqual([]);
      }
    }
  });

  it('cannot be made for a log that changed a leaf it already had', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX }), fc.nat(), fc.nat(), (to, a, b) => {
        const from = 1 + (a % to);
        const forked = leaves.slice(0, to).with(b % from, other);
        const made = consistencyProof(from, to, nodesOf(forked));
        expect(
          verifyConsistency({ from, to, fromRoot: roots[from] as Uint8Array, toRoot: treeHash(forked), path: made }),
        ).toBe(false);
      }),
    );
  });
});

describe('a range proof', () => {
  const every = (
    sizes: readonly number[],
    check: (begin: number, end: number, size: number, read: ReadNode) => void,
  ) => {
    for (const size of sizes) {
      const read = nodesOf(leaves.slice(0, size));
      for (let begin = 0; begin < size; begin++)
        for (let end = begin + 1; end <= size; end++) check(begin, end, size, read);
    }
  };

  it('holds for every range of every size up to 40, and of sizes around 64 and 128', () => {
    every([...Array.from({ length: 40 }, (_, i) => i + 1), 63, 64, 65, 129], (begin, end, size, read) => {
      const made = rangeProof({ begin, end, size }, read);
      expect(
        verifyRange({ begin, size, leafHashes: leaves.slice(begin, end), path: made, root: roots[size] as Uint8Array }),
      ).toBe(true);
    });
  });

  it('is refused when anything of it is changed, for every range of every size up to 20', () => {
    const sizes = Array.from({ length: 20 }, (_, i) => i + 1);
    every(sizes, (begin, end, size, read) => {
      const path = rangeProof({ begin, end, size }, read);
      const good = { begin, size, leafHashes: leaves.slice(begin, end), path, root: roots[size] as Uint8Array };
      const lies = [
        ...almost(path).map((bad) => ({ ...good, path: bad })),
        ...[...almost(good.leafHashes), []].map((bad) => ({ ...good, leafHashes: bad })),
        ...[other, flipped(good.root, begin)].map((bad) => ({ ...good, root: bad })),
        ...[-1, begin + 0.5, begin + 1].map((bad) => ({ ...good, begin: bad })),
        { ...good, size: end - 1 },
      ];
      expect(lies.filter(verifyRange)).toEqual([]);
    });
  });

  it('of the whole log is empty: its leaves are its root', () => {
    for (let size = 1; size <= MAX; size++) {
      expect(rangeProof({ begin: 0, end: size, size }, nodesOf(leaves.slice(0, size)))).toEqual([]);
      expect(
        verifyRange({ begin: 0, size, leafHashes: leaves.slice(0, size), path: [], root: roots[size] as Uint8Array }),
      ).toBe(true);
    }
  });

  it('of no leaves, or of a range that is not in the tree, is a bug of the caller', () => {
    for (const [begin, end, size] of [
      [0, 0, 1],
      [1, 1, 1],
      [2, 1, 3],
      [0, 4, 3],
      [-1, 1, 2],
      [0, 1.5, 2],
    ] as const) {
      expect(() => rangeProof({ begin, end, size }, () => other)).toThrow(RangeError);
    }
  });
});

describe('proofs in a log of billions', () => {
  // All leaves alike: every perfect subtree of a level has one hash, so a tree of any size can be asked.
  const levels = [leaves[0] as Uint8Array];
  for (let level = 1; level <= 53; level++)
    levels.push(nodeHash(levels[level - 1] as Uint8Array, levels[level - 1] as Uint8Array));
  const read: ReadNode = (level) => levels[level] as Uint8Array;

  it('hold at any size up to 2^53−1, with a path no longer than its binary digits', () => {
    const size = fc.maxSafeNat().map((n) => n + 1 - Number(n === Number.MAX_SAFE_INTEGER));
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const rootAt = (n: number) => rootOf(n, read);
        const inclusion = inclusionProof(from - 1, to, read);
        expect(inclusion.length).toBeLessThanOrEqual(53);
        expect(
          verifyInclusion({
            index: from - 1,
            size: to,
            leafHash: levels[0] as Uint8Array,
            path: inclusion,
            root: rootAt(to),
          }),
        ).toBe(true);
        const consistency = consistencyProof(from, to, read);
        expect(consistency.length).toBeLessThanOrEqual(54);
        expect(verifyConsistency({ from, to, fromRoot: rootAt(from), toRoot: rootAt(to), path: consistency })).toBe(
          true,
        );
        const range = rangeProof({ begin: from - 1, end: from, size: to }, read);
        expect(
          verifyRange({
            begin: from - 1,
            size: to,
            leafHashes: [levels[0] as Uint8Array],
            path: range,
            root: rootAt(to),
          }),
        ).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** MTH of a tree of equal leaves, by the definition. */
function rootOf(size: number, read: ReadNode): Uint8Array {
  let split = 1;
  let level = 0;
  while (split * 2 <= size) {
    split *= 2;
    level++;
  }
  return split === size ? read(level, 0) : nodeHash(read(level, 0), rootOf(size - split, read));
}
