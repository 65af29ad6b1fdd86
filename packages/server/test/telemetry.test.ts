import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { BASE, newSpan, newTrace, otlp } from './facadeSpans.js';
import { METRIC_CAPTURES } from './otlpCaptures.js';

const SYSTEM = '/api/v1/logs/system';
let house: House;
let tenant: string;
let key: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

type Attributes = Readonly<Record<string, string | number>>;
const attributesOf = (values: Attributes) =>
  Object.entries(values).map(([name, value]) => ({
    key: name,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: value },
  }));
/** Seconds after the run's start. The run lasts 100 s. */
const at = (seconds: number) => String(BASE + BigInt(Math.round(seconds * 1_000)) * 1_000_000n);
const RESOURCE = { 'service.name': 'shop', 'service.instance.id': 'i-1', 'host.id': 'h-1', 'host.name': 'vm' };

async function run(resource: Readonly<Record<string, string>> = RESOURCE): Promise<string> {
  const traceId = newTrace();
  const attributes = { 'gen_ai.operation.name': 'invoke_agent' };
  await house.ingest(tenant, otlp([{ traceId, spanId: newSpan(), start: 0, end: 100_000, attributes }], resource));
  await house.seal(tenant);
  return traceId;
}

const measure = (metrics: readonly object[], resource: Attributes = RESOURCE) =>
  house.ingestMetrics(tenant, {
    encoding: 'json',
    body: Buffer.from(
      JSON.stringify({
        resourceMetrics: [
          { resource: { attributes: attributesOf(resource) }, scopeMetrics: [{ scope: { name: 's' }, metrics }] },
        ],
      }),
    ),
  });
const gauge = (name: string, points: readonly (readonly [number, number])[], attributes: Attributes = {}) => ({
  name,
  gauge: {
    dataPoints: points.map(([seconds, asDouble]) => ({
      timeUnixNano: at(seconds),
      asDouble,
      attributes: attributesOf(attributes),
    })),
  },
});

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
async function telemetryOf(id: string, query = ''): Promise<any> {
  await house.sign(tenant);
  const got = await get(house, `${SYSTEM}/${id}/telemetry${query}`, key);
  expect(got.status, got.text).toBe(200);
  return got.json;
}

describe('a run without metrics', () => {
  it('says that none were collected, and what there is', async () => {
    const id = await run();
    expect(await telemetryOf(id)).toMatchObject({
      run_id: id,
      status: 'telemetry_not_collected',
      reason: 'no metrics were sent for this time',
      join_rule: null,
      series: [],
      available_data: { resource: 'recorded', records: 0, services: [] },
    });
  });

  it('says that those of another time are not of it, and those of others neither', async () => {
    const id = await run();
    await measure([gauge('queue', [[-5_000, 1]])]);
    expect((await telemetryOf(id)).status).toBe('telemetry_not_collected');
    await measure([gauge('queue', [[50, 1]])], { 'service.name': 'billing', 'service.instance.id': 'b-1' });
    expect(await telemetryOf(id)).toMatchObject({
      status: 'collected_unattributed',
      reason: expect.stringContaining('nothing in their resources ties them to this run'),
      series: [],
      available_data: { records: 1, services: ['billing'] },
    });
  });

  it('of another tenant is nothing that one could ask about', async () => {
    const id = await run();
    const theirs = await house.tenants.create({ name: 'theirs' });
    const other = (await house.keys.issue({ tenantId: theirs, role: 'reader' })).key;
    for (const path of ['telemetry', 'snapshot'])
      expect((await get(house, `${SYSTEM}/${id}/${path}`, other)).status).toBe(404);
  });
});

