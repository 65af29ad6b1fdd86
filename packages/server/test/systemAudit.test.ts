import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileAttribution } from '../src/otlp/map/attribution.js';
import { systemAudit } from '../src/read/systemAudit.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { agentRun, newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { type Cost, explainingDatabase } from './planCost.js';

const AUDIT = '/api/v1/logs/system/audit';
let house: House;
let tenant: string;
let reader: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;

async function ask(query = '', key = reader): Promise<Item> {
  const { status, json, text } = await get(house, AUDIT + query, key);
  expect(status, text).toBe(200);
  return json;
}

type Resource = Readonly<Record<string, string>>;

/** A run of an agent whose one step failed. */
async function failing(step: Partial<SpanText>, resource?: Resource): Promise<string> {
  const [traceId, root] = [newTrace(), newSpan()];
  const agent = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.conversation.id': 'chat-1' };
  const spans = [
    { traceId, spanId: root, name: 'invoke_agent', start: 0, end: 100, status: 2 as const, attributes: agent },
    { traceId, spanId: newSpan(), parentSpanId: root, start: 10, end: 90, status: 2 as const, ...step },
  ];
  await house.ingest(tenant, otlp(spans, resource));
  await house.seal(tenant);
  return traceId;
}

const call = (error: string): Partial<SpanText> => ({
  name: 'chat',
  attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o', 'error.type': error },
});
const tool: Partial<SpanText> = {
  name: 'execute_tool search',
  attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'search', 'error.type': 'KeyError' },
};

