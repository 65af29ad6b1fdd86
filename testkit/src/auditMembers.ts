/** A STEP leaf, as far as it says where its step hangs. */
export interface AuditedStep {
  readonly index: number;
  readonly hash: Uint8Array;
  /** Ids, lower-case hex. */
  readonly trace: string;
  readonly span: string;
  readonly parent: string | null;
  readonly foreign: boolean;
}

/** A MEMBER leaf. */
export interface AuditedMember {
  readonly index: number;
  readonly run: string;
  readonly trace: string;
  readonly whole: boolean;
  readonly roots: readonly string[];
}

/** Bounds of docs/spec/leaf.md: runs of one trace, and its steps that are divided among them. */
const RUNS = 64;
const STEPS = 100_000;

/** The run of each of a trace's steps, given in leaf order, by what MEMBER leaves say (docs/spec/leaf.md, "Whose a step is"). */
export function runsOfTrace(
  trace: string,
  members: readonly AuditedMember[],
  steps: readonly AuditedStep[],
): ReadonlyMap<AuditedStep, string> {
  const mine = members.filter((member) => member.trace === trace).sort((a, b) => a.index - b.index);
  const owner = mine.find((member) => member.whole && member.run !== trace)?.run ?? trace;
  const admitted = new Set(
    [...new Set(mine.map((member) => member.run))].filter((run) => run !== trace).slice(0, RUNS),
  ).add(trace);
  const carved = new Map<string, string>();
  for (const { run, roots } of mine.filter((member) => admitted.has(member.run)))
    for (const root of roots) carved.set(root, carved.get(root) ?? run);
  const placed = steps.slice(0, STEPS);
  const above = carved.size === 0 ? new Map<AuditedStep, AuditedStep>() : linksOf(placed);
  const runs = new Map<AuditedStep, string>();
  for (const step of placed) {
    const path: AuditedStep[] = [];
    let at: AuditedStep | undefined = step;
    while (at !== undefined && !runs.has(at) && !carved.has(at.span)) {
      path.push(at);
      at = above.get(at);
    }
    const run = at === undefined ? owner : (runs.get(at) ?? carved.get(at.span) ?? owner);
    for (const one of at === undefined ? path : [...path, at]) runs.set(one, run);
  }
  for (const step of steps.slice(STEPS)) runs.set(step, owner);
  return runs;
}

/** Who hangs below whom. Links of own steps to foreign ones do not count; of a circle, the one that leads back to where it was entered. */
function linksOf(steps: readonly AuditedStep[]): Map<AuditedStep, AuditedStep> {
  // Of an own step and a foreign one with the same id, the own one.
  const bySpan = new Map(
    [...steps.filter((s) => s.foreign), ...steps.filter((s) => !s.foreign)].map((s) => [s.span, s]),
  );
  const above = new Map<AuditedStep, AuditedStep>();
  for (const step of steps) {
    const parent = step.parent === null ? undefined : bySpan.get(step.parent);
    if (parent !== undefined && (step.foreign || !parent.foreign)) above.set(step, parent);
  }
  const done = new Set<AuditedStep>();
  for (const step of steps) {
    const walk = new Set<AuditedStep>();
    for (let at: AuditedStep | undefined = step; at !== undefined && !done.has(at); ) {
      walk.add(at);
      const next = above.get(at);
      if (next !== undefined && walk.has(next)) above.delete(at);
      at = above.get(at);
    }
    for (const one of walk) done.add(one);
  }
  return above;
}
