import type { Topic } from '@sworn/evidence';
import { type Database, outsideTenants } from '../store/database.js';
import { readNewerGenerations } from '../store/generation.js';

/**
 * Which generation of a log is the open one. A leaf says its origin and a body is bound to it, so both are prepared for one generation;
 * should another be open when they are numbered, the sequencer refuses them (`LogMoved`).
 */
export interface OpenLogs {
  /** Origin of the tenant's open log of a topic, as of the last `refresh`; of one that was never recovered, the first generation's. */
  originOf(tenantId: string, topic: Topic): string;
  /** Reads anew which logs have later generations. */
  refresh(): Promise<void>;
}

/** Knows no later generation before the first `refresh`. `originOf`: origin of a log by its stored name. */
export function createOpenLogs(deps: {
  readonly db: Database;
  readonly originOf: (tenantId: string, log: string) => string;
}): OpenLogs {
  let newer: ReadonlyMap<string, string> = new Map();
  return {
    originOf: (tenantId, topic) => deps.originOf(tenantId, newer.get(`${tenantId}/${topic}`) ?? topic),
    async refresh() {
      const rows = await outsideTenants(deps.db, 'checker', readNewerGenerations);
      newer = new Map(rows.map(({ tenantId, topic, log }) => [`${tenantId}/${topic}`, log]));
    },
  };
}
