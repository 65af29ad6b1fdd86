import { saidStep, copiedKey } from '@sworn/evidence';
import type { Step } from '@sworn/contract';
import type { Payloads } from '../access/rules.js';
import { checksumOf } from './metadata.js';
import { contentHash, type SoundStep, type StepBody, shownContent } from './stepBody.js';

/** What all steps of one answer share. */
export interface StepContext {
  /** Key of the tenant's content hashes. */
  readonly contentKey: Uint8Array;
  readonly withIo: boolean;
  readonly payloads: Payloads;
  readonly conflicts: ReadonlySet<string>;
  /** Leaf index from which steps are late. */
  readonly sealedBelow: number;
}

/** One step, its place in the tree, and what its body says. */
export interface ReadStep {
  readonly leaf: SoundStep;
  /** `kind`: as it is shown, which the steps around it may decide. */
  readonly place: { readonly at: number; readonly depth: number; readonly kind: Step['kind'] };
  readonly body: Exclude<StepBody, { kind: 'compromised' }>;
}

/** A step as a trace shows it. */
export function shownStep(
  { contentKey, withIo, payloads, conflicts, sealedBelow }: StepContext,
  { leaf, place, body }: ReadStep,
): Step {
  const { stored, members: m } = leaf;
  const isShown = payloads === 'full';
  const hashOf = (content: typeof body.input) => (payloads === 'none' ? null : contentHash(contentKey, content));
  const { redactions, ...said } = saidStep(m);
  return {
    step_index: place.at,
    ...said,
    depth: place.depth,
    kind: place.kind,
    name: isShown ? body.name : null,
    late: stored.index >= sealedBelow,
    conflict: conflicts.has(copiedKey({ traceId: said.trace_id, spanId: said.span_id, foreign: said.foreign })),
    ...(withIo && isShown
      ? { input: shownContent(contentKey, body.input), output: shownContent(contentKey, body.output) }
      : {}),
    input_hash: hashOf(body.input),
    output_hash: hashOf(body.output),
    redactions,
    content: body.state,
    error: errorText(m.text('error_type'), isShown ? body.error : null),
    leaf_index: stored.index,
    checksum: checksumOf(stored.leafHash),
    recorded_at: stored.recordedAt,
  };
}

/** What failed and what was said of it: types alone are often `Error` or `unknown`, messages alone have no name to look for. */
function errorText(type: string | null, message: string | null): string | null {
  if (type === null || message === null) return type ?? message;
  return message.startsWith(type) ? message : `${type}: ${message}`;
}
