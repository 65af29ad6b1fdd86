import type { Finding } from '@sworn/contract';
import { hex, type Members } from '@sworn/evidence';
import { ownEventKey } from '../record/ownLeaf.js';
import type { Tx } from '../store/database.js';
import { type KeyedLeaf, readKeyedLeaves, type StoredRun } from '../store/runs.js';
import type { Checked } from './check.js';

// A run is found by its projection rows. Taking one away must not make an older revision the newest, so the leaf that would come next is
// asked for by its event key.

/** Revision of an OPENED (0) or RUN leaf. */
export function revisionOf(members: Members): number {
  return members.count('revision') ?? 0;
}

/** Runs of one log whose next revision has a leaf below the pin, but no projection row that was found; by run id. */
export async function hiddenRevisions(
  tx: Tx,
  tenantId: string,
  { log, pin }: { readonly log: string; readonly pin: number },
  runs: readonly Extract<Checked<StoredRun>, { kind: 'sound' }>[],
): Promise<ReadonlyMap<string, KeyedLeaf>> {
  const runOf = new Map(
    runs.map(({ members }) => {
      const runId = members.text('run_id') ?? '';
      return [hex(ownEventKey('RUN', runId, String(revisionOf(members) + 1))), runId];
    }),
  );
  const keys = [...runOf.keys()].map((key) => Buffer.from(key, 'hex'));
  const found = await readKeyedLeaves(tx, tenantId, log, keys);
  return new Map(found.filter(({ index }) => index < pin).map((leaf) => [runOf.get(hex(leaf.eventKey)) ?? '', leaf]));
}

/** The OPENED leaf of a run that no projection row names; null when the log has none below the pin. */
export async function hiddenOpening(
  tx: Tx,
  tenantId: string,
  { log, pin }: { readonly log: string; readonly pin: number },
  runId: string,
): Promise<KeyedLeaf | null> {
  const [leaf] = await readKeyedLeaves(tx, tenantId, log, [ownEventKey('OPENED', runId)]);
  return leaf !== undefined && leaf.index < pin ? leaf : null;
}

/** A leaf of a run whose projection row is gone. */
export function missingRow(log: string, index: number): Finding {
  const detail = 'llm_run_records has no row of this leaf';
  return { check: 'V6', code: 'PROJECTION_MISMATCH', log, leaf_index: index, detail };
}
