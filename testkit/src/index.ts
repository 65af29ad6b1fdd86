export { compileScript, compileServer } from './compiled.js';
export { startTestCluster, type TestCluster } from './cluster.js';
export { testDatabase, type TestDatabase } from './database.js';
export { type Audit, auditDatabase, type AuditSubject } from './audit.js';
export { type LeafRow } from './auditLog.js';
export { auditRuns } from './auditRuns.js';
export { buildTlogread, missingForGo } from './go.js';
export { type Load, type LoadOptions, type LoadTarget, startLoad } from './load.js';
export {
  type IssuedAccess,
  type ServerHome,
  serverHome,
  type ServerPlace,
  type ServerProcess,
  type SuperuserPlace,
} from './serverProcess.js';
export { type LogKeyPair, logKeyPair, madeUpLeaves, type TlogServer, tlogServer } from './tlogServer.js';
export type { Attack } from './tamper/attack.js';
export { strike, type ToldOf } from './tamper/campaign.js';
export { attacksLike } from './tamper/families.js';
export { openPlainTables, type PlainStrike, type PlainVerdict } from './tamper/plainTables.js';
export { buildStage, type Stage } from './tamper/stage.js';
export { openWay, type Way } from './way.js';
export { nodeOf24 } from './node24.js';
