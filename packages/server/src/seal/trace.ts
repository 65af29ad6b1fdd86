import { hex } from '@sworn/evidence';
import type { FollowedLeaf } from '../store/sealing.js';
import { readStep, type SealedStep } from './step.js';

/** The steps of one trace among the leaves of a turn. */
export interface Trace {
  readonly runId: string;
  readonly traceId: Uint8Array;
  readonly first: SealedStep;
  steps: number;
  lastIndex: number;
  lastSeenAt: string;
  rootSeenAt: string | null;
}

/** By run id, in the order of their first steps. */
export function groupSteps(leaves: readonly FollowedLeaf[]): Map<string, Trace> {
  const traces = new Map<string, Trace>();
  for (const leaf of leaves) {
    if (leaf.kind !== 'STEP' || leaf.traceId === null) continue;
    const step = readStep(leaf);
    const runId = hex(leaf.traceId);
    const trace = traces.get(runId);
    const rootSeenAt = step.isRoot && !step.foreign ? leaf.recordedAt : null;
    if (trace === undefined) {
      traces.set(runId, {
        runId,
        traceId: leaf.traceId,
        first: step,
        steps: 1,
        lastIndex: leaf.index,
        lastSeenAt: leaf.recordedAt,
        rootSeenAt,
      });
    } else {
      trace.steps++;
      trace.lastIndex = leaf.index;
      trace.lastSeenAt = leaf.recordedAt;
      trace.rootSeenAt ??= rootSeenAt;
    }
  }
  return traces;
}
