import type { OcsfEvent } from '@sworn/contract';
import type { Checked } from './check.js';
import { ocsfEventOf, SEVERITIES } from './ocsfFrame.js';
import { compromisedItem } from './runItem.js';

/** An entry that failed its check. */
export type CompromisedEntry = Extract<Checked<unknown>, { kind: 'compromised' }>;

/** The type of an event that stands for a record which failed its check. */
const COMPROMISED = 'RECORD_COMPROMISED';

/**
 * Stands in the place of a record that failed its check: a finding, which a receiver of OCSF knows to raise. It has the id of the record. Nothing
 * of the record is to be believed, its times neither: the finding is made by this read, so its time is now.
 */
export function compromisedEvent(tenantId: string, entry: CompromisedEntry): OcsfEvent {
  const item = compromisedItem(entry);
  const { check, code, log, leaf_index: index, detail } = item.finding;
  return ocsfEventOf({
    class: 'detection_finding',
    activity: 1,
    type: COMPROMISED,
    severity: SEVERITIES.critical,
    time: new Date().toISOString(),
    message: `${COMPROMISED} ${code} ${log} ${index}`,
    metadata: { uid: item.id, tenant_uid: tenantId, log_name: log, sequence: index },
    attributes: {
      finding_info: {
        uid: item.id,
        title: code,
        desc: detail,
        types: [check],
        analytic: { uid: check, type_id: 1, type: 'Rule' },
      },
      status_id: 1,
      status: 'New',
      is_alert: true,
      resources: [{ uid: item.id, type: 'RECORD' }],
    },
    sworn: item,
  });
}
