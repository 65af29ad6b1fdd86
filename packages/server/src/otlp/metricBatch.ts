import { type Held, lengthOf, type Range } from './envelope.js';

/** A metric and its points, by their places in a body. */
export interface OfMetric {
  /** All that it says of itself. */
  readonly source: readonly Range[];
  readonly data: readonly OfData[];
}

/** One Gauge, Sum, Histogram, … of a metric. */
export interface OfData {
  /** Its field number in the metric. */
  readonly number: number;
  readonly source: readonly Range[];
  readonly points: readonly OfPoint[];
}

interface OfPoint {
  readonly range: Held;
  readonly timeNs: bigint;
}

/** A ResourceMetrics with field 2 alone, and what is counted in it. */
export interface WrittenBatch {
  readonly bytes: Uint8Array;
  readonly metrics: number;
  readonly points: number;
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

/** Field of scopes in a ResourceMetrics, and of metrics in a ScopeMetrics. */
const HELD_FIELD = 2;

/**
 * How much larger than the headers that the next record repeats a record is at least: a sender who writes a scope of 10 MB in front of
 * a hundred thousand points must not have it stored with each of them.
 */
const HEADERS_REPEATED = 8;

/**
 * Writes the points of a ResourceMetrics into records of bounded size, each with the headers of the scope and metric that they are of.
 * All bytes but lengths are copied from the body: unknown fields stay where they are. No record is without points.
 */
export class BatchWriter {
  readonly #body: Uint8Array;
  readonly #bounds: { readonly maxBytes: number; readonly maxPoints: number };
  readonly #batches: WrittenBatch[] = [];
  #batch = new Batch();
  #scope: readonly Range[] = [];

  constructor(body: Uint8Array, bounds: { readonly maxBytes: number; readonly maxPoints: number }) {
    this.#body = body;
    this.#bounds = bounds;
  }

  /** Metrics that follow are of this scope. */
  scope(source: readonly Range[]): void {
    this.#scope = source;
    this.#batch.scope(source);
  }

  metric(metric: OfMetric): void {
    this.#batch.metric(metric.source);
    for (const data of metric.data) {
      this.#batch.data(data);
      const headers = lengthOf(this.#scope) + lengthOf(metric.source) + lengthOf(data.source);
      for (const point of data.points) {
        if (this.#isFull(point, headers)) {
          this.#close();
          this.#batch.scope(this.#scope);
          this.#batch.metric(metric.source);
          this.#batch.data(data);
        }
        this.#batch.point(point);
      }
    }
  }

  finish(): readonly WrittenBatch[] {
    if (this.#batch.points > 0) this.#close();
    return this.#batches;
  }

  #isFull({ range }: OfPoint, headers: number): boolean {
    const { bytes, points } = this.#batch;
    if (points === 0 || bytes < HEADERS_REPEATED * headers) return false;
    return points >= this.#bounds.maxPoints || bytes + range.end - range.from > this.#bounds.maxBytes;
  }

  #close(): void {
    this.#batches.push(this.#batch.written(this.#body));
    this.#batch = new Batch();
  }
}

/** A message being put together: pieces of the body, and messages inside. */
interface Node {
  /** Its field number where it is held. */
  readonly number: number;
  readonly pieces: (Range | Node)[];
}

class Batch {
  readonly #scopes: Node[] = [];
  #scope: Node | null = null;
  #metric: Node | null = null;
  #data: Node | null = null;
  #metrics = 0;
  #firstNs = 0n;
  #lastNs = 0n;
  points = 0;
  /** Lengths of enclosing messages aside. */
  bytes = 0;

  scope(source: readonly Range[]): void {
    this.#scope = this.#begin(HELD_FIELD, source);
    this.#scopes.push(this.#scope);
  }

  metric(source: readonly Range[]): void {
    this.#metric = this.#begin(HELD_FIELD, source);
    this.#scope?.pieces.push(this.#metric);
    this.#metrics += 1;
  }

  data({ number, source }: OfData): void {
    this.#data = this.#begin(number, source);
    this.#metric?.pieces.push(this.#data);
  }

  point({ range, timeNs }: OfPoint): void {
    this.#data?.pieces.push({ start: range.from, end: range.end });
    this.bytes += range.end - range.from;
    this.points += 1;
    if (timeNs === 0n) return;
    if (this.#firstNs === 0n || timeNs < this.#firstNs) this.#firstNs = timeNs;
    if (timeNs > this.#lastNs) this.#lastNs = timeNs;
  }

  written(body: Uint8Array): WrittenBatch {
    return {
      bytes: Buffer.concat(this.#scopes.flatMap((scope) => elementOf(scope, body).pieces)),
      metrics: this.#metrics,
      points: this.points,
      firstNs: this.#firstNs,
      lastNs: this.#lastNs,
    };
  }

  #begin(number: number, source: readonly Range[]): Node {
    this.bytes += lengthOf(source);
    return { number, pieces: [...source] };
  }
}

/** A length-delimited element with its tag, in pieces. Nodes are four deep at most. */
function elementOf(
  { number, pieces }: Node,
  body: Uint8Array,
): { readonly pieces: Uint8Array[]; readonly length: number } {
  const inner: Uint8Array[] = [];
  let length = 0;
  for (const piece of pieces) {
    if ('pieces' in piece) {
      const element = elementOf(piece, body);
      for (const each of element.pieces) inner.push(each);
      length += element.length;
    } else {
      inner.push(body.subarray(piece.start, piece.end));
      length += piece.end - piece.start;
    }
  }
  const head = headOf(number, length);
  return { pieces: [head, ...inner], length: head.length + length };
}

/** Tag and length of a length-delimited element; fields of OTLP's envelopes have one-byte tags. */
function headOf(number: number, length: number): Uint8Array {
  const head = [number * 8 + 2];
  let rest = length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) head.push((rest % 0x80) | 0x80);
  head.push(rest);
  return Uint8Array.from(head);
}
