import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Adds bytes to what the tenant sent on a day (`2026-11-28`, UTC), 0 too. @returns what all processes added to it. Primary key. */
export async function addIngested(tx: Tx, tenantId: string, day: string, bytes: number): Promise<number> {
  const [row] = await tx.query<{ bytes: number }>(sql`
    insert into sworn.ingest_day as d (tenant_id, day, bytes) values (${tenantId}::uuid, ${day}, ${bytes})
        on conflict (tenant_id, day) do update
       set bytes = least(d.bytes + excluded.bytes, ${Number.MAX_SAFE_INTEGER})
    returning bytes`);
  return row?.bytes ?? 0;
}

/** What the tenant sent on a day. Primary key. */
export async function readIngested(tx: Tx, tenantId: string, day: string): Promise<number> {
  const [row] = await tx.query<{ bytes: number }>(sql`
    select bytes from sworn.ingest_day where tenant_id = ${tenantId}::uuid and day = ${day}`);
  return row?.bytes ?? 0;
}

/** Forgets days before this one. Primary key. */
export async function dropIngestedBefore(tx: Tx, tenantId: string, day: string): Promise<void> {
  await tx.query(sql`delete from sworn.ingest_day where tenant_id = ${tenantId}::uuid and day < ${day}`);
}
