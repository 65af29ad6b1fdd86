import type { Column } from './copyBinary.js';
import { copyOut, literal, type Tuples } from './copyOut.js';
import type { Tx } from './database.js';
import { PROJECTION_COLUMNS, type ProjectionTable } from './projection.js';
import type { StoredBatch } from './signing.js';
import { sql } from './sql.js';

// What the checks ask, as the checker's role: base tables, every tenant, no policy between. Whoever owns the database may have put anything
// there, also rows that no constraint would let in.

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

/** One row of `leaf`, with everything in it. */
export interface FullLeaf {
  readonly index: number;
  readonly kind: string;
  readonly leaf: Buffer;
  readonly leafHash: Buffer;
  readonly eventKey: Buffer;
  readonly traceId: Buffer | null;
  readonly runId: string | null;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly body: Buffer | null;
  readonly digest: Buffer;
  readonly dk: string | null;
}

/** Heads of a tenant's logs. Primary key of `log_head`. */
export async function readHeads(tx: Tx, tenantId: string): Promise<HeadRow[]> {
  return tx.query<HeadRow>(sql`
    select log, next_index as size, frontier, root, last_recorded_at as "lastRecordedAt", closed
      from sworn.log_head where tenant_id = ${tenantId}::uuid order by log`);
}

