import { MAX_LONG_BYTES, type ReplayEvent } from '@sworn/contract';
import type { TiedPlace } from '../store/associations.js';
import type { StoredEntry } from '../store/auditEntries.js';
import type { Tx } from '../store/database.js';
import type { StoredStep } from '../store/steps.js';
import { type Association, readTied, type TiedPage } from './association.js';
import type { Checked } from './check.js';
import type { Cursor } from './cursor.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import { type ReplayWindow, stepsInWindow } from './replayWindow.js';
import { readRunEvents } from './runEvents.js';
import type { Skeleton } from './runOrder.js';
import { readPlaces } from './places.js';
import type { PinnedRun } from './settled.js';
import { isSummarised } from './systemItem.js';
import type { RunTies } from './ties.js';
import { timeOfMicroseconds } from './time.js';

/** Where an event stands in a replay: by time, source (llm, system, policy), then log and index; of a step the index is its place in the run. */
export interface ReplayPlace {
  readonly timestamp: string;
  readonly rank: number;
  readonly log: string;
  readonly index: number;
}

const RANKS = { llm: 0, system: 1, policy: 2 } as const satisfies Record<ReplayEvent['source'], number>;

/** An event after its check, with what only its source knows of it. */
export type LaneEvent =
  | { readonly source: 'llm'; readonly place: ReplayPlace; readonly checked: Checked<StoredStep> }
  | {
      readonly source: 'system';
      readonly place: ReplayPlace;
      readonly checked: Checked<StoredEntry>;
      readonly association: Association;
    }
  | {
      readonly source: 'policy';
      readonly place: ReplayPlace;
      readonly checked: Checked<StoredEntry>;
      readonly stepIndex: number | null;
    };

/** What a source has for a page. */
export interface ReplayLane {
  readonly events: readonly LaneEvent[];
  /** Not null: it has more, and up to here this is all. */
  readonly end: ReplayPlace | null;
}

/** What of a lane is asked for: behind `after`, at most `limit`. */
export interface AskedLane {
  readonly run: PinnedRun;
  readonly after: ReplayPlace | null;
  readonly limit: number;
}

/** The order of a replay. */
function inReplayOrder(a: ReplayPlace, b: ReplayPlace): number {
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp ? -1 : 1;
  if (a.rank !== b.rank) return a.rank - b.rank;
  return a.log === b.log ? a.index - b.index : a.log < b.log ? -1 : 1;
}

/** A place as a cursor holds it. */
export function positionOf({ timestamp, rank, log, index }: ReplayPlace): Cursor['position'] {
  return [timestamp, rank, log, index];
}

export function placeOf({ position: [timestamp, rank, log, index] }: Cursor): ReplayPlace {
  return { timestamp: String(timestamp), rank: Number(rank), log: String(log), index: Number(index) };
}

/**
 * The steps that were under way in the window, from the order of the run, which is read from the index of its traces and held (decision 0013); only those
 * shown are read again. `windowOf` says the window once the order is known.
 */
export async function llmLane(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, after, limit, windowOf }: AskedLane & { readonly windowOf: (skeleton: Skeleton) => ReplayWindow },
): Promise<ReplayLane & { readonly skeleton: Skeleton }> {
  const atOf = (skeleton: Skeleton, at: number): ReplayPlace => ({
    timestamp: timeOfMicroseconds(skeleton.startedUs[at] as number),
    rank: RANKS.llm,
    log: '',
    index: at,
  });
  const wanted = (skeleton: Skeleton): number[] => {
    const places = stepsInWindow(skeleton, windowOf(skeleton));
    const from = after === null ? 0 : places.findIndex((at) => inReplayOrder(atOf(skeleton, at), after) > 0);
    return from < 0 ? [] : places.slice(from, from + limit);
  };
  const { skeleton, shown } = await readPlaces(deps, tx, tenantId, { run, placesOf: wanted, maxBytes: MAX_LONG_BYTES });
  const open = await deps.openFindings(tx, tenantId);
  const events = shown.map(
    ({ at, checked }) => ({ source: 'llm', place: atOf(skeleton, at), checked: heldAgainst(checked, open) }) as const,
  );
  const isAll = events.length < limit && events.length === wanted(skeleton).length;
  return { skeleton, events, end: isAll ? null : (events.at(-1)?.place ?? null) };
}

