import type { StepFacts } from './stepFacts.js';

/** A step in its place: parents first, siblings by start. */
export interface PlacedStep {
  readonly step: StepFacts;
  readonly depth: number;
}

/**
 * The order of a trace. A step whose parent is not there is a root; so is, of a cycle, the step that started first. Every step comes out
 * once, in O(n log n), however deep: what producers claim about parents is theirs.
 */
export function treeOrder(steps: readonly StepFacts[]): PlacedStep[] {
  const present = new Set(steps.map((step) => step.spanId));
  const children = new Map<string | null, StepFacts[]>();
  const byStart = steps.toSorted((a, b) =>
    a.startedNs < b.startedNs ? -1 : a.startedNs > b.startedNs ? 1 : a.index - b.index,
  );
  for (const step of byStart) {
    const parent =
      step.parentSpanId !== null && step.parentSpanId !== step.spanId && present.has(step.parentSpanId)
        ? step.parentSpanId
        : null;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [step]);
    else siblings.push(step);
  }
  const placed: PlacedStep[] = [];
  const seen = new Set<StepFacts>();
  const walk = (root: StepFacts) => {
    const stack: PlacedStep[] = [{ step: root, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (seen.has(next.step)) continue;
      seen.add(next.step);
      placed.push(next);
      const below = children.get(next.step.spanId) ?? [];
      for (let i = below.length - 1; i >= 0; i--) stack.push({ step: below[i] as StepFacts, depth: next.depth + 1 });
    }
  };
  for (const root of children.get(null) ?? []) walk(root);
  if (placed.length < steps.length) for (const step of byStart) if (!seen.has(step)) walk(step);
  return placed;
}
