import type { ArchiveCode } from '../archive/finding.js';
import type { Finding, Tell } from '../finding.js';

/** What can be wrong with a bag. Each is a rule of docs/spec/bag.md. */
export const BAG_CODES = [
  'BAG_DECLARATION',
  'BAG_MISSING',
  'BAG_UNLISTED',
  'BAG_WRONG_MANIFEST',
  'BAG_OTHER_MANIFEST',
  'BAG_MANIFEST_LINE',
  'BAG_MANIFEST_ORDER',
  'BAG_TOO_LARGE',
  'BAG_DIGEST',
  'BAG_OXUM',
] as const;

export type BagCode = (typeof BAG_CODES)[number];

/** A rule of docs/spec/bag.md that a bag breaks. */
export type BagFinding = Finding<BagCode>;

/** Takes findings about the bag and, of its files as they are read, about the archive. */
export type TellBag = Tell<BagCode | ArchiveCode>;
