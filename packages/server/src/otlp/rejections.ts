/** How many different reasons one partial-success message names: the rest is counted, so the answer stays short. */
const MAX_NAMED_REASONS = 5;

/** A body that is no export request at all: HTTP 400, gRPC INVALID_ARGUMENT. The message is ours and echoes no content. */
export class UndecodableRequest extends Error {
  override readonly name = 'UndecodableRequest';
}

/** A body with more groups and items than one request may hold: HTTP 413. */
export class TooManyParts extends Error {
  override readonly name = 'TooManyParts';
}

/** Why an item, a resource or a scope is not accepted. Costs only what it holds. */
export class RefusedPart extends Error {
  override readonly name = 'RefusedPart';
}

/** Counts refused items by reason, for OTLP's partial success. Reasons are fixed words of ours, never content. */
export class Rejections {
  readonly #byReason = new Map<string, number>();
  readonly #noun: string;

  /** `noun`: what an item is called, in the singular. */
  constructor(noun: string) {
    this.#noun = noun;
  }

  add(reason: string, items = 1): void {
    if (items > 0) this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + items);
  }

  merge(other: Rejections): void {
    for (const [reason, items] of other.#byReason) this.add(reason, items);
  }

  get total(): number {
    let total = 0;
    for (const items of this.#byReason.values()) total += items;
    return total;
  }

  /** English, e.g. `3 spans rejected: trace_id is not 16 bytes or is all zero (2); a string is not valid UTF-8 (1)`. */
  get message(): string | null {
    const total = this.total;
    if (total === 0) return null;
    const named = [...this.#byReason].slice(0, MAX_NAMED_REASONS).map(([reason, spans]) => `${reason} (${spans})`);
    const more = this.#byReason.size > MAX_NAMED_REASONS ? '; other reasons' : '';
    return `${total} ${this.#noun}${total === 1 ? '' : 's'} rejected: ${named.join('; ')}${more}`;
  }
}
