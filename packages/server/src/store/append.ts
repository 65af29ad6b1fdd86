import type { Topic } from '@sworn/evidence';
import { insertRows } from './copyBinary.js';
import type { Tx } from './database.js';
import { insertProjections, type ProjectionRow } from './projection.js';
import { sql } from './sql.js';

/** The tip of one log as `log_head` has it: what the next leaf is numbered and chained from. */
export interface LogHead {
  readonly topic: Topic;
  /** Stored name: the topic, plus `.n` from generation 2 on. */
  readonly log: string;
  readonly nextIndex: number;
  /** Compact range of the leaves before `nextIndex`, concatenated hashes. */
  readonly frontier: Uint8Array;
  readonly root: Uint8Array;
  /** RFC 3339, or null while the log is empty. */
  readonly lastRecordedAt: string | null;
}

/** What of a prepared record goes into its row. */
interface PreparedLeaf {
  readonly kind: string;
  readonly leaf: Uint8Array;
  readonly eventKey: Uint8Array;
  readonly traceId: Uint8Array | null;
  readonly runId: string | null;
  readonly occurredAt: string;
  readonly body: Uint8Array | null;
  readonly digest: Uint8Array;
  readonly dk: string | null;
  readonly projection: ProjectionRow | null;
}

/** One row of `leaf`: a prepared record, numbered and hashed. */
export interface LeafRow {
  readonly draft: PreparedLeaf;
  readonly log: string;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly recordedAt: string;
}

/** A full tile of 256 hashes (C2SP tlog-tiles). */
export interface TileRow {
  readonly log: string;
  readonly level: number;
  readonly index: number;
  readonly hashes: Uint8Array;
}

/** One batch of one log, authenticated by the recorder (INTEGRITY.md, "Batch authenticator"). */
export interface BatchRow {
  readonly log: string;
  readonly first: number;
  readonly count: number;
  readonly rootBefore: Uint8Array;
  readonly rootAfter: Uint8Array;
  readonly at: string;
  readonly mac: Uint8Array;
}

/** What the event key of a draft already names. */
export interface KnownLeaf {
  /** Place in the list that was asked for. */
  readonly ordinal: number;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly digest: Uint8Array;
  readonly recordedAt: string;
}

/** Locks the open heads of `topics` until the transaction ends, in log order, so that two writers never deadlock. Primary key of `log_head`. */
export async function lockHeads(tx: Tx, tenantId: string, topics: readonly Topic[]): Promise<LogHead[]> {
  return tx.query<LogHead>(sql`
    select topic, log, next_index as "nextIndex", frontier, root, last_recorded_at as "lastRecordedAt"
      from sworn.log_head
     where tenant_id = ${tenantId}::uuid and topic = any(${[...topics]}::text[]) and not closed
     order by log
       for update`);
}

/** The database's clock, to the microsecond. */
export async function readClock(tx: Tx): Promise<string> {
  const [row] = await tx.query<{ now: string }>(sql`select clock_timestamp() as now`);
  if (row === undefined) throw new Error('the database did not tell the time');
  return row.now;
}

/**
 * Looks up event keys, after the lock was taken. Unique index `leaf_event_key` (tenant_id, event_key, log). The lateral with its limit makes
 * it an index lookup per key; `is not distinct from`, which no index serves, keeps the planner from walking the whole log by the primary key,
 * which it takes for equally cheap as long as the table has no statistics (600 µs a leaf in place of 40).
 */
export async function findByEventKey(
  tx: Tx,
  tenantId: string,
  keys: readonly { readonly log: string; readonly eventKey: Uint8Array }[],
): Promise<KnownLeaf[]> {
  return tx.query<KnownLeaf>(sql`
    select k.ordinal::int - 1 as ordinal, l.leaf_index as index, l.leaf_hash as "leafHash", l.digest, l.recorded_at as "recordedAt"
      from unnest(${keys.map((k) => k.log)}::text[], ${keys.map((k) => k.eventKey)}::bytea[]) with ordinality as k(log, event_key, ordinal)
     cross join lateral (
       select leaf_index, leaf_hash, digest, recorded_at
         from sworn.leaf
        where tenant_id = ${tenantId}::uuid and event_key = k.event_key and log is not distinct from k.log
        limit 1) l`);
}

/** Leaf hashes `from` ≤ index < `to` of one log, in order. Primary key. */
export async function readLeafHashes(
  tx: Tx,
  tenantId: string,
  log: string,
  from: number,
  to: number,
): Promise<Uint8Array[]> {
  if (from >= to) return [];
  const rows = await tx.query<{ hash: Uint8Array }>(sql`
    select leaf_hash as hash from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from} and leaf_index < ${to}
     order by leaf_index`);
  if (rows.length !== to - from) throw new Error(`log ${log} lacks leaves between ${from} and ${to}`);
  return rows.map((row) => row.hash);
}

