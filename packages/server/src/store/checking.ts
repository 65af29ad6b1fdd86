import type { Column } from './copyBinary.js';
import { copyOut, literal, type Tuples } from './copyOut.js';
import type { Tx } from './database.js';
import { PROJECTION_COLUMNS, type ProjectionTable } from './projection.js';
import type { StoredBatch } from './signing.js';
import { sql } from './sql.js';

// What the checks ask, as the checker's role: base tables, every tenant, no policy between. Whoever owns the database may have put anything
// there, also rows that no constraint would let in.

/** In the place of what a row must have and, since somebody took down its constraint, has not: equal to nothing that a leaf says. */
export const NOTHING = Buffer.alloc(0);

/** A log of a tenant. */
export interface LogPlace {
  readonly tenantId: string;
  readonly log: string;
}

/** `from` ≤ index < `below`. */
export interface Range {
  readonly from: number;
  readonly below: number;
}

/** A log's head as its row has it. */
export interface HeadRow {
  readonly topic: string;
  readonly generation: number;
  readonly log: string;
  readonly size: number;
  readonly frontier: Uint8Array;
  readonly root: Uint8Array;
  readonly lastRecordedAt: string | null;
  readonly closed: boolean;
}

/** Leaves of a log as its head has it now; 0: there is no such log. Primary key of `log_head`. */
export async function readSize(tx: Tx, { tenantId, log }: LogPlace): Promise<number> {
  return (await readHeads(tx, tenantId)).find((head) => head.log === log)?.size ?? 0;
}

/** Heads of a tenant's logs. Primary key of `log_head`. */
export async function readHeads(tx: Tx, tenantId: string): Promise<HeadRow[]> {
  const rows = await copyOut(
    tx,
    `select topic, generation, log, next_index, frontier, root, last_recorded_at, closed
       from sworn.log_head where tenant_id = ${literal(tenantId)} order by log`,
  );
  const heads: HeadRow[] = [];
  while (rows.next())
    heads.push({
      topic: rows.text() ?? '',
      generation: rows.number() ?? 0,
      log: rows.text() ?? '',
      size: rows.number() ?? 0,
      frontier: rows.bytes() ?? NOTHING,
      root: rows.bytes() ?? NOTHING,
      lastRecordedAt: rows.time(),
      closed: rows.flag() === true,
    });
  return heads;
}

/** A cell of a projection row. */
export type Cell = string | number | boolean | Uint8Array | readonly (string | Uint8Array)[] | null;

/** A projection row and where it stands. */
export interface ProjectedRow {
  readonly index: number;
  readonly cells: Readonly<Record<string, Cell>>;
}

/** The rows of a projection beside a range of a log, in order. Primary keys. */
export async function readProjection(
  tx: Tx,
  table: ProjectionTable,
  place: LogPlace,
  range: Range,
): Promise<ProjectedRow[]> {
  const columns = PROJECTION_COLUMNS[table];
  const names = columns.map(([name]) => name).join(', ');
  const rows = await copyOut(
    tx,
    `select leaf_index, ${names} from sworn.${table} where ${within(place, range)} order by leaf_index`,
  );
  const found: ProjectedRow[] = [];
  while (rows.next()) {
    const index = rows.number() as number;
    const cells: Record<string, Cell> = {};
    for (const column of columns) cells[column[0]] = cellOf(rows, column);
    found.push({ index, cells });
  }
  return found;
}

function cellOf(rows: Tuples, [, type]: Column): Cell {
  switch (type) {
    case 'text':
      return rows.text();
    case 'bytea':
      return rows.bytes();
    case 'uuid':
      return rows.uuid();
    case 'bool':
      return rows.flag();
    case 'timestamptz':
      return rows.time();
    case 'text[]':
      return rows.texts();
    case 'bytea[]':
      return rows.bytesList();
    default:
      return rows.number();
  }
}

/** The rows of a range of a log, as a condition. */
export function within({ tenantId, log }: LogPlace, { from, below }: Range): string {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(below)) throw new Error('not a range of leaf indexes');
  return `tenant_id = ${literal(tenantId)} and log = ${literal(log)} and leaf_index >= ${from} and leaf_index < ${below}`;
}

