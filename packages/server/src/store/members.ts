import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A row of `run_members`: what one MEMBER leaf says. */
export interface StoredMember {
  /** Leaf index. */
  readonly index: number;
  readonly runId: string;
  /** Lower-case hex. */
  readonly traceId: string;
  readonly whole: boolean;
  /** Span ids (hex) of the subtrees; empty when `whole`. */
  readonly roots: readonly string[];
}

/** More than any run has: a limit, and the order of an index below it, keep the planner at that index. */
const ALL = 2_147_483_647;

const memberColumns = sql`m.leaf_index as index, m.run_id as "runId", encode(m.trace_id, 'hex') as "traceId", m.whole,
  array(select encode(root, 'hex') from unnest(m.roots) with ordinality as r(root, place) order by place) as roots`;

/** What the MEMBER leaves below `below` say of these traces (hex), in leaf order. Index `run_members_trace`. */
export async function readMembersOfTraces(
  tx: Tx,
  tenantId: string,
  log: string,
  asked: { readonly traceIds: readonly string[]; readonly below: number },
): Promise<StoredMember[]> {
  return tx.query<StoredMember>(sql`
    select ${memberColumns}
      from unnest(${asked.traceIds.map((id) => Buffer.from(id, 'hex'))}::bytea[]) as asked(trace_id)
     cross join lateral (
       select * from sworn.run_members
        where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and leaf_index < ${asked.below}
          and log is not distinct from ${log}::text
        order by leaf_index) m
     order by m.leaf_index`);
}

/** Which runs have a part of these traces (hex), without saying which: one row for each, in the order in which they came. Index `run_members_trace`. */
export async function readRunsOfTraces(
  tx: Tx,
  tenantId: string,
  log: string,
  traceIds: readonly string[],
): Promise<StoredMember[]> {
  return tx.query<StoredMember>(sql`
    select coalesce(m.taken, m.first) as index, m.run_id as "runId", encode(asked.trace_id, 'hex') as "traceId", m.taken is not null as whole,
           '{}'::text[] as roots
      from unnest(${traceIds.map((id) => Buffer.from(id, 'hex'))}::bytea[]) as asked(trace_id)
     cross join lateral (
       select run_id, min(leaf_index) as first, min(leaf_index) filter (where whole) as taken
         from (select run_id, whole, leaf_index from sworn.run_members
                where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and log is not distinct from ${log}::text
                order by leaf_index limit ${ALL}) e
        group by run_id) m
     order by m.first`);
}

/** The traces (hex) that the MEMBER leaves below `below` give these runs a part of, each once a run, in leaf order. Index `run_members_run`. */
export async function readTracesOfRuns(
  tx: Tx,
  tenantId: string,
  log: string,
  asked: { readonly runIds: readonly string[]; readonly below: number },
): Promise<{ readonly runId: string; readonly traceId: string }[]> {
  return tx.query<{ runId: string; traceId: string }>(sql`
    select m.run_id as "runId", encode(m.trace_id, 'hex') as "traceId"
      from unnest(${[...asked.runIds]}::text[]) as asked(run_id)
     cross join lateral (
       select run_id, trace_id, min(leaf_index) as first
         from (select run_id, trace_id, leaf_index from sworn.run_members
                where tenant_id = ${tenantId}::uuid and run_id = asked.run_id and leaf_index < ${asked.below}
                  and log is not distinct from ${log}::text
                order by leaf_index limit ${ALL}) e
        group by run_id, trace_id) m
     order by m.first`);
}

/** A row of `run_members` with the MEMBER leaf it stands beside; the leaf may be gone (a finding, not an error). */
export interface ProvenMember extends StoredMember {
  readonly log: string;
  readonly kind: string | null;
  readonly leaf: Uint8Array | null;
  readonly leafHash: Uint8Array | null;
}

/** As `readMembersOfTraces`, each row with its leaf: for answers, which hold one against the other. Index `run_members_trace`. */
export async function readProvenMembers(
  tx: Tx,
  tenantId: string,
  log: string,
  asked: { readonly traceIds: readonly string[]; readonly below: number },
): Promise<ProvenMember[]> {
  return tx.query<ProvenMember>(sql`
    select m.log, ${memberColumns}, l.kind, l.leaf, l.leaf_hash as "leafHash"
      from unnest(${asked.traceIds.map((id) => Buffer.from(id, 'hex'))}::bytea[]) as asked(trace_id)
     cross join lateral (
       select * from sworn.run_members
        where tenant_id = ${tenantId}::uuid and trace_id = asked.trace_id and leaf_index < ${asked.below}
          and log is not distinct from ${log}::text
        order by leaf_index) m
      left join lateral (
       select kind, leaf, leaf_hash from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = m.log and leaf_index between m.leaf_index and m.leaf_index
        order by leaf_index limit 1) l on true
     order by m.leaf_index`);
}

/** Traces (hex) of the first `limit` MEMBER leaves below `below` of each of these runs, in leaf order. Index `run_members_run`. */
export async function readFirstTraces(
  tx: Tx,
  tenantId: string,
  log: string,
  asked: { readonly runIds: readonly string[]; readonly below: number; readonly limit: number },
): Promise<{ readonly runId: string; readonly traceId: string }[]> {
  return tx.query<{ runId: string; traceId: string }>(sql`
    select m.run_id as "runId", encode(m.trace_id, 'hex') as "traceId"
      from unnest(${[...asked.runIds]}::text[]) as asked(run_id)
     cross join lateral (
       select run_id, trace_id, leaf_index from sworn.run_members
        where tenant_id = ${tenantId}::uuid and run_id = asked.run_id and leaf_index < ${asked.below}
          and log is not distinct from ${log}::text
        order by leaf_index limit ${asked.limit}) m
     order by m.leaf_index`);
}
