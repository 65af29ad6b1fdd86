import {
  BUNDLE_FORMAT,
  type BundleScope,
  decodeLeaf,
  type Disclosure,
  type JsonValue,
  type Sample,
} from '@sworn/evidence';
import { checkBytes } from '../read/check.js';
import type { ReadDeps } from '../read/reading.js';
import { compromisedRecord } from '../read/settled.js';
import { inTenant } from '../store/database.js';
import { findExportRecords } from '../store/exportRecords.js';
import { readExportedLeaves } from '../store/exporting.js';
import {
  type Exporting,
  type ExportingDeps,
  type ExportRequest,
  exportRun,
  recordRefused,
  type RunExported,
} from './exportRun.js';
import { exportIdOf, type Identity } from './identity.js';
import { askedAgain } from './kinds.js';
import { ExportRefused } from './refused.js';

/** The bundle of an earlier export again, or another of the same scope at the same sizes of the logs. */
export interface AsOfAsked {
  readonly tenantId: string;
  /** Id of the earlier export. */
  readonly asOf: string;
  /** Null: as that export has it. */
  readonly disclosure: Disclosure | null;
  /** Null: as that export has it. */
  readonly sample: Sample | null;
}

/**
 * Builds a bundle as of an earlier export: of its scope, at its pins. With nothing else asked for it has the same core, byte for byte, whatever was recorded
 * since.
 * @throws Refusal, ExportRefused; recorded as for any export
 */
export async function exportAsOf(
  deps: ExportingDeps,
  asked: AsOfAsked,
  request: ExportRequest,
  build: Exporting = {},
): Promise<RunExported> {
  const { tenantId, asOf } = asked;
  const before = await fitIdentity(deps.read, asked).catch(async (error: unknown) => {
    await recordRefused(deps, { tenantId, filters: { as_of: asOf } }, { request, error });
    throw error;
  });
  const disclosure = asked.disclosure ?? before.disclosure;
  const { scope } = before;
  const pins = new Map(before.pins.map(({ log, size }) => [log, size]));
  const expected = { ...before, scope, disclosure };
  const again = askedAgain(scope);
  if (again === null) throw new Error('an export of several runs is refused before');
  return exportRun(deps, { tenantId, scope: again, disclosure, pins }, request, { ...build, expected }).catch(
    (error: unknown) => {
      if (!(error instanceof ExportRefused && error.code === 'superseded')) throw error;
      throw new ExportRefused('superseded', `what export ${asOf} was made of is not there any more as it was`);
    },
  );
}

/** What is to be built: what that export is of, with the sample that is asked for. @throws Refusal `evidence_compromised`; ExportRefused */
async function fitIdentity(deps: ReadDeps, { tenantId, asOf, sample }: AsOfAsked): Promise<Identity> {
  const before = await identityOf(deps, tenantId, asOf);
  if (sample === null) return before;
  if (before.scope.kind === 'LOGS') return { ...before, scope: { ...before.scope, sample } };
  throw new ExportRefused('unfit_export', `a sample is drawn of logs alone: export ${asOf} is of something else`);
}

/** What made an export the one that it is, as the record of it says. @throws Refusal `evidence_compromised`; ExportRefused */
async function identityOf(deps: ReadDeps, tenantId: string, exportId: string): Promise<Identity> {
  const record = await inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const [place] = await findExportRecords(tx, tenantId, { exportIds: [exportId], each: 1 });
      if (place === undefined) return undefined;
      const [leaf] = await readExportedLeaves(tx, tenantId, place.log, [place.index]);
      return leaf;
    },
    { readOnly: true, snapshot: true },
  );
  if (record === undefined)
    throw new ExportRefused('unknown_export', `there is no record of an export ${exportId}: /audit/exports lists them`);
  const checked = checkBytes(record, deps.originOf(tenantId, record.log));
  if (checked.kind === 'compromised') throw compromisedRecord(checked.finding, record.leaf);
  const m = checked.members;
  if (m.text('format') !== BUNDLE_FORMAT)
    throw new ExportRefused(
      'other_format',
      `export ${exportId} has the format ${m.text('format')}, and this version writes ${BUNDLE_FORMAT} alone`,
    );
  const identity: Identity = {
    scope: scopeOf(tenantId, m.text('run_id'), decodeLeaf(record.leaf).fields.scope),
    disclosure: m.text('disclosure') as Disclosure,
    pins: m.objects('pins').map((pin) => ({ log: pin.text('log') ?? '', size: pin.count('size') ?? 0 })),
  };
  if (identity.scope.kind === 'RUNS')
    throw new ExportRefused(
      'unfit_export',
      `export ${exportId} is of several runs, and the record of it does not say which: export them one by one`,
    );
  if (exportIdOf(identity) !== exportId)
    throw new Error('a record of an export is of another identity than its id says');
  return identity;
}

/** Read back as it was recorded: that it is the very one is said by the id that it makes. */
function scopeOf(tenantId: string, runId: string | null, scope: JsonValue | undefined): BundleScope {
  if (runId !== null) return { kind: 'RUN', tenant_id: tenantId, run_id: runId };
  return { ...(scope as object), tenant_id: tenantId } as BundleScope;
}
