import type { StoredCheckpoint } from './checkpointRead.js';
import type { Tx } from './database.js';
import { sql } from './sql.js';

/** A leaf with the columns beside it, as check V6 holds them against each other. */
export interface StoredLeaf {
  readonly log: string;
  readonly index: number;
  readonly kind: string;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly eventKey: Uint8Array;
  readonly traceId: Uint8Array | null;
  readonly runId: string | null;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly dk: string | null;
}

/** The columns of `llm_run_records` that its leaf must agree with, by their names. */
export type RunColumns = Readonly<Record<string, string | number | boolean | Uint8Array | readonly string[] | null>>;

/** A run as one OPENED or RUN leaf has it, with its projection row. */
export interface StoredRun extends StoredLeaf {
  /** The first checkpoint row that would cover it, unverified; null until there is one. */
  readonly covering: StoredCheckpoint | null;
  readonly columns: RunColumns;
}

const COLUMN_NAMES = [
  'kind',
  'run_id',
  'revision',
  'run_index',
  'run_occurred_at',
  'trace_id',
  'conversation_id',
  'correlation_id',
  'agent_id',
  'human_actor_id',
  'executor_type',
  'provider',
  'model',
  'tools',
  'service',
  'environment',
  'release',
  'execution_status',
  'waiting_for',
  'superseded_by',
  'outcome',
  'error_type',
  'policy_ids',
  'incident_ids',
  'had_errors',
  'is_synthetic',
  'source',
  'cost_nano_usd',
  'duration_us',
  'started_at',
  'completed_at',
  'run_names',
] as const;

type RunRow = Omit<StoredLeaf, 'index'> &
  Readonly<Record<(typeof COLUMN_NAMES)[number], RunColumns[string]>> & {
    readonly at: number;
    readonly leafKind: string;
    readonly coverSize: number | null;
    readonly coverRoot: Uint8Array;
    readonly coverNote: string;
    readonly coverAt: string;
  };

/** The leaf and its columns are named apart from the projection's, whose own `kind`, `run_id` and `trace_id` are held against them. */
const runColumns = sql`r.log, r.leaf_index as at, l.kind as "leafKind", l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey",
  l.trace_id as "traceId", l.run_id as "runId", l.occurred_at as "occurredAt", l.recorded_at as "recordedAt", l.dk,
  c.size as "coverSize", c.root as "coverRoot", c.note as "coverNote", c.signed_at as "coverAt", r.kind, r.run_id, r.revision, r.run_index, r.run_occurred_at, r.trace_id, r.conversation_id, r.correlation_id,
  r.agent_id, r.human_actor_id, r.executor_type, r.provider, r.model, r.tools, r.service, r.environment, r.release, r.execution_status,
  r.waiting_for, r.superseded_by, r.outcome, r.error_type, r.policy_ids, r.incident_ids, r.had_errors, r.is_synthetic, r.source, r.cost_nano_usd, r.duration_us,
  r.started_at, r.completed_at, n.run_names`;

/**
 * The leaf may be gone (a finding, not an error), so it joins from the left. The names are those of `run_names` at the same leaf: asked for by a
 * range and in the primary key's order, since the index by value names the leaf last, and without statistics passes for as good with an equality.
 */
const besideRun = sql`left join lateral (
    select * from sworn.leaf where tenant_id = r.tenant_id and log = r.log and leaf_index = r.leaf_index limit 1) l on true
  left join lateral (
    select size, root, note, signed_at from sworn.checkpoint
     where tenant_id = r.tenant_id and log = r.log and size > r.leaf_index
     order by size limit 1) c on true
  cross join lateral (
    select array(select field || ' ' || value from sworn.run_names
                  where tenant_id = r.tenant_id and log = r.log and leaf_index between r.leaf_index and r.leaf_index
                  order by leaf_index, field, value) as run_names) n`;

/** A projection row whose leaf is not there. */
export interface LeaflessRun {
  readonly log: string;
  readonly index: number;
  readonly leaf: null;
  readonly columns: RunColumns;
}

/** The runs at these leaves, in their order. Primary keys, looked up leaf by leaf as `readStepsAt` does. */
export async function readRunsAt(
  tx: Tx,
  tenantId: string,
  log: string,
  indexes: readonly number[],
): Promise<(StoredRun | LeaflessRun)[]> {
  const rows = await tx.query<RunRow>(sql`
    select ${runColumns}
      from unnest(${[...indexes]}::bigint[]) with ordinality as asked(leaf_index, ordinal)
     cross join lateral (
       select * from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index between asked.leaf_index and asked.leaf_index
        order by leaf_index limit 1) r
      ${besideRun}
     order by asked.ordinal`);
  return rows.map(toRun);
}

/** All revisions of one run, OPENED first, in the newest generation that has it. Unique index (tenant_id, log, run_id, revision). */
export async function readRevisions(
  tx: Tx,
  tenantId: string,
  log: string,
  runId: string,
  limit: number,
): Promise<(StoredRun | LeaflessRun)[]> {
  const rows = await tx.query<RunRow>(sql`
    select * from (
      select ${runColumns}
        from sworn.llm_run_records r
        ${besideRun}
       where r.tenant_id = ${tenantId}::uuid and r.log = ${log} and r.run_id = ${runId}
       order by r.revision desc limit ${limit}) newest
     order by revision`);
  return rows.map(toRun);
}

/** A leaf as its event key names it. */
export interface KeyedLeaf {
  readonly index: number;
  readonly eventKey: Uint8Array;
  readonly leaf: Uint8Array;
}

/** The leaves with these event keys that are there. Unique index `leaf_event_key`; see `findByEventKey` on `is not distinct from`. */
export async function readKeyedLeaves(
  tx: Tx,
  tenantId: string,
  log: string,
  eventKeys: readonly Uint8Array[],
): Promise<KeyedLeaf[]> {
  return tx.query<KeyedLeaf>(sql`
    select l.leaf_index as index, l.event_key as "eventKey", l.leaf
      from unnest(${[...eventKeys]}::bytea[]) as asked(event_key)
     cross join lateral (
       select leaf_index, event_key, leaf from sworn.leaf
        where tenant_id = ${tenantId}::uuid and event_key = asked.event_key and log is not distinct from ${log}::text
        limit 1) l`);
}

function toRun(row: RunRow): StoredRun | LeaflessRun {
  const columns = Object.fromEntries(COLUMN_NAMES.map((name) => [name, row[name]]));
  // A set: the database's order is that of its locale.
  columns['run_names'] = (row.run_names as readonly string[]).toSorted();
  if (row.leaf === null) return { log: row.log, index: row.at, leaf: null, columns };
  return {
    log: row.log,
    index: row.at,
    kind: row.leafKind,
    leaf: row.leaf,
    leafHash: row.leafHash,
    eventKey: row.eventKey,
    traceId: row.traceId,
    runId: row.runId,
    occurredAt: row.occurredAt,
    recordedAt: row.recordedAt,
    dk: row.dk,
    covering:
      row.coverSize === null
        ? null
        : { size: row.coverSize, root: row.coverRoot, note: row.coverNote, signedAt: row.coverAt },
    columns,
  };
}
