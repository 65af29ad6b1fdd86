/**
 * Sends traces over OTLP/HTTP and reports how many were acknowledged and how fast. A process of its own: what it costs is
 * on the same machine, but not on the server's event loop. Takes its orders as JSON on standard input.
 */
import { request as httpRequest, Agent } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePayload } from './payload.js';
import type { SenderOrder, SenderReport } from './sender.js';

const order = JSON.parse(await text(process.stdin)) as SenderOrder;
const payload = makePayload(order.tracesPerRequest);
const agent = new Agent({ keepAlive: true, maxSockets: order.connections });
const url = new URL('/v1/traces', order.otlpHttp);

const latencies: number[] = [];
let acknowledged = 0;
let throttled = 0;
let firstMs = 0;
let lastMs = 0;

const begun = performance.now();
const end = begun + order.seconds * 1000;
if (order.spansPerSecond === null) await Promise.all(Array.from({ length: order.connections }, () => sendInTurn()));
else await sendOnTime(order.spansPerSecond);
agent.destroy();

latencies.sort((a, b) => a - b);
const report: SenderReport = {
  acknowledged,
  requests: latencies.length,
  throttled,
  seconds: (lastMs - firstMs) / 1000,
  bytesPerSpan: payload.bytes / payload.spans,
  p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
  p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
};
process.stdout.write(`${JSON.stringify(report)}\n`);

/** Closed loop: the next request leaves when the last is acknowledged. */
async function sendInTurn(): Promise<void> {
  while (performance.now() < end && acknowledged < order.maxSpans) await send();
}

/** Open loop: requests leave by the clock, whether or not earlier ones were acknowledged, so that waiting is counted. */
async function sendOnTime(spansPerSecond: number): Promise<void> {
  const everyMs = (payload.spans / spansPerSecond) * 1000;
  const sent: Promise<void>[] = [];
  for (let due = begun; due < end && sent.length * payload.spans < order.maxSpans; due += everyMs) {
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    sent.push(send(due));
  }
  await Promise.all(sent);
}

/** One request until it is acknowledged. Its latency counts from when it was due. */
async function send(due: number = performance.now()): Promise<void> {
  const body = payload.fresh();
  for (;;) {
    const { status, retryAfter } = await post(body);
    const now = performance.now();
    if (status === 200) {
      acknowledged += payload.spans;
      latencies.push(now - due);
      if (firstMs === 0) firstMs = due;
      lastMs = now;
      return;
    }
    if (status !== 429 && status !== 503) throw new Error(`the server answered ${status}`);
    throttled++;
    if (now > end + 30_000) throw new Error('throttled for 30 s');
    await sleep(retryAfter * 1000);
  }
}

function post(body: Buffer): Promise<{ status: number; retryAfter: number }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      url,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/x-protobuf',
          'content-length': body.length,
          authorization: `Bearer ${order.ingestKey}`,
        },
      },
      (answer) => {
        answer.resume();
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, retryAfter: Number(answer.headers['retry-after'] ?? 1) }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
