import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Got, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
/** Named when it fails; the next run takes another. */
const SEED = Number(process.env['SWORN_TEST_SEED'] ?? Date.now() % 1_000_000);
const ROUNDS = 40;
const CRAWLERS = 4;
const MODEL_MS = 240_000;

let house: House;
beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());

/** What an OPENED or RUN leaf says, as far as the model knows it. */
interface RunLeaf {
  readonly index: number;
  readonly kind: 'OPENED' | 'RUN';
  readonly run_id: string;
  readonly run_index: number;
  readonly execution_status?: string;
  readonly superseded_by?: string;
  readonly service?: string;
  readonly had_errors?: boolean;
  readonly tools?: readonly string[];
  readonly model?: string;
}

type Filter = readonly [query: string, matches: (leaf: RunLeaf) => boolean];

const FILTERS: readonly Filter[] = [
  ['', () => true],
  ['service=shop', (leaf) => leaf.service === 'shop'],
  ['tool=search', (leaf) => leaf.tools?.includes('search') === true],
  ['had_errors=true', (leaf) => leaf.had_errors === true],
  ['had_errors=false', (leaf) => leaf.had_errors !== true],
  ['execution_status=RUNNING', (leaf) => leaf.kind === 'OPENED' || leaf.execution_status === 'RUNNING'],
  ['execution_status=SUCCEEDED', (leaf) => leaf.execution_status === 'SUCCEEDED'],
  ['model=gpt-4o', (leaf) => leaf.model === 'gpt-4o'],
];

/** mulberry32 */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function pinOf(got: Got): number {
  return Number(/llm-runs=(\d+)/.exec(got.headers.get('sworn-log-sizes') ?? '')?.[1] ?? 0);
}

function idsOf(got: Got): string[] {
  expect(got.status, got.text).toBe(200);
  return got.json.items.map((item: { run_id: string }) => item.run_id);
}

/** One reader: newest first at a pin, until it is through, or a tail that never is. */
class Crawler {
  readonly seen: string[] = [];
  pin: number | null = null;
  /** What each page said; one number, if it is right. */
  readonly totals = new Set<number>();
  isOver = false;
  readonly key: string;
  readonly filter: Filter;
  readonly isTail: boolean;
  #cursor: string | null = null;

  constructor(key: string, filter: Filter, isTail: boolean) {
    this.key = key;
    this.filter = filter;
    this.isTail = isTail;
  }

