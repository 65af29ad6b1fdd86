import type { Day, Hours } from './otlp/map/producerRules.js';

const DAY_MINUTES = 1_440;
const DAYS: readonly Day[] = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];

/** Milliseconds since the hours that `at` lies in began, by the clock on the wall there; null: it lies in none. */
export function sinceHoursBegan({ from, to, days, timeZone }: Hours, at: Date): number | null {
  const said = new Map(
    new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const number = (part: 'hour' | 'minute' | 'second'): number => Number(said.get(part));
  const minute = number('hour') * 60 + number('minute');
  const minutes = (minute - from + DAY_MINUTES) % DAY_MINUTES;
  const length = (to - from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
  const today = DAYS.findIndex((day) => day === said.get('weekday')?.toUpperCase());
  const began = DAYS[(today + (minute < from ? 6 : 7)) % 7] as Day;
  if (minutes >= length || !days.includes(began)) return null;
  return (minutes * 60 + number('second')) * 1_000 + at.getUTCMilliseconds();
}
