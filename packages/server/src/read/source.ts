import type { Source } from '@sworn/contract';
import { readNewestTimes } from '../store/checkpointRead.js';
import type { Tx } from '../store/database.js';
import { readStepsAt } from '../store/steps.js';
import type { Cursor } from './cursor.js';
import type { Pin, ReadDeps } from './reading.js';
import { retainedBelow } from './removed.js';
import type { PinnedRun } from './settled.js';

/** Withheld events that are counted: how many there are says little beyond. */
export const MAX_WITHHELD = 1_000;

/** The logs of topic `audit`, at their sizes now or those of a crawl's first page. */
export function auditPins({ sizes }: Pick<PinnedRun, 'sizes'>, cursor: Cursor | null): Pin[] {
  return sizes
    .filter(({ topic }) => topic === 'audit')
    .map(({ log, size }) => ({ log, size: cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0) }));
}

/** Of a source that may not be seen only how many events there are. */
export function withheldSource(source: Source['source'], events: number): Source {
  return { source, status: 'WITHHELD', available_from: null, withheld: events };
}

/**
 * Whether retention may have taken records from a time on: a proven RETENTION leaf allowed it, and what is left was stored after that. Records are dated
 * by their producers and kept by when they were stored; one that came late is kept longer.
 */
export async function keptSource(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { source, logs, from }: { readonly source: Source['source']; readonly logs: readonly Pin[]; readonly from: string },
): Promise<Source> {
  for (const { log, size } of logs) {
    const below = await retainedBelow(deps, tx, { tenantId, log });
    if (below === 0) continue;
    const [oldest] = await readStepsAt(tx, tenantId, log, [below]);
    const since = oldest?.recordedAt ?? (await readNewestTimes(tx, tenantId, log, size))?.recordedAt ?? null;
    if (since === null || since > from) return { source, status: 'EXPIRED', available_from: since, withheld: null };
  }
  return { source, status: 'AVAILABLE', available_from: null, withheld: null };
}
