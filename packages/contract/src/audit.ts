import { Type, type Static } from 'typebox';
import { Proof } from './envelope.js';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata, RecordMetadata } from './metadata.js';
import { pageFields, placeParameters, textFilter } from './page.js';
import { NullableBoolean, NullableInteger, NullableOneOf, NullableString, OneOf, Uuid } from './scalars.js';

/** Topics of the AUDIT endpoints: what producers report, Sworn's own reads, and what was done to keys, tenants and logs. */
export const AUDIT_TOPICS = ['audit', 'access', 'control'] as const;

/** Kinds of Sworn's own leaves by category. ACCESS stands in `access`, every other in `control`. */
export const AUDIT_EVENTS = {
  ACCESS: ['READ', 'READ_ENDED', 'READ_FOLDED'],
  IDENTITY: ['TENANT_CREATED', 'KEY_CREATED', 'KEY_REVOKED'],
  INTEGRITY: [
    'SIGNING_KEY_ADDED',
    'SIGNING_KEY_RETIRED',
    'KEYS_CHECK',
    'SIGNER_ADOPTED',
    'LOG_RECOVERED',
    'CLOCK_ACCEPTED',
    'FINDING',
    'FINDING_CLEARED',
    'VERIFIED',
  ],
  RETENTION: ['ERASURE', 'RETENTION', 'HOLD', 'HOLD_RELEASED'],
  OPERATION: ['DATABASE_URL', 'SUPERUSER_URL'],
} as const satisfies Record<string, readonly string[]>;

/** A category of events. */
export type AuditCategory = keyof typeof AUDIT_EVENTS;

const CATEGORIES = Object.keys(AUDIT_EVENTS) as AuditCategory[];
/** What an entry is about. */
const ENTITY_TYPES = ['RUN', 'RECORD', 'TENANT', 'KEY', 'SIGNING_KEY', 'LOG', 'FINDING'] as const;
/** Who did it: a key; a command at the server; nobody known, or whom the record does not name; Sworn itself. */
const ACTOR_TYPES = ['API_KEY', 'COMMAND', 'UNKNOWN', 'SWORN'] as const;
const DECISIONS = ['ALLOW', 'DENY'] as const;
/** What a read did. CHANGE: it tried to, and nothing here can be changed. */
export const ACCESS_ACTIONS = ['VIEW', 'DOWNLOAD', 'CHANGE', 'OTHER'] as const;

/** What an access record says of who asked. */
const actor = {
  actor_type: OneOf(ACTOR_TYPES),
  actor_id: { ...NullableString, description: 'Id of the key.' },
  actor_role: { ...NullableString, description: 'Role of the key.' },
};

/** What an access record says of a request, wherever it is shown. */
const request = {
  id: Uuid,
  event_type: Type.String({ description: 'Kind of its leaf.' }),
  ...actor,
  permission: NullableString,
  decision: NullableOneOf(DECISIONS),
  status: { ...NullableInteger, description: 'HTTP status.' },
  source: { ...NullableString, description: 'Token of the source address.' },
  correlation_id: { ...NullableString, description: 'Token of the X-Correlation-Id that the client claimed.' },
  view: { ...NullableString, description: 'Token of the page view that the client said it belongs to.' },
  run_id: NullableString,
  record_id: NullableString,
  count: {
    ...NullableInteger,
    description: 'Records in the answer; of a READ_FOLDED the requests that were counted in it.',
  },
  complete: { ...NullableBoolean, description: 'Of a READ_ENDED: all of the stream went out.' },
  folded: Type.Boolean({ description: 'Alike requests of its minute may be counted only, in a READ_FOLDED.' }),
};

const entryFields = {
  ...request,
  log: OneOf(AUDIT_TOPICS),
  category: NullableOneOf(CATEGORIES),
  entity_type: NullableOneOf(ENTITY_TYPES),
  entity_id: NullableString,
  endpoint: { ...NullableString, description: 'Id of the endpoint that was asked.' },
  reason: { ...NullableString, description: 'Code of a refusal.' },
};

/** An entry of any log. */
export const AuditItem = Type.Object({ ...entryFields, metadata: RecordMetadata }, { additionalProperties: false });
export type AuditItem = Static<typeof AuditItem>;

