import { type Members, statusOf, type StepKind } from '@sworn/evidence';
import type { CountedStep } from '../otlp/map/run.js';

/** What the order of a trace and the figures of an open run ask of a step. */
export interface StepFacts extends CountedStep {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly recordedAt: string;
  readonly kind: StepKind;
  readonly status: 'UNSET' | 'OK' | 'ERROR';
  /** Marks of the mapping: with the status they say whether the step failed. */
  readonly marks: readonly string[];
  readonly provider: string | null;
  readonly agentId: string | null;
  /** The agent that gave the turn to this one, as the sender says. */
  readonly parentAgentId: string | null;
  readonly service: string | null;
  /** Which one of the service. */
  readonly instance: string | null;
  /** Leaf hash (hex) of the RESOURCE record. */
  readonly resource: string | null;
  readonly redacted: boolean;
  /** Sent with a key that is not bound to its service. */
  readonly foreign: boolean;
}

/** Gives of equal texts always the same one, so that the facts of many steps share it. */
export type Share = (text: string | null) => string | null;

/** Texts that are held to be shared; beyond it each step has its own. */
const MAX_SHARED = 10_000;

/** A new one, for the steps of one answer. */
export function shareTexts(): Share {
  const held = new Map<string, string>();
  return (text) => {
    if (text === null) return null;
    const known = held.get(text);
    if (known === undefined && held.size < MAX_SHARED) held.set(text, text);
    return known ?? text;
  };
}

/** Reads a STEP leaf that passed its check. */
export function stepFacts(
  stored: { readonly index: number; readonly leafHash: Uint8Array },
  m: Members,
  share: Share = (text) => text,
): StepFacts {
  return {
    index: stored.index,
    // A copy: what the driver gives is a window on all that came with it.
    leafHash: new Uint8Array(stored.leafHash),
    recordedAt: share(m.text('recorded_at')) ?? '',
    traceId: share(m.text('trace_id')) ?? '',
    spanId: m.text('span_id') ?? '',
    parentSpanId: m.text('parent_span_id'),
    kind: (share(m.text('step_kind')) ?? 'OTHER') as StepKind,
    status: statusOf(m),
    marks: m.texts('marks'),
    provider: share(m.text('provider')),
    agentId: share(m.text('agent_id')),
    parentAgentId: share(m.text('parent_agent_id')),
    startedNs: BigInt(m.text('started_ns') ?? '0'),
    endedNs: BigInt(m.text('ended_ns') ?? '0'),
    scope: share(m.text('scope')),
    service: share(m.text('service')),
    instance: share(m.text('instance')),
    resource: share(m.text('resource')),
    model: share(m.text('model') ?? m.text('request_model')),
    inputTokens: m.count('input_tokens'),
    outputTokens: m.count('output_tokens'),
    cachedTokens: m.count('cached_tokens'),
    cacheWriteTokens: m.count('cache_write_tokens'),
    reasoningTokens: m.count('reasoning_tokens'),
    costNanoUsd: m.count('cost_nano_usd'),
    pricedNanoUsd: m.count('priced_nano_usd'),
    priceBook: share(m.text('price_book')),
    responseId: m.text('response_id'),
    redacted: m.objects('redacted').length > 0,
    foreign: m.flag('foreign') ?? false,
  };
}
