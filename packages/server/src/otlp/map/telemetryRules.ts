/** `config/telemetry.yaml`, compiled: how metrics are read for a run. */
export interface TelemetryRules {
  /** Seconds around a run that belong to its window. */
  readonly marginSeconds: number;
  /** Seconds from the run's window that a point may be away which is shown because there is none nearer. */
  readonly nearestSeconds: number;
  /** Starts of names of metrics that are of the machine. */
  readonly hostMetrics: readonly string[];
  readonly bindings: readonly Binding[];
  /** By each name that a metric comes under. */
  readonly metrics: ReadonlyMap<string, CanonicalMetric>;
  readonly utilizations: readonly UtilizationRule[];
}

/** What share of its CPUs was used, made of CPU time where a source does not send it. All names are canonical. */
export interface UtilizationRule {
  readonly metric: string;
  /** Seconds of CPU by `cpu.mode`, of a sum that only grows. */
  readonly of: string;
  /** Values of `cpu.mode` in which a CPU does nothing. */
  readonly idle: ReadonlySet<string>;
  /** The metric whose `cpu.logical_number` counts the CPUs. */
  readonly cpusOf: string;
}

/** A quantity under its one name. */
export interface CanonicalMetric {
  readonly metric: string;
  /** Where the sender says none. */
  readonly unit: string;
  /** Canonical name of an attribute, by each name it comes under. */
  readonly attributes: ReadonlyMap<string, string>;
}

/** Where a service runs, said by whoever operates it. */
export interface Binding {
  readonly service: string;
  /** Null: in any. */
  readonly environment: string | null;
  readonly to: { readonly by: BindingTarget; readonly value: string };
}

const TARGETS = ['host_id', 'host_name', 'service'] as const;
export type BindingTarget = (typeof TARGETS)[number];

/** Something wrong with the rules, and where: the keys and indexes that lead there. */
interface RulesMistake {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Thrown for rules that cannot be used; names every mistake. */
export class TelemetryRulesRefused extends Error {
  readonly mistakes: readonly RulesMistake[];

  constructor(mistakes: readonly RulesMistake[]) {
    super(`telemetry rules:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** An hour: what is longer ago says nothing of a run. */
const MAX_SECONDS = 3_600;
/** Entries of one list. */
const MAX_ENTRIES = 1_024;

/**
 * Compiles the rules. Strict: what is unknown, missing, twice there or of another form is a mistake.
 * @throws TelemetryRulesRefused naming every mistake.
 */
export function compileTelemetryRules(content: unknown): TelemetryRules {
  const reading = new Reading();
  const file = reading.object(
    content,
    [],
    ['version', 'margin_seconds', 'nearest_seconds', 'host_metrics', 'bindings', 'metrics'],
    ['utilization'],
  );
  if (file['version'] !== 1) reading.refuse(['version'], 'must be 1');
  const rules: TelemetryRules = {
    marginSeconds: reading.seconds(file['margin_seconds'], ['margin_seconds']),
    nearestSeconds: reading.seconds(file['nearest_seconds'], ['nearest_seconds']),
    hostMetrics: reading.texts(file['host_metrics'], ['host_metrics']),
    bindings: reading.list(file['bindings'], ['bindings']).map((entry, at) => reading.binding(entry, ['bindings', at])),
    metrics: reading.metrics(file['metrics']),
    utilizations: reading
      .list(file['utilization'], ['utilization'])
      .map((entry, at) => reading.utilization(entry, ['utilization', at])),
  };
  if (reading.mistakes.length > 0) throw new TelemetryRulesRefused(reading.mistakes);
  return rules;
}

type Path = readonly (string | number)[];

class Reading {
  readonly mistakes: RulesMistake[] = [];

  refuse(path: Path, why: string): void {
    this.mistakes.push({ path, why });
  }

  object(
    value: unknown,
    path: Path,
    required: readonly string[],
    optional: readonly string[] = [],
  ): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse(path, `must have ${[...required, ...optional].join(', ')}`);
      return {};
    }
    const entries = Object.entries(value);
    const known = [...required, ...optional];
    for (const [name] of entries)
      if (!known.includes(name)) this.refuse([...path, name], `is no part of it; there is ${known.join(', ')}`);
    for (const name of required) if (!(name in value)) this.refuse([...path, name], 'is missing');
    return Object.fromEntries(entries);
  }

  list(value: unknown, path: Path): readonly unknown[] {
    if (Array.isArray(value) && value.length <= MAX_ENTRIES) return value;
    if (value !== undefined) this.refuse(path, `must be a list of at most ${MAX_ENTRIES}`);
    return [];
  }

  text(value: unknown, path: Path): string {
    if (typeof value === 'string' && value.length > 0 && value.length <= 256) return value;
    if (value !== undefined) this.refuse(path, 'must be a text of 1 to 256 characters');
    return '';
  }

  texts(value: unknown, path: Path): string[] {
    return this.list(value, path).map((one, at) => this.text(one, [...path, at]));
  }

  seconds(value: unknown, path: Path): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_SECONDS) return value;
    if (value !== undefined) this.refuse(path, `must be whole seconds from 0 to ${MAX_SECONDS}`);
    return 0;
  }

  binding(value: unknown, path: Path): Binding {
    const entry = this.object(value, path, ['service', 'to'], ['environment']);
    const to = Object.entries(this.object(entry['to'], [...path, 'to'], [], TARGETS));
    const [target] = to;
    if (to.length !== 1 || target === undefined) this.refuse([...path, 'to'], 'must name one thing');
    return {
      service: this.text(entry['service'], [...path, 'service']),
      environment:
        entry['environment'] === undefined ? null : this.text(entry['environment'], [...path, 'environment']),
      to: { by: (target?.[0] ?? 'service') as BindingTarget, value: this.text(target?.[1], [...path, 'to']) },
    };
  }

  metrics(value: unknown): ReadonlyMap<string, CanonicalMetric> {
    const metrics = new Map<string, CanonicalMetric>();
    for (const [at, one] of this.list(value, ['metrics']).entries()) {
      const path = ['metrics', at];
      const entry = this.object(one, path, ['metric', 'unit'], ['from', 'attributes']);
      const metric = this.text(entry['metric'], [...path, 'metric']);
      const attributes = this.#attributes(entry['attributes'], [...path, 'attributes']);
      const canonical = { metric, unit: this.text(entry['unit'], [...path, 'unit']), attributes };
      for (const name of [metric, ...this.texts(entry['from'], [...path, 'from'])]) {
        if (metrics.has(name)) this.refuse(path, `${name} stands twice`);
        metrics.set(name, canonical);
      }
    }
    return metrics;
  }

  utilization(value: unknown, path: Path): UtilizationRule {
    const entry = this.object(value, path, ['metric', 'of', 'idle', 'cpus_of']);
    return {
      metric: this.text(entry['metric'], [...path, 'metric']),
      of: this.text(entry['of'], [...path, 'of']),
      idle: new Set(this.texts(entry['idle'], [...path, 'idle'])),
      cpusOf: this.text(entry['cpus_of'], [...path, 'cpus_of']),
    };
  }

  #attributes(value: unknown, path: Path): ReadonlyMap<string, string> {
    const attributes = new Map<string, string>();
    if (value === undefined) return attributes;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse(path, 'must have names of attributes, each with a list of those it comes under');
      return attributes;
    }
    for (const [name, from] of Object.entries(value)) {
      for (const other of this.texts(from, [...path, name])) {
        if (attributes.has(other)) this.refuse([...path, name], `${other} stands twice`);
        attributes.set(other, name);
      }
    }
    return attributes;
  }
}
