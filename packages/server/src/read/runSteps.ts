import { copiedKey, emptyFrontier, equalBytes, extendFrontier, frontierRoot, unhex } from '@sworn/evidence';
import type { Tx } from '../store/database.js';
import { haveSteps, readFirstSteps, readSteps, type StepLeaf } from '../store/steps.js';
import { checkBytes } from './check.js';
import { ownsTrace, stepsOfRun } from './membership.js';
import type { ReadDeps } from './reading.js';
import type { DamagedStep } from './runOrder.js';
import { compromisedRecord, type PinnedRun, type Seal } from './settled.js';
import { shareTexts, type StepFacts, stepFacts } from './stepFacts.js';

/** Leaves read at once, about 2 MB. */
const CHUNK = 2_000;
/** Traces whose beginnings are read at once, and leaves of each: together a chunk. What is longer goes on alone. */
const TRACES_AT_ONCE = 64;
const FIRST_LEAVES = 32;
/** Steps of a run's traces that are read, about 50 MB while they are put in order. A run beyond it is answered up to here, and its count and tree hash are not held against them. */
const MAX_TRACE_STEPS = 100_000;

/** The steps of a run as of its bound. */
export interface RunSteps {
  /** Within a trace in leaf order. */
  readonly steps: readonly StepFacts[];
  readonly damaged: readonly DamagedStep[];
  /** Keys of spans that were sent again with other content. */
  readonly conflicts: ReadonlySet<string>;
  /** Where the CONFLICT leaves stand that say so. */
  readonly conflictLeaves: readonly { readonly index: number; readonly key: string }[];
  /** Of `steps`, those that the newest RUN leaf was made of; empty while there is none. */
  readonly sealed: readonly StepFacts[];
  /** They are those that the newest RUN leaf counts. */
  readonly settled: boolean;
  /** There are more of them than are read. */
  readonly cut: boolean;
}

/** Whether anything lies below the bound that the newest RUN leaf was not made of: steps of its traces, or what MEMBER leaves say of them. */
export async function hasMore(tx: Tx, tenantId: string, run: PinnedRun): Promise<boolean> {
  const { seal, membership, log, bound } = run;
  if (seal === null) return true;
  const isNew = membership.traces.some((traceId) =>
    membership.membersOf(traceId).some((member) => member.index >= seal.membersBelow),
  );
  return isNew || haveSteps(tx, tenantId, { log, traceIds: membership.traces, from: seal.stepsBelow, below: bound });
}

/**
 * Reads every step of a run and holds those that its newest RUN leaf was made of against the count and tree hash it names (check V9): by
 * the MEMBER leaves and up to the size that it says, so that what came later to the same traces changes nothing.
 * @throws Refusal `evidence_compromised` with that RUN leaf when they differ.
 */
export async function readRunSteps(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, more }: { readonly run: PinnedRun; readonly more: boolean },
): Promise<RunSteps> {
  const { log, membership, seal } = run;
  const below = more || seal === null ? run.bound : seal.stepsBelow;
  const origin = deps.originOf(tenantId, log);
  const share = shareTexts();
  const byTrace = new Map<string, Found>();
  const conflictLeaves: { readonly index: number; readonly key: string }[] = [];
  let read = 0;
  let { cut } = membership;
  reading: for await (const leaves of leavesOf(tx, tenantId, { log, traces: membership.traces, below })) {
    for (const leaf of leaves) {
      if (leaf.kind === 'STEP' && read++ === MAX_TRACE_STEPS) {
        cut = true;
        break reading;
      }
      const checked = checkBytes(leaf, origin);
      if (checked.kind === 'sound' && leaf.kind === 'CONFLICT') {
        const { members: m } = checked;
        const foreign = m.flag('foreign') ?? false;
        const key = copiedKey({ traceId: leaf.traceId, spanId: m.text('span_id') ?? '', foreign });
        conflictLeaves.push({ index: leaf.index, key });
        continue;
      }
      let of = byTrace.get(leaf.traceId);
      if (of === undefined) byTrace.set(leaf.traceId, (of = { steps: [], damaged: [] }));
      if (checked.kind === 'sound') of.steps.push(stepFacts(leaf, checked.members, share));
      else of.damaged.push(checked);
    }
  }
  const now: Found = { steps: [], damaged: [] };
  const then: Found = { steps: [], damaged: [] };
  for (const [traceId, of] of byTrace) {
    take(now, run, { traceId, stepsBelow: below, membersBelow: run.bound }, of);
    if (seal !== null && more) take(then, run, { traceId, ...seal }, of);
  }
  const sealed = more ? then : now;
  if (seal !== null && !cut) demandTree(run, hashedOf(sealed));
  const settled = seal !== null && (!more || (!cut && areSame(hashedOf(now), hashedOf(then))));
  return {
    ...now,
    conflicts: new Set(conflictLeaves.map(({ key }) => key)),
    conflictLeaves,
    sealed: seal === null ? [] : sealed.steps,
    settled,
    cut,
  };
}

