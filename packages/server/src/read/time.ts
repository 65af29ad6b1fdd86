import { invalidParameter } from '../access/refusal.js';

/**
 * A time as filters take it, as RFC 3339 with six digits. The schema has checked its form; this checks that the day exists.
 * @throws Refusal `invalid_parameter`.
 */
export function filterTime(parameter: string, text: string): string {
  const [day, rest] = text.split('T');
  const [clock, fraction] = (rest ?? '00:00:00Z').slice(0, -1).split('.');
  const time = `${day}T${clock}.${(fraction ?? '').padEnd(6, '0')}Z`;
  const parsed = new Date(`${day}T${clock}Z`);
  if (Number.isNaN(parsed.getTime()) || parsed.toISOString().slice(0, 19) !== `${day}T${clock}`) {
    throw invalidParameter(parameter, 'is not a moment that exists');
  }
  return time;
}

/** Microseconds since 1970 of a time with six digits. */
export function microsecondsOf(time: string): number {
  return Date.parse(`${time.slice(0, 19)}Z`) * 1000 + Number(time.slice(20, 26));
}

/** The time of so many microseconds since 1970, with six digits. Times before the year 1 and after 9999 are held there. */
export function timeOfMicroseconds(us: number): string {
  const held = Math.min(Math.max(us, FIRST_US), LAST_US);
  const seconds = Math.floor(held / 1_000_000);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(held - seconds * 1_000_000).padStart(6, '0')}Z`;
}

const FIRST_US = Date.parse('0001-01-01T00:00:00Z') * 1000;
// Whole: a number is not exact to the microsecond there.
const LAST_US = Date.parse('9999-12-31T23:59:59Z') * 1000;
