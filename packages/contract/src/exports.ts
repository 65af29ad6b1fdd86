import { Type, type Static } from 'typebox';
import { ACTOR_TYPES, auditListFields, request } from './audit.js';
import { CompromisedItem } from './finding.js';
import { RecordMetadata } from './metadata.js';
import { formatParameter, listParameters, textFilter } from './page.js';
import { NullableOneOf, NullableString, NullableTimestamp, OneOf } from './scalars.js';

/** How far an export is. */
const EXPORT_STATUSES = ['PENDING', 'COMPLETED', 'FAILED'] as const;

/** What a bundle is of: a run, several, or all records of some logs in a period, of which a sample may be shown. */
const ExportScope = Type.Union([
  Type.Object({ kind: OneOf(['RUN']), run_id: Type.String() }, { additionalProperties: false }),
  Type.Object(
    {
      kind: OneOf(['RUNS']),
      by: { ...OneOf(['CONVERSATION', 'INCIDENT', 'SUBJECT']), description: 'What its runs have in common.' },
      value: { ...Type.String(), description: 'Of a subject the token that stands for him.' },
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      kind: OneOf(['LOGS']),
      logs: OneOf(['audit', 'compliance', 'system']),
      from: { ...Type.String(), description: 'Recorded from then on.' },
      to: { ...Type.String(), description: 'Recorded before then.' },
      sample: Type.Union([
        Type.Object(
          { size: Type.Integer({ minimum: 0 }), nonce: NullableString },
          { additionalProperties: false, description: 'Records that are drawn to be shown, and by which nonce.' },
        ),
        Type.Null(),
      ]),
    },
    { additionalProperties: false },
  ),
]);

/** Recipients that an item shows. */
export const MAX_RECIPIENTS = 100;

/** Who had what of an export, folded from its EXPORT_DELIVERED records. */
const ExportRecipient = Type.Object(
  {
    actor_type: NullableOneOf(ACTOR_TYPES),
    actor_id: {
      ...NullableString,
      description: 'As of the record. Null: of a command, which names its user in source.',
    },
    name: { ...Type.String(), description: 'Of the file; zip: all of it; otlp: its spans alone, by a command.' },
    by_link: Type.Boolean({ description: 'By links that this key asked for: whoever had one.' }),
    downloads: Type.Integer({ minimum: 1 }),
    deliveries: Type.Integer({ minimum: 1, description: 'Answers with bytes of it: a resumed download is several.' }),
    bytes: Type.Integer({ minimum: 0, description: 'Asked for, all deliveries together.' }),
    first_at: Type.String(),
    last_at: Type.String(),
  },
  { additionalProperties: false },
);
export type ExportRecipient = Static<typeof ExportRecipient>;

/** An export, folded from its records: it stands at the place of the one that asked for it first. */
export const ExportItem = Type.Object(
  {
    ...request,
    export_id: { ...Type.String(), description: 'Equal for equal scope, pins, disclosure and format.' },
    scope: ExportScope,
    bundle_format: Type.String(),
    disclosure: { ...Type.String(), description: 'Which contents it shows: none, governance, all.' },
    pins: Type.Array(
      Type.Object({ log: Type.String(), size: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }),
    ),
    export_status: OneOf(EXPORT_STATUSES),
    approval: Type.Null({ description: 'Nothing here approves exports: who may, may.' }),
    requests: Type.Integer({ minimum: 1, description: 'How often it was built or asked for anew.' }),
    completed_at: { ...NullableTimestamp, description: 'When it was built last.' },
    content_checksum: {
      ...NullableString,
      description: 'SHA-256 of its manifest: equal for equal exports. Null: it was not built.',
    },
    failure: { ...NullableString, description: 'Why it FAILED: a code.' },
    delivered: Type.Boolean(),
    downloads: Type.Integer({
      minimum: 0,
      description:
        'How often it went out. Of one recipient and file the deliveries that begin at its first byte, and one where none does: a download in twenty ranges is one.',
    }),
    last_downloaded_at: NullableTimestamp,
    recipients: Type.Array(ExportRecipient, {
      maxItems: MAX_RECIPIENTS,
      description: 'Who had what, the first one first.',
    }),
    recipients_left_out: Type.Integer({ minimum: 0, description: 'How many more there are.' }),
    partial: Type.Boolean({
      description: 'It has more than 1,000 records, and is folded from the first: /audit/access has all.',
    }),
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type ExportItem = Static<typeof ExportItem>;

/** Endpoint 18. */
export const ExportList = Type.Object(
  { items: Type.Array(Type.Union([ExportItem, CompromisedItem])), ...auditListFields },
  { additionalProperties: false },
);
export type ExportList = Static<typeof ExportList>;

/** Parameters of endpoint 18. */
export const ExportQuery = Type.Object(
  {
    run_id: Type.Optional(textFilter('Run that the exports are of', 'shop:turn-17')),
    ...formatParameter,
    ...listParameters,
  },
  { additionalProperties: false },
);
export type ExportQuery = Static<typeof ExportQuery>;
