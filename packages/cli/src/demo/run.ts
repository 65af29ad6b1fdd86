import { randomBytes } from 'node:crypto';
import { relative } from 'node:path';
import { type Config, type OtlpObject, tracesFromJson, tracesToJson } from '@sworn/server';
import type { Addresses, CommandContext, Deployment, KeyRole } from '../deployment.js';
import { type RecordedRequest, recordedTraces } from './captures.js';
import { type DemoFile, readDemoFile, writeDemoFiles } from './files.js';
import { linkIncident } from './incident.js';
import { runLiveAgent } from './liveAgent.js';
import { type Extent, extentOf, renew } from './refresh.js';
import { type Destination, sendTraces } from './send.js';
import { waitUntilSettled } from './wait.js';

/** The demo's tenant and the label of its keys. */
const NAME = 'demo';
/** Demo keys are renewed at each start and are of no use for longer. */
const KEYS_LIVE_MS = 24 * 3_600_000;
/** Beyond the grace of sealing: the sealer's turn, the signer's second, and a machine under load. */
const SETTLING_MS = 60_000;
/** Linked to the live run when that is sealed. */
const INCIDENT = 'INC-1042';

/** What the demo made, or found of an earlier time. */
export interface DemoDone {
  readonly demo: DemoFile;
  /** Path of `demo.env`. */
  readonly envFile: string;
}

/**
 * Makes the demo tenant and renews its keys; sends the recorded runs and one live run, once per data directory; waits until
 * they are sealed and covered; tells `say` what it did, line by line.
 */
