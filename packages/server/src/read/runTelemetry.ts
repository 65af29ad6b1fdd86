import {
  DEFAULT_LONG_PAGE,
  type JoinRule,
  JOIN_RULES,
  type RunTelemetry,
  type RunTelemetryQuery,
} from '@sworn/contract';
import { inTenant, type Tx } from '../store/database.js';
import { type BatchPlace, findBatches } from '../store/telemetry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { type AggregatedItem, aggregateMetadata, runSpine } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { findRunResource, openRunResource, type SealedResource } from './runResource.js';
import type { RunTimes } from './seriesFigures.js';
import { type RawSeries, seriesOf } from './seriesPoints.js';
import { type PinnedRun, pinRun } from './settled.js';
import { pinOf, readSkeleton } from './skeleton.js';
import type { Skeleton } from './runOrder.js';
import { findRound, openRound, type OpenedRound, type TelemetryWindow } from './telemetryBatches.js';
import { joinWays } from './telemetryJoin.js';
import { placementOf, shownSeries } from './telemetrySeries.js';
import { coveredBy } from './tier.js';
import { withUtilization } from './utilization.js';

/** Records of any source in the window that are counted, and services that are named of them. */
const MAX_COUNTED = 1_000;
const MAX_SERVICES = 20;
/** Points on a page, of 200 bytes each; a page has one series at least. */
const MAX_POINTS_ON_PAGE = 20_000;

/** Endpoint 9: what was measured around a run. @throws Refusal */
export async function runTelemetry(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  query: RunTelemetryQuery,
): Promise<Reading<RunTelemetry>> {
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['system.telemetry', runId], filters: {} };
  const cursor = query.cursor === undefined ? null : openCursor(scope, query.cursor);
  const read = (tx: Tx): Promise<Asked> => readRun(deps, tx, tenantId, { runId, cursor });
  const asked = await inTenant(deps.db, 'reader', tenantId, read, { readOnly: true, snapshot: true });
  const joined = await join(deps, tenantId, asked);
  return answer(deps, tenantId, { ...asked, joined, query, cursor, scope });
}

