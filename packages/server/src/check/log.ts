import { encodeFrontier, equalBytes, type Frontier, frontierRoot, hex, leafHash, TILE_WIDTH } from '@sworn/evidence';
import { type HeadRow, type LogPlace, readProjection, readRunNames } from '../store/checking.js';
import { type FullLeaf, readLeaves, readTreeLeaves, type TreeLeaf } from '../store/checkingLeaf.js';
import { type Anomalies, countAnomalies, NO_ANOMALIES, sumOf } from './anomalies.js';
import { checkBodies } from './bodies.js';
import { type Breathe, type Checking, isGivenUp } from './checking.js';
import { type Chunk, readChunks, type Span } from './chunk.js';
import { mayBeGone, readExcuses } from './excuses.js';
import type { Tell } from './finding.js';
import { checkColumns, checkTime, parseLeaf, type ReadLeaf, topicOf } from './leaves.js';
import { namedIn } from './named.js';
import { checkPresence } from './presence.js';
import { checkProjection, checkRunNames, TABLES_OF } from './projections.js';
import { type Chain, chainAt, inOrder, knownRoots } from './roots.js';
import { checkRuns } from './runs.js';
import { type Known, TreeWalk, type UpperTiles } from './tree.js';

/** A log with a head, and how many leaves it must have. */
export interface LogState {
  readonly head: HeadRow;
  /** As the head says, but no more than anything else knows of: whoever writes a head does not make us count to the end of time. */
  readonly size: number;
}

/** How much of a log is looked at, and how closely. */
export interface LogCheck {
  readonly place: LogPlace;
  /** A tree that was found sound, to go on from. */
  readonly from: Frontier;
  /** Leaves from here on are left for another time; at most the log's size. */
  readonly below: number;
  /** `tree`: V1 to V5, that no leaf was changed and nothing taken away. `beside`: and what stands beside it, up to V9. `all`: and that bodies open to what was committed. */
  readonly depth: 'tree' | 'beside' | 'all';
  /** Leaves looked at together, in tiles: with a few, other work has its turn between them. */
  readonly tilesAtOnce: number;
  /** Whether the next ones are asked for meanwhile. */
  readonly ahead?: boolean;
  readonly tell: Tell;
  /** Anomalies are counted from this leaf on: those before it were, another time. */
  readonly countFrom: number;
  /** Called after each chunk with how many leaves it had. */
  readonly onProgress: (leaves: number, bytes: number) => void;
  /** Asked every few leaves: null to go on, else it resolves when others had their turn. */
  readonly breathe: Breathe;
}

/** How far a log was found sound. */
export interface LogResult {
  /** Leaves that lie under a root written down outside of their rows. */
  readonly verified: number;
  /** From where a later check may go on. */
  readonly resumeFrom: Frontier;
  /** Null: not looked for. */
  readonly anomalies: Anomalies | null;
}

/** Checks V1 to V9 on a range of one log, chunk by chunk. */
export async function checkRange(checking: Checking, state: LogState, check: LogCheck): Promise<LogResult> {
  const { place, tell, breathe } = check;
  const { head } = state;
  const origin = checking.originOf(place.tenantId, place.log);
  const walk = new TreeWalk(place, check.from, tell);
  const signed = checking.memory?.load(origin) ?? null;
  const remembered = signed === null || (await isGivenUp(checking, place)) ? null : signed;
  let latest: string | null = null;
  let anomalies: Anomalies | null = check.depth === 'tree' ? null : NO_ANOMALIES;
  let chain = await chainAt(checking, place, origin, check.from.size);
  // Kept: a tile's root may be asked for in the chunk after the one that fills it.
  const upperTiles = new Map<string, Uint8Array>();
  const upper: UpperTiles = (level, index) => upperTiles.get(`${level}/${index}`) ?? null;
  /** What every depth asks of a chunk. Returns the leaves that are what their hash says. */
  async function walkOn<Row extends TreeLeaf, Said>(
    chunk: Chunk<Row>,
    readRow: ReadRow<Row, Said>,
  ): Promise<readonly ReadLeaf<Row, Said>[]> {
    const { range } = chunk;
    for (const [name, hashes] of chunk.upper) upperTiles.set(name, hashes);
    const known = await knownRoots(checking, { place, origin, head }, chunk, chain, tell);
    ({ chain } = known);
    if (remembered !== null && remembered.size > range.from && remembered.size <= range.below)
      known.roots.push({ ...remembered, what: 'signer', first: range.from });
    const read = await walkChunk(checking, { ...check, walk, upper, readRow }, chunk, inOrder(known.roots));
    for (const row of chunk.rows) latest = checkTime(place, row, latest, tell);
    return read;
  }
  const chunking = { ...check, range: { from: check.from.size, below: check.below }, ahead: check.ahead === true };
  if (check.depth === 'tree')
    for await (const chunk of readChunks(checking, { ...chunking, readRows: readTreeLeaves })) {
      await breathe();
      await checkPresence(checking, place, await walkOn(chunk, namedIn), tell);
      check.onProgress(chunk.range.below - chunk.range.from, chunk.bytes);
    }
  else
    for await (const chunk of readChunks(checking, { ...chunking, readRows: readLeaves })) {
      await breathe();
      const { range } = chunk;
      const read = await walkOn(chunk, parseLeaf);
      await checkBeside(checking, { place, origin, range, breathe }, read, chunk.rows, tell);
      await checkBodies(checking, { place, origin, open: check.depth === 'all', breathe }, read, tell);
      anomalies = sumOf(anomalies ?? NO_ANOMALIES, countAnomalies(read, check.countFrom));
      check.onProgress(range.below - range.from, chunk.bytes);
    }
  walk.settle(upper);
  if (check.below === state.size) checkHead(place, state, { walk, latest, chain }, tell);
  return { verified: walk.proven, resumeFrom: walk.resumeFrom(), anomalies };
}

