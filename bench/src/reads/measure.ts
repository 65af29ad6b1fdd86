/** How fast something was, measured in a closed loop. */
export interface Measured {
  readonly perS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Times that it failed; not counted above. */
  readonly failed: number;
}

/** A measurement in several slices, between which others have their turn. */
export interface Meter {
  /** `connections` callers, each asking again as soon as it was answered, until `seconds` have passed; each asks at least once. */
  slice(connections: number, seconds: number): Promise<void>;
  result(): Measured;
}

/** Measures `ask`, which is told how often it was asked before, and resolves to whether it was answered. */
export function createMeter(ask: (nth: number) => Promise<boolean>): Meter {
  const tookMs: number[] = [];
  let failed = 0;
  let busyS = 0;
  let nth = 0;
  return {
    async slice(connections, seconds) {
      const begun = performance.now();
      const end = begun + seconds * 1000;
      const inTurn = async (): Promise<void> => {
        do {
          const asked = performance.now();
          if (await ask(nth++)) tookMs.push(performance.now() - asked);
          else failed++;
        } while (performance.now() < end);
      };
      await Promise.all(Array.from({ length: connections }, inTurn));
      busyS += (performance.now() - begun) / 1000;
    },
    result() {
      return { perS: tookMs.length / busyS, ...percentiles(tookMs), failed };
    },
  };
}

/** The middle one, and the one that 99 of 100 do not exceed. */
export function percentiles(tookMs: readonly number[]): Pick<Measured, 'p50Ms' | 'p99Ms'> {
  const sorted = tookMs.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
