import { EMPTY_ROOT, equalBytes, type Frontier, hex, nodeHash, TILE_WIDTH, treeHash } from '@sworn/evidence';
import type { Tell } from './finding.js';

/** A leaf's place in the tree, as far as rows say it. */
export interface Entry {
  /** Hash of the bytes that stand there; null: there is no row. */
  readonly computed: Uint8Array | null;
  /** What the full tile says, else the column `leaf_hash`; null: neither is there. */
  readonly stored: Uint8Array | null;
  /** Whether `stored` is a tile's. */
  readonly inTile: boolean;
}

/** A root that must come out at a size. `what`: where it was written down. */
export interface Known {
  readonly size: number;
  readonly root: Uint8Array;
  readonly what: 'batch' | 'checkpoint' | 'signer';
  /** First leaf that it is the root of and no earlier one of its kind was. */
  readonly first: number;
}

/** Leaves between two roots that are held against the tree when nothing else asks for it: what is remembered meanwhile. */
const HOLD_AT_LEAST = TILE_WIDTH;

/**
 * Checks V3 and V4 for one log: walks the leaves from a frontier that is known, and holds the root against every one that was written down. Where
 * bytes and stored hash differ, the root tells which of the two is right: that is the leaf or the tile to be named.
 */
export class TreeWalk {
  readonly #tell: Tell;
  readonly #at: { readonly tenantId: string; readonly log: string };
  /** Up to the last whole tile before what is held. */
  #agreed: Compact;
  #held: Entry[] = [];
  /** Places among the held ones where bytes and stored hash differ. */
  #doubtful: number[] = [];
  #hole = false;
  /** The tree is lost: something before here is wrong, and told. */
  #adrift = false;
  #proven: number;
  /** Roots of batches that lie within what is held: they are used when one after them does not come out. */
  #passed: Known[] = [];

  constructor(at: { readonly tenantId: string; readonly log: string }, from: Frontier, tell: Tell) {
    this.#at = at;
    this.#tell = tell;
    this.#agreed = Compact.of(from);
    this.#proven = from.size;
  }

  /** Up to where every leaf lies under a root that was written down outside of the rows. */
  get proven(): number {
    return this.#proven;
  }

  get size(): number {
    return this.#agreed.size + this.#held.length;
  }

  /** The tree at the last whole tile that is proven: from there a later walk goes on, and sees a tile that has filled meanwhile whole. */
  resumeFrom(): Frontier {
    return this.#agreed.frontier();
  }

