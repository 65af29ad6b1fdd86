import type { HeldStep } from './step.js';

/** Nanoseconds; where the sender left one of the two out, the other; null where both. */
export function startOf(step: HeldStep): bigint | null {
  return step.startedNs > 0n ? step.startedNs : step.endedNs > 0n ? step.endedNs : null;
}

export function endOf(step: HeldStep): bigint | null {
  return step.endedNs > 0n ? step.endedNs : startOf(step);
}

/** Unknown times come last. */
export function compare(a: bigint | null, b: bigint | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What ended first; what ended at once in the order of the log. */
export function byEnd(a: HeldStep, b: HeldStep): number {
  return compare(endOf(a), endOf(b)) || a.index - b.index;
}

export function max(a: bigint, b: bigint | null): bigint {
  return b !== null && b > a ? b : a;
}

/** Held at 2^53 − 1: a span may claim to have lasted since 1970. */
export function microseconds(ns: bigint): number {
  return Math.min(Number(ns / 1000n), Number.MAX_SAFE_INTEGER);
}

/** Nanoseconds since 1970 as RFC 3339 with six digits. OTLP has 64 unsigned bits, which end in the year 2554. */
export function timeOf(ns: bigint): string {
  const us = ns / 1000n;
  return `${new Date(Number(us / 1000n)).toISOString().slice(0, -1)}${String(us % 1000n).padStart(3, '0')}Z`;
}

/** Milliseconds by which a sender's clock may be ahead of ours. */
const SKEW_MS = 60_000;

export function isSkewed({ startedNs, endedNs, recordedAt }: HeldStep): boolean {
  if (endedNs > 0n && endedNs < startedNs) return true;
  return Number(startedNs / 1_000_000n) > Date.parse(recordedAt) + SKEW_MS;
}
