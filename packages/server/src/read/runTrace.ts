import { milliseconds, money } from '@sworn/evidence';
import {
  DEFAULT_LONG_PAGE,
  MAX_LONG_BYTES,
  type RunTrace,
  type RunTraceQuery,
  STEP_KINDS,
  STEP_STATUSES,
} from '@sworn/contract';
import type { Payloads } from '../access/rules.js';
import { inTenant, type Tx } from '../store/database.js';
import { readBodies, type StoredStep } from '../store/steps.js';
import type { Checked } from './check.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { aggregateMetadata, runSpine } from './metadata.js';
import { type PlacedLeaf, readPlaces } from './places.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import type { LiveFigures } from './liveFigures.js';
import { compromisedItem } from './runItem.js';
import { heldAgainst } from './openFindings.js';
import { proofOf } from './proof.js';
import { compromisedRecord, coverOf, firstSealBelow, type PinnedRun, pinRun } from './settled.js';
import { placeOfSpan, type Skeleton } from './runOrder.js';
import { pinOf } from './skeleton.js';
import { coveredBy } from './tier.js';
import { shownStep } from './step.js';
import { openSteps, type SoundStep, type StepBody } from './stepBody.js';

/** Endpoint 3: how a run went, step by step, parents first. @throws Refusal */
export async function runTrace(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  { query, payloads }: { readonly query: RunTraceQuery; readonly payloads: Payloads },
): Promise<Reading<RunTrace>> {
  const { limit: _, cursor: text, ...filters } = query;
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['llm_runs.trace', runId], filters };
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
  return answer(deps, tenantId, { ...read, scope, filters, payloads });
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
  readonly pin: number;
  /** The steps of the page, in tree order. */
  readonly shown: readonly PlacedLeaf[];
  readonly bodies: ReadonlyMap<number, Uint8Array>;
  /** Time of the first checkpoint, verified, that covers the run's newest leaf and every step of the page; null until there is one. */
  readonly coveredAt: string | null;
  /** Place of the first step of the next page; null on the last. */
  readonly next: number | null;
  readonly isFirst: boolean;
  readonly withIo: boolean;
}

async function readPage(deps: ReadDeps, tx: Tx, { tenantId, runId, query, cursor }: Asked): Promise<Page> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: cursor?.pins ?? null });
  const first = Math.max(query.from_step ?? 0, Number(cursor?.position[0] ?? 0));
  const limit = query.limit ?? DEFAULT_LONG_PAGE;
  const { skeleton, shown: read } = await readPlaces(deps, tx, tenantId, {
    run,
    maxBytes: MAX_LONG_BYTES,
    placesOf: (of) => matching(of, query, first, limit),
  });
  // The steps hang by the tree that the RUN leaf names, and that leaf by the signed root.
  const proven = cursor === null ? await proofOf(tx, tenantId, run.newest.stored, run.cover) : null;
  if (proven?.kind === 'compromised') throw compromisedRecord(proven.finding, run.newest.stored.leaf);
  const open = await deps.openFindings(tx, tenantId);
  const shown = read.map(({ at, checked }) => ({ at, checked: heldAgainst(checked, open) }));
  const sound = shown.flatMap(({ checked }) => (checked.kind === 'sound' ? [checked.stored] : []));
  const bodies = await readBodies(
    tx,
    tenantId,
    run.log,
    sound.map((stored) => stored.index),
  );
  const newest = sound.reduce((a, b) => (a.index > b.index ? a : b), run.newest.stored as StoredStep);
  // All of a settled run lies below the checkpoint that covers its seal; a step that came later has to be covered itself.
  const cover = newest.index < (run.cover?.size ?? 0) ? run.cover : await coverOf(deps, tx, tenantId, newest);
  const last = shown.at(-1);
  const next = last === undefined ? null : (matching(skeleton, query, last.at + 1, 1)[0] ?? null);
  return {
    run,
    skeleton,
    pin: pinOf(run, skeleton),
    shown,
    bodies,
    coveredAt: cover?.signedAt ?? null,
    next,
    isFirst: cursor === null,
    withIo: query.fields === 'io',
  };
}

