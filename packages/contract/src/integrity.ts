import { Type, type Static } from 'typebox';
import { OpenFinding } from './finding.js';
import { AggregateMetadata } from './metadata.js';
import { formatParameter } from './page.js';
import { NullableInteger, NullableString, NullableTimestamp, OneOf } from './scalars.js';

/** Stored name of a log: its topic, from generation 2 on with its number. */
const LogName = Type.String({
  pattern: '^(llm-runs|system|audit|access|control)(\\.([2-9]|[1-9][0-9]{1,8}))?$',
  description: 'A log by its stored name, e.g. llm-runs',
});

/** Parameters of endpoint 17. A proof needs `log` and one of `leaf_index` and `from_size`. */
export const IntegrityQuery = Type.Object(
  {
    log: Type.Optional(LogName),
    leaf_index: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Adds an inclusion proof of this leaf, e.g. 17' }),
    ),
    from_size: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Adds a consistency proof from a checkpoint of this size, e.g. 100' }),
    ),
    size: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Size of the stored checkpoint to prove against, e.g. 200. Without it: for a leaf the first that covers it, else the newest.',
      }),
    ),
    ...formatParameter,
  },
  { additionalProperties: false },
);
export type IntegrityQuery = Static<typeof IntegrityQuery>;

/** `verified`: every record lies under a root written down outside of its rows, and nothing is open. `not_verified`: no check has come that far yet. */
export const VERDICTS = ['verified', 'compromised', 'not_verified'] as const;

const LogIntegrity = Type.Object(
  {
    log: Type.String(),
    origin: Type.String(),
    verdict: OneOf(VERDICTS),
    size: Type.Integer({ minimum: 0 }),
    verified_size: Type.Integer({
      minimum: 0,
      description: 'Records that a check found in their place; trails by about a minute.',
    }),
    closed: Type.Boolean({ description: 'A later generation goes on for it.' }),
    checked_at: { ...NullableTimestamp, description: 'When new records were checked last.' },
    scrubbed_at: { ...NullableTimestamp, description: 'When all of its records had been checked again.' },
    checkpoint_size: NullableInteger,
    checkpoint_root: { ...NullableString, description: '32 bytes, hex.' },
    checkpoint_at: NullableTimestamp,
    checkpoint: { ...NullableString, description: 'The newest signed note that verifies.' },
    open_findings: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
);

/** What is odd about what producers sent: it touches neither findings nor verdict. */
const ProducerAnomaly = Type.Object(
  {
    kind: OneOf(['CONFLICTS', 'SKEWED_STEPS', 'GAPS', 'UNSEALED_RUNS']),
    log: Type.String(),
    count: Type.Integer({ minimum: 0 }),
    detail: Type.String(),
  },
  { additionalProperties: false },
);

const Hashes = Type.Array(Type.String({ description: '32 bytes, base64.' }), { maxItems: 128 });

/** RFC 6962 2.1.1 and 2.1.2: what was asked for with `leaf_index` or `from_size`. */
const AskedProof = Type.Object(
  {
    kind: OneOf(['inclusion', 'consistency']),
    log: Type.String(),
    leaf_index: NullableInteger,
    leaf_hash: { ...NullableString, description: '32 bytes, hex.' },
    from_size: NullableInteger,
    size: Type.Integer({ minimum: 1 }),
    path: Hashes,
    from_checkpoint: NullableString,
    checkpoint: Type.String(),
  },
  { additionalProperties: false },
);
export type AskedProof = Static<typeof AskedProof>;

/** Endpoint 17: whether the record is intact. */
export const Integrity = Type.Object(
  {
    logs: Type.Array(LogIntegrity),
    logs_withheld: Type.Integer({ minimum: 0, description: 'Logs that the key is not for: nothing is said of them.' }),
    findings: Type.Array(OpenFinding, { maxItems: 1000 }),
    more_findings: Type.Integer({ minimum: 0, description: 'Open ones beyond those shown.' }),
    anomalies: Type.Array(ProducerAnomaly),
    proof: Type.Union([AskedProof, Type.Null()]),
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type Integrity = Static<typeof Integrity>;
