import type { Plain } from './mappedSpan.js';

/** One span of a made-up trace. */
export interface VocabularySpan {
  /** Short name, in place of its id. */
  readonly at: string;
  readonly under?: string;
  readonly scope?: string;
  /** Start and end, in nanoseconds. */
  readonly time?: readonly [number, number];
  readonly attributes: Readonly<Record<string, Plain>>;
}

/** The spans as one OTLP/JSON request, in their order. */
export function spansJson(spans: readonly VocabularySpan[]): Uint8Array {
  const scopeSpans = spans.map(({ at, under, scope, time, attributes }, index) => ({
    scope: { name: scope ?? 'app' },
    spans: [
      {
        traceId: 'a1'.repeat(16),
        spanId: idOf(at),
        ...(under !== undefined && { parentSpanId: idOf(under) }),
        name: at,
        startTimeUnixNano: String(time?.[0] ?? 100 + index * 10),
        endTimeUnixNano: String(time?.[1] ?? 105 + index * 10),
        attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: anyValueOf(value) })),
      },
    ],
  }));
  return Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans }] }));
}

function idOf(name: string): string {
  return Buffer.from(name.padEnd(8, '.')).toString('hex');
}

/** A value as OTLP/JSON has it. */
export function anyValueOf(value: Plain): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
  return { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } };
}
