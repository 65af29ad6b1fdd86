import { MAX_LONG_BYTES } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHeldOrders } from '../src/read/heldOrders.js';
import type { Skeleton } from '../src/read/runOrder.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
/** From as many on the order of a run is held. */
const LONG = 1_001;
let house: House;
let tenant: string;
let key: string;

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

interface Shown {
  readonly span_id: string;
  readonly step_index: number;
  readonly leaf_index: number;
  readonly compromised?: boolean;
  readonly finding?: { readonly check: string; readonly code: string };
}

interface Answer {
  readonly steps: readonly Shown[];
  readonly next_cursor: string | null;
  readonly has_more: boolean;
  readonly total_steps: number;
}

const ask = (id: string, query = '') => get(house, `${LIST}/${id}/trace${query}`, key);
const pageOf = async (id: string, query = ''): Promise<Answer> => (await ask(id, query)).json as Answer;

async function sealed(spans: readonly SpanText[]): Promise<string> {
  await house.ingest(tenant, otlp(spans));
  await house.seal(tenant);
  await house.sign(tenant);
  return spans[0]?.traceId ?? '';
}

/** A root and what lies under it: every third a tool, every tenth failed. */
function spansOf(count: number, more: Readonly<Record<string, string>> = {}): SpanText[] {
  const traceId = newTrace();
  const root = newSpan();
  return Array.from({ length: count }, (_, at) => ({
    traceId,
    spanId: at === 0 ? root : newSpan(),
    ...(at === 0 ? {} : { parentSpanId: root }),
    start: at,
    end: at === 0 ? count : at + 1,
    status: at % 10 === 9 ? 2 : 0,
    attributes: { ...more, 'gen_ai.operation.name': at % 3 === 0 ? 'execute_tool' : 'chat' },
  }));
}

