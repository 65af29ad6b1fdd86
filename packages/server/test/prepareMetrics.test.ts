import { decodeLeaf } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readMetrics } from '../src/otlp/metrics.js';
import { decodeMetrics } from '../src/otlp/wireMetrics.js';
import { openBody } from '../src/record/body.js';
import type { LeafDraft } from '../src/record/draft.js';
import { inTenant } from '../src/store/database.js';
import { buildHouse, type House } from './facadeHouse.js';
import { METRIC_CAPTURES } from './otlpCaptures.js';
import { oracleMetricBytes } from './otlpMetricOracle.js';

let house: House;
let tenant: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
});
afterAll(() => house.close());

const attributesOf = (values: Readonly<Record<string, string | number>>) =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: value },
  }));
const IDENTITY = {
  'service.name': 'shop',
  'service.instance.id': 'i-1',
  'host.id': 'h-1',
  'host.name': 'adas-laptop',
  'process.pid': 4711,
  'container.id': 'c-1',
  'k8s.pod.uid': 'p-1',
  'deployment.environment.name': 'production',
};

/** A request of gauges, each with its points. */
function gauges(
  metrics: readonly { readonly name: string; readonly dataPoints: readonly object[] }[],
  resource: Readonly<Record<string, string | number>> = IDENTITY,
): Uint8Array {
  const scopeMetrics = [{ metrics: metrics.map(({ name, dataPoints }) => ({ name, gauge: { dataPoints } })) }];
  return oracleMetricBytes('ExportMetricsServiceRequest', {
    resourceMetrics: [{ resource: { attributes: attributesOf(resource) }, scopeMetrics }],
  });
}

const AT = '1764032000123456789';
const send = (body: Uint8Array, by?: Parameters<House['ingestMetrics']>[2]) =>
  house.ingestMetrics(tenant, { encoding: 'protobuf', body }, by);
const telemetryOf = (drafts: readonly LeafDraft[]) => drafts.filter(({ kind }) => kind === 'TELEMETRY');

async function bodyOf(draft: LeafDraft): Promise<Uint8Array> {
  const leaf = decodeLeaf(draft.leaf);
  const key = (await house.read.dataKeys.open(tenant, [draft.dk ?? ''])).get(draft.dk ?? '');
  const committed = leaf.c?.body;
  if (key === undefined || committed === undefined || draft.body === null) throw new Error('no body');
  const address = { origin: leaf.log, eventKey: draft.eventKey, path: 'body' };
  const opened = openBody(key, address, { body: draft.body, ...committed });
  if (opened.kind !== 'open') throw new Error(opened.check);
  return opened.value;
}

const rows = (of = tenant) =>
  house.database.admin<Record<string, unknown>>(
    `select r.*, r.process_pid::int as process_pid, r.occurred_at::text as occurred_at, r.first_at::text as first_at
       from sworn.telemetry_batches r where tenant_id = $1 order by log, leaf_index`,
    [of],
  );

async function sound(): Promise<void> {
  await house.sign(tenant);
  expect((await house.check(tenant)).findings).toEqual([]);
}

describe('what real clients measure', () => {
  it.each(METRIC_CAPTURES.map((capture, n) => [`${n} ${capture.client} (${capture.encoding})`, capture] as const))(
    '%s becomes a record of telemetry whose body is what was sent, and no more is in its leaf than who, what and when',
    async (_, capture) => {
      const { drafts, appended } = await house.ingestMetrics(tenant, capture);
      expect(appended.every(({ outcome }) => outcome === 'stored')).toBe(true);
      const [draft, ...others] = telemetryOf(drafts);
      expect([draft?.topic, others]).toEqual(['system', []]);
      if (draft === undefined) return;
      const { fields, by } = decodeLeaf(draft.leaf);
      expect(by).toBe('producer');
      expect(fields).toMatchObject({ instance: expect.any(String), host_id: expect.any(String) });
      expect([fields.trimmed, fields.redacted]).toEqual([undefined, undefined]);
      expect(Buffer.from(draft.leaf).toString()).not.toContain('"vm"');
      if (capture.encoding === 'protobuf') {
        const [sent] = decodeMetrics(capture.body).batches;
        expect(Buffer.from(await bodyOf(draft)).equals(Buffer.from(sent?.bytes ?? []))).toBe(true);
      }
      expect(await rows()).toMatchObject([{ instance: fields.instance, points: fields.points }]);
      await sound();
    },
  );
});

