import { decodeLeaf } from '@sworn/evidence';
import { inTenant, lookUp } from '../store/database.js';
import { readRunsOfTraces } from '../store/members.js';
import { type AuditLog, readAuditLogs } from '../store/sealedEvents.js';
import { type FollowedLeaf, type KnownRun, noteActivity, readLeavesFrom } from '../store/sealing.js';
import { readEvent } from './event.js';
import type { SealedEvent } from './event.js';
import { activityOf, FOLLOW_LEAVES, type FollowDeps, isSuperseded, knownRuns, type News, tell } from './follow.js';

/** Logs of topic `audit`, one after another, as if they were one: where each begins. */
export interface AuditPlaces {
  readonly logs: readonly (AuditLog & { readonly from: number })[];
  /** Events with a lower place were followed. */
  readonly followed: number;
}

/** Places in the logs of topic `audit`, from the first generation on: a closed one grows no more, so that none ever moves. */
export function auditPlaces(logs: readonly AuditLog[]): AuditPlaces {
  let from = 0;
  let followed = 0;
  const placed = logs.map((log) => {
    const at = { ...log, from };
    from += log.size;
    followed += log.followed;
    return at;
  });
  return { logs: placed, followed };
}

/**
 * Follows `audit` by leaf index, with a stored cursor: notes which runs an event may be of, those that were opened and whose newest RUN leaf does
 * not heed it yet. A run that is opened later finds what was said before of it when it is sealed. Resolves to null when another process followed it
 * meanwhile.
 */
export async function followAudit(
  deps: FollowDeps,
  tenantId: string,
  runsLog: string,
): Promise<{ readonly quietUntil: string | null } | null> {
  const seen = await lookUp(deps.db, tenantId, async (tx) => {
    const { logs } = auditPlaces(await readAuditLogs(tx, tenantId));
    const next = logs.find(({ size, followed }) => followed < size);
    if (next === undefined) return null;
    return { next, leaves: await readLeavesFrom(tx, tenantId, next.log, next.followed, FOLLOW_LEAVES) };
  });
  if (seen === null) return { quietUntil: null };
  const { next, leaves } = seen;
  const last = leaves.at(-1);
  const events = leaves.flatMap((leaf): NewEvent[] => {
    const event = readEvent(leaf);
    return event === null ? [] : [{ event, leaf, place: next.from + leaf.index }];
  });
  const news = await whatIsNew(deps, { tenantId, log: runsLog, auditLog: next.log }, events);
  // Of leaves that retention took nothing is left to follow.
  const cursor = { of: next.log, from: next.followed, to: last === undefined ? next.size : last.index + 1 };
  const noted = await inTenant(deps.db, 'writer', tenantId, (tx) => noteActivity(tx, tenantId, runsLog, cursor, news));
  return noted ? { quietUntil: leaves.length === FOLLOW_LEAVES ? (last?.recordedAt ?? null) : null } : null;
}

interface NewEvent {
  readonly event: SealedEvent;
  readonly leaf: FollowedLeaf;
  readonly place: number;
}

interface OfLogs {
  readonly tenantId: string;
  /** Of the runs. */
  readonly log: string;
  readonly auditLog: string;
}

async function whatIsNew(deps: FollowDeps, of: OfLogs, events: readonly NewEvent[]) {
  const traceIds = [...new Set(events.flatMap(({ event }) => (event.runId === null ? (event.traceId ?? []) : [])))];
  const runsOfTrace = new Map<string, string[]>(traceIds.map((traceId) => [traceId, []]));
  if (traceIds.length > 0) {
    const members = await lookUp(deps.db, of.tenantId, (tx) => readRunsOfTraces(tx, of.tenantId, of.log, traceIds));
    for (const { traceId, runId } of members) runsOfTrace.get(traceId)?.push(runId);
  }
  const runsOf = ({ runId, hintedRun, traceId }: SealedEvent): readonly string[] =>
    runId !== null
      ? [runId]
      : [...new Set([...(hintedRun === null ? [] : [hintedRun]), ...(runsOfTrace.get(traceId ?? '') ?? [])])];
  const known = await knownRuns(
    deps,
    of,
    events.flatMap(({ event }) => runsOf(event)),
  );
  const covered = new Map([...known.values()].map((run) => [run.runId, eventsBelow(run, of.auditLog)]));
  const news = new Map<string, News>();
  for (const { event, leaf, place } of events) {
    for (const runId of runsOf(event)) {
      const run = known.get(runId);
      if (run === undefined || isSuperseded(run) || event.index < (covered.get(runId) ?? 0)) continue;
      tell(news, newsOf(runId, leaf, place));
    }
  }
  return [...news.values()].map((one) => activityOf(deps, one, known.get(one.runId)));
}

function newsOf(runId: string, { recordedAt }: FollowedLeaf, place: number): News {
  return {
    runId,
    steps: 0,
    lastIndex: -1,
    lastEvent: place,
    lastSeenAt: recordedAt,
    rootSeenAt: null,
    atOnce: false,
    isForeign: false,
  };
}

/** Leaf index of a log of `audit` below which the newest RUN leaf heeds the events; 0 of one that heeds none, as those of before did. */
function eventsBelow(run: KnownRun, auditLog: string): number {
  return sizesHeeded(run)[auditLog] ?? 0;
}

/** How many leaves of the logs of `audit` the newest revision of a run heeds, one after another; 0 where it heeds none. */
export function eventsHeeded(run: KnownRun, logs: readonly { readonly log: string }[]): number {
  const sizes = sizesHeeded(run);
  return logs.reduce((sum, { log }) => sum + (sizes[log] ?? 0), 0);
}

function sizesHeeded(run: KnownRun): Readonly<Record<string, number>> {
  if (run.revision === 0) return {};
  const { events, sizes } = decodeLeaf(run.leaf).fields;
  return events === undefined ? {} : (sizes as Readonly<Record<string, number>>);
}