  /** The tree up to `proven`. */
  provenTree(): Frontier {
    const tree = this.#agreed.copy();
    for (const { computed, stored } of this.#held.slice(0, this.#proven - tree.size))
      tree.push(0, (computed ?? stored) as Uint8Array);
    return tree.frontier();
  }

  add(entry: Entry): void {
    if (entry.computed === null && entry.stored === null) this.#hole = true;
    else if (entry.computed !== null && entry.stored !== null && !equalBytes(entry.computed, entry.stored))
      this.#doubtful.push(this.#held.length);
    this.#held.push(entry);
  }

  /**
   * Holds the tree of the leaves so far against a root; `upper`: the stored tiles of level 1 and above that are full at this size. A batch's
   * root may wait, since there are many: until enough is held, or another root asks.
   */
  hold(known: Known, upper: UpperTiles): void {
    if (known.size !== this.size) throw new Error('a root is held against the tree of its own size');
    if (known.what === 'batch' && this.#held.length < HOLD_AT_LEAST && this.#doubtful.length === 0)
      this.#passed.push(known);
    else {
      // What the leaves of a batch came to, its own root says: used first, so that a checkpoint over another root accuses itself, not them.
      const own = this.#passed.at(-1);
      if (own?.size === known.size) {
        this.#passed.pop();
        this.#use(own, upper);
      }
      this.#use(known, upper);
    }
  }

  /** Uses the last root that was passed by: there is no later one. */
  settle(upper: UpperTiles): void {
    const last = this.#passed.pop();
    if (last !== undefined) this.#use(last, upper);
  }

  #use(known: Known, upper: UpperTiles): void {
    if (this.#adrift) return this.#forget();
    if (this.#hole) {
      // Told already: a leaf is missing and no tile remembers it. Nothing after it can be proven.
      this.#adrift = true;
      return this.#forget();
    }
    const mine = this.#held.slice(0, known.size - this.#agreed.size);
    const doubtful = this.#doubtful.filter((place) => place < mine.length);
    for (const right of doubtful.length === 0 ? (['bytes'] as const) : (['bytes', 'stored'] as const)) {
      const nodes: NotedNode[] = [];
      const tree = this.#agreed.copy((node) => nodes.push(node));
      const keep = tree.pushAll(
        mine.map(
          ({ computed, stored }) => (right === 'bytes' ? (computed ?? stored) : (stored ?? computed)) as Uint8Array,
        ),
      );
      if (!equalBytes(tree.root(), known.root)) continue;
      for (const place of doubtful) this.#blame(right, this.#agreed.size + place, mine[place] as Entry);
      this.#holdUpper(nodes, upper);
      this.#proven = known.size;
      this.#agreed = keep.tree;
      // What stays held was cleared up above.
      this.#held = this.#held
        .slice(keep.taken)
        .map((entry, place) => (keep.taken + place < mine.length ? settled(entry, right) : entry));
      this.#doubtful = this.#doubtful.filter((place) => place >= mine.length).map((place) => place - keep.taken);
      this.#passed = [];
      return;
    }
    this.#fail(known);
  }

  /** Neither reading leads to the root. */
  #fail(known: Known): void {
    // What another root has proven at this very size is so: this one was written down wrong.
    const isProven = this.#proven === known.size;
    if (!isProven) this.#adrift = true;
    // Bytes that differ from what is stored explain it; else leaf, column and tile were written anew together.
    if (isProven || this.#doubtful.length === 0) this.#tellRoot(known, isProven);
    if (!isProven) this.#forget();
  }

  #tellRoot(last: Known, isProven: boolean): void {
    const tree = this.#agreed.copy();
    let pushed = 0;
    let wrong = last;
    for (const known of [...this.#passed, last]) {
      for (; tree.size < known.size; pushed++) {
        const { computed, stored } = this.#held[pushed] as Entry;
        tree.push(0, (computed ?? stored) as Uint8Array);
      }
      wrong = known;
      if (!equalBytes(tree.root(), known.root)) break;
    }
    const [code, table] = WRITTEN_IN[wrong.what];
    const index = isProven ? wrong.size - 1 : wrong.first;
    const which = isProven ? '' : `: a leaf from ${wrong.first} to ${wrong.size - 1} is not the one that was committed`;
    const expected = `root ${hex(wrong.root)} at size ${wrong.size}`;
    this.#tell({
      ...this.#at,
      code,
      index,
      to: wrong.size - 1,
      table,
      expected,
      found: `root ${hex(tree.root())}${which}`,
    });
  }

  #blame(right: 'bytes' | 'stored', index: number, { computed, stored, inTile }: Entry): void {
    const tile = Math.floor(index / TILE_WIDTH);
    const [bytes, said] = [hex(computed as Uint8Array), hex(stored as Uint8Array)];
    if (right === 'stored')
      this.#tell({
        ...this.#at,
        code: 'LEAF_HASH_MISMATCH',
        index,
        table: 'leaf',
        expected: `bytes that hash to ${said}`,
        found: bytes,
      });
    else if (inTile)
      this.#tell({
        ...this.#at,
        code: 'TILE_MISMATCH',
        index,
        table: 'tile',
        expected: `tile 0/${tile} with ${bytes}`,
        found: said,
      });
    else
      this.#tell({
        ...this.#at,
        code: 'COLUMN_MISMATCH',
        index,
        table: 'leaf',
        expected: `leaf_hash ${bytes}`,
        found: said,
      });
  }

  /** Upper tiles are the hashes of lower ones. */
  #holdUpper(nodes: readonly NotedNode[], upper: UpperTiles): void {
    for (const { height, index, hash } of nodes) {
      // The node over a full tile of level L is at height 8(L+1).
      const tileLevel = height / 8 - 1;
      if (tileLevel < 1) continue;
      const at = { ...this.#at, index: index * TILE_WIDTH ** (tileLevel + 1), table: 'tile' };
      const hashes = upper(tileLevel, index);
      if (hashes === null)
        this.#tell({ ...at, code: 'TILE_MISSING', expected: `tile ${tileLevel}/${index}`, found: 'no such row' });
      else {
        const found = treeHash(Array.from({ length: TILE_WIDTH }, (_, i) => hashes.subarray(i * 32, (i + 1) * 32)));
        if (!equalBytes(found, hash))
          this.#tell({
            ...at,
            code: 'TILE_MISMATCH',
            expected: `tile ${tileLevel}/${index} of hash ${hex(hash)}`,
            found: hex(found),
          });
      }
    }
  }

  /** Lets go of what is held. No root tells any more which of bytes and stored hash is right; that they differ is told all the same. */
  #forget(): void {
    for (const place of this.#doubtful) this.#blame('stored', this.#agreed.size + place, this.#held[place] as Entry);
    this.#passed = [];
    this.#agreed = this.#agreed.skipTo(this.size);
    this.#held = [];
    this.#doubtful = [];
  }
}

