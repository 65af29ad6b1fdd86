import { type Column, type ColumnValue, insertRows } from './copyBinary.js';
import type { Tx } from './database.js';
import { AUDIT_LEDGER_COLUMNS, type AuditLedgerRow, SYSTEM_RECORD_COLUMNS, type SystemRecordRow } from './eventRows.js';
import { insertRunNames } from './runNames.js';
import { TELEMETRY_BATCH_COLUMNS, type TelemetryBatchRow } from './telemetryRow.js';

/** Newest state of a run as of one OPENED or RUN leaf (CONTRACT.md §3, endpoint 1). Null: not known, not recorded. */
export interface LlmRunRow {
  readonly table: 'llm_run_records';
  readonly kind: 'OPENED' | 'RUN';
  readonly runId: string;
  /** 0 for OPENED, then 1, 2, … */
  readonly revision: number;
  /** Leaf index of the run's OPENED leaf; null: this very row's own index, known only under the lock. */
  readonly runIndex: number | null;
  readonly runOccurredAt: string;
  readonly traceId: Uint8Array | null;
  readonly conversationId: string | null;
  readonly correlationId: string | null;
  readonly agentId: string | null;
  /** A token, `tok_<hex>`. */
  readonly humanActorId: string | null;
  readonly executorType: 'LLM' | 'AGENT' | 'HUMAN' | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly tools: readonly string[] | null;
  readonly service: string | null;
  readonly environment: string | null;
  readonly release: string | null;
  readonly executionStatus: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'ABORTED' | 'TIMEOUT';
  /** Of a sealed run that is not over: what it waits for. */
  readonly waitingFor: 'approval' | 'tool_call' | null;
  /** Id of the run that its traces turned out to belong to. */
  readonly supersededBy: string | null;
  readonly outcome: 'SUCCESS' | 'FAILURE' | 'NEAR_THRESHOLD' | 'TERMINATED' | null;
  readonly errorType: string | null;
  readonly policyIds: readonly string[] | null;
  readonly incidentIds: readonly string[] | null;
  readonly hadErrors: boolean;
  readonly isSynthetic: boolean;
  readonly source: 'API' | 'SDK' | 'SYSTEM' | 'SYNTHETIC' | 'WORKER';
  /** Billionths of a US dollar; null when unknown, never 0. */
  readonly costNanoUsd: number | null;
  /** Microseconds. */
  readonly durationUs: number | null;
  readonly startedAt: string;
  readonly completedAt: string | null;
}

/** A MEMBER leaf: this trace, or the subtrees of it below these roots, belong to this run. */
export interface RunMemberRow {
  readonly table: 'run_members';
  readonly runId: string;
  readonly traceId: Uint8Array;
  readonly whole: boolean;
  /** Span ids of 8 bytes, at most 64; null when `whole`. */
  readonly roots: readonly Uint8Array[] | null;
}

/** A RESOURCE leaf; its leaf hash is added at insertion. */
export interface ResourceRow {
  readonly table: 'resources';
  readonly part: 'resource' | 'scope';
  readonly service: string | null;
  readonly serviceInstance: string | null;
  readonly hostId: string | null;
  readonly environment: string | null;
}

/** An access record: one request, decided and, when allowed, answered. */
export interface AccessRow {
  readonly table: 'access_records';
  readonly kind: string;
  readonly requestId: string;
  readonly endpoint: string;
  readonly credentialId: string | null;
  readonly decision: 'ALLOW' | 'DENY';
  readonly permission: string | null;
  readonly runId: string | null;
  /** Id of the leaf that was read by its id. */
  readonly recordId: string | null;
  /** HTTP status. */
  readonly status: number | null;
  /** Token of the page view it belongs to. */
  readonly view: string | null;
  /** Token of what the client claimed. */
  readonly correlationId: string | null;
  /** Of a record of an export. */
  readonly exportId: string | null;
}

/** A control leaf. `subject` is what it is about: a key id, a log, a name. */
export interface ControlRow {
  readonly table: 'control_records';
  readonly kind: string;
  readonly subject: string | null;
}

/** The row beside a leaf that lists filter by; tenant, log and index come from the leaf. */
export type ProjectionRow =
  | LlmRunRow
  | RunMemberRow
  | ResourceRow
  | SystemRecordRow
  | AuditLedgerRow
  | TelemetryBatchRow
  | AccessRow
  | ControlRow;

/** A projection row with the place of its leaf. */
export interface PlacedRow {
  readonly log: string;
  readonly leafIndex: number;
  readonly leafHash: Uint8Array;
  readonly row: ProjectionRow;
}

/** Beside RESOURCE leaves. */
const RESOURCE_COLUMNS = [
  ['part', 'text'],
  ['leaf_hash', 'bytea'],
  ['service', 'text'],
  ['service_instance', 'text'],
  ['host_id', 'text'],
  ['environment', 'text'],
] as const satisfies readonly Column[];

interface Shape<R extends ProjectionRow> {
  readonly columns: readonly Column[];
  readonly values: (row: R, placed: PlacedRow) => readonly ColumnValue[];
}

type Shapes = { readonly [R in ProjectionRow as R['table']]: Shape<R> };

