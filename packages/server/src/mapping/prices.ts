import { calcPrice, findProvider, type Provider } from '@pydantic/genai-prices';
import type { PricedCall, Pricer } from '../otlp/map/price.js';
import type { Mapping } from '../otlp/map/tables.js';

/** The version that package.json pins; a test compares them. The prices of a version never change. */
const BOOK = 'genai-prices/0.1.8';

/** Models remembered, with what the book knows of them; a deployment uses some dozen. A sender who makes up names costs 0.1 ms for each. */
const MODELS_REMEMBERED = 4_096;

const NANO = 1_000_000_000;

interface Known {
  /** Null where the price depends on the time. */
  readonly rates: Rates | null;
  /** The provider with this one model: the book's search through all of them is five times the price of the price. */
  readonly provider: Provider;
  /** As the sender calls it: some names of the book do not find themselves. */
  readonly model: string;
}

/**
 * Prices by `@pydantic/genai-prices`, as it was installed: nothing is ever fetched (`updatePrices` is never called), so that the same call has the same
 * price on every machine that names the same book.
 */
export function createPricer(mapping: Mapping): Pricer {
  const known = new Map<string, Known | null>();
  const makers = new Map<string, string | null>();

  return {
    book: BOOK,

    price(call) {
      const key = `${call.provider ?? ''}\n${call.model}`;
      const found = remembered(known, key, () => find(mapping, call));
      return found === null ? null : priceOf(found, call);
    },

    providerOf: (model) => remembered(makers, model, () => makerOf(model)),
  };
}

function find(mapping: Mapping, { provider, model }: PricedCall): Known | null {
  const named = provider?.toLowerCase() ?? null;
  if (named !== null && mapping.unpriced_providers.has(named)) return null;
  const id = named === null ? null : bookName(mapping, named);
  return (id === null ? null : lookUp(model, id)) ?? lookUp(model, null);
}

/** The book's name of a provider. */
function bookName(mapping: Mapping, named: string): string {
  const whole = mapping.price_providers.get(named);
  if (whole !== undefined) return whole;
  for (const [prefix, id] of mapping.price_provider_prefixes) if (named.startsWith(prefix)) return id;
  return named;
}

/** Billionths of a US dollar a token, good for calls with so many input tokens: further on, other rates begin. */
interface Rates {
  readonly input: number;
  readonly cached: number;
  readonly written: number;
  readonly output: number;
  readonly upTo: number;
}

/** One token, to see whether the book has a price. Its errors are about usage, and this usage has none. */
function lookUp(model: string, providerId: string | null): Known | null {
  const found = calcPrice({ input_tokens: 1, output_tokens: 1 }, model, providerId === null ? {} : { providerId });
  if (found === null) return null;
  const { fallback_model_providers: _, ...provider } = found.provider;
  const known = { provider: { ...provider, models: [found.model] }, model };
  return { ...known, rates: ratesOf(known) };
}

/**
 * The rates of a model, asked of the book itself: below the first tier a price is a sum of counts times rates, and asking for each anew takes 15 µs.
 * A test compares the two.
 */
function ratesOf({ provider, model }: Omit<Known, 'rates'>): Rates | null {
  const prices = provider.models[0]?.prices ?? [];
  if (Array.isArray(prices)) return null;
  const starts = Object.values(prices).flatMap((price) =>
    typeof price === 'object' ? price.tiers.map(({ start }) => start) : [],
  );
  const upTo = Math.min(...starts, Number.MAX_SAFE_INTEGER);
  const rate = (usage: Record<string, number>) => calcPrice(usage, model, { provider })?.total_price ?? Number.NaN;
  const each = Math.min(upTo, 1_000);
  const read = { input_tokens: each, cache_read_tokens: each };
  const write = { input_tokens: each, cache_write_tokens: each };
  const rates = [rate({ input_tokens: each }), rate(read), rate(write), rate({ output_tokens: each })];
  const [input = 0, cached = 0, written = 0, output = 0] = rates.map((dollars) => (dollars / each) * NANO);
  return each > 0 && rates.every(Number.isFinite) ? { input, cached, written, output, upTo } : null;
}

function priceOf({ provider, model, rates }: Known, call: PricedCall): number | null {
  const fresh = call.inputTokens - call.cachedTokens - call.cacheWriteTokens;
  // The mapping made the input inclusive; one that is not all the same is a count that makes no sense, and has no price.
  if (fresh < 0) return null;
  if (rates !== null && call.inputTokens <= rates.upTo) {
    return wholeNano(
      fresh * rates.input +
        call.cachedTokens * rates.cached +
        call.cacheWriteTokens * rates.written +
        call.outputTokens * rates.output,
    );
  }
  const usage = {
    input_tokens: call.inputTokens,
    output_tokens: call.outputTokens,
    cache_read_tokens: call.cachedTokens,
    cache_write_tokens: call.cacheWriteTokens,
  };
  const timestamp = new Date(Number(call.startedNs / 1_000_000n));
  const dollars = calcPrice(usage, model, { provider, timestamp })?.total_price;
  return dollars === undefined ? null : wholeNano(dollars * NANO);
}

function wholeNano(exact: number): number | null {
  const nano = Math.round(exact);
  return Number.isSafeInteger(nano) && nano >= 0 ? nano : null;
}

/** A model that two providers price alike is still made by the one whose family of names it has. */
function makerOf(model: string): string | null {
  return findProvider({ modelId: model })?.id ?? calcPrice({ input_tokens: 1 }, model)?.provider.id ?? null;
}

function remembered<T>(memory: Map<string, T>, key: string, make: () => T): T {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make();
  if (memory.size >= MODELS_REMEMBERED) memory.clear();
  memory.set(key, made);
  return made;
}