describe('metrics of a run', () => {
  it.each([
    ['service.instance.id', { 'service.instance.id': 'i-1' }, { 'service.instance.id': 'i-1' }],
    ['container.id', { 'container.id': 'c-1' }, { 'container.id': 'c-1' }],
    ['k8s.pod.uid', { 'k8s.pod.uid': 'p-1' }, { 'k8s.pod.uid': 'p-1' }],
    ['host.id', { 'host.id': 'h-1' }, { 'host.id': 'h-1', 'service.instance.id': 'collector' }],
    ['host.name', { 'host.name': 'vm' }, { 'host.name': 'vm' }],
    ['service.name', {}, {}],
  ] as const)('are joined by %s, which is said', async (rule, ofRun, ofMetrics) => {
    const id = await run({ 'service.name': 'shop', ...ofRun });
    await measure([gauge('system.cpu.utilization', [[50, 0.5]])], { 'service.name': 'shop', ...ofMetrics });
    const json = await telemetryOf(id);
    expect(json).toMatchObject({
      status: rule === 'service.name' ? 'collected_unattributed' : 'collected',
      join_rule: rule,
      window: { nearest_only: false, complete: true },
      series: [{ metric: 'system.cpu.utilization', joined_by: rule, points: [{ value: 0.5, placement: 'DURING' }] }],
    });
    expect(json.metadata).toMatchObject({ run_id: id, immutable: true, source_domain: 'SYSTEM' });
  });

  it('are joined by process and host, and of a neighbour on the host only what is of the host', async () => {
    const ofRun = otlp([{ traceId: newTrace(), spanId: newSpan(), start: 0, end: 100_000 }], {
      'service.name': 'shop',
      'host.id': 'h-1',
    });
    const request = JSON.parse(Buffer.from(ofRun.body).toString());
    request.resourceSpans[0].resource.attributes.push({ key: 'process.pid', value: { intValue: 7 } });
    const [id = ''] = await house.ingest(tenant, { encoding: 'json', body: Buffer.from(JSON.stringify(request)) });
    await house.seal(tenant);
    await measure([gauge('process.memory.usage', [[50, 1]])], { 'host.id': 'h-1', 'process.pid': 7 });
    await measure([gauge('process.memory.usage', [[50, 2]]), gauge('system.memory.usage', [[50, 3]])], {
      'host.id': 'h-1',
      'process.pid': 8,
    });
    const { join_rule, series } = await telemetryOf(id);
    expect(join_rule).toBe('process.pid+host.id');
    expect(
      series.map((of: { metric: string; joined_by: string; max: number }) => [of.metric, of.joined_by, of.max]),
    ).toEqual([
      ['process.memory.usage', 'process.pid+host.id', 1],
      ['system.memory.usage', 'host.id', 3],
    ]);
  });

  it('are one series however they are spelled, under the name of semantic conventions', async () => {
    const id = await run();
    const spelled = [
      gauge('system.network.dropped', [[10, 1]], { device: 'eth0', direction: 'receive' }),
      gauge('system.network.packet.dropped', [[20, 2]], { 'system.device': 'eth0', 'network.io.direction': 'receive' }),
    ];
    await measure([...spelled, gauge('system.memory.usage', [[10, 7]], { state: 'used' })]);
    const { series } = await telemetryOf(id);
    const said = series.map((of: { metric: string; unit: string; attributes: unknown }) => [
      of.metric,
      of.unit,
      of.attributes,
    ]);
    const drops = [
      'system.network.packet.dropped',
      '{packet}',
      [
        { name: 'network.interface.name', value: 'eth0' },
        { name: 'network.io.direction', value: 'receive' },
      ],
    ];
    expect(said).toEqual([
      ['system.memory.usage', 'By', [{ name: 'system.memory.state', value: 'used' }]],
      drops,
      drops,
    ]);
    expect(series.map((of: { native_metric: string }) => of.native_metric)).toContain('system.network.dropped');
  });

  it('that only grow have rates, over resets too, and points without a value break them', async () => {
    const id = await run();
    const point = (seconds: number, value: number, start: number, flags = 0) => ({
      startTimeUnixNano: at(start),
      timeUnixNano: at(seconds),
      asInt: String(value),
      flags,
    });
    const dataPoints = [
      point(0, 100, -500),
      point(20, 140, -500),
      // Began anew at 25 s, which a higher value alone would not show.
      point(30, 200, 25),
      point(40, 0, 25, 1),
      point(50, 300, 25),
      // And here by its value alone.
      point(60, 10, 0),
    ];
    await measure([{ name: 'requests', sum: { dataPoints, aggregationTemporality: 2, isMonotonic: true } }]);
    const [series] = (await telemetryOf(id)).series;
    expect(series).toMatchObject({ statistics_of: 'rate', resets: 2, total: 250, count: 5, max: 40, min: 1 });
    expect(series.points.map((of: { value: number; rate: number }) => [of.value, of.rate])).toEqual([
      [100, null],
      [140, 2],
      [200, 40],
      [null, null],
      [300, null],
      [10, 1],
    ]);
  });

  it('as deltas add up', async () => {
    const id = await run();
    const dataPoints = [10, 20, 30].map((seconds) => ({ timeUnixNano: at(seconds), asInt: String(seconds) }));
    await measure([{ name: 'requests', sum: { dataPoints, aggregationTemporality: 1, isMonotonic: true } }]);
    expect((await telemetryOf(id)).series).toMatchObject([
      { temporality: 'DELTA', statistics_of: 'value', total: 60, mean: 20, min: 10, max: 30, p50: 20, p99: 30 },
    ]);
  });

  it('as cumulative histograms are what came during the run, with percentiles that are called estimates', async () => {
    const id = await run();
    const point = (seconds: number, bucketCounts: readonly number[], sum: number) => ({
      startTimeUnixNano: at(-500),
      timeUnixNano: at(seconds),
      count: String(bucketCounts.reduce((a, b) => a + b, 0)),
      sum,
      bucketCounts: bucketCounts.map(String),
      explicitBounds: [1, 2, 4],
      exemplars: seconds === 90 ? [{ timeUnixNano: at(80), asDouble: 1.5, traceId: id, spanId: 'ab'.repeat(8) }] : [],
    });
    const dataPoints = [point(-10, [50, 0, 0, 0], 20), point(40, [50, 6, 0, 0], 29), point(90, [50, 9, 1, 0], 38)];
    await measure([{ name: 'latency', unit: 's', histogram: { dataPoints, aggregationTemporality: 2 } }]);
    const [series] = (await telemetryOf(id)).series;
    expect(series).toMatchObject({
      statistics_of: 'distribution',
      percentiles: 'ESTIMATED_FROM_BUCKETS',
      count: 10,
      total: 18,
      mean: 1.8,
      since: '2026-11-19T23:59:50.000000Z',
      points: [{ placement: 'BEFORE' }, { placement: 'DURING' }, { placement: 'DURING' }],
      exemplars: [{ trace_id: id, of_run: true, value: 1.5 }],
    });
    expect(series.p50).toBeCloseTo(1 + 5 / 9);
    expect(series.p99).toBeCloseTo(3.8);
  });

  it('of exponential histograms and summaries say what they can', async () => {
    const id = await run();
    await measure([
      {
        name: 'wide',
        exponentialHistogram: {
          aggregationTemporality: 1,
          dataPoints: [
            { timeUnixNano: at(10), count: '4', sum: 12, scale: 0, positive: { offset: 1, bucketCounts: ['4'] } },
          ],
        },
      },
      {
        name: 'sent',
        summary: {
          dataPoints: [
            {
              timeUnixNano: at(10),
              count: '2',
              sum: 3,
              quantileValues: [
                { quantile: 0.5, value: 1 },
                { quantile: 1, value: 2 },
              ],
            },
          ],
        },
      },
    ]);
    expect((await telemetryOf(id)).series).toMatchObject([
      { metric: 'sent', percentiles: 'AS_SENT', p50: 1, p95: null, max: 2, mean: 1.5 },
      { metric: 'wide', percentiles: 'ESTIMATED_FROM_BUCKETS', p50: 3, mean: 3, count: 4 },
    ]);
  });

  it('of a run between two exports are those before and after it, which is said', async () => {
    const id = await run();
    await measure([gauge('queue', [[-300, 1]])]);
    await measure([gauge('queue', [[400, 2]])]);
    expect(await telemetryOf(id)).toMatchObject({
      status: 'collected',
      reason: 'no point lies in the run: those before and after it are shown',
      window: { nearest_only: true },
      series: [
        {
          points: [
            { placement: 'BEFORE', value: 1 },
            { placement: 'AFTER', value: 2 },
          ],
        },
      ],
    });
  });

  it('sent with a key that is bound to other services are part of nothing', async () => {
    const id = await run();
    const request = {
      resourceMetrics: [
        {
          resource: { attributes: attributesOf({ ...RESOURCE, 'team.color': 'red' }) },
          scopeMetrics: [{ metrics: [gauge('queue', [[50, 1]])] }],
        },
      ],
    };
    const sent = { encoding: 'json', body: Buffer.from(JSON.stringify(request)) } as const;
    await house.ingestMetrics(tenant, sent, { services: ['billing'] });
    expect((await telemetryOf(id)).series).toEqual([]);
  });

  it('are paged at one pin: what comes meanwhile is not part of it', async () => {
    const id = await run();
    await measure(['a', 'b', 'c'].map((name) => gauge(name, [[50, 1]])));
    const first = await telemetryOf(id, '?limit=2');
    await measure([gauge('aa', [[50, 1]])]);
    const second = await telemetryOf(id, `?limit=2&cursor=${first.next_cursor}`);
    const names = [...first.series, ...second.series].map((of: { metric: string }) => of.metric);
    expect([names, first.has_more, second.has_more]).toEqual([['a', 'b', 'c'], true, false]);
    expect(second.metadata.checksum).toBe(first.metadata.checksum);
    expect((await telemetryOf(id)).series).toHaveLength(4);
  });

  it.each([
    ['a row', `update sworn.telemetry_batches set points = 9 where tenant_id = $1`],
    ['a body', `update sworn.leaf set body = set_byte(body, 40, 1) where tenant_id = $1 and kind = 'TELEMETRY'`],
    ['a leaf', `update sworn.leaf set leaf = set_byte(leaf, 40, 1) where tenant_id = $1 and kind = 'TELEMETRY'`],
  ])('of which somebody changed %s say so in their place', async (_, attack) => {
    const id = await run();
    await measure([gauge('queue', [[50, 1]])]);
    await house.sign(tenant);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(attack, [tenant]);
    await house.database.admin('set session_replication_role = origin');
    const json = await telemetryOf(id);
    expect(json.series).toMatchObject([{ compromised: true, finding: { log: 'system' } }]);
    expect(json.metadata.immutable).toBe(false);
  });

  it('as a real client sends them are tied to a run of its process', async () => {
    const [, , capture] = METRIC_CAPTURES.filter(({ client }) => client === 'hostmetrics-node-json');
    const { resourceMetrics } = JSON.parse(Buffer.from(capture?.body ?? '').toString());
    const sent = resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].timeUnixNano;
    for (const { body, encoding } of METRIC_CAPTURES) await house.ingestMetrics(tenant, { body, encoding });
    const traceId = newTrace();
    const spans = {
      traceId,
      spanId: newSpan(),
      name: 'chat',
      kind: 1,
      startTimeUnixNano: String(BigInt(sent) - 2_000_000_000n),
      endTimeUnixNano: sent,
    };
    const resourceSpans = [
      { resource: resourceMetrics[0].resource, scopeSpans: [{ scope: { name: 't' }, spans: [spans] }] },
    ];
    await house.ingest(tenant, { encoding: 'json', body: Buffer.from(JSON.stringify({ resourceSpans })) });
    await house.seal(tenant);
    const json = await telemetryOf(traceId);
    expect(json).toMatchObject({ status: 'collected', join_rule: 'service.instance.id' });
    const of = (metric: string) => json.series.filter((series: { metric: string }) => series.metric === metric);
    expect(of('system.cpu.utilization').length).toBeGreaterThan(0);
    const cpu = of('system.cpu.time').find((series: { total: number }) => series.total > 0);
    expect(cpu).toMatchObject({ statistics_of: 'rate', unit: 's', temporality: 'CUMULATIVE' });
  });
});

