import { Type, type Static } from 'typebox';
import { ACTOR_TYPES, AUDIT_DECISIONS, auditListFields, AUDIT_TOPICS, REPORTERS } from './audit.js';
import { CompromisedItem } from './finding.js';
import { RecordMetadata } from './metadata.js';
import { formatParameter, listParameters, textFilter } from './page.js';
import { NullableOneOf, NullableString, NullableTimestamp, OneOf, Timestamp, Uuid } from './scalars.js';

/** What the list of identity shows: sign-ins, and what was done to credentials. */
export const IDENTITY_EVENTS = [
  'LOGIN',
  'LOGOUT',
  'LOGIN_FAILED',
  'TOKEN_FIRST_USED',
  'TOKEN_REVOKED',
  'KEY_CREATED',
  'KEY_REVOKED',
  'MFA_ENROLLED',
  'MFA_VERIFIED',
  'MFA_FAILED',
  'MFA_REMOVED',
] as const;

/** Those of them that Sworn records itself: of its API keys, and of whom an identity provider signed in. */
export const OWN_IDENTITY_EVENTS = ['LOGIN', 'LOGIN_FAILED', 'TOKEN_FIRST_USED', 'KEY_CREATED', 'KEY_REVOKED'] as const;

/** What a key was made for. */
const KeyGranted = Type.Object(
  {
    role: OneOf(['ingest', 'reader', 'auditor']),
    expires_at: Timestamp,
    topics: {
      ...Type.Union([Type.Array(OneOf(['LLM_RUNS', 'SYSTEM_LOGS', 'AUDIT'])), Type.Null()]),
      description: 'Whose records it may see; null: all that its role may.',
    },
    occurred_from: { ...NullableTimestamp, description: 'It may see what happened from then on.' },
    occurred_before: { ...NullableTimestamp, description: 'And before then.' },
    payloads: {
      ...NullableOneOf(['none', 'hashes', 'full']),
      description: 'How much it may see of contents; null: what the rules let it.',
    },
    scopes: Type.Array(Type.String(), { description: 'Of a key that writes: what it may say beside records.' }),
    services: Type.Array(Type.String(), { description: 'Of a key that writes: whose records it may send; none: any.' }),
  },
  { additionalProperties: false },
);

/** A sign-in, or what was done to a credential. */
export const IdentityItem = Type.Object(
  {
    id: Uuid,
    log: OneOf(AUDIT_TOPICS),
    event_type: OneOf(IDENTITY_EVENTS),
    actor_type: { ...NullableOneOf(ACTOR_TYPES), description: 'Null: a producer names nobody.' },
    actor_id: { ...NullableString, description: 'Of a human his token.' },
    entity_type: { ...NullableString, description: 'Of Sworn’s own KEY or PERSON; a producer’s own word.' },
    entity_id: { ...NullableString, description: 'Id of the key; of a person a token.' },
    method: { ...NullableString, description: 'Of Sworn’s own API_KEY or OIDC; a producer’s own word, e.g. oidc.' },
    identity_provider: NullableString,
    source: { ...NullableString, description: 'Token of the address it came from.' },
    session: { ...NullableString, description: 'Token of the session.' },
    decision: NullableOneOf(AUDIT_DECISIONS),
    use: {
      ...NullableOneOf(['READ', 'INGEST']),
      description: 'Of a TOKEN_FIRST_USED of Sworn’s own: what the key was used for.',
    },
    reported_by: { ...NullableOneOf(REPORTERS), description: 'Null of Sworn’s own records.' },
    key: {
      ...Type.Union([KeyGranted, Type.Null()]),
      description: 'Of a KEY_CREATED of Sworn’s own: what the key may.',
    },
    key_id: { ...NullableString, description: 'Ingest key that a producer’s record came in with.' },
    service: { ...NullableString, description: 'Service that reported it.' },
    conflict_of: { ...NullableString, description: 'Entry of the same identity that came first, and counts.' },
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type IdentityItem = Static<typeof IdentityItem>;

/** Endpoint 14. */
export const IdentityList = Type.Object(
  {
    items: Type.Array(Type.Union([IdentityItem, CompromisedItem])),
    without_producer: Type.Array(OneOf(IDENTITY_EVENTS), {
      description:
        'Types of events that Sworn does not record itself and that no producer of the tenant had reported at the pin: that there are none says nothing.',
    }),
    ...auditListFields,
  },
  { additionalProperties: false },
);
export type IdentityList = Static<typeof IdentityList>;

/** Parameters of endpoint 14. */
export const IdentityQuery = Type.Object(
  {
    event_type: Type.Optional({ ...OneOf(IDENTITY_EVENTS), description: 'What happened, e.g. KEY_CREATED' }),
    entity_id: Type.Optional(
      textFilter(
        'Id of a key; whom or what it is about, a person in clear or his token',
        '6f1d2c3b-0a49-4f5e-8d7c-1b2a3c4d5e6f',
      ),
    ),
    run_id: Type.Optional(textFilter('Run that it is about', '4bf92f3577b34da6a3ce929d0e0e4736')),
    actor_id: Type.Optional(
      textFilter(
        'Who acted, as a producer names him, in clear or his token; of Sworn’s own who signed in',
        'ada@example.com',
      ),
    ),
    decision: Type.Optional({ ...OneOf(AUDIT_DECISIONS), description: 'What was decided, e.g. DENY' }),
    ...formatParameter,
    ...listParameters,
  },
  { additionalProperties: false },
);
export type IdentityQuery = Static<typeof IdentityQuery>;
