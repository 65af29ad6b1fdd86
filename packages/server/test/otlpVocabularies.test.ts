import { describe, expect, test } from 'vitest';
import { decodeTracesJson } from '../src/otlp/json.js';
import { rollUpTokens, runEnd } from '../src/otlp/map/run.js';
import { fieldsOf, type Plain, stepOf } from './mappedSpan.js';
import { spansJson } from './vocabularySpans.js';

/** A trace as a client sends it: what each span says, and where it hangs. */
function runOf(spans: Parameters<typeof spansJson>[0]) {
  const steps = decodeTracesJson(spansJson(spans)).spans.map(stepOf);
  const top = steps.find(({ parentSpanId }) => parentSpanId === null);
  return { steps, kinds: steps.map(({ kind }) => kind), totals: rollUpTokens(steps), end: runEnd(steps, top, false) };
}
const fields = (attributes: Readonly<Record<string, Plain>>, more: object = {}) => fieldsOf(attributes, more);

/** What each call of these clients truly used: 120 in, 64 of it from the cache; 34 out, 12 of it reasoning. */
const TRUTH = { inputTokens: 120, outputTokens: 34, cachedTokens: 64, reasoningTokens: 12, calls: 1 };

describe('OTel GenAI', () => {
  test.each([
    [
      'from 1.40 on',
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.output_tokens': 34,
        'gen_ai.usage.cache_read.input_tokens': 64,
        'gen_ai.usage.reasoning.output_tokens': 12,
        'gen_ai.conversation.id': 'conv-1',
        'gen_ai.agent.name': 'Weather',
      },
    ],
    [
      '1.28 to 1.36',
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.system': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.output_tokens': 34,
        'gen_ai.conversation.id': 'conv-1',
        'gen_ai.agent.name': 'Weather',
      },
    ],
    [
      'before 1.27',
      {
        'gen_ai.system': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
        'gen_ai.usage.prompt_tokens': 120,
        'gen_ai.usage.completion_tokens': 34,
        'session.id': 'conv-1',
        'agent.name': 'Weather',
      },
    ],
  ])('%s', (_, attributes) => {
    expect(fields(attributes as Record<string, Plain>)).toMatchObject({
      step_kind: 'LLM',
      provider: 'openai',
      model: 'gpt-4o-mini-2024-07-18',
      request_model: 'gpt-4o-mini',
      input_tokens: 120,
      output_tokens: 34,
      conversation_id: 'conv-1',
      agent_id: 'Weather',
      price_book: 'genai-prices/0.1.8',
    });
  });

  test('the unreleased one: cache_write, and an agent without a provider', () => {
    expect(
      fields({
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'anthropic',
        'gen_ai.request.model': 'claude-sonnet-4-5',
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.cache_read.input_tokens': 44,
        'gen_ai.usage.cache_write.input_tokens': 20,
        'gen_ai.usage.output_tokens': 34,
      }),
    ).toMatchObject({ input_tokens: 120, cached_tokens: 44, cache_write_tokens: 20, priced_nano_usd: 766_200 });
    expect(fields({ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.id': 'a-1' })).toMatchObject({
      step_kind: 'AGENT',
      agent_id: 'a-1',
    });
  });

  test('MCP', () => {
    expect(fields({ 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'search' })).toMatchObject({
      step_kind: 'TOOL',
      tool: 'search',
    });
    expect(fields({ 'mcp.method.name': 'initialize' }).step_kind).toBe('INFRA');
  });
});

