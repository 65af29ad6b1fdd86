import {
  type CompromisedItem,
  DEFAULT_LONG_PAGE,
  type ReplayEvent,
  type ReplayQuery,
  type RunReplay,
  STEP_KINDS,
  type SystemReplay,
} from '@sworn/contract';
import { inTenant, type Tx } from '../store/database.js';
import { readBodies } from '../store/steps.js';
import { systemPins } from './association.js';
import type { SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { type AggregatedItem, aggregateMetadata, runSpine } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { policyEvent, stepEvent, systemEvent } from './replayEvent.js';
import {
  behindSystem,
  type LaneEvent,
  laneOf,
  llmLane,
  mergeReplay,
  placeOf,
  policyLane,
  positionOf,
  type ReplayPlace,
  systemLane,
} from './replayLanes.js';
import { readSources } from './replaySources.js';
import { type ReplayWindow, replayWindow } from './replayWindow.js';
import { compromisedItem } from './runItem.js';
import type { Skeleton } from './runOrder.js';
import { coverOf, firstSealBelow, type PinnedRun, pinRun } from './settled.js';
import { pinOf, readSkeleton } from './skeleton.js';
import { auditPins } from './source.js';
import { readShared, type SharedPage } from './sharedRecords.js';
import { shownStep } from './step.js';
import { openSteps, type SoundStep } from './stepBody.js';
import { type BodiesByLog, openBodiesOf, readBodiesOf } from './systemBodies.js';
import { isSummarised, systemSpine } from './systemItem.js';
import { coveredBy } from './tier.js';
import { type Life, tiesOf } from './ties.js';

/** Endpoint 5: what happened around the turning point of a run. A query over its records, never stored (INV-LOG-REPLAY-001). @throws Refusal */
export function runReplay(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  { query, isAuditor }: { readonly query: ReplayQuery; readonly isAuditor: boolean },
): Promise<Reading<RunReplay>> {
  return replay(deps, tenantId, { id: 'llm_runs.replay', runId, query, isAuditor });
}

/** Endpoint 11: the system lane of it, by the same window and clock. @throws Refusal */
export function systemReplay(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  query: ReplayQuery,
): Promise<Reading<SystemReplay>> {
  return replay(deps, tenantId, { id: 'system.replay', runId, query, isAuditor: false });
}

interface Asked {
  readonly id: 'llm_runs.replay' | 'system.replay';
  readonly runId: string;
  readonly query: ReplayQuery;
  /** Records of `audit` may be seen. */
  readonly isAuditor: boolean;
}

async function replay(deps: ReadDeps, tenantId: string, asked: Asked): Promise<Reading<RunReplay>> {
  const { limit = DEFAULT_LONG_PAGE, cursor: text, ...filters } = asked.query;
  // What is withheld is part of the crawl: a key that may see more asks anew.
  const of = [asked.id, asked.runId, ...(asked.isAuditor ? ['audit'] : [])];
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of, filters };
  const cursor = text === undefined ? null : openCursor(scope, text);
  const page = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readPage(deps, tx, tenantId, { ...asked, cursor, limit }),
    { readOnly: true, snapshot: true, inIndexOrder: true },
  );
  const { window, life } = page;
  const after = behindSystem(cursor === null ? null : placeOf(cursor));
  const shared = await readShared(deps, { tenantId, life, window, after, limit, cursor });
  const merged = mergeReplay([{ events: page.events, end: page.next }, laneOf(shared)], limit);
  return answer(deps, tenantId, { ...page, ...merged, shared, scope, filters });
}

/** A page as it came out of one snapshot; bodies are still sealed. */
interface Page {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  readonly window: ReplayWindow;
  readonly life: Life | null;
  readonly pins: readonly Pin[];
  readonly sources: RunReplay['sources'];
  readonly tracesLeftOut: number;
  readonly events: readonly LaneEvent[];
  readonly next: ReplayPlace | null;
  /** Of steps, then of records of `system`. */
  readonly stepBodies: ReadonlyMap<number, Uint8Array>;
  readonly bodies: BodiesByLog;
  /** Time of the first checkpoint, verified, that covers the steps of the page; null until there is one. */
  readonly stepsCoveredAt: string | null;
}

async function readPage(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { id, runId, query, isAuditor, cursor, limit }: Asked & { readonly cursor: Cursor | null; readonly limit: number },
): Promise<Page> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: cursor?.pins ?? null });
  const after = cursor === null ? null : placeOf(cursor);
  const windowOf = (skeleton: Skeleton) => replayWindow(run, skeleton, query);
  const isWhole = id === 'llm_runs.replay';
  const asked = { run, after, limit: limit + 1 };
  const llm = isWhole
    ? await llmLane(deps, tx, tenantId, { ...asked, windowOf })
    : { ...(await readSkeleton(deps, tx, tenantId, { run })), events: [], end: null };
  const { skeleton } = llm;
  const window = windowOf(skeleton);
  const ties = await tiesOf(deps, tx, tenantId, { run, skeleton });
  const system = systemPins(run, cursor);
  // How long a log is that a key may not read is not its business: what it holds of the window is counted as of now.
  const audit = isWhole ? auditPins(run, isAuditor ? cursor : null) : [];
  const lanes = [llm, await systemLane(deps, tx, tenantId, { ...asked, ties, logs: system, window })];
  if (isWhole && isAuditor)
    lanes.push(await policyLane(deps, tx, tenantId, { ...asked, skeleton, logs: audit, window }));
  const { events, next } = mergeReplay(lanes, limit);
  const steps = soundSteps(events);
  const newest = steps.reduce((a, b) => (a.index > b.index ? a : b), run.newest.stored as SoundStep['stored']);
  const cover = newest.index < (run.cover?.size ?? 0) ? run.cover : await coverOf(deps, tx, tenantId, newest);
  const summarised = soundSystem(events).filter(isSummarised);
  return {
    run,
    skeleton,
    window,
    life: ties.life,
    pins: [{ log: run.log, size: pinOf(run, skeleton) }, ...system, ...(isAuditor ? audit : [])],
    sources: await readSources(deps, tx, tenantId, { run, skeleton, window, system, audit, isWhole, isAuditor }),
    tracesLeftOut: ties.tracesLeftOut,
    events,
    next,
    stepBodies: await readBodies(
      tx,
      tenantId,
      run.log,
      steps.map(({ index }) => index),
    ),
    bodies: await readBodiesOf(tx, tenantId, summarised),
    stepsCoveredAt: cover?.signedAt ?? null,
  };
}