/** A checkpoint as its row has it. */
export interface CheckpointRow {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  readonly signedAt: string;
}

/** Checkpoints with `from` < size ≤ `to`, in order, at most `limit`. Primary key. */
export async function readCheckpointsIn(
  tx: Tx,
  place: LogPlace,
  { from, to, limit }: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<CheckpointRow[]> {
  return checkpoints(tx, place, `size > ${whole(from)} and size <= ${whole(to)} order by size limit ${whole(limit)}`);
}

/** The newest checkpoint row, whoever wrote it; null: none. Primary key. */
export async function readNewestCheckpoint(tx: Tx, place: LogPlace): Promise<CheckpointRow | null> {
  return (await checkpoints(tx, place, 'true order by size desc limit 1'))[0] ?? null;
}

/** The checkpoint row of this size; null: none. Primary key. */
export async function readCheckpointAt(tx: Tx, place: LogPlace, size: number): Promise<CheckpointRow | null> {
  return (await checkpoints(tx, place, `size = ${whole(size)} limit 1`))[0] ?? null;
}

async function checkpoints(tx: Tx, { tenantId, log }: LogPlace, which: string): Promise<CheckpointRow[]> {
  const rows = await copyOut(
    tx,
    `select size, root, note, signed_at from sworn.checkpoint
      where tenant_id = ${literal(tenantId)} and log = ${literal(log)} and ${which}`,
  );
  const found: CheckpointRow[] = [];
  while (rows.next())
    found.push({
      size: rows.number() ?? 0,
      root: rows.bytes() ?? NOTHING,
      note: rows.text() ?? '',
      signedAt: rows.time() ?? '',
    });
  return found;
}

/** Batches with `from` ≤ first index < `below`, in order, at most `limit`. Primary key. */
export async function readBatchesIn(
  tx: Tx,
  place: LogPlace,
  { from, below, limit }: Range & { readonly limit: number },
): Promise<StoredBatch[]> {
  const which = `first_index >= ${whole(from)} and first_index < ${whole(below)}`;
  return batches(tx, place, `${which} order by first_index limit ${whole(limit)}`);
}

/** The batch that begins before leaf `index` and next to it; null: none. Primary key. */
export async function readBatchBefore(tx: Tx, place: LogPlace, index: number): Promise<StoredBatch | null> {
  return (await batches(tx, place, `first_index < ${whole(index)} order by first_index desc limit 1`))[0] ?? null;
}

async function batches(tx: Tx, { tenantId, log }: LogPlace, which: string): Promise<StoredBatch[]> {
  const rows = await copyOut(
    tx,
    `select first_index, count, root_before, root_after, at, mac from sworn.batch_authenticator
      where tenant_id = ${literal(tenantId)} and log = ${literal(log)} and ${which}`,
  );
  const found: StoredBatch[] = [];
  while (rows.next())
    found.push({
      first: rows.number() ?? 0,
      count: rows.number() ?? 0,
      rootBefore: rows.bytes() ?? NOTHING,
      rootAfter: rows.bytes() ?? NOTHING,
      at: rows.time() ?? '',
      mac: rows.bytes() ?? NOTHING,
    });
  return found;
}

/** How many leaves stand from `from` on, counted to `most`. Primary key of `leaf`. */
export async function countLeavesFrom(tx: Tx, place: LogPlace, from: number, most: number): Promise<number> {
  const { tenantId, log } = place;
  const rows = await copyOut(
    tx,
    `select count(*) from (select from sworn.leaf where tenant_id = ${literal(tenantId)} and log = ${literal(log)}
       and leaf_index >= ${whole(from)} limit ${whole(most)}) as l`,
  );
  return rows.next() ? (rows.number() ?? 0) : 0;
}

/** A number that may stand in a COPY. What a row says beyond 2^53−1 is as far as anything goes. */
export function whole(value: number): number {
  const bounded = Math.min(value, Number.MAX_SAFE_INTEGER);
  if (!Number.isSafeInteger(bounded)) throw new Error('not a whole number');
  return bounded;
}

/** The STEP leaves of these traces below an index: where they stand and their hashes, in leaf order. Index `leaf_trace`. */
export async function readStepHashes(
  tx: Tx,
  place: LogPlace,
  asked: { readonly traceIds: readonly string[]; readonly below: number },
): Promise<{ readonly index: number; readonly traceId: string; readonly leafHash: Uint8Array }[]> {
  return tx.query(sql`
    select l.leaf_index as index, encode(l.trace_id, 'hex') as "traceId", coalesce(l.leaf_hash, '') as "leafHash"
      from unnest(${asked.traceIds.map((id) => Buffer.from(id, 'hex'))}::bytea[]) as asked(trace_id)
     cross join lateral (
       select leaf_index, trace_id, leaf_hash from sworn.leaf
        where tenant_id = ${place.tenantId}::uuid and trace_id = asked.trace_id and leaf_index < ${asked.below}
          and log is not distinct from ${place.log}::text and kind = 'STEP'
        order by leaf_index) l
     order by l.leaf_index`);
}

/** Where a row stands in the order of a tenant's `control`, over all generations. */
export interface ControlPlace {
  readonly generation: number;
  readonly index: number;
}

/** A `control` leaf of a kind, as its row has it. */
export interface ControlRowLeaf extends ControlPlace {
  readonly log: string;
  readonly size: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/**
 * The `control` leaves of these kinds after a place (null: all there are), in order, found by their projection rows, and each looked up by itself
 * (`offset 0`), so that few cost little in a log of many. Indexes (tenant_id, kind, leaf_index) and primary key of `leaf`.
 */
export async function readControlOf(
  tx: Tx,
  tenantId: string,
  kinds: readonly string[],
  after: ControlPlace | null = null,
): Promise<ControlRowLeaf[]> {
  return tx.query<ControlRowLeaf>(sql`
    select h.generation, c.log, c.leaf_index as index, least(h.next_index, ${Number.MAX_SAFE_INTEGER}) as size, l.leaf, l."leafHash"
      from sworn.control_records c
      join sworn.log_head h on h.tenant_id = c.tenant_id and h.log = c.log
     cross join lateral (
       select coalesce(leaf, '') as leaf, coalesce(leaf_hash, '') as "leafHash" from sworn.leaf
        where tenant_id = c.tenant_id and log = c.log and leaf_index = c.leaf_index offset 0) l
     where c.tenant_id = ${tenantId}::uuid and c.leaf_index <= ${Number.MAX_SAFE_INTEGER} and c.kind = any(${[...kinds]}::text[])
       and (${after === null} or (h.generation, c.leaf_index) > (${after?.generation ?? 0}::int, ${after?.index ?? 0}::bigint))
     order by h.generation, c.leaf_index`);
}

/** How many rows of these kinds stand up to a place, with the one there. Index (tenant_id, kind, leaf_index). */
export async function countControlOf(
  tx: Tx,
  tenantId: string,
  kinds: readonly string[],
  upTo: ControlPlace,
): Promise<number> {
  const [row] = await tx.query<{ count: number }>(sql`
    select count(*) as count
      from sworn.control_records c
      join sworn.log_head h on h.tenant_id = c.tenant_id and h.log = c.log
     where c.tenant_id = ${tenantId}::uuid and c.kind = any(${[...kinds]}::text[])
       and (h.generation, c.leaf_index) <= (${upTo.generation}::int, ${upTo.index}::bigint)`);
  return row?.count ?? 0;
}

/** Names beside the runs of a range, in order. Primary key of `run_names`. */
export async function readRunNames(
  tx: Tx,
  place: LogPlace,
  range: Range,
): Promise<{ readonly index: number; readonly name: string; readonly runIndex: number }[]> {
  const rows = await copyOut(
    tx,
    `select leaf_index, field || ' ' || value, run_index from sworn.run_names where ${within(place, range)} order by leaf_index, field, value`,
  );
  const found: { index: number; name: string; runIndex: number }[] = [];
  while (rows.next())
    found.push({ index: rows.number() as number, name: rows.text() as string, runIndex: rows.number() as number });
  return found;
}

/** The platform's tenant, as the one row of `deployment` names it; null: there is none. */
export async function readPlatform(tx: Tx): Promise<string | null> {
  const [row] = await tx.query<{ id: string }>(sql`select platform_tenant as id from sworn.deployment limit 1`);
  return row?.id ?? null;
}
