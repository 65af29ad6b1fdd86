import type { StepKind } from '@sworn/evidence';
import type { SpanSlice } from '../src/otlp/decoded.js';
import { decodeTracesJson } from '../src/otlp/json.js';
import type { CountedStep, EndedStep } from '../src/otlp/map/run.js';
import { type MappedStep, mapSpan } from '../src/otlp/map/step.js';
import { readResource, readScope, readSpan } from '../src/otlp/span.js';
import { MAPPER } from './mapper.js';
import { anyValueOf } from './vocabularySpans.js';

/** What the attributes of a made-up span hold. */
export type Plain = string | number | boolean | readonly string[];
/** A step as the roll-up and the end of a run see it. */
export type Step = CountedStep & EndedStep & { readonly kind: StepKind };

const keyValues = (attributes: Readonly<Record<string, Plain>>) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValueOf(value) }));

/** A span of given attributes, through the real reader. */
export function spanOf(
  attributes: Readonly<Record<string, Plain>>,
  more: object = {},
  resource: Readonly<Record<string, Plain>> = {},
): SpanSlice {
  const span = { traceId: 'a1'.repeat(16), spanId: 'b2'.repeat(8), ...more, attributes: keyValues(attributes) };
  const request = {
    resourceSpans: [{ resource: { attributes: keyValues(resource) }, scopeSpans: [{ spans: [span] }] }],
  };
  const [slice] = decodeTracesJson(Buffer.from(JSON.stringify(request))).spans;
  if (slice === undefined) throw new Error('the span of the test is not valid');
  return slice;
}

/** The same, mapped. */
export function mapped(
  attributes: Readonly<Record<string, Plain>>,
  more: object = {},
  assert = false,
  resource = {},
): MappedStep {
  const slice = spanOf(attributes, more, resource);
  return mapSpan(MAPPER, readSpan(slice.bytes), readResource(slice.resource.bytes), assert);
}

/** What its leaf says. */
export const fieldsOf = (attributes: Readonly<Record<string, Plain>>, more: object = {}) =>
  mapped(attributes, more).fields;

/** A span as the run sees it. */
export function stepOf(slice: SpanSlice): Step {
  const span = readSpan(slice.bytes);
  const { fields } = mapSpan(MAPPER, span, readResource(slice.resource.bytes), false);
  return {
    traceId: fields.trace_id,
    spanId: fields.span_id,
    parentSpanId: fields.parent_span_id ?? null,
    startedNs: span.startNs,
    endedNs: span.endNs,
    scope: readScope(slice.scope.bytes).name,
    kind: fields.step_kind,
    status: fields.status,
    marks: fields.marks ?? [],
    model: fields.model ?? null,
    inputTokens: fields.input_tokens ?? null,
    outputTokens: fields.output_tokens ?? null,
    cachedTokens: fields.cached_tokens ?? null,
    cacheWriteTokens: fields.cache_write_tokens ?? null,
    reasoningTokens: fields.reasoning_tokens ?? null,
    costNanoUsd: fields.cost_nano_usd ?? null,
    pricedNanoUsd: fields.priced_nano_usd ?? null,
    priceBook: fields.price_book ?? null,
    responseId: fields.response_id ?? null,
  };
}
