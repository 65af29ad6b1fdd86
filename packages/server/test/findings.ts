import { createChecking } from '../src/check/checking.js';
import { checkDeployment } from '../src/check/engine.js';
import { createCheckpointVerifier } from '../src/read/checkpoints.js';
import type { KeyStore } from '../src/record/keyStore.js';
import type { SignerMemory } from '../src/sign/journal.js';
import { rememberedBySinks } from '../src/sign/fileSink.js';
import type { Database } from '../src/store/database.js';
import { soleKey } from './soleKey.js';

/** Whose records are judged, and what is known outside of them. */
export interface Judged {
  readonly db: Database;
  readonly keyStore: KeyStore;
  readonly originOf: (tenantId: string, log: string) => string;
  /** Null: nobody signs here. */
  readonly memory: SignerMemory | null;
}

/** What all checks say of one tenant, one sentence each; none: sound. `size` is that of `llm-runs`, all of it proven. */
export async function findingsOf(judged: Judged, tenantId: string): Promise<{ findings: string[]; size: number }> {
  const { keyStore, originOf } = judged;
  const checking = createChecking({
    ...judged,
    recorderKey: keyStore.deployment.recorder,
    directoryKey: keyStore.deployment.directory,
    verifyCheckpoint: createCheckpointVerifier({ signingKeysOf: soleKey(keyStore.noteSigner), originOf }),
    sinks: rememberedBySinks([]),
    recoveredOf: () => Promise.resolve({ closed: new Set(), opened: new Set() }),
  });
  const { findings, logs } = await checkDeployment(
    checking,
    { platformTenant: tenantId, tenants: [tenantId] },
    { tenantId, log: null },
  );
  const unproven = logs
    .filter(({ size, verified }) => verified < size)
    .map(({ log }) => `${log} is not proven to its end`);
  const sentences = findings.map((f) => `${f.code} ${f.log} ${f.index}: expected ${f.expected}, found ${f.found}`);
  return { findings: [...sentences, ...unproven], size: logs.find(({ log }) => log === 'llm-runs')?.size ?? 0 };
}
