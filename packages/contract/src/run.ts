import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata, RecordMetadata } from './metadata.js';
import { listParameters, pageFields, TextFilter } from './page.js';
import {
  Money,
  NullableBoolean,
  NullableInteger,
  NullableOneOf,
  NullableString,
  NullableTimestamp,
  OneOf,
  Timestamp,
  Uuid,
} from './scalars.js';

export const EXECUTION_STATUSES = ['RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'TIMEOUT'] as const;
export const OUTCOMES = ['SUCCESS', 'FAILURE', 'NEAR_THRESHOLD', 'TERMINATED'] as const;
export const RUN_SOURCES = ['API', 'SDK', 'SYSTEM', 'SYNTHETIC', 'WORKER'] as const;
export const EXECUTOR_TYPES = ['LLM', 'AGENT', 'HUMAN'] as const;
export const COST_SOURCES = ['REPORTED', 'PRICED', 'UNKNOWN'] as const;

/** The turning point of a run, where one was recorded. */
export const Inflection = Type.Object(
  {
    timestamp: Timestamp,
    reason: Type.String(),
    step_index: NullableInteger,
    span_id: NullableString,
    observed: NullableString,
    threshold: NullableString,
    actor: NullableString,
  },
  { additionalProperties: false },
);
export type Inflection = Static<typeof Inflection>;

/** What a run is, wherever it is shown (CONTRACT.md 3.1). Unknown is null, never 0 and never a guess. */
export const runFields = {
  id: Uuid,
  run_id: Type.String(),
  trace_id: NullableString,
  conversation_id: NullableString,
  executor_type: NullableOneOf(EXECUTOR_TYPES),
  executor_id: NullableString,
  service: NullableString,
  environment: NullableString,
  release: NullableString,
  provider: NullableString,
  model: NullableString,
  input_tokens: NullableInteger,
  output_tokens: NullableInteger,
  cost_usd: Money,
  cost_source: OneOf(COST_SOURCES),
  execution_status: OneOf(EXECUTION_STATUSES),
  outcome: NullableOneOf(OUTCOMES),
  waiting_for: NullableString,
  started_at: Timestamp,
  last_activity_at: NullableTimestamp,
  completed_at: NullableTimestamp,
  duration_ms: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
  total_steps: NullableInteger,
  had_errors: NullableBoolean,
  inflection: Type.Union([Inflection, Type.Null()]),
  source: NullableOneOf(RUN_SOURCES),
  is_synthetic: Type.Boolean(),
  provisional: Type.Boolean({
    description:
      'True while the run is open: the figures come from the steps so far and are outside checksum and check.',
  }),
};

/** A run in a list. */
export const RunItem = Type.Object({ ...runFields, metadata: RecordMetadata }, { additionalProperties: false });
export type RunItem = Static<typeof RunItem>;

/** A page of runs, newest first by the place of their OPENED leaf. */
export const RunList = Type.Object(
  {
    items: Type.Array(Type.Union([RunItem, CompromisedItem])),
    total: Type.Optional(
      Type.Integer({ minimum: 0, description: 'With include_total: exact under the same filters and pin.' }),
    ),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type RunList = Static<typeof RunList>;

/** Parameters of the list of runs. */
export const RunListQuery = Type.Object(
  {
    run_id: Type.Optional(TextFilter),
    trace_id: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })),
    conversation_id: Type.Optional(TextFilter),
    correlation_id: Type.Optional(TextFilter),
    agent_id: Type.Optional(TextFilter),
    human_actor_id: Type.Optional({ ...TextFilter, description: 'The value, or its token (tok_…).' }),
    provider: Type.Optional(TextFilter),
    model: Type.Optional(TextFilter),
    tool: Type.Optional(TextFilter),
    service: Type.Optional(TextFilter),
    environment: Type.Optional(TextFilter),
    release: Type.Optional(TextFilter),
    execution_status: Type.Optional(OneOf(EXECUTION_STATUSES)),
    outcome: Type.Optional(OneOf(OUTCOMES)),
    error_type: Type.Optional(TextFilter),
    policy_id: Type.Optional(TextFilter),
    incident_id: Type.Optional(TextFilter),
    had_errors: Type.Optional(Type.Boolean()),
    is_synthetic: Type.Optional(Type.Boolean()),
    source: Type.Optional(OneOf(RUN_SOURCES)),
    min_cost_usd: Type.Optional(
      Type.String({ pattern: '^\\d{1,6}(\\.\\d{1,9})?$', description: 'Plain decimal, US dollars.' }),
    ),
    min_duration_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 ** 12 })),
    ...listParameters,
  },
  { additionalProperties: false },
);
export type RunListQuery = Static<typeof RunListQuery>;
