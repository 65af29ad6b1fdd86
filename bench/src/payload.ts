import { randomBytes } from 'node:crypto';
import { attributes } from './attributes.js';
import { PROSE } from './prose.js';
import { makeTemplate, type Template } from './template.js';

/** A request of like turns. */
export interface Payload extends Template {
  readonly spans: number;
}

/** An agent's turn: the root, four model calls, five tool calls. */
const SPANS_PER_TRACE = 10;
const MODEL_CALLS = 4;

/** Builds a request of `traces` traces with `SPANS_PER_TRACE` spans each, of about 1 KB a span. */
export function makePayload(traces: number): Payload {
  const traceIds = Array.from({ length: traces }, () => randomBytes(16));
  const spanIds = traceIds.map(() => Array.from({ length: SPANS_PER_TRACE }, () => randomBytes(8)));
  const template = makeTemplate(requestOf(traceIds, spanIds), { ids: [...traceIds, ...spanIds.flat()] });
  return { ...template, spans: traces * SPANS_PER_TRACE };
}

function requestOf(traceIds: readonly Buffer[], spanIds: readonly (readonly Buffer[])[]): object {
  const spans = traceIds.flatMap((traceId, trace) =>
    (spanIds[trace] ?? []).map((_, index) => spanOf(traceId, spanIds[trace] ?? [], index)),
  );
  return {
    resourceSpans: [
      {
        resource: {
          attributes: attributes({
            'service.name': 'bench',
            'service.instance.id': 'bench-1',
            'host.id': 'bench-host',
          }),
        },
        scopeSpans: [{ scope: { name: 'bench', version: '1' }, spans }],
      },
    ],
  };
}

function spanOf(traceId: Buffer, spanIds: readonly Buffer[], index: number): object {
  const start = BigInt(Date.now() - 5000) * 1_000_000n + BigInt(index) * 100_000_000n;
  const root = spanIds[0] ?? Buffer.alloc(8);
  return {
    traceId: traceId.toString('hex'),
    spanId: (spanIds[index] ?? Buffer.alloc(8)).toString('hex'),
    parentSpanId: index === 0 ? '' : root.toString('hex'),
    kind: index === 0 ? 1 : 3,
    startTimeUnixNano: start.toString(),
    endTimeUnixNano: (start + 90_000_000n).toString(),
    status: { code: 1 },
    ...(index === 0 ? rootSpan() : index <= MODEL_CALLS ? modelCall(index) : toolCall(index)),
  };
}

function rootSpan(): object {
  return {
    name: 'invoke_agent refunds',
    attributes: attributes({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'refunds',
      'gen_ai.conversation.id': 'conversation-1',
    }),
  };
}

function modelCall(index: number): object {
  return {
    name: 'chat gpt-4o-mini',
    attributes: attributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
      'gen_ai.usage.input_tokens': 120 + index,
      'gen_ai.usage.output_tokens': 34,
      'gen_ai.input.messages': JSON.stringify([
        { role: 'user', parts: [{ type: 'text', content: PROSE.slice(0, 900) }] },
      ]),
      'gen_ai.output.messages': JSON.stringify([
        { role: 'assistant', parts: [{ type: 'text', content: PROSE.slice(200, 700) }] },
      ]),
    }),
  };
}

function toolCall(index: number): object {
  return {
    name: 'execute_tool find_order',
    attributes: attributes({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'find_order',
      'gen_ai.tool.call.id': `call-${index}`,
      'gen_ai.tool.call.arguments': JSON.stringify({ order: `A-${index}` }),
      'gen_ai.tool.call.result': JSON.stringify({ order: `A-${index}`, state: 'delivered', note: PROSE.slice(0, 300) }),
    }),
  };
}
