import { Type, type Static } from 'typebox';
import { Checksum, NullableString, NullableTimestamp, OneOf, Timestamp } from './scalars.js';

/** DURABLE: committed and numbered. COVERED: below a signed checkpoint (INTEGRITY.md). */
export const RecordState = {
  ...OneOf(['DURABLE', 'COVERED']),
  description: 'Committed and numbered; below a signed checkpoint.',
};
/** SELF_ATTESTED until a sink outside this installation confirmed a checkpoint that covers the record: EXTERNALLY_HELD (docs/decisions/0015). */
const Tier = {
  ...OneOf(['SELF_ATTESTED', 'EXTERNALLY_HELD']),
  description: 'Whether a place outside of this installation holds a checkpoint that covers it.',
};

const spine = {
  tenant_id: Type.String({ description: 'Owner of the record.' }),
  run_id: { ...NullableString, description: 'The run it belongs to.' },
  human_actor_id: {
    ...NullableString,
    description: 'Token of the human who caused it. Human, agent and system: those that the record names.',
  },
  agent_id: { ...NullableString, description: 'The agent that caused it.' },
  system_id: { ...NullableString, description: 'The system that caused it.' },
  actor_basis: {
    ...OneOf(['AUTHENTICATED', 'OBSERVED', 'CLAIMED']),
    description: 'Known by a credential of ours; from the transport; from what a producer sent.',
  },
  occurred_at: { ...Timestamp, description: 'When it happened, as whoever sent it says.' },
  recorded_at: { ...Timestamp, description: 'When it was stored here; never the time of the request.' },
  timezone: OneOf(['UTC']),
  trace_id: NullableString,
  correlation_id: { ...NullableString, description: 'What it has in common with others, as the producer says.' },
  export_id: NullableString,
  policy_ids: Type.Array(Type.String(), { maxItems: 100, description: 'Policies that touched it.' }),
  incident_ids: Type.Array(Type.String(), { maxItems: 100, description: 'Incidents that it is part of.' }),
  source_domain: OneOf(['ACTIVITY', 'POLICY', 'INCIDENTS', 'LOGS', 'SYSTEM']),
  source_component: Type.String({
    description: 'What wrote it. Names of ours are reserved: those of producers begin with otlp:',
  }),
  origin: {
    ...OneOf(['SYSTEM', 'HUMAN', 'AGENT', 'MIGRATION', 'REPLAY']),
    description: 'What caused it: human before agent before system.',
  },
  checksum: {
    ...Checksum,
    description:
      'Of a record its hash in the tree: SHA-256 of a zero byte and the leaf. Of an answer the RFC 6962 tree hash of its records’, by log and index.',
  },
  immutable: Type.Boolean({ description: 'Computed: covered by a signed checkpoint, and no open finding.' }),
};

/** EvidenceMetadata of one record (CONTRACT.md 2): its place in a log, and what that log says of it. */
export const RecordMetadata = Type.Object(
  {
    ...spine,
    integrity: Type.Object(
      {
        log: Type.String({ description: 'Its log, by its stored name.' }),
        leaf_index: Type.Integer({ minimum: 0, description: 'Its place in that log.' }),
        state: RecordState,
        covered_at: { ...NullableTimestamp, description: 'When a signed checkpoint first covered it, by our clock.' },
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
        covered_at: { ...NullableTimestamp, description: 'When a signed checkpoint first covered it, by our clock.' },
        tier: Tier,
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type AggregateMetadata = Static<typeof AggregateMetadata>;

/** Whom the tokens of an answer stand for, to whoever may see contents. */
export const Clear = Type.Record(Type.String({ pattern: '^tok_[0-9a-f]{32}$' }), NullableString, {
  additionalProperties: false,
});