describe('utilisation that nobody sent', () => {
  type Point = readonly [seconds: number, value: number, start?: number];
  /** Seconds of CPU, as a sum that only grows. `temporality`: 1 deltas, 2 cumulative. */
  const cpuTime = (
    name: string,
    parts: readonly { readonly attributes: Attributes; readonly points: readonly Point[] }[],
    temporality = 2,
  ) => ({
    name,
    unit: 's',
    sum: {
      aggregationTemporality: temporality,
      isMonotonic: true,
      dataPoints: parts.flatMap(({ attributes, points }) =>
        points.map(([seconds, asDouble, start = -500]) => ({
          startTimeUnixNano: at(start),
          timeUnixNano: at(seconds),
          asDouble,
          attributes: attributesOf(attributes),
        })),
      ),
    },
  });
  const derivedOf = async (id: string, metric: string) =>
    (await telemetryOf(id)).series.filter((of: { metric: string; derived: unknown }) => of.metric === metric);
  const valuesOf = (series: { points: readonly { value: number | null }[] }) =>
    series.points.map(({ value }) => (value === null ? null : Number(value.toFixed(6))));

  it('is what the real client itself would have sent, of its machine and its process', async () => {
    const captures = METRIC_CAPTURES.filter(({ client }) => client === 'hostmetrics-node-json');
    const resource = { ...RESOURCE, 'service.instance.id': 'real' };
    const said = { 'system.cpu.utilization': [] as number[], 'process.cpu.utilization': [] as number[] };
    let lastNs = 0n;
    for (const { body } of captures) {
      const request = JSON.parse(Buffer.from(body).toString());
      const [{ scopeMetrics }] = request.resourceMetrics;
      request.resourceMetrics[0].resource = { attributes: attributesOf(resource) };
      for (const of of scopeMetrics)
        of.metrics = of.metrics.filter((metric: { name: keyof typeof said; gauge?: { dataPoints: unknown[] } }) => {
          if (!(metric.name in said)) return true;
          type Sent = { asDouble: number; timeUnixNano: string; attributes: readonly { value: object }[] };
          const points = metric.gauge?.dataPoints as readonly Sent[];
          lastNs = BigInt(points[0]?.timeUnixNano ?? 0);
          const busy = points.filter(({ attributes }) => !JSON.stringify(attributes).includes('idle'));
          const cpus = metric.name === 'system.cpu.utilization' ? points.length / 5 : 1;
          said[metric.name].push(busy.reduce((sum, { asDouble }) => sum + asDouble, 0) / cpus);
          return false;
        });
      await house.ingestMetrics(tenant, { encoding: 'json', body: Buffer.from(JSON.stringify(request)) });
    }
    const traceId = newTrace();
    const spans = [
      {
        traceId,
        spanId: newSpan(),
        name: 'chat',
        kind: 1,
        startTimeUnixNano: String(lastNs - 3_000_000_000n),
        endTimeUnixNano: String(lastNs),
      },
    ];
    const resourceSpans = [
      { resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: { name: 't' }, spans }] },
    ];
    await house.ingest(tenant, { encoding: 'json', body: Buffer.from(JSON.stringify({ resourceSpans })) });
    await house.seal(tenant);
    for (const [metric, values] of Object.entries(said)) {
      const [series, ...others] = await derivedOf(traceId, metric);
      expect(others).toEqual([]);
      expect(series).toMatchObject({
        native_metric: metric.replace('utilization', 'time'),
        kind: 'gauge',
        unit: '1',
        attributes: [],
        joined_by: 'service.instance.id',
        derived: { of: metric.replace('utilization', 'time'), by: 'ELAPSED_TIME', cpus: 2 },
      });
      // The first that it sent is of the time before its first export, of which nothing is recorded.
      expect(series.points).toHaveLength(values.length - 1);
      for (const [n, { value }] of series.points.entries()) expect(value).toBeCloseTo(values[n + 1] ?? -1, 3);
    }
  });

  it('is of all CPUs and all modes but the idle ones, and has no value over a reset or where a part is missing', async () => {
    const id = await run();
    const part = (cpu: string, mode: string, points: readonly Point[]) => ({
      attributes: { 'cpu.logical_number': cpu, 'cpu.mode': mode },
      points,
    });
    await measure([
      cpuTime('system.cpu.time', [
        part('0', 'user', [
          [0, 100],
          [10, 104],
          [20, 112],
          [30, 3, 20],
          [40, 4, 20],
          [50, 5, 20],
        ]),
        part('0', 'iowait', [
          [0, 900],
          [10, 902],
          [20, 902],
          [30, 903],
          [40, 904],
          [50, 905],
        ]),
        part('1', 'user', [
          [0, 100],
          [10, 101],
          [20, 103],
          [30, 104],
          [40, 105],
        ]),
        part('1', 'idle', [
          [0, 900],
          [10, 909],
          [20, 917],
          [30, 920],
          [40, 929],
          [50, 930],
        ]),
      ]),
    ]);
    const [series] = await derivedOf(id, 'system.cpu.utilization');
    expect(valuesOf(series)).toEqual([0.25, 0.5, null, 0.1, null]);
    expect(series).toMatchObject({ statistics_of: 'value', count: 3, max: 0.5, derived: { cpus: 2 } });
  });

  it('of CPUs that are not numbered is a share of the time in all modes, and of none that is idle nobody can tell', async () => {
    const id = await run();
    const modes = (idle: string, also: Attributes = {}) => [
      {
        attributes: { state: 'user', ...also },
        points: [
          [0, 10],
          [10, 20],
        ] as const,
      },
      {
        attributes: { state: idle, ...also },
        points: [
          [0, 10],
          [10, 40],
        ] as const,
      },
    ];
    await measure([cpuTime('system.cpu.time', modes('idle'))]);
    await measure([cpuTime('system.cpu.time', modes('system'))], { ...RESOURCE, 'service.name': 'no-idle' });
    await measure([cpuTime('process.cpu.time', modes('system'))], { ...RESOURCE, 'service.name': 'no-count' });
    expect(await derivedOf(id, 'system.cpu.utilization')).toMatchObject([
      { source: { service: 'shop' }, derived: { by: 'TIME_OF_ALL_MODES', cpus: null }, points: [{ value: 0.25 }] },
    ]);
    expect(await derivedOf(id, 'process.cpu.utilization')).toMatchObject([]);
  });

  it('of a process counts the CPUs of its host, whoever measured them, and deltas by the time they are of', async () => {
    const id = await run();
    const cpus = ['0', '1', '2', '3'].flatMap((cpu) =>
      ['user', 'idle'].map((mode) => ({ attributes: { state: mode, cpu }, points: [[0, 1, -60]] as const })),
    );
    await measure([cpuTime('system.cpu.time', cpus)], { 'host.id': 'h-1' });
    const deltas = [
      {
        attributes: { state: 'user' },
        points: [
          [10, 4, 0],
          [20, 8, 10],
        ] as const,
      },
      {
        attributes: { state: 'system' },
        points: [
          [10, 2, 0],
          [20, 2, 10],
        ] as const,
      },
    ];
    await measure([cpuTime('process.cpu.time', deltas, 1)]);
    const [series] = await derivedOf(id, 'process.cpu.utilization');
    expect(valuesOf(series)).toEqual([0.15, 0.25]);
    expect(series).toMatchObject({ derived: { of: 'process.cpu.time', by: 'ELAPSED_TIME', cpus: 4 } });
  });

  it('is not made where it was sent', async () => {
    const id = await run();
    const parts = [
      {
        attributes: { cpu: '0', state: 'user' },
        points: [
          [0, 1],
          [10, 2],
        ] as const,
      },
    ];
    await measure([cpuTime('system.cpu.time', parts), gauge('system.cpu.utilization', [[5, 0.7]], { state: 'user' })]);
    expect(await derivedOf(id, 'system.cpu.utilization')).toMatchObject([{ derived: null, points: [{ value: 0.7 }] }]);
  });
});

