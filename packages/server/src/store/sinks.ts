import type { Tx } from './database.js';
import { sql } from './sql.js';

/** What a sink confirmed of a log, as its row has it: whoever owns the database can write it, so it counts with our MAC only. */
export interface StoredConfirmation {
  readonly sink: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly outside: boolean;
  readonly mac: Uint8Array;
}

/** The newest stored checkpoint of a log, and what one sink confirmed of that log. */
export interface Deliverable {
  readonly log: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  readonly signedAt: string;
  /** Milliseconds since the first stored checkpoint was signed that is larger than what was confirmed; null: none is. */
  readonly behindMs: number | null;
  readonly confirmed: StoredConfirmation | null;
}

interface DeliverableRow extends Omit<Deliverable, 'confirmed'> {
  readonly confirmedSize: number | null;
  readonly confirmedRoot: Uint8Array;
  readonly outside: boolean;
  readonly mac: Uint8Array;
}

/** Of every log of a tenant that has a checkpoint: the newest, and what this sink confirmed. Primary keys of `log_head`, `checkpoint` and `sink_confirmation`. */
export async function readDeliverable(tx: Tx, tenantId: string, sink: string): Promise<Deliverable[]> {
  const rows = await tx.query<DeliverableRow>(sql`
    select h.log, c.size, c.root, c.note, c.signed_at as "signedAt",
           (extract(epoch from clock_timestamp() - f.signed_at) * 1000)::float8 as "behindMs",
           k.size as "confirmedSize", k.root as "confirmedRoot", k.outside, k.mac
      from sworn.log_head h
     cross join lateral (
       select size, root, note, signed_at from sworn.checkpoint
        where tenant_id = h.tenant_id and log = h.log order by size desc limit 1) c
      left join sworn.sink_confirmation k on k.tenant_id = h.tenant_id and k.log = h.log and k.sink = ${sink}
      left join lateral (
       select signed_at from sworn.checkpoint
        where tenant_id = h.tenant_id and log = h.log and size > coalesce(k.size, -1) order by size limit 1) f on true
     where h.tenant_id = ${tenantId}::uuid
     order by h.log`);
  return rows.map(({ confirmedSize, confirmedRoot, outside, mac, ...row }) => ({
    ...row,
    confirmed: confirmedSize === null ? null : { sink, size: confirmedSize, root: confirmedRoot, outside, mac },
  }));
}

/** Writes what a sink confirmed, one row a log, in the place of what it confirmed before. `confirmed_at` is the database's clock. */
export async function saveConfirmation(tx: Tx, tenantId: string, log: string, said: StoredConfirmation): Promise<void> {
  await tx.query(sql`
    insert into sworn.sink_confirmation (tenant_id, log, sink, size, root, outside, mac, confirmed_at)
    values (${tenantId}::uuid, ${log}, ${said.sink}, ${said.size}, ${said.root}, ${said.outside}, ${said.mac}, clock_timestamp())
        on conflict (tenant_id, log, sink) do update
       set size = excluded.size, root = excluded.root, outside = excluded.outside, mac = excluded.mac, confirmed_at = excluded.confirmed_at`);
}

/** Takes back what a sink confirmed of a log: it holds another history. */
export async function dropConfirmation(tx: Tx, tenantId: string, log: string, sink: string): Promise<void> {
  await tx.query(sql`
    delete from sworn.sink_confirmation where tenant_id = ${tenantId}::uuid and log = ${log} and sink = ${sink}`);
}
