import type { Source, Sources, SourceTable } from './source.js';
import type { Mapping } from './tables.js';

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

/** The usage of a span by the tables, buckets that exclude each other put together (docs/mapping.md, "Tokens"). */
export function tokensOf(mapping: Mapping, sources: Sources): TokenFields {
  const input = find(sources, mapping.input_tokens);
  const output = find(sources, mapping.output_tokens);
  const cached = find(sources, mapping.cache_read_tokens);
  const written = find(sources, mapping.cache_write_tokens);
  const reasoning = find(sources, mapping.reasoning_tokens);
  const buckets = isMemberOf(input?.source, mapping.usage_buckets)
    ? disjointBuckets(sources, mapping.usage_buckets)
    : null;
  return {
    ...(input !== null && {
      input_tokens: buckets?.input ?? inclusiveInput(mapping, input, (cached?.count ?? 0) + (written?.count ?? 0)),
    }),
    ...(output !== null && { output_tokens: buckets?.output ?? inclusiveOutput(mapping, output.count, reasoning) }),
    ...(cached !== null && { cached_tokens: cached.count }),
    ...(written !== null && { cache_write_tokens: written.count }),
    ...(reasoning !== null && { reasoning_tokens: reasoning.count }),
    ...reportedCost(mapping, sources),
  };
}

interface Found {
  readonly source: Source;
  /** Its place in the table. */
  readonly index: number;
  readonly count: number;
}

function find(sources: Sources, table: SourceTable): Found | null {
  for (const { source, rank: index } of sources.of(table)) {
    const count = sources.count(source);
    if (count !== null) return { source, index, count };
  }
  return null;
}

/** More from the cache than there was of all, or a vocabulary that never adds it: then it comes on top. */
function inclusiveInput(mapping: Mapping, { index, count }: Found, fromCache: number): number {
  return mapping.disjoint_input.has(index) || fromCache > count ? capped(count + fromCache) : count;
}

/** The same for reasoning, which Gemini counts beside the answer. */
function inclusiveOutput(mapping: Mapping, output: number, reasoning: Found | null): number {
  if (reasoning === null) return output;
  const beside = mapping.disjoint_reasoning.has(reasoning.index) || reasoning.count > output;
  return beside ? capped(output + reasoning.count) : output;
}

function isMemberOf(source: Source | undefined, attribute: string): boolean {
  return typeof source === 'object' && source[0] === attribute;
}

/**
 * Langfuse: input and output are not the total, and the sum of all buckets is. Then each bucket holds what no other does, and what is not
 * of the output is of the input. null: the buckets overlap, or say no total.
 */
function disjointBuckets(sources: Sources, attribute: string): { input: number; output: number } | null {
  const buckets = sources.members(attribute).filter(([, count]) => typeof count === 'number') as [string, number][];
  const total = buckets.find(([name]) => name === 'total')?.[1];
  if (total === undefined || !Number.isSafeInteger(total)) return null;
  const sum = (names: (name: string) => boolean) =>
    buckets.reduce((n, [name, count]) => (names(name) ? n + count : n), 0);
  if (sum((name) => name === 'input' || name === 'output') === total) return null;
  if (
    sum((name) => name !== 'total') !== total ||
    buckets.some(([, count]) => !Number.isSafeInteger(count) || count < 0)
  ) {
    return null;
  }
  const output = sum((name) => name.startsWith('output'));
  return { input: total - output, output };
}

function reportedCost(mapping: Mapping, sources: Sources): { cost_nano_usd?: number } {
  for (const { source } of sources.of(mapping.reported_cost)) {
    const nano = nanoOf(sources.number(source));
    if (nano !== null) return { cost_nano_usd: nano };
  }
  const parts = sources.members(mapping.cost_buckets).map(([, dollars]) => dollars);
  const numbers = parts.filter((dollars) => typeof dollars === 'number');
  const nano = numbers.length === 0 ? null : nanoOf(numbers.reduce((sum, dollars) => sum + dollars, 0));
  return nano === null ? {} : { cost_nano_usd: nano };
}

function nanoOf(dollars: number | null): number | null {
  const nano = dollars === null ? Number.NaN : Math.round(dollars * NANO);
  return Number.isSafeInteger(nano) && nano >= 0 ? nano : null;
}

function capped(tokens: number): number {
  return Math.min(tokens, Number.MAX_SAFE_INTEGER);
}
