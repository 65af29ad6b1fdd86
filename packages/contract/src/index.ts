export { AttributionItem, AttributionList, AttributionQuery, PARTIES } from './attribution.js';
export {
  ACCESS_ACTIONS,
  ACCESS_SCOPES,
  AccessItem,
  AccessList,
  AccessQuery,
  AUDIT_EVENTS,
  AUDIT_TOPICS,
  type AuditCategory,
  AuditEntry,
  AuditItem,
  AuditList,
  AuditQuery,
  AuthorizationItem,
  AuthorizationList,
  AuthorizationQuery,
  ENTITY_TYPES,
} from './audit.js';
export { contractMarkdown, type Example, examplePath, RECORD_EXAMPLES } from './contractPage.js';
export { DEEP_LINKS, type DeepLink } from './deepLinks.js';
export {
  ENDPOINTS,
  type Endpoint,
  type EndpointId,
  type EndpointShape,
  FACADE_PREFIX,
  PATH_ID,
  PERMISSIONS,
  type Permission,
  PUBLIC_ROUTES,
} from './endpoints.js';
export { ContentState, Proof, RunEnvelope, TERMINATION_REASONS } from './envelope.js';
export { ARCHIVE_NAME, DOWNLOAD_ROUTES, downloadPath, type DownloadRoute } from './downloads.js';
export { DISCLOSE, type ExportFormat, RunExport, RunExportQuery } from './export.js';
export { ExportItem, ExportList, ExportQuery, type ExportRecipient, MAX_RECIPIENTS } from './exports.js';
export {
  CHECKS,
  CLEARED_BY_HAND,
  CompromisedItem,
  Finding,
  FINDING_CODES,
  FINDING_SCOPE,
  type FindingCode,
  FOUND_BY_SIGNER_ALONE,
  OpenFinding,
} from './finding.js';
export {
  GOVERNANCE_CATEGORIES,
  GOVERNANCE_DECISIONS,
  GovernanceEvent,
  RunGovernance,
  RunGovernanceQuery,
} from './governance.js';
export { IDENTITY_EVENTS, IdentityItem, IdentityList, IdentityQuery, OWN_IDENTITY_EVENTS } from './identity.js';
export { type AskedProof, Integrity, IntegrityQuery, VERDICTS } from './integrity.js';
export { AggregateMetadata, RecordMetadata, RecordState } from './metadata.js';
export {
  type InEitherFormat,
  OCSF_VERSION,
  OcsfEvent,
  OcsfIdentityList,
  OcsfIntegrity,
  OcsfList,
} from './ocsf.js';
export { openApiDocument, openApiText } from './openapi.js';
export { DEFAULT_LONG_PAGE, DEFAULT_PAGE, MAX_LONG_BYTES, MAX_LONG_PAGE, MAX_PAGE } from './page.js';
export { PROBLEM_CODES, PROBLEMS, Problem, type ProblemCode, problemMarkdown, problemPage } from './problem.js';
export {
  DEFAULT_WINDOW_SECONDS,
  MAX_WINDOW_SECONDS,
  ReplayEvent,
  ReplayQuery,
  RunReplay,
  SystemReplay,
} from './replay.js';
export { REPLAY_SOURCES, Source } from './source.js';
export {
  COST_SOURCES,
  EXECUTION_STATUSES,
  EXECUTOR_TYPES,
  Inflection,
  OUTCOMES,
  RUN_SOURCES,
  RunItem,
  RunList,
  RunListQuery,
} from './run.js';
export { ResourceGroups, RunSnapshot, type SnapshotChange } from './snapshot.js';
export { SYSTEM_EVENT_TYPES, SystemItem, SystemList, SystemListQuery } from './system.js';
export { ASSOCIATIONS, MAX_OTHER_RUNS, SystemEvent, SystemEvents, SystemEventsQuery, TIES } from './systemEvents.js';
export {
  JOIN_RULES,
  type JoinRule,
  METRIC_KINDS,
  RunTelemetry,
  RunTelemetryQuery,
  TelemetrySeries,
} from './telemetry.js';
export { TLOG_ROUTES, type TlogRoute, TOPIC_PERMISSIONS } from './tlog.js';
export { MAX_IO_BYTES, RunTrace, RunTraceQuery, STEP_KINDS, STEP_STATUSES, Step, StepContent } from './trace.js';
