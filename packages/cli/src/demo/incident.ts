import { CommandFailed, EXIT } from '../exitCode.js';
import type { Destination } from './send.js';

/** What somebody filed about a run when it was over: one log record, as a ticket system sends it. @throws CommandFailed with what the server said. */
export async function linkIncident(
  runId: string,
  incidentId: string,
  { otlpHttp, ingestKey, signal }: Destination,
): Promise<void> {
  const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
  const record = {
    timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    eventName: 'sworn.audit.incident.linked',
    body: { stringValue: 'the customer says that the refund was paid twice' },
    attributes: [attribute('sworn.audit.run.id', runId), attribute('sworn.audit.incident.id', incidentId)],
  };
  const request = {
    resourceLogs: [
      {
        resource: { attributes: [attribute('service.name', 'service-desk')] },
        scopeLogs: [{ scope: { name: 'service-desk' }, logRecords: [record] }],
      },
    ],
  };
  const answer = await fetch(`${otlpHttp}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${ingestKey}` },
    body: JSON.stringify(request),
    signal,
  });
  if (answer.ok) return;
  const said = (await answer.text()).slice(0, 500);
  throw new CommandFailed(EXIT.unable, `${otlpHttp} refused the link of an incident: ${answer.status} ${said}`);
}
