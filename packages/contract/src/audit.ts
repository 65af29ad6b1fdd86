import { Type, type Static } from 'typebox';
import { Proof } from './envelope.js';
import { CompromisedItem } from './finding.js';
import { EventsLeftOut } from './governance.js';
import { AggregateMetadata, RecordMetadata } from './metadata.js';
import { formatParameter, listParameters, pageFields, textFilter } from './page.js';
import { NullableBoolean, NullableInteger, NullableOneOf, NullableString, OneOf, Uuid } from './scalars.js';

/** Topics of the AUDIT endpoints: what producers report, Sworn's own reads, and what was done to keys, tenants and logs. */
export const AUDIT_TOPICS = ['audit', 'access', 'control'] as const;

/** Kinds of Sworn's own leaves by category. ACCESS stands in `access`, every other in `control`. */
export const AUDIT_EVENTS = {
  ACCESS: [
    'READ',
    'READ_ENDED',
    'READ_FOLDED',
    'EXPORT_PENDING',
    'EXPORT_COMPLETED',
    'EXPORT_FAILED',
    'EXPORT_DELIVERED',
  ],
  IDENTITY: ['TENANT_CREATED', 'KEY_CREATED', 'KEY_REVOKED', 'TOKEN_FIRST_USED', 'LOGIN', 'LOGIN_FAILED'],
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
  OPERATION: ['QUOTA_SET', 'DATABASE_URL', 'SUPERUSER_URL'],
} as const satisfies Record<string, readonly string[]>;

/** Categories of governance (CONTRACT.md §3, endpoint 4): of entries in `audit`. */
const GOVERNANCE_CATEGORIES = [
  'THRESHOLD_CHECK',
  'POLICY_EVALUATION',
  'NEAR_BREACH',
  'VIOLATION',
  'OVERRIDE',
  'APPROVAL_REQUEST',
  'APPROVAL_DECISION',
  'EVALUATION',
] as const;

/** A category of events: of Sworn's own, or of governance. */
export type AuditCategory = keyof typeof AUDIT_EVENTS | (typeof GOVERNANCE_CATEGORIES)[number];

const CATEGORIES = [...Object.keys(AUDIT_EVENTS), ...GOVERNANCE_CATEGORIES] as AuditCategory[];
/** What an entry of Sworn's own is about; producers have types of their own. */
export const ENTITY_TYPES = ['RUN', 'RECORD', 'TENANT', 'KEY', 'SIGNING_KEY', 'LOG', 'FINDING', 'PERSON'] as const;
/**
 * Who did it, of Sworn's own records: a key; a human who signed in; a command at the server; nobody known, or whom the record does not name; Sworn itself. Of producers'
 * records whom they name.
 */
export const ACTOR_TYPES = ['API_KEY', 'COMMAND', 'UNKNOWN', 'SWORN', 'HUMAN', 'AGENT', 'SYSTEM'] as const;
/** What was decided, of any entry. */
export const AUDIT_DECISIONS = ['ALLOW', 'DENY', 'CONDITIONAL', 'PENDING', 'NONE'] as const;
/** Who says so, of producers' records. */
export const REPORTERS = ['CLIENT', 'ENGINE', 'DERIVED'] as const;
/** What a read did. EXPORT: a bundle was asked for, built or not; DOWNLOAD: one, or a tile, went out. CHANGE: it tried to, and nothing here can be changed. */
export const ACCESS_ACTIONS = ['VIEW', 'EXPORT', 'DOWNLOAD', 'CHANGE', 'OTHER'] as const;

/** How much a read asked for. */
export const ACCESS_SCOPES = ['RUN', 'RECORD', 'MANY', 'LOG', 'NOTHING'] as const;

/** What a record says of who acted. */
const actor = {
  actor_type: { ...NullableOneOf(ACTOR_TYPES), description: 'Null: a producer names nobody.' },
  actor_id: { ...NullableString, description: 'Id of the key; of a human his token.' },
  actor_role: { ...NullableString, description: 'Role of the key, or roles of the session with + between them.' },
};