/** What happened around the run in the window. */
export async function systemLane(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  {
    ties,
    logs,
    window,
    after,
    limit,
  }: Omit<AskedLane, 'run'> & {
    readonly ties: RunTies;
    readonly logs: readonly Pin[];
    readonly window: ReplayWindow;
  },
): Promise<ReplayLane> {
  return laneOf(await readTied(deps, tx, tenantId, { ties, logs, window, after: behindSystem(after), limit }));
}

/** Where records of `system` go on. */
export function behindSystem(after: ReplayPlace | null): TiedPlace | null {
  return behind(after, RANKS.system);
}

/** Records of `system` as a lane. */
export function laneOf({ records, next }: TiedPage): ReplayLane {
  return {
    events: records.map(({ place, checked, association }) => ({
      source: 'system',
      place: placedAs(RANKS.system, place),
      checked,
      association,
    })),
    end: next === null ? null : placedAs(RANKS.system, next),
  };
}

/** The governance of the run in the window. */
export async function policyLane(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  {
    run,
    skeleton,
    logs,
    window,
    after,
    limit,
  }: AskedLane & { readonly skeleton: Skeleton; readonly logs: readonly Pin[]; readonly window: ReplayWindow },
): Promise<ReplayLane> {
  const { from, before } = window;
  const asked = { run, skeleton, logs, from, before, after: behind(after, RANKS.policy), limit };
  const { events, end } = await readRunEvents(deps, tx, tenantId, asked);
  return {
    events: events.map(({ place, checked, step }) => ({
      source: 'policy',
      place: placedAs(RANKS.policy, place),
      checked,
      stepIndex: step?.at ?? null,
    })),
    end: end === null ? null : placedAs(RANKS.policy, end),
  };
}

function placedAs(rank: number, { occurredAt, log, index }: TiedPlace): ReplayPlace {
  return { timestamp: occurredAt, rank, log, index };
}

/** Where a lane goes on: of one that comes later at the same moment all of it is still to come, of one that comes earlier nothing. */
function behind(after: ReplayPlace | null, rank: number): TiedPlace | null {
  if (after === null) return null;
  const { timestamp: occurredAt, log, index } = after;
  if (after.rank === rank) return { occurredAt, log, index };
  return after.rank < rank
    ? { occurredAt, log: '', index: -1 }
    : { occurredAt, log: AFTER_ALL_LOGS, index: Number.MAX_SAFE_INTEGER };
}

/** Names of logs are lower-case letters, digits, dots and hyphens. */
const AFTER_ALL_LOGS = '~';

/** A page of all lanes: in order, up to where the first of them may have more. */
export function mergeReplay(
  lanes: readonly ReplayLane[],
  limit: number,
): { readonly events: readonly LaneEvent[]; readonly next: ReplayPlace | null } {
  let end: ReplayPlace | null = null;
  for (const lane of lanes) if (lane.end !== null && (end === null || inReplayOrder(lane.end, end) < 0)) end = lane.end;
  const upTo = end;
  const events = lanes
    .flatMap((lane) => lane.events)
    .filter(({ place }) => upTo === null || inReplayOrder(place, upTo) <= 0)
    .sort((a, b) => inReplayOrder(a.place, b.place));
  let bytes = 0;
  let length = 0;
  for (const event of events) {
    bytes += openedBytes(event);
    if (length === limit || (bytes > MAX_LONG_BYTES && length > 0)) break;
    length++;
  }
  if (length < events.length) return { events: events.slice(0, length), next: events[length - 1]?.place ?? null };
  return { events, next: upTo };
}

/** What is opened of an event, in bytes. */
function openedBytes({ source, checked }: LaneEvent): number {
  if (checked.kind === 'compromised' || source === 'policy') return 0;
  if (source === 'system' && !isSummarised(checked)) return 0;
  return checked.members.object('c').object('body').count('n') ?? 0;
}
