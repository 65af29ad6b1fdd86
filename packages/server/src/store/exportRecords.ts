import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Where a record of an export stands. */
export interface ExportRecordPlace {
  readonly log: string;
  readonly index: number;
  readonly kind: string;
}

/** The records of exports of a run, newest first, at most `limit`. Index `access_records_run`. */
export async function findExportsOfRun(
  tx: Tx,
  tenantId: string,
  { runId, limit }: { readonly runId: string; readonly limit: number },
): Promise<ExportRecordPlace[]> {
  return tx.query<ExportRecordPlace>(sql`
    select log, leaf_index as index, kind from sworn.access_records
     where tenant_id = ${tenantId}::uuid and run_id = ${runId} and export_id is not null
     order by leaf_index desc limit ${limit}`);
}

/** The records of an export, newest first, at most `limit`. Index `access_records_export`. */
export async function findRecordsOfExport(
  tx: Tx,
  tenantId: string,
  { exportId, limit }: { readonly exportId: string; readonly limit: number },
): Promise<ExportRecordPlace[]> {
  return tx.query<ExportRecordPlace>(sql`
    select log, leaf_index as index, kind from sworn.access_records
     where tenant_id = ${tenantId}::uuid and export_id = ${exportId}
     order by leaf_index desc limit ${limit}`);
}

/** The records of these exports, in leaf order, at most `each` of one. Index `access_records_export`. */
export async function findExportRecords(
  tx: Tx,
  tenantId: string,
  { exportIds, each }: { readonly exportIds: readonly string[]; readonly each: number },
): Promise<(ExportRecordPlace & { readonly exportId: string })[]> {
  return tx.query<ExportRecordPlace & { exportId: string }>(sql`
    select r.log, r.leaf_index as index, r.kind, asked.export_id as "exportId"
      from unnest(${[...exportIds]}::text[]) as asked(export_id)
     cross join lateral (
       select log, leaf_index, kind from sworn.access_records
        where tenant_id = ${tenantId}::uuid and export_id = asked.export_id
        order by leaf_index limit ${each}) r
     order by r.log, r.leaf_index`);
}
