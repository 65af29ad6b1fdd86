import type { Topic } from '@sworn/evidence';
import type { Tx } from './database.js';
import { sql } from './sql.js';

/**
 * The open logs of all tenants that are of a later generation than the first, for a role that reads every tenant, in a
 * transaction that sees none. Walks `log_head`, five rows a tenant.
 */
export async function readNewerGenerations(
  tx: Tx,
): Promise<{ readonly tenantId: string; readonly topic: Topic; readonly log: string }[]> {
  return tx.query<{ tenantId: string; topic: Topic; log: string }>(sql`
    select tenant_id as "tenantId", topic, log from sworn.log_head where generation > 1 and not closed`);
}

/** Closes every open log of a topic and opens `generation`, empty. What was appended before stays as it is; nothing is appended to it any more. */
export async function openGeneration(
  tx: Tx,
  tenantId: string,
  topic: Topic,
  { generation, log, emptyRoot }: { readonly generation: number; readonly log: string; readonly emptyRoot: Uint8Array },
): Promise<void> {
  await tx.query(sql`
    update sworn.log_head set closed = true where tenant_id = ${tenantId}::uuid and topic = ${topic} and not closed`);
  await tx.query(sql`
    insert into sworn.log_head (tenant_id, topic, log, generation, next_index, frontier, root, last_recorded_at)
    values (${tenantId}::uuid, ${topic}, ${log}, ${generation}, 0, ''::bytea, ${emptyRoot}, null)`);
}

/** Forgets which runs of a tenant are open, since their log takes no RUN leaf any more, and how far the sealer came: it follows the next one from 0. */
export async function forgetSealing(tx: Tx, tenantId: string): Promise<void> {
  await tx.query(sql`delete from sworn.open_run where tenant_id = ${tenantId}::uuid`);
  await tx.query(sql`delete from sworn.seal_cursor where tenant_id = ${tenantId}::uuid`);
}
