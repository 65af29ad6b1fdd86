export type { ArchiveEntry } from './archive/entry.js';
export { ARCHIVE_CODES, type ArchiveCode, type ArchiveFinding } from './archive/finding.js';
export { type Archive, openArchive } from './archive/open.js';
export { type ArchiveSource, blobSource, bytesSource, SourceFailed } from './archive/source.js';
export { type Bag, checkBag } from './bag/check.js';
export { BAG_CODES, type BagCode, type BagFinding } from './bag/finding.js';
export type { Digests } from './bag/manifest.js';
export { BUNDLE_CODES, type BundleCode, type BundleFinding } from './bundle/finding.js';
export { fingerprintOf, parseKeys } from './bundle/keys.js';
export type { Finding, Tell, Told } from './finding.js';
export { verificationPage } from './page.js';
export { verifyByWebCrypto, type VerifySignature } from './signature.js';
export {
  sentenceOf,
  type Trust,
  type Verdict,
  type Verification,
  type VerificationCode,
  type VerifiedLog,
  verifyBundle,
} from './verify.js';
