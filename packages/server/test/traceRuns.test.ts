import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let key: string;
let runs = 0;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

const newRun = (): string => `turn-${runs++}`;
const ask = (id: string, what: string) => get(house, `${LIST}/${id}/${what}`, key);

/** Sends spans with a key that may assert a run. */
async function send(...spans: readonly (SpanText & { readonly run?: string })[]): Promise<void> {
  const named = spans.map(({ run, ...span }) =>
    run === undefined ? span : { ...span, attributes: { ...span.attributes, 'sworn.run.id': run } },
  );
  await house.ingest(tenant, otlp(named), ['ingest:assert']);
}

async function settle(): Promise<void> {
  await house.seal(tenant);
  await house.sign(tenant);
}

interface Shown {
  readonly trace_id: string;
  readonly span_id: string;
  readonly late: boolean;
}

async function spansOf(id: string, query = ''): Promise<string[]> {
  const { json, text } = await ask(id, `trace${query}`);
  expect(json.steps, text).toBeDefined();
  return (json.steps as Shown[]).map((step) => step.span_id);
}

async function asOwner(text: string): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  try {
    await house.database.admin(text);
  } finally {
    await house.database.admin('set session_replication_role = origin');
  }
}

describe('a run of several traces', () => {
  it('is one trace to read, in one order, each step with its trace; count and tree hash hold over all of them', async () => {
    const run = newRun();
    const [first, second] = [newTrace(), newTrace()];
    const [a, b, c] = [newSpan(), newSpan(), newSpan()];
    const same = newSpan();
    await send(
      { traceId: second, spanId: same, start: 50, end: 60, run },
      { traceId: first, spanId: a, start: 0, end: 40, run },
      { traceId: first, spanId: same, parentSpanId: a, start: 5 },
      { traceId: second, spanId: b, parentSpanId: same, start: 55 },
      { traceId: newTrace(), spanId: c },
    );
    await settle();
    const { json } = await ask(run, 'trace');
    expect((json.steps as Shown[]).map((step) => [step.trace_id, step.span_id])).toEqual([
      [first, a],
      [first, same],
      [second, same],
      [second, b],
    ]);
    expect(json).toMatchObject({ run_id: run, total_steps: 4, provisional: false });
    expect((await ask(run, 'envelope')).json).toMatchObject({
      run_id: run,
      total_steps: 4,
      trace_count: 2,
      trace_ids: [second, first],
      superseded_run_id: null,
      metadata: { immutable: true },
    });
    expect(await spansOf(run, `?span_id=${same}`)).toEqual([same, same]);
  });

  it('marks a conflict by trace and span, not by the span id alone', async () => {
    const run = newRun();
    const [first, second, span] = [newTrace(), newTrace(), newSpan()];
    await send({ traceId: first, spanId: span, run }, { traceId: second, spanId: span, start: 1, run });
    await send({ traceId: second, spanId: span, start: 1, run, name: 'another' });
    await settle();
    const { steps } = (await ask(run, 'trace')).json as { steps: (Shown & { conflict: boolean })[] };
    expect(steps.map((step) => [step.trace_id, step.conflict])).toEqual([
      [first, false],
      [second, true],
    ]);
  });

  it('of hundreds of traces, some of them long, comes whole', async () => {
    const run = newRun();
    const traces = Array.from({ length: 150 }, newTrace);
    const long = traces[70] as string;
    await send(
      ...traces.map((traceId, i) => ({ traceId, spanId: newSpan(), start: i, run })),
      ...Array.from({ length: 100 }, (_, i) => ({ traceId: long, spanId: newSpan(), start: 1000 + i })),
    );
    await settle();
    const { json } = await ask(run, 'trace');
    expect(json.steps.length).toBe(250);
    expect((await ask(run, 'envelope')).json).toMatchObject({ total_steps: 250, trace_count: 150 });
    expect((await ask(run, 'envelope')).json.trace_ids).toEqual(traces.slice(0, 64));
  });

  it('is refused when a step of any of its traces is gone', async () => {
    const run = newRun();
    const [first, second] = [newTrace(), newTrace()];
    await send({ traceId: first, spanId: newSpan(), run }, { traceId: second, spanId: newSpan(), run });
    await settle();
    await asOwner(`delete from sworn.leaf where tenant_id = '${tenant}' and trace_id = '\\x${second}'`);
    for (const what of ['envelope', 'trace'])
      expect((await ask(run, what)).json, what).toMatchObject({ finding: { check: 'V9', code: 'RUN_TREE_MISMATCH' } });
  });

  it.each([
    ['gone', 'delete from sworn.run_members', 'V9'],
    ['another’s', `update sworn.run_members set run_id = 'mallory'`, 'V9'],
    ['of another trace', `update sworn.run_members set trace_id = decode(repeat('ab', 16), 'hex')`, 'V6'],
    [
      'no longer whole',
      `update sworn.run_members set whole = false, roots = array['\\x0011223344556677'::bytea]`,
      'V6',
    ],
  ])('is refused when the row that says one of its traces is its own is %s', async (_, change, check) => {
    const run = newRun();
    const [first, second] = [newTrace(), newTrace()];
    await send({ traceId: first, spanId: newSpan(), run }, { traceId: second, spanId: newSpan(), run });
    await settle();
    await asOwner(`${change} where tenant_id = '${tenant}' and trace_id = '\\x${second}' and run_id = '${run}'`);
    expect((await ask(run, 'trace')).json).toMatchObject({ code: 'evidence_compromised', finding: { check } });
  });

  it('while it is open shows what there is of all its traces, and its last event', async () => {
    const patient = await buildHouse({ graceMs: 600_000, idleMs: 600_000 });
    const before = { house, tenant, key };
    try {
      house = patient;
      tenant = await house.tenants.create({ name: 'patient' });
      key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
      const run = newRun();
      const last = newSpan();
      const call = { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 5 };
      await send(
        { traceId: newTrace(), spanId: newSpan(), end: 500, run, attributes: call },
        { traceId: newTrace(), spanId: last, start: 600, end: 700, run, attributes: call },
      );
      await house.seal(tenant);
      const inflection = { reason: 'LAST_EVENT', span_id: last };
      expect((await get(house, LIST, key)).json.items).toMatchObject([
        { run_id: run, provisional: true, total_steps: 2, input_tokens: 10, inflection },
      ]);
      expect((await ask(run, 'envelope')).json).toMatchObject({
        execution_status: 'RUNNING',
        total_steps: 2,
        trace_count: 2,
        inflection: { ...inflection, step_index: 1 },
      });
      expect((await ask(run, 'trace')).json).toMatchObject({ provisional: true, total_tokens: 10, total_steps: 2 });
    } finally {
      ({ house, tenant, key } = before);
      await patient.close();
    }
  });
});

