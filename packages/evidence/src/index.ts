export { sha256, startSha256 } from '#sha256';
export { type ArchivedFile, archiveEnd, archiveHeader } from './bundle/archive.js';
export {
  ATTESTATION_TYPE,
  type AttestationKey,
  type Attested,
  attestationText,
  type CustodyEntry,
  parseAttestation,
  type ReadAttestation,
} from './bundle/attestation.js';
export { type Bond, belongsBySeal, belongsTo, namesIncident } from './bundle/belongsTo.js';
export { csvCell, csvRow } from './bundle/csv.js';
export { type DisclosedBody, disclosureLine, isDisclosed, parseDisclosure } from './bundle/disclosureLine.js';
export { type LogRow, logRows, logsFiles } from './bundle/logsFiles.js';
export {
  LOG_SCOPES,
  type LogScopeName,
  type LogsScope,
  type LogsStatement,
  NONCE,
  type PeriodRange,
  type Sample,
} from './bundle/logsStatement.js';
export {
  parseRange,
  parseWithheld,
  type RangeFile,
  rangeText,
  type WithheldFile,
  withheldText,
} from './bundle/rangeFile.js';
export { type DerivedFile, RUN_FILES, runEnvelope, runFiles, runGovernance } from './bundle/runFiles.js';
export { type LeavesOfLog, lineOf, parseRunLeaves, recordsOfRun, runLeavesText } from './bundle/runLeaves.js';
export { type ReadRecord, type RecordFile, type RunRecords, readRunRecords } from './bundle/runRecords.js';
export { countRunRows, type RunRow, runRows } from './bundle/runRows.js';
export { type Drawable, type Drawn, drawSample } from './bundle/sample.js';
export type { RunScope, RunStatement } from './bundle/runStatement.js';
export {
  type LeftOutRun,
  RUN_BONDS,
  type RunBond,
  type RunsScope,
  type RunsStatement,
  type StatedRun,
} from './bundle/runsStatement.js';
export {
  type BundleScope,
  parseStatement,
  type ScopeKind,
  type Statement,
  type StatementByKind,
  statementText,
} from './bundle/statement.js';
export {
  BUNDLE_FORMAT,
  DISCLOSURES,
  type Disclosure,
  type PinnedRecords,
  type StatementHead,
} from './bundle/statementHead.js';
export { base64, concat, equalBytes, fromUtf8, hex, unbase64, unhex, utf8 } from './bytes.js';
export { type Checkpoint, checkpointBody, parseCheckpoint, type TreeHead } from './checkpoint.js';
export { commit, sizeClass } from './commitment.js';
export { hkdfExpand, hkdfExtract, hmacSha256 } from './hmac.js';
export type { JsonObject, JsonValue } from './json.js';
export { parseStrict } from './jsonReader.js';
export { canonicalize } from './jsonWriter.js';
export { type Committed, decodeLeaf, encodeLeaf, LEAF_TYPE, type Leaf, type LeafFields } from './leaf.js';
export { LeafRefused, Malformed, type MalformedCode } from './malformed.js';
export {
  formatNote,
  type Note,
  type NoteSignature,
  type NoteSigner,
  parseNote,
  signatureBy,
  type VerifyEd25519,
  verifyNote,
} from './note.js';
export {
  type ConsistencyClaim,
  consistencyProof,
  type InclusionClaim,
  inclusionProof,
  type LeafRange,
  type RangeClaim,
  type ReadNode,
  rangeProof,
  type SubtreesClaim,
  verifyConsistency,
  verifyInclusion,
  verifyRange,
  verifySubtrees,
} from './proof.js';
export { copiedKey, haveBearingDescendant, type Placed, parentsOf, placesOf, stepKey } from './run/forest.js';
export { type Members, membersOf } from './run/members.js';
export { milliseconds, money, timeOf } from './run/quantity.js';
export { saidEvent } from './run/saidEvent.js';
export { hasFailed, saidStep, statusOf } from './run/saidStep.js';
export { counted, sealedFigures, sealedRun } from './run/sealedRun.js';
export { STEP_KINDS, type StepKind } from './run/stepKind.js';
export { type KindStep, stepKinds } from './run/stepKinds.js';
export { type OrderedStep, type PlacedStep, type TreePlaces, treeOrder, treePlaces } from './run/treeOrder.js';
export { parseRecordId, type RecordPlace, recordId, recordIdAt } from './recordId.js';
export {
  decodeEntries,
  encodeEntries,
  type FullTile,
  fullTilesBetween,
  nodesInTiles,
  parseTilePath,
  splitTile,
  TILE_HEIGHT,
  TILE_WIDTH,
  type TileId,
  tilePath,
  tileWidth,
} from './tile.js';
export { formatTlogProof, parseTlogProof, type TlogProof } from './tlogProof.js';
export { type LeafSpan, rootsOf, type SetClaim, subtreesBeside, verifySet } from './setProof.js';
export type { Sha256 } from './sha256.js';
export { isTimestamp } from './time.js';
export { token } from './token.js';
export { TOPICS, type Topic, topicOfLog } from './topic.js';
export {
  decodeFrontier,
  EMPTY_ROOT,
  emptyFrontier,
  encodeFrontier,
  extendFrontier,
  type Frontier,
  frontierRoot,
  HASH_BYTES,
  leafHash,
  nodeHash,
  treeHash,
} from './tree.js';
export { noteKeyId, parseVkey, type Vkey, vkeyOf } from './vkey.js';
