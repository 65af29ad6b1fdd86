import { InvalidArgumentError } from 'commander';

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `30d`, `12h`, `90m` or a future RFC 3339 date as milliseconds from `now`. @throws InvalidArgumentError saying what it looks like. */
export function parseLifetime(text: string, now: number = Date.now()): number {
  const span = /^(\d{1,5})([mhd])$/.exec(text);
  if (span !== null) {
    const ms = Number(span[1]) * UNIT_MS[span[2] as keyof typeof UNIT_MS];
    if (ms > 0) return ms;
  }
  const end = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (end > now) return end - now;
  throw new InvalidArgumentError('give 30d, 12h, 90m or a date to come such as 2027-01-31.');
}