describe('a record of telemetry', () => {
  it('names its resource by every identity that a run may be joined by, the name of the machine as a token', async () => {
    const earlier = String(BigInt(AT) - 5_000_000_000n);
    const { drafts } = await send(
      gauges([
        { name: 'system.cpu.utilization', dataPoints: [{ timeUnixNano: AT, asDouble: 0.5 }] },
        { name: 'free text!', dataPoints: [{ timeUnixNano: earlier, asInt: '7' }] },
      ]),
    );
    const [draft] = telemetryOf(drafts);
    const leaf = decodeLeaf(draft?.leaf ?? new Uint8Array());
    expect(leaf.occurredAt).toBe('2025-11-25T00:53:20.123456Z');
    expect(leaf.fields).toMatchObject({
      metrics: 2,
      points: 2,
      first_at: '2025-11-25T00:53:15.123456Z',
      metric_names: ['system.cpu.utilization'],
      metric_names_more: 1,
      service: 'shop',
      environment: 'production',
      instance: 'i-1',
      host_id: 'h-1',
      host_name: await house.read.tokenOf(tenant, 'adas-laptop'),
      process_pid: 4711,
      container_id: 'c-1',
      pod_uid: 'p-1',
    });
    const resource = drafts.find(({ kind }) => kind === 'RESOURCE');
    expect(resource).toBeDefined();
    const [stored] = await house.database.admin<{ hash: Buffer }>(
      `select leaf_hash as hash from sworn.resources where tenant_id = $1`,
      [tenant],
    );
    expect(leaf.fields.resource).toBe(stored?.hash.toString('hex'));
    expect(await rows()).toMatchObject([
      { service: 'shop', instance: 'i-1', host_id: 'h-1', process_pid: 4711, container_id: 'c-1', pod_uid: 'p-1' },
    ]);
    await sound();
  });

  it('without times says when it came in, and without identity nothing of one', async () => {
    const { drafts } = await send(gauges([{ name: 'x', dataPoints: [{ asInt: '1' }] }], { 'host.id': 'a@b.example' }));
    const { fields } = decodeLeaf(telemetryOf(drafts)[0]?.leaf ?? new Uint8Array());
    expect([fields.occurred_basis, fields.first_at, fields.host_id]).toEqual(['received', undefined, undefined]);
    await sound();
  });

  it('of a service that the key is not bound to is kept and marked', async () => {
    const body = gauges([{ name: 'x', dataPoints: [{ asInt: '1' }] }]);
    const { drafts } = await send(body, { services: ['other'] });
    expect(decodeLeaf(telemetryOf(drafts)[0]?.leaf ?? new Uint8Array()).fields.foreign).toBe(true);
  });

  it('that comes again is a duplicate; one that stands twice in a request is stored twice', async () => {
    const one = gauges([{ name: 'x', dataPoints: [{ timeUnixNano: AT, asInt: '1' }] }]);
    const twice = Buffer.concat([one, one]);
    const outcomes = async () => (await send(twice)).appended.map(({ outcome }) => outcome);
    expect(await outcomes()).toEqual(['stored', 'stored', 'stored']);
    expect(await outcomes()).toEqual(['duplicate', 'duplicate', 'duplicate']);
    expect(await rows()).toHaveLength(2);
  });

  it('too large for one is several, each with its resource, and none of its points is lost', async () => {
    const dataPoints = Array.from({ length: 1_700 }, (_, n) => ({
      timeUnixNano: String(BigInt(AT) + BigInt(n)),
      asInt: String(n),
      attributes: attributesOf({ series: `s-${n}` }),
    }));
    const { drafts } = await send(gauges([{ name: 'wide', dataPoints }]));
    const records = telemetryOf(drafts);
    expect(records.length).toBeGreaterThan(3);
    const values: (number | null)[] = [];
    for (const draft of records)
      readMetrics(await bodyOf(draft), (metric) => metric.eachPoint(({ value }) => values.push(value)));
    expect(values).toEqual(dataPoints.map((_, n) => n));
    await sound();
  });

  it('loses secrets in attributes, names and exemplars before it is stored, and nothing else', async () => {
    const secret = ['sk', '-proj-', 'aB3dE5gH7jK9mN1pQ2aB3dE5gH7jK9mN1pQ2aB3dE5gH7jK9'].join('');
    const dataPoints = [
      { timeUnixNano: AT, asInt: '1', attributes: attributesOf({ note: secret }) },
      { timeUnixNano: AT, asInt: '2', exemplars: [{ asInt: '3', filteredAttributes: attributesOf({ note: secret }) }] },
    ];
    const { drafts } = await send(
      gauges([
        { name: 'x', dataPoints },
        { name: secret, dataPoints: [{ timeUnixNano: AT, asInt: '3' }] },
      ]),
    );
    const [draft] = telemetryOf(drafts);
    if (draft === undefined) throw new Error('nothing was prepared');
    const body = await bodyOf(draft);
    for (const bytes of [draft.leaf, body])
      expect(Buffer.from(bytes).toString('latin1')).not.toContain(secret.slice(-12));
    expect(decodeLeaf(draft.leaf).fields.redacted).toHaveLength(3);
    const values: (number | null)[] = [];
    readMetrics(body, (metric) => metric.eachPoint(({ value }) => values.push(value)));
    expect(values).toEqual([1, 2, 3]);
    await sound();
  });

  it('keeps every point of five hundred of which each names somebody', async () => {
    const dataPoints = Array.from({ length: 500 }, (_, n) => ({
      timeUnixNano: AT,
      asInt: String(n),
      attributes: attributesOf({ password: `hunter${n}-of-the-${n}` }),
    }));
    const { drafts } = await send(gauges([{ name: 'x', dataPoints }]));
    const bodies = await Promise.all(telemetryOf(drafts).map(bodyOf));
    let points = 0;
    for (const body of bodies) {
      readMetrics(body, (metric) => metric.eachPoint(() => (points += 1)));
      expect(Buffer.from(body).toString('latin1')).not.toContain('hunter');
    }
    expect(points).toBe(500);
  });
});

