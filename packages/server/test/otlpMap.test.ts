import { haveBearingDescendant, parentsOf } from '@sworn/evidence';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTracesJson } from '../src/otlp/json.js';
import { stepContent } from '../src/otlp/map/content.js';
import { nameShaped } from '../src/otlp/map/name.js';
import { rollUpTokens, runEnd } from '../src/otlp/map/run.js';
import { mapSpan } from '../src/otlp/map/step.js';
import { readResource, readSpan, type SpanView } from '../src/otlp/span.js';
import { decodeTraces } from '../src/otlp/wire.js';
import { MAPPER } from './mapper.js';
import { fieldsOf, mapped, type Plain, spanOf, type Step, stepOf } from './mappedSpan.js';
import { GROUND_TRUTH, TRACE_CAPTURES } from './otlpCaptures.js';
import { anySpan } from './otlpOracle.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._:/@+#-]{0,127}$/;

describe.each(TRACE_CAPTURES)('what $client sent', ({ client, encoding, body }) => {
  const { spans } = encoding === 'json' ? decodeTracesJson(body) : decodeTraces(body);
  const steps = spans.map((slice) => ({ trace: Buffer.from(slice.traceId).toString('hex'), step: stepOf(slice) }));
  const traces = new Map<string, Step[]>();
  for (const { trace, step } of steps) traces.set(trace, [...(traces.get(trace) ?? []), step]);
  const runs = [...traces.values()].map((run) => {
    const arrived = new Set(run.map(({ spanId }) => spanId));
    const root = run.find(({ parentSpanId }) => parentSpanId === null);
    const top = root ?? run.find(({ parentSpanId }) => !arrived.has(parentSpanId ?? ''));
    return { totals: rollUpTokens(run), end: runEnd(run, top, root === undefined) };
  });
  const truth = GROUND_TRUTH[client];
  const count = (kind: string) => steps.filter(({ step }) => step.kind === kind).length;
  const marked = (mark: string) => steps.filter(({ step }) => step.marks.includes(mark)).length;

  test('has exactly the tokens and calls that were made', () => {
    const sum = (values: (number | null)[]) => values.reduce<number>((total, value) => total + (value ?? 0), 0);
    expect({
      traces: traces.size,
      spans: spans.length,
      input: sum(runs.map(({ totals }) => totals.inputTokens)),
      output: sum(runs.map(({ totals }) => totals.outputTokens)),
      llm_calls: sum(runs.map(({ totals }) => totals.calls)),
    }).toEqual({
      traces: truth?.traces,
      spans: truth?.spans,
      input: truth?.input,
      output: truth?.output,
      llm_calls: truth?.llm_calls,
    });
  });

  test('has the tools, retrievals, hand-overs and guardrails that there were', () => {
    const found = {
      tool_calls: count('TOOL'),
      retrievals: count('RETRIEVAL'),
      handoffs: count('HANDOFF'),
      guardrails: count('GUARDRAIL'),
      interrupts: marked('interrupt'),
      tool_denied: marked('denied'),
    };
    const known = Object.entries(found).filter(([name]) => truth !== undefined && name in truth);
    expect(Object.fromEntries(known)).toEqual(
      Object.fromEntries(known.map(([name]) => [name, truth?.[name as keyof typeof truth]])),
    );
  });

  test('ended as it did', () => {
    const failed = runs.filter(({ end }) => end.executionStatus === 'FAILED').length;
    expect(failed).toBe(truth?.failed_traces ?? 0);
    const blocked = runs.filter(({ end }) => end.terminationReason === 'policy_block');
    expect(blocked.length).toBe(client.startsWith('openai-agents') ? 1 : (truth?.tripwires ?? 0));
    for (const { end } of blocked) expect(end).toMatchObject({ executionStatus: 'ABORTED', outcome: 'TERMINATED' });
  });

  test('has a model and a provider on each real call, and no name that is none', () => {
    for (const { bytes, resource } of spans) {
      const { fields } = mapSpan(MAPPER, readSpan(bytes), readResource(resource.bytes), false);
      const call = fields.input_tokens !== undefined && fields.step_kind === 'LLM';
      expect(call ? fields.model : 'gpt-4o-mini').toMatch(/gpt-4o-mini|claude/);
      expect(fields.provider ?? '').not.toMatch(/mock|fake|langchain/i);
    }
  });
});

