import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from './swornProcess.js';

const run = promisify(execFile);
const VERIFIER = fileURLToPath(new URL('../../verifier/', import.meta.url));
const STEPS = 20_000;
const STEPS_A_REQUEST = 500;
/** Of one step: all of them are 160 MB. */
const BODY_CHARS = 8_000;
/** What is held of steps, and garbage that waits, is a third of it; whoever held on to bodies, or a bundle, would hold all of it. */
const MAX_ABOVE_MB = 100;
/** In the heap, where strings lie. Buffers lie outside of it. */
const HEAP = '--max-old-space-size=128';

let home: Home;
let server: Serving;
let keys: { readonly ingest: string; readonly auditor: string };
/** Runs of one step, and of many. */
let short: string;
let long: string;

/** Sends a trace, its root last, and resolves when its run is sealed and covered. */
async function recorded(steps: number): Promise<string> {
  const traceId = randomBytes(16).toString('hex');
  const ids = Array.from({ length: steps }, () => randomBytes(8).toString('hex'));
  const now = Date.now();
  for (let below = steps; below > 0; below -= STEPS_A_REQUEST) {
    const some = Array.from({ length: Math.min(below, STEPS_A_REQUEST) }, (_, i) => below - 1 - i);
    const spans = some.map((at) => ({
      traceId,
      spanId: ids[at],
      ...(at === 0 ? {} : { parentSpanId: ids[(at - 1) >> 3] }),
      name: 'plan',
      kind: 1,
      startTimeUnixNano: `${now}${String(at).padStart(6, '0')}`,
      endTimeUnixNano: `${now + 5}${String(at).padStart(6, '0')}`,
      attributes: [
        { key: 'gen_ai.operation.name', value: { stringValue: 'invoke_agent' } },
        { key: 'notes', value: { stringValue: `${at} `.padEnd(BODY_CHARS, 'and so on, ') } },
      ],
    }));
    const response = await fetch(`${server.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': keys.ingest },
      body: JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ spans }] }] }),
    });
    expect(response.status).toBe(200);
  }
  await eventually(async () => {
    const headers = { authorization: `Bearer ${keys.auditor}` };
    const answer = await fetch(`${server.http}/api/v1/logs/llm-runs/${traceId}/envelope`, { headers });
    const envelope = await answer.json();
    return envelope.total_steps === steps && envelope.metadata?.integrity?.state === 'COVERED' ? envelope : null;
  });
  return traceId;
}

/** Has a process write down, as it leaves, the most memory that it had resident. */
const preload = () => join(home.dir, 'peak.mjs');
const peakMb = (): number => Number(readFileSync(join(home.dir, 'peak'), 'utf8')) / 1024;

async function exportPeak(runId: string): Promise<number> {
  const args = ['export', '--tenant', 'acme', '--run', runId, '--disclose', 'all', '--out', fileOf(runId)];
  return eventually(async () => {
    const said = await home.run(args, { NODE_OPTIONS: `${HEAP} --import ${pathToFileURL(preload()).href}` });
    // What was sent while it was sealed first had it sealed again.
    if (said.code === 1 && /no checkpoint covers|is still open/.test(said.err)) return null;
    expect([said.code, said.err.replaceAll(/^.* records$\n/gm, '')]).toEqual([0, '']);
    return peakMb();
  });
}

async function verifyPeak(runId: string): Promise<number> {
  const argv = [HEAP, '--import', preload(), join(VERIFIER, 'dist/verify.mjs'), fileOf(runId), '--key'];
  const { stdout } = await run(process.execPath, [...argv, join(home.dir, 'key.txt')], { env: {} });
  expect(stdout).toMatch(/^VERIFIED: /m);
  return peakMb();
}

const fileOf = (runId: string): string => join(home.dir, `${runId}.zip`);

beforeAll(async () => {
  await run(process.execPath, [join(VERIFIER, 'scripts/bundle.mjs')]);
  home = makeHome();
  const file = JSON.stringify(join(home.dir, 'peak'));
  writeFileSync(
    preload(),
    `import { writeFileSync } from 'node:fs';
process.on('exit', () => writeFileSync(${file}, String(process.resourceUsage().maxRSS)));
`,
  );
  server = await home.serve([], { SWORN_SEAL_GRACE_MS: '1000' });
  await home.run(['tenant', 'create', 'acme']);
  const issue = async (role: string): Promise<string> =>
    /swk_\S+/.exec((await home.run(['key', 'create', '--tenant', 'acme', '--role', role])).out)?.[0] ?? '';
  keys = { ingest: await issue('ingest'), auditor: await issue('auditor') };
  writeFileSync(join(home.dir, 'key.txt'), (await home.run(['log', 'key', '--tenant', 'acme'])).out);
  short = await recorded(1);
  long = await recorded(STEPS);
}, 300_000);

afterAll(async () => {
  await server.stop();
  home.remove();
});

describe('a run of 20,000 steps with all its contents', () => {
  test('is exported, and verified, without ever holding its records, its contents or its bundle', async () => {
    const exported = (await exportPeak(long)) - (await exportPeak(short));
    expect(statSync(fileOf(long)).size).toBeGreaterThan(2 * STEPS * BODY_CHARS);
    const verified = (await verifyPeak(long)) - (await verifyPeak(short));
    process.stderr.write(
      `above a run of one step: export ${exported.toFixed(0)} MB, verify ${verified.toFixed(0)} MB\n`,
    );
    expect(exported).toBeLessThan(MAX_ABOVE_MB);
    expect(verified).toBeLessThan(MAX_ABOVE_MB);
  }, 300_000);
});
