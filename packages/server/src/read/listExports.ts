import type { ExportItem, ExportList, ExportQuery, InEitherFormat } from '@sworn/contract';
import { LOG_SCOPES, type LogScopeName, type Members, RUN_BONDS } from '@sworn/evidence';
import { accessSelection } from '../store/auditSelections.js';
import { inTenant, type Tx } from '../store/database.js';
import { findExportRecords } from '../store/exportRecords.js';
import { readExportedLeaves } from '../store/exporting.js';
import { requestOf, type ShowEntry } from './auditItem.js';
import { checkBytes } from './check.js';
import { entryFormat } from './entryFormat.js';
import { aggregateOfEntries, entryMetadata, entrySpine } from './entryMetadata.js';
import { readListAsked } from './listAsked.js';
import { ASKED, type Became, foldExport } from './exportFold.js';
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
    approval: null,
    ...ASKED,
    partial: false,
    metadata: entryMetadata(tenantId, entry, covered),
  };
};

/** A run is named by its id, as in all records that are about one. */
function scopeOf(m: Members): ExportItem['scope'] {
  const scope = m.object('scope');
  const by = RUN_BONDS.find((one) => one === scope.text('by'));
  if (by !== undefined) return { kind: 'RUNS', by, value: scope.text('value') ?? '' };
  const logs = (Object.keys(LOG_SCOPES) as LogScopeName[]).find((one) => one === scope.text('logs'));
  if (logs === undefined) return { kind: 'RUN', run_id: m.text('run_id') ?? '' };
  const sample = scope.object('sample');
  const size = sample.count('size');
  return {
    kind: 'LOGS',
    logs,
    from: scope.text('from') ?? '',
    to: scope.text('to') ?? '',
    sample: size === null ? null : { size, nonce: sample.text('nonce') },
  };
}

/** What became of each export of the page, by the records below the page's pin that pass their check. */
async function foldRecords(
  deps: ReadDeps,
  tenantId: string,
  items: ExportList['items'],
  pins: readonly Pin[],
): Promise<ReadonlyMap<string, Became & Pick<ExportItem, 'partial'>>> {
  const exportIds = items.flatMap((item) => ('export_id' in item ? [item.export_id] : []));
  if (exportIds.length === 0) return new Map();
  const { records, partial } = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readRecords(deps, tx, tenantId, { exportIds, pins }),
    { readOnly: true, snapshot: true },
  );
  return new Map(
    [...records].map(([exportId, some]) => [exportId, { ...foldExport(some), partial: partial.has(exportId) }]),
  );
}

/** Records of exports by their ids, in leaf order, and which of them have more than are read. */
async function readRecords(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { exportIds, pins }: { readonly exportIds: readonly string[]; readonly pins: readonly Pin[] },
): Promise<{ readonly records: ReadonlyMap<string, readonly Members[]>; readonly partial: ReadonlySet<string> }> {
  const sizes = new Map(pins.map(({ log, size }) => [log, size]));
  const found = await findExportRecords(tx, tenantId, { exportIds, each: MAX_RECORDS + 1 });
  const below = found.filter(({ log, index }) => index < (sizes.get(log) ?? 0));
  const partial = new Set<string>();
  const counts = new Map<string, number>();
  const places = below.filter(({ exportId }) => {
    const before = counts.get(exportId) ?? 0;
    counts.set(exportId, before + 1);
    if (before === MAX_RECORDS) partial.add(exportId);
    return before < MAX_RECORDS;
  });
  const records = new Map<string, Members[]>();
  for (const { log } of pins) {
    const indexes = places.filter((one) => one.log === log).map(({ index }) => index);
    for (const leaf of await readExportedLeaves(tx, tenantId, log, indexes)) {
      const checked = checkBytes(leaf, deps.originOf(tenantId, log));
      if (checked.kind !== 'sound') continue;
      const exportId = checked.members.text('export_id') ?? '';
      records.set(exportId, [...(records.get(exportId) ?? []), checked.members]);
    }
  }
  return { records, partial };
}
