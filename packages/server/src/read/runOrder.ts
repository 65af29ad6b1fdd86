import type { StepLeaf } from '../store/steps.js';
import type { Checked } from './check.js';
import type { LiveFigures } from './liveFigures.js';

/** A step whose bytes are not what was recorded: it has no place in the tree. */
export type DamagedStep = Extract<Checked<StepLeaf>, { kind: 'compromised' }>;

/** All steps of a run in tree order, as numbers: 69 bytes a step. What else a step says is read with its leaf when it is shown. */
export interface Skeleton {
  readonly length: number;
  /** Leaf indexes. */
  readonly index: Float64Array;
  readonly depth: Uint32Array;
  /** As they are shown, which the steps around one may decide (`stepKinds`): place in `STEP_KINDS`; then in `STEP_STATUSES`. */
  readonly kind: Uint8Array;
  readonly status: Uint8Array;
  /** Microseconds since 1970. Of a step that says only one of them, or an end before its start, both are the same; of one that says neither, 0. */
  readonly startedUs: Float64Array;
  readonly endedUs: Float64Array;
  /** Span ids. */
  readonly span: BigUint64Array;
  /** Leaf hashes, 32 bytes each: what was held against the tree hash of the run. */
  readonly hashes: Uint8Array;
  /** They have no place in the tree. */
  readonly damaged: readonly DamagedStep[];
  /** Keys of spans that were sent again with other content. */
  readonly conflicts: ReadonlySet<string>;
  /** Resource leaf hash (hex) of the topmost step. */
  readonly resource: string | null;
  /** The first instances of services that its steps ran on, and the RESOURCE leaves (hex of their hashes) of steps that name none. */
  readonly instances: readonly { readonly service: string | null; readonly instance: string }[];
  readonly resources: readonly string[];
  /** Redaction took something from a step. */
  readonly redacted: boolean;
  /** Places of the steps whose content may be the run's prompt and response: the topmost, the model calls that began first and ended last. */
  readonly speaking: readonly number[];
  /** The first traces it has steps in, by their first leaf, and how many there are. */
  readonly traces: readonly string[];
  readonly traceCount: number;
  /** It is what the newest RUN leaf was made of: nothing came to the run since. */
  readonly settled: boolean;
  /** The run has more steps than are read. */
  readonly cut: boolean;
  /** What the steps add up to; null when the RUN leaf says it. */
  readonly live: LiveFigures | null;
  /** About how much memory it takes. */
  readonly bytes: number;
}

/** Place of the first step with this span id at or after `from`; −1 when there is none. */
export function placeOfSpan({ span }: Skeleton, spanId: string, from = 0): number {
  return /^[0-9a-f]{16}$/.test(spanId) ? span.indexOf(BigInt(`0x${spanId}`), from) : -1;
}
