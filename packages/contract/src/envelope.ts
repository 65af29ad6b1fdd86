import { Type, type Static } from 'typebox';
import { RecordMetadata } from './metadata.js';
import { runFields } from './run.js';
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

export const TERMINATION_REASONS = [
  'completed',
  'policy_block',
  'budget_exceeded',
  'rate_limited',
  'user_abort',
  'system_failure',
  'timeout',
] as const;

/**
 * Inclusion proof of one leaf (RFC 6962 2.1.1) against the first stored checkpoint that covers it:
 * SHA-256(0x00 ‖ leaf) at `index`, with `path`, gives the root that `checkpoint` signs for `size`.
 */
export const Proof = Type.Object(
  {
    leaf: Type.String({ description: 'The exact bytes, base64.' }),
    index: Type.Integer({ minimum: 0 }),
    size: NullableInteger,
    path: Type.Array(Type.String({ description: '32 bytes, base64.' }), { maxItems: 64 }),
    checkpoint: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'C2SP signed note; null until a checkpoint covers the leaf, which takes about a second.',
    }),
  },
  { additionalProperties: false },
);
export type Proof = Static<typeof Proof>;

/** One sealing of a run. Revision 0 is its OPENED leaf. */
const Revision = Type.Object(
  {
    revision: Type.Integer({ minimum: 0 }),
    id: Uuid,
    recorded_at: Timestamp,
    checksum: Checksum,
    leaf_index: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
);

export const Retention = Type.Object(
  {
    class: Type.String({ description: 'Whose term it has.' }),
    until: { ...NullableTimestamp, description: 'When that term ends.' },
    holds: Type.Array(Type.String(), { description: 'What keeps it beyond.' }),
  },
  { additionalProperties: false },
);

/** FULL as sent; REDACTED before the first durable write; ERASED and EXPIRED: the leaf stays, the content is gone. */
export const ContentState = OneOf(['FULL', 'REDACTED', 'ERASED', 'EXPIRED']);
export type ContentState = Static<typeof ContentState>;

const Counted = (what: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0, description: `${what} Null: not counted.` });

/** What is odd about what producers sent. About them, never about us: it touches neither findings nor `immutable`. */
const Anomalies = Type.Object(
  {
    conflicts: Counted('Spans that were sent again with other content; the first copy counts.'),
    foreign_steps: Counted('Steps sent with a key that is not bound to their service: kept, and they change nothing.'),
    skewed_steps: Counted('Steps that end before they start, or start over a minute after they came in.'),
    cut_links: Counted('Parent links that would close a circle and are not followed.'),
    hints_left_out: Counted('Runs that steps name beyond the 64 a trace may be part of.'),
    steps_not_read: Counted('Steps beyond the 100,000 that figures are made of: counted and proven, nothing else.'),
    late_steps: Counted('Steps that came after the run was first sealed.'),
  },
  { additionalProperties: false },
);

/** O1, the canonical record of a run (CONTRACT.md 3.2): `id`, checksum, time and proof are those of its newest RUN leaf, before the first seal of OPENED. */
export const RunEnvelope = Type.Object(
  {
    ...runFields,
    superseded_run_id: {
      ...NullableString,
      description: 'The id that was asked for, when the run of that id turned out to be part of this one.',
    },
    trace_ids: Type.Array(Type.String(), {
      maxItems: 64,
      description: 'The first 64 traces it has steps in, by their first step.',
    }),
    trace_count: Type.Integer({ minimum: 0 }),
    reported_cost_usd: { ...Money, description: 'What the sender reports, as an exact decimal.' },
    priced_cost_usd: {
      ...Money,
      description: 'What the price book gives for the calls it has a price of, those with a reported cost too.',
    },
    price_book: { ...NullableString, description: 'Name and version, e.g. genai-prices/0.1.8.' },
    unpriced_calls: {
      ...NullableInteger,
      description: 'Calls with neither a reported cost nor a price; with any, cost_usd is null.',
    },
    mapping_version: { ...NullableInteger, description: 'Of the mapping that the figures were made with.' },
    merged_calls: {
      ...NullableInteger,
      description: 'Steps whose usage is left out because another instrumentation reported the same call.',
    },
    prompt_hash: { ...ContentHash, description: 'Of what went in, under a key of the tenant.' },
    response_hash: { ...ContentHash, description: 'Of what came out.' },
    cached_tokens: NullableInteger,
    cache_write_tokens: NullableInteger,
    reasoning_tokens: NullableInteger,
    finish_reasons: Type.Array(Type.String()),
    root_missing: Type.Unsafe<boolean | null>({
      type: ['boolean', 'null'],
      description: 'True: it was sealed without its root span. Null until it is sealed.',
    }),
    revision: Type.Integer({ minimum: 0, description: 'Which sealing this is; 0: it was only opened.' }),
    revisions: Type.Array(Revision, { description: 'All of its records: how it was opened, and each sealing.' }),
    termination_reason: { ...NullableOneOf(TERMINATION_REASONS), description: 'Why it ended. Null: not known.' },
    environment_fingerprint: {
      ...NullableString,
      description: 'sha256: of the resource that its root step names: equal resources have equal ones.',
    },
    content: ContentState,
    retention: Retention,
    anomalies: Anomalies,
    proof: Proof,
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type RunEnvelope = Static<typeof RunEnvelope>;
