import { counted, money, sealedFigures } from '@sworn/evidence';
import type { Inflection, RunEnvelope } from '@sworn/contract';
import { inTenant, type Tx } from '../store/database.js';
import { readBodies } from '../store/steps.js';
import type { LiveFigures } from './liveFigures.js';
import { checksumOf } from './metadata.js';
import { proofOf } from './proof.js';
import { readPlaces } from './places.js';
import type { ReadDeps, Reading } from './reading.js';
import { retentionOf } from './retention.js';
import { idOf, runItem } from './runItem.js';
import { compromisedRecord, firstSealBelow, type PinnedRun, pinRun, sound } from './settled.js';
import { placeOfSpan, type Skeleton } from './runOrder.js';
import { pinOf } from './skeleton.js';
import { coveredBy } from './tier.js';
import type { Grant } from '../access/ruling.js';
import type { Content } from '../otlp/map/content.js';
import { contentHash, openSteps, type SoundStep, type StepBody } from './stepBody.js';

/** Endpoint 2: the canonical record of a run, with its proof. @throws Refusal */
export async function runEnvelope(
  deps: ReadDeps,
  { tenantId, payloads }: Pick<Grant, 'tenantId' | 'payloads'>,
  runId: string,
): Promise<Reading<RunEnvelope>> {
  const read = await inTenant(deps.db, 'reader', tenantId, (tx) => readRecord(deps, tx, tenantId, runId), {
    readOnly: true,
    snapshot: true,
  });
  return answer(deps, tenantId, { ...read, asked: runId, payloads });
}

/** A run as it came out of one snapshot; bodies are still sealed. */
interface RunRecord {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  readonly proof: RunEnvelope['proof'];
  /** The topmost step, then the model calls that began first and ended last. */
  readonly steps: readonly SoundStep[];
  readonly bodies: ReadonlyMap<number, Uint8Array>;
}

async function readRecord(deps: ReadDeps, tx: Tx, tenantId: string, runId: string): Promise<RunRecord> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: null });
  const { skeleton, shown } = await readPlaces(deps, tx, tenantId, { run, placesOf: ({ speaking }) => speaking });
  const proven = await proofOf(tx, tenantId, run.newest.stored, run.cover);
  if (proven.kind === 'compromised') throw compromisedRecord(proven.finding, run.newest.stored.leaf);
  const steps = shown.map(({ checked }) => sound(checked));
  const indexes = steps.map(({ stored }) => stored.index);
  return { run, skeleton, proof: proven.proof, steps, bodies: await readBodies(tx, tenantId, run.log, indexes) };
}

