/** A model call, as prices are asked for. Counts as in a STEP leaf: input includes the cache. */
export interface PricedCall {
  readonly provider: string | null;
  /** The model used. */
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  /** Nanoseconds since 1970: some prices depend on the time of day. */
  readonly startedNs: bigint;
}

/** What the mapping knows of prices. Given to it, because a price book is no part of a pure function. */
export interface Pricer {
  /** Name and version of the price book: `genai-prices/0.1.8`. */
  readonly book: string;
  /** Billionths of a US dollar; null where the model has no price, which is not the same as 0. */
  price(call: PricedCall): number | null;
  /** Who makes this model, by its name; null where that is not known. */
  providerOf(model: string): string | null;
}