/** Every page of a crawl; `between` runs after each. */
async function crawl(
  id: string,
  query: string,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<Shown[]> {
  const seen: Shown[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Answer = await pageOf(id, `?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.steps);
    cursor = page.next_cursor;
    await between();
  }
  return seen;
}

const places = (steps: readonly Shown[]) => steps.map((step) => step.step_index);

describe('the filters of a trace', () => {
  it('combine, also with inputs and outputs, and page after page under one cursor', async () => {
    const spans = spansOf(200);
    const id = await sealed(spans);
    const tools = Array.from({ length: 200 }, (_, at) => at).filter((at) => at % 3 === 0);
    expect(places(await crawl(id, 'kind=TOOL&limit=7'))).toEqual(tools);
    expect(places(await crawl(id, 'kind=TOOL&status=ERROR&limit=2'))).toEqual(tools.filter((at) => at % 10 === 9));
    const late = await crawl(id, 'kind=TOOL&from_step=100&fields=io&limit=5');
    expect(places(late)).toEqual(tools.filter((at) => at >= 100));
    expect(late.every((step) => 'input' in step)).toBe(true);
    const [, , third] = spans;
    expect(places(await crawl(id, `span_id=${third?.spanId}`))).toEqual([2]);
    expect(places(await crawl(id, `span_id=${third?.spanId}&kind=TOOL`))).toEqual([]);
    expect(places(await crawl(id, `span_id=${third?.spanId}&from_step=3`))).toEqual([]);
    const cursor = (await pageOf(id, '?kind=TOOL&limit=2')).next_cursor;
    expect((await ask(id, `?kind=LLM&limit=2&cursor=${cursor}`)).status).toBe(400);
  });

  it('see a hand-over where an agent lies under another, though its span does not say so', async () => {
    const traceId = newTrace();
    const [root, second] = [newSpan(), newSpan()];
    const agent = (name: string) => ({ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': name });
    const id = await sealed([
      { traceId, spanId: root, end: 100, attributes: agent('triage') },
      { traceId, spanId: second, parentSpanId: root, start: 1, attributes: agent('billing') },
    ]);
    const { steps } = await pageOf(id, '?kind=HANDOFF');
    expect(steps).toMatchObject([{ span_id: second, kind: 'HANDOFF', trace_id: traceId }]);
    expect(places((await pageOf(id, '?kind=AGENT')).steps)).toEqual([0]);
  });
});

describe('pages of a trace', () => {
  it('stay those of the first one, also when the open run is sealed, and opens again, between them', async () => {
    const spans = spansOf(LONG);
    await house.ingest(tenant, otlp(spans));
    const id = spans[0]?.traceId ?? '';
    await house.seal(tenant);
    const root = spans[0]?.spanId ?? '';
    const late = () => otlp([{ traceId: id, spanId: newSpan(), parentSpanId: root, start: 0 }]);
    const seen = await crawl(id, 'limit=300', async () => {
      await house.ingest(tenant, late());
      await house.seal(tenant);
      await house.sign(tenant);
    });
    expect(places(seen)).toEqual(Array.from({ length: LONG }, (_, at) => at));
    expect(new Set(seen.map((step) => step.span_id))).toEqual(new Set(spans.map((span) => span.spanId)));
  });

  it('hold no more bodies than 8 MiB as they are opened, however small they are stored', async () => {
    const text = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'x'.repeat(900_000) }] }]);
    const spans = spansOf(20, { 'gen_ai.input.messages': text });
    for (let at = 0; at < 20; at += 4) await house.ingest(tenant, otlp(spans.slice(at, at + 4)));
    await house.seal(tenant);
    const id = spans[0]?.traceId ?? '';
    const page = await pageOf(id, '?limit=5000');
    expect(page.steps.length).toBe(MAX_LONG_BYTES / (1 << 20));
    expect(page).toMatchObject({ has_more: true, total_steps: 20 });
    expect(places(await crawl(id, 'limit=5000&fields=io'))).toEqual(Array.from({ length: 20 }, (_, at) => at));
  });
});

describe('while the order of a long run is held', () => {
  it.each([
    [
      'changed',
      `update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '"status":"UNSET"', '"status":"ERROR"')::bytea`,
      { check: 'V4', code: 'LEAF_HASH_MISMATCH' },
      200,
    ],
    ['taken away', 'delete from sworn.leaf', { check: 'V9', code: 'RUN_TREE_MISMATCH' }, 409],
    [
      'replaced with all its hashes',
      `update sworn.leaf set leaf = set_byte(leaf, 20, 65), leaf_hash = sha256('\\x00'::bytea || set_byte(leaf, 20, 65))`,
      { check: 'V9', code: 'RUN_TREE_MISMATCH' },
      409,
    ],
  ])('a step of the page that was %s is told as without it', async (_, attack, finding, status) => {
    const spans = spansOf(LONG);
    const id = await sealed(spans);
    const [first, second] = (await pageOf(id, '?limit=2')).steps;
    expect(first?.step_index).toBe(0);
    await asOwner(
      `${attack} where tenant_id = '${tenant}' and log = 'llm-runs' and leaf_index = ${second?.leaf_index}`,
    );
    const got = await ask(id, '?limit=2');
    expect(got.status, got.text).toBe(status);
    const found =
      status === 409 ? got.json.finding : (got.json as Answer).steps.find((step) => step.compromised)?.finding;
    expect(found).toMatchObject(finding);
  });

  it('a minute is the most: what was done elsewhere in the run is told by the next read after it', () => {
    let ms = 0;
    const held = createHeldOrders(() => ms);
    expect(held.get('key')).toBeNull();
    held.keep('key', order(2_000));
    ms = 59_999;
    expect(held.get('key')).not.toBeNull();
    ms = 60_000;
    expect(held.get('key')).toBeNull();
  });

  it('no more bytes are held than one process may, the last used are, and short ones never', () => {
    const held = createHeldOrders(() => 0, 3_000);
    for (const name of ['a', 'b', 'c']) held.keep(name, order(1_000));
    held.get('a');
    held.keep('d', order(1_000));
    expect(['a', 'b', 'c', 'd'].map((name) => held.get(name) !== null)).toEqual([true, false, true, true]);
    held.keep('short', order(999));
    held.keep('huge', { ...order(1_000), bytes: 3_001 });
    expect([held.get('short'), held.get('huge')]).toEqual([null, null]);
    held.drop('a');
    expect(held.get('a')).toBeNull();
  });
});

function order(length: number): Skeleton {
  return { length, bytes: length } as Skeleton;
}

async function asOwner(text: string): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  try {
    await house.database.admin(text);
  } finally {
    await house.database.admin('set session_replication_role = origin');
  }
}
