import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attributes } from '../attributes.js';
import type { Place } from '../server.js';
import type { Filled } from './filled.js';
import { openPoster } from './post.js';
import { RESOURCES, resourceOf } from './resource.js';

/** Log records in one request. */
const LINES_A_REQUEST = 500;
const CONNECTIONS = 4;

/**
 * Sends a log record for each run, spread over the time in which the runs were sent and over the processes that ran them, unless that was done before: what
 * stands around each run, for as long as the deployment is kept. `endMs`: when the last run was sent.
 */
export async function fillLines(place: Place, filled: Filled, at: { otlpHttp: string; endMs: number }): Promise<void> {
  const done = join(place.dir, 'lines');
  if (existsSync(done)) return;
  const poster = openPoster(at.otlpHttp, filled.ingestKey, { connections: CONNECTIONS, signal: 'logs' });
  let sent = 0;
  const send = async (): Promise<void> => {
    while (sent < filled.runs) {
      const from = sent;
      sent += LINES_A_REQUEST;
      await poster.post(linesOf(from, Math.min(sent, filled.runs), filled, at.endMs));
    }
  };
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, send));
  } finally {
    poster.close();
  }
  writeFileSync(done, '');
}

/** One request of the lines `from` ≤ n < `below`, all of one process. */
function linesOf(from: number, below: number, { runs, seconds }: Filled, endMs: number): Buffer {
  const everyMs = (seconds * 1000) / runs;
  const logRecords = Array.from({ length: below - from }, (_, i) => ({
    timeUnixNano: String(BigInt(Math.floor(endMs - (runs - from - i) * everyMs)) * 1_000_000n),
    severityNumber: i % 50 === 0 ? 17 : 9,
    body: { stringValue: `took ${(from + i) % 997} ms for request ${from + i}` },
    attributes: attributes({ 'http.route': `/orders/${i % 7}` }),
  }));
  const resource = resourceOf((from / LINES_A_REQUEST) % RESOURCES);
  return Buffer.from(JSON.stringify({ resourceLogs: [{ ...resource, scopeLogs: [{ logRecords }] }] }));
}