describe('the step kind', () => {
  test.each([
    [{ 'openinference.span.kind': 'RERANKER', 'gen_ai.operation.name': 'chat' }, 'RETRIEVAL'],
    [{ 'openinference.span.kind': 'SOMETHING_NEW', 'gen_ai.operation.name': 'chat' }, 'LLM'],
    [{ 'langsmith.span.kind': 'retriever', 'gen_ai.operation.name': 'embeddings' }, 'RETRIEVAL'],
    [{ 'langfuse.observation.type': 'generation' }, 'LLM'],
    [{ 'mastra.span.type': 'processor_run', 'gen_ai.operation.name': 'processor_run' }, 'GUARDRAIL'],
    [{ 'ai.operationId': 'ai.generateText.doGenerate' }, 'LLM'],
    [{ 'ai.operationId': 'ai.toolCall' }, 'TOOL'],
    [{ 'gen_ai.operation.name': 'invoke_agent' }, 'AGENT'],
    [{ 'traceloop.span.kind': 'workflow' }, 'CHAIN'],
    [{ 'mcp.method.name': 'tools/call' }, 'TOOL'],
    [{ 'mcp.method.name': 'ping' }, 'INFRA'],
    [{ 'gen_ai.usage.output_tokens': 3 }, 'LLM'],
    [{ 'db.system.name': 'qdrant' }, 'RETRIEVAL'],
    [{ 'db.system.name': 'postgresql' }, 'INFRA'],
    [{ 'http.request.method': 'POST' }, 'INFRA'],
    [{ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'transfer_to_billing' }, 'HANDOFF'],
    [{}, 'OTHER'],
  ])('of %j is %s', (attributes, kind) => {
    expect(fieldsOf(attributes as Record<string, Plain>).step_kind).toBe(kind);
  });
});

describe('tokens', () => {
  test('of an inclusive vocabulary stay as they are', () => {
    expect(
      fieldsOf({
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.cache_read.input_tokens': 64,
        'gen_ai.usage.output_tokens': 34,
      }),
    ).toMatchObject({ input_tokens: 120, cached_tokens: 64, output_tokens: 34 });
  });

  test('of disjoint buckets are put together: more from the cache than went in', () => {
    expect(
      fieldsOf({
        'gen_ai.usage.input_tokens': 56,
        'gen_ai.usage.cache_read.input_tokens': 44,
        'gen_ai.usage.cache_creation.input_tokens': 20,
      }),
    ).toMatchObject({ input_tokens: 120, cached_tokens: 44, cache_write_tokens: 20 });
  });

  test('of Langfuse are judged by its own total', () => {
    const disjoint = { input: 56, input_cached_tokens: 64, output: 22, output_reasoning_tokens: 12, total: 154 };
    expect(fieldsOf({ 'langfuse.observation.usage_details': JSON.stringify(disjoint) })).toMatchObject({
      input_tokens: 120,
      output_tokens: 34,
      cached_tokens: 64,
      reasoning_tokens: 12,
    });
    const inclusive = { input: 120, input_cached_tokens: 64, output: 34, total: 154 };
    expect(fieldsOf({ 'langfuse.observation.usage_details': JSON.stringify(inclusive) })).toMatchObject({
      input_tokens: 120,
      output_tokens: 34,
    });
  });

  test('of Claude Code are disjoint always', () => {
    expect(
      fieldsOf({
        'span.type': 'llm_request',
        input_tokens: 100,
        cache_read_tokens: 20,
        cache_creation_tokens: 5,
        output_tokens: 7,
      }),
    ).toMatchObject({ step_kind: 'LLM', input_tokens: 125, output_tokens: 7 });
  });

  test('that are no counts are not said', () => {
    for (const value of [-1, 1.5, 'many', true])
      expect(fieldsOf({ 'gen_ai.usage.input_tokens': value })).not.toHaveProperty('input_tokens');
  });

  test('cost is nano-dollars as reported, exact to the ninth place', () => {
    expect(fieldsOf({ 'llm.cost.total': 0.0007662 }).cost_nano_usd).toBe(766_200);
    expect(fieldsOf({ 'langfuse.observation.cost_details': '{"total":0.000000001}' }).cost_nano_usd).toBe(1);
    expect(fieldsOf({ 'llm.cost.total': 'NaN' })).not.toHaveProperty('cost_nano_usd');
  });
});