describe('the Vercel AI SDK, legacy', () => {
  const call = (usage: Record<string, Plain>, model = 'gpt-4o-mini', provider = 'openai.chat') => ({
    'ai.operationId': 'ai.generateText.doGenerate',
    'ai.model.id': model,
    'ai.model.provider': provider,
    'gen_ai.system': provider,
    'gen_ai.request.model': model,
    'ai.response.finishReason': 'tool-calls',
    'ai.telemetry.functionId': 'weather-agent',
    'ai.telemetry.metadata.sessionId': 'sess-1',
    ...usage,
  });
  const root = (usage: Record<string, Plain>) => ({
    'ai.operationId': 'ai.generateText',
    'ai.model.id': 'gpt-4o-mini',
    'ai.model.provider': 'openai.chat',
    'ai.settings.maxRetries': 2,
    ...usage,
  });

  test('of 5 and 6: the root repeats what its calls used', () => {
    const usage = {
      'ai.usage.inputTokens': 120,
      'ai.usage.outputTokens': 34,
      'ai.usage.totalTokens': 154,
      'ai.usage.cachedInputTokens': 64,
      'ai.usage.reasoningTokens': 12,
    };
    const { kinds, totals } = runOf([
      { at: 'r', attributes: root({ 'ai.usage.inputTokens': 240, 'ai.usage.outputTokens': 68 }) },
      {
        at: 'a',
        under: 'r',
        attributes: call({ ...usage, 'gen_ai.usage.input_tokens': 120, 'gen_ai.usage.output_tokens': 34 }),
      },
      { at: 't', under: 'r', attributes: { 'ai.operationId': 'ai.toolCall', 'ai.toolCall.name': 'get_weather' } },
      { at: 'b', under: 'r', attributes: call(usage) },
    ]);
    expect(kinds).toEqual(['CHAIN', 'LLM', 'TOOL', 'LLM']);
    expect(totals).toMatchObject({
      inputTokens: 240,
      outputTokens: 68,
      cachedTokens: 128,
      reasoningTokens: 24,
      calls: 2,
    });
    expect(fields(call(usage))).toMatchObject({
      provider: 'openai',
      model: 'gpt-4o-mini',
      finish_reasons: ['tool_calls'],
      agent_id: 'weather-agent',
      conversation_id: 'sess-1',
      priced_nano_usd: 33_600,
    });
  });

  test('of 4: its old names, and embeddings with one count', () => {
    expect(fields(call({ 'ai.usage.promptTokens': 120, 'ai.usage.completionTokens': 34 }))).toMatchObject({
      input_tokens: 120,
      output_tokens: 34,
    });
    expect(
      fields({
        'ai.operationId': 'ai.embed.doEmbed',
        'ai.model.id': 'text-embedding-3-small',
        'ai.model.provider': 'openai.embedding',
        'ai.usage.tokens': 8,
      }),
    ).toMatchObject({ step_kind: 'EMBEDDING', input_tokens: 8, provider: 'openai', priced_nano_usd: 160 });
  });

  test('with Anthropic, whose cache stands beside the input, in JSON', () => {
    const usage = {
      'ai.usage.inputTokens': 56,
      'ai.usage.outputTokens': 34,
      'ai.usage.cachedInputTokens': 44,
      'ai.response.providerMetadata': '{"anthropic":{"cacheCreationInputTokens":20,"usage":{"input_tokens":56}}}',
    };
    expect(fields(call(usage, 'claude-sonnet-4-5', 'anthropic.messages'))).toMatchObject({
      provider: 'anthropic',
      input_tokens: 120,
      cached_tokens: 44,
      cache_write_tokens: 20,
      priced_nano_usd: 766_200,
    });
  });

  test('takes up an approval: the newest message tells of it, older ones do not', () => {
    const messages = (...parts: object[]) =>
      JSON.stringify({ messages: parts.map((part) => ({ role: 'tool', content: [part] })) });
    const approval = (approved: boolean) => ({ type: 'tool-approval-response', approvalId: 'x', approved });
    const prompt = (text: string) => fields(root({ 'ai.prompt': text })).marks;
    expect(prompt(messages(approval(true)))).toEqual(['approved']);
    expect(prompt(messages(approval(false)))).toEqual(['rejected']);
    expect(prompt(messages(approval(true), { type: 'text', text: 'thanks' }))).toBeUndefined();
  });
});

test('Traceloop beside an instrumentation of the SDK: one call, told twice by siblings, is one', () => {
  const call = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.system': 'OpenAI',
    'llm.request.type': 'chat',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'gen_ai.usage.input_tokens': 120,
    'gen_ai.usage.output_tokens': 34,
    'gen_ai.usage.cache_read_input_tokens': 64,
    'gen_ai.usage.reasoning_tokens': 12,
    'llm.usage.total_tokens': 154,
    'traceloop.association.properties.session_id': 'sess-1',
  };
  const { kinds, totals } = runOf([
    { at: 'w', attributes: { 'traceloop.span.kind': 'workflow', 'traceloop.entity.name': 'weather' } },
    { at: 'g', under: 'w', attributes: { 'traceloop.span.kind': 'agent', 'traceloop.entity.name': 'helper' } },
    { at: 'a', under: 'g', scope: '@traceloop/instrumentation-openai', time: [10, 90], attributes: call },
    {
      at: 'b',
      under: 'g',
      scope: '@opentelemetry/instrumentation-openai',
      time: [12, 88],
      attributes: { ...call, 'gen_ai.response.id': 'resp-1' },
    },
    { at: 't', under: 'g', attributes: { 'traceloop.span.kind': 'tool', 'traceloop.entity.name': 'get_weather' } },
  ]);
  expect(kinds).toEqual(['CHAIN', 'AGENT', 'LLM', 'LLM', 'TOOL']);
  expect(totals).toMatchObject({ ...TRUTH, mergedSteps: 1, costNanoUsd: 33_600, costSource: 'PRICED' });
  expect(fields(call)).toMatchObject({ provider: 'OpenAI', conversation_id: 'sess-1' });
  expect(fields({ 'traceloop.span.kind': 'agent', 'traceloop.entity.name': 'helper' }).agent_id).toBe('helper');
  expect(fields({ 'traceloop.span.kind': 'tool', 'traceloop.entity.name': 'get_weather' }).tool).toBe('get_weather');
});

