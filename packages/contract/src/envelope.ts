import { Type, type Static } from 'typebox';
import { RecordMetadata } from './metadata.js';
import { runFields } from './run.js';
import {
  Checksum,
  ContentHash,
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

const Retention = Type.Object(
  { class: Type.String(), until: NullableTimestamp, holds: Type.Array(Type.String()) },
  { additionalProperties: false },
);

/** FULL as sent; REDACTED before the first durable write; ERASED and EXPIRED: the leaf stays, the content is gone. */
export const ContentState = OneOf(['FULL', 'REDACTED', 'ERASED', 'EXPIRED']);
export type ContentState = Static<typeof ContentState>;

/** O1, the canonical record of a run (CONTRACT.md 3.2): `id`, checksum, time and proof are those of its newest RUN leaf, before the first seal of OPENED. */
export const RunEnvelope = Type.Object(
  {
    ...runFields,
    prompt_hash: ContentHash,
    response_hash: ContentHash,
    cached_tokens: NullableInteger,
    cache_write_tokens: NullableInteger,
    reasoning_tokens: NullableInteger,
    finish_reasons: Type.Array(Type.String()),
    root_missing: Type.Unsafe<boolean | null>({ type: ['boolean', 'null'] }),
    revision: Type.Integer({ minimum: 0 }),
    revisions: Type.Array(Revision),
    termination_reason: NullableOneOf(TERMINATION_REASONS),
    environment_fingerprint: NullableString,
    content: ContentState,
    retention: Retention,
    proof: Proof,
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type RunEnvelope = Static<typeof RunEnvelope>;