/** What a leaf says that is what its hash stands for; null and a finding (V4) when it says nothing. */
type ReadRow<Row extends TreeLeaf, Said> = (place: LogPlace, row: Row, tell: Tell) => Said | null;

interface Walking<Row extends TreeLeaf, Said> extends LogCheck {
  readonly walk: TreeWalk;
  readonly upper: UpperTiles;
  readonly readRow: ReadRow<Row, Said>;
}

/** V3, V4 and V5: every place of the range, its leaf and its entry in the tree. Returns the leaves that are what their hash says. */
async function walkChunk<Row extends TreeLeaf, Said>(
  checking: Checking,
  { place, tell, walk, upper, readRow, breathe }: Walking<Row, Said>,
  chunk: Chunk<Row>,
  roots: readonly Known[],
): Promise<readonly ReadLeaf<Row, Said>[]> {
  const { range } = chunk;
  const read: ReadLeaf<Row, Said>[] = [];
  const absent: number[] = [];
  let [nextRow, nextRoot] = [0, 0];
  for (let index = range.from; index < range.below; index++) {
    const rest = breathe();
    if (rest !== null) await rest;
    const tile = Math.floor(index / TILE_WIDTH);
    const entry = entryOf(chunk, index);
    if (entry === null && index % TILE_WIDTH === 0 && (tile + 1) * TILE_WIDTH <= range.below)
      tell({ ...place, code: 'TILE_MISSING', index, table: 'tile', expected: `tile 0/${tile}`, found: 'no such row' });
    const row = chunk.rows[nextRow];
    if (row?.index !== index) {
      absent.push(index);
      walk.add({ computed: null, stored: entry, inTile: entry !== null });
    } else {
      const hash = leafHash(row.leaf);
      walk.add({ computed: hash, stored: entry ?? row.leafHash, inTile: entry !== null });
      const said = isWhatItsHashSays(place, row, { hash, entry }, tell) ? readRow(place, row, tell) : null;
      if (said !== null) read.push({ row, hash, said });
      while (chunk.rows[++nextRow]?.index === index)
        tell({
          ...place,
          code: 'DUPLICATE_INDEX',
          index,
          table: 'leaf',
          expected: 'one leaf at an index',
          found: 'more',
        });
    }
    for (let root = roots[nextRoot]; root !== undefined && root.size <= index + 1; root = roots[++nextRoot])
      if (root.size === index + 1) walk.hold(root, upper);
  }
  await tellAbsent(checking, place, absent, tell);
  return read;
}

/** Whether a leaf's bytes are those that its stored hash stands for: of others nothing is asked. */
function isWhatItsHashSays(
  place: LogPlace,
  row: TreeLeaf,
  { hash, entry }: { readonly hash: Uint8Array; readonly entry: Uint8Array | null },
  tell: Tell,
): boolean {
  if (!equalBytes(hash, entry ?? row.leafHash)) return false;
  if (entry !== null && !equalBytes(hash, row.leafHash))
    tell({
      ...place,
      code: 'COLUMN_MISMATCH',
      index: row.index,
      table: 'leaf',
      expected: `leaf_hash ${hex(hash)}`,
      found: row.leafHash.toString('hex'),
    });
  return true;
}

