import { randomBytes, randomFillSync } from 'node:crypto';
import { tracesFromJson } from '@sworn/server';

/** An OTLP/HTTP protobuf traces request that can be sent again and again as other traces. */
export interface Payload {
  readonly spans: number;
  readonly bytes: number;
  /** A copy with trace and span ids that nothing else has. Costs a copy and random bytes, so that the sender is no part of what is measured. */
  fresh(): Buffer;
}

/** An agent's turn: the root, four model calls, five tool calls. */
const SPANS_PER_TRACE = 10;
const MODEL_CALLS = 4;

/** Builds a request of `traces` traces with `SPANS_PER_TRACE` spans each, of about 1 KB a span. */
export function makePayload(traces: number): Payload {
  const traceIds = Array.from({ length: traces }, () => randomBytes(16));
  const spanIds = traceIds.map(() => Array.from({ length: SPANS_PER_TRACE }, () => randomBytes(8)));
  const request = Buffer.from(tracesFromJson(Buffer.from(JSON.stringify(requestOf(traceIds, spanIds)))).bytes);
  const groups = [...traceIds, ...spanIds.flat()].map((id) => ({ length: id.length, offsets: offsetsOf(request, id) }));
  const idBytes = groups.reduce((sum, { length }) => sum + length, 0);
  return {
    spans: traces * SPANS_PER_TRACE,
    bytes: request.length,
    fresh() {
      const copy = Buffer.from(request);
      const ids = randomFillSync(Buffer.allocUnsafe(idBytes));
      let from = 0;
      for (const { length, offsets } of groups) {
        for (const offset of offsets) ids.copy(copy, offset, from, from + length);
        from += length;
      }
      return copy;
    },
  };
}

function offsetsOf(request: Buffer, id: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = request.indexOf(id); at >= 0; at = request.indexOf(id, at + id.length)) offsets.push(at);
  return offsets;
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

function attributes(values: Readonly<Record<string, string | number>>): object[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }));
}

const PROSE =
  `A customer writes that an order came late and asks for what the terms promise in that case. The agent looks the order
up, compares the promised with the actual day of delivery, finds the rule that applies, and answers with the amount, the
reason and the day on which the money will arrive. If the rule leaves a choice it asks a person, and waits. Nothing of
this is remarkable, and that is the point: the text is as long, as varied and as compressible as such text is, so that
deflating, encrypting and hashing it costs what it would cost. `.repeat(3);