describe('the snapshot of a run', () => {
  const snapshotOf = async (id: string) => {
    await house.sign(tenant);
    const got = await get(house, `${SYSTEM}/${id}/snapshot`, key);
    expect(got.status, got.text).toBe(200);
    return got.json;
  };

  it('is the record of its own resource, in groups, with its proof', async () => {
    const id = await run({
      ...RESOURCE,
      'os.type': 'linux',
      'process.owner': 'ada',
      'telemetry.sdk.name': 'opentelemetry',
      'team.color': 'blue',
    });
    const json = await snapshotOf(id);
    expect(json).toMatchObject({
      run_id: id,
      status: 'recorded',
      resource: {
        service: [
          { name: 'service.instance.id', value: 'i-1' },
          { name: 'service.name', value: 'shop' },
        ],
        host: [
          { name: 'host.id', value: 'h-1' },
          { name: 'host.name', value: 'vm' },
        ],
        os: [{ name: 'os.type', value: 'linux' }],
        process: [{ name: 'process.owner', value: null }],
        sdk: [{ name: 'telemetry.sdk.name', value: 'opentelemetry' }],
        other: [{ name: 'team.color', value: 'blue' }],
        k8s: [],
      },
      last_change: null,
      proof: { index: json.leaf_index },
      metadata: { run_id: id, immutable: true, checksum: json.checksum },
    });
    const envelope = await get(house, `/api/v1/logs/llm-runs/${id}/envelope`, key);
    expect(envelope.json.environment_fingerprint).toBe(json.checksum);
    const again = await snapshotOf(
      await run({
        ...RESOURCE,
        'os.type': 'linux',
        'process.owner': 'ada',
        'telemetry.sdk.name': 'opentelemetry',
        'team.color': 'blue',
      }),
    );
    expect(again.fingerprint).toBe(json.fingerprint);
    expect((await snapshotOf(await run({ ...RESOURCE, 'os.type': 'plan9' }))).fingerprint).not.toBe(json.fingerprint);
  });

  it('names the last start, deployment or change of its instance before it', async () => {
    const changed = (event: string, seconds: number, instance: string) => ({
      resource: { attributes: attributesOf({ ...RESOURCE, 'service.instance.id': instance }) },
      scopeLogs: [{ logRecords: [{ timeUnixNano: at(seconds), eventName: event }] }],
    });
    const resourceLogs = [
      changed('sworn.system.startup', -100, 'i-1'),
      changed('sworn.system.deploy', -50, 'i-1'),
      changed('sworn.system.oom', -20, 'i-1'),
      changed('sworn.system.deploy', 50, 'i-1'),
      changed('sworn.system.deploy', -10, 'i-2'),
    ];
    await house.ingestLogs(tenant, { encoding: 'json', body: Buffer.from(JSON.stringify({ resourceLogs })) });
    expect((await snapshotOf(await run())).last_change).toMatchObject({
      event_type: 'DEPLOY',
      occurred_at: '2026-11-19T23:59:10.000000Z',
    });
  });

  it('says when its record is gone, or was changed', async () => {
    const id = await run();
    await house.sign(tenant);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(`update sworn.resources set service = 'x' where tenant_id = $1`, [tenant]);
    expect((await get(house, `${SYSTEM}/${id}/snapshot`, key)).json.code).toBe('evidence_compromised');
    await house.database.admin(`delete from sworn.resources where tenant_id = $1`, [tenant]);
    await house.database.admin('set session_replication_role = origin');
    for (const path of ['snapshot', 'telemetry'])
      expect((await get(house, `${SYSTEM}/${id}/${path}`, key)).json.code).toBe('evidence_compromised');
  });
});
