import { invalidParameter } from '../access/refusal.js';
import type { Tx } from '../store/database.js';
import { NO_FILTER, type RunFilters } from '../store/runFilters.js';
import { findPlaceOf, findRunPlaces, type RunPage, type RunPlace } from '../store/runPlaces.js';
import type { Pin } from './reading.js';

/** How runs end that did not succeed. */
const STATUSES = ['FAILED', 'ABORTED', 'TIMEOUT'] as const;

/** Which of them, newest first. */
export interface EndedAsked {
  readonly runId: string | null;
  readonly occurredAfter: string | null;
  readonly occurredBefore: string | null;
  readonly recordedAfter: string | null;
  readonly recordedBefore: string | null;
  /** Goes on after this one. */
  readonly after: EndedPlace | null;
  readonly limit: number;
}

/** Where a run stands. */
export interface EndedPlace extends Pick<RunPlace, 'place' | 'occurredAt'> {
  readonly log: string;
}

/** A page of them. */
export interface EndedRuns {
  readonly runs: readonly (EndedPlace & Pick<RunPlace, 'index'>)[];
  /** Not null: there may be more, after this place. */
  readonly next: EndedPlace | null;
  /** `next` is where as many index entries as a page may had been examined. */
  readonly limitReached: boolean;
}

/** Runs that failed, were aborted or timed out: each status along its own index (store/runPlaces.ts), merged. In a transaction with `inIndexOrder`. */
export async function findEnded(tx: Tx, tenantId: string, logs: readonly Pin[], asked: EndedAsked): Promise<EndedRuns> {
  const { after, limit } = asked;
  const from = after === null ? 0 : logs.findIndex(({ log }) => log === after.log);
  if (from < 0) throw invalidParameter('cursor', 'is not a cursor of this query');
  const runs: (EndedPlace & Pick<RunPlace, 'index'>)[] = [];
  for (const [i, pin] of logs.slice(from).entries()) {
    const page = await pageOf(tx, tenantId, pin, {
      ...asked,
      after: i === 0 ? after : null,
      limit: limit - runs.length,
    });
    const isByTime = page.order === 'occurred_desc';
    const found: RunPlace[] = [];
    let end: Pick<RunPlace, 'place' | 'occurredAt'> | null = null;
    for (const executionStatus of STATUSES) {
      const of = await findRunPlaces(tx, tenantId, { ...filtersOf(asked), executionStatus }, page);
      found.push(...of.places);
      if (of.examinedEnd !== null && (end === null || isAfter(end, of.examinedEnd, isByTime))) end = of.examinedEnd;
    }
    const known = found
      .filter((place) => end === null || !isAfter(place, end, isByTime))
      .sort((a, b) => (isAfter(a, b, isByTime) ? 1 : -1));
    const shown = known.slice(0, limit - runs.length).map((place) => ({ ...place, log: pin.log }));
    runs.push(...shown);
    const last = runs.at(-1);
    if (known.length > shown.length && last !== undefined) return { runs, next: last, limitReached: false };
    if (end !== null) return { runs, next: { ...end, log: pin.log }, limitReached: true };
  }
  return { runs, next: null, limitReached: false };
}

/** Whether `a` comes behind `b`. */
function isAfter(
  a: Pick<RunPlace, 'place' | 'occurredAt'>,
  b: Pick<RunPlace, 'place' | 'occurredAt'>,
  isByTime: boolean,
): boolean {
  if (isByTime && a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt;
  return a.place < b.place;
}

async function pageOf(tx: Tx, tenantId: string, { log, size }: Pin, asked: EndedAsked): Promise<RunPage> {
  const { after, recordedAfter, recordedBefore, occurredAfter, occurredBefore } = asked;
  const placeOf = (time: string | null, otherwise: number) =>
    time === null ? otherwise : findPlaceOf(tx, tenantId, log, size, time);
  const fromPlace = await placeOf(recordedAfter, 0);
  const belowPlace = await placeOf(recordedBefore, size);
  const base = { log, pin: size, limit: asked.limit + 1, fromPlace };
  if (occurredAfter !== null || occurredBefore !== null) return { ...base, order: 'occurred_desc', belowPlace, after };
  return { ...base, order: 'place_desc', belowPlace: Math.min(belowPlace, after?.place ?? size), after: null };
}

function filtersOf({ runId, occurredAfter, occurredBefore }: EndedAsked): RunFilters {
  return { ...NO_FILTER, runId, occurredAfter, occurredBefore };
}
