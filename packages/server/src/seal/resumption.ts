import { decodeLeaf } from '@sworn/evidence';
import { type Database, lookUp } from '../store/database.js';
import { readNextRun } from '../store/sealing.js';
import type { RunSummary } from './fold.js';
import type { Resumption } from './waiting.js';

/** What took up a run that waits: the next of its conversation that was sealed, and how that decided. Null while there is none. */
export async function findResumption(
  db: Database,
  { tenantId, log }: { readonly tenantId: string; readonly log: string },
  { runId, runIndex }: { readonly runId: string; readonly runIndex: number },
  { conversationId, service, startedAt }: RunSummary,
): Promise<Resumption | null> {
  if (conversationId === null) return null;
  const next = await lookUp(db, tenantId, (tx) =>
    readNextRun(tx, tenantId, log, { conversationId, service, startedAt, runId, runIndex }),
  );
  if (next === null) return null;
  const { decisions } = decodeLeaf(next.leaf).fields;
  return { runId: next.runId, rejected: Array.isArray(decisions) && decisions.includes('rejected') };
}
