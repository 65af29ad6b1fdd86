import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from './swornProcess.js';

let home: Home;
let server: Serving;

const demoFile = () => JSON.parse(readFileSync(join(home.dataDir, 'demo.json'), 'utf8'));
const get = (path: string, key: string) =>
  fetch(`${server.http}${path}`, { headers: { authorization: `Bearer ${key}` } });
const demoIsDone = () => eventually(() => Promise.resolve(server.out().includes('curl') ? true : null));

beforeAll(async () => {
  home = makeHome();
  server = await home.serve(['--demo'], { SWORN_SEAL_GRACE_MS: '500' });
  await demoIsDone();
});

afterAll(async () => {
  await server.stop();
  home.remove();
});

describe('the demo', () => {
  test('leaves its addresses, keys and runs in two files for the owner alone', () => {
    for (const name of ['demo.json', 'demo.env']) expect(statSync(join(home.dataDir, name)).mode & 0o777).toBe(0o600);
    expect(Object.keys(demoFile())).toEqual([
      'http',
      'otlp_http',
      'otlp_grpc',
      'tenant',
      'reader_key',
      'auditor_key',
      'ingest_key',
      'run_ids',
    ]);
    expect(demoFile()).toMatchObject({
      http: server.http,
      otlp_http: server.otlpHttp,
      otlp_grpc: server.otlpGrpc,
    });
    expect(readFileSync(join(home.dataDir, 'demo.env'), 'utf8')).toContain(
      `DEMO_READER_KEY=${demoFile().reader_key}\n`,
    );
  });

  test('shows the recorded runs and the live one: synthetic, sealed, covered', async () => {
    const { reader_key, auditor_key, run_ids } = demoFile();
    // Linked when the run was sealed: its next revision names it.
    const linked = await eventually(async () => {
      const found = (await (await get('/api/v1/logs/llm-runs?incident_id=INC-1042', reader_key)).json()).items;
      return found[0]?.metadata.integrity.state === 'COVERED' ? found : null;
    });
    expect(linked).toMatchObject([{ service: 'refund-desk', metadata: { incident_ids: ['INC-1042'] } }]);
    const { items } = await (await get('/api/v1/logs/llm-runs?limit=100', reader_key)).json();
    expect(items.map((run: any) => run.run_id).sort()).toEqual([...run_ids].sort());
    expect(items.every((run: any) => run.is_synthetic)).toBe(true);
    const live = items.find((run: any) => run.service === 'refund-desk');
    expect(live).toMatchObject({ execution_status: 'SUCCEEDED', total_steps: 5, input_tokens: 148, output_tokens: 39 });
    expect(live.metadata.integrity).toMatchObject({ state: 'COVERED', tier: 'SELF_ATTESTED' });
    const telemetry = await (await get(`/api/v1/logs/system/${live.run_id}/telemetry`, reader_key)).json();
    expect(telemetry).toMatchObject({ status: 'collected', join_rule: 'service.instance.id' });
    const measured = telemetry.series.map((series: { metric: string }) => series.metric);
    expect(measured).toEqual(expect.arrayContaining(['system.memory.usage', 'process.cpu.time']));
    const { events } = await (await get(`/api/v1/logs/llm-runs/${live.run_id}/governance`, auditor_key)).json();
    expect(events).toMatchObject([
      { category: 'THRESHOLD_CHECK', decision: 'ALLOW', observed: '20', threshold: '50' },
      { event_type: 'INCIDENT_LINKED', incident_id: 'INC-1042' },
    ]);
    const withheld = await (await get(`/api/v1/logs/llm-runs/${live.run_id}/governance`, reader_key)).json();
    expect(withheld).toMatchObject({ events: [], sources: [{ source: 'policy', status: 'WITHHELD', withheld: 2 }] });
    const reported = (await (await get('/api/v1/logs/audit?log=audit', auditor_key)).json()).items;
    expect(new Set(reported.map((entry: { source: null }) => entry.source))).toEqual(new Set([null]));
    const around = await (await get(`/api/v1/logs/system/${live.run_id}/events`, reader_key)).json();
    expect(around.events.map((event: { severity: string }) => event.severity)).toContain('WARN');
    const envelope = await (await get(`/api/v1/logs/llm-runs/${live.run_id}/envelope`, reader_key)).json();
    expect(envelope.proof.size).toBeGreaterThan(envelope.proof.index);
  });

  test('does not wait for the run that waits for somebody, and says so', () => {
    expect(server.out()).toContain('They are sealed, and signed checkpoints cover them.');
    expect(server.out()).toContain('Waiting for somebody’s decision, and RUNNING until it comes: 1');
  });

  test('beside a running server says as JSON what there is, without a key', async () => {
    const env = {
      SWORN_HTTP_PORT: new URL(server.http).port,
      SWORN_OTLP_HTTP_PORT: new URL(server.otlpHttp).port,
      SWORN_OTLP_GRPC_PORT: new URL(server.otlpGrpc).port,
    };
    const said = await home.run(['demo', '--json'], env);
    expect(said.code).toBe(0);
    const { tenant, run_ids } = demoFile();
    const env_file = join(home.dataDir, 'demo.env');
    const { http, otlpHttp: otlp_http, otlpGrpc: otlp_grpc } = server;
    expect(JSON.parse(said.out)).toEqual({ http, otlp_http, otlp_grpc, tenant, run_ids, env_file });
    expect(said.out).not.toContain('swk_');
  });

  test('sends nothing again at the next start, and renews its keys: the old ones are dead', async () => {
    const before = demoFile();
    expect(await server.stop()).toBe(0);
    server = await home.serve(['--demo'], { SWORN_SEAL_GRACE_MS: '500' });
    await demoIsDone();
    const after = demoFile();
    expect(after.run_ids).toEqual(before.run_ids);
    expect(after.tenant).toBe(before.tenant);
    expect((await get('/api/v1/logs/llm-runs', before.reader_key)).status).toBe(401);
    const { items } = await (await get('/api/v1/logs/llm-runs?limit=100', after.reader_key)).json();
    expect(items).toHaveLength(before.run_ids.length);
  });
});
