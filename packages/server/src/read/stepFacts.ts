import type { CountedStep } from '../otlp/map/run.js';
import type { StoredStep } from '../store/steps.js';
import type { Members } from './members.js';

/** What the order of a trace and the figures of an open run ask of a step. */
export interface StepFacts extends CountedStep {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly recordedAt: string;
  readonly kind: string;
  readonly status: 'UNSET' | 'OK' | 'ERROR';
  /** Marks of the mapping: with the status they say whether the step failed. */
  readonly marks: readonly string[];
  readonly provider: string | null;
  readonly agentId: string | null;
  /** Leaf hash (hex) of the RESOURCE record. */
  readonly resource: string | null;
  readonly redacted: boolean;
}

/** Reads a STEP leaf that passed its check. */
export function stepFacts(stored: StoredStep, m: Members): StepFacts {
  const status = m.text('status');
  return {
    index: stored.index,
    leafHash: stored.leafHash,
    recordedAt: stored.recordedAt,
    traceId: m.text('trace_id') ?? '',
    spanId: m.text('span_id') ?? '',
    parentSpanId: m.text('parent_span_id'),
    kind: m.text('step_kind') ?? 'OTHER',
    status: status === 'OK' || status === 'ERROR' ? status : 'UNSET',
    marks: m.texts('marks'),
    provider: m.text('provider'),
    agentId: m.text('agent_id'),
    startedNs: BigInt(m.text('started_ns') ?? '0'),
    endedNs: BigInt(m.text('ended_ns') ?? '0'),
    scope: m.text('scope'),
    resource: m.text('resource'),
    model: m.text('model') ?? m.text('request_model'),
    inputTokens: m.count('input_tokens'),
    outputTokens: m.count('output_tokens'),
    cachedTokens: m.count('cached_tokens'),
    cacheWriteTokens: m.count('cache_write_tokens'),
    reasoningTokens: m.count('reasoning_tokens'),
    costNanoUsd: m.count('cost_nano_usd'),
    pricedNanoUsd: m.count('priced_nano_usd'),
    priceBook: m.text('price_book'),
    responseId: m.text('response_id'),
    redacted: m.objects('redacted').length > 0,
  };
}
