import {
  concat,
  decodeLeaf,
  EMPTY_ROOT,
  emptyFrontier,
  encodeFrontier,
  extendFrontier,
  type Frontier,
  frontierRoot,
  fullTilesBetween,
  hex,
  leafHash,
  parseCheckpoint,
  TILE_WIDTH,
  treeHash,
} from '@sworn/evidence';
import type { AuditKeys } from './auditKeys.js';

/** A row of `leaf`; times as RFC 3339 text. */
export interface LeafRow {
  readonly leaf_index: number;
  readonly kind: string;
  readonly leaf: Buffer;
  readonly leaf_hash: Buffer;
  readonly event_key: Buffer;
  readonly trace_id: Buffer | null;
  readonly run_id: string | null;
  readonly occurred_at: string;
  readonly recorded_at: string;
  readonly body: Buffer | null;
  readonly dk: string | null;
}

/** Everything the tables hold of one log, in order. */
export interface LogRows {
  readonly head: {
    readonly next_index: number;
    readonly frontier: Buffer;
    readonly root: Buffer;
    readonly last_recorded_at: string | null;
  };
  readonly leaves: readonly LeafRow[];
  readonly tiles: readonly { readonly level: number; readonly tile_index: number; readonly hashes: Buffer }[];
  readonly batches: readonly {
    readonly first_index: number;
    readonly count: number;
    readonly root_before: Buffer;
    readonly root_after: Buffer;
    readonly at: string;
    readonly mac: Buffer;
  }[];
  readonly checkpoints: readonly { readonly size: number; readonly root: Buffer; readonly note: string }[];
}

/** A log after its audit. */
export interface AuditedLog {
  readonly origin: string;
  readonly size: number;
  /** Recomputed from the leaves, hex. */
  readonly root: string;
  /** Size of the newest checkpoint; 0: none. */
  readonly signed: number;
}

interface LogUnderAudit {
  readonly rows: LogRows;
  readonly origin: string;
  readonly keys: AuditKeys;
  readonly say: (problem: string) => void;
  /** Whether the newest checkpoint must cover all of it. */
  readonly settled: boolean;
}

/** Audits one log by itself. */
export function auditLog(log: LogUnderAudit): AuditedLog {
  const { rows, origin, say } = log;
  auditLeaves(log);
  const hashes = rows.leaves.map((row) => leafHash(row.leaf));
  const rootAt = prefixRoots(hashes, [
    ...rows.checkpoints.map((c) => c.size),
    ...rows.batches.flatMap((b) => [b.first_index, b.first_index + b.count]),
    ...log.keys.signed(origin).map((s) => s.size),
  ]);
  const frontier = extendFrontier(emptyFrontier, hashes);
  const root = hex(frontierRoot(frontier));
  const { head } = rows;
  if (head.next_index !== hashes.length) say(`head at ${head.next_index}, ${hashes.length} leaves`);
  if (hex(head.root) !== root) say(`head has root ${hex(head.root)}, the leaves ${root}`);
  if (hex(head.frontier) !== hex(encodeFrontier(frontier))) say('the head has another frontier');
  if (head.last_recorded_at !== (rows.leaves.at(-1)?.recorded_at ?? null)) say('the head has another last time');
  auditTiles(rows, hashes, say);
  auditBatches(log, rootAt);
  auditCheckpoints(log, rootAt);
  const signed = rows.checkpoints.at(-1)?.size ?? 0;
  if (log.settled && signed !== hashes.length) say(`signed to ${signed} of ${hashes.length}`);
  return { origin, size: hashes.length, root, signed };
}