async function answer(
  deps: ReadDeps,
  tenantId: string,
  {
    run,
    skeleton,
    proof,
    steps,
    bodies,
    asked,
    payloads,
  }: RunRecord & Pick<Grant, 'payloads'> & { readonly asked: string },
): Promise<Reading<RunEnvelope>> {
  const { stored, members: m } = run.newest;
  const opened = await openSteps(deps, tenantId, steps, bodies);
  for (const { stored: leaf } of steps) {
    const body = opened.get(leaf.index);
    if (body?.kind === 'compromised') throw compromisedRecord(body.finding, leaf.leaf);
  }
  const contentKey = await deps.contentKeyOf(tenantId);
  const hashOf = (contents: readonly (Content | null)[]) =>
    payloads === 'none' ? null : contentHash(contentKey, contents.find((content) => content !== null) ?? null);
  const said = steps.map((step) => opened.get(step.stored.index)).filter((body) => body !== undefined);
  const live = stored.kind === 'OPENED' ? skeleton.live : null;
  const covered = coveredBy(deps, tenantId, run.sizes)(stored, run.cover?.signedAt ?? null);
  const item = runItem(tenantId, run.newest, covered, live);
  return {
    answer: {
      ...item,
      inflection:
        item.inflection === null ? null : { ...item.inflection, step_index: turningPlace(skeleton, item.inflection) },
      prompt_hash: hashOf(said.map(inputOf)),
      // The root first, then the model call that ended last.
      response_hash: hashOf([said[0], said.at(-1)].map(outputOf)),
      superseded_run_id: asked === run.runId ? null : asked,
      trace_ids: [...skeleton.traces],
      trace_count: skeleton.traceCount,
      ...(live === null ? sealedFigures(m) : liveFigures(live)),
      mapping_version: m.count('map'),
      finish_reasons: [...m.texts('finish_reasons')],
      root_missing: m.flag('root_missing'),
      revision: m.count('revision') ?? 0,
      revisions: run.revisions.map((revision) => ({
        revision: revision.members.count('revision') ?? 0,
        id: idOf(revision.stored),
        recorded_at: revision.stored.recordedAt,
        checksum: checksumOf(revision.stored.leafHash),
        leaf_index: revision.stored.index,
      })),
      termination_reason: m.text('termination_reason') as RunEnvelope['termination_reason'],
      environment_fingerprint: fingerprintOf(m.text('resource') ?? skeleton.resource),
      content: skeleton.redacted ? 'REDACTED' : 'FULL',
      retention: retentionOf(stored.recordedAt, m.flag('is_synthetic') ?? false),
      anomalies: anomaliesOf(run, skeleton),
      proof,
    },
    pins: [{ log: run.log, size: pinOf(run, skeleton) }],
    count: 1,
    sizes: run.sizes,
  };
}

type Figures = Pick<
  RunEnvelope,
  | 'reported_cost_usd'
  | 'priced_cost_usd'
  | 'price_book'
  | 'unpriced_calls'
  | 'merged_calls'
  | 'cached_tokens'
  | 'cache_write_tokens'
  | 'reasoning_tokens'
>;

function liveFigures(live: LiveFigures): Figures {
  return {
    reported_cost_usd: money(live.reportedNanoUsd),
    priced_cost_usd: money(live.pricedNanoUsd),
    price_book: live.priceBook,
    unpriced_calls: live.unpricedCalls,
    merged_calls: live.mergedSteps,
    cached_tokens: live.cachedTokens,
    cache_write_tokens: live.cacheWriteTokens,
    reasoning_tokens: live.reasoningTokens,
  };
}

function anomaliesOf(run: PinnedRun, { index, conflicts }: Skeleton): RunEnvelope['anomalies'] {
  const m = run.newest.members;
  const sealedBelow = firstSealBelow(run);
  return {
    conflicts: run.seal === null ? conflicts.size : m.count('conflicts'),
    foreign_steps: counted(m, 'foreign_steps'),
    skewed_steps: counted(m, 'skewed_steps'),
    cut_links: counted(m, 'cut_links'),
    hints_left_out: counted(m, 'hints_left_out'),
    steps_not_read: run.seal === null ? null : (m.count('steps_not_read') ?? 0),
    late_steps: index.reduce((late, at) => late + Number(at >= sealedBelow), 0),
  };
}

function inputOf(body: StepBody | undefined) {
  return body?.kind === 'open' ? body.input : null;
}

function outputOf(body: StepBody | undefined) {
  return body?.kind === 'open' ? body.output : null;
}

/** The checksum of the RESOURCE record of the topmost step. */
function fingerprintOf(resource: string | null): string | null {
  return resource === null ? null : `sha256:${resource}`;
}

/**
 * Place in tree order of the step a run turned at: the one its leaf names while that is still the span's, which late steps may move. Lists
 * give the leaf's.
 */
function turningPlace(skeleton: Skeleton, { span_id, step_index }: Inflection): number | null {
  if (span_id === null) return null;
  if (step_index !== null && placeOfSpan(skeleton, span_id, step_index) === step_index) return step_index;
  const at = placeOfSpan(skeleton, span_id);
  return at < 0 ? null : at;
}
