import { randomUUID } from 'node:crypto';
import { hex, parseRecordId, type Topic } from '@sworn/evidence';
import type { Permission } from './access/credential.js';
import { timestamp } from './access/keys.js';
import { createAccessRecorder } from './access/recorder.js';
import { Refusal } from './access/refusal.js';
import type { Deployment } from './deployment.js';
import { leafBytes } from './read/leafBytes.js';

/** The exact bytes of a leaf by its record id, its access record written first; null when there is none. `actor` is who runs the command. */
export async function readLeaf(
  deployment: Deployment,
  tenantId: string,
  recordId: string,
  actor: string,
): Promise<Uint8Array | null> {
  const { record } = createAccessRecorder({
    ...deployment.accessRecords,
    append: (tenant, drafts) => deployment.recorder.append(tenant, drafts),
    now: Date.now,
    tell: () => undefined,
  });
  const found = await leafBytes({ db: deployment.db }, tenantId, recordId).catch((error: unknown) => {
    if (error instanceof Refusal && error.code === 'not_found') return null;
    throw error;
  });
  await record({
    kind: 'READ',
    tenantId,
    requestId: randomUUID(),
    endpoint: 'cli:leaf',
    method: 'CLI',
    credential: null,
    permission: permissionFor(parseRecordId(recordId)?.topic ?? null),
    rule: null,
    source: actor,
    correlationId: null,
    userAgent: null,
    view: null,
    query: null,
    runId: null,
    at: timestamp(Date.now()),
    fold: null,
    ...(found === null
      ? {
          decision: 'DENY',
          reason: 'not_found',
          status: 404,
          // An id that names nothing here may be anything, a person's name too: it stands as a token.
          filters: { record_id: recordId },
          pins: [],
          count: null,
          answer: null,
        }
      : {
          decision: 'ALLOW',
          reason: null,
          status: 200,
          recordId,
          filters: {},
          pins: found.pins,
          count: 1,
          answer: `sha256:${hex(found.answer.leafHash)}`,
        }),
  });
  return found?.answer.leaf ?? null;
}

/** What a key would need to read a log (CONTRACT.md §8). An id that names none is refused as one of the run log. */
function permissionFor(topic: Topic | null): Permission {
  return topic === null || topic === 'llm-runs' || topic === 'system' ? 'logs.read' : 'logs.audit';
}
