import {
  type CompromisedItem,
  DEFAULT_LONG_PAGE,
  MAX_LONG_BYTES,
  type SystemEvent,
  type SystemEvents,
  type SystemEventsQuery,
} from '@sworn/contract';
import type { TiedPlace } from '../store/associations.js';
import { inTenant, type Tx } from '../store/database.js';
import { readTied, systemPins, type TiedRecord } from './association.js';
import type { Checked } from './check.js';
import type { SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { type AggregatedItem, aggregateMetadata } from './metadata.js';
import { otherRuns, type OtherRunsOf } from './otherRuns.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import type { RecordBody } from './recordBody.js';
import { compromisedItem } from './runItem.js';
import { type PinnedRun, pinRun } from './settled.js';
import { readShared, type SharedPage, withShared } from './sharedRecords.js';
import { pinOf, readSkeleton } from './skeleton.js';
import { type BodiesByLog, openBodiesOf, readBodiesOf } from './systemBodies.js';
import { isSummarised, systemItem, systemSpine } from './systemItem.js';
import { coveredBy } from './tier.js';
import { type RunTies, tiesOf } from './ties.js';

/** Endpoint 10: what happened around a run, oldest first, at one pin for a whole crawl. @throws Refusal */
export async function systemEvents(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  query: SystemEventsQuery,
): Promise<Reading<SystemEvents>> {
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['system.events', runId], filters: {} };
  const cursor = query.cursor === undefined ? null : openCursor(scope, query.cursor);
  const limit = query.limit ?? DEFAULT_LONG_PAGE;
  const page = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readPage(deps, tx, { tenantId, runId, cursor, limit }),
    { readOnly: true, snapshot: true, inIndexOrder: true },
  );
  const asked = { tenantId, life: page.ties.life, window: null, after: afterOf(cursor), limit, cursor };
  const shared = await readShared(deps, asked);
  return answer(deps, tenantId, { ...page, ...withShared(page, shared, limit), shared, scope });
}

/** A page as it came out of one snapshot; bodies are still sealed. */
interface Page {
  readonly run: PinnedRun;
  readonly ties: RunTies;
  readonly pins: readonly Pin[];
  readonly records: readonly TiedRecord[];
  readonly next: TiedPlace | null;
  readonly bodies: BodiesByLog;
  readonly otherRunsOf: OtherRunsOf;
  readonly whenEmpty: { readonly occurredAt: string; readonly recordedAt: string };
}

interface Asked {
  readonly tenantId: string;
  readonly runId: string;
  readonly cursor: Cursor | null;
  readonly limit: number;
}

async function readPage(deps: ReadDeps, tx: Tx, { tenantId, runId, cursor, limit }: Asked): Promise<Page> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: cursor?.pins ?? null });
  const { skeleton } = await readSkeleton(deps, tx, tenantId, { run });
  const ties = await tiesOf(deps, tx, tenantId, { run, skeleton });
  const logs = systemPins(run, cursor);
  const found = await readTied(deps, tx, tenantId, { ties, logs, window: null, after: afterOf(cursor), limit });
  const { records, next } = withinBytes(found.records, found.next);
  const sound = records.flatMap(({ checked }) => (checked.kind === 'sound' ? [checked] : []));
  const pins = [{ log: run.log, size: pinOf(run, skeleton) }, ...logs];
  return {
    run,
    ties,
    pins,
    records,
    next,
    bodies: await readBodiesOf(tx, tenantId, sound.filter(isSummarised)),
    otherRunsOf: await otherRuns(deps, tx, tenantId, { run, records: sound }),
    whenEmpty: await emptyTimes(tx, tenantId, pins),
  };
}

function afterOf(cursor: Cursor | null): TiedPlace | null {
  if (cursor === null) return null;
  const [occurredAt, log, index] = cursor.position;
  return { occurredAt: String(occurredAt), log: String(log), index: Number(index) };
}

/** The beginning of a page whose bodies, as they are opened, come to no more than an answer may be long: one at least. */
function withinBytes(
  records: readonly TiedRecord[],
  next: TiedPlace | null,
): { readonly records: readonly TiedRecord[]; readonly next: TiedPlace | null } {
  let bytes = 0;
  for (const [at, { checked }] of records.entries()) {
    if (checked.kind === 'sound' && isSummarised(checked))
      bytes += checked.members.object('c').object('body').count('n') ?? 0;
    if (bytes > MAX_LONG_BYTES && at > 0)
      return { records: records.slice(0, at), next: records[at - 1]?.place ?? null };
  }
  return { records, next };
}

async function answer(
  deps: ReadDeps,
  tenantId: string,
  page: Page & { readonly scope: CursorScope; readonly shared: SharedPage },
): Promise<Reading<SystemEvents>> {
  const { run, ties, records, next, scope, shared } = page;
  const pins = [...page.pins, ...shared.pins];
  // What Sworn shares has no body.
  const summarised = records.flatMap(({ checked }) =>
    checked.kind === 'sound' && isSummarised(checked) ? [checked] : [],
  );
  const bodyOf = await openBodiesOf(deps, tenantId, summarised, page.bodies);
  const coveringOf = coveredBy(deps, tenantId, run.sizes);
  const events: (SystemEvent | CompromisedItem)[] = [];
  const sound: AggregatedItem[] = [];
  for (const { place, checked, association, tie } of records) {
    const body = checked.kind === 'sound' && isSummarised(checked) ? bodyOf(checked) : null;
    if (checked.kind === 'compromised' || body?.kind === 'compromised') {
      events.push(compromisedItem(checked.kind === 'compromised' ? checked : damagedBody(checked, body)));
      continue;
    }
    const { stored, members } = checked;
    const isShared = association === 'PLATFORM';
    const owner = isShared ? deps.platformTenant : tenantId;
    const at = await coveredAt(deps.verifyCheckpoint, owner, stored);
    const covered = (isShared ? shared.coveringOf : coveringOf)(stored, at);
    events.push({
      ...systemItem(owner, checked, covered, body?.value ?? null),
      association,
      tied_by: tie,
      started_at: stored.occurredAt,
      ended_at: null,
      other_runs: isShared ? null : page.otherRunsOf(checked),
    });
    sound.push({ ...stored, log: place.log, covered, spine: systemSpine(members) });
  }
  const metadata = aggregateMetadata({
    tenantId,
    items: sound,
    pins,
    whenEmpty: page.whenEmpty,
    sound: sound.length === events.length,
  });
  return {
    answer: {
      run_id: run.runId,
      run_started_at: ties.life?.from ?? null,
      run_ended_at: ties.life?.before ?? null,
      events,
      traces_left_out: ties.tracesLeftOut,
      provisional: ties.life?.before === undefined || ties.life.before === null,
      has_more: next !== null,
      next_cursor: next === null ? null : nextCursor(scope, pins, next),
      filters_applied: {},
      metadata: { ...metadata, run_id: run.runId, source_domain: 'SYSTEM' },
    },
    pins,
    count: events.length,
    sizes: run.sizes,
  };
}

function nextCursor(scope: CursorScope, pins: readonly Pin[], { occurredAt, log, index }: TiedPlace): string {
  const sizes = Object.fromEntries(pins.map((pin) => [pin.log, pin.size]));
  return sealCursor(scope, { pins: sizes, position: [occurredAt, log, index] });
}

function damagedBody(
  { stored }: SoundEntry,
  body: RecordBody | null,
): Extract<Checked<unknown>, { kind: 'compromised' }> {
  if (body?.kind !== 'compromised') throw new Error('a body that is as it was');
  return { kind: 'compromised', stored, finding: body.finding };
}