/** The leaves of a range that are there, in order, and how many bytes that was. Primary key of `leaf`. */
export async function readLeaves(
  tx: Tx,
  place: LogPlace,
  range: Range,
): Promise<{ readonly leaves: FullLeaf[]; readonly bytes: number }> {
  const rows = await copyOut(
    tx,
    `select leaf_index, kind, leaf, leaf_hash, event_key, trace_id, run_id, occurred_at, recorded_at, body, digest, dk
       from sworn.leaf where ${within(place, range)} order by leaf_index`,
  );
  const leaves: FullLeaf[] = [];
  while (rows.next()) {
    leaves.push({
      index: rows.number() as number,
      kind: rows.text() as string,
      leaf: rows.bytes() as Buffer,
      leafHash: rows.bytes() as Buffer,
      eventKey: rows.bytes() as Buffer,
      traceId: rows.bytes(),
      runId: rows.text(),
      occurredAt: rows.time() as string,
      recordedAt: rows.time() as string,
      body: rows.bytes(),
      digest: rows.bytes() as Buffer,
      dk: rows.uuid(),
    });
  }
  return { leaves, bytes: rows.bytesRead };
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

function within({ tenantId, log }: LogPlace, { from, below }: Range): string {
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
  return tx.query<CheckpointRow>(sql`
    select size, root, note, signed_at as "signedAt" from sworn.checkpoint
     where tenant_id = ${place.tenantId}::uuid and log = ${place.log} and size > ${from} and size <= ${to}
     order by size limit ${limit}`);
}

/** The newest checkpoint row, whoever wrote it; null: none. Primary key. */
export async function readNewestCheckpoint(tx: Tx, place: LogPlace): Promise<CheckpointRow | null> {
  const [row] = await tx.query<CheckpointRow>(sql`
    select size, root, note, signed_at as "signedAt" from sworn.checkpoint
     where tenant_id = ${place.tenantId}::uuid and log = ${place.log} order by size desc limit 1`);
  return row ?? null;
}

/** The checkpoint row of this size; null: none. Primary key. */
export async function readCheckpointAt(tx: Tx, place: LogPlace, size: number): Promise<CheckpointRow | null> {
  const [row] = await tx.query<CheckpointRow>(sql`
    select size, root, note, signed_at as "signedAt" from sworn.checkpoint
     where tenant_id = ${place.tenantId}::uuid and log = ${place.log} and size = ${size}`);
  return row ?? null;
}

/** The batch that begins before leaf `index` and next to it; null: none. Primary key. */
export async function readBatchBefore(tx: Tx, place: LogPlace, index: number): Promise<StoredBatch | null> {
  const [row] = await tx.query<StoredBatch>(sql`
    select first_index as first, count, root_before as "rootBefore", root_after as "rootAfter", at, mac
      from sworn.batch_authenticator
     where tenant_id = ${place.tenantId}::uuid and log = ${place.log} and first_index < ${index}
     order by first_index desc limit 1`);
  return row ?? null;
}

/** Index after the last leaf that is there; 0: none is. Primary key of `leaf`. */
export async function readLeafEnd(tx: Tx, place: LogPlace): Promise<number> {
  const [row] = await tx.query<{ end: number }>(sql`
    select leaf_index + 1 as end from sworn.leaf
     where tenant_id = ${place.tenantId}::uuid and log = ${place.log} order by leaf_index desc limit 1`);
  return row?.end ?? 0;
}

/** Rows that stand beyond a log's head, by table, with the first place of each. One statement: head and rows of one moment. Primary keys. */
export async function readBeyondHead(
  tx: Tx,
  place: LogPlace,
): Promise<{ readonly table: string; readonly first: number; readonly rows: number }[]> {
  const { tenantId, log } = place;
  const beyond = (table: string, column: string, end: string) =>
    `select '${table}' as table, min(t.${column})::int8 as first, count(*)::int8 as rows from sworn.${table} t, head
      where t.tenant_id = ${literal(tenantId)} and t.log = ${literal(log)} and t.${column} >= ${end} having count(*) > 0`;
  const indexed = ['leaf', ...Object.keys(PROJECTION_COLUMNS), 'run_names'].map((table) =>
    beyond(table, 'leaf_index', 'head.size'),
  );
  const rows = await copyOut(
    tx,
    `with head as (select coalesce((select next_index from sworn.log_head where tenant_id = ${literal(tenantId)} and log = ${literal(log)}), 0) as size)
     ${[
       ...indexed,
       beyond('batch_authenticator', 'first_index', 'head.size'),
       beyond('checkpoint', 'size', 'head.size + 1'),
       ...Array.from({ length: 8 }, (_, level) =>
         beyond('tile', 'tile_index', `(head.size / ${256n ** BigInt(level + 1)})`).replace(
           'having',
           `and t.level = ${level} having`,
         ),
       ),
     ].join(' union all ')}`,
  );
  const found: { table: string; first: number; rows: number }[] = [];
  while (rows.next())
    found.push({ table: rows.text() as string, first: rows.number() as number, rows: rows.number() as number });
  return found;
}

/** Tables of evidence that are led by tenant and log. */
const LOGGED = ['leaf', 'tile', 'batch_authenticator', 'checkpoint', 'run_names'] as const;

/** Which logs of which tenants each table of evidence has rows of: a step along the primary key for each, however many rows. */
export async function readLogsInTables(
  tx: Tx,
): Promise<{ readonly table: string; readonly tenantId: string; readonly log: string }[]> {
  const found: { table: string; tenantId: string; log: string }[] = [];
  for (const table of [...LOGGED, ...Object.keys(PROJECTION_COLUMNS)]) {
    const rows = await copyOut(
      tx,
      `with recursive place as (
         (select tenant_id, log from sworn.${table} order by tenant_id, log limit 1)
         union all
         select n.tenant_id, n.log from place p cross join lateral (
           select tenant_id, log from sworn.${table} where (tenant_id, log) > (p.tenant_id, p.log) order by tenant_id, log limit 1) n)
       select tenant_id, log from place`,
    );
    while (rows.next()) found.push({ table, tenantId: rows.uuid() as string, log: rows.text() as string });
  }
  return found;
}

/** The STEP leaves of these traces below an index: where they stand and their hashes, in leaf order. Index `leaf_trace`. */
export async function readStepHashes(
  tx: Tx,
  place: LogPlace,
  asked: { readonly traceIds: readonly string[]; readonly below: number },
): Promise<{ readonly index: number; readonly traceId: string; readonly leafHash: Uint8Array }[]> {
  return tx.query(sql`
    select l.leaf_index as index, encode(l.trace_id, 'hex') as "traceId", l.leaf_hash as "leafHash"
      from unnest(${asked.traceIds.map((id) => Buffer.from(id, 'hex'))}::bytea[]) as asked(trace_id)
     cross join lateral (
       select leaf_index, trace_id, leaf_hash from sworn.leaf
        where tenant_id = ${place.tenantId}::uuid and trace_id = asked.trace_id and leaf_index < ${asked.below}
          and log is not distinct from ${place.log}::text and kind = 'STEP'
        order by leaf_index) l
     order by l.leaf_index`);
}

/** A `control` leaf of a kind, as its row has it. */
export interface ControlRowLeaf {
  readonly log: string;
  readonly index: number;
  readonly size: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** The `control` leaves of these kinds, in order, found by their projection rows. Index (tenant_id, kind, leaf_index). */
export async function readControlOf(tx: Tx, tenantId: string, kinds: readonly string[]): Promise<ControlRowLeaf[]> {
  return tx.query<ControlRowLeaf>(sql`
    select l.log, l.leaf_index as index, h.next_index as size, l.leaf, l.leaf_hash as "leafHash"
      from sworn.control_records c
      join sworn.leaf l on l.tenant_id = c.tenant_id and l.log = c.log and l.leaf_index = c.leaf_index
      join sworn.log_head h on h.tenant_id = c.tenant_id and h.log = c.log
     where c.tenant_id = ${tenantId}::uuid and c.kind = any(${[...kinds]}::text[])
     order by h.generation, c.leaf_index`);
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
