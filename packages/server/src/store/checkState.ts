import type { Tx } from './database.js';
import { sql } from './sql.js';

/** How far the checks of one log have come. */
export interface CheckCursor {
  /** Whole tiles, from which the check of new records goes on. */
  readonly nextIndex: number;
  readonly frontier: Uint8Array;
  /** Leaves found under a root that was written down outside of their rows. */
  readonly verified: number;
  readonly checkedAt: string;
  /** Where the slow check over all of them is. */
  readonly scrubIndex: number;
  readonly scrubFrontier: Uint8Array;
  readonly scrubBeganAt: string;
  /** When it was through last; null: never. */
  readonly scrubbedAt: string | null;
  /** Spans sent again with other content, and skewed steps, among the verified leaves. */
  readonly conflicts: number;
  readonly skewed: number;
  /** Gaps of producers that Sworn recorded, among them. */
  readonly gaps: number;
}

/** A cursor as its row has it: anybody's, until its MAC was looked at. */
export interface StoredCursor extends CheckCursor {
  /** Null: of before there were any. */
  readonly mac: Uint8Array | null;
}

/** What no row of ours has: numbers and times that nothing here can hold. */
const IS_PLAIN = sql`greatest(next_index, verified, scrub_index, conflicts, skewed, gaps) <= ${Number.MAX_SAFE_INTEGER}
       and least(checked_at, scrub_began_at, scrubbed_at) >= '1970-01-01'::timestamptz
       and greatest(checked_at, scrub_began_at, scrubbed_at) < '9999-01-01'::timestamptz`;

/** Cursors of a tenant's logs, by log; a row that somebody made to be none is none. Primary key. */
export async function readCheckCursors(tx: Tx, tenantId: string): Promise<ReadonlyMap<string, StoredCursor>> {
  const rows = await tx.query<StoredCursor & { readonly log: string }>(sql`
    select log, next_index as "nextIndex", frontier, verified, checked_at as "checkedAt", scrub_index as "scrubIndex",
           scrub_frontier as "scrubFrontier", scrub_began_at as "scrubBeganAt", scrubbed_at as "scrubbedAt", conflicts, skewed, gaps, mac
      from sworn.check_cursor where tenant_id = ${tenantId}::uuid and ${IS_PLAIN}`);
  return new Map(rows.map(({ log, ...cursor }) => [log, cursor]));
}

/** Logs whose row somebody made to be none. Primary key. */
export async function readBrokenCursors(tx: Tx, tenantId: string): Promise<readonly string[]> {
  const rows = await tx.query<{ log: string }>(
    sql`select log from sworn.check_cursor where tenant_id = ${tenantId}::uuid and (${IS_PLAIN}) is not true`,
  );
  return rows.map(({ log }) => log);
}

/** When the checks went round last, as the row has it; null: there is none. */
export async function readCheckRound(tx: Tx): Promise<{ readonly at: string; readonly mac: Uint8Array } | null> {
  const [row] = await tx.query<{ at: string; mac: Uint8Array }>(sql`
    select at, mac from sworn.check_round
     where at >= '1970-01-01'::timestamptz and at < '9999-01-01'::timestamptz limit 1`);
  return row ?? null;
}

/** Stores when the checks went round. */
export async function writeCheckRound(tx: Tx, at: string, mac: Uint8Array): Promise<void> {
  await tx.query(sql`
    insert into sworn.check_round (one, at, mac) values (true, ${at}::timestamptz, ${mac})
        on conflict (one) do update set at = excluded.at, mac = excluded.mac`);
}

/** Whether leaf `index`, or none in its place, has waited for `ms` or longer. Primary key of `leaf`. */
export async function isWaiting(
  tx: Tx,
  { tenantId, log }: { readonly tenantId: string; readonly log: string },
  index: number,
  ms: number,
): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    select 1 as one from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = ${index}
       and recorded_at > clock_timestamp() - ${ms}::int * interval '1 millisecond'`);
  return rows.length === 0;
}

/** Stores a cursor. Primary key. */
export async function writeCheckCursor(
  tx: Tx,
  { tenantId, log }: { readonly tenantId: string; readonly log: string },
  c: StoredCursor,
): Promise<void> {
  await tx.query(sql`
    insert into sworn.check_cursor (tenant_id, log, next_index, frontier, verified, checked_at, scrub_index, scrub_frontier, scrub_began_at, scrubbed_at,
                                    conflicts, skewed, gaps, mac)
    values (${tenantId}::uuid, ${log}, ${c.nextIndex}, ${c.frontier}, ${c.verified}, ${c.checkedAt}::timestamptz, ${c.scrubIndex}, ${c.scrubFrontier},
            ${c.scrubBeganAt}::timestamptz, ${c.scrubbedAt}::timestamptz, ${c.conflicts}, ${c.skewed}, ${c.gaps}, ${c.mac})
        on conflict (tenant_id, log) do update set next_index = excluded.next_index, frontier = excluded.frontier, verified = excluded.verified,
           checked_at = excluded.checked_at, scrub_index = excluded.scrub_index, scrub_frontier = excluded.scrub_frontier,
           scrub_began_at = excluded.scrub_began_at, scrubbed_at = excluded.scrubbed_at,
           conflicts = excluded.conflicts, skewed = excluded.skewed, gaps = excluded.gaps, mac = excluded.mac`);
}

/** Notes that these findings were met at `at`. Primary key. */
export async function noteSeen(tx: Tx, tenantId: string, ids: readonly string[], at: string): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(sql`
    insert into sworn.finding_seen (tenant_id, finding, last_seen_at)
    select ${tenantId}::uuid, id, ${at}::timestamptz from unnest(${[...ids]}::text[]) as id
        on conflict (tenant_id, finding) do update set last_seen_at = excluded.last_seen_at`);
}

/** When each of these findings was met last. Primary key. */
export async function readSeen(tx: Tx, tenantId: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.query<{ id: string; at: string }>(sql`
    select finding as id, last_seen_at as at from sworn.finding_seen
     where tenant_id = ${tenantId}::uuid and finding = any(${[...ids]}::text[])
       and last_seen_at >= '1970-01-01'::timestamptz and last_seen_at < '9999-01-01'::timestamptz`);
  return new Map(rows.map(({ id, at }) => [id, at]));
}