function auditLeaves({ rows, origin, say }: LogUnderAudit): void {
  const keys = new Set<string>();
  let last = '';
  rows.leaves.forEach((row, index) => {
    const at = (problem: string): void => say(`leaf ${row.leaf_index}: ${problem}`);
    if (row.leaf_index !== index) at(`stands where ${index} is due`);
    if (hex(leafHash(row.leaf)) !== hex(row.leaf_hash)) at('has another hash');
    const leaf = decodeLeaf(row.leaf);
    const key = hex(row.event_key);
    if (keys.has(key)) at(`event key ${key} is there twice`);
    keys.add(key);
    if (leaf.eventKey !== key || leaf.kind !== row.kind || leaf.log !== origin) at('says other than its row');
    if (leaf.recordedAt !== row.recorded_at || leaf.occurredAt !== row.occurred_at) at('has other times than its row');
    if ((leaf.dk ?? null) !== row.dk) at('names another data key than its row');
    if (row.recorded_at < last) at(`recorded at ${row.recorded_at}, after ${last}`);
    last = row.recorded_at;
    if (leaf.kind === 'FINDING') at(`a finding: ${JSON.stringify(leaf.fields)}`);
  });
}

/** Roots of the tree at these sizes, hex; one that lies beyond the log has none. */
function prefixRoots(hashes: readonly Uint8Array[], sizes: readonly number[]): ReadonlyMap<number, string> {
  const roots = new Map<number, string>([[0, hex(EMPTY_ROOT)]]);
  let frontier: Frontier = emptyFrontier;
  for (const size of [...new Set(sizes)].sort((a, b) => a - b)) {
    if (size > hashes.length) break;
    frontier = extendFrontier(frontier, hashes.slice(frontier.size, size));
    roots.set(size, hex(frontierRoot(frontier)));
  }
  return roots;
}

function auditTiles({ tiles }: LogRows, hashes: readonly Uint8Array[], say: (problem: string) => void): void {
  const stored = new Map(tiles.map((tile) => [`${tile.level}/${tile.tile_index}`, hex(tile.hashes)]));
  let level = 0;
  let row = hashes;
  for (const tile of fullTilesBetween(0, hashes.length)) {
    if (tile.level > level) {
      level = tile.level;
      row = rootsOfTiles(row);
    }
    const name = `${tile.level}/${tile.index}`;
    const expected = concat(...row.slice(tile.index * TILE_WIDTH, (tile.index + 1) * TILE_WIDTH));
    if (stored.get(name) !== hex(expected)) say(`tile ${name} ${stored.has(name) ? 'has other hashes' : 'is missing'}`);
    stored.delete(name);
  }
  for (const name of stored.keys()) say(`tile ${name} belongs to no log of this size`);
}

function rootsOfTiles(hashes: readonly Uint8Array[]): Uint8Array[] {
  return Array.from({ length: Math.floor(hashes.length / TILE_WIDTH) }, (_, i) =>
    treeHash(hashes.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH)),
  );
}

function auditBatches({ rows, origin, keys, say }: LogUnderAudit, rootAt: ReadonlyMap<number, string>): void {
  let next = 0;
  for (const batch of rows.batches) {
    const at = (problem: string): void => say(`batch ${batch.first_index}: ${problem}`);
    if (batch.first_index !== next) at(`begins where ${next} is due`);
    next = batch.first_index + batch.count;
    if (hex(batch.root_before) !== rootAt.get(batch.first_index)) at('begins from another root');
    if (hex(batch.root_after) !== rootAt.get(next)) at('ends at another root');
    if (hex(keys.macOf(origin, batch)) !== hex(batch.mac)) at('is not authenticated');
    const ofBatch = rows.leaves.slice(batch.first_index, next);
    if (ofBatch.some((leaf) => leaf.recorded_at !== batch.at)) at('has leaves of another time');
  }
  if (next !== rows.leaves.length) say(`authenticated to ${next} of ${rows.leaves.length}`);
}

function auditCheckpoints({ rows, origin, keys, say }: LogUnderAudit, rootAt: ReadonlyMap<number, string>): void {
  for (const { size, root, note } of rows.checkpoints) {
    const at = (problem: string): void => say(`checkpoint ${size}: ${problem}`);
    const signed = parseCheckpoint(note);
    if (signed.origin !== origin || signed.size !== size || hex(signed.root) !== hex(root))
      at('says other than its row');
    if (!keys.isSignedByUs(origin, signed.note)) at('does not carry our signature');
    if (hex(root) !== rootAt.get(size)) at('has a root that the leaves have not');
  }
  for (const { size, root } of keys.signed(origin)) {
    if (rootAt.get(size) !== root) say(`the signer remembers ${size}, of which the leaves know nothing`);
  }
}
