import { hasFailed, rollUpTokens } from '../otlp/map/run.js';
import type { Tx } from '../store/database.js';
import type { StoredRun } from '../store/runs.js';
import { readSteps } from '../store/steps.js';
import { type Checked, checkLeaf } from './check.js';
import type { Pin, ReadDeps } from './reading.js';
import type { LiveFigures } from './runItem.js';
import { type StepFacts, stepFacts } from './stepFacts.js';

/**
 * Steps of open runs that one page reads at most, about 10 MB: figures of an open run are provisional, and those of one that is longer
 * than what is left of this say only what was read.
 */
const MAX_LIVE_STEPS = 10_000;

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
  for (const run of runs) {
    if (run.kind !== 'sound' || run.stored.kind !== 'OPENED') continue;
    const { log } = run.stored;
    const pin = pins.find((p) => p.log === log)?.size ?? 0;
    const traceId = Buffer.from(run.members.text('trace_id') ?? '', 'hex');
    const stored = left > 0 ? await readSteps(tx, tenantId, { log, traceId, from: 0, pin, limit: left }) : [];
    left -= stored.length;
    const steps: StepFacts[] = [];
    for (const step of stored) {
      const checked = checkLeaf(step, deps.originOf(tenantId, log));
      if (checked.kind === 'sound' && step.kind === 'STEP') steps.push(stepFacts(step, checked.members));
    }
    figures.set(run.stored, figuresOf(steps));
  }
  return figures;
}

/** What the steps so far add up to. */
export function figuresOf(steps: readonly StepFacts[]): LiveFigures {
  const totals = rollUpTokens(steps);
  const byStart = steps.toSorted((a, b) => Number(a.startedNs - b.startedNs) || a.index - b.index);
  const llm = byStart.filter((step) => step.kind === 'LLM');
  // As when it is sealed: embeddings count where there is nothing else.
  const calls = llm.length > 0 ? llm : byStart.filter((step) => step.kind === 'EMBEDDING');
  return {
    steps: steps.length,
    inputTokens: totals.inputTokens,
    outputTokens: totals.outputTokens,
    costNanoUsd: totals.costNanoUsd,
    lastActivityAt: steps.at(-1)?.recordedAt ?? null,
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
