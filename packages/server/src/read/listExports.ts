import type { ExportItem, ExportList, ExportQuery, InEitherFormat } from '@sworn/contract';
import { type Members, RUN_BONDS } from '@sworn/evidence';
import { accessSelection } from '../store/auditSelections.js';
import { inTenant } from '../store/database.js';
import { findExportRecords } from '../store/exportRecords.js';
import { readExportedLeaves } from '../store/exporting.js';
import { requestOf, type ShowEntry } from './auditItem.js';
import { checkBytes } from './check.js';
import { entryFormat } from './entryFormat.js';
import { aggregateOfEntries, entryMetadata, entrySpine } from './entryMetadata.js';
import { readListAsked } from './listAsked.js';
import { listEntries } from './listEntries.js';
import type { Pin, ReadDeps, Reading } from './reading.js';

/** Records of one export that its item is folded from; of one that was handed out more often the first. */
const MAX_RECORDS = 1_000;

/** Endpoint 18: every export that was asked for, newest first, with what became of it up to the pin of the page. */
export async function listExports(
  deps: ReadDeps,
  tenantId: string,
  query: ExportQuery,
): Promise<Reading<InEitherFormat<ExportList>>> {
  const selection = accessSelection({
    kinds: ['EXPORT_PENDING'],
    runId: query.run_id ?? null,
    recordId: null,
    about: null,
    credentialIds: null,
    actorType: null,
    decision: null,
    permission: null,
    endpoint: null,
    correlationId: null,
    view: null,
  });
  const reading = await listEntries(deps, tenantId, {
    id: 'audit.exports',
    topics: ['access'],
    asked: readListAsked(query, query.run_id === undefined ? {} : { run_id: query.run_id }),
    selectionOf: () => selection,
    ...entryFormat(deps, query.format, exportItem),
    spineOf: entrySpine,
    aggregateOf: aggregateOfEntries,
  });
  if (query.format === 'ocsf') return reading;
  const items = reading.answer.items as ExportList['items'];
  const became = await foldRecords(deps, tenantId, items, reading.pins);
  const folded = items.map((item) => ('export_id' in item ? { ...item, ...became.get(item.export_id) } : item));
  return { ...reading, answer: { ...reading.answer, items: folded } };
}

/** An export as it was asked for; what became of it is folded in by its id. */
const exportItem: ShowEntry<ExportItem> = (tenantId, entry, covered) => {
  const { members: m } = entry;
  return {
    ...requestOf(entry),
    export_id: m.text('export_id') ?? '',
    scope: scopeOf(m),
    bundle_format: m.text('format') ?? '',
    disclosure: m.text('disclosure') ?? '',
    pins: m.objects('pins').map((pin) => ({ log: pin.text('log') ?? '', size: pin.count('size') ?? 0 })),
    export_status: 'PENDING',
    approval: null,
    requests: 1,
    completed_at: null,
    content_checksum: null,
    delivered: false,
    downloads: 0,
    last_downloaded_at: null,
    metadata: entryMetadata(tenantId, entry, covered),
  };
};

/** A run is named by its id, as in all records that are about one. */
function scopeOf(m: Members): ExportItem['scope'] {
  const scope = m.object('scope');
  const by = RUN_BONDS.find((one) => one === scope.text('by'));
  if (by === undefined) return { kind: 'RUN', run_id: m.text('run_id') ?? '' };
  return { kind: 'RUNS', by, value: scope.text('value') ?? '' };
}

type Became = Pick<
  ExportItem,
  'export_status' | 'requests' | 'completed_at' | 'content_checksum' | 'delivered' | 'downloads' | 'last_downloaded_at'
>;

/** What became of each export of the page, by the records below the page's pin that pass their check. */
async function foldRecords(
  deps: ReadDeps,
  tenantId: string,
  items: ExportList['items'],
  pins: readonly Pin[],
): Promise<ReadonlyMap<string, Became>> {
  const exportIds = items.flatMap((item) => ('export_id' in item ? [item.export_id] : []));
  const became = new Map<string, Became>();
  if (exportIds.length === 0) return became;
  const records = await inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const places = await findExportRecords(tx, tenantId, { exportIds, each: MAX_RECORDS });
      const found: Members[] = [];
      for (const { log, size } of pins) {
        const indexes = places.flatMap((one) => (one.log === log && one.index < size ? [one.index] : []));
        for (const leaf of await readExportedLeaves(tx, tenantId, log, indexes)) {
          const checked = checkBytes(leaf, deps.originOf(tenantId, log));
          if (checked.kind === 'sound') found.push(checked.members);
        }
      }
      return found;
    },
    { readOnly: true, snapshot: true },
  );
  for (const m of records) {
    const id = m.text('export_id') ?? '';
    became.set(id, next(became.get(id) ?? ASKED, m));
  }
  return became;
}

const ASKED: Became = {
  export_status: 'PENDING',
  requests: 1,
  completed_at: null,
  content_checksum: null,
  delivered: false,
  downloads: 0,
  last_downloaded_at: null,
};

/** What an export is after one more record. A failure after it was built once takes nothing away. */
function next(before: Became, m: Members): Became {
  const at = m.text('recorded_at');
  switch (m.text('kind')) {
    case 'EXPORT_COMPLETED': {
      const again = before.completed_at === null ? 0 : 1;
      const checksum = `sha256:${m.text('manifest') ?? ''}`;
      const requests = before.requests + again;
      return { ...before, export_status: 'COMPLETED', requests, completed_at: at, content_checksum: checksum };
    }
    case 'EXPORT_FAILED':
      return before.completed_at === null ? { ...before, export_status: 'FAILED' } : before;
    case 'EXPORT_DELIVERED':
      return { ...before, delivered: true, downloads: before.downloads + 1, last_downloaded_at: at };
    default:
      return before;
  }
}
