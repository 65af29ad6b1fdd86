import type { SystemItem, SystemList, SystemListQuery } from '@sworn/contract';
import { type SystemFilters, systemSelection } from '../store/systemSelection.js';
import type { SoundEntry } from './checkEntry.js';
import { readListAsked } from './listAsked.js';
import { type EntryListing, listEntries } from './listEntries.js';
import type { ReadDeps, Reading } from './reading.js';
import { isOwn, isSummarised, systemItem, systemSpine } from './systemItem.js';

/** Endpoint 7: what happened around runs, newest first: what producers' log records say, and what Sworn shares of its own life. */
export async function listSystem(
  deps: ReadDeps,
  tenantId: string,
  query: SystemListQuery,
): Promise<Reading<SystemList>> {
  return listEntries<SystemItem>(deps, tenantId, {
    id: 'system.list',
    topics: ['system'],
    asked: readListAsked(query, {}),
    ...selectionsOf(query, tenantId === deps.platformTenant),
    opensBody: isSummarised,
    itemOf: systemItem,
    spineOf: ({ members }) => systemSpine(members),
    aggregateOf,
  });
}

/** Who is the platform has what it shares in its own logs. */
function selectionsOf(
  query: SystemListQuery,
  isPlatform: boolean,
): Pick<EntryListing<unknown>, 'selectionOf' | 'platformSelection'> {
  const { scope } = query;
  const select = (shared: SystemFilters['shared']) =>
    systemSelection({
      component: query.component ?? null,
      eventType: query.event_type ?? null,
      severity: query.severity ?? null,
      correlationId: query.correlation_id ?? null,
      service: query.service ?? null,
      shared,
    });
  if (isPlatform) return { selectionOf: () => select(scope === undefined ? null : scope === 'PLATFORM') };
  return {
    selectionOf: () => (scope === 'PLATFORM' ? null : select(null)),
    ...(scope !== 'TENANT' && { platformSelection: select(true) }),
  };
}

function aggregateOf(entries: readonly SoundEntry[]) {
  const isAllOwn = entries.length > 0 && entries.every(({ members }) => isOwn(members));
  return { source_domain: 'SYSTEM', actor_basis: isAllOwn ? 'AUTHENTICATED' : 'CLAIMED' } as const;
}