/** What an access record says of a request, wherever it is shown. */
export const request = {
  id: Uuid,
  event_type: Type.String({ description: 'Kind of its leaf; of a producer’s record what it reports.' }),
  ...actor,
  permission: NullableString,
  decision: NullableOneOf(AUDIT_DECISIONS),
  status: { ...NullableInteger, description: 'HTTP status.' },
  source: { ...NullableString, description: 'Token of the source address.' },
  correlation_id: {
    ...NullableString,
    description:
      'Of a read the token of the X-Correlation-Id that the client claimed; of a producer’s record what binds it to others.',
  },
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
  entity_type: {
    ...NullableString,
    description: `What it is about: ${ENTITY_TYPES.join(', ')}, or a producer’s own word.`,
  },
  entity_id: { ...NullableString, description: 'Of a person a token.' },
  endpoint: { ...NullableString, description: 'Id of the endpoint that was asked.' },
  reason: { ...NullableString, description: 'Code of a refusal.' },
  action: { ...NullableString, description: 'What a producer says was done.' },
  native_decision: { ...NullableString, description: 'The decision in the producer’s own word.' },
  policy_id: NullableString,
  policy_version: NullableString,
  rule_id: NullableString,
  incident_id: NullableString,
  severity: NullableString,
  service: { ...NullableString, description: 'Service that reported it.' },
  reported_by: { ...NullableOneOf(REPORTERS), description: 'Null of Sworn’s own records.' },
  key_id: { ...NullableString, description: 'Ingest key that a producer’s record came in with.' },
  events_left_out: EventsLeftOut,
  conflict_of: {
    ...NullableString,
    description: 'Entry of the same identity and other content that came first, and counts.',
  },
};

/** An entry of any log. */
export const AuditItem = Type.Object({ ...entryFields, metadata: RecordMetadata }, { additionalProperties: false });
export type AuditItem = Static<typeof AuditItem>;

