import { type AuditItem, IDENTITY_EVENTS, type OcsfEvent, type RecordMetadata } from '@sworn/contract';
import { accessItem, auditItem, authorizationItem, type ShowEntry } from './auditItem.js';
import type { SoundEntry } from './checkEntry.js';
import { identityItem } from './identityItem.js';
import { classAttributes } from './ocsfAttributes.js';
import { millisOf, ocsfEventOf, type OcsfSeverity, SEVERITIES } from './ocsfFrame.js';
import { FALLBACK_ROW, GOVERNANCE_ROW, OCSF_ROWS, type OcsfRow } from './ocsfRows.js';
import type { ReadDeps } from './reading.js';

/**
 * An entry as an event of OCSF, the same on every list that shows it, so that a receiver tells copies by `metadata.uid`. `unmapped.sworn` is the
 * entry as the lists show it, each list's own members under its name.
 */
export function ocsfEvent({ originOf }: Pick<ReadDeps, 'originOf'>): ShowEntry<OcsfEvent> {
  return (tenantId, entry, covered) => {
    const item = auditItem(tenantId, entry, covered);
    const row = rowOf(item);
    const fitting = classAttributes(row, item, entry);
    // It lacks what its class demands: nothing is made up for it.
    const attributes = fitting ?? {};
    const { class: name, activity } = fitting === null ? FALLBACK_ROW : row;
    return ocsfEventOf({
      class: name,
      activity: name === 'api_activity' ? activityOf(entry, activity) : activity,
      type: item.event_type,
      severity: severityOf(item),
      time: item.metadata.occurred_at,
      message: messageOf(item),
      metadata: {
        ...recordMetadata(item),
        // The profile that has the decision of a rule.
        ...(row === GOVERNANCE_ROW && { profiles: ['security_control'] }),
      },
      attributes,
      sworn: {
        ...item,
        log_origin: originOf(tenantId, item.metadata.integrity.log),
        ...(item.log === 'access' && {
          authorization: beside(item, authorizationItem(tenantId, entry, covered)),
          access: beside(item, accessItem(tenantId, entry, covered)),
        }),
        ...(isOfIdentity(item) && { identity: beside(item, identityItem(tenantId, entry, covered)) }),
      },
    });
  };
}

function rowOf({ event_type: type, category, log }: AuditItem): OcsfRow {
  if (log === 'audit' && category !== null) return GOVERNANCE_ROW;
  const rows: Readonly<Record<string, OcsfRow>> = OCSF_ROWS;
  return (Object.hasOwn(rows, type) ? rows[type] : undefined) ?? FALLBACK_ROW;
}

const OF_IDENTITY: ReadonlySet<string> = new Set(IDENTITY_EVENTS);

function isOfIdentity({ event_type: type, log }: AuditItem): boolean {
  return log !== 'access' && OF_IDENTITY.has(type);
}

const ACTIVITY_OF_METHOD: Readonly<Record<string, number>> = { POST: 1, PUT: 3, PATCH: 3, DELETE: 4 };

/** What a request would have done. Here it is refused, and that is its status. */
function activityOf({ members: m }: SoundEntry, otherwise: number): number {
  return ACTIVITY_OF_METHOD[m.text('method') ?? ''] ?? otherwise;
}

/** Of Sworn's own records what was found wrong is critical, and an advisory medium; a producer's is as severe as he says. */
function severityOf({ event_type: type, log, severity }: AuditItem): OcsfSeverity {
  if (log !== 'audit') return type === 'FINDING' ? SEVERITIES.critical : SEVERITIES.informational;
  switch (severity) {
    case 'INFO':
      return SEVERITIES.informational;
    case 'WARN':
      return SEVERITIES.medium;
    case 'CRITICAL':
      return SEVERITIES.critical;
    default:
      return SEVERITIES.unknown;
  }
}

/** A line for people; what is in it stands elsewhere too. */
function messageOf(item: AuditItem): string {
  const { event_type: type, action, endpoint, entity_type: about, decision, service } = item;
  return [type, action ?? endpoint ?? about, decision, service === null ? null : `by ${service}`]
    .filter((word) => word !== null)
    .join(' ');
}

function recordMetadata({ id, metadata, correlation_id: correlation }: AuditItem) {
  const { tenant_id: tenant, occurred_at: occurred, recorded_at: recorded, integrity }: RecordMetadata = metadata;
  return {
    uid: id,
    tenant_uid: tenant,
    log_name: integrity.log,
    log_source: metadata.source_component,
    sequence: integrity.leaf_index,
    logged_time: millisOf(recorded),
    original_time: occurred,
    ...(correlation !== null && { correlation_uid: correlation }),
  };
}

/** What a list shows of an entry that the entry does not show, or shows otherwise under the same name. */
function beside(item: AuditItem, shown: object): object {
  const members: Readonly<Record<string, unknown>> = item;
  return Object.fromEntries(
    Object.entries(shown).filter(([name, value]) => JSON.stringify(members[name]) !== JSON.stringify(value)),
  );
}
