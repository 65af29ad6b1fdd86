import { Type, type Static } from 'typebox';
import { AccessItem } from './audit.js';
import { Retention } from './envelope.js';
import { ExportItem } from './exports.js';
import { CompromisedItem } from './finding.js';
import { RecordMetadata } from './metadata.js';
import { NullableString, OneOf } from './scalars.js';

/** How far a run is from being exportable. */
const EXPORT_STATES = ['NOT_SEALED', 'NOT_COVERED', 'DESCRIBED'] as const;

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
          { description: 'The first checkpoint that covers the run’s newest record in llm-runs; empty: none does.' },
        ),
        disclosure: { ...NullableString, description: 'Which contents it shows. Null: settled when it is built.' },
        format_version: { ...NullableString, description: 'Of the bundle.' },
      },
      { additionalProperties: false, description: 'What makes two bundles the same one.' },
    ),
    building: Type.Object(
      { available: Type.Literal(false), reason: Type.String() },
      {
        additionalProperties: false,
        description: 'Whether it is built over HTTP, and why not. Nothing is queued.',
      },
    ),
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
