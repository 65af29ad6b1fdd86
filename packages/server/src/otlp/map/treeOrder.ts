import { type Placed, stepKey } from './forest.js';

/** What the order of a run asks of a step. */
export interface OrderedStep extends Placed {
  readonly startedNs: bigint;
  /** Leaf index: orders what began in the same nanosecond. */
  readonly index: number;
}

/** A step in its place: parents first, siblings by start. */
export interface PlacedStep<S extends OrderedStep> {
  readonly step: S;
  readonly depth: number;
}

/**
 * The order of a run's steps, all traces together. A step whose parent is not there is a root; so is, of a cycle, the step that started first. Every step comes out
 * once, in O(n log n), however deep: what producers claim about parents is theirs.
 */
export function treeOrder<S extends OrderedStep>(steps: readonly S[]): PlacedStep<S>[] {
  const present = new Set(steps.map(stepKey));
  const children = new Map<string | null, S[]>();
  const byStart = steps.toSorted((a, b) =>
    a.startedNs < b.startedNs ? -1 : a.startedNs > b.startedNs ? 1 : a.index - b.index,
  );
  for (const step of byStart) {
    const above = step.parentSpanId === null ? null : step.traceId + step.parentSpanId;
    const parent = above !== null && above !== stepKey(step) && present.has(above) ? above : null;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [step]);
    else siblings.push(step);
  }
  const placed: PlacedStep<S>[] = [];
  const seen = new Set<S>();
  const walk = (root: S) => {
    const stack: PlacedStep<S>[] = [{ step: root, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (seen.has(next.step)) continue;
      seen.add(next.step);
      placed.push(next);
      const below = children.get(stepKey(next.step)) ?? [];
      for (let i = below.length - 1; i >= 0; i--) stack.push({ step: below[i] as S, depth: next.depth + 1 });
    }
  };
  for (const root of children.get(null) ?? []) walk(root);
  if (placed.length < steps.length) for (const step of byStart) if (!seen.has(step)) walk(step);
  return placed;
}
