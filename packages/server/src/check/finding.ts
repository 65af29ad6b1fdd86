/** The checks of INTEGRITY.md. */
export type CheckId = 'V1' | 'V2' | 'V3' | 'V4' | 'V5' | 'V6' | 'V7' | 'V8' | 'V9' | 'V10' | 'V11';

/** What each check can find. A code belongs to one check; docs/operate/findings.md says what each means and what to do. */
export const CODES = {
  V1: ['CHECKPOINT_INVALID'],
  V2: ['LOG_SHORTER_THAN_SIGNED', 'LOG_DIFFERS_FROM_SIGNED', 'SIGNER_MEMORY_LOST'],
  V3: [
    'TILE_MISMATCH',
    'TILE_MISSING',
    'ROOT_MISMATCH',
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
  V10: ['BEYOND_HEAD', 'UNKNOWN_LOG', 'STRAY_ROW', 'STRAY_BODY', 'CONTROL_KIND_OUTSIDE'],
  V11: ['POSTURE'],
} as const satisfies Record<CheckId, readonly string[]>;

/** A code of any check. */
export type FindingCode = (typeof CODES)[CheckId][number];

const CHECK_OF = new Map<string, CheckId>(
  Object.entries(CODES).flatMap(([check, codes]) => codes.map((code) => [code, check as CheckId] as const)),
);

/** One thing that is not as it must be: about us, never about a producer. Holds no value of a record, only hashes, counts and names of columns. */
export interface Finding {
  readonly check: CheckId;
  readonly code: FindingCode;
  readonly tenantId: string;
  readonly log: string;
  /** Leaf index; of a batch, checkpoint or tile the first leaf that it is about. Null: about no single place. */
  readonly index: number | null;
  /** Table whose row it is about. */
  readonly table: string;
  readonly expected: string;
  readonly found: string;
}

/** Where a finding is told. */
export type Tell = (finding: Omit<Finding, 'check'>) => void;

/** A finding with the check that its code belongs to. */
export function findingOf(said: Omit<Finding, 'check'>): Finding {
  return { check: CHECK_OF.get(said.code) as CheckId, ...said };
}
