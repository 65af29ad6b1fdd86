import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata, RecordMetadata } from './metadata.js';
import { listParameters, pageFields, textFilter } from './page.js';
import { Checksum, NullableString, NullableTimestamp, OneOf, Timestamp, Uuid } from './scalars.js';

/** Who may answer for a run that did not succeed. */
export const PARTIES = ['CUSTOMER', 'CLOUD', 'LLM_PROVIDER', 'PLATFORM', 'UNKNOWN'] as const;
const CONFIDENCES = ['HIGH', 'MEDIUM', 'LOW', 'NONE'] as const;

const Rule = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
    party: OneOf(PARTIES),
    confidence: OneOf(CONFIDENCES),
    when: Type.Array(
      Type.Object(
        { asks: Type.String({ description: 'What of the run it asks.' }), words: Type.Array(Type.String()) },
        { additionalProperties: false },
      ),
      {
        description:
          'What it asks, all of it; of the words one is enough, in any case, * at an end standing for anything.',
      },
    ),
  },
  { additionalProperties: false },
);

/** A record that the answer rests on. */
const EvidenceRef = Type.Object(
  {
    kind: OneOf(['RUN', 'STEP', 'SYSTEM', 'PLATFORM']),
    id: Uuid,
    log: Type.String(),
    leaf_index: Type.Integer({ minimum: 0 }),
    checksum: Checksum,
  },
  { additionalProperties: false },
);

/** One run that failed, was aborted or timed out, and what its records point to. */
export const AttributionItem = Type.Object(
  {
    id: { ...Uuid, description: 'Of the newest record of the run.' },
    run_id: Type.String(),
    execution_status: OneOf(['FAILED', 'ABORTED', 'TIMEOUT']),
    termination_reason: NullableString,
    error_type: { ...NullableString, description: 'As the run says it, else the step where it turned.' },
    started_at: Timestamp,
    completed_at: NullableTimestamp,
    party: { ...OneOf(PARTIES), description: 'Who the records point to; UNKNOWN where no rule holds.' },
    confidence: OneOf(CONFIDENCES),
    rule: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'Id of the rule that held, the first.' }),
    rule_version: Type.Integer({ minimum: 1, description: 'Of the rules.' }),
    evidence_refs: Type.Array(EvidenceRef, { maxItems: 32 }),
    linked_runs: Type.Array(Type.String(), {
      maxItems: 16,
      description: 'The run that resumed it, and others of its conversation, newest first.',
    }),
    metadata: RecordMetadata,
  },
  { additionalProperties: false },
);
export type AttributionItem = Static<typeof AttributionItem>;

/** Endpoint 12. */
export const AttributionList = Type.Object(
  {
    items: Type.Array(Type.Union([AttributionItem, CompromisedItem])),
    rules: Type.Array(Rule, { description: 'In their order; what of them held is evaluated with every answer.' }),
    rules_version: Type.Integer({ minimum: 1 }),
    examined_limit_reached: Type.Boolean({
      description:
        'True: the page looked at as many runs as one may and ends there, short or empty; go on with next_cursor.',
    }),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type AttributionList = Static<typeof AttributionList>;

const { order: _, include_total: __, ...pages } = listParameters;

/** Parameters of endpoint 12. */
export const AttributionQuery = Type.Object(
  {
    run_id: Type.Optional(textFilter('One run', '4bf92f3577b34da6a3ce929d0e0e4736')),
    party: Type.Optional({
      ...OneOf(PARTIES),
      description: 'Who the records point to. A page evaluates at most 2,000 runs under it, e.g. LLM_PROVIDER',
    }),
    ...pages,
  },
  { additionalProperties: false },
);
export type AttributionQuery = Static<typeof AttributionQuery>;
