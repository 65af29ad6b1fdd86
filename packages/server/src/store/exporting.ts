import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A leaf as an export takes it. */
export interface ExportedLeaf {
  readonly log: string;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly eventKey: Uint8Array;
  readonly dk: string | null;
}

/** The leaves at these indexes, in their order; one that is gone is absent. Primary key of `leaf`, as `readStepsAt`. */
export async function readExportedLeaves(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<ExportedLeaf[]> {
  return tx.query<ExportedLeaf>(sql`
    select l.log, l.leaf_index as index, l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey", l.dk
      from unnest(${[...indexes]}::bigint[]) as asked(leaf_index)
     cross join lateral (
       select log, leaf_index, leaf, leaf_hash, event_key, dk from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index between asked.leaf_index and asked.leaf_index
        order by leaf_index limit 1) l
     order by l.leaf_index`);
}
