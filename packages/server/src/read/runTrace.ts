import { DEFAULT_LONG_PAGE, MAX_LONG_BYTES, type RunTrace, type RunTraceQuery } from '@sworn/contract';
import { inTenant, type Tx } from '../store/database.js';
import { readBodies, readBodySizes, readStepsAt, type StoredStep } from '../store/steps.js';
import { checkLeaf } from './check.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { figuresOf } from './live.js';
import { aggregateMetadata, runSpine } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { compromisedItem, milliseconds, money } from './runItem.js';
import { readSkeleton, type Skeleton } from './skeleton.js';
import { coverOf, type PinnedRun, pinRun } from './settled.js';
import { openSteps, type SoundStep } from './stepBody.js';
import { shownStep } from './step.js';
import type { PlacedStep } from '../otlp/map/treeOrder.js';
import type { StepFacts } from './stepFacts.js';

/** Endpoint 3: how a run went, step by step, parents first. @throws Refusal */
export async function runTrace(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  query: RunTraceQuery,
): Promise<Reading<RunTrace>> {
  const { limit: _, cursor: text, ...filters } = query;
  const scope: CursorScope = { key: deps.cursorKey, tenantId, query: ['llm_runs.trace', runId, filters] };
  const cursor = text === undefined ? null : openCursor(scope, text);
  const read = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readPage(deps, tx, { tenantId, runId, query, cursor }),
    {
      readOnly: true,
      snapshot: true,
    },
  );
  return answer(deps, tenantId, { ...read, scope, filters });
}

interface Asked {
  readonly tenantId: string;
  readonly runId: string;
  readonly query: RunTraceQuery;
  readonly cursor: Cursor | null;
}

/** A page as it came out of one snapshot; bodies are still sealed. */
interface Page {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  /** Steps of the page with their place in the whole tree. */
  readonly places: readonly Placed[];
  readonly leaves: ReadonlyMap<number, SoundStep>;
  readonly bodies: ReadonlyMap<number, Uint8Array>;
  /** Time of the first checkpoint, verified, that covers the run's newest leaf and every step of the page; null until there is one. */
  readonly coveredAt: string | null;
  /** Place of the first step of the next page; null on the last. */
  readonly next: number | null;
  readonly isFirst: boolean;
  readonly withIo: boolean;
}

/** A step and its `step_index`. */
interface Placed extends PlacedStep<StepFacts> {
  readonly at: number;
}

async function readPage(deps: ReadDeps, tx: Tx, { tenantId, runId, query, cursor }: Asked): Promise<Page> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: cursor?.pins ?? null });
  const skeleton = await readSkeleton(deps, tx, tenantId, run);
  const first = Math.max(query.from_step ?? 0, Number(cursor?.position[0] ?? 0));
  const matching = skeleton.steps
    .map((placed, at): Placed => ({ ...placed, at }))
    .filter(({ step, at }) => at >= first && matches(query, step));
  const wanted = matching.slice(0, query.limit ?? DEFAULT_LONG_PAGE);
  const sizes = await readBodySizes(
    tx,
    tenantId,
    run.log,
    wanted.map((p) => p.step.index),
  );
  const places = wanted.slice(0, fitting(wanted.map((p) => sizes.get(p.step.index) ?? 0)));
  const indexes = places.map((p) => p.step.index);
  const leaves = new Map<number, SoundStep>();
  for (const stored of await readStepsAt(tx, tenantId, run.log, indexes)) {
    const checked = checkLeaf(stored, deps.originOf(tenantId, run.log));
    if (checked.kind === 'sound') leaves.set(stored.index, checked);
  }
  const bodies = await readBodies(tx, tenantId, run.log, indexes);
  const newest = [...leaves.values()]
    .map(({ stored }) => stored)
    .reduce((a, b) => (a.index > b.index ? a : b), run.newest.stored as StoredStep);
  // All of a settled run lies below the checkpoint that covers its seal; a step that came later has to be covered itself.
  const cover = newest.index < (run.cover?.size ?? 0) ? run.cover : await coverOf(deps, tx, tenantId, newest);
  const coveredAt = cover?.signedAt ?? null;
  const next = matching[places.length]?.at ?? null;
  return {
    run,
    skeleton,
    places,
    leaves,
    bodies,
    coveredAt,
    next,
    isFirst: cursor === null,
    withIo: query.fields === 'io',
  };
}

