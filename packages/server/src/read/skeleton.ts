import { emptyFrontier, equalBytes, extendFrontier, frontierRoot, unhex } from '@sworn/evidence';
import type { Tx } from '../store/database.js';
import { readSteps, type StoredStep } from '../store/steps.js';
import { type Checked, checkLeaf } from './check.js';
import type { ReadDeps } from './reading.js';
import { compromisedRecord, type PinnedRun } from './settled.js';
import { type StepFacts, stepFacts } from './stepFacts.js';
import { type PlacedStep, treeOrder } from '../otlp/map/treeOrder.js';

/** Leaves read at once, about 5 MB. */
const CHUNK = 5_000;
/** Steps of one run whose order is computed, about 60 MB while it is; a run beyond it is answered up to here, in leaf order of arrival. */
const MAX_TRACE_STEPS = 100_000;

/** All steps of a run below its pin, in tree order, without their leaves. */
export interface Skeleton {
  readonly steps: readonly PlacedStep<StepFacts>[];
  /** Steps that failed their check; they have no place in the tree. */
  readonly compromised: readonly Extract<Checked<StoredStep>, { kind: 'compromised' }>[];
  /** Span ids that were sent again with other content. */
  readonly conflicts: ReadonlySet<string>;
  /** Resource leaf hash (hex) of the topmost step. */
  readonly resource: string | null;
  /** Steps are there that the newest RUN leaf does not count: what it says of the run is not all there is. */
  readonly beyondSeal: boolean;
}

/**
 * Reads every step of a run and holds them, as far as the newest RUN leaf goes, against the count and tree hash it names (check V9).
 * @throws Refusal `evidence_compromised` with that RUN leaf when they differ.
 */
export async function readSkeleton(deps: ReadDeps, tx: Tx, tenantId: string, run: PinnedRun): Promise<Skeleton> {
  const { stored: runLeaf, members } = run.newest;
  const origin = deps.originOf(tenantId, run.log);
  const traceId = Buffer.from(members.text('trace_id') ?? '', 'hex');
  const sealedBelow = members.object('sizes').count('llm-runs') ?? 0;
  const facts: StepFacts[] = [];
  const compromised: Extract<Checked<StoredStep>, { kind: 'compromised' }>[] = [];
  const conflicts = new Set<string>();
  let range = emptyFrontier;
  let from = 0;
  let beyondSeal = false;
  while (facts.length < MAX_TRACE_STEPS) {
    const chunk = await readSteps(tx, tenantId, { log: run.log, traceId, from, pin: run.pin, limit: CHUNK });
    const sealed: Uint8Array[] = [];
    for (const step of chunk) {
      if (step.kind === 'STEP') {
        if (step.index < sealedBelow) sealed.push(step.leafHash);
        else beyondSeal = true;
      }
      const checked = checkLeaf(step, origin);
      if (checked.kind === 'compromised') compromised.push(checked);
      else if (step.kind === 'STEP') facts.push(stepFacts(step, checked.members));
      else conflicts.add(checked.members.text('span_id') ?? '');
      from = step.index + 1;
    }
    range = extendFrontier(range, sealed);
    if (chunk.length < CHUNK) {
      if (runLeaf.kind === 'RUN') demandTree(run, { count: range.size, tree: frontierRoot(range) });
      break;
    }
  }
  const steps = treeOrder(facts);
  return { steps, compromised, conflicts, resource: steps[0]?.step.resource ?? null, beyondSeal };
}

function demandTree(
  { newest: { stored, members } }: PinnedRun,
  found: { readonly count: number; readonly tree: Uint8Array },
): void {
  const count = members.count('steps');
  const tree = unhex(members.text('tree') ?? '');
  if (count === found.count && equalBytes(tree, found.tree)) return;
  const detail =
    count === found.count
      ? 'the tree hash of the steps is not the one sealed'
      : `${found.count} steps are there, ${count} were sealed`;
  throw compromisedRecord(
    { check: 'V9', code: 'RUN_TREE_MISMATCH', log: stored.log, leaf_index: stored.index, detail },
    stored.leaf,
  );
}
