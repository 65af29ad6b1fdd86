import type { Finding, Tell } from '../finding.js';

/** What can be wrong with a bundle, beyond its archive. Each is a rule of docs/spec/bundle.md. */
export const BUNDLE_CODES = [
  'STATEMENT_MALFORMED',
  'FILE_MISSING',
  'FILE_UNEXPECTED',
  'FILE_TOO_LARGE',
  'FILE_MALFORMED',
  'KEY_DIFFERS',
  'CHECKPOINT_MALFORMED',
  'CHECKPOINT_DIFFERS',
  'CHECKPOINT_UNSIGNED',
  'RECORD_MALFORMED',
  'RECORD_COUNT',
  'RECORD_ORDER',
  'NOT_UNDER_CHECKPOINT',
  'PROOF_MALFORMED',
  'PROOF_DIFFERS',
  'DISCLOSURE_MALFORMED',
  'DISCLOSURE_MISMATCH',
  'COUNT_MISMATCH',
  'INCOMPLETE',
  'OUT_OF_SCOPE',
  'PERIOD_MISMATCH',
  'SAMPLE_MISMATCH',
  'DERIVED_MISMATCH',
  'ATTESTATION_MALFORMED',
  'ATTESTATION_DIFFERS',
  'ATTESTATION_UNSIGNED',
  'CONTRADICTS_OLDER',
] as const;

/** One of them. */
export type BundleCode = (typeof BUNDLE_CODES)[number];

/** A rule of docs/spec/bundle.md that a bundle breaks. */
export type BundleFinding = Finding<BundleCode>;

export type TellBundle = Tell<BundleCode>;
