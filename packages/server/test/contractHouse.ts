import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Endpoint, FACADE_PREFIX } from '@sworn/contract';
import { recordId } from '@sworn/evidence';
import { type RunningApp, startApp } from '../src/app.js';
import type { ExportAsked } from '../src/export/kinds.js';
import { exportByHand } from '../src/exportByHand.js';
import type { Config } from '../src/config.js';
import type { Deployment } from '../src/deployment.js';
import { type Members, newSite, type Site } from './deploymentHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { agentRun, BASE, newSpan, newTrace, otlp } from './facadeSpans.js';
import { LOG_CAPTURES, METRIC_CAPTURES, TRACE_CAPTURES } from './otlpCaptures.js';

/** An answer, byte for byte. */
export interface Told {
  readonly asked: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what it is, the suite finds out by the schemas
  readonly json: any;
  readonly ms: number;
}

/** How to ask. */
export interface Asking {
  /** Null: nobody. Left out: an auditor, who may ask everything, of the tenant with runs. */
  readonly key?: string | null;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A tenant, and keys that read for it. */
interface Household {
  readonly id: string;
  readonly reader: string;
  readonly auditor: string;
  readonly ingest: string;
}

/** What by-id reads ask for: one to be answered, another, one changed in the database behind the server's back, one of `theirs` alone, and none. */
export interface Ids {
  readonly sealed: string;
  readonly open: string;
  readonly tampered: string;
  readonly theirs: string;
  readonly never: string;
}

/** A server as it is served, with loops, listeners and two tenants that both have runs of real clients. */
export interface ContractHouse {
  readonly app: RunningApp;
  readonly site: Site;
  readonly deployment: Deployment;
  readonly mine: Household;
  readonly theirs: Household;
  /** Runs: sealed, and still open. */
  readonly runs: Ids;
  /** Records of reads; `theirs` is of `control`, which is longer there. */
  readonly entries: Ids;
  /** All that was there when the house was ready was recorded before it. */
  readonly at: string;
  /** Path and nothing else is sent as it stands. */
  ask(path: string, asking?: Asking): Promise<Told>;
  /** These bytes over a socket of their own; what comes back until it closes. */
  raw(bytes: string): Promise<string>;
  /** Everything asked so far that a server answered. */
  readonly told: readonly Told[];
  accessRecords(tenantId: string): Promise<readonly Members[]>;
  /** Stops the server, with everything written; nothing is asked afterwards. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Quiet after the root until a run is sealed; one without a root stays open for the whole test. */
const SETTINGS = { SWORN_SEAL_GRACE_MS: '300', SWORN_SEAL_IDLE_MS: '3600000' };
const POLL_MS = 100;

export async function buildContractHouse(): Promise<ContractHouse> {
  const site = await newSite(SETTINGS);
  const app = await startApp(site.config);
  const deployment = await site.open();
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const told: Told[] = [];
  const [mine, theirs] = [await household(deployment, 'acme'), await household(deployment, 'other')];

  async function ask(path: string, { key = mine.auditor, method = 'GET', headers = {} }: Asking = {}): Promise<Told> {
    const answer = await send({ agent, base: app.addresses.http, path, key, method, headers });
    told.push(answer);
    return answer;
  }
  const runs = {
    sealed: newTrace(),
    open: newTrace(),
    tampered: newTrace(),
    theirs: newTrace(),
    never: newTrace(),
  };
  for (const { body, encoding } of TRACE_CAPTURES) await sendOtlp(app, mine, 'traces', { body, encoding });
  for (const { body, encoding } of LOG_CAPTURES) await sendOtlp(app, mine, 'logs', { body, encoding });
  for (const { body, encoding } of METRIC_CAPTURES) await sendOtlp(app, mine, 'metrics', { body, encoding });
  for (const of of [mine, theirs]) await sendOtlp(app, of, 'metrics', { body: gauges(), encoding: 'json' });
  for (const id of [runs.sealed, runs.tampered]) await sendJson(app, mine, agentRun(id, PEOPLE).body);
  await sendJson(app, mine, withoutRoot(runs.open));
  await sendJson(app, theirs, agentRun(runs.theirs, PEOPLE).body);
  for (const id of [runs.sealed, runs.open, runs.tampered]) await sendOtlp(app, mine, 'logs', around(id));
  await sendOtlp(app, theirs, 'logs', around(runs.theirs));
  await settled(ask, mine);
  await settled(ask, theirs);
  await site.attack(
    `update sworn.llm_run_records set service = 'another' where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    [mine.id, runs.tampered],
  );
  for (const disclosure of ['none', 'governance', 'all'] as const)
    await exported(deployment, site.config, {
      tenantId: mine.id,
      scope: { kind: 'RUN', runId: runs.sealed },
      disclosure,
    });
  await exported(deployment, site.config, {
    tenantId: theirs.id,
    scope: { kind: 'RUN', runId: runs.theirs },
    disclosure: 'none',
  });
  // Asked for over HTTP it is built once; from then on its description says where it is.
  for (const disclose of ['none', 'governance', 'all'])
    await built(ask, `${FACADE_PREFIX}/llm-runs/${runs.sealed}/export?disclose=${disclose}`);
  const entries = await records({ ask, site, deployment }, mine, theirs);
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopping ??= app.stop());
  return {
    app,
    site,
    deployment,
    mine,
    theirs,
    runs,
    entries,
    at: new Date().toISOString(),
    ask,
    raw: (bytes) => overSocket(Number(new URL(app.addresses.http).port), bytes),
    told,
    accessRecords: (tenantId) => site.leaves(tenantId, 'access'),
    stop,
    async close() {
      agent.destroy();
      await stop();
      await site.drop();
    },
  };
}

/** A bundle is built, and goes out. */
async function built(ask: ContractHouse['ask'], path: string): Promise<void> {
  while ((await ask(path)).json.status === 'PENDING') await sleep(POLL_MS);
}

async function exported(deployment: Deployment, config: Config, asked: ExportAsked): Promise<void> {
  const made = await exportByHand(deployment, config, { ...asked, actor: 'local:test' }, () => undefined);
  let bytes = 0;
  for await (const chunk of made.deliver('zip')) bytes += chunk.length;
  if (bytes !== made.bytes.zip) throw new Error('the archive is not as long as was said');
  await made.close();
}

const PEOPLE = {
  'gen_ai.conversation.id': 'chat-42',
  'user.id': 'jane',
  'sworn.policy.id': 'pii-7',
  'evaluation.name': 'helpfulness',
  'evaluation.label': 'good',
  'evaluation.score': '0.9',
  'rail.name': 'no secrets',
  'rail.stop': 'false',
  'gen_ai.guardrail.name': 'pii',
  'gen_ai.guardrail.status': 'passed',
};

async function household({ tenants, keys }: Deployment, name: string): Promise<Household> {
  const id = await tenants.create({ name });
  const keyOf = async (role: 'reader' | 'auditor' | 'ingest') => (await keys.issue({ tenantId: id, role })).key;
  return { id, reader: await keyOf('reader'), auditor: await keyOf('auditor'), ingest: await keyOf('ingest') };
}

/** What happened around a run. */
const around = (traceId: string) =>
  otlpLogs([
    { at: 40, event: 'sworn.system.throttled', severity: 13, body: 'the provider asks for patience', traceId },
    { at: 60, severity: 9, body: 'tried again', traceId },
  ]);

/** What the service of the runs measured while they ran. */
function gauges(): Uint8Array {
  const dataPoints = [0, 50, 100].map((ms) => ({
    timeUnixNano: String(BASE + BigInt(ms) * 1_000_000n),
    asDouble: ms,
  }));
  const scopeMetrics = [{ metrics: ['queue.length', 'queue.age'].map((name) => ({ name, gauge: { dataPoints } })) }];
  const attributes = [{ key: 'service.name', value: { stringValue: 'shop' } }];
  return Buffer.from(JSON.stringify({ resourceMetrics: [{ resource: { attributes }, scopeMetrics }] }));
}

/** Of a run whose root is still to come. */
function withoutRoot(traceId: string): Uint8Array {
  const parentSpanId = newSpan();
  const attributes = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o' };
  return otlp([
    { traceId, spanId: newSpan(), parentSpanId, name: 'chat', attributes },
    { traceId, spanId: newSpan(), parentSpanId, name: 'chat', status: 2, statusMessage: 'boom', attributes },
  ]).body;
}

const sendJson = (app: RunningApp, to: Household, body: Uint8Array) =>
  sendOtlp(app, to, 'traces', { body, encoding: 'json' });

async function sendOtlp(
  app: RunningApp,
  to: Household,
  signal: 'traces' | 'logs' | 'metrics',
  { body, encoding }: { readonly body: Uint8Array; readonly encoding: string },
): Promise<void> {
  const answer = await fetch(`${app.addresses.otlpHttp}/v1/${signal}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${to.ingest}`,
      'content-type': encoding === 'json' ? 'application/json' : 'application/x-protobuf',
    },
    body: Buffer.from(body),
  });
  if (answer.status !== 200) throw new Error(`not taken: ${answer.status} ${await answer.text()}`);
}

/** Resolves when nothing of the list changes any more and all of it is covered. */
async function settled(ask: ContractHouse['ask'], { reader: key }: Household): Promise<void> {
  let before = '';
  for (let quiet = 0; quiet < 12; ) {
    await sleep(POLL_MS);
    const { json, headers } = await ask(`${FACADE_PREFIX}/llm-runs?limit=100`, { key });
    const now = `${headers['sworn-log-sizes']}`;
    const isCovered = json.metadata.integrity.state === 'COVERED';
    quiet = now === before && isCovered ? quiet + 1 : 0;
    before = now;
  }
}

/** Reads of ours beyond those that they make in a whole suite. */
const OUR_READS = 150;
/** Keys of theirs beyond the leaves that findings add to our `control`. */
const THEIR_KEYS = 30;

/** Makes records that only one of the two has, and changes a row beside one of ours. */
async function records(
  { ask, site, deployment }: Pick<ContractHouse, 'ask' | 'site' | 'deployment'>,
  mine: Household,
  theirs: Household,
): Promise<Ids> {
  for (let n = 0; n < THEIR_KEYS; n++) await deployment.keys.issue({ tenantId: theirs.id, role: 'reader' });
  for (let n = 0; n < OUR_READS; n++)
    await ask(`${FACADE_PREFIX}/llm-runs?limit=1`, {
      headers: { 'x-correlation-id': `case-${n % 3}`, 'sworn-view': `v-${n % 2}` },
    });
  const [ours, control] = [await site.leaves(mine.id, 'access'), await site.leaves(theirs.id, 'control')];
  const id = (topic: 'access' | 'control', index: number) => recordId({ topic, generation: 1, index });
  const ids = {
    sealed: id('access', ours.length - 1),
    open: id('access', ours.length - 2),
    tampered: id('access', 0),
    theirs: id('control', control.length - 1),
    never: id('control', 1_000_000),
  };
  await site.attack(
    `update sworn.access_records set endpoint = 'another' where tenant_id = $1 and log = 'access' and leaf_index = 0`,
    [mine.id],
  );
  for (;;) {
    const { json } = await ask(`${FACADE_PREFIX}/audit/${ids.sealed}`);
    if (json.metadata.integrity.state === 'COVERED') return ids;
    await sleep(POLL_MS);
  }
}

interface Sending {
  readonly agent: Agent;
  readonly base: string;
  readonly path: string;
  readonly key: string | null;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Unlike `fetch`, without tidying the path. */
function send({ agent, base, path, key, method, headers }: Sending): Promise<Told> {
  const { hostname, port } = new URL(base);
  const credential = key === null ? {} : { authorization: `Bearer ${key}` };
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const asked = request({ agent, hostname, port, path, method, headers: { ...credential, ...headers } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson =
          /^application\/(problem\+)?json/.test(answer.headers['content-type'] ?? '') &&
          text !== '' &&
          answer.headers['content-encoding'] === undefined;
        resolve({
          asked: `${method} ${path}`,
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text,
          json: isJson ? JSON.parse(text) : null,
          ms: performance.now() - began,
        });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

function overSocket(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const end = () => resolve(answer);
    connect(port, '127.0.0.1', function (this: Socket) {
      this.write(Buffer.from(bytes, 'latin1'));
    })
      .on('data', (chunk) => (answer += chunk.toString('latin1')))
      .on('error', end)
      .on('close', end);
  });
}

/** The endpoint's path for a run, or for an entry. Every path parameter there is must be told here what stands for it. */
export function pathOf(endpoint: Endpoint, id: string): string {
  return endpoint.path.replaceAll(/\{([a-z_]+)\}/g, (_, name: string) => {
    if (name !== 'run_id' && name !== 'entry_id') throw new Error(`say what stands for {${name}} of ${endpoint.id}`);
    return id;
  });
}
