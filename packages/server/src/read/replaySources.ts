import type { Source } from '@sworn/contract';
import type { Tx } from '../store/database.js';
import type { Pin, ReadDeps } from './reading.js';
import { policyLane } from './replayLanes.js';
import type { ReplayWindow } from './replayWindow.js';
import type { Skeleton } from './runOrder.js';
import type { PinnedRun } from './settled.js';
import { keptSource, MAX_WITHHELD, withheldSource } from './source.js';

interface AskedSources {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  readonly window: ReplayWindow;
  readonly system: readonly Pin[];
  readonly audit: readonly Pin[];
  /** All three sources, else the system lane alone. */
  readonly isWhole: boolean;
  readonly isAuditor: boolean;
}

/** What each source of a replay can say of its window. */
export async function readSources(deps: ReadDeps, tx: Tx, tenantId: string, asked: AskedSources): Promise<Source[]> {
  const { run, skeleton, window, isWhole, isAuditor } = asked;
  const kept = (source: Source['source'], logs: readonly Pin[]) =>
    keptSource(deps, tx, tenantId, { source, logs, from: window.from });
  const system = await kept('system', asked.system);
  if (!isWhole) return [system];
  const llm = await kept('llm', [{ log: run.log, size: run.bound }]);
  if (isAuditor) return [llm, system, await kept('policy', asked.audit)];
  const all = { run, skeleton, window, logs: asked.audit, after: null, limit: MAX_WITHHELD };
  const { events } = await policyLane(deps, tx, tenantId, all);
  return [llm, system, withheldSource('policy', events.length)];
}
