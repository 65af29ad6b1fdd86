import { randomUUID } from 'node:crypto';
import type { Deployment } from '@sworn/server';
import {
  BUILT_IN_GOVERNANCE,
  BUILT_IN_MAPPING,
  BUILT_IN_VOCABULARY,
  createDirectory,
  createPreparer,
  createPricer,
  createRedactor,
  type KeyCredential,
  decodeTraces,
  type LeafDraft,
  readGovernance,
  readMapping,
  readRedactionRules,
  readVocabulary,
} from '@sworn/server/measured';

const A_DAY_MS = 86_400_000;

/** Makes drafts of leaves out of requests, as the server does with what it was sent: decoded, mapped, redacted, sealed, committed to. */
export type Prepare = (tenantId: string, requests: readonly Buffer[]) => Promise<readonly LeafDraft[]>;

/** With the built-in rules and mapping. */
export function openPrepare(deployment: Deployment): Prepare {
  const { db, keyStore } = deployment;
  const dataKeys = deployment.dataKeysFor('writer');
  const mapping = readMapping(BUILT_IN_MAPPING);
  const preparer = createPreparer({
    keyStore,
    dataKeys,
    directory: createDirectory({ db, dataKeys, role: 'writer' }),
    redactor: createRedactor(readRedactionRules(null)),
    mapper: { mapping, pricer: createPricer(mapping) },
    vocabulary: readVocabulary(BUILT_IN_VOCABULARY),
    governance: readGovernance(BUILT_IN_GOVERNANCE),
    openOriginOf: deployment.openLogs.originOf,
    now: Date.now,
  });
  return async (tenantId, requests) => {
    const credential: KeyCredential = {
      kind: 'key',
      tenantId,
      keyId: randomUUID(),
      role: 'ingest',
      permissions: new Set(['logs.ingest']),
      scopes: [],
      services: [],
      tenantSynthetic: false,
      bounds: { topics: null, occurredFrom: null, occurredBefore: null, payloads: null },
      expiresAt: new Date(Date.now() + A_DAY_MS),
    };
    const drafts: LeafDraft[] = [];
    for (const request of requests)
      drafts.push(...(await preparer.prepareTraces(credential, decodeTraces(request).spans)));
    return drafts;
  };
}
