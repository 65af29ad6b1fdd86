import type { TelemetryRules, UtilizationRule } from '../otlp/map/telemetryRules.js';
import { Attributes } from '../otlp/attributes.js';
import type { PointView } from '../otlp/metricPoint.js';
import { CUMULATIVE, DELTA, stepsOf, valueOf } from './seriesFigures.js';
import type { Derivation, MetricSource, RawSeries, SeriesPoint } from './seriesPoints.js';

const MODE = 'cpu.mode';
const NUMBER = 'cpu.logical_number';

/** The series, by name, and what share of their CPUs was used, of sources that send CPU time and do not say it (OTLP.md 5.2). */
export function withUtilization({ utilizations }: TelemetryRules, series: readonly RawSeries[]): readonly RawSeries[] {
  const derived = utilizations.flatMap((rule) => derivedBy(rule, series));
  if (derived.length === 0) return series;
  return [...series, ...derived].toSorted((a, b) => (a.metric < b.metric ? -1 : a.metric > b.metric ? 1 : 0));
}

function derivedBy(rule: UtilizationRule, series: readonly RawSeries[]): RawSeries[] {
  const sent = new Set(series.filter(({ metric }) => metric === rule.metric).map(({ source }) => nameOf(source)));
  const times = series.filter((one) => one.metric === rule.of && isCounter(one) && !sent.has(nameOf(one.source)));
  const measured = new Map<string, RawSeries[]>();
  for (const one of times) added(measured, measuredAs(one), one);
  return [...measured.values()].flatMap((parts) => {
    const [first] = parts;
    const divisor = first === undefined ? null : divisorOf(rule, parts, series);
    if (first === undefined || divisor === null) return [];
    const points = pointsOf(rule, parts, divisor);
    if (points.every(({ view }) => view.noRecordedValue)) return [];
    const { native, source, scope, joinedBy } = first;
    const attributes = othersOf(first);
    const gauge = { kind: 'gauge', temporality: 0, isMonotonic: false, unit: '1' } as const;
    return [
      {
        ...gauge,
        metric: rule.metric,
        native,
        attributes,
        source,
        scope,
        joinedBy,
        derived: divisor,
        points,
        exemplars: [],
      },
    ];
  });
}

function added<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function isCounter({ kind, temporality, isMonotonic }: RawSeries): boolean {
  return kind === 'sum' && isMonotonic && (temporality === CUMULATIVE || temporality === DELTA);
}

function nameOf({ service, instance, hostId }: MetricSource): string {
  return JSON.stringify([service, instance, hostId]);
}

/** What is the same of all modes and CPUs of one measurement. */
function measuredAs(series: RawSeries): string {
  const { native, temporality, scope, source } = series;
  return JSON.stringify([nameOf(source), scope, native, temporality, othersOf(series)]);
}

function othersOf({ attributes }: RawSeries): RawSeries['attributes'] {
  return attributes.filter(({ name }) => name !== MODE && name !== NUMBER);
}

function valueNamed({ attributes }: RawSeries, attribute: string): string | null {
  return attributes.find(({ name }) => name === attribute)?.value ?? null;
}

/** Null: nothing says of how much the seconds are a share. */
function divisorOf(
  rule: UtilizationRule,
  parts: readonly RawSeries[],
  series: readonly RawSeries[],
): Derivation | null {
  const modes = parts.map((part) => valueNamed(part, MODE));
  // Seconds without a mode stand for all of them: what was idle among them, or beside others, nobody says.
  if (modes.includes(null) && (parts.length > 1 || rule.idle.size > 0)) return null;
  const cpus = rule.cpusOf === rule.of ? cpusAmong(parts) : cpusOfMachine(rule, parts, series);
  if (cpus !== null) return { of: rule.of, by: 'ELAPSED_TIME', cpus };
  const hasIdle = modes.some((mode) => mode !== null && rule.idle.has(mode));
  return hasIdle ? { of: rule.of, by: 'TIME_OF_ALL_MODES', cpus: null } : null;
}

/** Null: they are not numbered. */
function cpusAmong(parts: readonly RawSeries[]): number | null {
  const numbers = new Set(parts.map((part) => valueNamed(part, NUMBER)));
  return numbers.size === 0 || numbers.has(null) ? null : numbers.size;
}

function cpusOfMachine(
  { cpusOf }: UtilizationRule,
  [part]: readonly RawSeries[],
  series: readonly RawSeries[],
): number | null {
  const isThere = ({ source }: RawSeries): boolean =>
    part !== undefined &&
    (nameOf(source) === nameOf(part.source) || (source.hostId !== null && source.hostId === part.source.hostId));
  return cpusAmong(series.filter((one) => one.metric === cpusOf && isThere(one)));
}

/** Seconds of CPU in one mode that came between two moments. */
interface Grown {
  readonly fromNs: bigint;
  readonly seconds: number;
  readonly isIdle: boolean;
  readonly point: SeriesPoint;
}

/** A point at each moment to which a step of any part leads; without a value where not all of them made the same step. */
function pointsOf(rule: UtilizationRule, parts: readonly RawSeries[], divisor: Derivation): SeriesPoint[] {
  const steps = new Map<bigint, Grown[]>();
  for (const part of parts) {
    const isIdle = rule.idle.has(valueNamed(part, MODE) ?? '');
    for (const step of grownIn(part)) {
      added(steps, step.point.view.timeNs, { ...step, isIdle });
    }
  }
  const moments = [...steps].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return moments.map(([timeNs, grown]) => {
    const { batch } = grown.map(({ point }) => point).reduce((a, b) => (a.batch.index > b.batch.index ? a : b));
    const value = grown.length === parts.length ? shareOf(grown, timeNs, divisor) : null;
    return { view: viewOf(timeNs, value), batch };
  });
}

/**
 * Where a series began anew nothing is told: counters of an operating system go on when the process begins anew that reads them, and some of Linux drop by
 * themselves (proc(5), iowait).
 */
function grownIn({ points, temporality }: RawSeries): Omit<Grown, 'isIdle'>[] {
  if (temporality === DELTA)
    return points.flatMap((point) => {
      const seconds = valueOf(point);
      return seconds === null || point.view.startNs === 0n ? [] : [{ fromNs: point.view.startNs, seconds, point }];
    });
  return stepsOf(points, valueOf).flatMap(({ at, from, isReset }) => {
    const [earlier, point] = [points[from] as SeriesPoint, points[at] as SeriesPoint];
    const seconds = (valueOf(point) ?? 0) - (valueOf(earlier) ?? 0);
    return isReset ? [] : [{ fromNs: earlier.view.timeNs, seconds, point }];
  });
}

/** 0 to 1, and a little above where clocks differ; null: they are not of one span of time, or of none. */
function shareOf(grown: readonly Grown[], timeNs: bigint, { by, cpus }: Derivation): number | null {
  const [first] = grown;
  if (first === undefined || grown.some(({ fromNs }) => fromNs !== first.fromNs)) return null;
  const sum = (of: readonly Grown[]): number => of.reduce((all, { seconds }) => all + seconds, 0);
  const whole = by === 'ELAPSED_TIME' ? (Number(timeNs - first.fromNs) / 1e9) * cpus : sum(grown);
  return whole > 0 ? sum(grown.filter(({ isIdle }) => !isIdle)) / whole : null;
}

function viewOf(timeNs: bigint, value: number | null): PointView {
  const nothing = { startNs: 0n, count: null, sum: null, min: null, max: null };
  const none = { attributes: new Attributes([]), buckets: [], quantiles: [], exemplars: [] };
  return { ...nothing, ...none, timeNs, noRecordedValue: value === null, value };
}
