import { randomBytes } from 'node:crypto';
import type { Capture } from './otlpCaptures.js';

/** A span as tests write it; times in milliseconds after `BASE`. */
export interface SpanText {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly start?: number;
  readonly end?: number;
  readonly status?: 0 | 1 | 2;
  readonly statusMessage?: string;
  /** `exception.message` of an exception event. */
  readonly exception?: string;
  /** Events before that, each so many milliseconds after `BASE`. */
  readonly events?: readonly {
    readonly name: string;
    readonly at: number;
    readonly attributes: Readonly<Record<string, string | number>>;
  }[];
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** 2026-11-20T00:00:00Z, in nanoseconds. */
export const BASE = 1_795_132_800_000_000_000n;

export const newTrace = (): string => randomBytes(16).toString('hex');
export const newSpan = (): string => randomBytes(8).toString('hex');

/** An OTLP/JSON request of these spans. */
export function otlp(
  spans: readonly SpanText[],
  resource: Readonly<Record<string, string>> = { 'service.name': 'shop' },
): Pick<Capture, 'encoding' | 'body'> {
  const request = {
    resourceSpans: [
      {
        resource: { attributes: attributes(resource) },
        scopeSpans: [
          {
            scope: { name: 'test' },
            spans: spans.map((span) => ({
              traceId: span.traceId,
              spanId: span.spanId,
              ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
              name: span.name ?? 'step',
              kind: 1,
              startTimeUnixNano: String(BASE + BigInt(span.start ?? 0) * 1_000_000n),
              endTimeUnixNano: String(BASE + BigInt(span.end ?? 10) * 1_000_000n),
              attributes: attributes(span.attributes ?? {}),
              status: { code: span.status ?? 0, message: span.statusMessage ?? '' },
              events: [
                ...(span.events ?? []).map((event) => ({
                  name: event.name,
                  timeUnixNano: String(BASE + BigInt(event.at) * 1_000_000n),
                  attributes: attributes(event.attributes),
                })),
                ...(span.exception === undefined
                  ? []
                  : [{ name: 'exception', attributes: attributes({ 'exception.message': span.exception }) }]),
              ],
            })),
          },
        ],
      },
    ],
  };
  return { encoding: 'json', body: Buffer.from(JSON.stringify(request)) };
}

/** A run of one model call under one agent. */
export function agentRun(
  traceId: string,
  more: Readonly<Record<string, string | number>> = {},
): ReturnType<typeof otlp> {
  const root = newSpan();
  return otlp([
    {
      traceId,
      spanId: root,
      name: 'invoke_agent helper',
      start: 0,
      end: 100,
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper', ...more },
    },
    {
      traceId,
      spanId: newSpan(),
      parentSpanId: root,
      name: 'chat',
      start: 10,
      end: 90,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o',
        'gen_ai.usage.input_tokens': 12,
        'gen_ai.usage.output_tokens': 3,
        'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Where is my order?"}]}]',
        'gen_ai.output.messages': '[{"role":"assistant","parts":[{"type":"text","content":"On its way."}]}]',
      },
    },
  ]);
}

export function attributes(of: Readonly<Record<string, string | number>>): object[] {
  return Object.entries(of).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  }));
}
