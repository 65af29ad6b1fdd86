/** Nano-dollars as an exact decimal; null stays null. */
export function money(nanoUsd: number | null): string | null {
  if (nanoUsd === null) return null;
  const digits = String(nanoUsd).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** Microseconds as milliseconds, exact to the microsecond. */
export function milliseconds(us: number | null): number | null {
  return us === null ? null : us / 1000;
}

/** Nanoseconds since 1970 as RFC 3339 with six digits; what lies beyond the year 9999 is held there. */
export function timeOf(ns: bigint): string {
  const us = ns / 1000n;
  const ms = Math.min(Number(us / 1000n), 253_402_300_799_999);
  return `${new Date(ms).toISOString().slice(0, -1)}${String(us % 1000n).padStart(3, '0')}Z`;
}
