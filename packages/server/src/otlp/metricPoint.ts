import { Attributes } from './attributes.js';
import { Message } from './message.js';
import { type MessageSchema, MESSAGES } from './schema.js';

/** A data point of any kind. What it does not say is null; int64 values above 2^53 lose their last digits here, not in the body. */
export interface PointView {
  readonly attributes: Attributes;
  /** Nanoseconds since 1970; 0: not said. */
  readonly startNs: bigint;
  readonly timeNs: bigint;
  /** DataPointFlags bit 0: the series has no value at this time. */
  readonly noRecordedValue: boolean;
  /** Of a gauge or sum. */
  readonly value: number | null;
  /** Of histograms and summaries. */
  readonly count: number | null;
  readonly sum: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Of a histogram: one more than there are bounds; none where the sender keeps no buckets. */
  readonly buckets: readonly Bucket[];
  /** Of a summary, as the sender computed them. */
  readonly quantiles: readonly Quantile[];
  readonly exemplars: readonly ExemplarView[];
}

/** Values in (`above`, `upTo`], an end that is open is infinite; of an exponential histogram's negative range the ends are closed on the other side. */
export interface Bucket {
  readonly above: number;
  readonly upTo: number;
  readonly count: number;
}

/** `quantile` 0 to 1. */
export interface Quantile {
  readonly quantile: number;
  readonly value: number;
}

/** A measurement that stands for its point, with the span it was made in. */
export interface ExemplarView {
  readonly timeNs: bigint;
  readonly value: number | null;
  /** Hex; empty: none. */
  readonly traceId: string;
  readonly spanId: string;
}

/** Bit 0 of `flags` (opentelemetry-proto, DataPointFlags). */
const NO_RECORDED_VALUE = 1;

/** Buckets of one point that are read: OpenTelemetry's SDKs keep 160 at most, collectors a few hundred. */
const MAX_BUCKETS = 4_096;

/** Reads a point by its schema: one of the four messages of points. */
export function readPoint(point: Message, schema: MessageSchema): PointView {
  const read = new ReadingPoint();
  point.elements(schema, (field) => read.field(point, field.name));
  return read.view();
}

class ReadingPoint {
  readonly #attributes: Message[] = [];
  readonly #exemplars: Message[] = [];
  readonly #quantiles: Message[] = [];
  readonly #positive: Message[] = [];
  readonly #negative: Message[] = [];
  readonly #bounds: number[] = [];
  readonly #counts: number[] = [];
  readonly #numbers = new Map<string, number>();
  #value: number | null = null;
  #startNs = 0n;
  #timeNs = 0n;

  field(point: Message, name: string): void {
    switch (name) {
      case 'attributes':
        this.#attributes.push(point.inner());
        return;
      case 'exemplars':
        this.#exemplars.push(point.inner());
        return;
      case 'quantileValues':
        this.#quantiles.push(point.inner());
        return;
      case 'positive':
        this.#positive.push(point.inner());
        return;
      case 'negative':
        this.#negative.push(point.inner());
        return;
      case 'startTimeUnixNano':
        this.#startNs = point.fixed64();
        return;
      case 'timeUnixNano':
        this.#timeNs = point.fixed64();
        return;
      case 'asDouble':
        this.#value = point.double();
        return;
      case 'asInt':
        this.#value = Number(point.sfixed64());
        return;
      case 'bucketCounts':
        point.numbers(1, () => pushBounded(this.#counts, Number(point.fixed64())));
        return;
      case 'explicitBounds':
        point.numbers(1, () => pushBounded(this.#bounds, point.double()));
        return;
      case 'count':
      case 'zeroCount':
        this.#numbers.set(name, Number(point.fixed64()));
        return;
      case 'flags':
        this.#numbers.set(name, point.uint32());
        return;
      case 'scale':
        this.#numbers.set(name, point.sint32());
        return;
      default:
        this.#numbers.set(name, point.double());
    }
  }

  view(): PointView {
    const number = (name: string): number | null => this.#numbers.get(name) ?? null;
    const isExponential = this.#positive.length + this.#negative.length > 0 || this.#numbers.has('zeroCount');
    return {
      attributes: new Attributes(this.#attributes),
      startNs: this.#startNs,
      timeNs: this.#timeNs,
      noRecordedValue: ((number('flags') ?? 0) & NO_RECORDED_VALUE) === NO_RECORDED_VALUE,
      value: this.#value,
      count: number('count'),
      sum: number('sum'),
      min: number('min'),
      max: number('max'),
      buckets: isExponential ? this.#exponential() : explicitBuckets(this.#bounds, this.#counts),
      quantiles: this.#quantiles.map(readQuantile),
      exemplars: this.#exemplars.map(readExemplar),
    };
  }

  /** From the most negative to the most positive (metrics data model, "Exponential Buckets"): bucket i is (base^i, base^(i+1)]. */
  #exponential(): Bucket[] {
    const base = 2 ** (2 ** -(this.#numbers.get('scale') ?? 0));
    const threshold = this.#numbers.get('zeroThreshold') ?? 0;
    const zero = { above: -threshold, upTo: threshold, count: this.#numbers.get('zeroCount') ?? 0 };
    const negative = readBuckets(Message.merged(this.#negative), base);
    return [
      ...negative.map(({ above, upTo, count }) => ({ above: -upTo, upTo: -above, count })).toReversed(),
      zero,
      ...readBuckets(Message.merged(this.#positive), base),
    ].filter(({ count }) => count > 0);
  }
}

function pushBounded(list: number[], value: number): void {
  if (list.length < MAX_BUCKETS) list.push(value);
}

/** None where counts and bounds do not fit each other. */
function explicitBuckets(bounds: readonly number[], counts: readonly number[]): Bucket[] {
  if (counts.length === 0 || counts.length !== bounds.length + 1) return [];
  return counts.map((count, at) => ({
    above: bounds[at - 1] ?? Number.NEGATIVE_INFINITY,
    upTo: bounds[at] ?? Number.POSITIVE_INFINITY,
    count,
  }));
}

function readBuckets(buckets: Message, base: number): Bucket[] {
  let offset = 0;
  const counts: number[] = [];
  buckets.elements(MESSAGES.Buckets, (field) => {
    if (field.name === 'offset') offset = buckets.sint32();
    else buckets.numbers(0, () => pushBounded(counts, Number(buckets.uint64())));
  });
  return counts.map((count, at) => ({ above: base ** (offset + at), upTo: base ** (offset + at + 1), count }));
}

function readQuantile(at: Message): Quantile {
  const read = { quantile: 0, value: 0 };
  at.elements(MESSAGES.ValueAtQuantile, ({ name }) => {
    if (name === 'quantile') read.quantile = at.double();
    else read.value = at.double();
  });
  return read;
}

function readExemplar(exemplar: Message): ExemplarView {
  let timeNs = 0n;
  let value: number | null = null;
  let traceId = '';
  let spanId = '';
  exemplar.elements(MESSAGES.Exemplar, ({ name }) => {
    if (name === 'timeUnixNano') timeNs = exemplar.fixed64();
    else if (name === 'asDouble') value = exemplar.double();
    else if (name === 'asInt') value = Number(exemplar.sfixed64());
    else if (name === 'traceId') traceId = exemplar.hex();
    else if (name === 'spanId') spanId = exemplar.hex();
  });
  return { timeNs, value, traceId, spanId };
}
