import { createHash } from 'node:crypto';
import { type Endpoint, FACADE_PREFIX } from '@sworn/contract';
import { recordId } from '@sworn/evidence';
import { get, type Got } from './facadeClient.js';
import { exported } from './exporting.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newTrace, otlp } from './facadeSpans.js';
import { LOG_CAPTURES, METRIC_CAPTURES, TRACE_CAPTURES } from './otlpCaptures.js';

/** Ids that both tenants use: of their applications, of vendors, and made up by chance. */
export const SHARED = {
  run_id: 'run-of-both',
  trace_id: 'ab'.repeat(16),
  span_id: 'cd'.repeat(8),
  conversation_id: 'chat-of-both',
  correlation_id: 'case-of-both',
  uid: 'record-of-both',
} as const;

/** A tenant whose every own word carries its mark, which stands in no answer to anybody else. */
export interface Party {
  readonly id: string;
  readonly mark: string;
  readonly auditor: string;
  /** A run that the other has not. */
  readonly ownRun: string;
}

export interface TenantPair {
  readonly house: House;
  readonly ours: Party;
  readonly theirs: Party;
  /** As the party's auditor, who may read everything. */
  ask(party: Party, path: string, headers?: Readonly<Record<string, string>>): Promise<Got>;
  /** Sends what the party has: its own, what has the ids of both, and recorded requests of real clients; sealed and signed. */
  fill(party: Party): Promise<void>;
  close(): Promise<void>;
}

/** A run that is nobody's. */
export const NEVER = 'run-of-nobody';

/** Two tenants of one installation, still without evidence. */
export async function buildTenantPair(): Promise<TenantPair> {
  const house = await buildHouse();
  const party = async (mark: string): Promise<Party> => {
    const id = await house.tenants.create({ name: mark });
    const { key } = await house.keys.issue({ tenantId: id, role: 'auditor' });
    return { id, mark, auditor: key, ownRun: newTrace() };
  };
  const ask = (of: Party, path: string, headers = {}) => get(house, path, of.auditor, headers);
  return {
    house,
    ours: await party('kestrel'),
    theirs: await party('ostrich'),
    ask,
    async fill(of) {
      const asserting = ['ingest:assert'];
      await house.ingest(of.id, runOf(of, SHARED.trace_id), asserting);
      await house.ingest(of.id, runOf(of, of.ownRun));
      await house.ingestLogs(of.id, linesOf(of), { scopes: asserting });
      await house.ingestMetrics(of.id, metricsOf(of));
      for (const capture of TRACE_CAPTURES) await house.ingest(of.id, capture);
      for (const capture of LOG_CAPTURES) await house.ingestLogs(of.id, capture);
      for (const capture of METRIC_CAPTURES) await house.ingestMetrics(of.id, capture);
      await house.seal(of.id);
      for (let n = 0; n < READS; n++)
        await ask(of, `${FACADE_PREFIX}/llm-runs?limit=1`, { 'x-correlation-id': SHARED.correlation_id });
      await house.sign(of.id);
      for (const disclosure of ['none', 'all'] as const)
        await exported(house, { tenantId: of.id, scope: { kind: 'RUN', runId: SHARED.run_id }, disclosure });
      await house.sign(of.id);
    },
    close: () => house.close(),
  };
}

/** Reads that both have records of, at the same places. */
const READS = 12;

/** The path for a run, or for an entry by its place in `access`. Every path parameter there is must be told here what stands for it. */
export function pathOf(endpoint: Endpoint, id: string): string {
  return endpoint.path.replaceAll(/\{([a-z_]+)\}/g, (_, name: string) => {
    if (name !== 'run_id' && name !== 'entry_id') throw new Error(`say what stands for {${name}} of ${endpoint.id}`);
    return id;
  });
}

/** Ids for the endpoint's path that both have, or its one id where the path has none. */
export function sharedIds({ params }: Endpoint): readonly string[] {
  if (params.includes('entry_id')) return [0, READS - 1].map((index) => entryId('access', index));
  return params.includes('run_id') ? [SHARED.run_id] : [''];
}

export const entryId = (topic: 'access' | 'control' | 'audit' | 'system', index: number): string =>
  recordId({ topic, generation: 1, index });

/** A leaf as it is stored. */
export interface StoredRow {
  readonly log: string;
  readonly index: number;
  readonly leaf: Buffer;
  readonly members: Readonly<Record<string, unknown>>;
  /** As answers show it. */
  readonly checksum: string;
}

/** Every leaf of a tenant, by log and index. */
export async function storedLeaves(house: House, tenantId: string): Promise<readonly StoredRow[]> {
  const rows = await house.database.admin<{ log: string; index: number; leaf: Buffer }>(
    `select log, leaf_index::int as index, leaf from sworn.leaf where tenant_id = $1 order by log, leaf_index`,
    [tenantId],
  );
  return rows.map((row) => ({
    ...row,
    members: JSON.parse(row.leaf.toString('utf8')) as Record<string, unknown>,
    checksum: `sha256:${createHash('sha256').update(Buffer.of(0)).update(row.leaf).digest('hex')}`,
  }));
}

