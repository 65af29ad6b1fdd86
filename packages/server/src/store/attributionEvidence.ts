import type { Tx } from './database.js';
import { sql } from './sql.js';

/** Records of each index that are looked through for one run, oldest first, and what is taken of them. */
const MAX_LOOKED_AT = 500;
const MAX_TAKEN = 4;
/** Rows of runs of one conversation that are read: each revision is one. */
const MAX_OF_CONVERSATION = 64;

/** A run, as far as records of `system` are tied to it. */
export interface TiedRun {
  /** Lower-case hex. */
  readonly traceId: string | null;
  readonly runId: string;
  readonly instance: string | null;
  readonly service: string | null;
  /** Of records of its instance: `from` ≤ occurred_at < `before`. */
  readonly from: string;
  readonly before: string;
}

/**
 * Records of these kinds that say a run's trace, name the run, or are of its instance while it ran, by the ordinal of the run: one range each of
 * `system_records_trace`, `…_hinted_run`, `…_instance`. In a transaction with `inIndexOrder`.
 */
export async function findNotable(
  tx: Tx,
  tenantId: string,
  { log, below, kinds }: { readonly log: string; readonly below: number; readonly kinds: readonly string[] },
  runs: readonly TiedRun[],
): Promise<readonly { readonly of: number; readonly index: number }[]> {
  if (runs.length === 0 || kinds.length === 0) return [];
  const rows = sql`select leaf_index, event_type from sworn.system_records
    where tenant_id = ${tenantId}::uuid and log is not distinct from ${log}::text and conflict_of is null and leaf_index < ${below}::bigint`;
  const order = sql`order by occurred_at, leaf_index limit ${MAX_LOOKED_AT}`;
  const taken = sql`where event_type = any(${[...kinds]}::text[]) limit ${MAX_TAKEN}`;
  return tx.query(sql`
    select distinct asked.ordinal::int - 1 as of, t.leaf_index as index
      from unnest(${runs.map(({ traceId }) => (traceId === null ? null : Buffer.from(traceId, 'hex')))}::bytea[],
                  ${runs.map(({ runId }) => runId)}::text[], ${runs.map(({ instance }) => instance)}::text[],
                  ${runs.map(({ service }) => service)}::text[], ${runs.map(({ from }) => from)}::timestamptz[],
                  ${runs.map(({ before }) => before)}::timestamptz[])
             with ordinality as asked(trace_id, run_id, instance, service, since, until, ordinal)
     cross join lateral (
       (select leaf_index from (${rows} and trace_id = asked.trace_id ${order}) a ${taken})
       union all
       (select leaf_index from (${rows} and hinted_run = asked.run_id ${order}) b ${taken})
       union all
       (select leaf_index from (${rows} and instance = asked.instance and service is not distinct from asked.service
          and occurred_at >= asked.since and occurred_at < asked.until ${order}) c ${taken})) t
     order by 1, 2`);
}

/** Runs of these conversations, newest first, by the ordinal of the conversation. Index `llm_run_records_conversation`. */
export async function findRunsOfConversations(
  tx: Tx,
  tenantId: string,
  { log, below }: { readonly log: string; readonly below: number },
  conversations: readonly (string | null)[],
): Promise<readonly { readonly of: number; readonly runId: string }[]> {
  return tx.query(sql`
    select asked.ordinal::int - 1 as of, r.run_id as "runId"
      from unnest(${[...conversations]}::text[]) with ordinality as asked(conversation_id, ordinal)
     cross join lateral (
       select run_id, run_index from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and conversation_id = asked.conversation_id and log is not distinct from ${log}::text
          and leaf_index < ${below}::bigint
        order by run_index desc limit ${MAX_OF_CONVERSATION}) r
     order by asked.ordinal, r.run_index desc`);
}
