/** A span's place: its trace, its id and its parent's, lower-case hex. A span id tells spans apart only within its trace. */
export interface Placed {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  /** Sent with a key that is not bound to its service. It may have the id of a step that is not: what names that id means the other one. */
  readonly foreign?: boolean;
}

/** What tells a step from every other of its run: trace and span id. */
export function stepKey({ traceId, spanId }: Pick<Placed, 'traceId' | 'spanId'>): string {
  return traceId + spanId;
}

/** What a copy contradicts: what was sent before under the same id, by whoever may send it or by whoever may not. */
export function copiedKey(step: Pick<Placed, 'traceId' | 'spanId' | 'foreign'>): string {
  return step.foreign === true ? `foreign ${stepKey(step)}` : stepKey(step);
}

/** Where each id is found among `steps`, by `stepKey`. */
export function placesOf(steps: readonly Placed[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const [at, step] of steps.entries()) {
    const key = stepKey(step);
    if (step.foreign !== true || !places.has(key)) places.set(key, at);
  }
  return places;
}

/**
 * Index of each step's parent among `steps`, −1 where it has none or it did not arrive. Parent links are claims: one that would
 * close a cycle is cut, at the step where following the links from earlier steps comes back. Linear, without recursion.
 */
export function parentsOf(steps: readonly Placed[]): Int32Array {
  const indexOf = placesOf(steps);
  const parents = Int32Array.from(steps, (step) =>
    step.parentSpanId === null ? -1 : (indexOf.get(step.traceId + step.parentSpanId) ?? -1),
  );
  const walkOf = new Int32Array(steps.length).fill(-1);
  for (let start = 0; start < steps.length; start++) {
    let at = start;
    while (at !== -1 && walkOf[at] === -1) {
      walkOf[at] = start;
      const parent = parents[at] as number;
      if (parent !== -1 && walkOf[parent] === start) parents[at] = -1;
      at = parents[at] as number;
    }
  }
  return parents;
}

/** True for each step that has a descendant for which `bears` holds. Linear: a climb stops where an earlier one has been. */
export function haveBearingDescendant(parents: Int32Array, bears: readonly boolean[]): boolean[] {
  const found = new Array<boolean>(parents.length).fill(false);
  for (const [index, bearing] of bears.entries()) {
    if (!bearing) continue;
    let at = parents[index] as number;
    while (at !== -1 && !found[at]) {
      found[at] = true;
      at = parents[at] as number;
    }
  }
  return found;
}
