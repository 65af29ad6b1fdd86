import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata, RecordMetadata } from './metadata.js';
import { listParameters, pageFields, textFilter } from './page.js';
import { NullableInteger, NullableOneOf, NullableString, OneOf, Uuid } from './scalars.js';

/** What a record of `system` says happened. */
export const SYSTEM_EVENT_TYPES = [
  'STARTUP',
  'SHUTDOWN',
  'RESTART',
  'DEPLOY',
  'MIGRATION',
  'AUTH_CHANGE',
  'CONFIG_CHANGE',
  'ERROR',
  'HEALTH_CHECK',
  'SCALE',
  'EVICTION',
  'OOM',
  'THROTTLED',
  'DISK',
  'PROVIDER_OUTAGE',
  'TELEMETRY_GAP',
  'LOG',
] as const;

const SEVERITIES = ['INFO', 'WARN', 'CRITICAL'] as const;
const CAUSES = ['SYSTEM', 'HUMAN', 'AUTOMATION'] as const;
/** TENANT: of the tenant that asks. PLATFORM: of Sworn itself, shared with all of them. */
const SCOPES = ['TENANT', 'PLATFORM'] as const;

const Resource = Type.Object(
  {
    service: NullableString,
    instance: NullableString,
    environment: NullableString,
    release: NullableString,
    checksum: { ...NullableString, description: 'sha256: of the RESOURCE record that it came under.' },
  },
  { additionalProperties: false },
);

/** One record of what happened around runs. */
export const SystemItem = Type.Object(
  {
    id: { ...Uuid, description: 'Of its place; one of another scope may have the same.' },
    scope: {
      ...OneOf(SCOPES),
      description: 'PLATFORM: a record of Sworn itself, of a fixed vocabulary, which every tenant sees.',
    },
    component: { ...NullableString, description: 'The service, else the scope of instrumentation.' },
    event_type: OneOf(SYSTEM_EVENT_TYPES),
    event_name: { ...NullableString, description: 'As the producer calls it.' },
    severity: OneOf(SEVERITIES),
    severity_text: { ...NullableString, description: 'As sent.' },
    severity_number: { ...NullableInteger, description: 'As sent, 1 to 24.' },
    summary: {
      ...NullableString,
      description:
        'What its body says: a text as it is, anything else as JSON; at most its first 1,024 characters. Null: it says nothing, or the record is longer than 64 KiB.',
    },
    summary_cut: Type.Boolean({ description: 'The body says more than the summary.' }),
    caused_by: NullableOneOf(CAUSES),
    correlation_id: NullableString,
    service: NullableString,
    trace_id: NullableString,
    span_id: NullableString,
    conflict_of: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Id of the record that came before under the same uid, with other bytes.',
    }),
    resource: Resource,
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type SystemItem = Static<typeof SystemItem>;

/** Endpoint 7. */
export const SystemList = Type.Object(
  {
    items: Type.Array(Type.Union([SystemItem, CompromisedItem])),
    examined_limit_reached: Type.Boolean({
      description:
        'True: the page examined its 20,000 rows and ends there, short or empty although more may match; go on with next_cursor.',
    }),
    total: Type.Optional(
      Type.Integer({ minimum: 0, description: 'With include_total: all that match, under the same pin.' }),
    ),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type SystemList = Static<typeof SystemList>;

/** Parameters of endpoint 7. */
export const SystemListQuery = Type.Object(
  {
    component: Type.Optional(textFilter('Service, or scope of instrumentation', 'billing-agent')),
    event_type: Type.Optional({ ...OneOf(SYSTEM_EVENT_TYPES), description: 'What happened, e.g. STARTUP' }),
    severity: Type.Optional({ ...OneOf(SEVERITIES), description: 'Band of its severity, e.g. CRITICAL' }),
    correlation_id: Type.Optional(textFilter('What binds it to others', '4bf92f3577b34da6a3ce929d0e0e4736')),
    service: Type.Optional(textFilter('service.name of its resource', 'billing-agent')),
    scope: Type.Optional({ ...OneOf(SCOPES), description: 'The own records, or those of Sworn itself, e.g. TENANT' }),
    ...listParameters,
  },
  { additionalProperties: false },
);
export type SystemListQuery = Static<typeof SystemListQuery>;