describe('names', () => {
  test('come by precedence: provider, models, conversation, agent, run', () => {
    expect(
      fieldsOf({
        'gen_ai.system': 'langchain',
        metadata: '{"ls_provider":"openai","session_id":"s-1","user_id":"u-1"}',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.response.finish_reasons': '["tool-calls"]',
        'agent.name': 'Weather Agent',
        'mastra.metadata.runId': 'run-1',
      }),
    ).toMatchObject({
      provider: 'openai',
      request_model: 'gpt-4o-mini',
      model: 'gpt-4o-mini-2024-07-18',
      finish_reasons: ['tool_calls'],
      conversation_id: 's-1',
      agent_id: 'Weather Agent',
      run_hint: 'run-1',
    });
    expect(fieldsOf({ 'ai.model.provider': 'anthropic.messages' }).provider).toBe('anthropic');
    // The AI SDK says its own name twice; other names with a dot are names.
    expect(fieldsOf({ 'gen_ai.system': 'openai.chat', 'ai.model.provider': 'openai.chat' }).provider).toBe('openai');
    expect(fieldsOf({ 'gen_ai.system': 'aws.bedrock' }).provider).toBe('aws.bedrock');
  });

  test('of the resource are service, environment, release and SDK', () => {
    const resource = {
      'service.name': 'shop',
      'deployment.environment.name': 'prod',
      'service.version': '1.2.3',
      'telemetry.sdk.name': 'opentelemetry',
    };
    expect(mapped({}, {}, false, resource).fields).toMatchObject({
      service: 'shop',
      environment: 'prod',
      release: '1.2.3',
      sdk: true,
    });
  });

  test('of humans come apart from the leaf, in clear', () => {
    const { fields, human } = mapped({ 'user.id': 'jane@example.com' });
    expect(human).toBe('jane@example.com');
    expect(JSON.stringify(fields)).not.toMatch(/jane/);
  });

  test('of `sworn.*` count for a key that may assert, and for no other', () => {
    const attributes = {
      'sworn.run.id': 'r-1',
      'mastra.metadata.runId': 'm-1',
      'sworn.policy.ids': ['p-1', 'p-2'],
      'sworn.human.id': 'boss',
      'user.id': 'u',
    };
    const { fields, human } = mapped(attributes, {}, true);
    expect([fields.run_hint, fields.policy_ids, human]).toEqual(['r-1', ['p-1', 'p-2'], 'boss']);
    const other = mapped(attributes);
    expect([other.fields.run_hint, other.fields.policy_ids, other.human]).toEqual(['m-1', undefined, 'u']);
  });

  test.each([
    'jane@example.com',
    'call jane.doe@mail.example.org',
    'x'.repeat(129),
    ' leading',
    'line\nbreak',
    'naïve',
    '',
    '{"a":1}',
  ])('a value like %j stays out of the leaf', (value) => {
    expect(nameShaped(value)).toBe(false);
    expect(
      JSON.stringify(fieldsOf({ 'gen_ai.agent.name': value, 'gen_ai.conversation.id': value, 'error.type': value })),
    ).not.toContain(JSON.stringify(value));
  });

  test('the next source is asked when the first is no name', () => {
    expect(fieldsOf({ 'gen_ai.agent.id': 'a@b.example', 'gen_ai.agent.name': 'support' }).agent_id).toBe('support');
  });
});

