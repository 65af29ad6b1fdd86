import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Records that are looked through for one of a kind: a server that starts each minute makes as many in a day. */
const MAX_LOOKED_AT = 2_000;

/** The newest record of Sworn's own life of this kind, by its row; null: none is among the newest. Index `system_records_shared`. */
export async function readNewestLife(
  tx: Tx,
  platformTenant: string,
  kind: string,
): Promise<{ readonly leaf: Uint8Array } | null> {
  const [found] = await tx.query<{ leaf: Uint8Array }>(sql`
    select l.leaf
      from (select r.log, r.leaf_index, h.generation, r.event_type
              from sworn.system_records r
              join sworn.log_head h on h.tenant_id = r.tenant_id and h.log = r.log
             where r.tenant_id = ${platformTenant}::uuid and r.shared
             order by h.generation desc, r.leaf_index desc limit ${MAX_LOOKED_AT}) n
      join sworn.leaf l on l.tenant_id = ${platformTenant}::uuid and l.log = n.log and l.leaf_index = n.leaf_index
     where n.event_type = ${kind}
     order by n.generation desc, n.leaf_index desc limit 1`);
  return found ?? null;
}
