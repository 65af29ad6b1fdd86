import type { Deployment } from './deployment.js';
import { createDirectory } from './record/directory.js';
import { createCheckpointVerifier } from './read/checkpoints.js';
import { createHeldOrders } from './read/heldOrders.js';
import { createOpenFindings } from './read/openFindings.js';
import type { ReadDeps } from './read/reading.js';

/** The rules by which records are read for people. */
export type ReadRules = Pick<ReadDeps, 'mapping' | 'telemetryRules' | 'vocabulary' | 'governance' | 'attribution'>;

/** What every question about a deployment is asked with. */
export function createReadDeps(deployment: Deployment, rules: ReadRules): ReadDeps {
  const { db, keyStore, originOf, platformTenant, accessRecords, signingKeysOf } = deployment;
  const dataKeys = deployment.dataKeysFor('reader');
  const { directory: directoryKey, cursor: cursorKey } = keyStore.deployment;
  return {
    ...rules,
    db,
    originOf,
    verifyCheckpoint: createCheckpointVerifier({ signingKeysOf, originOf }),
    directoryKey,
    openFindings: createOpenFindings({ originOf, directoryKey }),
    cursorKey,
    tokenOf: accessRecords.tokenOf,
    contentKeyOf: async (tenantId) => (await keyStore.tenant(tenantId)).contentHash,
    dataKeys,
    directory: createDirectory({ db, dataKeys, role: 'reader' }),
    heldOrders: createHeldOrders(),
    platformTenant,
  };
}
