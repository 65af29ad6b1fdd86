import { Type, type TObject, type TSchema } from 'typebox';
import { AttributionList, AttributionQuery } from './attribution.js';
import {
  AccessList,
  AccessQuery,
  AuditEntry,
  AuditList,
  AuditQuery,
  AuthorizationList,
  AuthorizationQuery,
} from './audit.js';
import { RunEnvelope } from './envelope.js';
import { RunGovernance, RunGovernanceQuery } from './governance.js';
import { RunExport, RunExportQuery } from './export.js';
import { ExportList, ExportQuery } from './exports.js';
import { IdentityList, IdentityQuery } from './identity.js';
import { Integrity, IntegrityQuery } from './integrity.js';
import { OcsfIdentityList, OcsfIntegrity, OcsfList } from './ocsf.js';
import { RunList, RunListQuery } from './run.js';
import { Clear } from './metadata.js';
import { SystemList, SystemListQuery } from './system.js';
import { ReplayQuery, RunReplay, SystemReplay } from './replay.js';
import { SystemEvents, SystemEventsQuery } from './systemEvents.js';
import { RunSnapshot } from './snapshot.js';
import { RunTelemetry, RunTelemetryQuery } from './telemetry.js';
import { RunTrace, RunTraceQuery } from './trace.js';

/** What a credential may be allowed to do (CONTRACT.md 8). */
export const PERMISSIONS = ['logs.read', 'logs.export', 'logs.audit', 'logs.proof', 'logs.ingest'] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Everything under it is read-only. */
export const FACADE_PREFIX = '/api/v1/logs';

/** `list`: pages of records. `record`: one record by id, with an ETag. `long`: many items of one record, with an ETag once it is settled. `status`: how things are now. */
export type EndpointShape = 'list' | 'record' | 'long' | 'status';

/** One endpoint of the facade, as data: routes, validation, serialisation, permission, OpenAPI and contract tests come from it. */
export interface Endpoint {
  /** Names it in access records and access rules; never changes. */
  readonly id: string;
  readonly method: 'GET';
  /** With `{name}` for parameters, as OpenAPI writes it. */
  readonly path: string;
  readonly summary: string;
  /** Without it the endpoint is denied to everyone. */
  readonly permission: Permission;
  readonly shape: EndpointShape;
  /** Names of path parameters, in order; each `[A-Za-z0-9._:@-]{1,256}` after decoding. */
  readonly params: readonly string[];
  readonly query: TObject;
  readonly response: TSchema;
  /** Its answer with `format=ocsf`, where it takes that. */
  readonly ocsf?: TSchema;
}

/** An answer with what its tokens stand for. */
const withClear = ({ properties, ...rest }: TObject) => ({
  ...rest,
  properties: { ...properties, clear: Type.Optional(Clear) },
});

const NoQuery = Type.Object({}, { additionalProperties: false });