function soundSteps(events: readonly LaneEvent[]): readonly SoundStep['stored'][] {
  return events.flatMap((event) =>
    event.source === 'llm' && event.checked.kind === 'sound' ? [event.checked.stored] : [],
  );
}

function soundSystem(events: readonly LaneEvent[]): readonly SoundEntry[] {
  return events.flatMap((event) =>
    event.source === 'system' && event.checked.kind === 'sound' ? [event.checked] : [],
  );
}

type Answerable = Page & {
  readonly shared: SharedPage;
  readonly scope: CursorScope;
  readonly filters: Omit<ReplayQuery, 'limit' | 'cursor'>;
};

async function answer(deps: ReadDeps, tenantId: string, page: Answerable): Promise<Reading<RunReplay>> {
  const { run, skeleton, window, next, shared } = page;
  const pins = [...page.pins, ...shared.pins];
  const { stored, members: m } = run.newest;
  const show = await shower(deps, tenantId, page);
  const coveringOf = coveredBy(deps, tenantId, run.sizes);
  const events: (ReplayEvent | CompromisedItem)[] = [];
  const items: AggregatedItem[] = [];
  for (const event of page.events) {
    const shown = show(event);
    events.push(shown);
    if ('compromised' in shown || event.checked.kind === 'compromised') continue;
    const { checked } = event;
    const isShared = event.source === 'system' && event.association === 'PLATFORM';
    const owner = isShared ? deps.platformTenant : tenantId;
    const at =
      event.source === 'llm'
        ? page.stepsCoveredAt
        : await coveredAt(deps.verifyCheckpoint, owner, event.checked.stored);
    const covered = (isShared ? shared.coveringOf : coveringOf)(checked.stored, at);
    const spine = event.source === 'llm' ? runSpine(m) : systemSpine(checked.members);
    items.push({ ...checked.stored, log: event.place.log || run.log, covered, spine: { ...spine, runId: run.runId } });
  }
  const metadata = aggregateMetadata({
    tenantId,
    items,
    pins,
    whenEmpty: { occurredAt: stored.occurredAt, recordedAt: stored.recordedAt },
    sound: items.length === events.length,
  });
  return {
    answer: {
      run_id: run.runId,
      inflection_timestamp: window.inflection.timestamp,
      inflection_reason: window.inflection.reason,
      window_start: window.from,
      window_end: window.before,
      sources: page.sources,
      events,
      traces_left_out: page.tracesLeftOut,
      provisional: skeleton.live !== null || m.text('completed_at') === null,
      has_more: next !== null,
      next_cursor:
        next === null
          ? null
          : sealCursor(page.scope, {
              pins: Object.fromEntries(pins.map(({ log, size }) => [log, size])),
              position: positionOf(next),
            }),
      filters_applied: page.filters,
      metadata: {
        ...metadata,
        run_id: run.runId,
        source_domain: page.scope.of[0] === 'system.replay' ? 'SYSTEM' : 'ACTIVITY',
      },
    },
    pins,
    count: events.length,
    sizes: run.sizes,
  };
}

/** Opens the bodies of a page, and says how each of its events is shown. */
async function shower(
  deps: ReadDeps,
  tenantId: string,
  { run, skeleton, window, events, stepBodies, bodies }: Page,
): Promise<(event: LaneEvent) => ReplayEvent | CompromisedItem> {
  const steps = events.flatMap((one) => (one.source === 'llm' && one.checked.kind === 'sound' ? [one.checked] : []));
  const opened = await openSteps(deps, tenantId, steps, stepBodies);
  const bodyOf = await openBodiesOf(deps, tenantId, soundSystem(events).filter(isSummarised), bodies);
  const contentKey = await deps.contentKeyOf(tenantId);
  const { conflicts } = skeleton;
  const context = { contentKey, withIo: false, payloads: 'full' as const, conflicts, sealedBelow: firstSealBelow(run) };
  return (event) => {
    if (event.checked.kind === 'compromised') return compromisedItem(event.checked);
    if (event.source === 'policy') return policyEvent(window, event, event.checked);
    const { stored } = event.checked;
    if (event.source === 'system') {
      const body = isSummarised(event.checked) ? bodyOf(event.checked) : null;
      return body?.kind === 'compromised'
        ? compromisedItem({ kind: 'compromised', stored, finding: body.finding })
        : systemEvent(window, event, event.checked, body?.value ?? null);
    }
    const { index: at } = event.place;
    const body = opened.get(stored.index);
    if (body === undefined) throw new Error('a step of the page was not opened');
    if (body.kind === 'compromised') return compromisedItem({ kind: 'compromised', stored, finding: body.finding });
    const kind = STEP_KINDS[skeleton.kind[at] as number] ?? 'OTHER';
    const place = { at, depth: skeleton.depth[at] as number, kind };
    return stepEvent(window, event.place, event.checked, shownStep(context, { leaf: event.checked, place, body }));
  };
}