function runOf({ mark }: Party, traceId: string): ReturnType<typeof otlp> {
  const isShared = traceId === SHARED.trace_id;
  const shared = {
    'gen_ai.conversation.id': isShared ? SHARED.conversation_id : `${mark}-chat`,
    ...(isShared && { 'sworn.run.id': SHARED.run_id, 'sworn.correlation.id': SHARED.correlation_id }),
    'user.id': `${mark}-jane`,
    'sworn.policy.ids': `${mark}-policy`,
    'sworn.incident.ids': `${mark}-incident`,
  };
  const root = SHARED.span_id;
  const span = (n: number): string => String(n).repeat(16);
  return otlp(
    [
      {
        traceId,
        spanId: root,
        name: `invoke_agent ${mark}-agent`,
        start: 0,
        end: 100,
        attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': `${mark}-agent`, ...shared },
      },
      {
        traceId,
        spanId: span(1),
        parentSpanId: root,
        name: 'chat',
        start: 10,
        end: 50,
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': `${mark}-provider`,
          'gen_ai.request.model': `${mark}-model`,
          'gen_ai.usage.input_tokens': 12,
          'gen_ai.output.messages': `[{"role":"assistant","parts":[{"type":"text","content":"${mark} secret"}]}]`,
          ...shared,
        },
      },
      {
        traceId,
        spanId: span(2),
        parentSpanId: root,
        name: `execute_tool ${mark}-tool`,
        start: 50,
        end: 90,
        status: 2,
        statusMessage: `${mark} failed`,
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': `${mark}-tool`,
          'error.type': `${mark}Error`,
          ...shared,
        },
      },
    ],
    {
      'service.name': `${mark}-desk`,
      'service.instance.id': 'desk-of-both',
      'service.version': `${mark}-1`,
      'deployment.environment.name': `${mark}-env`,
      'host.id': 'host-of-both',
    },
  );
}

/** 2026-11-20T00:00:00.05Z, within the run, in nanoseconds. */
const DURING = '1795132800050000000';

const attribute = (key: string, value: string): object => ({ key, value: { stringValue: value } });

function resourceOf({ mark }: Party): object {
  return {
    attributes: [
      attribute('service.name', `${mark}-desk`),
      attribute('service.instance.id', 'desk-of-both'),
      attribute('deployment.environment.name', `${mark}-env`),
      attribute('host.id', 'host-of-both'),
    ],
  };
}

/** Log records of every vocabulary: of the audit, of systems, and plain ones. */
function linesOf(of: Party): { readonly encoding: 'json'; readonly body: Uint8Array } {
  const line = (eventName: string, attributes: Readonly<Record<string, string>> = {}) => ({
    timeUnixNano: DURING,
    severityNumber: 13,
    eventName,
    body: { stringValue: `${of.mark} says ${eventName}` },
    traceId: SHARED.trace_id,
    spanId: SHARED.span_id,
    attributes: Object.entries({
      'log.record.uid': `${SHARED.uid}-${eventName}`,
      'sworn.correlation.id': SHARED.correlation_id,
      'sworn.run.id': SHARED.run_id,
      'user.id': `${of.mark}-jane`,
      ...attributes,
    }).map(([key, value]) => attribute(key, value)),
  });
  const about = { 'sworn.audit.run.id': SHARED.run_id };
  const logRecords = [
    line('sworn.audit.note', { ...about, 'sworn.audit.policy.id': `${of.mark}-policy` }),
    line('sworn.audit.review', about),
    line('sworn.audit.incident.linked', { ...about, 'sworn.audit.incident.id': `${of.mark}-incident` }),
    line('sworn.audit.policy.published', { 'sworn.audit.policy.id': `${of.mark}-policy` }),
    line('sworn.system.startup'),
    line('sworn.system.deploy'),
    line('sworn.system.oom'),
    line(''),
  ];
  const scopeLogs = [{ scope: { name: `${of.mark}-logger` }, logRecords }];
  return json({ resourceLogs: [{ resource: resourceOf(of), scopeLogs }] });
}

function metricsOf(of: Party): { readonly encoding: 'json'; readonly body: Uint8Array } {
  const dataPoints = [{ timeUnixNano: DURING, asDouble: 0.5, attributes: [attribute('cpu', `${of.mark}-0`)] }];
  const metrics = [
    { name: 'process.cpu.utilization', unit: '1', gauge: { dataPoints } },
    { name: `${of.mark}.queue.length`, gauge: { dataPoints } },
  ];
  return json({
    resourceMetrics: [{ resource: resourceOf(of), scopeMetrics: [{ scope: { name: 'host' }, metrics }] }],
  });
}

function json(request: object): { readonly encoding: 'json'; readonly body: Uint8Array } {
  return { encoding: 'json', body: Buffer.from(JSON.stringify(request)) };
}
