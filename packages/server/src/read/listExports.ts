import type { ExportList, ExportQuery } from '@sworn/contract';
import { aggregateOfEntries, entrySpine } from './entryMetadata.js';
import { readListAsked } from './listAsked.js';
import { listEntries } from './listEntries.js';
import type { ReadDeps, Reading } from './reading.js';

/** Why there are none. */
export const NO_BUILDER = 'this version describes what a bundle of a run would be, and builds none';

/**
 * Endpoint 18. Records of exports stand in `access`, of kinds that nothing writes yet: no record of it is one, so none is asked for, and the
 * answer says why.
 */
export async function listExports(deps: ReadDeps, tenantId: string, query: ExportQuery): Promise<Reading<ExportList>> {
  const reading = await listEntries(deps, tenantId, {
    id: 'audit.exports',
    topics: ['access'],
    asked: readListAsked(query, {}),
    selectionOf: () => null,
    itemOf: () => ({}),
    spineOf: entrySpine,
    aggregateOf: aggregateOfEntries,
  });
  const building = { available: false, reason: NO_BUILDER } as const;
  return { ...reading, answer: { ...reading.answer, items: [], building } };
}