describe('Langfuse', () => {
  const generation = (usage: object, cost: object = {}) => ({
    'langfuse.observation.type': 'generation',
    'langfuse.observation.model.name': 'gpt-4o-mini',
    'langfuse.observation.usage_details': JSON.stringify(usage),
    'langfuse.observation.cost_details': JSON.stringify(cost),
    'session.id': 'sess-1',
    'user.id': 'u-1',
  });

  test('its wrapper of OpenAI puts each token into one bucket', () => {
    const usage = { input: 56, input_cached_tokens: 64, output: 22, output_reasoning_tokens: 12, total: 154 };
    const { totals, kinds } = runOf([
      { at: 'r', attributes: { 'langfuse.observation.type': 'agent' } },
      { at: 'a', under: 'r', attributes: generation(usage) },
    ]);
    expect(kinds).toEqual(['AGENT', 'LLM']);
    expect(totals).toMatchObject({ ...TRUTH, costNanoUsd: 33_600 });
    expect(fields(generation(usage))).toMatchObject({ provider: 'openai', conversation_id: 'sess-1' });
  });

  test('buckets that nobody reads elsewhere belong to the input too', () => {
    const usage = { input: 50, input_cached_tokens: 64, input_audio_tokens: 6, output: 34, total: 154 };
    expect(fields(generation(usage))).toMatchObject({ input_tokens: 120, output_tokens: 34 });
  });

  test('Anthropic through it: disjoint without a total', () => {
    const usage = { input: 56, cache_read_input_tokens: 44, cache_creation_input_tokens: 20, output: 34 };
    expect(fields(generation(usage))).toMatchObject({ input_tokens: 120, cached_tokens: 44, cache_write_tokens: 20 });
  });

  test('its cost is what it says in total, or the sum of what it says', () => {
    expect(fields(generation({ input: 1, output: 1 }, { total: 0.5 })).cost_nano_usd).toBe(500_000_000);
    expect(fields(generation({ input: 1, output: 1 }, { input: 0.25, output: 0.5 })).cost_nano_usd).toBe(750_000_000);
  });

  test('an error arrives with status UNSET', () => {
    const { end } = runOf([
      { at: 'r', attributes: { 'langfuse.observation.type': 'span', 'langfuse.observation.level': 'ERROR' } },
    ]);
    expect(end).toMatchObject({ executionStatus: 'FAILED', outcome: 'FAILURE' });
  });
});

test('LangSmith: its own kind wins, its framework is no provider, its root repeats its calls', () => {
  const llm = {
    'langsmith.span.kind': 'llm',
    'gen_ai.operation.name': 'chat',
    'gen_ai.system': 'langchain',
    'langsmith.metadata.ls_provider': 'openai',
    'langsmith.metadata.ls_model_name': 'gpt-4o-mini',
    'langsmith.metadata.thread_id': 'th-1',
    'gen_ai.usage.input_tokens': 120,
    'gen_ai.usage.output_tokens': 34,
    'gen_ai.usage.input_token_details': '{"cache_read":64}',
    'gen_ai.usage.output_token_details': '{"reasoning":12}',
    'gen_ai.response.finish_reasons': 'stop, tool_calls',
  };
  const { kinds, totals } = runOf([
    {
      at: 'r',
      attributes: {
        'langsmith.span.kind': 'chain',
        'gen_ai.operation.name': 'chain',
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.output_tokens': 34,
      },
    },
    { at: 'a', under: 'r', attributes: llm },
    {
      at: 'b',
      under: 'r',
      attributes: {
        'langsmith.span.kind': 'retriever',
        'gen_ai.operation.name': 'embeddings',
        'gen_ai.system': 'langchain',
      },
    },
    {
      at: 'c',
      under: 'r',
      attributes: {
        'langsmith.span.kind': 'tool',
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'search',
      },
    },
    { at: 'd', under: 'r', attributes: { 'langsmith.span.kind': 'prompt', 'gen_ai.operation.name': 'chat' } },
  ]);
  expect(kinds).toEqual(['CHAIN', 'LLM', 'RETRIEVAL', 'TOOL', 'CHAIN']);
  expect(totals).toMatchObject(TRUTH);
  expect(fields(llm)).toMatchObject({
    provider: 'openai',
    model: 'gpt-4o-mini',
    conversation_id: 'th-1',
    finish_reasons: ['stop', 'tool_calls'],
  });
  expect(
    fields({
      'langsmith.span.kind': 'llm',
      'langsmith.usage_metadata': '{"input_tokens":120,"output_tokens":34,"total_cost":0.00002}',
    }),
  ).toMatchObject({ input_tokens: 120, output_tokens: 34, cost_nano_usd: 20_000 });
});

