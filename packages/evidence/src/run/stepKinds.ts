import { type Placed, parentsOf } from './forest.js';
import type { StepKind } from './stepKind.js';

/** What the kinds of a run's steps are decided by. */
export interface KindStep extends Placed {
  readonly kind: StepKind;
  readonly startedNs: bigint;
  readonly agentId: string | null;
  /** The agent that gave the turn away, as the sender says. */
  readonly parentAgentId: string | null;
}

/**
 * The kind each step is shown with, by index. A span says by itself what it is, but for one thing: an AGENT step under an AGENT step of another
 * agent, or one that another agent gave the turn to, is a HANDOFF, unless a step of that kind before it tells of the same hand-over.
 */
export function stepKinds(steps: readonly KindStep[]): StepKind[] {
  const parents = parentsOf(steps);
  const kinds = steps.map(({ kind }) => kind);
  const order = Array.from(steps.keys()).sort((a, b) => before(steps[a] as KindStep, steps[b] as KindStep) || a - b);
  const above = agentsAbove(steps, parents);
  const told = new Map<string, number>();
  for (const index of order) {
    const step = steps[index] as KindStep;
    if (step.kind === 'HANDOFF') told.set(step.traceId, (told.get(step.traceId) ?? 0) + 1);
    if (step.kind !== 'AGENT' || step.agentId === null) continue;
    const from = step.parentAgentId ?? above[index] ?? null;
    if (from === null || from === step.agentId) continue;
    const open = told.get(step.traceId) ?? 0;
    if (open > 0) told.set(step.traceId, open - 1);
    else kinds[index] = 'HANDOFF';
  }
  return kinds;
}

/** The agent of the nearest AGENT step above each step, null where there is none or it has no name. Linear: what is known is not climbed again. */
function agentsAbove(steps: readonly KindStep[], parents: Int32Array): (string | null)[] {
  const known = new Array<string | null | undefined>(steps.length);
  for (let start = 0; start < steps.length; start++) {
    const climbed: number[] = [];
    let at = start;
    let agent: string | null = null;
    while (known[at] === undefined) {
      climbed.push(at);
      const parent = parents[at] as number;
      if (parent === -1) break;
      const step = steps[parent] as KindStep;
      if (step.kind === 'AGENT') {
        agent = step.agentId;
        break;
      }
      at = parent;
    }
    agent = known[at] !== undefined ? (known[at] ?? null) : agent;
    for (const index of climbed) known[index] = agent;
  }
  return known.map((agent) => agent ?? null);
}

function before(a: KindStep, b: KindStep): number {
  return a.startedNs < b.startedNs ? -1 : a.startedNs > b.startedNs ? 1 : 0;
}
