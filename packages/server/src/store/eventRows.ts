import type { Column, ColumnValue } from './copyBinary.js';

/** The row of a log record in `system`: a producer's, or one of Sworn's own. */
export interface SystemRecordRow {
  readonly table: 'system_records';
  readonly cells: Cells<typeof SYSTEM_RECORD_COLUMNS>;
}

/** The row of a producer's log record in `audit`. */
export interface AuditLedgerRow {
  readonly table: 'audit_ledger';
  readonly cells: Cells<typeof AUDIT_LEDGER_COLUMNS>;
}

/** A value a column, by its name; null: the leaf says nothing of it. */
export type Cells<C extends readonly Column[]> = Readonly<Record<C[number][0], ColumnValue>>;

/** Beside LOG and the other kinds of `system` records, and beside their CONFLICT leaves. */
export const SYSTEM_RECORD_COLUMNS = [
  ['event_type', 'text'],
  ['conflict_of', 'int8'],
  ['event_name', 'text'],
  ['severity', 'text'],
  ['component', 'text'],
  ['service', 'text'],
  ['instance', 'text'],
  ['correlation_id', 'text'],
  ['hinted_run', 'text'],
  ['trace_id', 'bytea'],
  ['occurred_at', 'timestamptz'],
  ['shared', 'bool'],
  ['signal', 'text'],
] as const satisfies readonly Column[];

/** Beside AUDIT leaves and their CONFLICT leaves. */
export const AUDIT_LEDGER_COLUMNS = [
  ['event_type', 'text'],
  ['conflict_of', 'int8'],
  ['category', 'text'],
  ['entity_type', 'text'],
  ['entity_id', 'text'],
  ['actor_type', 'text'],
  ['actor_id', 'text'],
  ['action', 'text'],
  ['decision', 'text'],
  ['run_id', 'text'],
  ['hinted_run', 'text'],
  ['policy_id', 'text'],
  ['incident_id', 'text'],
  ['correlation_id', 'text'],
  ['trace_id', 'bytea'],
  ['service', 'text'],
  ['occurred_at', 'timestamptz'],
] as const satisfies readonly Column[];

/** A prepared leaf, as far as its row repeats it. */
interface SaidOfEvent {
  readonly kind: string;
  readonly occurredAt: string;
  readonly members: Readonly<Record<string, unknown>>;
}

/** What the row of a `system` record repeats of its leaf. `hintedRun`: the run that it names (seal/membership.ts). */
export function systemCells(
  { kind, occurredAt, members }: SaidOfEvent,
  hintedRun: string | null,
): SystemRecordRow['cells'] {
  const text = textsOf(members);
  return {
    // A conflict, and a gap that Sworn found, are of a kind of their own.
    event_type: text('event_type') ?? kind,
    conflict_of: conflictOf(members),
    event_name: text('event_name'),
    severity: text('severity'),
    component: text('component'),
    service: text('service'),
    instance: text('instance'),
    correlation_id: text('correlation_id'),
    hinted_run: hintedRun,
    trace_id: bytesOf(text('trace_id')),
    occurred_at: occurredAt,
    shared: members['shared'] === true ? true : null,
    signal: text('signal'),
  };
}

/** What the row of an `audit` record repeats of its leaf. Its actor is the human it names, else the agent, else the system. */
export function auditCells({ occurredAt, members }: SaidOfEvent): AuditLedgerRow['cells'] {
  const text = textsOf(members);
  const [human, agent, system] = [text('human_actor_id'), text('agent_id'), text('system_id')];
  return {
    event_type: text('event_type'),
    conflict_of: conflictOf(members),
    category: text('category'),
    entity_type: text('entity_type'),
    entity_id: text('entity_id'),
    actor_type: human !== null ? 'HUMAN' : agent !== null ? 'AGENT' : system !== null ? 'SYSTEM' : null,
    actor_id: human ?? agent ?? system,
    action: text('action'),
    decision: text('decision'),
    run_id: text('run_id'),
    hinted_run: text('hinted_run'),
    policy_id: text('policy_id'),
    incident_id: text('incident_id'),
    correlation_id: text('correlation_id'),
    trace_id: bytesOf(text('trace_id')),
    service: text('service'),
    occurred_at: occurredAt,
  };
}

/** The texts among a leaf's members. */
export function textsOf(members: SaidOfEvent['members']): (name: string) => string | null {
  return (name) => {
    const value = members[name];
    return typeof value === 'string' ? value : null;
  };
}

/** Index of the leaf that has the event key; null: the leaf is none of a conflict. */
function conflictOf(members: SaidOfEvent['members']): number | null {
  const first = members['first_index'];
  return typeof first === 'number' ? first : null;
}

function bytesOf(id: string | null): Uint8Array | null {
  return id === null ? null : Buffer.from(id, 'hex');
}
