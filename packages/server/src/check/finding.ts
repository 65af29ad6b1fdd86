import { FINDING_CODES, FINDING_SCOPE, type FindingCode, FOUND_BY_SIGNER_ALONE } from '@sworn/contract';
import { hex, sha256, utf8 } from '@sworn/evidence';

/** A check of INTEGRITY.md. */
export type CheckId = keyof typeof FINDING_CODES;

const CHECK_OF = new Map<string, CheckId>(
  Object.entries(FINDING_CODES).flatMap(([check, codes]) => codes.map((code) => [code, check as CheckId] as const)),
);

/** One thing that is not as it must be: about us, never about a producer. Holds no value of a record, only hashes, counts and names of columns. */
export interface Finding {
  readonly check: CheckId;
  readonly code: FindingCode;
  readonly tenantId: string;
  readonly log: string;
  /** Leaf index; of a batch, checkpoint or tile the first leaf that it is about. Null: about no single place. */
  readonly index: number | null;
  /** Last leaf that it may be about, where it is about several; absent: the one at `index`. */
  readonly to?: number;
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

/**
 * Names a finding: the same thing wrong at the same place has the same name, whoever finds it and whenever. What is remembered outside (V2) is about
 * the log as a whole, of which the signer and the checks name other places.
 */
export function findingId({ check, code, tenantId, log, index, table }: Finding): string {
  const place = check === 'V2' ? [] : [String(index), table];
  return `fnd_${hex(sha256(utf8([code, tenantId, log, ...place].join('\0')))).slice(0, 32)}`;
}

/** Whether only the signer looks for it: a check that does not meet it has not looked. */
export function isOfSigner({ code }: Pick<Finding, 'code'>): boolean {
  return FOUND_BY_SIGNER_ALONE.has(code);
}

/** What a look at one log does not look for: rows of logs that are none, and the walls. */
export function isOfDeployment({ code, index }: Finding): boolean {
  return FINDING_SCOPE[code] === 'deployment' || (code === 'STRAY_ROW' && index === null);
}

/** One sentence. */
export function sentenceOf({ table, expected, found }: Pick<Finding, 'table' | 'expected' | 'found'>): string {
  return `${table}: expected ${expected}, found ${found}`;
}