/** V5: what is not there, place after place as one finding. */
async function tellAbsent(checking: Checking, place: LogPlace, absent: readonly number[], tell: Tell): Promise<void> {
  if (absent.length === 0) return;
  const excuses = await readExcuses(checking, place.tenantId);
  const missing = absent.filter((index) => !mayBeGone(excuses, place, index));
  for (let at = 0; at < missing.length; ) {
    const first = missing[at] as number;
    let last = first;
    while (missing[++at] === last + 1) last++;
    const expected = last === first ? 'a leaf' : `leaves ${first} to ${last}`;
    tell({
      ...place,
      code: 'MISSING_UNAUTHORISED',
      index: first,
      to: last,
      table: 'leaf',
      expected,
      found: 'none, and no proven retention',
    });
  }
}

/** What the full tile says of a place; null while its tile is filling, or is not there. */
function entryOf({ tiles }: Pick<Chunk<TreeLeaf>, 'tiles'>, index: number): Uint8Array | null {
  const at = index % TILE_WIDTH;
  return tiles.get(Math.floor(index / TILE_WIDTH))?.subarray(at * 32, (at + 1) * 32) ?? null;
}

/** V6 and V9: what stands beside the leaves. */
async function checkBeside(
  checking: Checking,
  at: {
    readonly place: LogPlace;
    readonly origin: string;
    readonly range: Span;
    readonly breathe: Breathe;
  },
  leaves: readonly ReadLeaf[],
  rowsThere: readonly FullLeaf[],
  tell: Tell,
): Promise<void> {
  const { place, origin, range, breathe } = at;
  for (const leaf of leaves) {
    const rest = breathe();
    if (rest !== null) await rest;
    checkColumns(place, origin, leaf, tell);
  }
  const readable = new Set(leaves.map(({ row }) => row.index));
  const damaged = new Set(rowsThere.map(({ index }) => index).filter((index) => !readable.has(index)));
  const topic = topicOf(place.log);
  for (const table of topic === null ? [] : (TABLES_OF[topic] ?? [])) {
    const rows = await checking.ask((tx) => readProjection(tx, table, place, range));
    checkProjection({ place, origin, table, damaged }, leaves, rows, tell);
  }
  if (topic === 'llm-runs') {
    checkRunNames({ place, damaged }, leaves, await checking.ask((tx) => readRunNames(tx, place, range)), tell);
    await checkRuns(checking, place, leaves, tell);
  }
}

/** The head is what the leaves come to, and the batches reach it. */
function checkHead(
  place: LogPlace,
  { head, size }: LogState,
  { walk, latest, chain }: { readonly walk: TreeWalk; readonly latest: string | null; readonly chain: Chain },
  tell: Tell,
): void {
  const at = { ...place, table: 'log_head' };
  if (size < head.size)
    tell({
      ...at,
      code: 'HEAD_MISMATCH',
      index: size,
      expected: `next index ${size}, where leaves and batches end`,
      found: String(head.size),
    });
  else if (chain.next < head.size)
    tell({
      ...place,
      code: 'UNAUTHENTICATED_APPEND',
      index: chain.next,
      to: head.size - 1,
      table: 'batch_authenticator',
      expected: `batches of ours up to ${head.size}`,
      found: `up to ${chain.next}`,
    });
  else if (chain.next > head.size)
    tell({
      ...at,
      code: 'HEAD_MISMATCH',
      index: head.size,
      expected: `next index ${chain.next}, where the batches end`,
      found: String(head.size),
    });
  if (walk.proven !== head.size) return;
  const tree = walk.provenTree();
  if (!equalBytes(encodeFrontier(tree), head.frontier) || !equalBytes(frontierRoot(tree), head.root))
    tell({
      ...at,
      code: 'HEAD_MISMATCH',
      index: head.size,
      expected: `root ${hex(frontierRoot(tree))} and its frontier`,
      found: `root ${hex(head.root)}`,
    });
  if (latest !== null && head.lastRecordedAt !== latest)
    tell({
      ...at,
      code: 'HEAD_MISMATCH',
      index: head.size,
      expected: `last recorded at ${latest}`,
      found: String(head.lastRecordedAt),
    });
}
