import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Takes or renews a lease for `ttlMs`; false when somebody else holds it. Nobody else can take it before the transaction ends. One row of `lease`. */
export async function takeLease(tx: Tx, name: string, holder: string, ttlMs: number): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    insert into sworn.lease as l (name, holder, until) values (${name}, ${holder}, clock_timestamp() + ${ttlMs}::int * interval '1 millisecond')
        on conflict (name) do update set holder = excluded.holder, until = excluded.until
        where l.holder = excluded.holder or l.until < clock_timestamp()
    returning 1 as one`);
  return rows.length > 0;
}

/** Gives a lease back, so that the next process need not wait for it to end. */
export async function dropLease(tx: Tx, name: string, holder: string): Promise<void> {
  await tx.query(sql`delete from sworn.lease where name = ${name} and holder = ${holder}`);
}

/** Keeps anyone from taking or renewing the lease until the transaction ends, whoever holds it. */
export async function lockLease(tx: Tx, name: string): Promise<void> {
  await tx.query(sql`
    insert into sworn.lease (name, holder, until) values (${name}, '', clock_timestamp()) on conflict do nothing`);
  await tx.query(sql`select from sworn.lease where name = ${name} for update`);
}

/** Lets this transaction idle for `ms` while it holds a lease, above what the server allows: other connections do the work. */
export async function holdLeaseFor(tx: Tx, ms: number): Promise<void> {
  await tx.query(sql`select set_config('idle_in_transaction_session_timeout', ${String(ms)}, true)`);
}
