import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Which of these types of events a tenant's producers have reported below the pins of these logs. Index `audit_ledger_type`, one look a type and log. */
export async function readReportedTypes(
  tx: Tx,
  tenantId: string,
  types: readonly string[],
  pins: readonly { readonly log: string; readonly size: number }[],
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ type: string }>(sql`
    select distinct asked.type
      from unnest(${[...types]}::text[]) asked(type)
     cross join unnest(${pins.map(({ log }) => log)}::text[], ${pins.map(({ size }) => size)}::bigint[]) pin(log, size)
     cross join lateral (
       select 1 from sworn.audit_ledger
        where tenant_id = ${tenantId}::uuid and event_type = asked.type and log is not distinct from pin.log and leaf_index < pin.size
        order by leaf_index limit 1) found`);
  return new Set(rows.map(({ type }) => type));
}
