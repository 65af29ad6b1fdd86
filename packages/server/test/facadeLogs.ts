import { attributes, BASE } from './facadeSpans.js';
import type { Capture } from './otlpCaptures.js';

/** A log record as tests write it; its time in milliseconds after `BASE`. */
export interface LineText {
  readonly at?: number;
  readonly body?: string;
  readonly event?: string;
  readonly severity?: number;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** An OTLP/JSON request of these log records. */
export function otlpLogs(
  lines: readonly LineText[],
  resource: Readonly<Record<string, string>> = { 'service.name': 'shop' },
): Pick<Capture, 'encoding' | 'body'> {
  const logRecords = lines.map(({ at = 0, body, event, severity, traceId, spanId, attributes: more = {} }) => ({
    timeUnixNano: String(BASE + BigInt(Math.round(at * 1000)) * 1000n),
    ...(severity !== undefined && { severityNumber: severity }),
    ...(body !== undefined && { body: { stringValue: body } }),
    ...(event !== undefined && { eventName: event }),
    ...(traceId !== undefined && { traceId }),
    ...(spanId !== undefined && { spanId }),
    attributes: attributes(more),
  }));
  const request = {
    resourceLogs: [
      { resource: { attributes: attributes(resource) }, scopeLogs: [{ scope: { name: 'test' }, logRecords }] },
    ],
  };
  return { encoding: 'json', body: Buffer.from(JSON.stringify(request)) };
}