  async page(limit: number): Promise<void> {
    const asks = [this.filter[0], `limit=${limit}`, ...(this.isTail ? ['order=asc'] : ['include_total=true'])];
    if (this.#cursor !== null) asks.push(`cursor=${this.#cursor}`);
    const got = await get(house, `${LIST}?${asks.filter((ask) => ask !== '').join('&')}`, this.key);
    this.seen.push(...idsOf(got));
    this.pin ??= pinOf(got);
    if (!this.isTail) this.totals.add(got.json.total);
    this.#cursor = got.json.next_cursor;
    this.isOver = this.#cursor === null;
  }
}

/** What the log says, leaf by leaf: nothing of it was read through what is tested. */
async function leavesOf(tenant: string): Promise<RunLeaf[]> {
  const rows = await house.database.admin<{ at: string; leaf: Buffer }>(
    `select leaf_index as at, leaf from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and kind in ('OPENED', 'RUN') order by leaf_index`,
    [tenant],
  );
  return rows.map(({ at, leaf }) => {
    const index = Number(at);
    const said = JSON.parse(leaf.toString('utf8')) as RunLeaf;
    // An OPENED leaf is its run's place.
    return { ...said, index, run_index: said.kind === 'OPENED' ? index : said.run_index };
  });
}

/** Newest first. */
function expectedAt(leaves: readonly RunLeaf[], pin: number, [, matches]: Filter): string[] {
  const newest = new Map<number, RunLeaf>();
  for (const leaf of leaves) if (leaf.index < pin) newest.set(leaf.run_index, leaf);
  return [...newest.values()]
    .filter((leaf) => leaf.superseded_by === undefined && matches(leaf))
    .toSorted((a, b) => b.run_index - a.run_index)
    .map((leaf) => leaf.run_id);
}

test(
  `crawlers of any filter, limit and order see each run once while writers open, extend, seal, reopen and merge runs (seed ${SEED})`,
  async () => {
    const random = randomFrom(SEED);
    const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
    const tenant = await house.tenants.create({ name: 'acme' });
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    const traces: string[] = [];
    const write: readonly (() => Promise<unknown>)[] = [
      async () => house.ingest(tenant, agentRun(traces[traces.push(newTrace()) - 1] as string)),
      async () => {
        const traceId = newTrace();
        traces.push(traceId);
        const failed = {
          status: 2,
          attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'search' },
        } as const;
        await house.ingest(tenant, otlp([{ traceId, spanId: newSpan(), ...failed }], { 'service.name': 'billing' }));
      },
      // A late step: the run opens again, and its next revision says something else.
      async () => {
        if (traces.length === 0) return;
        await house.ingest(
          tenant,
          otlp([{ traceId: pick(traces), spanId: newSpan(), status: random(2) === 0 ? 0 : 2 }]),
        );
      },
      // Somebody says late whose trace it is: the run that stood for it goes into another.
      async () => {
        if (traces.length === 0) return;
        const span = { traceId: pick(traces), spanId: newSpan(), attributes: { 'sworn.run.id': `run-${random(5)}` } };
        await house.ingest(tenant, otlp([span]), ['ingest:assert']);
      },
      () => house.seal(tenant),
    ];
    for (let i = 0; i < 8; i++) await write[0]?.();
    await house.seal(tenant);

    const tails = FILTERS.slice(0, 1).map((filter) => new Crawler(key, filter, true));
    const finished: Crawler[] = [];
    const streamed: { readonly filter: Filter; readonly pin: number; readonly ids: readonly string[] }[] = [];
    let crawlers: Crawler[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      while (crawlers.length < CRAWLERS) crawlers.push(new Crawler(key, pick(FILTERS), false));
      // At once: pages are read while the writer writes.
      await Promise.all([pick(write)(), ...[...crawlers, ...tails].map((crawler) => crawler.page(1 + random(4)))]);
      finished.push(...crawlers.filter((crawler) => crawler.isOver));
      crawlers = crawlers.filter((crawler) => !crawler.isOver);
      if (round % 8 === 0) {
        const filter = pick(FILTERS);
        const got = await get(house, `${LIST}?${filter[0]}`, key, { accept: 'application/x-ndjson' });
        const lines = got.text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as { run_id: string; complete?: boolean });
        expect(lines.at(-1)?.complete).toBe(true);
        streamed.push({ filter, pin: pinOf(got), ids: lines.slice(0, -1).map((line) => line.run_id) });
      }
    }
    for (const crawler of crawlers) while (!crawler.isOver) await crawler.page(7);
    await house.seal(tenant);
    const leaves = await leavesOf(tenant);
    for (const crawler of [...finished, ...crawlers]) {
      const expected = expectedAt(leaves, crawler.pin ?? 0, crawler.filter);
      expect(crawler.seen, `${crawler.filter[0]} at ${crawler.pin}`).toEqual(expected);
      expect([...crawler.totals]).toEqual([expected.length]);
    }
    for (const { filter, pin, ids } of streamed) expect(ids, filter[0]).toEqual(expectedAt(leaves, pin, filter));
    expect(finished.length).toBeGreaterThan(CRAWLERS);
    for (const tail of tails) {
      for (let before = -1; before < tail.seen.length; ) {
        before = tail.seen.length;
        await tail.page(50);
      }
      // In the order of their places, each once; those that went into another since may have been seen before they did.
      expect(new Set(tail.seen).size).toBe(tail.seen.length);
      const places = new Map(leaves.map((leaf) => [leaf.run_id, leaf.run_index]));
      expect(tail.seen.map((id) => places.get(id))).toEqual(
        tail.seen.map((id) => places.get(id)).toSorted((a, b) => (a ?? 0) - (b ?? 0)),
      );
      const here = expectedAt(leaves, Number.POSITIVE_INFINITY, tail.filter);
      expect(here.filter((id) => !tail.seen.includes(id))).toEqual([]);
    }
    expect(leaves.some((leaf) => leaf.superseded_by !== undefined)).toBe(true);
  },
  MODEL_MS,
);