export async function runDemo(
  context: CommandContext,
  config: Config,
  addresses: Addresses,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<DemoDone> {
  const before = readDemoFile(config.dataDir);
  let demo = await withKeys(context, config, addresses, before);
  const envFile = writeDemoFiles(config.dataDir, demo);
  if (demo.run_ids.length > 0) {
    say(`demo: ${demo.run_ids.length} runs are here from an earlier start; keys renewed for 24 hours.`);
  } else {
    demo = { ...demo, run_ids: await fill(context, config, demo, signal, say) };
    writeDemoFiles(config.dataDir, demo);
  }
  say(
    'Integrity is self-attested: whoever holds this machine holds the keys too, until a checkpoint is kept elsewhere.',
  );
  say('Try:');
  say(`  ${curlLine(envFile, addresses.http)}`);
  return { demo, envFile };
}

/** Sends the runs, waits for them, and says how it went. Returns their ids. */
async function fill(
  { terminal }: CommandContext,
  config: Config,
  demo: DemoFile,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const begun = Date.now();
  terminal.note('demo: sending recorded runs …');
  const destination = { otlpHttp: demo.otlp_http, ingestKey: demo.ingest_key, signal };
  const sent = await sendRuns(destination);
  terminal.note(
    `demo: ${sent.traceIds.size} traces are stored after ${seconds(begun)}; waiting until they are sealed and signed …`,
  );
  const { runIds, settled, waiting } = await waitUntilSettled({
    http: demo.http,
    readerKey: demo.reader_key,
    ...sent,
    patienceMs: config.sealGraceMs + SETTLING_MS,
    signal,
  });
  say(
    `demo: ${runIds.length} runs, recorded ones of real frameworks and a live one of the AI SDK, in ${seconds(begun)}.`,
  );
  say(
    settled
      ? 'They are sealed, and signed checkpoints cover them.'
      : 'They are stored, but not all sealed and covered yet.',
  );
  if (settled) {
    await linkIncident(sent.live, INCIDENT, destination);
    say(
      `Incident ${INCIDENT} was linked to the live run afterwards: in ${(2 * config.sealGraceMs) / 1000} s its next revision names it.`,
    );
  }
  if (waiting > 0) say(`Waiting for somebody’s decision, and RUNNING until it comes: ${waiting}.`);
  const rootless = sent.traceIds.size - sent.rooted.size;
  if (rootless > 0) {
    say(
      `${rootless} of them never sent a root span (a guardrail stopped it): sealed after ${config.sealIdleMs / 60_000} idle minutes.`,
    );
  }
  return runIds;
}

/** The demo tenant with fresh keys. Those of earlier starts are revoked: what was printed somewhere must not open it for ever. */
async function withKeys(
  context: CommandContext,
  config: Config,
  addresses: Addresses,
  before: DemoFile | null,
): Promise<DemoFile> {
  const deployment = await context.connect(config);
  try {
    const tenant = await demoTenant(deployment, before);
    for (const key of await deployment.listKeys(tenant)) {
      if (key.label === NAME && key.revokedAt === null) await deployment.revokeKey(tenant, key.keyId);
    }
    const issue = async (role: KeyRole): Promise<string> => {
      const { key } = await deployment.issueKey({
        tenantId: tenant,
        role,
        scopes: [],
        services: [],
        label: NAME,
        livesMs: KEYS_LIVE_MS,
      });
      return key;
    };
    return {
      http: addresses.http,
      otlp_http: addresses.otlpHttp,
      otlp_grpc: addresses.otlpGrpc,
      tenant,
      reader_key: await issue('reader'),
      auditor_key: await issue('auditor'),
      ingest_key: await issue('ingest'),
      run_ids: before?.tenant === tenant ? before.run_ids : [],
    };
  } finally {
    await deployment.close();
  }
}

async function demoTenant(deployment: Deployment, before: DemoFile | null): Promise<string> {
  const tenants = await deployment.listTenants();
  const known =
    tenants.find((tenant) => tenant.tenantId === before?.tenant) ??
    tenants.find((tenant) => tenant.name === NAME && tenant.synthetic);
  return known?.tenantId ?? (await deployment.createTenant({ name: NAME, synthetic: true }));
}

/** Returns the traces as they were sent, and that of the live run. */
async function sendRuns(
  destination: Destination,
): Promise<Pick<Extent, 'traceIds' | 'rooted'> & { readonly live: string }> {
  const traceIds = new Set<string>();
  const rooted = new Set<string>();
  for (const [, requests] of byClient(recordedTraces())) {
    for (const { request, extent } of renewed(requests)) {
      await sendTraces(request, destination);
      for (const id of extent.traceIds) traceIds.add(id);
      for (const id of extent.rooted) rooted.add(id);
    }
  }
  const live = await runLiveAgent(destination);
  return { traceIds: traceIds.add(live), rooted: rooted.add(live), live };
}

function byClient(requests: readonly RecordedRequest[]): ReadonlyMap<string, readonly RecordedRequest[]> {
  const clients = new Map<string, RecordedRequest[]>();
  for (const request of requests) clients.set(request.client, [...(clients.get(request.client) ?? []), request]);
  return clients;
}

/** All requests of one client under one renewal, so that the last of them ends now. */
function renewed(
  requests: readonly RecordedRequest[],
): { readonly request: RecordedRequest; readonly extent: Extent }[] {
  const objects = requests.map(toJson);
  const endNs = objects.map((object) => extentOf(object).endNs).reduce((a, b) => (a > b ? a : b), 0n);
  const renewal = { salt: randomBytes(16), shiftNs: BigInt(Date.now()) * 1_000_000n - endNs };
  return requests.map((request, index) => {
    const fresh = renew(objects[index] ?? {}, renewal);
    const json = Buffer.from(JSON.stringify(fresh));
    const body = request.encoding === 'json' ? json : tracesFromJson(json).bytes;
    return { request: { ...request, body }, extent: extentOf(fresh) };
  });
}

function toJson({ encoding, body }: RecordedRequest): OtlpObject {
  return encoding === 'json' ? (JSON.parse(Buffer.from(body).toString('utf8')) as OtlpObject) : tracesToJson(body);
}

/** Reads the key from the file, so that it stands in no shell history and no process list. */
function curlLine(envFile: string, http: string): string {
  const shown = relative(process.cwd(), envFile);
  const path = shown.startsWith('..') ? envFile : shown;
  return `sed -n 's/^DEMO_READER_KEY=/authorization: Bearer /p' '${path}' | curl -sS -H @- ${http}/api/v1/logs/llm-runs`;
}

function seconds(begun: number): string {
  return `${((Date.now() - begun) / 1000).toFixed(1)} s`;
}
