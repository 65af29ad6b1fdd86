import { emptyFrontier, encodeFrontier, extendFrontier, hex, sha256, utf8 } from '@sworn/evidence';
import { expect, it } from 'vitest';
import { frontierOf, growEdge, type TileEdge } from '../src/record/edge.js';

const leaf = (index: number) => sha256(utf8(String(index)));

it.each([1, 7, 255, 256, 257, 4_096, 33_000])(
  'a log that grows by %i leaves at a time has the tree of its leaves, taken from its tiles',
  (step) => {
    let edge: TileEdge = [];
    let tree = emptyFrontier;
    const end = Math.min(70_000, step * 600);
    for (let size = 0; size < end; size += step) {
      const hashes = Array.from({ length: step }, (_, i) => leaf(size + i));
      ({ edge } = growEdge(edge, 'audit', size, hashes));
      tree = extendFrontier(tree, hashes);
      const found = frontierOf(edge, tree.size);
      expect(found.size).toBe(tree.size);
      expect(hex(encodeFrontier(found))).toBe(hex(encodeFrontier(tree)));
    }
  },
);
