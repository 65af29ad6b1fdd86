import { hasFailed, timeOf } from '@sworn/evidence';
import { rollUpTokens } from '../otlp/map/run.js';
import type { Tx } from '../store/database.js';
import type { StoredRun } from '../store/runs.js';
import { readSteps } from '../store/steps.js';
import { type Checked, checkBytes } from './check.js';
import { readMemberships, stepsOfRun } from './membership.js';
import type { Pin, ReadDeps } from './reading.js';
import type { LiveFigures } from './liveFigures.js';
import { type StepFacts, stepFacts } from './stepFacts.js';

/**
 * Steps of open runs that one page reads at most, about 10 MB: figures of an open run are provisional, and those of one that is longer
 * than what is left of this say only what was read.
 */
const MAX_LIVE_STEPS = 10_000;
/** Traces of one open run that a list reads. */
const MAX_LIVE_TRACES = 64;

/** Figures of the runs of a page that were never sealed, from their steps below the pin. */
export async function liveFigures(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  runs: readonly Checked<StoredRun>[],
  pins: readonly Pin[],
): Promise<ReadonlyMap<StoredRun, LiveFigures>> {
  const figures = new Map<StoredRun, LiveFigures>();
  let left = MAX_LIVE_STEPS;
  const open = runs.filter((run) => run.kind === 'sound').filter(({ stored }) => stored.kind === 'OPENED');
  for (const { log, size: pin } of pins) {
    const ofLog = open.filter(({ stored }) => stored.log === log);
    if (ofLog.length === 0) continue;
    const runIds = ofLog.map(({ members }) => members.text('run_id') ?? '');
    const memberships = await readMemberships(deps, tx, tenantId, { log, runIds, below: pin, limit: MAX_LIVE_TRACES });
    for (const [at, { stored }] of ofLog.entries()) {
      const runId = runIds[at] ?? '';
      const membership = memberships.get(runId);
      // Damage there is told where the run is asked for; here it only goes without figures.
      if (membership?.kind !== 'sound') continue;
      const steps: StepFacts[] = [];
      for (const traceId of membership.traces) {
        const asked = { log, traceId, from: 0, below: pin, limit: left };
        const leaves = left > 0 ? await readSteps(tx, tenantId, asked) : [];
        left -= leaves.length;
        const facts: StepFacts[] = [];
        for (const leaf of leaves) {
          const checked = checkBytes(leaf, deps.originOf(tenantId, log));
          if (checked.kind === 'sound' && leaf.kind === 'STEP') facts.push(stepFacts(leaf, checked.members));
        }
        steps.push(...stepsOfRun(membership, { runId, traceId, below: pin }, facts));
      }
      figures.set(stored, figuresOf(steps));
    }
  }
  return figures;
}

/** What the steps so far add up to. */
export function figuresOf(all: readonly StepFacts[]): LiveFigures {
  // As when it is sealed: spans of a foreign key change nothing, but where there is nothing else.
  const own = all.filter((step) => !step.foreign);
  const steps = own.length > 0 ? own : all;
  const totals = rollUpTokens(steps);
  const byStart = steps.toSorted((a, b) => Number(a.startedNs - b.startedNs) || a.index - b.index);
  const llm = byStart.filter((step) => step.kind === 'LLM');
  const last = lastEventOf(byStart);
  // As when it is sealed: embeddings count where there is nothing else.
  const calls = llm.length > 0 ? llm : byStart.filter((step) => step.kind === 'EMBEDDING');
  return {
    ...totals,
    steps: all.length,
    lastActivityAt: newest(all)?.recordedAt ?? null,
    lastEvent: last === null ? null : { timestamp: timeOf(last.at), spanId: last.step.spanId },
    hadErrors: steps.some(hasFailed),
    provider: firstOf(calls, (step) => step.provider),
    model: firstOf(calls, (step) => step.model),
    agentId: firstOf(byStart, (step) => step.agentId),
    executorType: byStart.length === 0 ? null : byStart.some((step) => step.kind === 'AGENT') ? 'AGENT' : 'LLM',
  };
}

function firstOf(steps: readonly StepFacts[], read: (step: StepFacts) => string | null): string | null {
  for (const step of steps) {
    const value = read(step);
    if (value !== null) return value;
  }
  return null;
}

/** The step that was recorded last. */
function newest(steps: readonly StepFacts[]): StepFacts | null {
  return steps.reduce<StepFacts | null>((a, b) => (a === null || b.index > a.index ? b : a), null);
}

/** What happened last of what is known: an end, or a start that has none. Null where no step has a time. */
function lastEventOf(steps: readonly StepFacts[]): { readonly step: StepFacts; readonly at: bigint } | null {
  let last: { readonly step: StepFacts; readonly at: bigint } | null = null;
  for (const step of steps) {
    const at = step.endedNs > step.startedNs ? step.endedNs : step.startedNs;
    if (at > 0n && (last === null || at > last.at)) last = { step, at };
  }
  return last;
}
