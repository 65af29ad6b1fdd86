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
