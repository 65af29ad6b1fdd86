import type { Source, Sources } from './source.js';
import {
  CACHE_READ_TOKENS,
  CACHE_WRITE_TOKENS,
  DISJOINT_INPUT,
  INPUT_TOKENS,
  OUTPUT_TOKENS,
  REASONING_TOKENS,
  REPORTED_COST,
  USAGE_BUCKETS,
} from './tables.js';

/** Usage of one span. Input includes what the cache read and wrote, output includes reasoning. Absent: not said. */
export interface TokenFields {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cached_tokens?: number;
  readonly cache_write_tokens?: number;
  readonly reasoning_tokens?: number;
  /** As the sender reports it, in billionths of a US dollar. */
  readonly cost_nano_usd?: number;
}

const NANO = 1_000_000_000;

/** The usage of a span by the tables, buckets that exclude each other put together (OTLP.md 2.5, rule 1). */
export function tokensOf(sources: Sources): TokenFields {
  const inputSource = INPUT_TOKENS.find((source) => sources.count(source) !== null) ?? null;
  const cached = sources.firstCount(CACHE_READ_TOKENS);
  const written = sources.firstCount(CACHE_WRITE_TOKENS);
  const reasoning = sources.firstCount(REASONING_TOKENS);
  const buckets = bucketsAreDisjoint(sources, inputSource);
  const input = inclusiveInput(sources, inputSource, (cached ?? 0) + (written ?? 0), buckets);
  const output = sources.firstCount(OUTPUT_TOKENS);
  return {
    ...(input !== null && { input_tokens: input }),
    ...(output !== null && { output_tokens: capped(output + (buckets ? (reasoning ?? 0) : 0)) }),
    ...(cached !== null && { cached_tokens: cached }),
    ...(written !== null && { cache_write_tokens: written }),
    ...(reasoning !== null && { reasoning_tokens: reasoning }),
    ...costOf(sources),
  };
}

function inclusiveInput(
  sources: Sources,
  source: Source | null,
  fromCache: number,
  bucketsDisjoint: boolean,
): number | null {
  if (source === null) return null;
  const said = sources.count(source) as number;
  const disjoint = bucketsDisjoint || DISJOINT_INPUT.has(source) || fromCache > said;
  return disjoint ? capped(said + fromCache) : said;
}

/** Langfuse: input + output is not the total, and the sum of all buckets is. */
function bucketsAreDisjoint(sources: Sources, inputSource: Source | null): boolean {
  if (!Array.isArray(inputSource) || inputSource[0] !== USAGE_BUCKETS) return false;
  const buckets = sources.members(USAGE_BUCKETS).filter(([, count]) => typeof count === 'number') as [string, number][];
  const total = buckets.find(([name]) => name === 'total')?.[1];
  if (total === undefined) return false;
  const sum = (names: (name: string) => boolean) =>
    buckets.reduce((n, [name, count]) => (names(name) ? n + count : n), 0);
  return sum((name) => name === 'input' || name === 'output') !== total && sum((name) => name !== 'total') === total;
}

function costOf(sources: Sources): { cost_nano_usd?: number } {
  for (const source of REPORTED_COST) {
    const dollars = sources.number(source);
    const nano = dollars === null ? Number.NaN : Math.round(dollars * NANO);
    if (Number.isSafeInteger(nano) && nano >= 0) return { cost_nano_usd: nano };
  }
  return {};
}

function capped(tokens: number): number {
  return Math.min(tokens, Number.MAX_SAFE_INTEGER);
}