describe('rows of telemetry', () => {
  it('are held apart by tenant', async () => {
    await send(gauges([{ name: 'x', dataPoints: [{ asInt: '1' }] }]));
    const theirs = await house.tenants.create({ name: 'theirs' });
    const seen = (of: string) =>
      inTenant(house.database.db, 'reader', of, async (tx) => {
        const { rows: found } = await tx.client.query('select tenant_id from sworn.telemetry_batches');
        return found.length;
      });
    expect([await seen(tenant), await seen(theirs)]).toEqual([1, 0]);
  });

  it.each([
    [
      'whose they are',
      `update sworn.telemetry_batches set instance = 'i-2' where tenant_id = $1`,
      'PROJECTION_MISMATCH',
    ],
    ['when', `update sworn.telemetry_batches set occurred_at = now() where tenant_id = $1`, 'PROJECTION_MISMATCH'],
    ['a row gone', `delete from sworn.telemetry_batches where tenant_id = $1`, 'PROJECTION_MISSING'],
    ['a row beside a resource', `update sworn.telemetry_batches set leaf_index = 0 where tenant_id = $1`, 'STRAY_ROW'],
    [
      'a row too many',
      `insert into sworn.telemetry_batches (tenant_id, log, leaf_index, metrics, points, occurred_at) values ($1, 'system', 9, 1, 1, now())`,
      'BEYOND_HEAD',
    ],
  ])('that were changed are found by fsck: %s', async (_, attack, code) => {
    await send(gauges([{ name: 'x', dataPoints: [{ timeUnixNano: AT, asInt: '1' }] }]));
    await house.sign(tenant);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(attack, [tenant]);
    await house.database.admin('set session_replication_role = origin');
    const { findings } = await house.check(tenant);
    expect(findings.map((finding) => finding.code)).toContain(code);
  });
});