describe('a mapped span', () => {
  test('says whether its parent is remote only where the flags know', () => {
    expect(fieldsOf({}, { flags: 1 })).not.toHaveProperty('remote_parent');
    expect(fieldsOf({}, { flags: 0x301 }).remote_parent).toBe(true);
    expect(fieldsOf({}, { flags: 0x101 }).remote_parent).toBe(false);
  });

  test('keeps a negative length as none', () => {
    expect(fieldsOf({}, { startTimeUnixNano: '9000', endTimeUnixNano: '3000' })).toMatchObject({
      started_ns: '9000',
      ended_ns: '3000',
      duration_us: 0,
    });
  });

  test('of any shape can go into a leaf: safe integers, name-shaped strings, short lists', () => {
    fc.assert(
      fc.property(anySpan, fc.boolean(), (span, assert) => {
        const request = { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] };
        const [slice] = decodeTracesJson(Buffer.from(JSON.stringify(request))).spans;
        const { fields } = mapSpan(
          MAPPER,
          readSpan(slice?.bytes ?? new Uint8Array()),
          readResource(slice?.resource.bytes ?? new Uint8Array()),
          assert,
        );
        const refused = Object.values(fields)
          .flat()
          .filter(
            (value) =>
              !(typeof value === 'number'
                ? Number.isSafeInteger(value)
                : typeof value === 'string'
                  ? NAME.test(value)
                  : value),
          );
        expect(refused.filter((value) => value !== false)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test('with JSON that is none, is huge, or reaches for prototypes maps all the same', () => {
    for (const metadata of [
      '{',
      '[]',
      'null',
      '{"__proto__":{"session_id":"x"}}',
      `{"session_id":"${'x'.repeat(300_000)}"}`,
    ]) {
      expect(fieldsOf({ metadata })).not.toHaveProperty('conversation_id');
    }
  });
});

describe('JSON deeper than the stack', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  test('in a member that a table asks for is no count and no name, and the span maps', () => {
    const fields = fieldsOf({
      'langfuse.observation.usage_details': `{"input":${nested(50_000)},"output":7}`,
      metadata: `{"thread_id":${nested(50_000)}}`,
      'mastra.agent_run.output': `{"tripwire":${nested(50_000)}}`,
    });
    expect(fields).toMatchObject({ output_tokens: 7, marks: ['tripwire'] });
    expect(fields).not.toHaveProperty('input_tokens');
    expect(fields).not.toHaveProperty('conversation_id');
  });
});

describe('the content of a step', () => {
  const content = (attributes: Readonly<Record<string, Plain>>, kind: 'LLM' | 'TOOL' = 'LLM', name = 'span') => {
    const view: SpanView = readSpan(spanOf(attributes, { name }).bytes);
    return stepContent(MAPPER.mapping, view, kind);
  };

  test('is prompt and response of a model call, by precedence', () => {
    expect(
      content({
        'gen_ai.input.messages': '[{"role":"user"}]',
        'input.value': 'raw',
        'ai.response.text': 'hi',
        'gen_ai.system_instructions': 'Be brief.',
      }),
    ).toEqual({
      name: 'span',
      instructions: { text: 'Be brief.', mime: 'text/plain', attribute: 'gen_ai.system_instructions' },
      input: { text: '[{"role":"user"}]', mime: 'application/json', attribute: 'gen_ai.input.messages' },
      output: { text: 'hi', mime: 'text/plain', attribute: 'ai.response.text' },
    });
  });

  test('is arguments and result of a tool, under its own name', () => {
    expect(
      content(
        { 'tool.name': 'search', 'input.value': '{"q":1}', 'output.value': 'found', 'output.mime_type': 'text/plain' },
        'TOOL',
      ),
    ).toMatchObject({
      name: 'search',
      input: { text: '{"q":1}', mime: 'application/json' },
      output: { text: 'found', mime: 'text/plain' },
    });
  });

  test('is put together from flattened messages, whatever their names', () => {
    const { input } = content({
      'llm.input_messages.0.message.role': 'system',
      'llm.input_messages.1.message.role': 'user',
      'llm.input_messages.1.message.__proto__.polluted': 'x',
      'llm.input_messages.99999999.message.role': 'nobody',
    });
    expect(input?.text).toBe(
      '[{"message":{"role":"system"}},{"message":{"role":"user","__proto__":{"polluted":"x"}}}]',
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('is put together with lists inside the messages', () => {
    const call = (at: number) => `llm.output_messages.0.message.tool_calls.${at}.tool_call.function.name`;
    const { output } = content({
      [call(10)]: 'c',
      [call(2)]: 'b',
      [call(0)]: 'a',
      'llm.output_messages.0.message.role': 'assistant',
    });
    const calls = ['a', 'b', 'c'].map((name) => ({ tool_call: { function: { name } } }));
    expect(JSON.parse(output?.text ?? '')).toEqual([{ message: { role: 'assistant', tool_calls: calls } }]);
  });

  test('is put together without names of any depth, which no JSON could be written of', () => {
    const { input } = content({
      'llm.input_messages.0.message.role': 'user',
      [`llm.input_messages.0.${'a.'.repeat(20_000)}z`]: 'x',
    });
    expect(input?.text).toBe('[{"message":{"role":"user"}}]');
  });
});

const step = (spanId: string, parentSpanId: string | null, more: Partial<Step> = {}): Step => ({
  traceId: 't',
  spanId,
  parentSpanId,
  startedNs: 0n,
  endedNs: 10n,
  scope: 's',
  kind: 'OTHER',
  status: 'UNSET',
  marks: [],
  model: null,
  inputTokens: null,
  outputTokens: null,
  cachedTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
  costNanoUsd: null,
  pricedNanoUsd: null,
  priceBook: null,
  responseId: null,
  ...more,
});

describe('the roll-up', () => {
  const usage = { inputTokens: 120, outputTokens: 34, model: 'm' };

  test('counts a step only if nothing below it bears usage', () => {
    const steps = [
      step('root', null, { ...usage, inputTokens: 240 }),
      step('a', 'root'),
      step('b', 'a', usage),
      step('c', 'root', usage),
    ];
    expect(rollUpTokens(steps)).toMatchObject({ inputTokens: 240, outputTokens: 68, calls: 2, mergedSteps: 0 });
  });

  test('counts one call that two instrumentations report as siblings once, and says so', () => {
    const steps = [
      step('a', 'root', { ...usage, scope: 'traceloop' }),
      step('b', 'root', { ...usage, scope: 'openai', startedNs: 2n, endedNs: 8n, responseId: 'resp', costNanoUsd: 5 }),
    ];
    expect(rollUpTokens(steps)).toMatchObject({
      inputTokens: 120,
      outputTokens: 34,
      costNanoUsd: 5,
      calls: 1,
      mergedSteps: 1,
    });
  });

  test('keeps two calls of one scope, or beside each other in time, or of other size, apart', () => {
    const first = step('a', null, { ...usage, scope: 'x' });
    for (const second of [
      step('b', null, { ...usage, scope: 'x', startedNs: 2n, endedNs: 8n }),
      step('b', null, { ...usage, scope: 'y', startedNs: 2n, endedNs: 12n }),
      step('b', null, { ...usage, scope: 'y', startedNs: 2n, endedNs: 8n, inputTokens: 121 }),
    ]) {
      expect(rollUpTokens([first, second])).toMatchObject({ calls: 2, mergedSteps: 0 });
    }
  });

  test('says null of what nobody said, and zero of what somebody did', () => {
    expect(rollUpTokens([step('a', null)])).toMatchObject({ inputTokens: null, costNanoUsd: null, calls: 0 });
    expect(rollUpTokens([step('a', null, { inputTokens: 0 })])).toMatchObject({ inputTokens: 0 });
  });

  test('rolls costs up on their own: a root that alone names the price keeps it', () => {
    expect(rollUpTokens([step('root', null, { costNanoUsd: 9 }), step('a', 'root', usage)]).costNanoUsd).toBe(9);
  });

  test('is total: cycles, chains and crowds of 100,000, and sums beyond what a number holds', () => {
    const size = 100_000;
    const chain = Array.from({ length: size }, (_, i) => step(`s${i}`, `s${i - 1}`, usage));
    const ring = Array.from({ length: size }, (_, i) => step(`s${i}`, `s${(i + 1) % size}`, usage));
    const crowd = Array.from({ length: size }, (_, i) => step(`s${i}`, 'root', { ...usage, scope: `x${i % 3}` }));
    expect(rollUpTokens(chain).calls).toBe(1);
    expect(rollUpTokens(ring).calls).toBe(1);
    expect(rollUpTokens(crowd).calls).toBeGreaterThan(0);
    const huge = step('a', null, { inputTokens: Number.MAX_SAFE_INTEGER });
    expect(rollUpTokens([huge, { ...huge, spanId: 'b' }]).inputTokens).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('parents never form a cycle, and bearing descendants are found as by looking at each', () => {
    const links = fc.array(fc.option(fc.nat({ max: 14 })), { minLength: 1, maxLength: 15 });
    fc.assert(
      fc.property(links, fc.array(fc.boolean(), { minLength: 15, maxLength: 15 }), (parentOf, bears) => {
        const steps = parentOf.map((parent, i) => ({
          traceId: 't',
          spanId: `s${i}`,
          parentSpanId: parent === null ? null : `s${parent}`,
        }));
        const parents = parentsOf(steps);
        const expected = steps.map(() => false);
        for (const start of steps.keys()) {
          let at = parents[start] as number;
          for (let climbs = 0; at !== -1; climbs++) {
            expect(climbs).toBeLessThan(steps.length);
            if (bears[start]) expected[at] = true;
            at = parents[at] as number;
          }
        }
        expect(haveBearingDescendant(parents, bears.slice(0, steps.length))).toEqual(expected);
      }),
    );
  });
});

describe('a run', () => {
  const error = { status: 'ERROR' } as const;
  const end = (steps: Step[], rootMissing = false) => runEnd(steps, steps[0], rootMissing);

  test.each([
    ['with an UNSET root succeeded', [step('root', null)], 'SUCCEEDED', 'completed', false],
    [
      'with a failed child under a good root succeeded, with errors',
      [step('root', null, { status: 'OK' }), step('a', 'root', error)],
      'SUCCEEDED',
      'completed',
      true,
    ],
    ['with a failed root failed', [step('root', null, error)], 'FAILED', 'system_failure', true],
    [
      'failed by the vendor’s word failed',
      [step('root', null, { marks: ['failed'] })],
      'FAILED',
      'system_failure',
      true,
    ],
    [
      'paused for a human did not fail',
      [step('root', null), step('a', 'root', { ...error, marks: ['interrupt'] })],
      'SUCCEEDED',
      'completed',
      false,
    ],
    ['ended by time timed out', [step('root', null, { ...error, marks: ['timeout'] })], 'TIMEOUT', 'timeout', true],
    [
      'ended by what its last failed step met',
      [step('root', null, error), step('a', 'root', { ...error, endedNs: 99n, marks: ['rate_limited'] })],
      'FAILED',
      'rate_limited',
      true,
    ],
    ['out of budget failed', [step('root', null, { ...error, marks: ['budget'] })], 'FAILED', 'budget_exceeded', true],
    [
      'stopped by its user was aborted',
      [step('root', null, { ...error, marks: ['cancelled'] })],
      'ABORTED',
      'user_abort',
      true,
    ],
    [
      'stopped by a tripwire under a good root was aborted',
      [step('root', null, { status: 'OK', marks: ['tripwire'] })],
      'ABORTED',
      'policy_block',
      false,
    ],
    [
      'whose guardrail spoke but which went on succeeded',
      [step('root', null), step('g', 'root', { marks: ['tripwire'] })],
      'SUCCEEDED',
      'completed',
      false,
    ],
    [
      'that failed after a denied tool was aborted',
      [step('root', null, error), step('t', 'root', { ...error, marks: ['denied'] })],
      'ABORTED',
      'policy_block',
      true,
    ],
  ] as const)('%s', (_, steps, executionStatus, terminationReason, hadErrors) => {
    expect(end([...steps])).toMatchObject({ executionStatus, terminationReason, hadErrors });
  });

  test('without its root was aborted, or failed as its last failed step did', () => {
    expect(end([step('a', 'gone')], true)).toMatchObject({ executionStatus: 'ABORTED', terminationReason: null });
    expect(end([step('a', 'gone', error)], true)).toMatchObject({ executionStatus: 'FAILED' });
    expect(end([step('a', 'gone', error), step('g', 'a', { marks: ['tripwire'] })], true)).toMatchObject({
      executionStatus: 'ABORTED',
      terminationReason: 'policy_block',
    });
  });

  test.each([
    [{ 'langfuse.observation.level': 'ERROR' }, {}, ['failed']],
    [{ success: false }, {}, ['failed']],
    [{ 'mastra.workflow_run.status': 'failed' }, {}, ['failed']],
    [{}, { status: { code: 2, message: '[{"id":"1","value":{"actionRequests":[]}}]' } }, ['interrupt']],
    [{}, { status: { code: 2, message: `[{"id":"${'0a'.repeat(16)}","value":"pay 20 EU` } }, ['interrupt']],
    [
      {},
      { status: { code: 2, message: '[{"value":"pay?"}]\n\nNodeInterrupt: [{"value":"pay?"}]\n at x' } },
      ['interrupt'],
    ],
    [
      {},
      { status: { code: 2, message: '[{"value":"pay?"}]\n\nError: [{"value":"pay?"}]\n\nGraphInterrupt: [' } },
      undefined,
    ],
    [{}, { status: { code: 2, message: '[{"id":"1","value":"pay?"}]' } }, undefined],
    [
      { 'openinference.span.kind': 'TOOL' },
      { status: { code: 2, message: 'Tool execution was not approved.' } },
      ['denied'],
    ],
    [{ 'guardrail.triggered': true }, {}, ['tripwire']],
    [{ 'mastra.agent_run.output': '{"tripwire":{"reason":"x"}}' }, {}, ['tripwire']],
    [{ 'error.type': '429' }, { status: { code: 2 } }, ['rate_limited']],
    [{ 'error.type': 'DeadlineExceeded' }, { status: { code: 2 } }, ['timeout']],
    [{}, { status: { code: 2, message: 'The request was aborted' } }, ['cancelled']],
    [{}, { status: { code: 1, message: 'timeout' } }, undefined],
  ])('is told by the marks of its spans: %j %j', (attributes, more, marks) => {
    expect(fieldsOf(attributes as Record<string, Plain>, more).marks).toEqual(marks);
  });
});
