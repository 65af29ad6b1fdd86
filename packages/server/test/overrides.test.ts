import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newSpan, newTrace, otlp } from './facadeSpans.js';
import { type Line, logsRequest } from './logLines.js';

/** When the span of a run lies, in nanoseconds. */
const STARTED = 1_795_132_800_000_000_000n;

let house: House;
let tenant: string;
let key: string;
let auditor: string;
let runId: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  runId = newTrace();
});
afterAll(() => house.close());

/** A log record of the run, `at` milliseconds after it began. */
const line = (at: number, event: string, attributes: Record<string, string>): Line => ({
  event,
  attributes,
  traceId: Buffer.from(runId, 'hex'),
  timeNs: STARTED + BigInt(at) * 1_000_000n,
});
const decided = (at: number, decision: string, source: string, call = 'toolu_1'): Line =>
  line(at, 'claude_code.tool_decision', { decision, source, tool_name: 'Bash', tool_use_id: call, 'user.id': 'ada' });
const guardrail = (verdict: string, action: string) => ({
  'gen_ai.operation.name': 'run_guardrail',
  'gen_ai.guardrail.verdict.type': verdict,
  'gen_ai.guardrail.action.type': action,
  'gen_ai.guardrail.component.name': 'shield',
  'gen_ai.security.policy.id': 'pii',
});

async function tell(...lines: readonly Line[]): Promise<void> {
  await house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) });
}

/** The run's span, what is said of it, and its seal. */
async function run(lines: readonly Line[], attributes: Record<string, string> = {}): Promise<void> {
  await house.ingest(tenant, otlp([{ traceId: runId, spanId: newSpan(), end: 100, attributes }]));
  if (lines.length > 0) await tell(...lines);
  await house.seal(tenant);
}

interface Event {
  readonly id: string;
  readonly category: string;
  readonly derived_from: string[];
  readonly [name: string]: unknown;
}
const eventsOf = async (id = runId): Promise<Event[]> =>
  (await get(house, `/api/v1/logs/llm-runs/${id}/governance`, auditor)).json.events;
const overridesOf = async (id = runId) => (await eventsOf(id)).filter(({ category }) => category === 'OVERRIDE');

async function findings(): Promise<readonly unknown[]> {
  await house.sign(tenant);
  return (await house.check(tenant)).findings;
}

describe('an override', () => {
  it('is concluded when a person allows the call that a policy denied, and names both records', async () => {
    await run([decided(10, 'reject', 'config'), decided(20, 'accept', 'user_temporary')]);
    const [denied, allowed, override, ...more] = await eventsOf();
    expect(more).toEqual([]);
    expect(override).toMatchObject({
      category: 'OVERRIDE',
      event_type: 'OVERRIDE',
      decision: 'ALLOW',
      rule: 'override.human',
      rule_version: 1,
      reported_by: 'DERIVED',
      timestamp: '2026-11-20T00:00:00.020000Z',
      derived_from: [denied?.id, allowed?.id],
      actor_type: 'HUMAN',
      actor_id: expect.stringMatching(/^tok_/),
      tool: 'Bash',
      call_id: 'toolu_1',
      trace_id: runId,
      native: null,
    });
    const replay = (await get(house, `/api/v1/logs/llm-runs/${runId}/replay`, auditor)).json.events;
    expect(replay).toContainEqual(
      expect.objectContaining({ source: 'policy', ref: expect.objectContaining({ id: override?.id }) }),
    );
    const { items } = (await get(house, '/api/v1/logs/audit?category=OVERRIDE', auditor)).json;
    expect(items).toMatchObject([
      { id: override?.id, key_id: null, metadata: { source_component: 'AuditLedgerWriter', source_domain: 'POLICY' } },
    ]);
    expect(await findings()).toEqual([]);
  });

  it('is concluded where a client let through what its guardrail denied, or the reverse', async () => {
    await run([], guardrail('deny', 'audit'));
    expect(await overridesOf()).toMatchObject([
      { rule: 'override.enforced', decision: 'ALLOW', policy_id: 'pii', enforced_by: 'shield', step_index: 0 },
    ]);
    runId = newTrace();
    await run([], guardrail('allow', 'block'));
    const [override] = await overridesOf();
    expect(override).toMatchObject({ rule: 'override.enforced', decision: 'DENY', actor_type: null });
    expect(override?.derived_from).toHaveLength(1);
    expect(await findings()).toEqual([]);
  });

  it.each([
    ['a person agrees with the policy', () => [decided(10, 'reject', 'config'), decided(20, 'reject', 'user_reject')]],
    [
      'a policy denies what a person had allowed',
      () => [decided(10, 'accept', 'user'), decided(20, 'reject', 'config')],
    ],
    [
      'a person decides on another call',
      () => [decided(10, 'reject', 'config'), decided(20, 'accept', 'user', 'toolu_2')],
    ],
    ['a policy decides anew', () => [decided(10, 'reject', 'config'), decided(20, 'accept', 'hook')]],
  ])('is none where %s', async (_, lines) => {
    await run(lines());
    expect(await overridesOf()).toEqual([]);
  });

  it('is none where what was done is what was decided', async () => {
    await run([], guardrail('deny', 'block'));
    expect(await overridesOf()).toEqual([]);
  });

  it('is concluded once: of one decision that is told twice, and however often the run is sealed', async () => {
    await run([decided(10, 'reject', 'config')]);
    expect(await overridesOf()).toEqual([]);
    await tell(decided(20, 'accept', 'user'));
    await house.seal(tenant);
    const [override] = await overridesOf();
    await tell(decided(21, 'accept', 'user'), decided(90, 'accept', 'config', 'toolu_3'));
    await house.seal(tenant);
    expect(await overridesOf()).toEqual([override]);
    const { revision } = (await get(house, `/api/v1/logs/llm-runs/${runId}/envelope`, key)).json;
    expect(revision).toBe(3);
    expect(await findings()).toEqual([]);
  });

  it('that an application reports stands as it was sent', async () => {
    const said = { 'sworn.audit.category': 'OVERRIDE', 'sworn.audit.decision': 'allow', 'sworn.audit.actor.id': 'ada' };
    await run([
      decided(10, 'reject', 'config'),
      line(20, 'sworn.audit.event', { ...said, 'sworn.audit.call.id': 'toolu_1' }),
    ]);
    expect(await overridesOf()).toMatchObject([{ reported_by: 'CLIENT', rule: null, derived_from: [] }]);
  });
});
