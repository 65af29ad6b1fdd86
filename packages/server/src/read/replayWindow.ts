import { DEFAULT_WINDOW_SECONDS, type ReplayQuery } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import type { Skeleton } from './runOrder.js';
import type { PinnedRun } from './settled.js';
import { lifeOf } from './ties.js';
import { filterTime, microsecondsOf, timeOfMicroseconds } from './time.js';

/** Where a run turned, and the part of its time around it that a replay shows: half open. Microseconds since 1970. */
export interface ReplayWindow {
  readonly inflection: { readonly timestamp: string; readonly reason: string | null; readonly us: number };
  readonly startUs: number;
  readonly endUs: number;
  readonly from: string;
  readonly before: string;
}

/**
 * As many seconds as are asked for, half of them before the middle: the turning point, or `at`.
 * @throws Refusal `invalid_parameter` when `at` lies further outside of the run than the window is long.
 */
export function replayWindow(run: PinnedRun, skeleton: Skeleton, query: ReplayQuery): ReplayWindow {
  const inflection = inflectionOf(run, skeleton);
  const lengthUs = (query.window_seconds ?? DEFAULT_WINDOW_SECONDS) * 1_000_000;
  const middle = query.at === undefined ? inflection.us : microsecondsOf(filterTime('at', query.at));
  const life = lifeOf(run, skeleton);
  const [first, last] = [life?.from ?? inflection.timestamp, life?.before ?? lastOf(skeleton) ?? inflection.timestamp];
  const earliest = Math.min(microsecondsOf(first), inflection.us) - lengthUs;
  const latest = Math.max(microsecondsOf(last), inflection.us) + lengthUs;
  if (middle < earliest || middle > latest) {
    const range = `${timeOfMicroseconds(earliest)} to ${timeOfMicroseconds(latest)}`;
    throw invalidParameter('at', `is outside of the run and the window around it: ${range}`);
  }
  const startUs = middle - lengthUs / 2;
  const endUs = startUs + lengthUs;
  const [from, before] = [timeOfMicroseconds(startUs), timeOfMicroseconds(endUs)];
  return { inflection, startUs, endUs, from, before };
}

/** As the newest RUN leaf says; a run that was never sealed turns, for now, at its last event, and one without any where it was opened. */
function inflectionOf({ newest: { stored, members } }: PinnedRun, { live }: Skeleton): ReplayWindow['inflection'] {
  const sealed = members.object('inflection');
  const [timestamp, reason] =
    stored.kind === 'RUN'
      ? [sealed.text('timestamp'), sealed.text('reason')]
      : live?.lastEvent == null
        ? [null, null]
        : [live.lastEvent.timestamp, 'LAST_EVENT'];
  const at = timestamp ?? stored.occurredAt;
  return { timestamp: at, reason, us: microsecondsOf(at) };
}

/** End of the step that ended last; null: no step has a time. */
function lastOf({ endedUs }: Skeleton): string | null {
  const last = endedUs.reduce((a, b) => (b > a ? b : a), 0);
  return last === 0 ? null : timeOfMicroseconds(last);
}

/** Places of the steps that were under way in the window, by their start; one without length is there at its moment, one without times nowhere. */
export function stepsInWindow({ startedUs, endedUs }: Skeleton, { startUs, endUs }: ReplayWindow): number[] {
  const places: number[] = [];
  for (const [at, started] of startedUs.entries()) {
    const ended = endedUs[at] as number;
    if (started > 0 && started < endUs && (ended > startUs || started >= startUs)) places.push(at);
  }
  return places.sort((a, b) => (startedUs[a] as number) - (startedUs[b] as number) || a - b);
}
