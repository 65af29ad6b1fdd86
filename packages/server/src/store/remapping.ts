import type { Tx } from './database.js';
import type { KnownRun } from './sealing.js';
import { sql } from './sql.js';

/** The newest revision of each sealed run with an id after `after` (in byte order), by id, at most `limit`. Unique index (tenant_id, log, run_id, revision). */
export async function readSealedRuns(
  tx: Tx,
  tenantId: string,
  log: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<KnownRun[]> {
  return tx.query<KnownRun>(sql`
    select r.run_id as "runId", encode(r.trace_id, 'hex') as "traceId", r.revision, r.run_index as "runIndex",
           r.run_occurred_at as "runOccurredAt", r.leaf_index as index, l.leaf
      from (
       select distinct on (run_id) *
         from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and log = ${log} and run_id > ${after} and kind = 'RUN'
        order by run_id, revision desc limit ${limit}) r
      join sworn.leaf l on l.tenant_id = r.tenant_id and l.log = r.log and l.leaf_index = r.leaf_index
     order by r.run_id`);
}
