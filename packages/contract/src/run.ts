import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata, RecordMetadata } from './metadata.js';
import { listParameters, pageFields, textFilter } from './page.js';
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
    reason: Type.String({ description: 'What turned it: what went wrong first, else its end.' }),
    step_index: { ...NullableInteger, description: 'The step at which it turned.' },
    span_id: NullableString,
    observed: { ...NullableString, description: 'Of a limit: what was measured.' },
    threshold: { ...NullableString, description: 'Of a limit: the limit.' },
    actor: NullableString,
  },
  { additionalProperties: false },
);
export type Inflection = Static<typeof Inflection>;

/** What a run is, wherever it is shown (CONTRACT.md 3.1). Unknown is null, never 0 and never a guess. */
export const runFields = {
  id: { ...Uuid, description: 'Of its newest record: log and index, as a UUID.' },
  run_id: Type.String({ description: 'As its vendor or sworn.run.id names it, else its trace id.' }),
  trace_id: { ...NullableString, description: 'The trace in which it was first seen.' },
  conversation_id: { ...NullableString, description: 'Conversation or session.' },
  executor_type: { ...NullableOneOf(EXECUTOR_TYPES), description: 'What ran.' },
  executor_id: { ...NullableString, description: 'Its name or id, a human’s as a token.' },
  service: { ...NullableString, description: 'service.name of its resource.' },
  environment: { ...NullableString, description: 'deployment.environment.name of its resource.' },
  release: { ...NullableString, description: 'service.version of its resource.' },
  provider: NullableString,
  model: NullableString,
  input_tokens: NullableInteger,
  output_tokens: NullableInteger,
  cost_usd: { ...Money, description: 'US dollars. Null when the cost of any call is not known.' },
  cost_source: { ...OneOf(COST_SOURCES), description: 'Reported by the sender; made with the price book; not known.' },
  execution_status: { ...OneOf(EXECUTION_STATUSES), description: 'How far it got.' },
  outcome: { ...NullableOneOf(OUTCOMES), description: 'How it ended. Null while it runs.' },
  waiting_for: {
    ...NullableString,
    description: 'What a sealed run that is not over waits for: approval or tool_call.',
  },
  resumed_by: { ...NullableString, description: 'The run that went on where this one waited.' },
  started_at: Timestamp,
  last_activity_at: NullableTimestamp,
  completed_at: NullableTimestamp,
  duration_ms: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
  total_steps: NullableInteger,
  had_errors: { ...NullableBoolean, description: 'Whether any step failed.' },
  inflection: Type.Union([Inflection, Type.Null()], { description: 'Its turning point.' }),
  source: { ...NullableOneOf(RUN_SOURCES), description: 'What it came from.' },
  is_synthetic: Type.Boolean({ description: 'Of a tenant that is synthetic, never because a sender says so.' }),
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
    examined_limit_reached: Type.Boolean({
      description:
        'True: the page examined its 20,000 rows and ends there, short or empty although more may match; go on with next_cursor.',
    }),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type RunList = Static<typeof RunList>;

/** Parameters of the list of runs. */
export const RunListQuery = Type.Object(
  {
    run_id: Type.Optional(textFilter('Run id', '4bf92f3577b34da6a3ce929d0e0e4736')),
    trace_id: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{32}$',
        description: '32 lower-case hex digits, e.g. 4bf92f3577b34da6a3ce929d0e0e4736',
      }),
    ),
    conversation_id: Type.Optional(textFilter('Conversation or session id', 'chat-42')),
    correlation_id: Type.Optional(textFilter('Correlation id that the producer sent', 'case-17')),
    agent_id: Type.Optional(textFilter('Agent id or name', 'support-agent')),
    human_actor_id: Type.Optional(
      textFilter('Human id in clear, or its token', 'jane or tok_0123456789abcdef0123456789abcdef'),
    ),
    provider: Type.Optional(textFilter('Provider', 'openai')),
    model: Type.Optional(textFilter('Model', 'gpt-4o')),
    tool: Type.Optional(textFilter('Name of a tool the run used', 'search')),
    service: Type.Optional(textFilter('Service name', 'shop')),
    environment: Type.Optional(textFilter('Deployment environment', 'production')),
    release: Type.Optional(textFilter('Release', '1.4.2')),
    execution_status: Type.Optional({ ...OneOf(EXECUTION_STATUSES), description: 'How far the run got, e.g. FAILED' }),
    outcome: Type.Optional({ ...OneOf(OUTCOMES), description: 'How the run ended, e.g. FAILURE' }),
    error_type: Type.Optional(textFilter('Error type', 'RateLimitError')),
    policy_id: Type.Optional(textFilter('Policy id', 'pii-7')),
    incident_id: Type.Optional(textFilter('Incident id', 'inc-2026-031')),
    had_errors: Type.Optional(Type.Boolean({ description: 'Whether any step failed, e.g. true' })),
    is_synthetic: Type.Optional(Type.Boolean({ description: 'Whether it is of a synthetic tenant, e.g. false' })),
    source: Type.Optional({ ...OneOf(RUN_SOURCES), description: 'What the run came from, e.g. SDK' }),
    min_cost_usd: Type.Optional(
      Type.String({
        pattern: '^\\d{1,6}(\\.\\d{1,9})?$',
        description: 'US dollars at least, plain decimal, e.g. 0.05',
      }),
    ),
    min_duration_ms: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10 ** 12, description: 'Milliseconds at least, e.g. 2000' }),
    ),
    ...listParameters,
  },
  { additionalProperties: false },
);
export type RunListQuery = Static<typeof RunListQuery>;
