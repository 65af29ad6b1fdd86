import { treeOrder } from '@sworn/evidence';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StepFacts } from '../src/read/stepFacts.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { GROUND_TRUTH, TRACE_CAPTURES } from './otlpCaptures.js';

const LIST = '/api/v1/logs/llm-runs';
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
  readonly depth: number;
}

const traceOf = async (id: string, query = '') => (await get(house, `${LIST}/${id}/trace${query}`, key)).json;

async function sealed(spans: readonly SpanText[]): Promise<string> {
  await house.ingest(tenant, otlp(spans));
  await house.seal(tenant);
  return spans[0]?.traceId ?? '';
}

describe('the order of a trace', () => {
  const step = (spanId: string, parentSpanId: string | null, startedNs: bigint, index: number) =>
    ({ traceId: 't', spanId, parentSpanId, startedNs, index }) as StepFacts;
  const forest = fc
    .array(fc.record({ parent: fc.integer({ min: -1, max: 40 }), start: fc.bigInt({ min: 0n, max: 5n }) }), {
      maxLength: 40,
    })
    .map((nodes) =>
      nodes.map((node, i) => step(String(i), node.parent < 0 ? null : String(node.parent), node.start, i)),
    );

  it('gives every step once, whatever the parents claim, and a parent before its children', () => {
    fc.assert(
      fc.property(forest, (steps) => {
        const placed = treeOrder(steps);
        expect(placed.map((p) => p.step.index).toSorted((a, b) => a - b)).toEqual(steps.map((s) => s.index));
        const at = new Map(placed.map((p, i) => [p.step.spanId, { i, depth: p.depth }]));
        for (const [i, { step: s, depth }] of placed.entries()) {
          const parent = s.parentSpanId === null ? undefined : at.get(s.parentSpanId);
          expect(depth === 0 || (parent !== undefined && parent.i < i && parent.depth === depth - 1)).toBe(true);
        }
      }),
    );
  });

  it('does not depend on the order in which the steps came', () => {
    fc.assert(
      fc.property(forest, (steps) => {
        const names = (of: readonly StepFacts[]) => treeOrder(of).map((p) => p.step.spanId);
        expect(names(steps.toReversed())).toEqual(names(steps));
      }),
    );
  });

  it('holds a chain and a fan of 20,000', () => {
    const chain = Array.from({ length: 20_000 }, (_, i) => step(String(i), i === 0 ? null : String(i - 1), 0n, i));
    expect(treeOrder(chain).at(-1)?.depth).toBe(19_999);
    const fan = Array.from({ length: 20_000 }, (_, i) => step(String(i), i === 0 ? null : '0', BigInt(20_000 - i), i));
    expect(treeOrder(fan).at(1)?.step.spanId).toBe('19999');
  });
});

