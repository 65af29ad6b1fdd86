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

/** Reads a day (its beginning, UTC) or an RFC 3339 moment; as RFC 3339 with six digits. @throws InvalidArgumentError saying what it looks like. */
export function parseMoment(text: string): string {
  const isOne = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2}))?$/.test(text);
  const at = isOne ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('give a day such as 2026-07-01, or 2026-07-01T12:00:00Z.');
  return `${new Date(at).toISOString().slice(0, -1)}000Z`;
}
