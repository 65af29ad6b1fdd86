import type { ExportList, ExportQuery } from '@sworn/contract';
import { BUILDING } from './building.js';
import { ownFormat } from './entryFormat.js';
import { aggregateOfEntries, entrySpine } from './entryMetadata.js';
import { readListAsked } from './listAsked.js';
import { listEntries } from './listEntries.js';
import type { ReadDeps, Reading } from './reading.js';

/**
 * Endpoint 18. Records of exports stand in `access`, of kinds that nothing writes yet: no record of it is one, so none is asked for, and the
 * answer says why. So it is the same in each format.
 */
export async function listExports(deps: ReadDeps, tenantId: string, query: ExportQuery): Promise<Reading<ExportList>> {
  const reading = await listEntries(deps, tenantId, {
    id: 'audit.exports',
    topics: ['access'],
    asked: readListAsked(query, {}),
    selectionOf: () => null,
    ...ownFormat(() => ({})),
    spineOf: entrySpine,
    aggregateOf: aggregateOfEntries,
  });
  return { ...reading, answer: { ...reading.answer, items: [], building: BUILDING } };
}
