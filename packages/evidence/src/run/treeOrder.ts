import { type Placed, placesOf, stepKey } from './forest.js';

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

/** The order of steps as numbers, 8 bytes a step: the i-th step in order is `steps[order[i]]`, at `depth[i]`. */
export interface TreePlaces {
  readonly order: Uint32Array;
  readonly depth: Uint32Array;
}

/**
 * The order of a run's steps, all traces together. A step whose parent is not there is a root; so is, of a cycle, the step that started first. Every step comes out
 * once, in O(n log n), however deep: what producers claim about parents is theirs.
 */
export function treeOrder<S extends OrderedStep>(steps: readonly S[]): PlacedStep<S>[] {
  const { order, depth } = treePlaces(steps);
  return Array.from(order, (at, i) => ({ step: steps[at] as S, depth: depth[i] as number }));
}

/** As `treeOrder`, for those who keep the order and not the steps. */
export function treePlaces(steps: readonly OrderedStep[]): TreePlaces {
  const byStart = Uint32Array.from(steps.keys()).sort((a, b) => compare(steps[a], steps[b]));
  const family = familyOf(steps, byStart);
  const order = new Uint32Array(steps.length);
  const depth = new Uint32Array(steps.length);
  const seen = new Uint8Array(steps.length);
  let placed = 0;
  const walk = (root: number) => {
    const nodes = [root];
    const depths = [0];
    for (let at = nodes.pop(); at !== undefined; at = nodes.pop()) {
      const level = depths.pop() as number;
      const push = (next: number, below: number) => {
        if (next === NONE) return;
        nodes.push(next);
        depths.push(below);
      };
      // The next sibling waits below the children, so that they come first. A root has none here: its turn comes by itself.
      if (at !== root || seen[at] === 1) push(family.sibling[at] as number, level);
      if (seen[at] === 1) continue;
      seen[at] = 1;
      order[placed] = at;
      depth[placed++] = level;
      push(family.child[at] as number, level + 1);
    }
  };
  for (const root of family.roots) walk(root);
  // What is left lies in cycles.
  if (placed < steps.length) for (const at of byStart) if (seen[at] === 0) walk(at);
  return { order, depth };
}

const NONE = -1;

/** First child and next sibling of each step, siblings by start; −1 for none. */
function familyOf(steps: readonly OrderedStep[], byStart: Uint32Array) {
  const indexOf = placesOf(steps);
  const child = new Int32Array(steps.length).fill(NONE);
  const sibling = new Int32Array(steps.length).fill(NONE);
  const roots: number[] = [];
  for (let i = byStart.length - 1; i >= 0; i--) {
    const at = byStart[i] as number;
    const { traceId, parentSpanId } = steps[at] as OrderedStep;
    const parent = parentSpanId === null ? NONE : (indexOf.get(stepKey({ traceId, spanId: parentSpanId })) ?? NONE);
    if (parent === NONE || parent === at) {
      roots.push(at);
    } else {
      sibling[at] = child[parent] as number;
      child[parent] = at;
    }
  }
  return { child, sibling, roots: roots.toReversed() };
}

function compare(a: OrderedStep | undefined, b: OrderedStep | undefined): number {
  if (a === undefined || b === undefined) return 0;
  return a.startedNs < b.startedNs ? -1 : a.startedNs > b.startedNs ? 1 : a.index - b.index;
}