/** Full tiles of one level, `from` ≤ tile index < `to`, in order. Primary key. */
export async function readTiles(
  tx: Tx,
  tenantId: string,
  log: string,
  level: number,
  from: number,
  to: number,
): Promise<Uint8Array[]> {
  if (from >= to) return [];
  const rows = await tx.query<{ hashes: Uint8Array }>(sql`
    select hashes from sworn.tile
     where tenant_id = ${tenantId}::uuid and log = ${log} and level = ${level} and tile_index >= ${from} and tile_index < ${to}
     order by tile_index`);
  if (rows.length !== to - from) throw new Error(`log ${log} lacks tiles of level ${level} between ${from} and ${to}`);
  return rows.map((row) => row.hashes);
}

const LEAF_COLUMNS = [
  ['tenant_id', 'uuid'],
  ['log', 'text'],
  ['leaf_index', 'int8'],
  ['kind', 'text'],
  ['leaf', 'bytea'],
  ['leaf_hash', 'bytea'],
  ['event_key', 'bytea'],
  ['trace_id', 'bytea'],
  ['run_id', 'text'],
  ['occurred_at', 'timestamptz'],
  ['recorded_at', 'timestamptz'],
  ['body', 'bytea'],
  ['digest', 'bytea'],
  ['dk', 'uuid'],
] as const;

/** Inserts numbered leaves and the projection rows that go with them. */
export async function insertLeaves(tx: Tx, tenantId: string, rows: readonly LeafRow[]): Promise<void> {
  await insertRows(
    tx,
    'leaf',
    LEAF_COLUMNS,
    rows.map(({ draft, log, index, leafHash, recordedAt }) => [
      tenantId,
      log,
      index,
      draft.kind,
      draft.leaf,
      leafHash,
      draft.eventKey,
      draft.traceId,
      draft.runId,
      draft.occurredAt,
      recordedAt,
      draft.body,
      draft.digest,
      draft.dk,
    ]),
  );
  const projections = rows.flatMap(({ draft, log, index, leafHash }) =>
    draft.projection === null ? [] : [{ log, leafIndex: index, leafHash, row: draft.projection }],
  );
  if (projections.length > 0) await insertProjections(tx, tenantId, projections);
}

/** Inserts full tiles. */
export async function insertTiles(tx: Tx, tenantId: string, tiles: readonly TileRow[]): Promise<void> {
  if (tiles.length === 0) return;
  await tx.query(sql`
    insert into sworn.tile (tenant_id, log, level, tile_index, hashes)
    select ${tenantId}::uuid, * from unnest(${tiles.map((t) => t.log)}::text[], ${tiles.map((t) => t.level)}::smallint[],
      ${tiles.map((t) => t.index)}::bigint[], ${tiles.map((t) => t.hashes)}::bytea[])`);
}

/** Inserts the batch authenticators and moves the heads to where the batches end. */
export async function advanceHeads(
  tx: Tx,
  tenantId: string,
  moves: readonly { readonly batch: BatchRow; readonly frontier: Uint8Array }[],
): Promise<void> {
  const logs = moves.map((m) => m.batch.log);
  await tx.query(sql`
    insert into sworn.batch_authenticator (tenant_id, log, first_index, count, root_before, root_after, at, mac)
    select ${tenantId}::uuid, * from unnest(${logs}::text[], ${moves.map((m) => m.batch.first)}::bigint[],
      ${moves.map((m) => m.batch.count)}::bigint[], ${moves.map((m) => m.batch.rootBefore)}::bytea[],
      ${moves.map((m) => m.batch.rootAfter)}::bytea[], ${moves.map((m) => m.batch.at)}::timestamptz[],
      ${moves.map((m) => m.batch.mac)}::bytea[])`);
  await tx.query(sql`
    update sworn.log_head h
       set next_index = m.next_index, frontier = m.frontier, root = m.root, last_recorded_at = m.at
      from unnest(${logs}::text[], ${moves.map((m) => m.batch.first + m.batch.count)}::bigint[], ${moves.map((m) => m.frontier)}::bytea[],
        ${moves.map((m) => m.batch.rootAfter)}::bytea[], ${moves.map((m) => m.batch.at)}::timestamptz[]) as m(log, next_index, frontier, root, at)
     where h.tenant_id = ${tenantId}::uuid and h.log = m.log`);
}
