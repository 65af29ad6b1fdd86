import { Type, type Static } from 'typebox';
import { Checksum, NullableString, NullableTimestamp, OneOf, Timestamp } from './scalars.js';

/** DURABLE: committed and numbered. COVERED: below a signed checkpoint (INTEGRITY.md). */
export const RecordState = OneOf(['DURABLE', 'COVERED']);
/** SELF_ATTESTED until a sink outside this installation confirmed a checkpoint that covers the record: EXTERNALLY_HELD (docs/decisions/0015). */
const Tier = OneOf(['SELF_ATTESTED', 'EXTERNALLY_HELD']);

const spine = {
  tenant_id: Type.String({ description: 'Owner of the record.' }),
  run_id: NullableString,
  human_actor_id: NullableString,
  agent_id: NullableString,
  system_id: NullableString,
  actor_basis: OneOf(['AUTHENTICATED', 'OBSERVED', 'CLAIMED']),
  occurred_at: Timestamp,
  recorded_at: Timestamp,
  timezone: OneOf(['UTC']),
  trace_id: NullableString,
  correlation_id: NullableString,
  export_id: NullableString,
  policy_ids: Type.Array(Type.String(), { maxItems: 100 }),
  incident_ids: Type.Array(Type.String(), { maxItems: 100 }),
  source_domain: OneOf(['ACTIVITY', 'POLICY', 'INCIDENTS', 'LOGS', 'SYSTEM']),
  source_component: Type.String(),
  origin: OneOf(['SYSTEM', 'HUMAN', 'AGENT', 'MIGRATION', 'REPLAY']),
  checksum: Checksum,
  immutable: Type.Boolean({ description: 'Computed: covered by a signed checkpoint, and no open finding.' }),
};

/** EvidenceMetadata of one record (CONTRACT.md 2): its place in a log, and what that log says of it. */
export const RecordMetadata = Type.Object(
  {
    ...spine,
    integrity: Type.Object(
      {
        log: Type.String(),
        leaf_index: Type.Integer({ minimum: 0 }),
        state: RecordState,
        covered_at: NullableTimestamp,
        tier: Tier,
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type RecordMetadata = Static<typeof RecordMetadata>;

/** EvidenceMetadata of an answer about many records: values all items share, and the pinned size of every log that was read. */
export const AggregateMetadata = Type.Object(
  {
    ...spine,
    integrity: Type.Object(
      {
        logs: Type.Array(
          Type.Object({ log: Type.String(), size: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }),
        ),
        state: RecordState,
        covered_at: NullableTimestamp,
        tier: Tier,
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type AggregateMetadata = Static<typeof AggregateMetadata>;
