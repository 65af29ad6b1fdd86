import { randomBytes } from 'node:crypto';
import { type AttributeValue, attributes } from '../attributes.js';
import { PROSE } from '../prose.js';
import type { Chance } from './chance.js';

/** Spans as OTLP/JSON, and what of them differs from copy to copy. */
export interface Turn {
  readonly spans: readonly object[];
  readonly ids: readonly Uint8Array[];
  readonly times: readonly bigint[];
}

/** How a turn ended, or that it has not: a turn without its root stays open. */
export type Ending = 'done' | 'tool failed' | 'failed' | 'timed out' | 'open';

/** Provider, model, and dollars a thousand tokens. The last ones are rare. */
const MODELS = [
  ['openai', 'gpt-4o-mini', 0.0004],
  ['openai', 'gpt-4o', 0.006],
  ['anthropic', 'claude-sonnet-4-5', 0.008],
  ['anthropic', 'claude-haiku-4-5', 0.002],
  ['gcp.gemini', 'gemini-2.5-flash', 0.001],
  ['gcp.gemini', 'gemini-2.5-pro', 0.005],
  ['mistral_ai', 'mistral-large-latest', 0.004],
  ['openai', 'o3', 0.02],
  ['anthropic', 'claude-opus-4-1', 0.05],
] as const;
const AGENTS = ['support', 'refunds', 'research', 'triage', 'onboarding', 'coder'] as const;
/** The last ones are rare: `close_account` is in about one of fifty turns that use a tool. */
const TOOLS = [
  'find_order',
  'search_documents',
  'read_calendar',
  'send_mail',
  'query_warehouse',
  'create_ticket',
  'translate',
  'refund_payment',
  'close_account',
] as const;

/** What the rows ask for, and find. */
export const ASKED = { model: MODELS[4][1], rareModel: MODELS[8][1], tool: TOOLS[8], minCostUsd: '0.15' } as const;

/**
 * One agent's turn: the root, a model call, and every second time a tool call. Nine of ten succeed. Half of the model calls report
 * what they cost, the others are for the price book.
 */
export function makeTurn(chance: Chance, conversation: string, startNs: bigint, ending: Ending): Turn {
  const traceId = randomBytes(16);
  const root = randomBytes(8);
  const at = { traceId: traceId.toString('hex'), root: root.toString('hex') };
  const [provider, model, dollarsPerThousand] = chance.pick(MODELS);
  const input = 200 + Math.floor(chance.next() ** 3 * 40_000);
  const output = 20 + Math.floor(chance.next() ** 2 * 900);
  const modelNs = BigInt(300 + Math.floor(chance.next() * 6_000)) * 1_000_000n;
  const call = {
    ...spanAt(at, randomBytes(8), { startNs: startNs + 1_000_001n, ns: modelNs }),
    name: `chat ${model}`,
    kind: 3,
    attributes: attributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': provider,
      'gen_ai.request.model': model,
      'gen_ai.response.model': model,
      'gen_ai.usage.input_tokens': input,
      'gen_ai.usage.output_tokens': output,
      'gen_ai.response.finish_reasons': ['stop'],
      ...(chance.next() < 0.5 && { 'gen_ai.usage.cost': ((input + output) / 1000) * dollarsPerThousand + 1e-7 }),
      'gen_ai.input.messages': messages('user', chance, 500),
      'gen_ai.output.messages': messages('assistant', chance, 250),
    }),
    ...statusOf(ending === 'failed' || ending === 'timed out' ? 2 : 1),
  };
  const usesTool = ending === 'tool failed' || chance.next() < 0.5;
  const tool = usesTool ? [toolCall(at, chance, startNs + modelNs + 2_000_003n, ending)] : [];
  const turnNs = modelNs + 3_000_007n + (usesTool ? 800_000_000n : 0n);
  const spans = [
    ...(ending === 'open' ? [] : [rootSpan(at, chance, { conversation, startNs, turnNs, ending })]),
    call,
    ...tool,
  ];
  return {
    spans,
    ids: [traceId, root, ...[call, ...tool].map(({ spanId }) => Buffer.from(spanId, 'hex'))],
    times: [...new Set(spans.flatMap((span) => [BigInt(span.startTimeUnixNano), BigInt(span.endTimeUnixNano)]))],
  };
}

/** Ids of a trace and of its root, hex. */
interface TraceAt {
  readonly traceId: string;
  readonly root: string;
}

interface Whole {
  readonly conversation: string;
  readonly startNs: bigint;
  readonly turnNs: bigint;
  readonly ending: Ending;
}

function rootSpan({ traceId, root }: TraceAt, chance: Chance, { conversation, startNs, turnNs, ending }: Whole) {
  const agent = chance.pick(AGENTS);
  const failed = ending === 'failed' || ending === 'timed out';
  return {
    traceId,
    spanId: root,
    name: `invoke_agent ${agent}`,
    kind: 1,
    startTimeUnixNano: startNs.toString(),
    endTimeUnixNano: (startNs + turnNs).toString(),
    attributes: attributes({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': agent,
      'gen_ai.conversation.id': conversation,
      ...(failed && { 'error.type': ending === 'failed' ? 'RateLimitError' : 'TimeoutError' }),
    }),
    ...statusOf(failed ? 2 : 1),
  };
}

function toolCall(at: TraceAt, chance: Chance, startNs: bigint, ending: Ending) {
  const tool = chance.pick(TOOLS);
  return {
    ...spanAt(at, randomBytes(8), { startNs, ns: 700_000_000n }),
    name: `execute_tool ${tool}`,
    kind: 3,
    attributes: attributes({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': tool,
      'gen_ai.tool.call.arguments': JSON.stringify({ order: `A-${Math.floor(chance.next() * 1e6)}` }),
      'gen_ai.tool.call.result': JSON.stringify({ state: 'delivered', note: PROSE.slice(0, 200) }),
      ...(ending === 'tool failed' && { 'error.type': 'ConnectionError' }),
    }),
    ...statusOf(ending === 'tool failed' ? 2 : 1),
  };
}

function spanAt({ traceId, root }: TraceAt, spanId: Buffer, { startNs, ns }: { startNs: bigint; ns: bigint }) {
  return {
    traceId,
    spanId: spanId.toString('hex'),
    parentSpanId: root,
    startTimeUnixNano: startNs.toString(),
    endTimeUnixNano: (startNs + ns).toString(),
  };
}

function statusOf(code: 1 | 2): { status: object } {
  return { status: { code, ...(code === 2 && { message: 'it did not work out' }) } };
}

function messages(role: string, chance: Chance, length: number): AttributeValue {
  const from = Math.floor(chance.next() * 600);
  return JSON.stringify([{ role, parts: [{ type: 'text', content: PROSE.slice(from, from + length) }] }]);
}