/** Places from `first` on of the steps that match, at most `limit`. */
function matching(skeleton: Skeleton, query: RunTraceQuery, first: number, limit: number): number[] {
  const kind = query.kind === undefined ? -1 : STEP_KINDS.indexOf(query.kind);
  const status = query.status === undefined ? -1 : STEP_STATUSES.indexOf(query.status);
  const places: number[] = [];
  for (let at = first; at < skeleton.length && places.length < limit; at++) {
    if (query.span_id !== undefined) at = placeOfSpan(skeleton, query.span_id, at);
    if (at < 0) break;
    const isKind = kind < 0 || skeleton.kind[at] === kind;
    if (isKind && (status < 0 || skeleton.status[at] === status)) places.push(at);
  }
  return places;
}

interface Answerable extends Page {
  readonly scope: CursorScope;
  readonly filters: Omit<RunTraceQuery, 'limit' | 'cursor'>;
  readonly payloads: Payloads;
}

async function answer(deps: ReadDeps, tenantId: string, page: Answerable): Promise<Reading<RunTrace>> {
  const { run, skeleton, next } = page;
  const { stored, members: m } = run.newest;
  const pins: Pin[] = [{ log: run.log, size: page.pin }];
  const sound = page.shown.flatMap(({ checked }) => (checked.kind === 'sound' ? [checked] : []));
  const opened = await openSteps(deps, tenantId, sound, page.bodies);
  const contentKey = await deps.contentKeyOf(tenantId);
  const { withIo, payloads } = page;
  const { conflicts } = skeleton;
  const context = { contentKey, withIo, payloads, conflicts, sealedBelow: firstSealBelow(run) };
  const steps: RunTrace['steps'] = [];
  const shown: SoundStep[] = [];
  let isSound = skeleton.damaged.length === 0;
  for (const { at, checked } of page.shown) {
    const body = checked.kind === 'sound' ? opened.get(checked.stored.index) : undefined;
    if (checked.kind === 'sound' && body?.kind === 'open') {
      shown.push(checked);
      steps.push(shownStep(context, { leaf: checked, place: placeAt(skeleton, at), body }));
    } else {
      isSound = false;
      steps.push(compromisedItem(checked.kind === 'sound' ? damagedBody(checked, body) : checked));
    }
  }
  // Steps whose bytes are not what was recorded have no place in the tree: they head the first page.
  if (page.isFirst) steps.unshift(...skeleton.damaged.map(compromisedItem));
  const { live } = skeleton;
  const coveringOf = coveredBy(deps, tenantId, run.sizes);
  return {
    answer: {
      run_id: run.runId,
      trace_id: m.text('trace_id'),
      steps,
      total_steps: skeleton.cut && live === null ? (m.count('steps') ?? 0) : skeleton.length + skeleton.damaged.length,
      ...(live === null ? sealedTotals(run) : liveTotals(live)),
      provisional: live !== null,
      has_more: next !== null,
      next_cursor: next === null ? null : sealCursor(page.scope, { pins: { [run.log]: page.pin }, position: [next] }),
      filters_applied: page.filters,
      metadata: aggregateMetadata({
        tenantId,
        items: shown.map(({ stored: leaf }) => ({
          ...leaf,
          covered: coveringOf(leaf, page.coveredAt),
          spine: runSpine(m),
        })),
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

function placeAt({ depth, kind }: Skeleton, at: number) {
  return { at, depth: depth[at] as number, kind: STEP_KINDS[kind[at] as number] ?? 'OTHER' };
}

function damagedBody(
  { stored }: SoundStep,
  body: StepBody | undefined,
): Extract<Checked<unknown>, { kind: 'compromised' }> {
  if (body?.kind !== 'compromised') throw new Error('a step of the page was not opened');
  return { kind: 'compromised', stored, finding: body.finding };
}

type Totals = Pick<RunTrace, 'total_duration_ms' | 'total_tokens' | 'total_cost_usd'>;

function sealedTotals({ newest: { members: m } }: PinnedRun): Totals {
  return {
    total_duration_ms: milliseconds(m.count('duration_us')),
    total_tokens: sum(m.count('input_tokens'), m.count('output_tokens')),
    total_cost_usd: money(m.count('cost_nano_usd')),
  };
}

function liveTotals(live: LiveFigures): Totals {
  return {
    total_duration_ms: null,
    total_tokens: sum(live.inputTokens, live.outputTokens),
    total_cost_usd: money(live.costNanoUsd),
  };
}

function sum(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}
