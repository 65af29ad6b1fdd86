import { Type, type Static } from 'typebox';
import { ContentState } from './envelope.js';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata } from './metadata.js';
import { longParameters, pageFields } from './page.js';
import { COST_SOURCES } from './run.js';
import {
  Checksum,
  ContentHash,
  Money,
  NullableInteger,
  NullableString,
  NullableTimestamp,
  OneOf,
  Timestamp,
} from './scalars.js';

export const STEP_KINDS = [
  'LLM',
  'TOOL',
  'AGENT',
  'HANDOFF',
  'RETRIEVAL',
  'EMBEDDING',
  'GUARDRAIL',
  'EVALUATION',
  'CHAIN',
  'INFRA',
  'OTHER',
] as const;
export const STEP_STATUSES = ['UNSET', 'OK', 'ERROR'] as const;

/** First bytes of an input or output that a trace shows; the rest is named by length and hash. */
export const MAX_IO_BYTES = 64 << 10;

/** An input or output of a step, in the producer's own form, after redaction. */
export const StepContent = Type.Object(
  {
    text: Type.String({ description: 'At most the first 64 KiB, cut at a character.' }),
    mime_type: NullableString,
    bytes: Type.Integer({ minimum: 0, description: 'Length of the whole, in UTF-8 bytes.' }),
    truncated: Type.Boolean({ description: 'There is more than `text` shows.' }),
    hash: ContentHash,
  },
  { additionalProperties: false },
);
export type StepContent = Static<typeof StepContent>;

const Redaction = Type.Object(
  {
    rule: Type.String({ description: 'The rule that took it out.' }),
    path: Type.String({ description: 'Where it stood.' }),
    size_class: Type.Integer({ minimum: 0, description: 'Its length in bytes, up to the next power of two.' }),
  },
  { additionalProperties: false },
);

/** One step of a run: a span, as its leaf and body say it (CONTRACT.md 3.3). */
export const Step = Type.Object(
  {
    step_index: Type.Integer({ minimum: 0, description: 'Place in tree order: parents first, siblings by start.' }),
    trace_id: Type.String({
      description: 'A run may have steps in several traces; a span id tells them apart only within one.',
    }),
    span_id: Type.String(),
    parent_span_id: NullableString,
    depth: Type.Integer({ minimum: 0, description: 'How many steps are above it.' }),
    kind: { ...OneOf(STEP_KINDS), description: 'By the mapping, docs/mapping.md.' },
    name: { ...NullableString, description: 'Null: not shown to this credential, or there is none.' },
    status: { ...OneOf(STEP_STATUSES), description: 'OTLP status as sent.' },
    outcome_category: { ...OneOf(['SUCCESS', 'FAILURE']), description: 'Whether it failed.' },
    started_at: Timestamp,
    ended_at: NullableTimestamp,
    duration_ms: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
    provider: NullableString,
    model: NullableString,
    tool: NullableString,
    input_tokens: NullableInteger,
    output_tokens: NullableInteger,
    cached_tokens: NullableInteger,
    reasoning_tokens: NullableInteger,
    cost_usd: Money,
    cost_source: {
      ...OneOf(COST_SOURCES),
      description: 'REPORTED by the sender; else PRICED by the price book; else UNKNOWN.',
    },
    retry_count: { ...NullableInteger, description: 'How often it was tried again, as the sender says.' },
    late: Type.Boolean({ description: 'Arrived after the run was first sealed.' }),
    foreign: Type.Boolean({
      description:
        'Sent with a key that is not bound to its service: it changes nothing. An own step may have the same id.',
    }),
    conflict: Type.Boolean({
      description: 'The producer sent this span again with other content; the first copy is shown.',
    }),
    input: Type.Optional(
      Type.Union([StepContent, Type.Null()], { description: 'With fields=io. Null: not sent, or gone.' }),
    ),
    output: Type.Optional(Type.Union([StepContent, Type.Null()], { description: 'As input.' })),
    input_hash: {
      ...ContentHash,
      description:
        'Hash of the whole input under a key of the tenant. Null: none was sent, or not shown to this credential.',
    },
    output_hash: ContentHash,
    redactions: Type.Array(Redaction, { description: 'What was taken out before anything was stored.' }),
    content: {
      ...ContentState,
      description: 'As sent; with redactions; erased or past its retention: the leaf stays, the content is gone.',
    },
    error: { ...NullableString, description: 'Of a failed step: the type of its error and what was said of it.' },
    leaf_index: Type.Integer({ minimum: 0 }),
    checksum: Checksum,
    recorded_at: Timestamp,
  },
  { additionalProperties: false },
);
export type Step = Static<typeof Step>;

/** O2, how a run went, step by step. */
export const RunTrace = Type.Object(
  {
    run_id: Type.String(),
    trace_id: NullableString,
    steps: Type.Array(Type.Union([Step, CompromisedItem])),
    total_steps: Type.Integer({ minimum: 0 }),
    total_duration_ms: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
    total_tokens: NullableInteger,
    total_cost_usd: Money,
    provisional: Type.Boolean(),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type RunTrace = Static<typeof RunTrace>;

/** Parameters of the trace. */
export const RunTraceQuery = Type.Object(
  {
    kind: Type.Optional({ ...OneOf(STEP_KINDS), description: 'Kind of step, e.g. TOOL' }),
    status: Type.Optional({ ...OneOf(STEP_STATUSES), description: 'OTLP status as sent, e.g. ERROR' }),
    from_step: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10 ** 7, description: 'First step_index to show, e.g. 10' }),
    ),
    span_id: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{16}$', description: '16 lower-case hex digits, e.g. 00f067aa0ba902b7' }),
    ),
    fields: Type.Optional({ ...OneOf(['io']), description: 'io: with inputs and outputs. E.g. io' }),
    ...longParameters,
  },
  { additionalProperties: false },
);
export type RunTraceQuery = Static<typeof RunTraceQuery>;
