import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { EventsLeftOut } from './governance.js';
import { AggregateMetadata } from './metadata.js';
import { longParameters, pageFields, timeFilter } from './page.js';
import {
  Checksum,
  ContentHash,
  Money,
  NullableInteger,
  NullableOneOf,
  NullableString,
  NullableTimestamp,
  OneOf,
  Timestamp,
  Uuid,
} from './scalars.js';
import { REPLAY_SOURCES, Source } from './source.js';
import { ASSOCIATIONS } from './systemEvents.js';

/** Seconds that a replay shows unless told otherwise, and at most. */
export const DEFAULT_WINDOW_SECONDS = 60;
export const MAX_WINDOW_SECONDS = 3_600;

const Actor = Type.Object(
  { type: OneOf(['HUMAN', 'AGENT', 'SYSTEM']), id: Type.String({ description: 'Of a human a token.' }) },
  { additionalProperties: false },
);

const Ref = Type.Object(
  {
    id: { ...Uuid, description: 'Of the record.' },
    log: Type.String(),
    trace_id: NullableString,
    span_id: NullableString,
    policy_id: NullableString,
    rule_id: NullableString,
  },
  { additionalProperties: false },
);

/** One event of a replay: a step, a record of `system`, or a record of governance. */
export const ReplayEvent = Type.Object(
  {
    source: OneOf(REPLAY_SOURCES),
    timestamp: {
      ...Timestamp,
      description:
        'When it began, as the producer says. A step that was under way when the window begins began before it.',
    },
    ended_at: { ...NullableTimestamp, description: 'Of a step that says so.' },
    offset_ms: Type.Number({ description: 'Milliseconds after inflection_timestamp; negative before it.' }),
    step_index: { ...NullableInteger, description: 'The step, or the one that governance is bound to.' },
    kind: Type.String({ description: 'Kind of step; event type; category of governance, else its event type.' }),
    action: { ...NullableString, description: 'Tool or name of the step; name of the event; type of governance.' },
    detail: {
      ...NullableString,
      description: 'Of a failed step its error; of a system record its summary; of governance the verdict as sent.',
    },
    outcome: { ...NullableString, description: 'SUCCESS or FAILURE of a step; decision of governance.' },
    severity: NullableOneOf(['INFO', 'WARN', 'CRITICAL']),
    tokens: { ...NullableInteger, description: 'In and out.' },
    cost_usd: Money,
    duration_ms: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
    input_hash: { ...ContentHash, description: 'Two calls of one hash were given the same.' },
    retry: { ...NullableInteger, description: 'How often it had been tried before.' },
    association: { ...NullableOneOf(ASSOCIATIONS), description: 'Of a system record, how it belongs to the run.' },
    events_left_out: EventsLeftOut,
    actor: Type.Union([Actor, Type.Null()]),
    ref: Ref,
    leaf_index: Type.Integer({ minimum: 0 }),
    checksum: Checksum,
    recorded_at: Timestamp,
  },
  { additionalProperties: false },
);
export type ReplayEvent = Static<typeof ReplayEvent>;

const replayFields = {
  run_id: Type.String(),
  inflection_timestamp: { ...Timestamp, description: 'Where the run turned, by its newest RUN leaf.' },
  inflection_reason: { ...NullableString, description: 'Null: it has no step with a time.' },
  window_start: Timestamp,
  window_end: { ...Timestamp, description: 'Half open: what happened at it is not in the window.' },
  sources: Type.Array(Source),
  events: Type.Array(Type.Union([ReplayEvent, CompromisedItem]), {
    description:
      'By time; at one moment llm, system, policy; of one source steps by step_index, records by log and leaf.',
  }),
  traces_left_out: Type.Integer({
    minimum: 0,
    description: 'Traces of the run beyond the first 4,096, by which no system record was looked for.',
  }),
  provisional: Type.Boolean({
    description: 'True while the run is open: it turned, for now, at its last event, and more may come.',
  }),
  ...pageFields,
  metadata: AggregateMetadata,
};

/** Endpoint 5: what happened around the turning point of a run. A query over its records, never stored (INV-LOG-REPLAY-001). */
export const RunReplay = Type.Object(replayFields, { additionalProperties: false });
export type RunReplay = Static<typeof RunReplay>;

/** Endpoint 11: the system lane of it, by the same window and clock. */
export const SystemReplay = Type.Object(replayFields, { additionalProperties: false });
export type SystemReplay = Static<typeof SystemReplay>;

/** Parameters of both. */
export const ReplayQuery = Type.Object(
  {
    window_seconds: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: MAX_WINDOW_SECONDS,
        default: DEFAULT_WINDOW_SECONDS,
        description: 'Seconds shown, half of them before the middle, e.g. 300',
      }),
    ),
    at: Type.Optional(
      timeFilter(
        'Middle of the window, in place of the turning point; at most window_seconds outside of the run',
        '2026-11-20T00:00:00Z',
      ),
    ),
    ...longParameters,
  },
  { additionalProperties: false },
);
export type ReplayQuery = Static<typeof ReplayQuery>;
