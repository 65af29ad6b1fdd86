import type { Tx } from './database.js';
import { type Sql, sql } from './sql.js';

/** Traces that are asked for with one statement. */
const TRACES_AT_ONCE = 1_000;

/** Where a row of `audit_ledger` stands, and when what it says happened. */
export interface GovernancePlace {
  readonly log: string;
  readonly index: number;
  readonly occurredAt: string;
}

/** What may be about a run, in the order of time. */
export interface AskedGovernance {
  readonly runId: string;
  /** Traces (hex) that the run has a part of: of a trace that it shares with others, rows of those come too. */
  readonly traceIds: readonly string[];
  /** The logs of topic `audit`, and below which leaf index rows count. */
  readonly logs: readonly { readonly log: string; readonly size: number }[];
  /** `from` ≤ occurred_at < `before`; null: no bound. */
  readonly from: string | null;
  readonly before: string | null;
  /** Goes on behind this one. */
  readonly after: GovernancePlace | null;
  readonly limit: number;
}

/**
 * Rows of `audit_ledger` that may be about a run: that name it, that a hint of theirs names it, or that are of its traces; by time, log and leaf,
 * at most `limit`. A row that names another run is none of them; whose a row of a shared trace is, read/governance.ts says. CONFLICT rows
 * change nothing and are left out. Indexes `audit_ledger_run_time`, `…_hinted_run` and `…_trace`, one range of each. In a transaction with `inIndexOrder`.
 */
export async function findGovernance(tx: Tx, tenantId: string, asked: AskedGovernance): Promise<GovernancePlace[]> {
  const found = new Map<string, GovernancePlace>();
  for (const { log, size } of asked.logs) {
    const inRange = sql`log is not distinct from ${log}::text and leaf_index < ${size}::bigint and conflict_of is null and ${inTime(asked, log)}`;
    const ofRun = sql`select leaf_index as index, occurred_at as "occurredAt" from sworn.audit_ledger
       where tenant_id = ${tenantId}::uuid and run_id = ${asked.runId} and ${inRange}
       order by occurred_at, leaf_index limit ${asked.limit}`;
    const ofHint = sql`select leaf_index as index, occurred_at as "occurredAt" from sworn.audit_ledger
       where tenant_id = ${tenantId}::uuid and hinted_run = ${asked.runId} and run_id is null and ${inRange}
       order by occurred_at, leaf_index limit ${asked.limit}`;
    const parts = [ofRun, ofHint];
    for (let at = 0; at < asked.traceIds.length; at += TRACES_AT_ONCE) {
      const some = asked.traceIds.slice(at, at + TRACES_AT_ONCE).map((id) => Buffer.from(id, 'hex'));
      parts.push(sql`
        select t.leaf_index as index, t.occurred_at as "occurredAt"
          from unnest(${some}::bytea[]) as asked(trace_id)
         cross join lateral (
           select leaf_index, occurred_at from sworn.audit_ledger
            where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and run_id is null and ${inRange}
            order by occurred_at, leaf_index limit ${asked.limit}) t
         order by t.occurred_at, t.leaf_index limit ${asked.limit}`);
    }
    for (const part of parts)
      for (const row of await tx.query<Omit<GovernancePlace, 'log'>>(part))
        found.set(`${log} ${row.index}`, { log, ...row });
  }
  return [...found.values()].sort(byTime).slice(0, asked.limit);
}

/** By time, log and leaf: the order of governance. */
function byTime(a: GovernancePlace, b: GovernancePlace): number {
  if (a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt ? -1 : 1;
  return a.log === b.log ? a.index - b.index : a.log < b.log ? -1 : 1;
}

/** Whether this service (null: any) ever sent governance that stands below these sizes. Index `audit_ledger_governed`. */
export async function hasGovernance(
  tx: Tx,
  tenantId: string,
  asked: Pick<AskedGovernance, 'logs'> & { readonly service: string | null },
): Promise<boolean> {
  const ofService = asked.service === null ? sql`true` : sql`service = ${asked.service}`;
  for (const { log, size } of asked.logs) {
    const rows = await tx.query(sql`
      select 1 from sworn.audit_ledger
       where tenant_id = ${tenantId}::uuid and ${ofService} and category is not null and log is not distinct from ${log}::text
         and leaf_index < ${size}::bigint
       order by service, leaf_index limit 1`);
    if (rows.length > 0) return true;
  }
  return false;
}

function inTime({ from, before, after }: AskedGovernance, log: string): Sql {
  const parts: Sql[] = [sql`true`];
  if (from !== null) parts.push(sql`occurred_at >= ${from}::timestamptz`);
  if (before !== null) parts.push(sql`occurred_at < ${before}::timestamptz`);
  if (after !== null) {
    const behind = log === after.log ? after.index : log < after.log ? Number.MAX_SAFE_INTEGER : -1;
    parts.push(sql`(occurred_at, leaf_index) > (${after.occurredAt}::timestamptz, ${behind}::bigint)`);
  }
  return sql.join(parts, ' and ');
}
