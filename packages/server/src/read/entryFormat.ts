import type { CompromisedItem, OcsfEvent } from '@sworn/contract';
import type { ShowEntry } from './auditItem.js';
import { type CompromisedEntry, compromisedEvent } from './ocsfCompromised.js';
import { ocsfEvent } from './ocsfEvent.js';
import type { ReadDeps } from './reading.js';
import { compromisedItem } from './runItem.js';

/** How a list writes its records: the walk and the cursor are the same in each format. */
export interface EntryFormat<I> {
  readonly itemOf: ShowEntry<I>;
  /** What stands in the place of one that failed its check. */
  readonly compromisedOf: (tenantId: string, entry: CompromisedEntry) => I | CompromisedItem;
}

/** Sworn's own format; `itemOf`: how the list shows an entry. */
export function ownFormat<I>(itemOf: ShowEntry<I>): EntryFormat<I> {
  return { itemOf, compromisedOf: (_tenantId, entry) => compromisedItem(entry) };
}

/** The format that is asked for; `itemOf`: how the list shows an entry in Sworn's own. */
export function entryFormat<I>(
  deps: ReadDeps,
  format: 'ocsf' | undefined,
  itemOf: ShowEntry<I>,
): EntryFormat<I | OcsfEvent> {
  return format === 'ocsf' ? { itemOf: ocsfEvent(deps), compromisedOf: compromisedEvent } : ownFormat(itemOf);
}
