import { checkElement, readTag } from './check.js';
import type { DecodedMetrics, MetricsSlice, SourceSlice } from './decoded.js';
import { Envelope, type Held, join, type Level, lengthOf, type Parts, reasonOf } from './envelope.js';
import { BatchWriter, type OfMetric } from './metricBatch.js';
import type { MessageName } from './messages.js';
import { Rejections } from './rejections.js';
import { MESSAGES, type MessageSchema } from './schema.js';
import { levelsOf, METRICS } from './signal.js';

/**
 * Bytes of one record, headers aside: what redaction looks through in one go, and what a reader opens for one answer. A collector may send
 * the points of ten thousand series in one ResourceMetrics.
 */
export const MAX_BATCH_BYTES = 60 * 1024;

/** Points of one record: of so many, redaction can take something out of each. */
export const MAX_BATCH_POINTS = 500;

/**
 * Walks an ExportMetricsServiceRequest once and hands over each ResourceMetrics as a record, a large one as several, with nothing
 * left out: views into `bytes` where it can be. A data point that is malformed is counted and costs no other; a malformed resource, scope
 * or metric costs the points it holds. Throws UndecodableRequest where the framing is broken, down to the points, TooManyParts past the bound.
 */
export function decodeMetrics(bytes: Uint8Array): DecodedMetrics {
  const decoder = new MetricsDecoder(bytes);
  decoder.request();
  const { batches, rejections } = decoder;
  return { batches, rejected: rejections.total, message: rejections.message };
}

const [REQUEST, GROUP, SCOPED] = levelsOf(METRICS);
const METRIC: Level = {
  name: 'Metric',
  holds: new Set(MESSAGES.Metric.fields.filter(({ oneof }) => oneof).map((field) => field.number)),
  part: 'metric',
};
/** The five messages that hold points, by their number in a Metric: each holds them in its field 1. */
const DATA: ReadonlyMap<number, { readonly level: Level; readonly point: MessageSchema }> = new Map(
  MESSAGES.Metric.fields.flatMap((field) => {
    const point = field.oneof ? field.message?.byNumber[1]?.message : null;
    if (point === null || point === undefined) return [];
    const level: Level = { name: field.message?.name as MessageName, holds: new Set([1]), part: 'metric' };
    return [[field.number, { level, point }] as const];
  }),
);

/** `time_unix_nano` of every kind of point: field 3, fixed64. */
const TIME_TAG = 3 * 8 + 1;

/** A ScopeMetrics taken apart to its points, without what cannot be read. */
interface OpenedScope {
  readonly source: Parts['source'];
  readonly metrics: readonly OfMetric[];
}

class MetricsDecoder {
  readonly batches: MetricsSlice[] = [];
  readonly rejections = new Rejections(METRICS.noun);
  readonly #envelope: Envelope;
  /** Something of the ResourceMetrics cannot be read, be it without points. */
  #isFaulty = false;

  constructor(bytes: Uint8Array) {
    this.#envelope = new Envelope(bytes, METRICS);
  }

  request(): void {
    for (const ofResource of this.#envelope.split(this.#envelope.whole, REQUEST).held) {
      this.#isFaulty = false;
      const parts = this.#envelope.split(ofResource, GROUP);
      this.#store(
        parts,
        parts.held.flatMap((scope) => this.#scope(scope, parts.fault)),
      );
    }
  }

  #scope(scope: Held, faultAround: string | null): OpenedScope[] {
    const { source, held, fault: ownFault } = this.#envelope.split(scope, SCOPED);
    const fault = faultAround ?? ownFault;
    const metrics = held.flatMap((metric) => this.#metric(metric, fault));
    this.#isFaulty ||= fault !== null;
    return fault === null ? [{ source, metrics }] : [];
  }

  /** A metric with the points of it that are good; none when it, or what it is in, is not. */
  #metric(metric: Held, faultAround: string | null): OfMetric[] {
    const parts = this.#envelope.split(metric, METRIC);
    const opened = parts.held.map((held) => {
      const data = DATA.get(held.number);
      if (data === undefined) throw new Error('a metric holds what no level says');
      return { held, parts: this.#envelope.split(held, data.level), point: data.point };
    });
    const isMixed = opened.some(({ held }) => held.number !== opened[0]?.held.number);
    const fault =
      faultAround ??
      parts.fault ??
      opened.find((data) => data.parts.fault !== null)?.parts.fault ??
      (isMixed ? 'metric: more than one kind of data' : null);
    if (fault !== null) {
      this.#isFaulty = true;
      this.rejections.add(
        fault,
        opened.reduce((sum, data) => sum + data.parts.held.length, 0),
      );
      return [];
    }
    const data = opened.map(({ held, parts: ofData, point }) => ({
      number: held.number,
      source: ofData.source,
      points: ofData.held.flatMap((range) => {
        const timeNs = this.#point(range, point);
        return timeNs === null ? [] : [{ range, timeNs }];
      }),
    }));
    return [{ source: parts.source, data }];
  }

  /** The time of a good point (0: it says none); null: it was refused. */
  #point(range: Held, schema: MessageSchema): bigint | null {
    const { walk } = this.#envelope;
    const { reader } = walk;
    let timeNs = 0n;
    try {
      reader.pos = range.start;
      while (reader.pos < range.end) {
        const tag = readTag(reader);
        if (tag === TIME_TAG && reader.pos + 8 <= range.end) timeNs = BigInt(reader.fixed64());
        else checkElement(walk, range.end, schema, tag, 1);
      }
      return timeNs;
    } catch (error) {
      this.#isFaulty = true;
      this.rejections.add(reasonOf(error));
      return null;
    }
  }

  #store(parts: Parts, scopes: readonly OpenedScope[]): void {
    const { bytes } = this.#envelope.walk;
    const resource: SourceSlice = { part: 'resource', bytes: join(bytes, parts.source) };
    const elements = parts.held.map(({ from, end }) => ({ start: from, end }));
    const writer = new BatchWriter(bytes, { maxBytes: MAX_BATCH_BYTES, maxPoints: MAX_BATCH_POINTS });
    for (const scope of scopes) {
      writer.scope(scope.source);
      for (const metric of scope.metrics) writer.metric(metric);
    }
    const batches = writer.finish();
    const [first] = batches;
    if (first === undefined) return;
    const isWhole = !this.#isFaulty && batches.length === 1 && lengthOf(elements) <= MAX_BATCH_BYTES;
    if (isWhole) this.batches.push({ ...first, resource, bytes: join(bytes, elements) });
    else for (const batch of batches) this.batches.push({ ...batch, resource });
  }
}
