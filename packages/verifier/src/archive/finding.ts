import type { Finding, Tell } from '../finding.js';

/** What can be wrong with an archive. Each is a rule of docs/spec/archive.md, which says why the rule is there. */
export const ARCHIVE_CODES = [
  'ARCHIVE_NOT_A_ZIP',
  'ARCHIVE_TOO_LARGE',
  'ARCHIVE_TOO_MANY',
  'ARCHIVE_EMPTY',
  'ARCHIVE_ZIP64',
  'ARCHIVE_DISKS',
  'ARCHIVE_COMMENT',
  'ARCHIVE_TRAILING',
  'ARCHIVE_PREFIX',
  'ARCHIVE_DIRECTORY',
  'ARCHIVE_COUNT',
  'ARCHIVE_GAP',
  'ARCHIVE_OVERLAP',
  'ARCHIVE_LOCAL_DIFFERS',
  'ARCHIVE_EXTRA_FIELD',
  'ARCHIVE_VERSION',
  'ARCHIVE_ENCRYPTED',
  'ARCHIVE_DESCRIPTOR',
  'ARCHIVE_FLAGS',
  'ARCHIVE_COMPRESSED',
  'ARCHIVE_TIME',
  'ARCHIVE_SIZE',
  'ARCHIVE_LINK',
  'ARCHIVE_ATTRIBUTES',
  'ARCHIVE_NAME_LENGTH',
  'ARCHIVE_NAME_CHARACTER',
  'ARCHIVE_NAME_PATH',
  'ARCHIVE_BACKSLASH',
  'ARCHIVE_ABSOLUTE',
  'ARCHIVE_FOLDER',
  'ARCHIVE_DUPLICATE_NAME',
  'ARCHIVE_NAME_CASE',
  'ARCHIVE_ORDER',
  'ARCHIVE_FETCH',
  'ARCHIVE_CRC',
] as const;

export type ArchiveCode = (typeof ARCHIVE_CODES)[number];

/** A rule of docs/spec/archive.md that an archive breaks. */
export type ArchiveFinding = Finding<ArchiveCode>;

export type TellArchive = Tell<ArchiveCode>;
