import { hex } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import { type AccessRecordDeps, namedFields, present } from './accessRecord.js';
import type { FoldedReads, StandIn } from './folds.js';

/** Stands where endpoints differ. */
const ANY_ENDPOINT = 'any';

/** Prepares the READ_FOLDED leaf of requests that were counted: how many, from when to when, and which record stands for them. */
export async function foldedLeaf(
  deps: Pick<AccessRecordDeps, 'openOriginOf' | 'enteredTokenOf'>,
  fold: FoldedReads,
  standIn: StandIn,
): Promise<LeafDraft> {
  const { tenantId, by, isMixed, count, firstAt, lastAt } = fold;
  const { requestId, credential, decision, runId, place } = standIn;
  const endpoint = isMixed ? ANY_ENDPOINT : standIn.endpoint;
  const [permission, status] = isMixed ? [null, null] : [standIn.permission, standIn.status];
  return ownLeaf({
    topic: 'access',
    origin: deps.openOriginOf(tenantId, 'access'),
    kind: 'READ_FOLDED',
    identity: [requestId],
    occurredAt: lastAt,
    runId,
    fields: {
      request_id: requestId,
      record: hex(place.leafHash),
      record_index: place.index,
      fold: by,
      count,
      first_at: firstAt,
      last_at: lastAt,
      endpoint,
      decision,
      ...present({
        source: by === 'overflow' ? null : await deps.enteredTokenOf(tenantId, standIn.source),
        ...namedFields(credential),
        permission,
        rule: isMixed ? null : standIn.rule,
        status,
        reason_code: isMixed ? null : standIn.reason,
        run_id: runId,
      }),
    },
    projection: {
      table: 'access_records',
      kind: 'READ_FOLDED',
      requestId,
      endpoint,
      credentialId: credential?.id ?? null,
      decision,
      permission,
      runId,
      recordId: null,
      status,
      view: null,
      correlationId: null,
      exportId: null,
    },
  });
}
