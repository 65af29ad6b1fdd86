import { FACADE_PREFIX } from '@sworn/contract';
import { parentsOf, treeOrder } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { sentencesOf } from './findings.js';
import { type Line, logsRequest } from './logLines.js';

/** Services of a key that may not speak for `shop`. */
const ELSEWHERE = ['another-service'];
const CHAT = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' };
const said = (content: string) => ({
  'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content }] }]),
});

let house: House;
let tenant = '';
let key = '';

beforeAll(async () => {
  house = await buildHouse();
}, 60_000);
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  ({ key } = await house.keys.issue({ tenantId: tenant, role: 'auditor' }));
});
afterAll(() => house.close());

const read = async (path: string) => (await get(house, `${FACADE_PREFIX}${path}`, key)).json;
const send = (...spans: readonly SpanText[]) => house.ingest(tenant, otlp(spans), ['ingest:assert']);
const sendForeign = (...spans: readonly SpanText[]) => house.ingest(tenant, otlp(spans), [], ELSEWHERE);

/** The run of a trace as its envelope and own steps tell it, without what each record has for itself. */
async function runOf(traceId: string) {
  const { execution_status, outcome, had_errors, service, inflection, prompt_hash, anomalies } = await read(
    `/llm-runs/${traceId}/envelope`,
  );
  const { steps } = await read(`/llm-runs/${traceId}/trace`);
  return {
    run: { execution_status, outcome, had_errors, service, inflection, prompt_hash },
    anomalies,
    steps: (steps as { name: string }[]).map(({ name, ...step }) => ({ name, ...step })) as Record<string, unknown>[],
  };
}

describe('a span that a foreign key sends', () => {
  it('takes the place of no own one, though it has its id and came first', async () => {
    const traceId = newTrace();
    const [root, child] = [newSpan(), newSpan()];
    const own: SpanText[] = [
      { traceId, spanId: root, name: 'mine', attributes: { ...CHAT, ...said('mine') } },
      { traceId, spanId: child, parentSpanId: root, name: 'below', start: 2 },
    ];
    await send(...own);
    await house.seal(tenant);
    const alone = await runOf(traceId);

    tenant = await house.tenants.create({ name: 'squatted' });
    ({ key } = await house.keys.issue({ tenantId: tenant, role: 'auditor' }));
    const squatter = {
      traceId,
      spanId: root,
      name: 'theirs',
      start: -5,
      status: 2 as const,
      attributes: { ...CHAT, ...said('theirs') },
    };
    await sendForeign(squatter);
    await sendForeign({ ...squatter, name: 'theirs again' });
    await send(...own);
    await house.seal(tenant);
    await house.sign(tenant);
    const squatted = await runOf(traceId);
    const { prompt_hash: _, inflection: turn, ...told } = squatted.run;
    const { prompt_hash: __, inflection: turnAlone, ...toldAlone } = alone.run;
    expect(told).toEqual(toldAlone);
    expect(turn).toEqual(turnAlone);
    expect(squatted.steps.map(({ name, depth, foreign, conflict }) => [name, depth, foreign, conflict])).toEqual([
      ['theirs', 0, true, true],
      ['mine', 0, false, false],
      ['below', 1, false, false],
    ]);
    // Hashes are the tenant's: that of the step itself tells whose prompt it is.
    expect(squatted.run.prompt_hash).toBe(squatted.steps[1]?.['input_hash']);
    expect(squatted.anomalies).toMatchObject({ foreign_steps: 1 });
    expect(sentencesOf(await house.check(tenant))).toEqual([]);
  });

  it('moves no own step into another run, or out of its own, by the id of the step above it', async () => {
    const traceId = newTrace();
    const [root, turn, below] = [newSpan(), newSpan(), newSpan()];
    await sendForeign({ traceId, spanId: turn, parentSpanId: root });
    await send(
      { traceId, spanId: root },
      { traceId, spanId: newSpan(), parentSpanId: root, attributes: { 'sworn.run.id': 'first' } },
      { traceId, spanId: turn, parentSpanId: root, attributes: { 'sworn.run.id': 'second' } },
      { traceId, spanId: below, parentSpanId: turn },
    );
    await house.seal(tenant);
    await house.seal(tenant);
    const steps = async (run: string): Promise<string[]> => {
      const { steps: all } = await read(`/llm-runs/${run}/trace`);
      return all.map((step: { span_id: string }) => step.span_id);
    };
    expect(await steps('second')).toContain(below);
    expect(await steps('first')).not.toContain(below);
    await house.sign(tenant);
    expect(sentencesOf(await house.check(tenant))).toEqual([]);
  });
});

describe('a log record that a foreign key sends', () => {
  it('takes the uid of no own one, though it came first', async () => {
    const traceId = newTrace();
    const root = newSpan();
    await send({ traceId, spanId: root });
    const decided = (decision: string): Line => ({
      event: 'sworn.audit.event',
      traceId: Buffer.from(traceId, 'hex'),
      spanId: Buffer.from(root, 'hex'),
      attributes: {
        'log.record.uid': 'decision-1',
        'sworn.audit.category': 'policy_evaluation',
        'sworn.audit.policy.id': 'refunds',
        'sworn.audit.decision': decision,
      },
    });
    const of = (decision: string) => ({ encoding: 'protobuf' as const, body: logsRequest([decided(decision)]) });
    await house.ingestLogs(tenant, of('Approved'), { services: ELSEWHERE });
    await house.ingestLogs(tenant, of('Denied'));
    await house.seal(tenant);
    const { events } = await read(`/llm-runs/${traceId}/governance`);
    expect(events).toMatchObject([
      { decision: 'ALLOW', foreign: true },
      { decision: 'DENY', foreign: false },
    ]);
    expect((await read(`/llm-runs/${traceId}/envelope`)).inflection.reason).toBe('DENY');
  });
});

describe('of two steps with one id', () => {
  it.each([
    ['first', [true, false]],
    ['last', [false, true]],
  ])('others hang below the own one, where the foreign one came %s', (_, foreign) => {
    const steps = [
      ...foreign.map((isForeign, index) => ({
        traceId: 't',
        spanId: 'x',
        parentSpanId: null,
        foreign: isForeign,
        startedNs: 1n,
        index,
      })),
      { traceId: 't', spanId: 'below', parentSpanId: 'x', foreign: false, startedNs: 2n, index: 2 },
    ];
    const own = foreign.indexOf(false);
    expect(parentsOf(steps)[2]).toBe(own);
    const places = treeOrder(steps).map(({ step }) => step.index);
    expect(places[places.indexOf(2) - 1]).toBe(own);
  });
});