/** The endpoints, in the order of CONTRACT.md 3. Literal paths come before those with parameters. */
export const ENDPOINTS = [
  {
    id: 'llm_runs.list',
    method: 'GET',
    path: `${FACADE_PREFIX}/llm-runs`,
    summary: 'Runs, newest first.',
    permission: 'logs.read',
    shape: 'list',
    params: [],
    query: RunListQuery,
    response: withClear(RunList),
  },
  {
    id: 'llm_runs.envelope',
    method: 'GET',
    path: `${FACADE_PREFIX}/llm-runs/{run_id}/envelope`,
    summary: 'The canonical record of a run, with its proof.',
    permission: 'logs.read',
    shape: 'record',
    params: ['run_id'],
    query: NoQuery,
    response: withClear(RunEnvelope),
  },
  {
    id: 'llm_runs.trace',
    method: 'GET',
    path: `${FACADE_PREFIX}/llm-runs/{run_id}/trace`,
    summary: 'How a run went, step by step.',
    permission: 'logs.read',
    shape: 'long',
    params: ['run_id'],
    query: RunTraceQuery,
    response: withClear(RunTrace),
  },
  {
    id: 'llm_runs.governance',
    method: 'GET',
    path: `${FACADE_PREFIX}/llm-runs/{run_id}/governance`,
    summary: 'Which rules touched a run.',
    permission: 'logs.read',
    shape: 'long',
    params: ['run_id'],
    query: RunGovernanceQuery,
    response: withClear(RunGovernance),
  },
  {
    id: 'llm_runs.replay',
    method: 'GET',
    path: `${FACADE_PREFIX}/llm-runs/{run_id}/replay`,
    summary: 'What happened around the turning point of a run.',
    permission: 'logs.read',
    shape: 'long',
    params: ['run_id'],
    query: ReplayQuery,
    response: withClear(RunReplay),
  },
  {
    id: 'llm_runs.export',
    method: 'GET',
    path: `${FACADE_PREFIX}/llm-runs/{run_id}/export`,
    summary:
      'What the bundle of a run is, where it is once it is built, and who has asked for it; GET queues its build.',
    permission: 'logs.export',
    shape: 'status',
    params: ['run_id'],
    query: RunExportQuery,
    response: withClear(RunExport),
  },
  {
    id: 'system.list',
    method: 'GET',
    path: `${FACADE_PREFIX}/system`,
    summary: 'What happened around runs, newest first.',
    permission: 'logs.read',
    shape: 'list',
    params: [],
    query: SystemListQuery,
    response: withClear(SystemList),
  },
  {
    id: 'system.audit',
    method: 'GET',
    path: `${FACADE_PREFIX}/system/audit`,
    summary: 'Runs that failed, were aborted or timed out, each with whom its records point to.',
    permission: 'logs.read',
    shape: 'list',
    params: [],
    query: AttributionQuery,
    response: withClear(AttributionList),
  },
  {
    id: 'system.events',
    method: 'GET',
    path: `${FACADE_PREFIX}/system/{run_id}/events`,
    summary: 'What happened around a run, and how it belongs to it, oldest first.',
    permission: 'logs.read',
    shape: 'long',
    params: ['run_id'],
    query: SystemEventsQuery,
    response: withClear(SystemEvents),
  },
  {
    id: 'system.replay',
    method: 'GET',
    path: `${FACADE_PREFIX}/system/{run_id}/replay`,
    summary: 'The system lane of the replay of a run.',
    permission: 'logs.read',
    shape: 'long',
    params: ['run_id'],
    query: ReplayQuery,
    response: withClear(SystemReplay),
  },
  {
    id: 'system.snapshot',
    method: 'GET',
    path: `${FACADE_PREFIX}/system/{run_id}/snapshot`,
    summary: 'The environment that a run ran in.',
    permission: 'logs.read',
    shape: 'record',
    params: ['run_id'],
    query: NoQuery,
    response: withClear(RunSnapshot),
  },
  {
    id: 'system.telemetry',
    method: 'GET',
    path: `${FACADE_PREFIX}/system/{run_id}/telemetry`,
    summary: 'What was measured around a run.',
    permission: 'logs.read',
    shape: 'long',
    params: ['run_id'],
    query: RunTelemetryQuery,
    response: withClear(RunTelemetry),
  },
  {
    id: 'audit.list',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit`,
    summary: 'Who did what, and what was done to keys, tenants and logs, newest first.',
    permission: 'logs.audit',
    shape: 'list',
    params: [],
    query: AuditQuery,
    response: withClear(AuditList),
    ocsf: OcsfList,
  },
  {
    id: 'audit.identity',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit/identity`,
    summary: 'Sign-ins, and what was done to credentials, newest first.',
    permission: 'logs.audit',
    shape: 'list',
    params: [],
    query: IdentityQuery,
    response: withClear(IdentityList),
    ocsf: OcsfIdentityList,
  },
  {
    id: 'audit.authorization',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit/authorization`,
    summary: 'Every decision, newest first.',
    permission: 'logs.audit',
    shape: 'list',
    params: [],
    query: AuthorizationQuery,
    response: withClear(AuthorizationList),
    ocsf: OcsfList,
  },
  {
    id: 'audit.access',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit/access`,
    summary: 'Who read evidence, or tried to change it, newest first.',
    permission: 'logs.audit',
    shape: 'list',
    params: [],
    query: AccessQuery,
    response: withClear(AccessList),
    ocsf: OcsfList,
  },
  {
    id: 'audit.integrity',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit/integrity`,
    summary: 'Whether the record is intact: what was checked, what was found, and proofs on demand.',
    permission: 'logs.audit',
    shape: 'status',
    params: [],
    query: IntegrityQuery,
    response: withClear(Integrity),
    ocsf: OcsfIntegrity,
  },
  {
    id: 'audit.exports',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit/exports`,
    summary: 'Exports: who asked for them, what became of them.',
    permission: 'logs.audit',
    shape: 'list',
    params: [],
    query: ExportQuery,
    response: withClear(ExportList),
    ocsf: OcsfList,
  },
  {
    id: 'audit.entry',
    method: 'GET',
    path: `${FACADE_PREFIX}/audit/{entry_id}`,
    summary: 'One entry, with its proof.',
    permission: 'logs.audit',
    shape: 'record',
    params: ['entry_id'],
    query: NoQuery,
    response: withClear(AuditEntry),
  },
] as const satisfies readonly Endpoint[];

export type EndpointId = (typeof ENDPOINTS)[number]['id'];

/** Routes outside the facade that answer anyone and read no evidence; the deep links are beside them. */
export const PUBLIC_ROUTES = ['/healthz', '/readyz', '/metrics', '/api/v1/openapi.json', '/problems/{code}'] as const;

/** What a path parameter may be, after decoding. Any other vendor id is addressed by a derived one. */
export const PATH_ID = /^[A-Za-z0-9._:@-]{1,256}$/;
