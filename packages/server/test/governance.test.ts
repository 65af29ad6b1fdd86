import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { type Line, logsRequest } from './logLines.js';
import { LOG_CAPTURES, TRACE_CAPTURES } from './otlpCaptures.js';

const LIST = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let key: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
});
afterAll(() => house.close());

interface Event {
  readonly [name: string]: unknown;
  readonly rule: string | null;
  readonly native: { readonly field: string | null; readonly value: string | null } | null;
}

const governanceOf = async (id: string, query = '') => (await get(house, `${LIST}/${id}/governance${query}`, key)).json;
const eventsOf = async (id: string): Promise<Event[]> => (await governanceOf(id)).events;
const runs = async (): Promise<string[]> =>
  (await get(house, `${LIST}?limit=100`, key)).json.items.map((item: { run_id: string }) => item.run_id);
const send = (...lines: readonly Line[]) =>
  house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) });
const bytesOf = (id: string) => Buffer.from(id, 'hex');

/** A run of these spans; the first is its root. */
async function run(...spans: readonly Omit<SpanText, 'traceId'>[]): Promise<string> {
  const traceId = newTrace();
  await house.ingest(tenant, otlp(spans.map((span) => ({ traceId, ...span }))));
  await house.seal(tenant);
  return traceId;
}

async function sound(): Promise<void> {
  await house.sign(tenant);
  expect((await house.check(tenant)).findings).toEqual([]);
}

/** Rules of all runs of a client, in no order: what its ground truth says, and nothing else. */
// biome-ignore format: a line an event
const TRUTH: Readonly<Record<string, readonly string[]>> = {
  'ai-sdk-v7-modern-json': [],
  'ai-sdk-v7-modern-protobuf': [],
  'langchain-openinference-json': ['langgraph.interrupt PENDING', 'limit.rate NONE', 'resumed.rejected DENY'],
  'langchain-openinference-protobuf': ['langgraph.interrupt PENDING', 'limit.rate NONE', 'resumed.rejected DENY'],
  'langgraph-interrupt-json': ['langgraph.interrupt PENDING', 'langgraph.interrupt PENDING', 'langgraph.interrupt PENDING'],
  'mastra-json': ['mastra.processor DENY', 'mastra.tripwire DENY', 'mastra.tripwire_log DENY'],
  'openai-agents-openinference-json': ['openai_agents.denied_tool DENY', 'openai_agents.tripwire DENY', 'openinference.guardrail ALLOW', 'openinference.guardrail DENY'],
  'openai-auto-grpc': ['limit.rate NONE'],
  'openai-auto-protobuf-gzip': ['limit.rate NONE'],
};

const WITH_REASONS = [
  'mastra-json',
  'openai-agents-openinference-json',
  'langchain-openinference-json',
  'langgraph-interrupt-json',
];

describe('the governance of what real clients sent', () => {
  it.each(Object.keys(TRUTH))('%s is what it said, each event in one run, at its step', async (client) => {
    for (const capture of TRACE_CAPTURES.filter((one) => one.client === client)) await house.ingest(tenant, capture);
    for (const capture of LOG_CAPTURES.filter((one) => one.client === client)) await house.ingestLogs(tenant, capture);
    await house.seal(tenant);
    const said: string[] = [];
    for (const id of await runs()) {
      const { events, summary, reporting } = await governanceOf(id);
      for (const event of events) {
        said.push(`${event.rule} ${event.decision}`);
        expect(event.step_index).not.toBeNull();
        expect([event.reported_by, event.native?.value]).toEqual(['CLIENT', expect.any(String)]);
      }
      const counted = summary.counts.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
      expect([counted, reporting === 'REPORTED']).toEqual([events.length, events.length > 0]);
    }
    expect(said.toSorted()).toEqual(TRUTH[client]);
    await sound();
  });

  it('shows the reason in the words of the sender, from the body of the span, of the one above, or of the log record', async () => {
    for (const capture of [...TRACE_CAPTURES, ...LOG_CAPTURES]) {
      if (!WITH_REASONS.includes(capture.client)) continue;
      if (LOG_CAPTURES.includes(capture)) await house.ingestLogs(tenant, capture);
      else await house.ingest(tenant, capture);
    }
    await house.seal(tenant);
    const all = (await Promise.all((await runs()).map(eventsOf))).flat();
    const of = (rule: string, decision = 'DENY') =>
      all.find((event) => event.rule === rule && event['decision'] === decision);
    expect(of('openinference.guardrail')).toMatchObject({
      category: 'POLICY_EVALUATION',
      policy_id: 'jailbreak_check',
      native: { field: 'guardrail.triggered', value: 'true' },
      reason: expect.stringContaining('prompt injection'),
    });
    expect(of('openinference.guardrail', 'ALLOW')).toMatchObject({ policy_id: 'pii_check', reason: null });
    expect(of('openai_agents.denied_tool')).toMatchObject({
      category: 'APPROVAL_DECISION',
      tool: 'delete_db',
      actor_type: 'HUMAN',
      reason: expect.stringContaining('manually rejected by user'),
    });
    expect(of('mastra.tripwire')).toMatchObject({ policy_id: 'pii-guard', reason: 'PII detected in input' });
    expect(of('mastra.tripwire_log')).toMatchObject({
      policy_id: 'pii-guard',
      reason: 'PII detected in input',
      native: { field: 'body', value: 'Input processor tripwire triggered' },
    });
    const asked = all.filter(({ rule }) => rule === 'langgraph.interrupt');
    for (const words of ['Tool execution requires approval', 'pay 20 EUR?', '"question": "pay 30 EUR?"', 'too dear'])
      expect(asked).toContainEqual(
        expect.objectContaining({ category: 'APPROVAL_REQUEST', reason: expect.stringContaining(words) }),
      );
    expect(of('resumed.rejected')).toMatchObject({
      category: 'APPROVAL_DECISION',
      native: { field: 'resume', value: 'reject' },
      actor_type: 'HUMAN',
    });
  });
});

