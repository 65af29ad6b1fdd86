import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Leaf index of the newest `control` leaf of a kind, −1 when there is none. Index (tenant_id, kind, leaf_index). */
export async function newestControlIndex(tx: Tx, tenantId: string, kind: string): Promise<number> {
  const [row] = await tx.query<{ index: number }>(sql`
    select leaf_index as index from sworn.control_records
     where tenant_id = ${tenantId}::uuid and kind = ${kind}
     order by leaf_index desc limit 1`);
  return row?.index ?? -1;
}