describe('runs that share a trace', () => {
  it('each show their own steps, and what comes to one of them later leaves the others as they were, to the byte', async () => {
    const [one, two] = [newRun(), newRun()];
    const traceId = newTrace();
    const [job, a, a1, b, b1] = [newSpan(), newSpan(), newSpan(), newSpan(), newSpan()];
    await send(
      { traceId, spanId: job, end: 100 },
      { traceId, spanId: a, parentSpanId: job, start: 1, run: one },
      { traceId, spanId: a1, parentSpanId: a, start: 2 },
      { traceId, spanId: b, parentSpanId: job, start: 3, run: two },
      { traceId, spanId: b1, parentSpanId: b, start: 4 },
    );
    await settle();
    const owner = (await spansOf(one)).includes(job) ? one : two;
    const other = owner === one ? two : one;
    expect([...(await spansOf(one)), ...(await spansOf(two))].toSorted()).toEqual([job, a, a1, b, b1].toSorted());
    const before = await Promise.all(['envelope', 'trace', 'trace?fields=io'].map((what) => ask(owner, what)));
    const late = newSpan();
    await send({ traceId, spanId: late, parentSpanId: other === two ? b : a, start: 5 });
    // Not sealed yet: the other run is open again, this one is not.
    const during = await Promise.all(['envelope', 'trace', 'trace?fields=io'].map((what) => ask(owner, what)));
    expect(during.map((got) => got.text)).toEqual(before.map((got) => got.text));
    expect((await ask(other, 'trace')).json).toMatchObject({ provisional: true });
    await settle();
    expect(await spansOf(other)).toContain(late);
    const after = await Promise.all(['envelope', 'trace', 'trace?fields=io'].map((what) => ask(owner, what)));
    expect(after.map((got) => got.text)).toEqual(before.map((got) => got.text));
    expect(after.map((got) => got.headers.get('etag'))).toEqual(before.map((got) => got.headers.get('etag')));
  });

  it('give no finding when a run carves its part out of a trace that was sealed before, nor while that is not sealed yet', async () => {
    const [one, two] = [newRun(), newRun()];
    const traceId = newTrace();
    const [root, part, under] = [newSpan(), newSpan(), newSpan()];
    await send({ traceId, spanId: root, end: 100, run: one }, { traceId, spanId: under, parentSpanId: part, start: 2 });
    await settle();
    expect((await spansOf(one)).toSorted()).toEqual([root, under].toSorted());
    // Comes late, is the other's, and takes what hangs below it along.
    await send({ traceId, spanId: part, parentSpanId: root, start: 1, run: two });
    for (const what of ['envelope', 'trace']) expect((await ask(one, what)).status, what).toBe(200);
    await settle();
    expect(await spansOf(one)).toEqual([root]);
    expect(await spansOf(two)).toEqual([part, under]);
    expect((await ask(one, 'envelope')).json).toMatchObject({ total_steps: 1, revision: 2 });
  });
});

