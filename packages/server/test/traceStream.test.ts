import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServerHome, serverHome, type ServerPlace, type ServerProcess } from '@sworn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';

const STEPS = 100_000;
const STEPS_A_REQUEST = 2_000;
/** JavaScript's memory of the server that answers, far below what the answer takes: 100,000 lines of some 2.3 KB, and their leaves. */
const OLD_SPACE_MB = 160;

let home: ServerHome;
let server: ServerProcess;
let place: ServerPlace;

beforeAll(async () => {
  home = serverHome();
  server = home.start({ SWORN_SEAL_GRACE_MS: '500' });
  place = await server.ready;
}, 120_000);
afterAll(() => home.close());

it('a run of 100,000 steps streams whole, with inputs and outputs, from a server with 160 MB of JavaScript memory', async () => {
  const traceId = newTrace();
  const root = newSpan();
  for (let from = 0; from < STEPS; from += STEPS_A_REQUEST) await send(steps(traceId, root, from));
  await untilSealed(traceId);
  await answerFromLittleMemory();
  const [before, peak] = [residentMb(server.pid), { mb: 0 }];
  const watching = setInterval(() => (peak.mb = Math.max(peak.mb, residentMb(server.pid))), 50);
  const began = performance.now();
  const seen = await stream(`/api/v1/logs/llm-runs/${traceId}/trace?fields=io&limit=5000`);
  clearInterval(watching);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`100,000 steps in ${seconds} s; server ${before} MB before, at most ${peak.mb} MB\n`);
  expect(seen.last).toEqual({ complete: true, count: STEPS });
  expect(seen.places).toBe(STEPS);
  expect(seen.withInput).toBe(STEPS - 1);
}, 1_200_000);

function steps(traceId: string, root: string, from: number): SpanText[] {
  return Array.from({ length: STEPS_A_REQUEST }, (_, i) => {
    const at = from + i;
    if (at === 0) return { traceId, spanId: root, end: STEPS };
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': at,
      'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: `line ${at}` }] }]),
    };
    return { traceId, spanId: newSpan(), parentSpanId: root, start: at, end: at + 1, attributes };
  });
}

async function send(spans: readonly SpanText[]): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`${place.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${place.issued?.ingestKey}` },
      body: new Uint8Array(otlp(spans).body),
    });
    if (answer.status === 200) return;
    await sleep(200);
  }
  throw new Error('the server takes no spans');
}

async function untilSealed(runId: string): Promise<void> {
  const url = `${place.http}/api/v1/logs/llm-runs?run_id=${runId}&execution_status=SUCCEEDED`;
  for (;;) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${place.issued?.readerKey}` } });
    const { items } = (await answer.json()) as { items: { total_steps: number }[] };
    if (items[0]?.total_steps === STEPS) return;
    await sleep(500);
  }
}

/** Another process on the same data: putting a run in one piece takes more than reading it does. */
async function answerFromLittleMemory(): Promise<void> {
  const { issued } = place;
  await server.stop();
  const bounds = { NODE_OPTIONS: `--max-old-space-size=${OLD_SPACE_MB}` };
  server = home.start({ ...bounds, SWORN_TEST_TENANT: issued?.tenantId ?? '' });
  place = { ...(await server.ready), issued };
}

interface Seen {
  /** How many lines came whose step_index is their place. */
  places: number;
  withInput: number;
  last: unknown;
}

function stream(path: string): Promise<Seen> {
  const seen: Seen = { places: 0, withInput: 0, last: null };
  const headers = { accept: 'application/x-ndjson', authorization: `Bearer ${place.issued?.readerKey}` };
  return new Promise((resolve, reject) => {
    request(place.http + path, { headers }, (answer) => {
      createInterface({ input: answer })
        .on('line', (line) => {
          const value = JSON.parse(line) as { step_index?: number; input?: { text: string } | null };
          seen.last = value;
          if (value.step_index === seen.places) seen.places++;
          if (value.input != null) seen.withInput++;
        })
        .on('close', () => resolve(seen));
    })
      .on('error', reject)
      .end();
  });
}

/** Memory of a process that is not on disk. */
function residentMb(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}
