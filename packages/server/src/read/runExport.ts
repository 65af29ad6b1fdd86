import type { ExportList, RunExport, RunExportQuery } from '@sworn/contract';
import { BUNDLE_FORMAT, hex } from '@sworn/evidence';
import { type Grant, maySee } from '../access/ruling.js';
import { accessSelection } from '../store/auditSelections.js';
import { inTenant } from '../store/database.js';
import { accessItem } from './auditItem.js';
import { ownFormat } from './entryFormat.js';
import { aggregateOfEntries, entrySpine } from './entryMetadata.js';
import { readListAsked } from './listAsked.js';
import { listEntries } from './listEntries.js';
import { listExports } from './listExports.js';
import { runMetadata } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { retentionOf } from './retention.js';
import { pinRun } from './settled.js';
import { coveredBy } from './tier.js';

/** Accesses, and exports, shown with a description. */
const MAX_ASKED = 100;

/** What is known of the bundle that is asked for. */
export interface AskedBundle
  extends Pick<RunExport, 'status' | 'reason' | 'retry_after' | 'content_checksum' | 'formats'> {
  readonly exportId: string | null;
  /** Of its logs those that whoever asks may see. */
  readonly pins: readonly Pin[];
}

/** Asks for the bundle of a run that is sealed and covered; `newest`: hash of its newest RUN leaf, hex. Null: a log of it is not covered yet. @throws Refusal */
export type AskBundle = (run: { readonly runId: string; readonly newest: string }) => Promise<AskedBundle | null>;

/** Endpoint 6: what the bundle of the run is, and who has asked for it. @throws Refusal */
export async function runExport(
  deps: ReadDeps,
  grant: Pick<Grant, 'tenantId' | 'permissions' | 'logs'>,
  runId: string,
  { query, askBundle }: { readonly query: RunExportQuery; readonly askBundle: AskBundle },
): Promise<Reading<RunExport>> {
  const { tenantId } = grant;
  const run = await inTenant(deps.db, 'reader', tenantId, (tx) => pinRun(deps, tx, { tenantId, runId, pins: null }), {
    readOnly: true,
    snapshot: true,
  });
  const { stored, members } = run.newest;
  const covered = coveredBy(deps, tenantId, run.sizes)(stored, run.cover?.signedAt ?? null);
  const mayAudit = maySee(grant, 'access');
  const isSettled = run.seal !== null && run.cover !== null;
  const bundle = isSettled ? await askBundle({ runId: run.runId, newest: hex(stored.leafHash) }) : null;
  const accesses = await accessesOf(deps, tenantId, run.runId, mayAudit);
  const built = await listExports(deps, tenantId, { run_id: run.runId, ...page(mayAudit) });
  return {
    answer: {
      run_id: run.runId,
      superseded_run_id: runId === run.runId ? null : runId,
      state: run.seal === null ? 'NOT_SEALED' : bundle === null ? 'NOT_COVERED' : 'DESCRIBED',
      identity: {
        scope: { kind: 'RUN', run_id: run.runId },
        pins: (bundle?.pins ?? []).map(({ log, size }) => ({ log, size })),
        disclosure: query.disclose ?? 'none',
        format_version: BUNDLE_FORMAT,
        export_id: bundle?.exportId ?? null,
      },
      status: bundle?.status ?? null,
      reason: bundle?.reason ?? null,
      retry_after: bundle?.retry_after ?? null,
      content_checksum: bundle?.content_checksum ?? null,
      formats: bundle?.formats ?? [],
      exports: shownOrCounted(built.answer as ExportList, mayAudit),
      asked: shownOrCounted(accesses.answer, mayAudit),
      retention: retentionOf(stored.recordedAt, members.flag('is_synthetic') ?? false),
      compliance_tags: [],
      metadata: runMetadata(tenantId, stored, members, covered),
    },
    pins: [{ log: run.log, size: run.cover?.size ?? run.bound }, ...accesses.pins],
    count: 1,
    // A path that needs no credential is as good as one.
    holdsContent: bundle?.formats.some((format) => format.expires_at !== null) ?? false,
    ...(bundle?.retry_after != null && { retryAfter: bundle.retry_after }),
    sizes: run.sizes,
  };
}

/** Access records of this description of the run; how many they are is all that a key may know which may not audit. */
function accessesOf(deps: ReadDeps, tenantId: string, runId: string, mayAudit: boolean) {
  const selection = accessSelection({
    kinds: null,
    runId,
    recordId: null,
    about: null,
    credentialIds: null,
    actorType: null,
    decision: null,
    permission: null,
    endpoint: 'llm_runs.export',
    correlationId: null,
    view: null,
  });
  return listEntries(deps, tenantId, {
    id: 'llm_runs.export',
    topics: ['access'],
    asked: readListAsked(page(mayAudit), {}),
    selectionOf: () => selection,
    ...ownFormat(accessItem),
    spineOf: entrySpine,
    aggregateOf: aggregateOfEntries,
  });
}

/** What is asked of a list: its items, or how many they are, which is all that a key may know which may not audit. */
function page(mayAudit: boolean) {
  return mayAudit ? { limit: MAX_ASKED } : { limit: 1, include_total: true };
}

function shownOrCounted<I>(
  list: { readonly items: I[]; readonly has_more: boolean; readonly total?: number },
  mayAudit: boolean,
): { items: I[]; has_more: boolean; withheld: number } {
  return mayAudit
    ? { items: list.items, has_more: list.has_more, withheld: 0 }
    : { items: [], has_more: false, withheld: list.total ?? 0 };
}
