import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import { BUILT_IN_MAPPING, readMapping } from './mapping/files.js';
import { createPricer } from './mapping/prices.js';
import { createSequencer } from './record/sequencer.js';
import { type Remapped, type RemapRequest, remapRuns } from './seal/remap.js';

/**
 * Brings a tenant's sealed runs up to the mapping that `config` names, beside a running server or without one; the caller consumes
 * the outcomes one by one, and may stop at any.
 */
export async function* remapTenant(
  deployment: Deployment,
  config: Config,
  { tenantId, ...request }: RemapRequest & { readonly tenantId: string },
): AsyncGenerator<Remapped> {
  const { db, keyStore, originOf, clock } = deployment;
  const mapping = readMapping(config.mappingDir ?? BUILT_IN_MAPPING);
  const writer = createSequencer({
    db,
    role: 'writer',
    recorderKey: keyStore.deployment.recorder,
    originOf,
    clock,
    onCommit: () => undefined,
  });
  try {
    yield* remapRuns(
      {
        db,
        append: (id, drafts) => writer.append(id, drafts),
        originOf,
        dataKeys: deployment.dataKeysFor('reader'),
        mapper: { mapping, pricer: createPricer(mapping) },
      },
      tenantId,
      request,
    );
  } finally {
    await writer.close();
  }
}
