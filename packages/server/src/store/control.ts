import type { Tx } from './database.js';
import { type Sql, sql } from './sql.js';
import type { ControlLeaf } from './tenant.js';

/** The newest `control` leaf of a kind, by its projection row; null when there is none. */
export async function readNewestControl(tx: Tx, tenantId: string, kind: string): Promise<ControlLeaf | null> {
  const [leaf] = await readNewestControls(tx, tenantId, kind, 1);
  return leaf ?? null;
}

/** The newest `control` leaves of a kind, by their projection rows, newest first, at most `limit`. Index (tenant_id, kind, leaf_index). */
export async function readNewestControls(
  tx: Tx,
  tenantId: string,
  kind: string,
  limit: number,
): Promise<ControlLeaf[]> {
  return tx.query<ControlLeaf>(sql`
    select l.log, l.leaf_index as index, least(h.next_index, ${Number.MAX_SAFE_INTEGER}) as size,
           coalesce(l.leaf, '') as leaf, coalesce(l.leaf_hash, '') as "leafHash"
      from sworn.control_records c ${besideControl(tenantId)}
     where c.tenant_id = ${tenantId}::uuid and c.leaf_index <= ${Number.MAX_SAFE_INTEGER} and c.kind = ${kind}
     order by h.generation desc, c.leaf_index desc limit ${limit}`);
}

/** The leaf of a row `c` of `control_records`, and the head of its log, looked up for each: as a join, a planner may read all leaves of the tenant for them. */
function besideControl(tenantId: string): Sql {
  return sql`
     cross join lateral (
       select log, leaf_index, leaf, leaf_hash from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = c.log and leaf_index = c.leaf_index limit 1) l
     cross join lateral (
       select generation, next_index from sworn.log_head where tenant_id = ${tenantId}::uuid and log = c.log limit 1) h`;
}

/** Leaves of a kind that are read at most: a rotation or a recovery a day for eleven years. */
const MAX_OF_KINDS = 4_096;

/** The `control` leaves of these kinds, by their projection rows, oldest first. Index (tenant_id, kind, leaf_index). */
export async function readControlOf(
  tx: Tx,
  tenantId: string,
  kinds: readonly string[],
): Promise<(ControlLeaf & { readonly kind: string })[]> {
  return tx.query<ControlLeaf & { readonly kind: string }>(sql`
    select c.kind, l.log, l.leaf_index as index, least(h.next_index, ${Number.MAX_SAFE_INTEGER}) as size,
           coalesce(l.leaf, '') as leaf, coalesce(l.leaf_hash, '') as "leafHash"
      from sworn.control_records c ${besideControl(tenantId)}
     where c.tenant_id = ${tenantId}::uuid and c.leaf_index <= ${Number.MAX_SAFE_INTEGER} and c.kind = any(${[...kinds]}::text[])
     order by h.generation, c.leaf_index limit ${MAX_OF_KINDS}`);
}

/** Whether a projection row of this kind and subject stands. Index (tenant_id, kind, leaf_index). */
export async function hasControlOf(tx: Tx, tenantId: string, kind: string, subject: string): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    select 1 as one from sworn.control_records
     where tenant_id = ${tenantId}::uuid and kind = ${kind} and subject = ${subject} limit 1`);
  return rows.length > 0;
}

/** Whether the tenant's `control` has any leaf, in any generation. Primary key of `log_head`. */
export async function hasControl(tx: Tx, tenantId: string): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    select 1 as one from sworn.log_head
     where tenant_id = ${tenantId}::uuid and topic = 'control' and next_index > 0 limit 1`);
  return rows.length > 0;
}

/** How many leaves the tenant's `control` has, over all generations, so that it never goes back; 0 when the tenant is not there. Primary key of `log_head`. */
export async function readControlSize(tx: Tx, tenantId: string): Promise<number> {
  const [row] = await tx.query<{ size: number }>(sql`
    select coalesce(sum(next_index), 0)::bigint as size from sworn.log_head
     where tenant_id = ${tenantId}::uuid and topic = 'control'`);
  return row?.size ?? 0;
}