describe('who answers for a run that did not succeed', () => {
  it('is whom its records point to, by the first rule that holds, with those records', async () => {
    await house.ingest(tenant, agentRun(newTrace()));
    const instance: Resource = { 'service.name': 'shop', 'service.instance.id': 'pod-7' };
    const expected: [run: string, party: string, rule: string | null, confidence: string, kinds: string[]][] = [];
    expected.push([await failing(call('503')), 'LLM_PROVIDER', 'provider-error', 'HIGH', ['RUN', 'STEP']]);
    expected.push([
      await failing(call('openai.RateLimitError')),
      'LLM_PROVIDER',
      'provider-rate-limit',
      'HIGH',
      ['RUN', 'STEP'],
    ]);
    expected.push([await failing(call('BadRequestError')), 'CUSTOMER', 'request-refused', 'MEDIUM', ['RUN', 'STEP']]);
    expected.push([await failing(tool), 'CUSTOMER', 'tool-failed', 'MEDIUM', ['RUN', 'STEP']]);
    expected.push([await failing(call('SomethingOdd')), 'UNKNOWN', null, 'NONE', ['RUN', 'STEP']]);
    // The same failure, of a process that was killed for its memory; the run before it on another is not.
    await house.ingestLogs(tenant, otlpLogs([{ at: 2_000, event: 'sworn.system.oom', body: 'killed' }], instance));
    expected.push([
      await failing(call('503'), instance),
      'CLOUD',
      'machine-out-of-memory',
      'HIGH',
      ['RUN', 'STEP', 'SYSTEM'],
    ]);
    const { items, rules, rules_version: version, metadata } = await ask();
    expect(
      items.map((item: Item) => [
        item.run_id,
        item.party,
        item.rule,
        item.confidence,
        item.evidence_refs.map((ref: Item) => ref.kind),
      ]),
    ).toEqual(expected.toReversed());
    expect(rules.map(({ id }: Item) => id)).toEqual(house.read.attribution.rules.map(({ id }) => id));
    const [newest] = items;
    expect(newest).toMatchObject({ execution_status: 'FAILED', error_type: '503', rule_version: version });
    expect(newest.linked_runs).toEqual(
      expected
        .slice(0, -1)
        .map(([run]) => run)
        .toReversed(),
    );
    expect(metadata.integrity.logs.map(({ log }: Item) => log)).toEqual(['llm-runs', 'system']);
    const [run, step, system] = newest.evidence_refs;
    expect(run).toMatchObject({ id: newest.id, log: 'llm-runs', checksum: newest.metadata.checksum });
    expect(step.leaf_index).toBeLessThan(run.leaf_index);
    const [record] = (await get(house, '/api/v1/logs/system?event_type=OOM', reader)).json.items;
    expect(system).toMatchObject({ id: record.id, log: 'system', checksum: record.metadata.checksum });
  });

  it('is asked by run, by party and by time, in pages at one pin', async () => {
    const runs: string[] = [];
    for (const step of [call('503'), tool, call('500'), tool, call('529')]) runs.push(await failing(step));
    const [first, , , , last] = runs;
    const idsOf = (json: Item) => json.items.map((item: Item) => item.run_id);
    expect(idsOf(await ask(`?run_id=${first}`))).toEqual([first]);
    const crawl = async (query: string): Promise<string[]> => {
      const seen: string[] = [];
      for (let cursor = ''; ; ) {
        const page = await ask(`?limit=2${query}${cursor}`);
        seen.push(...idsOf(page));
        if (!page.has_more) return seen;
        if (cursor === '') await failing(call('503'));
        cursor = `&cursor=${page.next_cursor}`;
      }
    };
    expect(await crawl('')).toEqual(runs.toReversed());
    const since = (await ask(`?run_id=${last}`)).items[0].metadata.recorded_at;
    expect((await ask(`?recorded_before=${since}&party=LLM_PROVIDER`)).items.length).toBeGreaterThanOrEqual(2);
    const providers = await crawl('&party=LLM_PROVIDER');
    expect(providers.filter((id) => runs.includes(id))).toEqual([last, runs[2], first]);
    expect(await crawl('&party=CUSTOMER&occurred_after=2026-11-19')).toEqual([runs[3], runs[1]]);
    expect(idsOf(await ask('?occurred_before=2026-11-19'))).toEqual([]);
  });

  it('is found behind hundreds of runs that others answer for, in one page that examines no more than a page may', async () => {
    const provider = await failing(call('503'));
    const OTHERS = 450;
    const alone = { spanId: newSpan(), start: 0, end: 10, status: 2 as const, ...tool };
    const others = Array.from({ length: OTHERS }, () => ({ ...alone, traceId: newTrace() }));
    await house.ingest(tenant, otlp(others));
    await house.seal(tenant);
    const found = await ask('?party=LLM_PROVIDER&limit=1');
    expect(found.items.map((item: Item) => item.run_id)).toEqual([provider]);
    expect((await ask('?party=LLM_PROVIDER')).has_more).toBe(false);
    const cost: Cost = { rows: 0, blocks: 0, sequential: [] };
    const deps = { ...house.read, db: explainingDatabase(house.database.db, cost) };
    const { answer } = await systemAudit(deps, tenant, { party: 'CLOUD' });
    expect([answer.items, answer.has_more]).toEqual([[], false]);
    // 20,000 for the 2,000 runs that a page evaluates at most.
    expect(cost.rows).toBeLessThanOrEqual(10 * (OTHERS + 1));
  }, 120_000);

  it('says nothing on evidence that is not as it was written', async () => {
    const run = await failing(call('503'));
    const ref = (await ask()).items[0].evidence_refs[1];
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '503', '400'), 'UTF8')
        where tenant_id = $1 and log = 'llm-runs' and leaf_index = $2`,
      [tenant, ref.leaf_index],
    );
    await house.database.admin('set session_replication_role = origin');
    const { items, metadata } = await ask(`?run_id=${run}`);
    expect(items).toMatchObject([
      { compromised: true, id: ref.id, finding: { check: 'V4', code: 'LEAF_HASH_MISMATCH' } },
    ]);
    expect(metadata.immutable).toBe(false);
  });

  it('is nobody else’s to know', async () => {
    await failing(call('503'));
    const other = await house.tenants.create({ name: 'other' });
    const { key } = await house.keys.issue({ tenantId: other, role: 'reader' });
    expect((await ask('', key)).items).toEqual([]);
  });
});

describe('rules of attribution', () => {
  it.each([
    ['version: 0', { version: 0, rules: [{ id: 'a', party: 'CLOUD', confidence: 'LOW', when: { marks: ['x'] } }] }],
    ['no rules', { version: 1, rules: [] }],
    [
      'a party that nobody is',
      { version: 1, rules: [{ id: 'a', party: 'UNKNOWN', confidence: 'LOW', when: { marks: ['x'] } }] },
    ],
    ['a rule that asks nothing', { version: 1, rules: [{ id: 'a', party: 'CLOUD', confidence: 'LOW', when: {} }] }],
    [
      'a fact that is none',
      { version: 1, rules: [{ id: 'a', party: 'CLOUD', confidence: 'LOW', when: { __proto__x: ['x'] } }] },
    ],
    [
      'a * inside',
      { version: 1, rules: [{ id: 'a', party: 'CLOUD', confidence: 'LOW', when: { error_type: ['a*b'] } }] },
    ],
    ['a word too much', { version: 1, rules: [], more: 1 }],
  ])('are refused with %s', (_, content) => {
    expect(() => compileAttribution(content)).toThrow('attribution:');
  });
});