it('a run of LangGraph that was interrupted, by whatever value, waits until the next of its thread takes it up', async () => {
  for (const capture of TRACE_CAPTURES.filter(({ client }) => client === 'langgraph-interrupt-json'))
    await house.ingest(tenant, capture);
  // The seal of the run that takes another up settles that one.
  for (let turn = 0; turn < 2; turn++) await house.seal(tenant);
  const { items } = (await get(house, `${LIST}?limit=100`, key)).json as {
    items: Record<'conversation_id' | 'execution_status' | 'waiting_for', string | null>[];
  };
  expect(
    items.map((run) => `${run.conversation_id} ${run.execution_status} ${run.waiting_for ?? ''}`.trim()).toSorted(),
  ).toEqual([
    't-error FAILED',
    't-node RUNNING approval',
    't-object RUNNING approval',
    't-text SUCCEEDED',
    't-text SUCCEEDED',
  ]);
});

/** A vocabulary, a span of its kind, and what it says. */
// biome-ignore format: a line a vocabulary
const SPANS: readonly (readonly [string, Partial<SpanText>, Record<string, unknown> | null])[] = [
  ['Claude Code, answered by its user', { attributes: { 'span.type': 'tool.blocked_on_user', decision: 'reject', source: 'user_reject', tool_name: 'Bash', tool_use_id: 'toolu_1' } }, { category: 'APPROVAL_DECISION', decision: 'DENY', actor_type: 'HUMAN', enforced_by: 'user_reject', tool: 'Bash', call_id: 'toolu_1' }],
  ['Claude Code, waiting', { attributes: { 'span.type': 'tool.blocked_on_user', tool_name: 'Bash' } }, { category: 'APPROVAL_REQUEST', decision: 'NONE', native: null }],
  ['Traceloop, passed', { attributes: { 'gen_ai.guardrail.name': 'pii', 'gen_ai.guardrail.status': 'PASSED' } }, { decision: 'ALLOW', policy_id: 'pii', native: { field: 'gen_ai.guardrail.status', value: 'PASSED' } }],
  ['Traceloop, failed', { attributes: { 'gen_ai.guardrail.name': 'pii', 'gen_ai.guardrail.status': 'FAILED', 'gen_ai.guardrail.failed_guard_count': 2 } }, { decision: 'DENY', observed: '2' }],
  ['Langfuse, flagged', { attributes: { 'langfuse.observation.type': 'guardrail', 'langfuse.observation.level': 'WARNING', 'langfuse.observation.status_message': 'rude, maybe' } }, { category: 'POLICY_EVALUATION', decision: 'NONE', native: { field: 'langfuse.observation.level', value: 'WARNING' }, reason: 'rude, maybe' }],
  ['Langfuse, evaluated', { attributes: { 'langfuse.observation.type': 'evaluator' } }, { category: 'EVALUATION', decision: 'NONE', native: null }],
  ['NeMo, stopped', { attributes: { 'rail.name': 'self check input', 'rail.type': 'input', 'rail.stop': 'true', 'guardrails.rail.reason': 'because, well' } }, { decision: 'DENY', policy_id: 'self check input', rule_id: 'input', reason: 'because, well' }],
  ['OTel, verdict and action', { attributes: { 'gen_ai.operation.name': 'run_guardrail', 'gen_ai.guardrail.verdict.type': 'deny', 'gen_ai.guardrail.action.type': 'audit', 'gen_ai.guardrail.component.name': 'shield' } }, { decision: 'DENY', enforced: 'ALLOW', enforced_by: 'shield' }],
  ['OTel, a warning', { attributes: { 'gen_ai.guardrail.verdict.type': 'warn' } }, { category: 'NEAR_BREACH', decision: 'NONE', native: { field: 'gen_ai.guardrail.verdict.type', value: 'warn' } }],
  ['OTel, a result that means nothing more', { attributes: { 'gen_ai.operation.name': 'apply_guardrail', 'gen_ai.guardrail.result.value': 'BLOCKED', 'gen_ai.guardrail.policy.id': 'p-1', 'gen_ai.guardrail.policy.version': '7' } }, { decision: 'NONE', native: { field: 'gen_ai.guardrail.result.value', value: 'BLOCKED' }, policy_id: 'p-1', policy_version: '7' }],
  ['OpenInference, an evaluation', { attributes: { 'openinference.span.kind': 'EVALUATOR', 'evaluation.name': 'toxicity', 'evaluation.label': 'toxic', 'evaluation.score': '0.93', 'evaluation.explanation': 'it says: no' } }, { category: 'EVALUATION', decision: 'NONE', rule_id: 'toxicity', observed: '0.93', reason: 'it says: no', native: { field: 'evaluation.label', value: 'toxic' } }],
  ['a call that came to its limit', { attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.response.finish_reasons': '["length"]', 'gen_ai.request.max_tokens': 16, 'gen_ai.usage.output_tokens': 16 } }, { category: 'THRESHOLD_CHECK', observed: '16', threshold: '16', unit: 'tokens', native: { field: 'finish_reason', value: 'length' } }],
  ['a filtered answer', { attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.response.finish_reasons': '["content-filter"]' } }, { category: 'THRESHOLD_CHECK', decision: 'NONE', native: { field: 'finish_reason', value: 'content_filter' } }],
  ['a quota', { status: 2, statusMessage: 'insufficient_quota', attributes: { 'gen_ai.operation.name': 'chat' } }, { category: 'THRESHOLD_CHECK', rule: 'limit.quota' }],
  ['too many turns', { status: 2, statusMessage: 'MaxTurnsExceeded', attributes: { 'gen_ai.operation.name': 'invoke_agent' } }, { category: 'THRESHOLD_CHECK', rule: 'limit.turns' }],
  ['nothing', { attributes: { 'gen_ai.operation.name': 'chat', decision: 'deny', status: 'blocked', 'gen_ai.response.finish_reasons': '["stop"]' } }, null],
  ['a failure that is none', { status: 2, statusMessage: 'upstream exploded', attributes: { 'gen_ai.operation.name': 'execute_tool' } }, null],
];

describe('a span of', () => {
  it.each(SPANS)('%s says so, and nothing more', async (_, span, expected) => {
    const id = await run({ spanId: newSpan(), ...span });
    // What is concluded of it is another matter (overrides.test.ts).
    const events = (await eventsOf(id)).filter((event) => event['reported_by'] !== 'DERIVED');
    expect(events).toHaveLength(expected === null ? 0 : 1);
    if (expected !== null) expect(events[0]).toMatchObject({ ...expected, step_index: 0, reported_by: 'CLIENT' });
  });
});

// biome-ignore format: a line a vocabulary
const LINES: readonly (readonly [string, Line, Record<string, unknown>])[] = [
  ['Claude Code, by its settings', { body: 'claude_code.tool_decision', attributes: { decision: 'accept', source: 'config', tool_name: 'Read', tool_use_id: 'toolu_2', 'user.id': 'u-1' } }, { category: 'POLICY_EVALUATION', decision: 'ALLOW', actor_type: 'SYSTEM', actor_id: null, call_id: 'toolu_2', native: { field: 'decision', value: 'accept' } }],
  ['Claude Code, by its user', { attributes: { 'event.name': 'tool_decision', decision: 'reject', source: 'user_reject', tool_name: 'Bash', 'user.id': 'u-1' } }, { category: 'APPROVAL_DECISION', decision: 'DENY', actor_type: 'HUMAN', actor_id: expect.stringMatching(/^tok_/) }],
  ['Codex', { event: 'event otel/src/x.rs:12', attributes: { 'event.name': 'codex.tool_decision', decision: 'approved', source: 'Config', call_id: 'call-1', tool_name: 'shell' } }, { decision: 'ALLOW', enforced_by: 'Config', call_id: 'call-1', tool: 'shell', category: 'POLICY_EVALUATION' }],
  ['Gemini CLI', { event: 'gemini_cli.tool_call', attributes: { function_name: 'write_file', decision: 'modify' } }, { decision: 'CONDITIONAL', category: 'APPROVAL_DECISION', tool: 'write_file' }],
  ['managed settings', { event: 'managed_settings_resolved' }, { event_type: 'POLICY_IN_FORCE', decision: 'NONE' }],
  ['an application’s own, in numbers', { event: 'sworn.audit.event', attributes: { 'sworn.audit.category': 'threshold_check', 'sworn.audit.observed': 20, 'sworn.audit.threshold': '50.5', 'sworn.audit.unit': 'EUR', 'sworn.audit.decision': 'allow' } }, { category: 'THRESHOLD_CHECK', decision: 'ALLOW', observed: '20', threshold: '50.5', unit: 'EUR' }],
  ['an evaluation', { event: 'gen_ai.evaluation.result', attributes: { 'gen_ai.evaluation.name': 'relevance', 'gen_ai.evaluation.score.label': 'pass', 'gen_ai.evaluation.score.value': '0.9', 'gen_ai.evaluation.explanation': 'fine, fine' } }, { category: 'EVALUATION', decision: 'NONE', rule_id: 'relevance', observed: '0.9', reason: 'fine, fine', native: { field: 'gen_ai.evaluation.score.label', value: 'pass' } }],
  ['a guardrail result', { event: 'gen_ai.guardrail.result', attributes: { 'gen_ai.guardrail.result.value': 'denied', 'gen_ai.guardrail.policy.id': 'p' } }, { decision: 'NONE', policy_id: 'p', native: { field: 'gen_ai.guardrail.result.value', value: 'denied' } }],
  ['a security finding', { event: 'gen_ai.guardrail.security.finding', attributes: { 'gen_ai.guardrail.verdict.type': 'deny', 'gen_ai.guardrail.action.type': 'block' } }, { category: 'VIOLATION', decision: 'DENY', enforced: 'DENY' }],
  ['a threat', { event: 'agent.threat.detection', body: 'an odd prompt, it seems', attributes: { rule_id: 'r-9', action: 'blocked' } }, { category: 'VIOLATION', decision: 'DENY', rule_id: 'r-9', reason: 'an odd prompt, it seems' }],
  ['any application', { event: 'sworn.audit.event', body: 'too expensive, this', attributes: { 'sworn.audit.category': 'OVERRIDE', 'sworn.audit.decision': 'allow', 'sworn.audit.actor.id': 'ada@example.com' } }, { category: 'OVERRIDE', decision: 'ALLOW', actor_type: 'HUMAN', reason: 'too expensive, this', rule: null }],
];

describe('a log record of', () => {
  it.each(LINES)('%s is an event of its run, at its step', async (_, line, expected) => {
    const spanId = newSpan();
    const id = await run({ spanId: newSpan() }, { spanId, start: 1 });
    await send({ ...line, traceId: bytesOf(id), spanId: bytesOf(spanId) });
    const [event, ...more] = await eventsOf(id);
    expect(more).toEqual([]);
    expect(event).toMatchObject({ ...expected, trace_id: id, span_id: spanId });
    expect(event?.['step_index']).not.toBeNull();
    await sound();
  });

  it('a tool call that nobody decided on, or a line that only looks like a tripwire, is none', async () => {
    const id = await run({ spanId: newSpan() });
    await send(
      { event: 'gemini_cli.tool_call', traceId: bytesOf(id), attributes: { function_name: 'ls' } },
      { body: 'tripwire triggered', traceId: bytesOf(id) },
      { body: 'a tripwire triggered it', traceId: bytesOf(id), attributes: { 'mastra.log.processorId': 'x' } },
    );
    expect(await governanceOf(id)).toMatchObject({
      events: [],
      reporting: 'NO_SOURCE',
      summary: { counts: [], others: 0, complete: true },
    });
  });
});

describe('the governance of a run', () => {
  const GUARDRAIL = { attributes: { 'guardrail.triggered': 'true', 'tool.name': 'pii' } };

  it('says whether nothing was reported, or no source of it is connected', async () => {
    const before = (await house.ingest(tenant, agentRun(newTrace())))[0] ?? '';
    await house.seal(tenant);
    expect((await governanceOf(before)).reporting).toBe('NO_SOURCE');
    const reported = await run({ spanId: newSpan(), ...GUARDRAIL });
    expect((await governanceOf(reported)).reporting).toBe('REPORTED');
    const answer = await governanceOf(before);
    expect(answer).toMatchObject({
      reporting: 'NOTHING_REPORTED',
      events: [],
      metadata: { run_id: before, source_domain: 'POLICY' },
    });
  });

  it('is stored once, however often its spans are sent, and not from a copy that contradicts the first', async () => {
    const [traceId, spanId] = [newTrace(), newSpan()];
    const sent = (attributes: Record<string, string>) => house.ingest(tenant, otlp([{ traceId, spanId, attributes }]));
    await sent({ 'guardrail.triggered': 'false', 'tool.name': 'pii' });
    await sent({ 'guardrail.triggered': 'false', 'tool.name': 'pii' });
    await sent({ 'guardrail.triggered': 'true', 'tool.name': 'pii' });
    await sent({ 'rail.stop': 'true' });
    await house.seal(tenant);
    expect((await eventsOf(traceId)).map(({ decision }) => decision)).toEqual(['ALLOW']);
    await sound();
  });

  it('is that of a run in a shared trace alone, and what names a run is of that run alone', async () => {
    const traceId = newTrace();
    const [root, inner, guard, own] = [newSpan(), newSpan(), newSpan(), newSpan()];
    await house.ingest(
      tenant,
      otlp([
        { traceId, spanId: root, end: 100 },
        { traceId, spanId: own, parentSpanId: root, start: 1, ...GUARDRAIL },
        { traceId, spanId: inner, parentSpanId: root, start: 2, attributes: { 'sworn.run.id': 'first' } },
        { traceId, spanId: guard, parentSpanId: inner, start: 3, ...GUARDRAIL },
        { traceId, spanId: newSpan(), parentSpanId: root, start: 4, attributes: { 'sworn.run.id': 'second' } },
      ]),
      ['ingest:assert'],
    );
    await house.seal(tenant);
    await send(
      { event: 'sworn.audit.review', traceId: bytesOf(traceId), attributes: { 'sworn.audit.run.id': 'second' } },
      {
        event: 'sworn.audit.incident.linked',
        attributes: { 'sworn.audit.run.id': 'second', 'sworn.audit.incident.id': 'INC-1' },
      },
    );
    const [first, second] = [await governanceOf('first'), await governanceOf('second')];
    expect(first.events.map((event: Event) => event['span_id']).toSorted()).toEqual([own, guard].toSorted());
    expect(second.events.map((event: Event) => event['event_type'])).toEqual(['REVIEW', 'INCIDENT_LINKED']);
    expect(second.summary).toEqual({ counts: [], others: 2, events_left_out: 0, complete: true });
  });

  it('comes in pages and as lines, in the order of time, each event once while more come', async () => {
    const traceId = newTrace();
    const spans = Array.from({ length: 25 }, (_, i) => ({
      traceId,
      spanId: newSpan(),
      start: 25 - i,
      end: 60 - i,
      ...GUARDRAIL,
    }));
    await house.ingest(tenant, otlp(spans));
    await house.seal(tenant);
    const seen: Event[] = [];
    let query = '?limit=7';
    for (;;) {
      const page = await governanceOf(traceId, query);
      seen.push(...page.events);
      expect(page.summary.counts).toEqual([{ category: 'POLICY_EVALUATION', decision: 'DENY', count: 25 }]);
      await send({ event: 'sworn.audit.note', traceId: bytesOf(traceId) });
      if (page.next_cursor === null) break;
      query = `?limit=7&cursor=${page.next_cursor}`;
    }
    expect(seen.map((event) => event['span_id'])).toEqual(spans.map(({ spanId }) => spanId).toReversed());
    const lines = (
      await get(house, `${LIST}/${traceId}/governance?limit=7`, key, { accept: 'application/x-ndjson' })
    ).text
      .trim()
      .split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ complete: true, count: 26 });
    expect((await accessRecords(house, tenant)).at(-2)).toMatchObject({
      kind: 'READ',
      endpoint: 'llm_runs.governance',
      run_id: traceId,
    });
  });

  it('of a span beyond its first 16 events is counted in the last, and wherever that is listed', async () => {
    const traceId = newTrace();
    const events = Array.from({ length: 40 }, (_, i) => ({
      name: i % 4 === 3 ? 'exception' : 'gen_ai.evaluation.result',
      at: i,
      attributes: { 'gen_ai.evaluation.name': `check-${i}` },
    }));
    await house.ingest(
      tenant,
      otlp([
        { traceId, spanId: newSpan(), ...GUARDRAIL, events },
        { traceId, spanId: newSpan(), start: 50, ...GUARDRAIL, events: events.slice(0, 20) },
      ]),
    );
    await house.seal(tenant);
    const { events: shown, summary } = await governanceOf(traceId);
    // Of 31 that the first span tells of.
    expect(shown).toHaveLength(32);
    expect(shown.filter((event: Event) => event['events_left_out'] !== 0)).toMatchObject([
      { events_left_out: 15, rule_id: 'check-18' },
    ]);
    expect(summary).toMatchObject({ events_left_out: 15, complete: true });
    const listed = (await get(house, '/api/v1/logs/audit?log=audit&limit=100', key)).json.items;
    const replayed = (await get(house, `${LIST}/${traceId}/replay`, key)).json.events;
    for (const list of [listed, replayed])
      expect(list.map((one: Event) => one['events_left_out']).filter((n: number) => n !== 0)).toEqual([15]);
    await sound();
  });

  it('is withheld from who may not see records of the audit, and counted', async () => {
    const id = await run({ spanId: newSpan(), ...GUARDRAIL });
    const bare = await run({ spanId: newSpan() });
    const reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
    const asked = async (of: string) => (await get(house, `${LIST}/${of}/governance`, reader)).json;
    const line = (withheld: number) => ({ source: 'policy', status: 'WITHHELD', available_from: null, withheld });
    const withheld = await asked(id);
    expect(withheld).toMatchObject({
      sources: [line(1)],
      events: [],
      summary: null,
      reporting: 'REPORTED',
      has_more: false,
      metadata: { run_id: id, policy_ids: [] },
    });
    expect(withheld.metadata.integrity.logs.map(({ log }: { log: string }) => log)).toEqual(['llm-runs']);
    expect(await asked(bare)).toMatchObject({ sources: [line(0)], events: [], reporting: 'NOTHING_REPORTED' });
    const seen = await governanceOf(id);
    expect(seen).toMatchObject({ sources: [{ status: 'AVAILABLE', withheld: null }], events: [{ policy_id: 'pii' }] });
    // What the run itself says is its own record.
    const envelope = (await get(house, `${LIST}/${id}/envelope`, reader)).json;
    expect(envelope.metadata.policy_ids).toEqual(['pii']);
    const twice = await run({ spanId: newSpan(), ...GUARDRAIL }, { spanId: newSpan(), start: 1, ...GUARDRAIL });
    const cursor = (await governanceOf(twice, '?limit=1')).next_cursor;
    expect((await get(house, `${LIST}/${id}/governance?cursor=${cursor}`, reader)).status).toBe(400);
  });

  it('tells of a row that was changed, and of a body that was', async () => {
    const id = await run({ spanId: newSpan() });
    await send(
      { event: 'sworn.audit.note', body: 'a', traceId: bytesOf(id) },
      { event: 'sworn.audit.note', body: 'b', traceId: bytesOf(id), timeNs: 1_764_032_000_999_000_000n },
    );
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.audit_ledger set decision = 'ALLOW' where tenant_id = $1 and leaf_index = 0`,
      [tenant],
    );
    await house.database.admin(
      `update sworn.leaf set body = $2 where tenant_id = $1 and log = 'audit' and leaf_index = 1`,
      [tenant, Buffer.alloc(64)],
    );
    await house.database.admin('set session_replication_role = origin');
    const { events, metadata } = await governanceOf(id);
    expect(events).toMatchObject([
      { compromised: true, finding: { code: 'PROJECTION_MISMATCH' } },
      { compromised: true, finding: { code: 'BODY_MISMATCH' } },
    ]);
    expect(metadata.immutable).toBe(false);
  });

  it('is another tenant’s to nobody', async () => {
    const id = await run({ spanId: newSpan(), ...GUARDRAIL });
    const other = await house.tenants.create({ name: 'other' });
    const theirs = (await house.keys.issue({ tenantId: other, role: 'reader' })).key;
    expect((await get(house, `${LIST}/${id}/governance`, theirs)).status).toBe(404);
  });
});
