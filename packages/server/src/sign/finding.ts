import { timestamp } from '../access/keys.js';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';

/** Why the signer will not sign a log; recorded in `control` as a FINDING. */
export type SignerFindingKind =
  | 'SIGNER_MEMORY_LOST'
  | 'UNAUTHENTICATED_APPEND'
  | 'LOG_SHORTER_THAN_SIGNED'
  | 'LOG_DIFFERS_FROM_SIGNED'
  /** A later generation that no LOG_RECOVERED leaf of ours opened. */
  | 'LOG_NOT_RECOVERED'
  /** The key that is valid for the size by the tenant's `control` is not in the key directory. */
  | 'SIGNING_KEY_MISSING'
  | 'NOT_DURABLE';

/** A finding of the signer about one log. */
export interface SignerFinding {
  readonly finding: SignerFindingKind;
  readonly tenantId: string;
  readonly log: string;
  /** First leaf index that is not vouched for. */
  readonly index: number;
  readonly expected: string;
  readonly found: string;
}

/** The leaf of a finding, in the `control` log of `origin`: the tenant's, or the platform's when the tenant is gone. The same finding at the same place is one record, however often it is met. */
export function findingLeaf(origin: string, finding: SignerFinding, nowMs: number): LeafDraft {
  return ownLeaf({
    topic: 'control',
    origin,
    kind: 'FINDING',
    identity: [finding.finding, finding.tenantId, finding.log, String(finding.index), finding.found],
    occurredAt: timestamp(nowMs),
    fields: {
      finding: finding.finding,
      of_tenant: finding.tenantId,
      of_log: finding.log,
      index: finding.index,
      expected: finding.expected,
      found: finding.found,
    },
    projection: { table: 'control_records', kind: 'FINDING', subject: finding.finding },
  });
}
