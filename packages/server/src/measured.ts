/**
 * Parts of the server that the benchmarks measure by themselves, in a process of their own: what a row says of one part, the whole server would hide.
 * No part of what the package offers to anybody else.
 */
export type { Credential, KeyCredential } from './access/credential.js';
export { type Checking } from './check/checking.js';
export { checkGeneration, checkMemory, stateOf } from './check/engine.js';
export { type Finding, findingOf } from './check/finding.js';
export { checkRange } from './check/log.js';
export { checkBeyond } from './check/strays.js';
export { openForJudging } from './deployment.js';
export { checkingOf } from './fsck.js';
export { createPreparer } from './ingest/prepare.js';
export {
  BUILT_IN_GOVERNANCE,
  BUILT_IN_MAPPING,
  BUILT_IN_VOCABULARY,
  readGovernance,
  readMapping,
  readVocabulary,
} from './mapping/files.js';
export { createPricer } from './mapping/prices.js';
export { decodeTraces } from './otlp/wire.js';
export { proofOf } from './read/proof.js';
export { overTiles } from './read/tiles.js';
export { createDirectory } from './record/directory.js';
export type { LeafDraft } from './record/draft.js';
export { createRedactor } from './record/redact/redactor.js';
export { createSequencer } from './record/sequencer.js';
export { readRedactionRules } from './redactionRules.js';
export { findByEventKey, insertLeaves, type LeafRow, type LogHead, lockHeads, readClock } from './store/append.js';
export { type HeadRow, type LogPlace, readHeads, readPlatform } from './store/checking.js';
export { readCovering } from './store/checkpointRead.js';
export { inTenant, outsideTenants, type Tx } from './store/database.js';
export { readLeafAt } from './store/steps.js';
export { readTenants } from './store/tenant.js';