test('LangChain by OpenInference: provider, agent and session out of JSON, decisions out of the input', () => {
  expect(
    fields({
      'openinference.span.kind': 'LLM',
      'llm.model_name': 'gpt-4o-mini',
      metadata: '{"ls_provider":"openai","lc_agent_name":"helper","thread_id":"th-1","user_id":"u-1"}',
      'llm.token_count.prompt': 120,
      'llm.token_count.prompt_details.cache_read': 64,
      'llm.token_count.completion': 34,
    }),
  ).toMatchObject({ provider: 'openai', agent_id: 'helper', conversation_id: 'th-1', priced_nano_usd: 33_600 });
  const resumed = (input: string) => fields({ 'openinference.span.kind': 'CHAIN', 'input.value': input }).marks;
  const command = {
    lg_name: 'Command',
    resume: { decisions: [{ type: 'approve' }, { type: 'edit' }, { type: 'reject' }] },
  };
  expect(resumed(JSON.stringify(command))).toEqual(['approved', 'edited', 'rejected']);
  expect(resumed(JSON.stringify({ input: JSON.stringify(command) }))).toEqual(['approved', 'edited', 'rejected']);
  expect(resumed('{"resume":{"an-interrupt":{"decisions":[{"type":"approve"}]}}}')).toEqual(['approved']);
  expect(resumed('{"text":"my \\"resume\\" and the decisions I made: reject"}')).toBeUndefined();
  expect(resumed('{"resume":"a curriculum","decisions":[{"type":"reject"}]}')).toBeUndefined();
});

test('Mastra: kinds, run, and a guardrail that stopped it', () => {
  const agent = {
    'mastra.span.type': 'agent_run',
    'mastra.metadata.runId': 'run-1',
    'mastra.metadata.sessionId': 's-1',
  };
  expect(fields(agent)).toMatchObject({ step_kind: 'AGENT', run_hint: 'run-1', conversation_id: 's-1' });
  const { end } = runOf([
    { at: 'r', attributes: { ...agent, 'mastra.agent_run.output': '{"tripwire":{"reason":"pii"}}' } },
    { at: 'p', under: 'r', attributes: { 'mastra.span.type': 'processor_run' } },
  ]);
  expect(end).toMatchObject({ executionStatus: 'ABORTED', terminationReason: 'policy_block' });
  for (const [type, kind] of [
    ['workflow_conditional_eval', 'CHAIN'],
    ['rag_embedding', 'EMBEDDING'],
    ['scorer_run', 'EVALUATION'],
    ['mcp_tool_call', 'TOOL'],
  ]) {
    expect(fields({ 'mastra.span.type': type ?? '' }).step_kind).toBe(kind);
  }
});

test('Claude Code: disjoint buckets, one step a tool, the prompt is the run', () => {
  const shared = { 'session.id': 's-1', 'user.id': 'u-1', 'prompt.id': '0c9a6a1e-5e5b-4f0e-9a55-000000000001' };
  const request = {
    ...shared,
    'span.type': 'llm_request',
    model: 'claude-sonnet-4-5',
    input_tokens: 56,
    cache_read_tokens: 44,
    cache_creation_tokens: 20,
    output_tokens: 34,
    stop_reason: 'tool_use',
    attempt: 2,
  };
  const { kinds, totals } = runOf([
    { at: 'r', attributes: { ...shared, 'span.type': 'interaction' } },
    { at: 'a', under: 'r', attributes: request },
    { at: 't', under: 'r', attributes: { ...shared, 'span.type': 'tool', tool_name: 'Bash' } },
    { at: 'u', under: 't', attributes: { ...shared, 'span.type': 'tool.blocked_on_user' } },
    { at: 'x', under: 't', attributes: { ...shared, 'span.type': 'tool.execution', success: 'true' } },
  ]);
  expect(kinds).toEqual(['AGENT', 'LLM', 'TOOL', 'GUARDRAIL', 'CHAIN']);
  // What Claude Code itself reports for this call, in a log: 0.0007662 dollars.
  expect(totals).toMatchObject({ inputTokens: 120, outputTokens: 34, calls: 1, costNanoUsd: 766_200 });
  expect(fields(request)).toMatchObject({
    provider: 'anthropic',
    run_hint: shared['prompt.id'],
    conversation_id: 's-1',
    finish_reasons: ['tool_calls'],
    retry_count: 1,
  });
});

