import { createChecking } from '../src/check/checking.js';
import { checkDeployment, type CheckReport } from '../src/check/engine.js';
import { createCheckpointVerifier } from '../src/read/checkpoints.js';
import type { KeyStore } from '../src/record/keyStore.js';
import { rememberedBySinks } from '../src/sign/fileSink.js';
import type { Database } from '../src/store/database.js';
import { soleKey } from './soleKey.js';

/** Whose records are judged; nobody signs there. */
interface Judged {
  readonly db: Database;
  readonly keyStore: KeyStore;
  readonly originOf: (tenantId: string, log: string) => string;
}

/** What all checks say of one tenant, one sentence each; none: sound, and proven to its end. */
export async function findingsOf(judged: Judged, tenantId: string): Promise<readonly string[]> {
  const { keyStore, originOf } = judged;
  const checking = createChecking({
    ...judged,
    recorderKey: keyStore.deployment.recorder,
    directoryKey: keyStore.deployment.directory,
    verifyCheckpoint: createCheckpointVerifier({ signingKeysOf: soleKey(keyStore.noteSigner), originOf }),
    sinks: rememberedBySinks([]),
    recoveredOf: () => Promise.resolve({ closed: new Set(), opened: new Set() }),
    memory: null,
  });
  const tenants = { platformTenant: tenantId, tenants: [tenantId] };
  return sentencesOf(await checkDeployment(checking, tenants, { tenantId, log: null }));
}

/** What a report says, one sentence each; none: sound, and proven to its end. */
export function sentencesOf({ findings, logs }: CheckReport): readonly string[] {
  const unproven = logs.filter(({ size, verified }) => verified < size);
  return [
    ...findings.map((f) => `${f.code} ${f.log} ${f.index}: expected ${f.expected}, found ${f.found}`),
    ...unproven.map(({ log }) => `${log} is not proven to its end`),
  ];
}
