import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { tracesFromJson } from '@sworn/server';

/** Where requests go just now. */
export interface LoadTarget {
  /** Base URL of OTLP over HTTP. */
  readonly otlpHttp: string;
  readonly ingestKey: string;
}

/** How much is sent. */
export interface LoadOptions {
  /** Asked before every attempt; null: nobody listens, try again. A request that failed at one target may go to another, as behind a balancer. */
  readonly target: () => LoadTarget | null;
  /** Requests under way at once. */
  readonly senders: number;
  /** Milliseconds each sender rests after an acknowledgement. */
  readonly pauseMs: number;
}

/** Telemetry under way. */
export interface Load {
  /** Trace id ‖ span id, hex, of all spans of the requests that were answered 200. */
  readonly acknowledged: ReadonlySet<string>;
  /** The same of all spans that were ever sent. */
  readonly sent: ReadonlySet<string>;
  /** Attempts without an answer: the connection was refused or cut. */
  cut(): number;
  /** Attempts answered 429 or 503. */
  putOff(): number;
  /** Begins nothing new; resolves when every request begun is acknowledged. */
  stop(): Promise<void>;
}

/** Milliseconds until a failed attempt is repeated. */
const RETRY_MS = 20;
/** Milliseconds without an answer after which an attempt is given up: a connection to a process that was killed while it was accepted. */
const ANSWER_TIMEOUT_MS = 20_000;
/** Requests of one sender with the same resource. */
const REQUESTS_A_RESOURCE = 25;

/** Sends unique spans as an exporter does that never gives up: the same bytes again and again until they are acknowledged. */
export function startLoad({ target, senders, pauseMs }: LoadOptions): Load {
  const acknowledged = new Set<string>();
  const sent = new Set<string>();
  let stopping = false;
  let cut = 0;
  let putOff = 0;

  async function deliver(body: Uint8Array): Promise<void> {
    for (;;) {
      const to = target();
      const status = to === null ? null : await attempt(to, body);
      if (status === 200) return;
      if (status === 429 || status === 503) putOff++;
      else if (status !== null) throw new Error(`a request was refused for good: ${status}`);
      else if (to !== null) cut++;
      await sleep(RETRY_MS);
    }
  }

  async function send(sender: number): Promise<void> {
    let previous = randomBytes(16).toString('hex');
    for (let n = 0; !stopping; n++) {
      const traceId = randomBytes(16).toString('hex');
      const spans = [...stepsOf(traceId, 3, true), ...stepsOf(previous, 1, false)];
      previous = traceId;
      const keys = spans.map((span) => span.traceId + span.spanId);
      for (const key of keys) sent.add(key);
      await deliver(requestOf(spans, `${sender}-${Math.floor(n / REQUESTS_A_RESOURCE)}`));
      for (const key of keys) acknowledged.add(key);
      await sleep(pauseMs);
    }
  }

  const running = Promise.all(Array.from({ length: senders }, (_, sender) => send(sender)));
  running.catch(() => undefined);
  return {
    acknowledged,
    sent,
    cut: () => cut,
    putOff: () => putOff,
    async stop() {
      stopping = true;
      await running;
    },
  };
}

/** The HTTP status, or null when no answer came. */
async function attempt({ otlpHttp, ingestKey }: LoadTarget, body: Uint8Array): Promise<number | null> {
  try {
    const response = await fetch(`${otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', authorization: `Bearer ${ingestKey}` },
      body,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return null;
  }
}

/** A span as OTLP/JSON has it. */
interface SpanJson {
  readonly traceId: string;
  readonly spanId: string;
  readonly [member: string]: unknown;
}

/** Steps of one trace: with a root, an agent and its model calls, else stragglers. */
function stepsOf(traceId: string, count: number, withRoot: boolean): SpanJson[] {
  const rootId = randomBytes(8).toString('hex');
  const now = BigInt(Date.now()) * 1_000_000n;
  return Array.from({ length: count }, (_, i) => ({
    traceId,
    spanId: withRoot && i === 0 ? rootId : randomBytes(8).toString('hex'),
    ...(withRoot && i === 0 ? {} : { parentSpanId: rootId }),
    name: withRoot && i === 0 ? 'invoke_agent clerk' : 'chat gpt-5',
    kind: 3,
    startTimeUnixNano: String(now),
    endTimeUnixNano: String(now + 5_000_000n),
    attributes: [
      { key: 'gen_ai.operation.name', value: { stringValue: withRoot && i === 0 ? 'invoke_agent' : 'chat' } },
      { key: 'gen_ai.request.model', value: { stringValue: 'gpt-5' } },
      { key: 'gen_ai.usage.input_tokens', value: { intValue: '12' } },
      { key: 'note', value: { stringValue: randomBytes(60).toString('base64') } },
    ],
    status: { code: 1 },
  }));
}

function requestOf(spans: readonly SpanJson[], instance: string): Uint8Array {
  const attributes = [
    { key: 'service.name', value: { stringValue: 'clerk' } },
    { key: 'service.instance.id', value: { stringValue: instance } },
  ];
  const request = { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: 'load' }, spans }] }] };
  return tracesFromJson(Buffer.from(JSON.stringify(request))).bytes;
}