test('Codex: usage where the stream ended, the turn is the run, its own plumbing is plumbing', () => {
  const usage = {
    'gen_ai.usage.input_tokens': 120,
    'gen_ai.usage.cache_read.input_tokens': 64,
    'gen_ai.usage.output_tokens': 34,
    'codex.usage.reasoning_output_tokens': 12,
    'codex.usage.total_tokens': 154,
  };
  const turn = {
    'turn.id': 'turn-1',
    'thread.id': 'thread-1',
    model: 'gpt-5-codex',
    'codex.turn.token_usage.input_tokens': 120,
  };
  const { kinds, totals } = runOf([
    { at: 'r', attributes: turn },
    { at: 'a', under: 'r', attributes: { from: 'response', ...usage } },
    { at: 'b', under: 'r', attributes: { 'rpc.system': 'jsonrpc' } },
  ]);
  expect(kinds).toEqual(['OTHER', 'LLM', 'INFRA']);
  expect(totals).toMatchObject(TRUTH);
  expect(fields(turn)).toMatchObject({ run_hint: 'turn-1', conversation_id: 'thread-1' });
});

test('Gemini CLI: thoughts stand beside the answer', () => {
  expect(
    fields({
      'gen_ai.operation.name': 'llm_call',
      model: 'gemini-2.5-flash',
      input_token_count: 120,
      cached_content_token_count: 64,
      output_token_count: 22,
      thoughts_token_count: 12,
    }),
  ).toMatchObject({ step_kind: 'LLM', input_tokens: 120, output_tokens: 34, reasoning_tokens: 12, provider: 'google' });
  expect(fields({ 'gen_ai.operation.name': 'tool_call', 'gen_ai.tool.name': 'shell' }).step_kind).toBe('TOOL');
});

test('Microsoft Agent 365: names of its own beside GenAI', () => {
  expect(
    fields({
      'gen_ai.operation.name': 'Chat',
      'gen_ai.agent.id': 'a-1',
      'microsoft.session.id': 's-1',
      'gen_ai.caller.userid': 'u',
    }),
  ).toMatchObject({ step_kind: 'LLM', agent_id: 'a-1', conversation_id: 's-1' });
});

test('guardrails of NeMo, of Traceloop and of the proposals', () => {
  expect(fields({ 'rail.type': 'input', 'rail.stop': true })).toMatchObject({
    step_kind: 'GUARDRAIL',
    marks: ['tripwire'],
  });
  expect(fields({ 'gen_ai.guardrail.name': 'pii', 'gen_ai.guardrail.status': 'passed' })).toMatchObject({
    step_kind: 'GUARDRAIL',
  });
  expect(fields({ 'gen_ai.operation.name': 'apply_guardrail', 'gen_ai.guardrail.verdict.type': 'deny' })).toMatchObject(
    {
      step_kind: 'GUARDRAIL',
      marks: ['tripwire'],
    },
  );
});

test('a queue or a schedule starts work, a web request does not, and who only sends to a queue neither', () => {
  const worker = (attributes: Record<string, Plain>, more: object = {}) => fields(attributes, more).worker;
  expect(worker({ 'messaging.system': 'kafka' }, { kind: 5 })).toBe(true);
  expect(worker({ 'faas.trigger': 'timer' }, { kind: 2 })).toBe(true);
  expect(worker({ 'faas.trigger': 'http' }, { kind: 2 })).toBeUndefined();
  expect(worker({ 'messaging.system': 'kafka' }, { kind: 4 })).toBeUndefined();
  expect(worker({ 'messaging.system': 'kafka' }, { kind: 5, parentSpanId: 'c3'.repeat(8) })).toBeUndefined();
});

test('an id of a run that is no name stands hashed, and one that redaction took away is none', () => {
  expect(fields({ 'turn.id': 'my turn, the {first}' }).run_hint).toMatch(/^h_[0-9a-f]{32}$/);
  expect(fields({ 'turn.id': '[REDACTED:secret_by_name]' }).run_hint).toBeUndefined();
});
