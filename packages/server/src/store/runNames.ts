import { insertRows } from './copyBinary.js';
import type { Tx } from './database.js';

/** Names that a revision of a run uses, several of each. */
export interface UsedNames {
  readonly tools: readonly string[] | null;
  readonly policyIds: readonly string[] | null;
  readonly incidentIds: readonly string[] | null;
}

/** A revision of a run, by its leaf, and the place of the run. */
export interface NamingRun {
  readonly log: string;
  readonly leafIndex: number;
  readonly runIndex: number;
  readonly names: UsedNames;
}

/** What `run_names` holds beside one OPENED or RUN leaf: each name once, by field. */
export function namesOf({ tools, policyIds, incidentIds }: UsedNames): (readonly [field: string, value: string])[] {
  const each = (field: string, values: readonly string[] | null) =>
    [...new Set(values)].map((value) => [field, value] as const);
  return [...each('tool', tools), ...each('policy', policyIds), ...each('incident', incidentIds)];
}

/** Inserts the names of runs beside their rows. */
export async function insertRunNames(tx: Tx, tenantId: string, runs: readonly NamingRun[]): Promise<void> {
  await insertRows(
    tx,
    'run_names',
    [
      ['tenant_id', 'uuid'],
      ['log', 'text'],
      ['leaf_index', 'int8'],
      ['run_index', 'int8'],
      ['field', 'text'],
      ['value', 'text'],
    ],
    runs.flatMap(({ log, leafIndex, runIndex, names }) =>
      namesOf(names).map((name) => [tenantId, log, leafIndex, runIndex, ...name]),
    ),
  );
}
