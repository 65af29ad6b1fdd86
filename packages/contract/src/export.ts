import { Type, type Static } from 'typebox';
import { AccessItem } from './audit.js';
import { Retention } from './envelope.js';
import { ExportItem } from './exports.js';
import { CompromisedItem } from './finding.js';
import { RecordMetadata } from './metadata.js';
import { Checksum, NullableInteger, NullableOneOf, NullableString, NullableTimestamp, OneOf } from './scalars.js';

/** How far a run is from being exportable. */
const EXPORT_STATES = ['NOT_SEALED', 'NOT_COVERED', 'DESCRIBED'] as const;

/** How the bundle of an identity stands. */
const BUNDLE_STATUSES = ['WITHHELD', 'NONE', 'PENDING', 'READY', 'FAILED'] as const;
/** What a bundle, or a file of it, is read as. */
const EXPORT_FORMATS = ['zip', 'json', 'csv', 'html', 'pdf', 'otlp'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Which contents a bundle shows beside the records that commit to them. */
export const DISCLOSE = ['none', 'governance', 'all'] as const;

/** Parameters of endpoint 6. */
export const RunExportQuery = Type.Object(
  {
    disclose: Type.Optional({
      ...OneOf(DISCLOSE),
      description:
        'Which contents the bundle shows: none unless told, those of governance (takes logs.audit and payloads full), all (takes payloads full), e.g. governance',
      examples: ['none'],
    }),
    link: Type.Optional(
      Type.Boolean({
        description:
          'true: paths that need no credential for some minutes, where the server makes such links, to API keys alone (docs/operate/exports.md), e.g. false',
        examples: [false],
      }),
    ),
  },
  { additionalProperties: false },
);
export type RunExportQuery = Static<typeof RunExportQuery>;

/** What can be downloaded of a bundle. */
const ExportFormatItem = Type.Object(
  {
    format: OneOf(EXPORT_FORMATS),
    name: { ...Type.String(), description: 'Of the file in the bundle; bundle.zip is all of it.' },
    size: Type.Integer({ minimum: 0, description: 'Bytes.' }),
    checksum: { ...Checksum, description: 'SHA-256 of its bytes.' },
    path: { ...Type.String(), description: 'Where it is, on this host; with link=true whoever has it may.' },
    expires_at: {
      ...NullableTimestamp,
      description: 'Until when the path holds without a credential; null: it takes one.',
    },
  },
  { additionalProperties: false },
);

/** Endpoint 6: what a bundle of the run would be, and who has asked for it. */
export const RunExport = Type.Object(
  {
    run_id: Type.String(),
    superseded_run_id: {
      ...NullableString,
      description: 'The id that was asked for, when the run of that id turned out to be part of this one.',
    },
    state: {
      ...OneOf(EXPORT_STATES),
      description:
        'NOT_SEALED: the run may go on. NOT_COVERED: no checkpoint covers its newest record yet. DESCRIBED: its identity is settled, as far as it is given.',
    },
    identity: Type.Object(
      {
        scope: Type.Object({ kind: OneOf(['RUN']), run_id: Type.String() }, { additionalProperties: false }),
        pins: Type.Array(
          Type.Object({ log: Type.String(), size: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }),
          {
            description:
              'For each log of the bundle the first checkpoint that covers its last record there, of the logs that the key may see; empty: it is not settled yet.',
          },
        ),
        disclosure: OneOf(DISCLOSE),
        format_version: { ...Type.String(), description: 'Of the bundle.' },
        export_id: {
          ...NullableString,
          description: 'Equal for equal identities. Null: it is not settled yet, or not for this key.',
        },
      },
      { additionalProperties: false, description: 'What makes two bundles the same one.' },
    ),
    status: {
      ...NullableOneOf(BUNDLE_STATUSES),
      description:
        'READY: it is kept, and formats says where. PENDING: it waits or is built; GET has queued it. FAILED: it could not be built, or is too large. WITHHELD: it would hold records that this key may not see. NONE: nobody asked yet, and HEAD queues nothing. Null: the run is not DESCRIBED.',
    },
    reason: {
      ...NullableString,
      description: 'Why it FAILED: a code. WITHHELD: permission_denied.',
    },
    retry_after: { ...NullableInteger, description: 'Seconds after which to ask again; also in Retry-After.' },
    content_checksum: {
      ...NullableString,
      description: 'SHA-256 of its manifest: equal for equal exports. Null: it is not READY.',
    },
    formats: Type.Array(ExportFormatItem, {
      description:
        'What can be downloaded: all of it, and what is made of it for people and tools. Empty: it is not READY.',
    }),
    exports: Type.Object(
      {
        items: Type.Array(Type.Union([ExportItem, CompromisedItem]), {
          maxItems: 100,
          description: 'Bundles of this run that were asked for, newest first, of which /audit/exports has all.',
        }),
        has_more: Type.Boolean(),
        withheld: Type.Integer({ minimum: 0, description: 'How many a key without logs.audit is not shown.' }),
      },
      { additionalProperties: false, description: 'Who has had it.' },
    ),
    asked: Type.Object(
      {
        items: Type.Array(Type.Union([AccessItem, CompromisedItem]), {
          maxItems: 100,
          description: 'Accesses to this description, newest first, of which /audit/access has all. Not this one.',
        }),
        has_more: Type.Boolean(),
        withheld: Type.Integer({ minimum: 0, description: 'How many a key without logs.audit is not shown.' }),
      },
      { additionalProperties: false, description: 'Who has looked at this description.' },
    ),
    retention: Retention,
    compliance_tags: Type.Array(Type.String(), {
      maxItems: 0,
      description: 'What the run is kept for. Empty: no rule names any.',
    }),
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type RunExport = Static<typeof RunExport>;
