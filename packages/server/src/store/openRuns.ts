import type { Tx } from './database.js';
import { sql } from './sql.js';

/** How many runs of the tenant are open. */
export async function countOpenRuns(tx: Tx, tenantId: string): Promise<number> {
  const [row] = await tx.query<{ open: number }>(
    sql`select count(*) as open from sworn.open_run where tenant_id = ${tenantId}::uuid`,
  );
  return row?.open ?? 0;
}

/** Which of `runIds` were opened before, in any generation of the log. Unique index (tenant_id, log, run_id, revision). */
export async function readOpenedAmong(tx: Tx, tenantId: string, runIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ runId: string }>(sql`
    select asked.run_id as "runId"
      from unnest(${[...runIds]}::text[]) as asked(run_id)
     where exists (
       select from sworn.log_head h
        cross join lateral (
          select 1 from sworn.llm_run_records r
           where r.tenant_id = ${tenantId}::uuid and r.log = h.log and r.run_id = asked.run_id
           order by r.revision limit 1) opened
        where h.tenant_id = ${tenantId}::uuid and h.topic = 'llm-runs')`);
  return new Set(rows.map((row) => row.runId));
}

/** Which of `runIds` are open. Primary key of `open_run`. */
export async function readOpenAmong(tx: Tx, tenantId: string, runIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ runId: string }>(sql`
    select o.run_id as "runId"
      from unnest(${[...runIds]}::text[]) as asked(run_id)
      join sworn.open_run o on o.tenant_id = ${tenantId}::uuid and o.run_id = asked.run_id`);
  return new Set(rows.map((row) => row.runId));
}
