import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Leaves whose bytes one statement looks through: some 20 MB, well under a second. */
export const MAX_LOOKED_THROUGH = 20_000;
/** Candidates of one statement: whoever asks holds each against what its leaf says. */
const CANDIDATES = 16;

/** A leaf that may say that a producer reported. */
export interface Arrival {
  readonly log: string;
  readonly index: number;
  readonly recordedAt: string;
  readonly leaf: Uint8Array;
}

/** Which leaves: `from` ≤ leaf index < `below`, at most `MAX_LOOKED_THROUGH` of them. */
export interface ArrivalRange {
  readonly log: string;
  readonly from: number;
  readonly below: number;
  /** True: only leaves of these kinds; false: only of others. */
  readonly isOf: boolean;
  readonly kinds: readonly string[];
  readonly service: string;
}

/**
 * The newest leaves of a range whose bytes name the service, newest first; fewer than asked for only at its end. Walked from its end by the primary key of
 * `leaf`: of a service that reports, a few rows.
 */
export async function findArrivals(
  tx: Tx,
  tenantId: string,
  { log, from, below, isOf, kinds, service }: ArrivalRange,
): Promise<{ readonly arrivals: readonly Arrival[]; readonly isWhole: boolean }> {
  // A quote within a text is escaped: nobody can write this into one.
  const member = Buffer.from(`"service":${JSON.stringify(service)}`);
  const arrivals = await tx.query<Arrival>(sql`
    select ${log}::text as log, leaf_index as index, recorded_at as "recordedAt", leaf
      from sworn.leaf
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index >= ${from}::bigint and leaf_index < ${below}::bigint
       and (kind = any(${[...kinds]}::text[])) = ${isOf} and position(${member}::bytea in leaf) > 0
     order by leaf_index desc limit ${CANDIDATES}`);
  return { arrivals, isWhole: arrivals.length < CANDIDATES };
}

/** Sworn's newest record of a service's gaps in a signal, in one log; null: there is none. Index `system_records_gap`, which the log must not lead away from. */
export async function readNewestGap(
  tx: Tx,
  tenantId: string,
  { log, service, signal }: { readonly log: string; readonly service: string; readonly signal: string },
): Promise<{ readonly index: number; readonly leaf: Uint8Array } | null> {
  const [found] = await tx.query<{ index: number; leaf: Uint8Array }>(sql`
    select r.leaf_index as index, l.leaf
      from (select leaf_index from sworn.system_records
             where tenant_id = ${tenantId}::uuid and service = ${service} and signal = ${signal} and log is not distinct from ${log}::text
             order by leaf_index desc limit 1) r
     cross join lateral (
       select leaf from sworn.leaf where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = r.leaf_index limit 1) l`);
  return found ?? null;
}