describe('a run whose trace turned out to be another’s', () => {
  async function takenOver(): Promise<{ trace: string; run: string; root: string; late: string }> {
    const [trace, run, root, late] = [newTrace(), newRun(), newSpan(), newSpan()];
    await send({ traceId: trace, spanId: root, end: 100 });
    await settle();
    expect((await ask(trace, 'envelope')).json).toMatchObject({ run_id: trace, total_steps: 1 });
    await send({ traceId: trace, spanId: late, parentSpanId: root, start: 1, run });
    await settle();
    return { trace, run, root, late };
  }

  it('is answered by that one, which says so', async () => {
    const { trace, run, root, late } = await takenOver();
    expect(await spansOf(trace)).toEqual([root, late]);
    const [asked, itself] = [await ask(trace, 'envelope'), await ask(run, 'envelope')];
    expect(asked.json).toMatchObject({ run_id: run, superseded_run_id: trace, total_steps: 2 });
    expect(itself.json).toMatchObject({ run_id: run, superseded_run_id: null });
    expect(asked.headers.get('etag')).not.toBe(itself.headers.get('etag'));
  });

  it('goes on as it was for a crawl that began before', async () => {
    const [trace, run, root, second] = [newTrace(), newRun(), newSpan(), newSpan()];
    await send(
      { traceId: trace, spanId: root, end: 100 },
      { traceId: trace, spanId: second, parentSpanId: root, start: 1 },
    );
    await settle();
    const first = (await ask(trace, 'trace?limit=1')).json;
    await send({ traceId: trace, spanId: newSpan(), parentSpanId: root, start: 0, run });
    await settle();
    const next = (await ask(trace, `trace?limit=1&cursor=${first.next_cursor}`)).json;
    expect([next.run_id, next.steps[0].span_id]).toEqual([trace, second]);
  });

  it.each([
    ['the row that says so', (trace: string) => `run_id = '${trace}' and superseded_by is not null`],
    ['every row of the run it went into', (_: string, run: string) => `run_id = '${run}'`],
    ['the newest row of the run it went into', (_: string, run: string) => `run_id = '${run}' and revision > 0`],
  ])('is refused, and leads nowhere else, when %s is hidden', async (_, where) => {
    const { trace, run } = await takenOver();
    await asOwner(`delete from sworn.llm_run_records where tenant_id = '${tenant}' and ${where(trace, run)}`);
    for (const what of ['envelope', 'trace'])
      expect((await ask(trace, what)).json, what).toMatchObject({
        code: 'evidence_compromised',
        finding: { check: 'V6' },
      });
  });

  it('is refused when the run it went into is gone with its leaves', async () => {
    const { trace, run } = await takenOver();
    await asOwner(`delete from sworn.llm_run_records where tenant_id = '${tenant}' and run_id = '${run}'`);
    await asOwner(`delete from sworn.leaf where tenant_id = '${tenant}' and run_id = '${run}'`);
    expect((await ask(trace, 'envelope')).json).toMatchObject({
      finding: { check: 'V5', code: 'MISSING_UNAUTHORISED' },
    });
  });
});
