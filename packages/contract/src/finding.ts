import { Type, type Static } from 'typebox';
import { NullableInteger, NullableTimestamp, OneOf, Timestamp, Uuid } from './scalars.js';

/** The checks of INTEGRITY.md. */
export const CHECKS = ['V1', 'V2', 'V3', 'V4', 'V5', 'V6', 'V7', 'V8', 'V9', 'V10', 'V11'] as const;

/** What each check can find. A code belongs to the check that looks for it; docs/operate/findings.md says what each means and what to do. */
export const FINDING_CODES = {
  V1: ['CHECKPOINT_INVALID', 'SIGNING_KEY_MISSING'],
  V2: ['LOG_SHORTER_THAN_SIGNED', 'LOG_DIFFERS_FROM_SIGNED', 'SIGNER_MEMORY_LOST', 'LOG_NOT_RECOVERED'],
  V3: [
    'TILE_MISMATCH',
    'TILE_MISSING',
    'ROOT_MISMATCH',
    'NOT_UNDER_CHECKPOINT',
    'CHECKPOINT_DIFFERS',
    'UNAUTHENTICATED_APPEND',
    'AUTHENTICATOR_MISMATCH',
    'HEAD_MISMATCH',
  ],
  V4: ['LEAF_HASH_MISMATCH', 'LEAF_MALFORMED'],
  V5: ['MISSING_UNAUTHORISED', 'DUPLICATE_INDEX', 'BODY_MISSING_UNAUTHORISED', 'KEY_MISSING_UNAUTHORISED'],
  V6: ['COLUMN_MISMATCH', 'PROJECTION_MISMATCH', 'PROJECTION_MISSING'],
  V7: ['TIME_WENT_BACK'],
  V8: ['BODY_MISMATCH', 'COMMITMENT_MISMATCH', 'KEY_DOES_NOT_OPEN'],
  V9: ['RUN_TREE_MISMATCH'],
  V10: ['BEYOND_HEAD', 'UNKNOWN_LOG', 'STRAY_ROW', 'STRAY_BODY', 'CONTROL_KIND_OUTSIDE', 'CHECK_STATE_MISMATCH'],
  V11: ['POSTURE', 'NOT_DURABLE'],
} as const satisfies Record<(typeof CHECKS)[number], readonly string[]>;

/** A code of any check. */
export type FindingCode = (typeof FINDING_CODES)[keyof typeof FINDING_CODES][number];

/**
 * What a finding with this code is about. `record`: the leaves that it names, which no answer presents as sound. `log`: a log, its head, or a batch, tile,
 * checkpoint or cursor of it; the place that it names is that of no record. `deployment`: what a look at one log does not look for.
 */
export const FINDING_SCOPE = {
  CHECKPOINT_INVALID: 'log',
  SIGNING_KEY_MISSING: 'log',
  LOG_SHORTER_THAN_SIGNED: 'log',
  LOG_DIFFERS_FROM_SIGNED: 'log',
  SIGNER_MEMORY_LOST: 'log',
  LOG_NOT_RECOVERED: 'log',
  TILE_MISMATCH: 'record',
  TILE_MISSING: 'log',
  ROOT_MISMATCH: 'record',
  NOT_UNDER_CHECKPOINT: 'record',
  CHECKPOINT_DIFFERS: 'log',
  UNAUTHENTICATED_APPEND: 'record',
  AUTHENTICATOR_MISMATCH: 'log',
  HEAD_MISMATCH: 'log',
  LEAF_HASH_MISMATCH: 'record',
  LEAF_MALFORMED: 'record',
  MISSING_UNAUTHORISED: 'record',
  DUPLICATE_INDEX: 'record',
  BODY_MISSING_UNAUTHORISED: 'record',
  KEY_MISSING_UNAUTHORISED: 'record',
  COLUMN_MISMATCH: 'record',
  PROJECTION_MISMATCH: 'record',
  PROJECTION_MISSING: 'record',
  TIME_WENT_BACK: 'record',
  BODY_MISMATCH: 'record',
  COMMITMENT_MISMATCH: 'record',
  KEY_DOES_NOT_OPEN: 'record',
  RUN_TREE_MISMATCH: 'record',
  BEYOND_HEAD: 'log',
  UNKNOWN_LOG: 'deployment',
  STRAY_ROW: 'record',
  STRAY_BODY: 'record',
  CONTROL_KIND_OUTSIDE: 'record',
  CHECK_STATE_MISMATCH: 'log',
  POSTURE: 'deployment',
  NOT_DURABLE: 'deployment',
} as const satisfies Record<FindingCode, 'record' | 'log' | 'deployment'>;

/** What only the signer looks for: a check that does not meet it has not looked. */
export const FOUND_BY_SIGNER_ALONE: ReadonlySet<FindingCode> = new Set(['NOT_DURABLE', 'SIGNING_KEY_MISSING']);

/** What a way round of the server's own checks does not clear, since it is about them: `sworn fsck --record` does. */
export const CLEARED_BY_HAND: ReadonlySet<FindingCode> = new Set(['CHECK_STATE_MISMATCH']);

const Code = OneOf(Object.values(FINDING_CODES).flat());

/** What a check found wrong with one record. About us, never about a producer. */
export const Finding = Type.Object(
  {
    check: OneOf(CHECKS),
    code: Code,
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

/** A finding that was opened in `control` and not cleared since. */
export const OpenFinding = Type.Object(
  {
    id: Type.String({ pattern: '^fnd_[0-9a-f]{32}$' }),
    check: OneOf(CHECKS),
    code: Code,
    log: Type.String(),
    leaf_index: { ...NullableInteger, description: 'First leaf that it is about; null: no single place.' },
    last_index: { ...NullableInteger, description: 'Last leaf that it may be about.' },
    table: Type.String(),
    expected: Type.String(),
    found: Type.String(),
    opened_at: Timestamp,
    last_seen_at: NullableTimestamp,
    control_index: Type.Integer({ minimum: 0, description: 'Its FINDING leaf in `control`.' }),
  },
  { additionalProperties: false },
);
export type OpenFinding = Static<typeof OpenFinding>;
