import { decodeLeaf } from '@sworn/evidence';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { SealedRevision } from './seal/settle.js';
import { type Database, inTenant } from './store/database.js';
import { countOpenRuns } from './store/openRuns.js';

/** What a revision says that is counted. */
interface Figures {
  readonly status: string | null;
  readonly source: string | null;
  readonly nanoUsd: number;
}

/**
 * Counts what this process seals. Each revision is sealed by one process, so the sum over all of them is right; a process that starts begins at
 * nothing, as Prometheus expects of counters. No label says whose a run is.
 */
export function createRunMetrics(registry: Registry): { sealed(revision: SealedRevision): void } {
  const sealedTotal = new Counter({
    name: 'sworn_runs_sealed_total',
    help: 'Runs sealed, by how they ended. A run that is sealed again counts again only if it ended otherwise.',
    labelNames: ['execution_status'],
    registers: [registry],
  });
  const costTotal = new Counter({
    name: 'sworn_run_cost_usd_total',
    help: 'US dollars that sealed runs cost, by where the figure is from. A run that is sealed again counts the difference.',
    labelNames: ['cost_source'],
    registers: [registry],
  });
  // From nothing on, so that the first of a kind is an increase.
  for (const status of ['SUCCEEDED', 'FAILED', 'ABORTED', 'TIMEOUT']) sealedTotal.inc({ execution_status: status }, 0);
  for (const source of ['REPORTED', 'PRICED']) costTotal.inc({ cost_source: source }, 0);
  /** What a counter, which never falls, counted too much: a run that is sealed again may cost less, or nothing because it went into another. */
  const owed = new Map<string, number>();

  function addCost(source: string, nanoUsd: number): void {
    const due = (owed.get(source) ?? 0) + nanoUsd;
    owed.set(source, Math.min(due, 0));
    if (due > 0) costTotal.inc({ cost_source: source }, due / 1e9);
  }

  return {
    sealed({ leaf, before }) {
      const now = figuresOf(leaf);
      const was = before === null ? null : figuresOf(before);
      if (now.status !== null && now.status !== was?.status) sealedTotal.inc({ execution_status: now.status });
      if (was?.source === now.source) {
        if (now.source !== null) addCost(now.source, now.nanoUsd - (was?.nanoUsd ?? 0));
        return;
      }
      if (was?.source != null) addCost(was.source, -was.nanoUsd);
      if (now.source !== null) addCost(now.source, now.nanoUsd);
    },
  };
}

/** A run that waits, or went into another, is not over; one whose cost is unknown has none that could be summed. */
function figuresOf(leaf: Uint8Array): Figures {
  const { execution_status: status, cost_source: source, cost_nano_usd: nanoUsd } = decodeLeaf(leaf).fields;
  const isKnown = typeof nanoUsd === 'number' && typeof source === 'string';
  return {
    status: typeof status === 'string' && status !== 'RUNNING' ? status : null,
    source: isKnown ? source : null,
    nanoUsd: isKnown ? nanoUsd : 0,
  };
}

/** A round that counts the runs that are open. Counted there and not when somebody asks: a scrape costs the database nothing. */
export function countingOpenRuns(
  registry: Registry,
  db: Database,
  tenants: () => Promise<readonly string[]>,
): () => Promise<void> {
  const runsOpen = new Gauge({
    name: 'sworn_runs_open',
    help: 'Runs that are not sealed yet, of all tenants, as of at most five seconds ago. Every process says the same.',
    registers: [registry],
  });
  return async () => {
    let open = 0;
    for (const id of await tenants()) open += await inTenant(db, 'writer', id, (tx) => countOpenRuns(tx, id));
    runsOpen.set(open);
  };
}