/** What a root that does not come out is called, and where it stands. */
const WRITTEN_IN = {
  batch: ['ROOT_MISMATCH', 'batch_authenticator'],
  checkpoint: ['CHECKPOINT_DIFFERS', 'checkpoint'],
  signer: ['LOG_DIFFERS_FROM_SIGNED', 'leaf'],
} as const;

/** An entry after it was told which of its two hashes is right. */
function settled(entry: Entry, right: 'bytes' | 'stored'): Entry {
  const hash = right === 'bytes' ? (entry.computed ?? entry.stored) : (entry.stored ?? entry.computed);
  return { ...entry, computed: hash, stored: hash };
}

/** The stored tile of a level from 1 on; null: it is not there. */
export type UpperTiles = (level: number, index: number) => Uint8Array | null;

/** A node over a whole tile: its height, its place among those of that height. */
interface NotedNode {
  readonly height: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

type Note = (node: NotedNode) => void;

/** A compact range as a binary counter: the root of a perfect subtree at each height that the size has as a binary digit. */
class Compact {
  readonly #nodes: (Uint8Array | undefined)[];
  readonly #note: Note | null;
  size: number;

  private constructor(size: number, nodes: (Uint8Array | undefined)[], note: Note | null) {
    this.size = size;
    this.#nodes = nodes;
    this.#note = note;
  }

  static of({ size, hashes }: Frontier): Compact {
    const nodes: (Uint8Array | undefined)[] = [];
    let next = hashes.length - 1;
    for (let height = 0, rest = size; rest > 0; height++, rest = Math.floor(rest / 2))
      if (rest % 2 === 1) nodes[height] = hashes[next--];
    return new Compact(size, nodes, null);
  }

  copy(note: Note | null = null): Compact {
    return new Compact(this.size, [...this.#nodes], note);
  }

  /** The same place without knowing what is below it. */
  skipTo(size: number): Compact {
    return new Compact(size, [], null);
  }

  push(height: number, hash: Uint8Array): void {
    let [at, node] = [height, hash];
    this.size += 2 ** height;
    for (let left = this.#nodes[at]; left !== undefined; left = this.#nodes[at]) {
      this.#nodes[at] = undefined;
      node = nodeHash(left, node);
      at++;
      // What completes a tile's worth is noted: its place among those of its height.
      if (at % 8 === 0) this.#note?.({ height: at, index: this.size / 2 ** at - 1, hash: node });
    }
    this.#nodes[at] = node;
  }

  /** Pushes leaf hashes; `keep` is the tree as it was at the last whole tile, and how many of the leaves that took. */
  pushAll(leaves: readonly Uint8Array[]): { readonly tree: Compact; readonly taken: number } {
    let tree = this.copy();
    let taken = 0;
    for (const [i, leaf] of leaves.entries()) {
      this.push(0, leaf);
      if (this.size % TILE_WIDTH === 0) [tree, taken] = [this.copy(), i + 1];
    }
    return { tree, taken };
  }

  root(): Uint8Array {
    let root: Uint8Array | null = null;
    for (const node of this.#nodes) if (node !== undefined) root = root === null ? node : nodeHash(node, root);
    return root ?? EMPTY_ROOT;
  }

  frontier(): Frontier {
    return { size: this.size, hashes: this.#nodes.filter((node) => node !== undefined).toReversed() };
  }
}
