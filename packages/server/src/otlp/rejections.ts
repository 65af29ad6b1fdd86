/** How many different reasons one partial-success message names: the rest is counted, so the answer stays short. */
const MAX_NAMED_REASONS = 5;

/** A body that is no export request at all: HTTP 400, gRPC INVALID_ARGUMENT. The message is ours and echoes no content. */
export class UndecodableTraces extends Error {
  override readonly name = 'UndecodableTraces';
}

/** A body with more spans than one request may hold: HTTP 413. */
export class TooManySpans extends Error {
  override readonly name = 'TooManySpans';
}

/** Why a span, a resource or a scope is not accepted. Costs only what it holds. */
export class RefusedPart extends Error {
  override readonly name = 'RefusedPart';
}

/** Counts refused spans by reason, for OTLP's partial success. Reasons are fixed words of ours, never content. */
export class Rejections {
  readonly #byReason = new Map<string, number>();

  add(reason: string, spans = 1): void {
    if (spans > 0) this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + spans);
  }

  merge(other: Rejections): void {
    for (const [reason, spans] of other.#byReason) this.add(reason, spans);
  }

  get total(): number {
    let total = 0;
    for (const spans of this.#byReason.values()) total += spans;
    return total;
  }

  /** English, e.g. `3 spans rejected: trace_id is not 16 bytes or is all zero (2); a string is not valid UTF-8 (1)`. */
  get message(): string | null {
    const total = this.total;
    if (total === 0) return null;
    const named = [...this.#byReason].slice(0, MAX_NAMED_REASONS).map(([reason, spans]) => `${reason} (${spans})`);
    const more = this.#byReason.size > MAX_NAMED_REASONS ? '; other reasons' : '';
    return `${total} ${total === 1 ? 'span' : 'spans'} rejected: ${named.join('; ')}${more}`;
  }
}