describe('a trace', () => {
  it.each(
    TRACE_CAPTURES.map((c) => c.client).filter(
      (client, i, all) => all.indexOf(client) === i && GROUND_TRUTH[client] !== undefined,
    ),
  )('of %s comes back whole: as many steps, tokens and failures as were sent', async (client) => {
    const own = await house.tenants.create({ name: client });
    const { key: ownKey } = await house.keys.issue({ tenantId: own, role: 'reader' });
    for (const capture of TRACE_CAPTURES.filter((c) => c.client === client)) await house.ingest(own, capture);
    await house.seal(own);
    const { items } = (await get(house, `${LIST}?limit=100`, ownKey)).json;
    const truth = GROUND_TRUTH[client];
    let steps = 0;
    for (const item of items) {
      const trace = (await get(house, `${LIST}/${item.run_id}/trace`, ownKey)).json;
      expect(trace.total_steps).toBe(trace.steps.length);
      steps += trace.steps.length;
    }
    const sum = (name: string) =>
      items.reduce((total: number, item: Record<string, number | null>) => total + (item[name] ?? 0), 0);
    expect({ traces: items.length, spans: steps, input: sum('input_tokens'), output: sum('output_tokens') }).toEqual({
      traces: truth?.traces,
      spans: truth?.spans,
      input: truth?.input,
      output: truth?.output,
    });
  });

  it('shows inputs and outputs only when asked, with length and hash, and keeps the decrypted out of caches', async () => {
    const id = newTrace();
    await house.ingest(tenant, agentRun(id));
    await house.seal(tenant);
    const plain = await traceOf(id);
    expect(plain.steps[1]).not.toHaveProperty('input');
    const io = await get(house, `${LIST}/${id}/trace?fields=io`, key);
    expect(io.headers.get('cache-control')).toBe('no-store');
    expect(io.json.steps[1].input).toMatchObject({
      mime_type: 'application/json',
      truncated: false,
      hash: plain.steps[1].input_hash,
    });
    expect(io.json.steps[1].output.text).toContain('On its way.');
  });

  it('shows the first 64 KiB of a long content, cut at a character, and the length and hash of all of it', async () => {
    const text = `a${'é'.repeat(40_000)}`;
    const id = await sealed([
      {
        traceId: newTrace(),
        spanId: newSpan(),
        attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.input.messages': text },
      },
    ]);
    const { input } = (await traceOf(id, '?fields=io')).steps[0];
    expect(input).toMatchObject({ truncated: true, bytes: 80_001 });
    expect(Buffer.byteLength(input.text)).toBe(65_535);
    expect(text.startsWith(input.text)).toBe(true);
  });

  it('is filtered by kind, status, span and place, and a step keeps its place', async () => {
    const traceId = newTrace();
    const root = newSpan();
    const tool = newSpan();
    const id = await sealed([
      { traceId, spanId: root, end: 100, attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
      { traceId, spanId: newSpan(), parentSpanId: root, start: 1, attributes: { 'gen_ai.operation.name': 'chat' } },
      {
        traceId,
        spanId: tool,
        parentSpanId: root,
        start: 2,
        status: 2,
        attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'search' },
      },
    ]);
    const places = async (query: string) => (await traceOf(id, query)).steps.map((step: Shown) => step.step_index);
    expect(await places('')).toEqual([0, 1, 2]);
    expect(await places('?kind=TOOL')).toEqual([2]);
    expect(await places('?status=ERROR')).toEqual([2]);
    expect(await places(`?span_id=${tool}`)).toEqual([2]);
    expect(await places('?from_step=1')).toEqual([1, 2]);
    expect(await places('?kind=HANDOFF')).toEqual([]);
    expect((await traceOf(id, '?kind=TOOL')).total_steps).toBe(3);
  });

  it('is paged at one pin, each step once, also when the run opens again meanwhile', async () => {
    const traceId = newTrace();
    const root = newSpan();
    const id = await sealed([
      { traceId, spanId: root, end: 100 },
      ...Array.from({ length: 6 }, (_, i) => ({ traceId, spanId: newSpan(), parentSpanId: root, start: i })),
    ]);
    await house.sign(tenant);
    const seen: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await traceOf(id, `?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.steps.map((step: Shown) => step.step_index));
      cursor = page.next_cursor;
      await house.ingest(tenant, otlp([{ traceId, spanId: newSpan(), parentSpanId: root, start: 0 }]));
      await house.seal(tenant);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('streams all steps as lines', async () => {
    const traceId = newTrace();
    const root = newSpan();
    const id = await sealed([
      { traceId, spanId: root, end: 100 },
      ...Array.from({ length: 25 }, (_, i) => ({ traceId, spanId: newSpan(), parentSpanId: root, start: i })),
    ]);
    const got = await get(house, `${LIST}/${id}/trace?limit=10`, key, { accept: 'application/x-ndjson' });
    const lines = got.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Partial<Shown>);
    expect(lines.slice(0, -1).map((line) => line.step_index)).toEqual(Array.from({ length: 26 }, (_, i) => i));
    expect(lines.at(-1)).toEqual({ complete: true, count: 26 });
  });

  it('marks what came after the run was sealed, and what was sent again with other content', async () => {
    const traceId = newTrace();
    const [root, late] = [newSpan(), newSpan()];
    const id = await sealed([{ traceId, spanId: root, end: 100, name: 'first' }]);
    await house.ingest(tenant, otlp([{ traceId, spanId: root, end: 100, name: 'second' }]));
    await sealed([{ traceId, spanId: late, parentSpanId: root, start: 5 }]);
    const { steps } = await traceOf(id);
    expect(
      steps.map((step: Shown & { late: boolean; conflict: boolean; name: string }) => [
        step.span_id,
        step.late,
        step.conflict,
        step.name,
      ]),
    ).toEqual([
      [root, false, true, 'first'],
      [late, true, false, 'step'],
    ]);
  });

  it('is covered only as far as a checkpoint goes: a step that came after it is not', async () => {
    const traceId = newTrace();
    const [root, late] = [newSpan(), newSpan()];
    await sealed([{ traceId, spanId: root, end: 100 }]);
    await house.sign(tenant);
    const stateOf = async (query = '') => (await traceOf(traceId, query)).metadata;
    expect(await stateOf()).toMatchObject({ immutable: true, integrity: { state: 'COVERED' } });
    await house.ingest(tenant, otlp([{ traceId, spanId: late, parentSpanId: root, start: 5 }]));
    expect(await stateOf(`?span_id=${root}`)).toMatchObject({ immutable: true, integrity: { state: 'COVERED' } });
    expect(await stateOf()).toMatchObject({ immutable: false, integrity: { state: 'DURABLE', covered_at: null } });
    await house.sign(tenant);
    expect(await stateOf()).toMatchObject({ immutable: true, integrity: { state: 'COVERED' } });
  });

  it('says once steps lie beyond what was sealed that its totals are provisional, and counts them', async () => {
    const traceId = newTrace();
    const [root, late] = [newSpan(), newSpan()];
    const call = { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 5 };
    await sealed([{ traceId, spanId: root, end: 100, attributes: call }]);
    expect(await traceOf(traceId)).toMatchObject({ provisional: false, total_tokens: 5, total_duration_ms: 100 });
    await house.ingest(tenant, otlp([{ traceId, spanId: late, start: 5, attributes: call }]));
    const got = await get(house, `${LIST}/${traceId}/trace`, key);
    expect(got.json).toMatchObject({ provisional: true, total_steps: 2, total_tokens: 10, total_duration_ms: null });
    expect(got.headers.get('etag')).toBeNull();
    await house.seal(tenant);
    expect(await traceOf(traceId)).toMatchObject({ provisional: false, total_tokens: 10, total_duration_ms: 100 });
  });

  it('shows a step as failed by the vendor’s own word, with its type and the first message that says why', async () => {
    const traceId = newTrace();
    const failed = { 'langfuse.observation.level': 'ERROR' };
    const told = { ...failed, 'langfuse.observation.status_message': 'no such order' };
    const interrupt = '[{"value":{"actionRequests":[{"name":"refund"}]}}]';
    const id = await sealed([
      { traceId, spanId: newSpan(), end: 100 },
      { traceId, spanId: newSpan(), start: 1, attributes: told },
      { traceId, spanId: newSpan(), start: 2, attributes: failed, exception: 'timed out' },
      { traceId, spanId: newSpan(), start: 3, status: 2, statusMessage: 'refused', attributes: told },
      { traceId, spanId: newSpan(), start: 4, status: 2, statusMessage: interrupt },
      {
        traceId,
        spanId: newSpan(),
        start: 5,
        status: 2,
        statusMessage: 'PII',
        attributes: { 'error.type': 'unknown' },
      },
      { traceId, spanId: newSpan(), start: 6, status: 2, exception: 'E: no', attributes: { 'error.type': 'E' } },
      { traceId, spanId: newSpan(), start: 7, status: 2, attributes: { 'error.type': '429' } },
    ]);
    const { steps } = await traceOf(id);
    expect(
      steps.map((step: { outcome_category: string; error: string | null }) => [step.outcome_category, step.error]),
    ).toEqual([
      ['SUCCESS', null],
      ['FAILURE', 'no such order'],
      ['FAILURE', 'timed out'],
      ['FAILURE', 'refused'],
      ['SUCCESS', null],
      ['FAILURE', 'unknown: PII'],
      ['FAILURE', 'E: no'],
      ['FAILURE', '429'],
    ]);
  });

  it('of a settled run has an ETag for each representation and coding; 304 comes after the access record', async () => {
    const id = await sealed([{ traceId: newTrace(), spanId: newSpan(), end: 100 }]);
    await house.sign(tenant);
    const ask = (query: string, more: Record<string, string> = {}) =>
      get(house, `${LIST}/${id}/trace${query}`, key, { 'accept-encoding': 'identity', ...more });
    const [plain, io] = [await ask(''), await ask('?fields=io')];
    const tag = plain.headers.get('etag') ?? '';
    expect(tag).toMatch(/^"[0-9a-f]{32}-identity"$/);
    expect(io.headers.get('etag')).not.toBe(tag);
    expect(io.headers.get('cache-control')).toBe('no-store');
    expect((await ask('?fields=io', { 'if-none-match': tag })).status).toBe(200);
    const before = (await accessRecords(house, tenant)).length;
    const again = await ask('', { 'if-none-match': tag });
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', tag]);
    expect((await accessRecords(house, tenant)).slice(before)).toMatchObject([{ status: 304, folded: true }]);
    house.breakRecorder(true);
    house.advance(60_000);
    expect((await ask('', { 'if-none-match': tag })).status).toBe(503);
    house.breakRecorder(false);
  });

  it('says what redaction took, and that content was taken', async () => {
    const id = await sealed([
      {
        traceId: newTrace(),
        spanId: newSpan(),
        attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.input.messages': 'my card is 4111 1111 1111 1111' },
      },
    ]);
    const trace = await get(house, `${LIST}/${id}/trace?fields=io`, key);
    expect(trace.json.steps[0]).toMatchObject({
      content: 'REDACTED',
      redactions: [{ rule: expect.any(String), path: expect.any(String), size_class: expect.any(Number) }],
    });
    expect(trace.text).not.toContain('4111');
    expect((await get(house, `${LIST}/${id}/envelope`, key)).json.content).toBe('REDACTED');
  });

  it('puts a damaged step first, with its finding, and shows the others', async () => {
    const traceId = newTrace();
    const root = newSpan();
    const id = await sealed([
      { traceId, spanId: root, end: 100 },
      { traceId, spanId: newSpan(), parentSpanId: root, start: 1 },
    ]);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set occurred_at = occurred_at + interval '1 second' where tenant_id = '${tenant}' and event_key = '\\x${traceId}${root}'`,
    );
    await house.database.admin('set session_replication_role = origin');
    const trace = await traceOf(id);
    expect(trace.steps.length).toBe(2);
    expect(trace.steps[0]).toMatchObject({ compromised: true, finding: { check: 'V6', code: 'COLUMN_MISMATCH' } });
    expect(trace.metadata.immutable).toBe(false);
  });

  it('never says now: a settled run’s trace is the same bytes tomorrow', async () => {
    const id = await sealed([{ traceId: newTrace(), spanId: newSpan(), end: 100 }]);
    await house.sign(tenant);
    const first = await get(house, `${LIST}/${id}/trace?fields=io`, key);
    await sealed([{ traceId: newTrace(), spanId: newSpan() }]);
    await house.sign(tenant);
    expect((await get(house, `${LIST}/${id}/trace?fields=io`, key)).text).toBe(first.text);
  });
});
