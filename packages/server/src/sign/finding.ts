import { timestamp } from '../access/keys.js';
import type { LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import type { SignerFinding } from './signer.js';

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
