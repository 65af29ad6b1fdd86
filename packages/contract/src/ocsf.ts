import { Type, type Static } from 'typebox';
import { auditListFields } from './audit.js';
import { IdentityList } from './identity.js';
import { Integrity } from './integrity.js';
import { AggregateMetadata } from './metadata.js';

/** Version of the Open Cybersecurity Schema Framework that events are written in (docs/decisions/0020, docs/ocsf.md). */
export const OCSF_VERSION = '1.7.0';

const Uid = Type.Integer({ minimum: 0 });

/** What stands in an OCSF event of any class; each class has attributes of its own beside. */
export const OcsfEvent = Type.Object(
  {
    category_uid: Uid,
    category_name: Type.String(),
    class_uid: { ...Uid, description: 'Class, by its number: docs/ocsf.md says which kind of record is of which.' },
    class_name: Type.String(),
    activity_id: Uid,
    activity_name: Type.String({ description: 'Of activity 99 the type of the record’s event, or its own word.' }),
    type_uid: { ...Uid, description: 'class_uid * 100 + activity_id' },
    type_name: Type.String(),
    severity_id: Uid,
    severity: Type.String(),
    time: Type.Integer({ description: 'occurred_at, in milliseconds since 1970.' }),
    timezone_offset: Type.Literal(0),
    message: Type.String(),
    metadata: Type.Object(
      {
        version: Type.Literal(OCSF_VERSION),
        product: Type.Object(
          { name: Type.Literal('Sworn'), vendor_name: Type.Literal('Sworn') },
          { additionalProperties: true },
        ),
        uid: Type.String({ description: 'Id of the record. The same record is the same event on every list.' }),
        tenant_uid: Type.String(),
        log_name: Type.String({ description: 'Its log, by its stored name.' }),
      },
      {
        additionalProperties: true,
        description:
          'Of a record also sequence: its place in that log; logged_time: recorded_at; original_time: occurred_at with microseconds.',
      },
    ),
    unmapped: Type.Object(
      { sworn: Type.Object({}, { additionalProperties: true }) },
      {
        additionalProperties: false,
        description:
          'The record as Sworn’s own format shows it, without nulls: nothing is lost. EvidenceMetadata is in it.',
      },
    ),
  },
  { additionalProperties: true },
);
/** With the attributes of its class. */
export type OcsfEvent = Omit<Static<typeof OcsfEvent>, 'metadata'> & {
  readonly metadata: Static<typeof OcsfEvent>['metadata'] & Readonly<Record<string, unknown>>;
} & Readonly<Record<string, unknown>>;

/** A list in Sworn's own format, or with events as its items: the frame is the same. */
export type InEitherFormat<L extends { readonly items: readonly unknown[] }> = Omit<L, 'items'> & {
  readonly items: readonly (L['items'][number] | OcsfEvent)[];
};

/** Lists of the AUDIT endpoints with `format=ocsf`: the frame of the list, and events as its items. */
export const OcsfList = Type.Object(
  { items: Type.Array(OcsfEvent), ...auditListFields },
  { additionalProperties: false },
);

/** Endpoint 14 with `format=ocsf`. */
export const OcsfIdentityList = Type.Object(
  { ...IdentityList.properties, items: Type.Array(OcsfEvent) },
  { additionalProperties: false },
);

/** Endpoint 17 with `format=ocsf`: an event for each log, each open finding, and each anomaly of producers. */
export const OcsfIntegrity = Type.Object(
  {
    items: Type.Array(OcsfEvent),
    logs_withheld: Integrity.properties.logs_withheld,
    more_findings: Integrity.properties.more_findings,
    proof: Integrity.properties.proof,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type OcsfIntegrity = Omit<Static<typeof OcsfIntegrity>, 'items'> & { readonly items: readonly OcsfEvent[] };