function matches(query: RunTraceQuery, step: StepFacts): boolean {
  return (
    (query.kind === undefined || step.kind === query.kind) &&
    (query.status === undefined || step.status === query.status) &&
    (query.span_id === undefined || step.spanId === query.span_id)
  );
}

/** How many of these bodies go into one answer: at least one, and no more than `MAX_LONG_BYTES` in all. */
function fitting(sizes: readonly number[]): number {
  let sum = 0;
  const over = sizes.findIndex((size) => (sum += size) > MAX_LONG_BYTES);
  return over < 0 ? sizes.length : Math.max(over, 1);
}

interface Answerable extends Page {
  readonly scope: CursorScope;
  readonly filters: Omit<RunTraceQuery, 'limit' | 'cursor'>;
}

async function answer(deps: ReadDeps, tenantId: string, page: Answerable): Promise<Reading<RunTrace>> {
  const { run, skeleton, places, next } = page;
  const { stored, members: m } = run.newest;
  const pins: Pin[] = [{ log: run.log, size: run.pin }];
  const opened = await openSteps(deps, tenantId, [...page.leaves.values()], page.bodies);
  const contentKey = await deps.contentKeyOf(tenantId);
  const context = { contentKey, withIo: page.withIo, conflicts: skeleton.conflicts, sealedBelow: firstSealBelow(run) };
  const steps: RunTrace['steps'] = [];
  const shown: SoundStep[] = [];
  let isSound = skeleton.compromised.length === 0;
  for (const place of places) {
    const leaf = page.leaves.get(place.step.index);
    const body = opened.get(place.step.index);
    if (leaf === undefined || body === undefined) throw new Error('a step of the snapshot is gone from it');
    if (body.kind === 'compromised') {
      isSound = false;
      steps.push(compromisedItem({ kind: 'compromised', stored: leaf.stored, finding: body.finding }));
    } else {
      shown.push(leaf);
      steps.push(shownStep(context, { leaf, place, body }));
    }
  }
  // Steps that failed their check have no place in the tree: they head the first page.
  if (page.isFirst) steps.unshift(...skeleton.compromised.map(compromisedItem));
  const provisional = stored.kind !== 'RUN' || skeleton.beyondSeal;
  const totals = provisional ? liveTotals(skeleton) : sealedTotals(run);
  return {
    answer: {
      run_id: m.text('run_id') ?? '',
      trace_id: m.text('trace_id'),
      steps,
      total_steps: skeleton.steps.length + skeleton.compromised.length,
      ...totals,
      provisional,
      has_more: next !== null,
      next_cursor: next === null ? null : sealCursor(page.scope, { pins: { [run.log]: run.pin }, position: [next] }),
      filters_applied: page.filters,
      metadata: aggregateMetadata({
        tenantId,
        items: shown.map(({ stored: leaf }) => ({ ...leaf, coveredAt: page.coveredAt, spine: runSpine(m) })),
        pins,
        whenEmpty: { occurredAt: stored.occurredAt, recordedAt: stored.recordedAt },
        sound: isSound,
      }),
    },
    pins,
    count: steps.length,
    sizes: run.sizes,
  };
}

/** Steps from this leaf on came after the run was first sealed. */
function firstSealBelow(run: PinnedRun): number {
  const first = run.revisions.find((revision) => revision.stored.kind === 'RUN');
  return first?.members.object('sizes').count('llm-runs') ?? Number.POSITIVE_INFINITY;
}

type Totals = Pick<RunTrace, 'total_duration_ms' | 'total_tokens' | 'total_cost_usd'>;

function sealedTotals({ newest: { members: m } }: PinnedRun): Totals {
  return {
    total_duration_ms: milliseconds(m.count('duration_us')),
    total_tokens: sum(m.count('input_tokens'), m.count('output_tokens')),
    total_cost_usd: money(m.count('cost_nano_usd')),
  };
}

function liveTotals(skeleton: Skeleton): Totals {
  const live = figuresOf(skeleton.steps.map(({ step }) => step));
  return {
    total_duration_ms: null,
    total_tokens: sum(live.inputTokens, live.outputTokens),
    total_cost_usd: money(live.costNanoUsd),
  };
}

function sum(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}
