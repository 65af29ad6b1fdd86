import type { Integrity, OcsfEvent, OcsfIntegrity } from '@sworn/contract';
import { ocsfEventOf, SEVERITIES } from './ocsfFrame.js';

type LogState = Integrity['logs'][number];
type Open = Integrity['findings'][number];
type Anomaly = Integrity['anomalies'][number];

/** What a check is the word of: each event has a name of its own, which stays the same from look to look. */
interface Of {
  readonly tenantId: string;
  /** RFC 3339; where a log was not looked at yet, of its newest record. */
  readonly newest: string;
}

/** Endpoint 17 as events of OCSF: what became of the checks of each log, each open finding, each anomaly. */
export function ocsfIntegrity({ logs, findings, anomalies, proof, metadata, ...counted }: Integrity): OcsfIntegrity {
  const of: Of = { tenantId: metadata.tenant_id, newest: metadata.recorded_at };
  return {
    items: [
      ...logs.map((log) => scanOf(of, log)),
      ...findings.map((finding) => findingOf(of, finding)),
      ...anomalies.map((anomaly) => anomalyOf(of, anomaly)),
    ],
    ...counted,
    proof,
    metadata,
  };
}

const STATUS = {
  verified: { status_id: 1, status: 'Success' },
  compromised: { status_id: 2, status: 'Failure' },
  not_verified: { status_id: 0, status: 'Unknown' },
} as const satisfies Readonly<Record<LogState['verdict'], object>>;

function scanOf({ tenantId, newest }: Of, log: LogState): OcsfEvent {
  return ocsfEventOf({
    class: 'scan_activity',
    activity: 2,
    type: 'INTEGRITY_LOG',
    severity: log.verdict === 'compromised' ? SEVERITIES.critical : SEVERITIES.informational,
    time: log.checked_at ?? newest,
    message: `INTEGRITY_LOG ${log.log} ${log.verdict}`,
    metadata: { uid: log.origin, tenant_uid: tenantId, log_name: log.log },
    attributes: {
      ...STATUS[log.verdict],
      status_detail: log.verdict,
      scan: { uid: log.origin, name: 'checks of the record', type_id: 2, type: 'Scheduled' },
      num_detections: log.open_findings,
      total: log.verified_size,
    },
    sworn: log,
  });
}

function findingOf({ tenantId }: Of, finding: Open): OcsfEvent {
  const { id, check, code, log, opened_at: opened, last_seen_at: seen } = finding;
  return ocsfEventOf({
    class: 'detection_finding',
    activity: 1,
    type: 'FINDING',
    severity: check === 'V11' ? SEVERITIES.medium : SEVERITIES.critical,
    time: opened,
    message: `FINDING ${code} ${log}`,
    metadata: { uid: id, tenant_uid: tenantId, log_name: log },
    attributes: {
      finding_info: {
        uid: id,
        title: code,
        types: [check],
        analytic: { uid: check, type_id: 1, type: 'Rule' },
        first_seen_time: Date.parse(opened),
        ...(seen !== null && { last_seen_time: Date.parse(seen) }),
      },
      status_id: 1,
      status: 'New',
      is_alert: true,
      resources: [{ name: log, type: 'LOG' }],
    },
    sworn: finding,
  });
}

/** About a producer, and never an alert about the record. */
function anomalyOf({ tenantId, newest }: Of, anomaly: Anomaly): OcsfEvent {
  const { kind, log, count, detail } = anomaly;
  const uid = `${tenantId}/${log}/${kind}`;
  return ocsfEventOf({
    class: 'detection_finding',
    activity: 1,
    type: kind,
    severity: SEVERITIES.informational,
    time: newest,
    message: `${kind} ${log} ${count}`,
    metadata: { uid, tenant_uid: tenantId, log_name: log },
    attributes: {
      finding_info: { uid, title: kind, desc: detail },
      is_alert: false,
      count,
      resources: [{ name: log, type: 'LOG' }],
    },
    sworn: anomaly,
  });
}
