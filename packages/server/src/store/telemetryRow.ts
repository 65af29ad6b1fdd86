import type { Column } from './copyBinary.js';
import { type Cells, textsOf } from './eventRows.js';

/** The row of a producer's metrics in `system`. */
export interface TelemetryBatchRow {
  readonly table: 'telemetry_batches';
  readonly cells: Cells<typeof TELEMETRY_BATCH_COLUMNS>;
}

/** Beside TELEMETRY leaves: who measured, how much, and when. */
export const TELEMETRY_BATCH_COLUMNS = [
  ['service', 'text'],
  ['environment', 'text'],
  ['instance', 'text'],
  ['host_id', 'text'],
  // A token: people name their machines after themselves.
  ['host_name', 'text'],
  ['process_pid', 'int8'],
  ['container_id', 'text'],
  ['pod_uid', 'text'],
  ['metrics', 'int4'],
  ['points', 'int4'],
  ['first_at', 'timestamptz'],
  ['occurred_at', 'timestamptz'],
] as const satisfies readonly Column[];

/** What the row repeats of its leaf. */
export function telemetryCells(
  occurredAt: string,
  members: Readonly<Record<string, unknown>>,
): TelemetryBatchRow['cells'] {
  const text = textsOf(members);
  const count = (name: string): number | null => {
    const value = members[name];
    return typeof value === 'number' ? value : null;
  };
  return {
    service: text('service'),
    environment: text('environment'),
    instance: text('instance'),
    host_id: text('host_id'),
    host_name: text('host_name'),
    process_pid: count('process_pid'),
    container_id: text('container_id'),
    pod_uid: text('pod_uid'),
    metrics: count('metrics'),
    points: count('points'),
    first_at: text('first_at'),
    occurred_at: occurredAt,
  };
}