interface Found {
  readonly steps: StepFacts[];
  readonly damaged: DamagedStep[];
}

/** Adds the steps of one trace that belonged to the run as of these sizes. */
function take(to: Found, { runId, membership }: PinnedRun, as: Seal & { readonly traceId: string }, of: Found): void {
  const facts = of.steps.filter((step) => step.index < as.stepsBelow);
  const at = { runId, traceId: as.traceId, below: as.membersBelow };
  for (const step of stepsOfRun(membership, at, facts)) to.steps.push(step);
  // Of a step that cannot be read nobody knows what it hangs below: it is taken for the owner's.
  if (of.damaged.length > 0 && ownsTrace(membership, at))
    to.damaged.push(...of.damaged.filter(({ stored }) => stored.index < as.stepsBelow));
}

type Hashed = Pick<StepLeaf, 'index' | 'leafHash'>;

/** In leaf order. */
function hashedOf({ steps, damaged }: Found): readonly Hashed[] {
  const isStep = (stored: DamagedStep['stored']): stored is StepLeaf =>
    'leafHash' in stored && 'kind' in stored && stored.kind === 'STEP';
  return [...steps, ...damaged.map(({ stored }) => stored).filter(isStep)].sort((a, b) => a.index - b.index);
}

function areSame(a: readonly Hashed[], b: readonly Hashed[]): boolean {
  return a.length === b.length && a.every(({ index }, at) => index === b[at]?.index);
}

function demandTree({ newest: { stored, members } }: PinnedRun, found: readonly Hashed[]): void {
  const count = members.count('steps');
  const tree = unhex(members.text('tree') ?? '');
  const isCount = count === found.length;
  const hashes = found.map((step) => step.leafHash);
  if (isCount && equalBytes(tree, frontierRoot(extendFrontier(emptyFrontier, hashes)))) return;
  const detail = isCount
    ? 'the tree hash of the steps is not the one sealed'
    : `${found.length} steps are there, ${count} were sealed`;
  throw compromisedRecord(
    { check: 'V9', code: 'RUN_TREE_MISMATCH', log: stored.log, leaf_index: stored.index, detail },
    stored.leaf,
  );
}

interface AskedLeaves {
  readonly log: string;
  readonly traces: readonly string[];
  readonly below: number;
}

/** All leaves of these traces, those of one in leaf order. */
async function* leavesOf(tx: Tx, tenantId: string, asked: AskedLeaves): AsyncGenerator<readonly StepLeaf[]> {
  const { log, traces, below } = asked;
  if (traces.length === 1) {
    yield* leavesFrom(tx, tenantId, { log, traceId: traces[0] as string, from: 0, below });
    return;
  }
  for (let at = 0; at < traces.length; at += TRACES_AT_ONCE) {
    const traceIds = traces.slice(at, at + TRACES_AT_ONCE);
    const leaves = await readFirstSteps(tx, tenantId, { log, traceIds, below, limit: FIRST_LEAVES });
    yield leaves;
    const begun = new Map<string, { count: number; next: number }>();
    for (const { traceId, index } of leaves)
      begun.set(traceId, { count: (begun.get(traceId)?.count ?? 0) + 1, next: index + 1 });
    for (const [traceId, { count, next }] of begun)
      if (count === FIRST_LEAVES) yield* leavesFrom(tx, tenantId, { log, traceId, from: next, below });
  }
}

/** The next chunk is asked for while this one is looked at. */
async function* leavesFrom(
  tx: Tx,
  tenantId: string,
  asked: Omit<AskedLeaves, 'traces'> & { readonly traceId: string; readonly from: number },
): AsyncGenerator<readonly StepLeaf[]> {
  const ask = (from: number) => readSteps(tx, tenantId, { ...asked, from, limit: CHUNK });
  for (let next: Promise<readonly StepLeaf[]> | null = ask(asked.from); next !== null; ) {
    const leaves: readonly StepLeaf[] = await next;
    const last = leaves.at(-1);
    next = leaves.length < CHUNK || last === undefined ? null : ask(last.index + 1);
    // Whoever stops reading here does not hear of it; the transaction does.
    next?.catch(() => undefined);
    yield leaves;
  }
}
