import type { Tx } from '../store/database.js';
import { readRunsAt, type StoredRun } from '../store/runs.js';
import { type Checked, checkRun } from './check.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import { hiddenRevisions, missingRow } from './revisions.js';

/** The runs at these leaves of one log, each held against its leaf, its row, the open findings, and a later revision whose row is gone. */
export async function checkedRunsAt(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { log, size }: Pin,
  indexes: readonly number[],
): Promise<readonly Checked<StoredRun>[]> {
  const open = await deps.openFindings(tx, tenantId);
  const runs = await readRunsAt(tx, tenantId, log, indexes);
  const rows = runs.map((run) => heldAgainst(checkRun(run, deps.originOf(tenantId, run.log)), open));
  const sound = rows.filter((run) => run.kind === 'sound');
  const hidden = await hiddenRevisions(tx, tenantId, { log, pin: size }, sound);
  return rows.map((run) => {
    const newer = run.kind === 'sound' ? hidden.get(run.members.text('run_id') ?? '') : undefined;
    return newer === undefined
      ? run
      : { kind: 'compromised', stored: run.stored, finding: missingRow(log, newer.index) };
  });
}
