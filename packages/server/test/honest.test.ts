import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { sentencesOf } from './findings.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';

/** Histories that are played; `SWORN_TEST_HISTORIES` says how many, a thousand in a few minutes. */
const HISTORIES = Number(process.env['SWORN_TEST_HISTORIES'] ?? 30);

let house: House;
beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());

/** What honest producers, operators and time do to a tenant's logs. */
const act = fc.oneof(
  fc.record({ does: fc.constant('run' as const), steps: fc.integer({ min: 1, max: 6 }), rooted: fc.boolean() }),
  // Several ways to go back to a trace that is there: any of these may come after its run was sealed.
  fc.record({
    does: fc.constantFrom('again', 'contradict', 'late', 'fail', 'carve', 'join'),
    nth: fc.nat({ max: 5 }),
  }),
  fc.record({ does: fc.constant('foreign' as const) }),
  fc.record({ does: fc.constant('impostor' as const), kind: fc.constantFrom('ERASURE', 'FINDING', 'RETENTION') }),
  fc.record({ does: fc.constantFrom('seal', 'sign', 'read', 'key') }),
  fc.record({ does: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 86_400_000 }) }),
);
type Act = typeof act extends fc.Arbitrary<infer A> ? A : never;

/** One tenant's history, as far as its producers remember it. */
class History {
  readonly #requests: SpanText[][] = [];
  readonly #reader: string;
  readonly tenant: string;

  constructor(tenant: string, reader: string) {
    this.tenant = tenant;
    this.#reader = reader;
  }

  async play(what: Act): Promise<void> {
    switch (what.does) {
      case 'run':
        return this.#send(runOf(what.steps, what.rooted));
      case 'foreign':
        await house.ingest(this.tenant, otlp(runOf(2, true)), [], ['another-service']);
        return;
      case 'impostor':
        return this.#send([
          { traceId: newTrace(), spanId: newSpan(), name: what.kind, attributes: { 'sworn.kind': what.kind } },
        ]);
      case 'seal':
        return house.seal(this.tenant);
      case 'sign':
        return house.sign(this.tenant);
      case 'read':
        await get(house, '/api/v1/logs/llm-runs?limit=2', this.#reader);
        return;
      case 'key':
        await house.keys.issue({ tenantId: this.tenant, role: 'reader' });
        return;
      case 'wait':
        house.advance(what.ms);
        return;
      default:
        return this.#goBack(what.does, this.#requests[what.nth % Math.max(1, this.#requests.length)]);
    }
  }

  /** Sends something about a trace that is there already. */
  async #goBack(
    how: 'again' | 'contradict' | 'late' | 'fail' | 'carve' | 'join',
    before: SpanText[] | undefined,
  ): Promise<void> {
    const [first] = before ?? [];
    if (before === undefined || first === undefined) return;
    const { traceId } = first;
    const child = { traceId, spanId: newSpan(), parentSpanId: first.spanId };
    const spans: Readonly<Record<typeof how, readonly SpanText[]>> = {
      again: before,
      contradict: [{ ...first, name: 'another name' }],
      late: [{ ...child, name: 'late' }],
      fail: [{ ...child, status: 2, exception: 'it broke' }],
      carve: [{ ...child, attributes: { 'sworn.run.id': `carved-${child.spanId}` } }],
      join: [{ traceId: newTrace(), spanId: newSpan(), attributes: { 'sworn.run.id': traceId } }],
    };
    await house.ingest(this.tenant, otlp(spans[how]), ['ingest:assert']);
  }

  async #send(spans: SpanText[]): Promise<void> {
    this.#requests.push(spans);
    await house.ingest(this.tenant, otlp(spans));
  }
}

function runOf(steps: number, rooted: boolean): SpanText[] {
  const [traceId, rootId] = [newTrace(), newSpan()];
  return Array.from({ length: steps }, (_, i) => ({
    traceId,
    spanId: rooted && i === 0 ? rootId : newSpan(),
    ...(rooted && i === 0 ? {} : { parentSpanId: rootId }),
    name: i === 0 ? 'invoke_agent clerk' : 'execute_tool lookup',
    attributes: { 'gen_ai.operation.name': i === 0 ? 'invoke_agent' : 'execute_tool', 'gen_ai.tool.name': 'lookup' },
  }));
}

describe('an honest history', () => {
  it('is never a finding, whatever producers repeat, contradict, send late or for others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 14 }), async (acts) => {
        const tenant = await house.tenants.create({ name: 'honest' });
        const { key } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
        const history = new History(tenant, key);
        for (const what of acts) await history.play(what);
        // As it stands, with runs open and records unsigned; and when all is quiet.
        expect(sentencesOf(await house.check(tenant))).toEqual([]);
        await house.seal(tenant);
        await house.sign(tenant);
        expect(sentencesOf(await house.check(tenant))).toEqual([]);
      }),
      { numRuns: HISTORIES },
    );
  });
});
