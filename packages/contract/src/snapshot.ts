import { Type, type Static } from 'typebox';
import { Proof } from './envelope.js';
import { RecordMetadata } from './metadata.js';
import { Checksum, ContentHash, NullableString, NullableTimestamp, OneOf, Timestamp, Uuid } from './scalars.js';

const Attributes = Type.Array(
  Type.Object(
    {
      name: Type.String(),
      value: {
        ...NullableString,
        description:
          'A list, a map or bytes as JSON; at most 1,024 characters. Null: it has no value, or redaction took it out.',
      },
    },
    { additionalProperties: false },
  ),
);

/** Attributes of a resource by what they are about; `sdk` is `telemetry.*`. */
export const ResourceGroups = Type.Object(
  {
    service: Attributes,
    host: Attributes,
    os: Attributes,
    process: Attributes,
    container: Attributes,
    k8s: Attributes,
    cloud: Attributes,
    sdk: Attributes,
    other: Attributes,
  },
  { additionalProperties: false },
);
export type ResourceGroups = Static<typeof ResourceGroups>;

/** The last STARTUP, DEPLOY or CONFIG_CHANGE of the instance before the run. */
const Change = Type.Object(
  {
    id: Uuid,
    event_type: OneOf(['STARTUP', 'DEPLOY', 'CONFIG_CHANGE']),
    event_name: NullableString,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    leaf_index: Type.Integer({ minimum: 0 }),
    checksum: Checksum,
  },
  { additionalProperties: false },
);
export type SnapshotChange = Static<typeof Change>;

/** Endpoint 8: the environment a run ran in, as its own spans say it. */
export const RunSnapshot = Type.Object(
  {
    run_id: Type.String(),
    status: OneOf(['recorded', 'not_recorded']),
    reason: { ...NullableString, description: 'Why nothing is recorded.' },
    id: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'Of the RESOURCE record.' }),
    resource: Type.Union([ResourceGroups, Type.Null()]),
    attributes_left_out: Type.Integer({ minimum: 0, description: 'Beyond the first 256; they are in the record.' }),
    fingerprint: {
      ...ContentHash,
      description:
        'Over all attributes by name: the same for the same environment, whenever it was recorded. Keyed per tenant.',
    },
    last_change: Type.Union([Change, Type.Null()]),
    checksum: Type.Unsafe<string | null>({ type: ['string', 'null'], pattern: '^sha256:[0-9a-f]{64}$' }),
    leaf_index: Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0 }),
    recorded_at: NullableTimestamp,
    proof: Type.Union([Proof, Type.Null()]),
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type RunSnapshot = Static<typeof RunSnapshot>;