/** An access record as a decision: who asked, for what, and what was decided. */
export const AuthorizationItem = Type.Object(
  {
    ...request,
    subject: {
      ...NullableString,
      description: 'Who asked: the id of his key, else the token of the address he came from.',
    },
    resource: { ...NullableString, description: 'Id of the endpoint that was asked.' },
    resource_id: { ...NullableString, description: 'The run or record that was asked for by its id, and is there.' },
    action: { ...NullableString, description: 'HTTP method; CLI of a command.' },
    rule: {
      ...NullableString,
      description:
        'Id of the access rule that decided (docs/operate/rbac.md); of records of before there were any, `role <role> has <permission>` or `role <role> lacks <permission>`. Null: no rule was asked or there is none, or it was refused for something else.',
    },
    reason_code: NullableString,
    override: {
      ...NullableString,
      description: 'Who decided otherwise than the rule. Null: nobody; no record of this version can be of one.',
    },
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
    scope: {
      ...OneOf(ACCESS_SCOPES),
      description:
        'How much was asked for: one run, one record, a list or an answer about many, the tiles of a log; NOTHING of what is no endpoint.',
    },
    purpose: {
      ...NullableString,
      description: 'Token of the purpose that the client claimed (Sworn-Purpose). Null: it said none.',
    },
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
    before_state: {
      ...State,
      description:
        'Of a producer’s record what its body says in sworn.audit.before: an object as it is, anything else as {"value"}, and of what is over 64 KiB {"left_out_bytes"} alone.',
    },
    after_state: {
      ...State,
      description: 'The same of sworn.audit.after; of a control leaf all that it says of its subject. Null of reads.',
    },
    proof: Proof,
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type AuditEntry = Static<typeof AuditEntry>;

/** What pages of the AUDIT lists say beside their items. */
export const auditListFields = {
  examined_limit_reached: Type.Boolean({
    description:
      'True: the page examined its 20,000 rows and ends there, short or empty although more may match; go on with next_cursor.',
  }),
  ...pageFields,
  total: Type.Optional(
    Type.Integer({ minimum: 0, description: 'All that match at the pin; only with include_total.' }),
  ),
  metadata: AggregateMetadata,
};

/** Endpoint 13. */
export const AuditList = Type.Object(
  { items: Type.Array(Type.Union([AuditItem, CompromisedItem])), ...auditListFields },
  { additionalProperties: false },
);
export type AuditList = Static<typeof AuditList>;

/** Endpoint 15. */
export const AuthorizationList = Type.Object(
  { items: Type.Array(Type.Union([AuthorizationItem, CompromisedItem])), ...auditListFields },
  { additionalProperties: false },
);
export type AuthorizationList = Static<typeof AuthorizationList>;

/** Endpoint 16. */
export const AccessList = Type.Object(
  { items: Type.Array(Type.Union([AccessItem, CompromisedItem])), ...auditListFields },
  { additionalProperties: false },
);
export type AccessList = Static<typeof AccessList>;

const correlation = textFilter(
  'X-Correlation-Id that the client claimed, or what binds a producer’s record to others; in clear or its token',
  'case-17 or tok_0123456789abcdef0123456789abcdef',
);

/** What leads to access records. */
const accessParameters = {
  run_id: Type.Optional(
    textFilter('Run that was read by its id, or that it is about', '4bf92f3577b34da6a3ce929d0e0e4736'),
  ),
  actor_id: Type.Optional(
    textFilter(
      'Who acted: id of a key, an agent or a system; a human in clear or his token',
      '6f1d2c3b-0a49-4f5e-8d7c-1b2a3c4d5e6f',
    ),
  ),
  decision: Type.Optional({ ...OneOf(AUDIT_DECISIONS), description: 'What was decided, e.g. DENY' }),
  correlation_id: Type.Optional(correlation),
  view: Type.Optional(
    textFilter(
      'Sworn-View that the client claimed, in clear or its token',
      'view-3 or tok_0123456789abcdef0123456789abcdef',
    ),
  ),
};

/** Parameters of endpoint 16. */
export const AccessQuery = Type.Object(
  {
    endpoint: Type.Optional(textFilter('Id of the endpoint that was asked', 'llm_runs.list')),
    ...accessParameters,
    ...formatParameter,
    ...listParameters,
  },
  { additionalProperties: false },
);
export type AccessQuery = Static<typeof AccessQuery>;

/** Parameters of endpoint 15. */
export const AuthorizationQuery = Type.Object(
  {
    permission: Type.Optional(textFilter('Permission that it took', 'logs.audit')),
    resource: Type.Optional(textFilter('Id of the endpoint that was asked', 'llm_runs.list')),
    ...accessParameters,
    ...formatParameter,
    ...listParameters,
  },
  { additionalProperties: false },
);
export type AuthorizationQuery = Static<typeof AuthorizationQuery>;

/** Parameters of endpoint 13. */
export const AuditQuery = Type.Object(
  {
    log: Type.Optional({ ...OneOf(AUDIT_TOPICS), description: 'One topic only, e.g. control' }),
    event_type: Type.Optional(textFilter('Kind of the leaf, or what a producer’s record reports', 'KEY_CREATED')),
    category: Type.Optional({ ...OneOf(CATEGORIES), description: 'Events that belong together, e.g. IDENTITY' }),
    entity_type: Type.Optional(textFilter('Type of what it is about', 'KEY')),
    entity_id: Type.Optional(
      textFilter('What it is about; a person in clear or his token', '6f1d2c3b-0a49-4f5e-8d7c-1b2a3c4d5e6f'),
    ),
    actor_type: Type.Optional({ ...OneOf(ACTOR_TYPES), description: 'Who acted, e.g. HUMAN' }),
    policy_id: Type.Optional(textFilter('Policy that it is about', 'refunds')),
    incident_id: Type.Optional(textFilter('Incident that it is linked to', 'INC-9')),
    endpoint: Type.Optional(textFilter('Id of the endpoint that was asked', 'llm_runs.list')),
    ...accessParameters,
    ...formatParameter,
    ...listParameters,
  },
  { additionalProperties: false },
);
export type AuditQuery = Static<typeof AuditQuery>;
