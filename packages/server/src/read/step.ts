import type { Step } from '@sworn/contract';
import { hasFailed } from '../otlp/map/run.js';
import { checksumOf } from './metadata.js';
import { milliseconds, money } from './runItem.js';
import { contentHash, type SoundStep, type StepBody, shownContent } from './stepBody.js';
import type { PlacedStep } from '../otlp/map/treeOrder.js';
import type { StepFacts } from './stepFacts.js';

/** What all steps of one answer share. */
export interface StepContext {
  /** Key of the tenant's content hashes. */
  readonly contentKey: Uint8Array;
  readonly withIo: boolean;
  readonly conflicts: ReadonlySet<string>;
  /** Leaf index from which steps are late. */
  readonly sealedBelow: number;
}

/** One step, its place in the tree, and what its body says. */
export interface ReadStep {
  readonly leaf: SoundStep;
  readonly place: PlacedStep<StepFacts> & { readonly at: number };
  readonly body: Exclude<StepBody, { kind: 'compromised' }>;
}

/** A step as a trace shows it. */
export function shownStep(
  { contentKey, withIo, conflicts, sealedBelow }: StepContext,
  { leaf, place, body }: ReadStep,
): Step {
  const { stored, members: m } = leaf;
  const { step, depth, at } = place;
  return {
    step_index: at,
    span_id: step.spanId,
    parent_span_id: step.parentSpanId,
    depth,
    kind: step.kind as Step['kind'],
    name: body.name,
    status: step.status,
    outcome_category: hasFailed(step) ? 'FAILURE' : 'SUCCESS',
    started_at: timeOf(step.startedNs),
    ended_at: step.endedNs === 0n ? null : timeOf(step.endedNs),
    duration_ms: milliseconds(m.count('duration_us')),
    provider: m.text('provider'),
    model: step.model,
    tool: m.text('tool'),
    input_tokens: step.inputTokens,
    output_tokens: step.outputTokens,
    cached_tokens: step.cachedTokens,
    reasoning_tokens: step.reasoningTokens,
    cost_usd: money(step.costNanoUsd),
    retry_count: m.count('retry_count'),
    late: stored.index >= sealedBelow,
    conflict: conflicts.has(step.spanId),
    ...(withIo ? { input: shownContent(contentKey, body.input), output: shownContent(contentKey, body.output) } : {}),
    input_hash: contentHash(contentKey, body.input),
    output_hash: contentHash(contentKey, body.output),
    redactions: m
      .objects('redacted')
      .map((r) => ({ rule: r.text('rule') ?? '', path: r.text('path') ?? '', size_class: r.count('n') ?? 0 })),
    content: body.state,
    error: m.text('error_type') ?? body.error,
    leaf_index: stored.index,
    checksum: checksumOf(stored.leafHash),
    recorded_at: stored.recordedAt,
  };
}

/** Nanoseconds since 1970 as RFC 3339 with six digits; what lies beyond the year 9999 is held there. */
function timeOf(ns: bigint): string {
  const us = ns / 1000n;
  const ms = Math.min(Number(us / 1000n), 253_402_300_799_999);
  return `${new Date(ms).toISOString().slice(0, -1)}${String(us % 1000n).padStart(3, '0')}Z`;
}
