import { stepKinds, treePlaces } from '@sworn/evidence';
import { STEP_KINDS, STEP_STATUSES } from '@sworn/contract';
import type { Tx } from '../store/database.js';
import { figuresOf } from './live.js';
import type { ReadDeps } from './reading.js';
import type { Skeleton } from './runOrder.js';
import { hasMore, readRunSteps, type RunSteps } from './runSteps.js';
import type { PinnedRun } from './settled.js';
import type { StepFacts } from './stepFacts.js';

/** Traces that an answer names of a run. */
const MAX_TRACES_NAMED = 64;
/** Instances, and resources without one, of one run that are looked at. */
const MAX_RESOURCES = 64;

/** A skeleton, and whether it was made, and its run checked, for this answer. */
export interface ReadSkeleton {
  readonly skeleton: Skeleton;
  readonly fresh: boolean;
}

/**
 * The steps of a run in order, checked as a whole against its newest RUN leaf (V9); those of a long run from what is held, for as long as
 * `HeldOrders` says. `afresh`: not from there.
 * @throws Refusal `evidence_compromised` with that RUN leaf when they differ.
 */
export async function readSkeleton(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, afresh = false }: { readonly run: PinnedRun; readonly afresh?: boolean },
): Promise<ReadSkeleton> {
  const more = await hasMore(tx, tenantId, run);
  // A leaf at its index never changes; so neither does what lies below a size, nor what a RUN leaf was made of while nothing came since.
  const key = JSON.stringify([tenantId, run.log, run.newest.stored.index, more ? run.bound : null]);
  if (afresh) deps.heldOrders.drop(key);
  const held = deps.heldOrders.get(key);
  if (held !== null) return { skeleton: held, fresh: false };
  const skeleton = compact(await readRunSteps(deps, tx, tenantId, { run, more }));
  if (skeleton.damaged.length === 0) deps.heldOrders.keep(key, skeleton);
  return { skeleton, fresh: true };
}

/** The size of the run's log at which an answer of this skeleton is given. */
export function pinOf({ bound, settledPin }: PinnedRun, { settled }: Skeleton): number {
  return settled ? settledPin : bound;
}

function compact({ steps, damaged, conflicts, settled, cut }: RunSteps): Skeleton {
  const { order, depth } = treePlaces(steps);
  const kinds = stepKinds(steps);
  const placed = Array.from(order, (at) => steps[at] as StepFacts);
  const hashes = new Uint8Array(32 * placed.length);
  for (const [at, step] of placed.entries()) hashes.set(step.leafHash, 32 * at);
  const firstOf = new Map<string, number>();
  for (const { traceId, index } of steps) if (!firstOf.has(traceId)) firstOf.set(traceId, index);
  const traces = [...firstOf].sort(([, a], [, b]) => a - b).map(([traceId]) => traceId);
  return {
    length: placed.length,
    index: Float64Array.from(placed, (step) => step.index),
    depth,
    kind: Uint8Array.from(order, (at) => placeIn(STEP_KINDS, kinds[at] ?? 'OTHER')),
    status: Uint8Array.from(placed, (step) => placeIn(STEP_STATUSES, step.status)),
    startedUs: Float64Array.from(placed, (step) => microseconds(step.startedNs > 0n ? step.startedNs : step.endedNs)),
    endedUs: Float64Array.from(placed, (step) => microseconds(later(step.startedNs, step.endedNs))),
    span: BigUint64Array.from(placed, (step) => BigInt(`0x${step.spanId}`)),
    hashes,
    damaged,
    conflicts,
    resource: placed[ownPlaces(placed)[0] ?? 0]?.resource ?? null,
    ...ranOn(placed),
    redacted: steps.some((step) => step.redacted),
    speaking: speaking(placed),
    traces: traces.slice(0, MAX_TRACES_NAMED),
    traceCount: traces.length,
    settled,
    cut,
    live: settled ? null : figuresOf(steps),
    bytes: 69 * placed.length + 100 * conflicts.size + 10_000,
  };
}

function microseconds(ns: bigint): number {
  return Number(ns / 1000n);
}

function later(a: bigint, b: bigint): bigint {
  return b > a ? b : a;
}

/** Where the steps ran. Spans of a foreign key change nothing. */
function ranOn(placed: readonly StepFacts[]): Pick<Skeleton, 'instances' | 'resources'> {
  const instances = new Map<string, Skeleton['instances'][number]>();
  const resources = new Set<string>();
  for (const { foreign, service, instance, resource } of placed) {
    if (foreign) continue;
    if (instance === null && resource !== null && resources.size < MAX_RESOURCES) resources.add(resource);
    if (instance !== null && instances.size < MAX_RESOURCES)
      instances.set(JSON.stringify([service, instance]), { service, instance });
  }
  return { instances: [...instances.values()], resources: [...resources] };
}

/** Kinds and statuses are words of closed lists; one of a later version is shown as the last of ours. */
function placeIn(words: readonly string[], word: string): number {
  const at = words.indexOf(word);
  return at < 0 ? words.length - 1 : at;
}

/** What a run says by itself, in tree order: spans of a foreign key change nothing, but where there is nothing else. */
function ownPlaces(placed: readonly StepFacts[]): readonly number[] {
  const own = placed.flatMap(({ foreign }, at) => (foreign ? [] : [at]));
  return own.length > 0 ? own : [...placed.keys()];
}

function speaking(placed: readonly StepFacts[]): number[] {
  const own = ownPlaces(placed);
  const [top] = own;
  if (top === undefined) return [];
  const calls = own.filter((at) => placed[at]?.kind === 'LLM');
  const startOf = (at: number) => placed[at]?.startedNs ?? 0n;
  const endOf = (at: number) => placed[at]?.endedNs ?? 0n;
  const first = calls.reduce((a, b) => (startOf(a) <= startOf(b) ? a : b), calls[0] ?? top);
  const last = calls.reduce((a, b) => (endOf(a) >= endOf(b) ? a : b), calls[0] ?? top);
  return [...new Set([top, first, last])];
}
