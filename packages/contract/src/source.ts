import { Type, type Static } from 'typebox';
import { NullableInteger, NullableTimestamp, OneOf } from './scalars.js';

/** What a replay is made of: steps of the run, what happened around it, the governance of it. Events of one moment come in this order. */
export const REPLAY_SOURCES = ['llm', 'system', 'policy'] as const;

/** What an answer of several topics can say of one of them. */
export const Source = Type.Object(
  {
    source: OneOf(REPLAY_SOURCES),
    status: {
      ...OneOf(['AVAILABLE', 'EXPIRED', 'WITHHELD']),
      description: 'EXPIRED: records may be gone by retention. WITHHELD: it takes a permission that the key lacks.',
    },
    available_from: {
      ...NullableTimestamp,
      description: 'Of an EXPIRED source: when the oldest record was stored that is left; null: none is left.',
    },
    withheld: {
      ...NullableInteger,
      description: 'Of a WITHHELD source: events, of a replay those in the window; at most 1,000 are counted.',
    },
  },
  { additionalProperties: false },
);
export type Source = Static<typeof Source>;
