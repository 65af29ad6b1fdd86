import { Type, type Static } from 'typebox';
import { CompromisedItem } from './finding.js';
import { AggregateMetadata } from './metadata.js';
import { longParameters, pageFields } from './page.js';
import { NullableTimestamp, OneOf, Timestamp } from './scalars.js';
import { SystemItem } from './system.js';

/** How a record of `system` belongs to a run. */
export const ASSOCIATIONS = ['CORRELATED', 'CO_LOCATED', 'PLATFORM'] as const;
/** By what: an id that both name, the instance or host on which both happened, or the time alone. */
export const TIES = ['TRACE', 'RUN', 'CORRELATION', 'INSTANCE', 'HOST', 'SERVICE', 'TIME'] as const;

/** Run ids that are shown of the other runs that a record belongs to. */
export const MAX_OTHER_RUNS = 10;

const OtherRuns = Type.Object(
  {
    count: Type.Integer({ minimum: 0 }),
    run_ids: Type.Array(Type.String(), { maxItems: MAX_OTHER_RUNS, description: 'The first of them.' }),
    complete: Type.Boolean({
      description: 'False: runs that began long before were not looked at, so that there may be more.',
    }),
  },
  { additionalProperties: false },
);

/** A record of `system` that belongs to a run. */
export const SystemEvent = Type.Object(
  {
    ...SystemItem.properties,
    association: {
      ...OneOf(ASSOCIATIONS),
      description:
        'CORRELATED: it names the run, one of its traces or its correlation id, whenever it was. CO_LOCATED: of the same instance, else host, while the run ran. PLATFORM: of Sworn itself, meanwhile.',
    },
    tied_by: { ...OneOf(TIES), description: 'The strongest of what ties it to the run, in this order.' },
    started_at: Timestamp,
    ended_at: { ...NullableTimestamp, description: 'Null: a record of one moment, or nobody said when it was over.' },
    other_runs: Type.Union([OtherRuns, Type.Null()], {
      description:
        'Runs of this tenant that it belongs to as well: those of its trace, else the sealed ones that ran on its instance at that moment. Null: it names neither, or is of the platform.',
    }),
  },
  { additionalProperties: false },
);
export type SystemEvent = Static<typeof SystemEvent>;

/** Endpoint 10. */
export const SystemEvents = Type.Object(
  {
    run_id: Type.String(),
    run_started_at: { ...NullableTimestamp, description: 'From here on what is CO_LOCATED counts.' },
    run_ended_at: { ...NullableTimestamp, description: 'Up to here, and not at it. Null: it runs.' },
    events: Type.Array(Type.Union([SystemEvent, CompromisedItem]), { description: 'Oldest first.' }),
    traces_left_out: Type.Integer({
      minimum: 0,
      description: 'Traces of the run beyond the first 4,096, by which no record was looked for.',
    }),
    provisional: Type.Boolean({ description: 'The run is open: more may come.' }),
    ...pageFields,
    metadata: AggregateMetadata,
  },
  { additionalProperties: false },
);
export type SystemEvents = Static<typeof SystemEvents>;

/** Parameters of endpoint 10. */
export const SystemEventsQuery = Type.Object(longParameters, { additionalProperties: false });
export type SystemEventsQuery = Static<typeof SystemEventsQuery>;
