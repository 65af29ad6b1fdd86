import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata } from './metadata.js';
import { longParameters, pageFields } from './page.js';
import { Source } from './source.js';
import { Checksum, NullableInteger, NullableOneOf, NullableString, OneOf, Timestamp, Uuid } from './scalars.js';

/** What kind of governance an event is (CONTRACT.md 3.4). */
export const GOVERNANCE_CATEGORIES = [
  'THRESHOLD_CHECK',
  'POLICY_EVALUATION',
  'NEAR_BREACH',
  'VIOLATION',
  'OVERRIDE',
  'APPROVAL_REQUEST',
  'APPROVAL_DECISION',
  'EVALUATION',
] as const;

/** What a verdict means. NONE: no verdict was reported, or one in a word that nobody knows. */
export const GOVERNANCE_DECISIONS = ['ALLOW', 'DENY', 'CONDITIONAL', 'PENDING', 'NONE'] as const;

const Native = Type.Unsafe<{ field: string | null; value: string | null } | null>({
  type: ['object', 'null'],
  properties: {
    field: { type: ['string', 'null'] },
    value: { type: ['string', 'null'] },
  },
  required: ['field', 'value'],
  additionalProperties: false,
  description:
    'The verdict as it was sent, and where it stood; at most its first 1,024 characters. Null: the record holds none.',
});

/** Of an event that was read from a span. */
export const EventsLeftOut = Type.Integer({
  minimum: 0,
  description:
    'Further events that its span tells of, beyond the 16 that records are made of; they stand in the body of the step.',
});

/** One event: a rule that touched the run, as its record says it. */
export const GovernanceEvent = Type.Object(
  {
    id: Uuid,
    timestamp: { ...Timestamp, description: 'When it happened, as the producer says.' },
    category: {
      ...NullableOneOf(GOVERNANCE_CATEGORIES),
      description: 'Null: a review, a note or an incident about the run.',
    },
    event_type: Type.String(),
    event_name: { ...NullableString, description: 'Name of the log record.' },
    policy_id: NullableString,
    policy_version: NullableString,
    rule_id: NullableString,
    incident_id: NullableString,
    decision: OneOf(GOVERNANCE_DECISIONS),
    native: Native,
    enforced: {
      ...NullableOneOf(GOVERNANCE_DECISIONS),
      description: 'What was done, where that is told beside the verdict.',
    },
    reason: { ...NullableString, description: 'In the words of the sender; at most its first 1,024 characters.' },
    content: {
      ...NullableOneOf(['FULL', 'REDACTED', 'ERASED', 'EXPIRED']),
      description: 'Of the body that reason and native value are read from. Null: there is none, or it cannot be read.',
    },
    enforced_by: NullableString,
    observed: NullableString,
    threshold: NullableString,
    unit: NullableString,
    trace_id: NullableString,
    span_id: NullableString,
    step_index: { ...NullableInteger, description: 'Place of the step in the trace of the run; null: of none.' },
    tool: NullableString,
    call_id: NullableString,
    actor_type: { ...NullableOneOf(['HUMAN', 'AGENT', 'SYSTEM']), description: 'Null: nobody says who decided.' },
    actor_id: { ...NullableString, description: 'Of a human a token.' },
    reported_by: {
      ...OneOf(['CLIENT', 'ENGINE', 'DERIVED']),
      description: 'CLIENT: an application says so. DERIVED: Sworn concluded it, by `rule`.',
    },
    rule: { ...NullableString, description: 'Of Sworn: how the event was recognised, or concluded.' },
    rule_version: { ...NullableInteger, description: 'Of a rule that concludes.' },
    derived_from: Type.Array(Uuid, {
      description: 'Of what Sworn concluded the records it is concluded from, the verdict first. Else empty.',
    }),
    foreign: Type.Boolean({ description: 'Sent with a key that is not bound to its service: it changes nothing.' }),
    events_left_out: EventsLeftOut,
    leaf_index: Type.Integer({ minimum: 0 }),
    checksum: Checksum,
    recorded_at: Timestamp,
  },
  { additionalProperties: false },
);
export type GovernanceEvent = Static<typeof GovernanceEvent>;

/** Whether a run without governance had nothing to report, or nobody to report it. */
const GOVERNANCE_REPORTING = ['REPORTED', 'NOTHING_REPORTED', 'NO_SOURCE'] as const;

const Summary = Type.Object(
  {
    counts: Type.Array(
      Type.Object(
        {
          category: OneOf(GOVERNANCE_CATEGORIES),
          decision: OneOf(GOVERNANCE_DECISIONS),
          count: Type.Integer({ minimum: 1 }),
        },
        { additionalProperties: false },
      ),
      { description: 'Events of the whole run, by category and decision; not those of a foreign key.' },
    ),
    others: Type.Integer({ minimum: 0, description: 'Reviews, notes, incidents.' }),
    events_left_out: Type.Integer({
      minimum: 0,
      description: 'Events that spans of the run tell of beyond 16 of each, of which there are no records.',
    }),
    complete: Type.Boolean({
      description: 'False: the run has more events than the first 5,000, which are counted.',
    }),
  },
  { additionalProperties: false },
);

/** O3, which rules touched a run. */
export const RunGovernance = Type.Object(
  {
    run_id: Type.String(),
    trace_id: NullableString,
    sources: Type.Array(Source, { description: 'One, `policy`: whether its records may be seen, and are there.' }),
    events: Type.Array(Type.Union([GovernanceEvent, CompromisedItem])),
    summary: Type.Union([Summary, Type.Null()], { description: 'Null: the events are withheld.' }),
    reporting: {
      ...OneOf(GOVERNANCE_REPORTING),
      description:
        'REPORTED: the run has governance, or events that are withheld. NOTHING_REPORTED: none, though its service has sent some before. NO_SOURCE: its service never sent any.',
    },
    provisional: Type.Boolean({
      description: 'The run is still open. Of a settled one too more may be reported later.',
    }),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type RunGovernance = Static<typeof RunGovernance>;

/** Parameters of the governance of a run. */
export const RunGovernanceQuery = Type.Object({ ...longParameters }, { additionalProperties: false });
export type RunGovernanceQuery = Static<typeof RunGovernanceQuery>;
