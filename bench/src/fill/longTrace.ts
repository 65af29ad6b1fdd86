import { randomBytes } from 'node:crypto';
import { tracesFromJson } from '@sworn/server';
import { attributes } from '../attributes.js';
import { PROSE } from '../prose.js';
import { resourceOf } from './resource.js';

/** Children of one step: a trace of 20,000 steps is five deep. */
const FANOUT = 8;
/** Steps in one request. */
const STEPS_A_REQUEST = 500;

/** One trace of many steps as the requests that send it, the root last: a tree of chains with model and tool calls at its ends. */
export function longTrace(
  steps: number,
  startNs: bigint,
): { readonly traceId: string; readonly requests: readonly Buffer[] } {
  const traceId = randomBytes(16).toString('hex');
  const ids = Array.from({ length: steps }, () => randomBytes(8).toString('hex'));
  const spans = ids.map((spanId, i) => ({
    traceId,
    spanId,
    parentSpanId: i === 0 ? '' : ids[Math.floor((i - 1) / FANOUT)],
    kind: 3,
    startTimeUnixNano: (startNs + BigInt(i) * 1_000_000n).toString(),
    endTimeUnixNano: (startNs + BigInt(i === 0 ? steps : i) * 1_000_000n + 900_000n).toString(),
    status: { code: 1 },
    ...(i * FANOUT + 1 < steps ? inner(i) : i % 2 === 0 ? modelCall(i) : toolCall(i)),
  }));
  const rootLast = [...spans.slice(1), ...spans.slice(0, 1)];
  const requests: Buffer[] = [];
  for (let from = 0; from < steps; from += STEPS_A_REQUEST) {
    const part = rootLast.slice(from, from + STEPS_A_REQUEST);
    const request = { resourceSpans: [{ ...resourceOf(0), scopeSpans: [{ scope: { name: 'bench' }, spans: part }] }] };
    requests.push(Buffer.from(tracesFromJson(Buffer.from(JSON.stringify(request))).bytes));
  }
  return { traceId, requests };
}

function inner(i: number): object {
  return {
    name: i === 0 ? 'invoke_agent research' : `plan ${i}`,
    attributes: attributes({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': i === 0 ? 'research' : `worker-${i % 7}`,
    }),
  };
}

function modelCall(i: number): object {
  return {
    name: 'chat gpt-4o-mini',
    attributes: attributes({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.response.model': 'gpt-4o-mini',
      'gen_ai.usage.input_tokens': 100 + (i % 900),
      'gen_ai.usage.output_tokens': 10 + (i % 90),
      'gen_ai.output.messages': JSON.stringify([
        { role: 'assistant', parts: [{ type: 'text', content: PROSE.slice(i % 300, (i % 300) + 300) }] },
      ]),
    }),
  };
}

function toolCall(i: number): object {
  return {
    name: 'execute_tool search_documents',
    attributes: attributes({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'search_documents',
      'gen_ai.tool.call.arguments': JSON.stringify({ query: `section ${i}` }),
    }),
  };
}
