import type { Tx } from './database.js';
import { type Sql, sql } from './sql.js';

/** What records of metrics are looked up by; `any`: by time alone. Each has its index `telemetry_batches_…`. */
export type BatchKey =
  | { readonly by: 'instance'; readonly value: string }
  | { readonly by: 'process'; readonly hostId: string; readonly pid: number }
  | { readonly by: 'container'; readonly value: string }
  | { readonly by: 'pod'; readonly value: string }
  | { readonly by: 'host'; readonly value: string }
  | { readonly by: 'host_name'; readonly value: string }
  | { readonly by: 'service'; readonly value: string; readonly environment: string | null }
  | { readonly by: 'any' };

/** Which records of one log: `from` ≤ time ≤ `to`, RFC 3339, and below this leaf index. */
export interface BatchWindow {
  readonly log: string;
  readonly below: number;
  readonly from: string;
  readonly to: string;
  readonly limit: number;
}

/** Where a record of metrics stands, and whose it is. */
export interface BatchPlace {
  readonly index: number;
  readonly service: string | null;
}

/** Records of a key by the time of their last point, the first ones first, or, `newest`, the last ones first. Index of the key. */
export async function findBatches(
  tx: Tx,
  tenantId: string,
  key: BatchKey,
  { log, below, from, to, limit, newest = false }: BatchWindow & { readonly newest?: boolean },
): Promise<BatchPlace[]> {
  // No index serves `is not distinct from`: by a key its own is walked, and not that of all records in the order of time.
  const placed = key.by === 'any' ? sql`log = ${log}` : sql`log is not distinct from ${log} and ${ofKey(key)}`;
  return tx.query<BatchPlace>(sql`
    select leaf_index as index, service
      from sworn.telemetry_batches
     where tenant_id = ${tenantId}::uuid and ${placed} and leaf_index < ${below}
       and occurred_at >= ${from}::timestamptz and occurred_at <= ${to}::timestamptz
     order by ${newest ? sql`occurred_at desc, leaf_index desc` : sql`occurred_at, leaf_index`}
     limit ${limit}`);
}

function ofKey(key: Exclude<BatchKey, { by: 'any' }>): Sql {
  switch (key.by) {
    case 'instance':
      return sql`instance = ${key.value}`;
    case 'process':
      return sql`process_pid = ${key.pid} and host_id is not distinct from ${key.hostId}`;
    case 'container':
      return sql`container_id = ${key.value}`;
    case 'pod':
      return sql`pod_uid = ${key.value}`;
    case 'host':
      return sql`host_id = ${key.value}`;
    case 'host_name':
      return sql`host_name = ${key.value}`;
    default:
      return key.environment === null
        ? sql`service = ${key.value}`
        : sql`service = ${key.value} and environment = ${key.environment}`;
  }
}
