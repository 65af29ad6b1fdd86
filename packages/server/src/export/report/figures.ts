import { grouped } from './text.js';

export { grouped };

/** A time of a record as it is read: `2026-03-01 12:00:00.123456`. What is none is shown as it is. */
export function timeText(time: string): string {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(time) ? `${time.slice(0, 10)} ${time.slice(11, 26)}` : time;
}

/** An exact decimal of US dollars, without zeros that say nothing; two digits at least. */
export function moneyText(usd: string | null): string | null {
  return usd === null
    ? null
    : `${usd.replace(/^(\d+\.\d\d\d*?)0*$/, '$1').replace(/^\d+/, (whole) => grouped(Number(whole)))} USD`;
}

/** Milliseconds as they are read, exact to the microsecond. */
export function durationText(ms: number | null): string | null {
  if (ms === null) return null;
  if (ms < 1000) return `${ms} ms`;
  const us = Math.round(ms * 1000);
  const [hours, minutes] = [Math.floor(us / 3_600_000_000), Math.floor(us / 60_000_000) % 60];
  const seconds = `${Math.floor(us / 1_000_000) % 60}.${String(us % 1_000_000)
    .padStart(6, '0')
    .replace(/0{1,5}$/, '')} s`;
  const whole = hours > 0 ? `${grouped(hours)} h ${minutes} min ` : minutes > 0 ? `${minutes} min ` : '';
  return `${whole}${seconds}`;
}

/** So many of something: `1 record`, `2 records`. */
export function many(count: number, one: string, more = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : more}`;
}

/** A word of a fixed vocabulary as it is read: `THRESHOLD_CHECK` is `Threshold check`. Short ones (LLM, OOM) and what is none stay as they are. */
export function wordsOf(code: string): string {
  if (!/^[A-Z][A-Z_]{3,}$/.test(code)) return code;
  return code.slice(0, 1) + code.slice(1).toLowerCase().replaceAll('_', ' ');
}
