import { encodeLeaf, type JsonValue } from '@sworn/evidence';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { createRunMetrics } from '../src/runMetrics.js';

let registry: Registry;
let metrics: ReturnType<typeof createRunMetrics>;
beforeEach(() => {
  registry = new Registry();
  metrics = createRunMetrics(registry);
});

/** A leaf that says this of a run. */
function leaf(fields: Readonly<Record<string, JsonValue>>): Uint8Array {
  return encodeLeaf({
    t: 'sworn.leaf/1',
    log: 'acme/00000000-0000-4000-8000-000000000001/llm-runs',
    kind: 'RUN',
    by: 'sworn',
    event_key: '00'.repeat(32),
    occurred_at: '2026-11-20T00:00:00.000000Z',
    recorded_at: '2026-11-20T00:00:01.000000Z',
    r: '00'.repeat(16),
    ...fields,
  });
}

const run = (execution_status: string, cost_source = 'UNKNOWN', cost_nano_usd: number | null = null) =>
  leaf({ execution_status, cost_source, ...(cost_nano_usd === null ? {} : { cost_nano_usd }) });
const OPENED = leaf({ run_id: 'a', is_synthetic: false });

async function counted(name: string): Promise<Record<string, number>> {
  const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
  const counts = values.map(({ labels, value }) => [Object.values(labels).join(), Number(value.toFixed(9))] as const);
  return Object.fromEntries(counts.filter(([, value]) => value > 0));
}
const sealedTotal = () => counted('sworn_runs_sealed_total');
const costTotal = () => counted('sworn_run_cost_usd_total');

describe('the counters of sealed runs', () => {
  it('count a run by how it ended, and what it cost by where that is from', async () => {
    metrics.sealed({ leaf: run('SUCCEEDED', 'REPORTED', 250_000_000), before: OPENED });
    metrics.sealed({ leaf: run('FAILED', 'PRICED', 5), before: OPENED });
    metrics.sealed({ leaf: run('FAILED'), before: null });
    expect(await sealedTotal()).toEqual({ SUCCEEDED: 1, FAILED: 2 });
    expect(await costTotal()).toEqual({ REPORTED: 0.25, PRICED: 0.000000005 });
  });

  it('count of a run that is sealed again the difference', async () => {
    const first = run('SUCCEEDED', 'PRICED', 1_000_000_000);
    metrics.sealed({ leaf: first, before: OPENED });
    metrics.sealed({ leaf: run('SUCCEEDED', 'PRICED', 1_500_000_000), before: first });
    expect(await sealedTotal()).toEqual({ SUCCEEDED: 1 });
    expect(await costTotal()).toEqual({ PRICED: 1.5 });
  });

  it('count it once more when it ended otherwise, and not while it waits', async () => {
    const [aborted, waiting] = [run('ABORTED'), run('RUNNING')];
    metrics.sealed({ leaf: aborted, before: OPENED });
    metrics.sealed({ leaf: waiting, before: aborted });
    metrics.sealed({ leaf: run('SUCCEEDED'), before: waiting });
    expect(await sealedTotal()).toEqual({ ABORTED: 1, SUCCEEDED: 1 });
  });

  it('never fall: what was counted too much is taken from what comes next', async () => {
    const [first, less] = [run('SUCCEEDED', 'PRICED', 3_000_000_000), run('SUCCEEDED', 'PRICED', 1_000_000_000)];
    metrics.sealed({ leaf: first, before: OPENED });
    metrics.sealed({ leaf: less, before: first });
    expect(await costTotal()).toEqual({ PRICED: 3 });
    metrics.sealed({ leaf: run('SUCCEEDED', 'PRICED', 1_500_000_000), before: OPENED });
    metrics.sealed({ leaf: run('SUCCEEDED', 'PRICED', 1_000_000_000), before: OPENED });
    expect(await costTotal()).toEqual({ PRICED: 3.5 });
  });

  it('count the cost of a run that went into another once, and of one whose cost is now from elsewhere, there', async () => {
    const alone = run('SUCCEEDED', 'PRICED', 2_000_000_000);
    metrics.sealed({ leaf: alone, before: OPENED });
    // It went into the run that follows.
    metrics.sealed({ leaf: run('RUNNING'), before: alone });
    metrics.sealed({ leaf: run('SUCCEEDED', 'PRICED', 2_000_000_000), before: OPENED });
    expect(await costTotal()).toEqual({ PRICED: 2 });
    metrics.sealed({
      leaf: run('SUCCEEDED', 'REPORTED', 1_000_000_000),
      before: run('SUCCEEDED', 'PRICED', 2_000_000_000),
    });
    expect(await costTotal()).toEqual({ PRICED: 2, REPORTED: 1 });
  });

  it('stand at nothing from the start, so that the first of a kind is an increase', async () => {
    const text = await registry.metrics();
    for (const status of ['SUCCEEDED', 'FAILED', 'ABORTED', 'TIMEOUT'])
      expect(text).toContain(`sworn_runs_sealed_total{execution_status="${status}"} 0`);
    for (const source of ['REPORTED', 'PRICED'])
      expect(text).toContain(`sworn_run_cost_usd_total{cost_source="${source}"} 0`);
  });

  it('name nobody', async () => {
    metrics.sealed({ leaf: run('SUCCEEDED', 'PRICED', 1), before: null });
    expect(await registry.metrics()).not.toContain('acme');
  });
});