/** An access record as a decision: who asked, for what, and what was decided. */
export const AuthorizationItem = Type.Object(
  {
    ...request,
    resource: { ...NullableString, description: 'Id of the endpoint that was asked.' },
    action: { ...NullableString, description: 'HTTP method; CLI of a command.' },
    reason_code: NullableString,
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type AuthorizationItem = Static<typeof AuthorizationItem>;

/** An access record as an access: what was looked at, and with which filters. */
export const AccessItem = Type.Object(
  {
    ...request,
    action: OneOf(ACCESS_ACTIONS),
    endpoint: NullableString,
    reason_code: NullableString,
    filters: Type.Array(
      Type.Object(
        { name: Type.String(), value: Type.String({ description: 'Texts as tokens.' }) },
        { additionalProperties: false },
      ),
    ),
    pins: Type.Array(
      Type.Object({ log: Type.String(), size: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }),
    ),
    answer: { ...NullableString, description: 'sha256: of the answer before coding.' },
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type AccessItem = Static<typeof AccessItem>;

const State = Type.Unsafe<Readonly<Record<string, unknown>> | null>({
  type: ['object', 'null'],
  additionalProperties: true,
});

/** Endpoint 19: one entry, with its proof. */
export const AuditEntry = Type.Object(
  {
    ...entryFields,
    before_state: { ...State, description: 'Null unless the leaf says it.' },
    after_state: { ...State, description: 'Of a control leaf all that it says of its subject; of others null.' },
    proof: Proof,
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type AuditEntry = Static<typeof AuditEntry>;

/** What pages of the AUDIT lists say beside their items. */
const listFields = {
  examined_limit_reached: Type.Boolean({
    description:
      'True: the page examined its 20,000 rows and ends there, short or empty although more may match; go on with next_cursor.',
  }),
  ...pageFields,
  metadata: AggregateMetadata,
};

/** Endpoint 13. */
export const AuditList = Type.Object(
  { items: Type.Array(Type.Union([AuditItem, CompromisedItem])), ...listFields },
  { additionalProperties: false },
);
export type AuditList = Static<typeof AuditList>;

/** Endpoint 15. */
export const AuthorizationList = Type.Object(
  { items: Type.Array(Type.Union([AuthorizationItem, CompromisedItem])), ...listFields },
  { additionalProperties: false },
);
export type AuthorizationList = Static<typeof AuthorizationList>;

/** Endpoint 16. */
export const AccessList = Type.Object(
  { items: Type.Array(Type.Union([AccessItem, CompromisedItem])), ...listFields },
  { additionalProperties: false },
);
export type AccessList = Static<typeof AccessList>;

/** What leads to access records. */
const accessParameters = {
  run_id: Type.Optional(textFilter('Run that was read by its id', '4bf92f3577b34da6a3ce929d0e0e4736')),
  actor_id: Type.Optional(textFilter('Id of the key that asked', '6f1d2c3b-0a49-4f5e-8d7c-1b2a3c4d5e6f')),
  decision: Type.Optional({ ...OneOf(DECISIONS), description: 'What was decided, e.g. DENY' }),
  correlation_id: Type.Optional(
    textFilter(
      'X-Correlation-Id that the client claimed, in clear or its token',
      'case-17 or tok_0123456789abcdef0123456789abcdef',
    ),
  ),
  view: Type.Optional(
    textFilter(
      'Sworn-View that the client claimed, in clear or its token',
      'view-3 or tok_0123456789abcdef0123456789abcdef',
    ),
  ),
};

/** Parameters of endpoints 15 and 16. */
export const AccessQuery = Type.Object({ ...accessParameters, ...placeParameters }, { additionalProperties: false });
export type AccessQuery = Static<typeof AccessQuery>;

/** Parameters of endpoint 13. */
export const AuditQuery = Type.Object(
  {
    log: Type.Optional({ ...OneOf(AUDIT_TOPICS), description: 'One topic only, e.g. control' }),
    event_type: Type.Optional({
      ...OneOf(Object.values(AUDIT_EVENTS).flat()),
      description: 'Kind of the leaf, e.g. KEY_CREATED',
    }),
    category: Type.Optional({ ...OneOf(CATEGORIES), description: 'Kinds that belong together, e.g. IDENTITY' }),
    endpoint: Type.Optional(textFilter('Id of the endpoint that was asked', 'llm_runs.list')),
    ...accessParameters,
    ...placeParameters,
  },
  { additionalProperties: false },
);
export type AuditQuery = Static<typeof AuditQuery>;
