import { timestamp } from './access/keys.js';
import { type Checking, createChecking } from './check/checking.js';
import { type CheckReport, type CheckRequest, checkDeployment } from './check/engine.js';
import { isOfDeployment, isOfSigner } from './check/finding.js';
import { createRegister, type OpenFinding, type Register } from './check/register.js';
import type { Config } from './config.js';
import { type Deployment, type Judged, openDeployment, openForJudging } from './deployment.js';
import { createCheckpointVerifier } from './read/checkpoints.js';
import { rememberedBySinks } from './sign/fileSink.js';
import { openJournal } from './sign/journal.js';
import { readRecovered } from './sign/recovered.js';
import { createSigningKeys } from './sign/signingKeys.js';
import { readPlatform } from './store/checking.js';
import { outsideTenants } from './store/database.js';
import { readTenants } from './store/tenant.js';

/** What the checks of a deployment work with. The signer's memory is only looked at. */
export function checkingOf(
  judged: Omit<Judged, 'close' | 'id'>,
  config: Config,
  known: { readonly tenants: () => readonly string[]; readonly platform: string },
): Checking {
  const { db, keyStore, originOf, signerDir } = judged;
  const proof = { db, directoryKey: keyStore.deployment.directory, originOf };
  return createChecking({
    db,
    keyStore,
    recorderKey: keyStore.deployment.recorder,
    directoryKey: keyStore.deployment.directory,
    originOf,
    verifyCheckpoint: createCheckpointVerifier({ signingKeysOf: createSigningKeys(proof), originOf }),
    // What remains of a tenant whose rows are gone is told in the platform's log.
    recoveredOf: (tenantId) =>
      readRecovered(proof, tenantId, known.tenants().includes(tenantId) ? tenantId : known.platform),
    memory: openJournal(signerDir),
    sinks: rememberedBySinks(config.checkpointSinks),
  });
}

/** What `fsck` is asked: a tenant by its id or, if only one has it, its name. */
export interface FsckRequest extends Omit<CheckRequest, 'tenantId'> {
  readonly tenant: string | null;
  /** Writes what was found to `control`, and clears what is found no more. */
  readonly record?: boolean;
}

/**
 * Checks the records of a deployment, all or of one tenant or log (INTEGRITY.md, "Checks"), beside its server or alone. Writes nothing unless told to.
 * @throws RangeError for a tenant or log that nothing knows of; StoreFailure when the database cannot be asked
 */
export async function fsck(config: Config, request: FsckRequest): Promise<CheckReport> {
  const begun = timestamp(Date.now());
  const report = await judge(config, request);
  if (request.record === true) await record(config, report, begun, request.tenant === null && request.log === null);
  return report;
}

async function judge(config: Config, request: FsckRequest): Promise<CheckReport> {
  const judged = await openForJudging(config);
  try {
    const rows = await outsideTenants(judged.db, 'checker', readTenants);
    const platform = await outsideTenants(judged.db, 'checker', readPlatform);
    const tenantId = request.tenant === null ? null : tenantOf(rows, request.tenant);
    const tenants = [...rows.map((row) => row.tenantId), ...(platform === null ? [] : [platform])];
    const platformTenant = platform ?? '00000000-0000-0000-0000-000000000000';
    return await checkDeployment(
      checkingOf(judged, config, { tenants: () => tenants, platform: platformTenant }),
      { platformTenant, tenants },
      { ...request, tenantId },
    );
  } finally {
    await judged.close();
  }
}

/** As the server would: what was found is opened, what of the same logs was open and was not found is cleared. */
async function record(config: Config, report: CheckReport, begun: string, isWhole: boolean): Promise<void> {
  const deployment = await openDeployment(config, { database: 'beside', mustExist: true });
  try {
    const register = registerOf(deployment);
    await register.met([...report.findings, ...report.advisories]);
    for (const tenantId of new Set(report.logs.map((log) => log.tenantId))) {
      const logs = new Set(report.logs.filter((log) => log.tenantId === tenantId).map(({ log }) => log));
      const wasLookedFor = (finding: OpenFinding): boolean =>
        !isOfSigner(finding) &&
        (isWhole || (finding.tenantId === tenantId && logs.has(finding.log) && !isOfDeployment(finding)));
      await register.clear(tenantId, begun, wasLookedFor);
    }
  } finally {
    await deployment.close();
  }
}

/** The findings of a deployment. */
export function registerOf({
  db,
  recorder,
  originOf,
  openLogs,
  keyStore,
  platformTenant,
  tenants,
}: Deployment): Register {
  return createRegister({
    db,
    append: (tenantId, drafts) => recorder.append(tenantId, drafts),
    originOf,
    openOriginOf: openLogs.originOf,
    directoryKey: keyStore.deployment.directory,
    platformTenant,
    isThere: async (tenantId) => (await tenants.list()).some((row) => row.tenantId === tenantId),
    now: Date.now,
  });
}

/** An id that no row knows may be that of a tenant whose rows are gone. */
function tenantOf(rows: readonly { readonly tenantId: string; readonly name: string }[], asked: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(asked)) return asked;
  const named = rows.filter(({ name }) => name === asked);
  if (named.length !== 1)
    throw new RangeError(`${named.length === 0 ? 'no tenant is' : 'several tenants are'} called ${asked}: give an id`);
  return (named[0] as { tenantId: string }).tenantId;
}
