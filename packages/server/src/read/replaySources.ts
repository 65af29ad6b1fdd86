import type { RunReplay } from '@sworn/contract';
import { readNewestTimes } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readStepsAt } from '../store/steps.js';
import type { Cursor } from './cursor.js';
import type { Pin, ReadDeps } from './reading.js';
import { retainedBelow } from './removed.js';
import { policyLane } from './replayLanes.js';
import type { ReplayWindow } from './replayWindow.js';
import type { Skeleton } from './runOrder.js';
import type { PinnedRun } from './settled.js';

type Source = RunReplay['sources'][number];

/** Withheld events that are counted. */
const MAX_WITHHELD = 1_000;

/** The logs of topic `audit`, at their sizes now or those of a crawl's first page. */
export function auditPins({ sizes }: Pick<PinnedRun, 'sizes'>, cursor: Cursor | null): Pin[] {
  return sizes
    .filter(({ topic }) => topic === 'audit')
    .map(({ log, size }) => ({ log, size: cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0) }));
}

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
export async function readSources(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  asked: AskedSources,
): Promise<RunReplay['sources']> {
  const { run, skeleton, window, isWhole, isAuditor } = asked;
  const kept = (source: Source['source'], logs: readonly Pin[]) =>
    keptSource(deps, tx, tenantId, { source, logs, window });
  const system = await kept('system', asked.system);
  if (!isWhole) return [system];
  const llm = await kept('llm', [{ log: run.log, size: run.bound }]);
  if (isAuditor) return [llm, system, await kept('policy', asked.audit)];
  const all = { run, skeleton, window, logs: asked.audit, after: null, limit: MAX_WITHHELD };
  const { events } = await policyLane(deps, tx, tenantId, all);
  return [llm, system, { source: 'policy', status: 'WITHHELD', available_from: null, withheld: events.length }];
}

/**
 * Whether retention may have taken records of the window: a proven RETENTION leaf allowed it, and what is left was stored after the window began. Records
 * are dated by their producers and kept by when they were stored; one that came late is kept longer.
 */
async function keptSource(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  {
    source,
    logs,
    window,
  }: { readonly source: Source['source']; readonly logs: readonly Pin[]; readonly window: ReplayWindow },
): Promise<Source> {
  for (const { log, size } of logs) {
    const below = await retainedBelow(deps, tx, { tenantId, log });
    if (below === 0) continue;
    const [oldest] = await readStepsAt(tx, tenantId, log, [below]);
    const since = oldest?.recordedAt ?? (await readNewestTimes(tx, tenantId, log, size))?.recordedAt ?? null;
    if (since === null || since > window.from)
      return { source, status: 'EXPIRED', available_from: since, withheld: null };
  }
  return { source, status: 'AVAILABLE', available_from: null, withheld: null };
}
