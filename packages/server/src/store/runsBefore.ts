import type { Tx } from './database.js';
import { newestAt } from './runPlaces.js';
import { sql } from './sql.js';

/** The newest OPENED or RUN leaf of a run below a pin. */
export interface NewestLeaf {
  readonly log: string;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
}

/** Rows of runs that began last, each with its newest leaf. */
export interface RunsBefore {
  readonly leaves: readonly NewestLeaf[];
  /** There are runs that began before all of these. */
  readonly more: boolean;
}

/**
 * The runs that began last before `time`, or at it, as they were at the pin: of at most `limit` rows, of which a run has one for each revision. Index
 * `llm_run_records_occurred`, backwards, then `…_place` and the primary key of `leaf`. In a transaction with `inIndexOrder`.
 */
export async function findRunsBefore(
  tx: Tx,
  tenantId: string,
  {
    log,
    pin,
    time,
    limit,
  }: { readonly log: string; readonly pin: number; readonly time: string; readonly limit: number },
): Promise<RunsBefore> {
  const entries = sql`
    select run_occurred_at, run_index from sworn.llm_run_records
     where tenant_id = ${tenantId}::uuid and log = ${log} and run_occurred_at <= ${time}::timestamptz
     order by run_occurred_at desc, run_index desc limit ${limit}`;
  const window = { log, pin, order: 'occurred_desc', fromPlace: 0, belowPlace: pin } as const;
  const leaves = await tx.query<NewestLeaf>(sql`
    select r.log, r.leaf_index as index, l.leaf, l.leaf_hash as "leafHash"
      from (select distinct run_occurred_at, run_index from (${entries}) e order by run_occurred_at desc, run_index desc) as c(at, place)
     cross join lateral (${newestAt(tenantId, window)}) r
     cross join lateral (
       select leaf, leaf_hash from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = r.leaf_index limit 1) l
     order by c.at desc, c.place desc`);
  const [more] = await tx.query(sql`select run_index from (${entries}) e offset ${limit - 1} limit 1`);
  return { leaves, more: more !== undefined };
}
