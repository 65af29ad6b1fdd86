import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata } from './metadata.js';
import { longParameters, pageFields } from './page.js';
import {
  Checksum,
  NullableInteger,
  NullableOneOf,
  NullableString,
  NullableTimestamp,
  OneOf,
  Timestamp,
} from './scalars.js';

/** What tied metrics to a run, the strongest first (OTLP.md 5.2); `service.name` ties them to the service alone. */
export const JOIN_RULES = [
  'service.instance.id',
  'process.pid+host.id',
  'container.id',
  'k8s.pod.uid',
  'host.id',
  'host.name',
  'binding',
  'service.name',
] as const;
export type JoinRule = (typeof JOIN_RULES)[number];

export const METRIC_KINDS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] as const;

const NullableNumber = Type.Unsafe<number | null>({ type: ['number', 'null'] });
const Said = (what: string) => ({ ...NullableNumber, description: what });

/** Whose metrics they are. */
const Source = Type.Object(
  {
    service: NullableString,
    instance: { ...NullableString, description: 'service.instance.id' },
    host_id: { ...NullableString, description: 'host.id' },
  },
  { additionalProperties: false },
);

/** One measurement, with the record it stands in. */
const TelemetryPoint = Type.Object(
  {
    timestamp: Timestamp,
    placement: { ...OneOf(['BEFORE', 'DURING', 'AFTER']), description: 'Where it lies of the run.' },
    value: Said(
      'As sent; of a histogram or summary its count. Null: no value was recorded, or can be derived, at this time.',
    ),
    rate: Said('Of a sum that only grows: by how much a second since the point before, or since it was reset.'),
    leaf_index: Type.Integer({ minimum: 0 }),
    checksum: Checksum,
    recorded_at: Timestamp,
  },
  { additionalProperties: false },
);

/** A measurement of one span, that stands for a point: the only direct link between a metric and a run. */
const TelemetryExemplar = Type.Object(
  {
    timestamp: Timestamp,
    value: NullableNumber,
    trace_id: Type.String(),
    span_id: NullableString,
    of_run: Type.Boolean({ description: 'The trace is one of the run.' }),
  },
  { additionalProperties: false },
);

/** How a series came about that nobody sent. */
const Derivation = Type.Object(
  {
    of: { ...Type.String(), description: 'The metric that it is made of: seconds of CPU that were not idle.' },
    by: {
      ...OneOf(['ELAPSED_TIME', 'TIME_OF_ALL_MODES']),
      description:
        'What they are divided by: the time that passed, times `cpus`; or, where nothing counts the CPUs, their time in all modes.',
    },
    cpus: NullableInteger,
  },
  { additionalProperties: false },
);

/** One metric with one set of attributes, of one source. */
export const TelemetrySeries = Type.Object(
  {
    metric: Type.String({ description: 'Under the name of semantic conventions, config/telemetry.yaml.' }),
    native_metric: { ...Type.String(), description: 'As sent; of a derived one, what it is made of.' },
    unit: { ...NullableString, description: 'UCUM; where none was sent, the one of the rules.' },
    kind: OneOf(METRIC_KINDS),
    temporality: NullableOneOf(['DELTA', 'CUMULATIVE']),
    attributes: Type.Array(
      Type.Object({ name: Type.String(), value: Type.String() }, { additionalProperties: false }),
      { description: 'Under the names of semantic conventions.' },
    ),
    source: Source,
    joined_by: OneOf(JOIN_RULES),
    derived: {
      ...Type.Union([Derivation, Type.Null()]),
      description: 'Null: it is as sent.',
    },
    statistics_of: {
      ...OneOf(['value', 'rate', 'distribution']),
      description:
        'What min to p99 are of: the values of the points; their rates, of a sum that only grows; the distribution, of a histogram or summary.',
    },
    percentiles: {
      ...NullableOneOf(['OF_POINTS', 'ESTIMATED_FROM_BUCKETS', 'AS_SENT']),
      description: 'How p50 to p99 came about. Null: there are none.',
    },
    count: Said('Measurements in the distribution, else points with a value.'),
    total: Said('Of a sum, by how much it grew; of a distribution, its sum.'),
    min: NullableNumber,
    max: NullableNumber,
    mean: NullableNumber,
    p50: NullableNumber,
    p95: NullableNumber,
    p99: NullableNumber,
    since: {
      ...NullableTimestamp,
      description:
        'Of a cumulative one, from when on total and distribution are: a point before the run, else the start of the series.',
    },
    resets: Type.Integer({ minimum: 0, description: 'How often a cumulative one began anew.' }),
    points: Type.Array(TelemetryPoint),
    points_left_out: Type.Integer({ minimum: 0, description: 'Later points that are in the figures and not shown.' }),
    exemplars: Type.Array(TelemetryExemplar, { maxItems: 16 }),
    leaf_index: Type.Integer({ minimum: 0, description: 'Of the newest record that it is made of.' }),
    checksum: Checksum,
    recorded_at: Timestamp,
  },
  { additionalProperties: false },
);
export type TelemetrySeries = Static<typeof TelemetrySeries>;

/** Endpoint 9. */
export const RunTelemetry = Type.Object(
  {
    run_id: Type.String(),
    status: {
      ...OneOf(['collected', 'collected_unattributed', 'telemetry_not_collected']),
      description: 'collected_unattributed: there are metrics of that time, and nothing ties them to this run itself.',
    },
    reason: { ...NullableString, description: 'Why it is not collected, or what is to be known of it.' },
    join_rule: { ...NullableOneOf(JOIN_RULES), description: 'The strongest that matched.' },
    window: Type.Object(
      {
        from: Timestamp,
        to: Timestamp,
        started_at: Timestamp,
        ended_at: Timestamp,
        nearest_only: Type.Boolean({
          description: 'No point lies in the run: those before and after it are shown, as near as there are.',
        }),
        complete: Type.Boolean({ description: 'False: the window holds more records than one answer reads.' }),
      },
      { additionalProperties: false },
    ),
    series: Type.Array(Type.Union([TelemetrySeries, CompromisedItem])),
    available_data: Type.Object(
      {
        resource: { ...OneOf(['recorded', 'not_recorded']), description: 'Of the spans of the run.' },
        records: Type.Integer({ minimum: 0, description: 'Of metrics in the window, of any source, at most 1,000.' }),
        services: Type.Array(Type.String(), { maxItems: 20, description: 'That sent some of them.' }),
      },
      { additionalProperties: false },
    ),
    provisional: Type.Boolean({ description: 'The run is still open.' }),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type RunTelemetry = Static<typeof RunTelemetry>;

/** Parameters of endpoint 9. */
export const RunTelemetryQuery = Type.Object(longParameters, { additionalProperties: false });
export type RunTelemetryQuery = Static<typeof RunTelemetryQuery>;
