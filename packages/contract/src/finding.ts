import { Type, type Static } from 'typebox';
import { OneOf, Uuid } from './scalars.js';

/** What a check of INTEGRITY.md found wrong with one record. About us, never about a producer. */
export const Finding = Type.Object(
  {
    check: OneOf(['V1', 'V2', 'V3', 'V4', 'V5', 'V6', 'V7', 'V8', 'V9', 'V10', 'V11']),
    code: OneOf([
      'CHECKPOINT_INVALID',
      'LEAF_MALFORMED',
      'LEAF_HASH_MISMATCH',
      'COLUMN_MISMATCH',
      'PROJECTION_MISMATCH',
      'NOT_UNDER_CHECKPOINT',
      'MISSING_UNAUTHORISED',
      'BODY_MISSING_UNAUTHORISED',
      'BODY_MISMATCH',
      'RUN_TREE_MISMATCH',
    ]),
    log: Type.String(),
    leaf_index: Type.Integer({ minimum: 0 }),
    detail: Type.String({ description: 'Which column, member or count differs. Never a value of the record.' }),
  },
  { additionalProperties: false },
);
export type Finding = Static<typeof Finding>;

/** Stands in a list or long answer in the place of a record that failed its check; the page stays 200. */
export const CompromisedItem = Type.Object(
  { id: Uuid, compromised: Type.Literal(true), leaf_index: Type.Integer({ minimum: 0 }), finding: Finding },
  { additionalProperties: false },
);
export type CompromisedItem = Static<typeof CompromisedItem>;