const SHAPES: Shapes = {
  llm_run_records: {
    columns: [
      ['kind', 'text'],
      ['run_id', 'text'],
      ['revision', 'int4'],
      ['run_index', 'int8'],
      ['run_occurred_at', 'timestamptz'],
      ['trace_id', 'bytea'],
      ['conversation_id', 'text'],
      ['correlation_id', 'text'],
      ['agent_id', 'text'],
      ['human_actor_id', 'text'],
      ['executor_type', 'text'],
      ['provider', 'text'],
      ['model', 'text'],
      ['tools', 'text[]'],
      ['service', 'text'],
      ['environment', 'text'],
      ['release', 'text'],
      ['execution_status', 'text'],
      ['waiting_for', 'text'],
      ['superseded_by', 'text'],
      ['outcome', 'text'],
      ['error_type', 'text'],
      ['policy_ids', 'text[]'],
      ['incident_ids', 'text[]'],
      ['had_errors', 'bool'],
      ['is_synthetic', 'bool'],
      ['source', 'text'],
      ['cost_nano_usd', 'int8'],
      ['duration_us', 'int8'],
      ['started_at', 'timestamptz'],
      ['completed_at', 'timestamptz'],
    ],
    values: (r, placed) => [
      r.kind,
      r.runId,
      r.revision,
      r.runIndex ?? placed.leafIndex,
      r.runOccurredAt,
      r.traceId,
      r.conversationId,
      r.correlationId,
      r.agentId,
      r.humanActorId,
      r.executorType,
      r.provider,
      r.model,
      r.tools,
      r.service,
      r.environment,
      r.release,
      r.executionStatus,
      r.waitingFor,
      r.supersededBy,
      r.outcome,
      r.errorType,
      r.policyIds,
      r.incidentIds,
      r.hadErrors,
      r.isSynthetic,
      r.source,
      r.costNanoUsd,
      r.durationUs,
      r.startedAt,
      r.completedAt,
    ],
  },
  run_members: {
    columns: [
      ['run_id', 'text'],
      ['trace_id', 'bytea'],
      ['whole', 'bool'],
      ['roots', 'bytea[]'],
    ],
    values: (r) => [r.runId, r.traceId, r.whole, r.roots],
  },
  resources: {
    columns: RESOURCE_COLUMNS,
    values: (r, placed) => [r.part, placed.leafHash, r.service, r.serviceInstance, r.hostId, r.environment],
  },
  system_records: {
    columns: SYSTEM_RECORD_COLUMNS,
    values: (r) => SYSTEM_RECORD_COLUMNS.map(([name]) => r.cells[name]),
  },
  audit_ledger: {
    columns: AUDIT_LEDGER_COLUMNS,
    values: (r) => AUDIT_LEDGER_COLUMNS.map(([name]) => r.cells[name]),
  },
  telemetry_batches: {
    columns: TELEMETRY_BATCH_COLUMNS,
    values: (r) => TELEMETRY_BATCH_COLUMNS.map(([name]) => r.cells[name]),
  },
  access_records: {
    columns: [
      ['kind', 'text'],
      ['request_id', 'uuid'],
      ['endpoint', 'text'],
      ['credential_id', 'text'],
      ['decision', 'text'],
      ['permission', 'text'],
      ['run_id', 'text'],
      ['status', 'int4'],
      ['view', 'text'],
      ['correlation_id', 'text'],
      ['record_id', 'text'],
      ['export_id', 'text'],
    ],
    values: (r) => [
      r.kind,
      r.requestId,
      r.endpoint,
      r.credentialId,
      r.decision,
      r.permission,
      r.runId,
      r.status,
      r.view,
      r.correlationId,
      r.recordId,
      r.exportId,
    ],
  },
  control_records: {
    columns: [
      ['kind', 'text'],
      ['subject', 'text'],
    ],
    values: (r) => [r.kind, r.subject],
  },
};

/** A table of projection rows. */
export type ProjectionTable = ProjectionRow['table'];

/** Columns of each projection beside its place. */
export const PROJECTION_COLUMNS: Readonly<Record<ProjectionTable, readonly Column[]>> = {
  // The generated ones too: who takes the generation off can write them, and lists filter by them.
  llm_run_records: [...SHAPES.llm_run_records.columns, ['cost_magnitude', 'int4'], ['duration_magnitude', 'int4']],
  run_members: SHAPES.run_members.columns,
  resources: SHAPES.resources.columns,
  system_records: SHAPES.system_records.columns,
  audit_ledger: SHAPES.audit_ledger.columns,
  telemetry_batches: SHAPES.telemetry_batches.columns,
  access_records: SHAPES.access_records.columns,
  control_records: SHAPES.control_records.columns,
};

/** Inserts projection rows beside their leaves, table by table, and the names that runs use. */
export async function insertProjections(tx: Tx, tenantId: string, rows: readonly PlacedRow[]): Promise<void> {
  const byTable = new Map<ProjectionRow['table'], PlacedRow[]>();
  for (const placed of rows) {
    const same = byTable.get(placed.row.table);
    if (same === undefined) byTable.set(placed.row.table, [placed]);
    else same.push(placed);
  }
  for (const [table, placed] of byTable) {
    // Rows were grouped by their own discriminator, which the compiler cannot follow through the map.
    const shape = SHAPES[table] as Shape<ProjectionRow>;
    const values = placed.map((p) => [tenantId, p.log, p.leafIndex, ...shape.values(p.row, p)]);
    await insertRows(
      tx,
      table,
      [['tenant_id', 'uuid'], ['log', 'text'], ['leaf_index', 'int8'], ...shape.columns],
      values,
    );
  }
  await insertRunNames(
    tx,
    tenantId,
    rows.flatMap(({ log, leafIndex, row }) =>
      row.table === 'llm_run_records' ? [{ log, leafIndex, runIndex: row.runIndex ?? leafIndex, names: row }] : [],
    ),
  );
}