function inTransaction<T>(deps: ReadDeps, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return inTenant(deps.db, 'reader', tenantId, work, {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
}

interface Asked {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  readonly resource: SealedResource | null;
  /** Of `system`, newest generation first; a log that was opened after the crawl began is not part of it. */
  readonly logs: readonly Pin[];
  readonly times: RunTimes;
  readonly window: TelemetryWindow;
}

async function readRun(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { runId, cursor }: { readonly runId: string; readonly cursor: Cursor | null },
): Promise<Asked> {
  const pins = cursor?.pins ?? null;
  const run = await pinRun(deps, tx, { tenantId, runId, pins });
  const { skeleton } = await readSkeleton(deps, tx, tenantId, { run });
  const logs = run.sizes
    .filter(({ topic }) => topic === 'system')
    .map(({ log, size }) => ({ log, size: pins === null ? size : Math.min(size, pins[log] ?? 0) }));
  const resource = await findRunResource(deps, tx, tenantId, { run, skeleton });
  const times = timesOf(run, skeleton);
  return { run, skeleton, resource, logs, times, window: windowOf(deps, times) };
}

function timesOf({ newest: { stored, members } }: PinnedRun, { live }: Skeleton): RunTimes {
  const startNs = nanoseconds(members.text('started_at') ?? stored.occurredAt);
  const endNs = nanoseconds(live?.lastActivityAt ?? members.text('completed_at') ?? stored.occurredAt);
  return { startNs, endNs: endNs < startNs ? startNs : endNs };
}

function windowOf({ telemetryRules }: ReadDeps, { startNs, endNs }: RunTimes): TelemetryWindow {
  const margin = BigInt(telemetryRules.marginSeconds) * 1_000_000_000n;
  const nearest = BigInt(telemetryRules.nearestSeconds) * 1_000_000_000n;
  return {
    from: written(startNs - margin),
    to: written(endNs + margin),
    nearestFrom: written(startNs - margin - nearest),
    nearestTo: written(endNs + margin + nearest),
  };
}

/** Of a time as leaves write it. */
function nanoseconds(time: string): bigint {
  return BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1_000_000n + BigInt(time.slice(20, 26)) * 1_000n;
}

const LAST_SECOND = 253_402_300_799;

/** RFC 3339 with six digits, between the years 1 and 9999. */
function written(ns: bigint): string {
  const us = ns / 1_000n;
  const micros = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = Math.min(Math.max(Number((us - micros) / 1_000_000n), -62_135_596_800), LAST_SECOND);
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}Z`;
}

interface Joined {
  readonly series: readonly RawSeries[];
  readonly used: OpenedRound['batches'];
  readonly damaged: OpenedRound['damaged'];
  readonly complete: boolean;
}

const NOTHING: Joined = { series: [], used: [], damaged: [], complete: true };

/** Goes round by round until one leads to metrics, or to what they were. */
async function join(deps: ReadDeps, tenantId: string, { resource, logs, window }: Asked): Promise<Joined> {
  if (resource === null) return NOTHING;
  const { attributes } = await openRunResource(deps, tenantId, resource);
  for (const ways of await joinWays(deps, tenantId, attributes)) {
    const found = await inTransaction(deps, tenantId, (tx) => findRound(deps, tx, tenantId, { ways, logs, window }));
    const opened = await openRound(deps, tenantId, found);
    const { damaged } = opened;
    const series = withUtilization(deps.telemetryRules, seriesOf(deps.telemetryRules, opened.batches));
    if (series.length + damaged.length === 0) continue;
    const named = new Set(series.flatMap(({ points }) => points.map(({ batch }) => batch)));
    const used = opened.batches.filter((batch) => named.has(batch));
    return { series, used, damaged, complete: found.complete };
  }
  return NOTHING;
}

interface Answerable extends Asked {
  readonly joined: Joined;
  readonly query: RunTelemetryQuery;
  readonly cursor: Cursor | null;
  readonly scope: CursorScope;
}

async function answer(deps: ReadDeps, tenantId: string, asked: Answerable): Promise<Reading<RunTelemetry>> {
  const { run, skeleton, joined, logs, times, window, cursor } = asked;
  const first = Number(cursor?.position[0] ?? 0);
  const traces = new Set(run.membership.traces);
  const shown = pageOf(joined.series, first, asked.query.limit ?? DEFAULT_LONG_PAGE);
  const next = first + shown.length < joined.series.length ? first + shown.length : null;
  const series = shown.map((raw) => shownSeries(raw, times, traces));
  const items = [...(cursor === null ? joined.damaged : []), ...series];
  const available = await availableData(deps, tenantId, asked);
  const pins: Pin[] = [{ log: run.log, size: pinOf(run, skeleton) }, ...logs];
  const during = joined.series.some(({ points }) =>
    points.some(({ view }) => placementOf(view.timeNs, times) === 'DURING'),
  );
  const status = statusOf(joined, available.records);
  const nearestOnly = joined.series.length > 0 && !during;
  const metadata = aggregateMetadata({
    tenantId,
    items: await aggregated(deps, tenantId, asked),
    pins,
    whenEmpty: run.newest.stored,
    sound: joined.damaged.length === 0,
  });
  return {
    answer: {
      run_id: run.runId,
      status,
      reason: reasonOf(status, joined, nearestOnly),
      join_rule: strongest(joined.series),
      window: {
        from: window.from,
        to: window.to,
        started_at: written(times.startNs),
        ended_at: written(times.endNs),
        nearest_only: nearestOnly,
        complete: joined.complete,
      },
      series: items,
      available_data: available,
      provisional: skeleton.live !== null,
      has_more: next !== null,
      next_cursor: next === null ? null : sealCursor(asked.scope, { pins: pinsOf(pins), position: [next] }),
      filters_applied: {},
      metadata: { ...metadata, source_domain: 'SYSTEM' },
    },
    pins,
    count: items.length,
    sizes: run.sizes,
  };
}

function pinsOf(pins: readonly Pin[]): Record<string, number> {
  return Object.fromEntries(pins.map(({ log, size }) => [log, size]));
}

function pageOf(series: readonly RawSeries[], first: number, limit: number): readonly RawSeries[] {
  const page: RawSeries[] = [];
  let points = 0;
  for (const one of series.slice(first, first + limit)) {
    points += one.points.length;
    if (points > MAX_POINTS_ON_PAGE && page.length > 0) break;
    page.push(one);
  }
  return page;
}

/** Every record that the series are made of, on each page alike. */
async function aggregated(
  deps: ReadDeps,
  tenantId: string,
  { run, joined }: Pick<Answerable, 'run' | 'joined'>,
): Promise<AggregatedItem[]> {
  const coveringOf = coveredBy(deps, tenantId, run.sizes);
  const spine = runSpine(run.newest.members);
  const items: AggregatedItem[] = [];
  for (const { entry } of joined.used) {
    const { stored } = entry;
    const covered = coveringOf(stored, await coveredAt(deps.verifyCheckpoint, tenantId, stored));
    items.push({ ...stored, covered, spine });
  }
  return items;
}

async function availableData(
  deps: ReadDeps,
  tenantId: string,
  { logs, window, resource }: Asked,
): Promise<RunTelemetry['available_data']> {
  const places = await inTransaction(deps, tenantId, async (tx) => {
    const all: BatchPlace[] = [];
    for (const { log, size } of logs) {
      const within = { log, below: size, from: window.from, to: window.to, limit: MAX_COUNTED - all.length };
      all.push(...(await findBatches(tx, tenantId, { by: 'any' }, within)));
    }
    return all;
  });
  const services = [...new Set(places.flatMap(({ service }) => service ?? []))].toSorted();
  return {
    resource: resource === null ? 'not_recorded' : 'recorded',
    records: places.length,
    services: services.slice(0, MAX_SERVICES),
  };
}

function statusOf({ series }: Joined, records: number): RunTelemetry['status'] {
  if (series.length === 0) return records === 0 ? 'telemetry_not_collected' : 'collected_unattributed';
  return strongest(series) === 'service.name' ? 'collected_unattributed' : 'collected';
}

function strongest(series: readonly RawSeries[]): JoinRule | null {
  const ranks = series.map(({ joinedBy }) => JOIN_RULES.indexOf(joinedBy));
  return series.length === 0 ? null : (JOIN_RULES[Math.min(...ranks)] ?? null);
}

function reasonOf(status: RunTelemetry['status'], { series, damaged }: Joined, nearestOnly: boolean): string | null {
  if (series.length === 0 && damaged.length > 0) return 'the records that lead to metrics failed their check';
  if (status === 'telemetry_not_collected') return 'no metrics were sent for this time';
  if (series.length === 0)
    return 'metrics were sent for this time, and nothing in their resources ties them to this run';
  const said = [
    ...(status === 'collected'
      ? []
      : ['these are of the same service; nothing ties them to the process or machine of this run']),
    ...(nearestOnly ? ['no point lies in the run: those before and after it are shown'] : []),
  ];
  return said.length === 0 ? null : said.join('; ');
}
