/** Pseudo-random numbers from a seed: two fills say the same. */
export interface Chance {
  /** 0 ≤ n < 1. */
  next(): number;
  /** One of the texts, the first ones far more often: the k-th with weight 1/k, as names are used in the wild. */
  pick<T>(from: readonly T[]): T;
}

/** Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    pick(from) {
      const total = from.reduce((sum, _, k) => sum + 1 / (k + 1), 0);
      let left = next() * total;
      const found = from.find((_, k) => (left -= 1 / (k + 1)) < 0) ?? from.at(-1);
      if (found === undefined) throw new Error('nothing to pick from');
      return found;
    },
  };
}
