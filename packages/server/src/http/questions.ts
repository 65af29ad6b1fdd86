import { type AggregateMetadata, type EndpointId, type RecordMetadata, TOPIC_PERMISSIONS } from '@sworn/contract';
import type { Credential } from '../access/credential.js';
import { auditEntry } from '../read/auditEntry.js';
import { integrity } from '../read/integrity.js';
import { listAccess, listAudit, listAuthorization } from '../read/listAudit.js';
import { listExports } from '../read/listExports.js';
import { listIdentity } from '../read/listIdentity.js';
import { listRuns } from '../read/listRuns.js';
import { listSystem } from '../read/listSystem.js';
import type { ReadDeps, Reading } from '../read/reading.js';
import { systemAudit } from '../read/systemAudit.js';
import { runEnvelope } from '../read/runEnvelope.js';
import { runGovernance } from '../read/runGovernance.js';
import { runSnapshot } from '../read/runSnapshot.js';
import { runTelemetry } from '../read/runTelemetry.js';
import { runExport } from '../read/runExport.js';
import { runTrace } from '../read/runTrace.js';
import { runReplay, systemReplay } from '../read/replay.js';
import { systemEvents } from '../read/systemEvents.js';
import type { QueryValues } from './query.js';

/** A request whose credential, permission and parameters are good. */
export interface Question {
  readonly credential: Credential;
  readonly params: Readonly<Record<string, string>>;
  readonly query: QueryValues;
}

/** An answer as it will be serialised; the endpoint's schema says the rest. */
export interface Answer {
  readonly [member: string]: unknown;
  readonly metadata: AggregateMetadata | RecordMetadata;
  readonly has_more?: boolean;
  readonly next_cursor?: string | null;
}

/** Answers each endpoint. An endpoint without an entry does not compile. */
export const QUESTIONS: Readonly<Record<EndpointId, (deps: ReadDeps, question: Question) => Promise<Reading<Answer>>>> =
  {
    'llm_runs.list': (deps, { credential, query }) => listRuns(deps, credential.tenantId, query),
    'llm_runs.envelope': (deps, { credential, params }) =>
      runEnvelope(deps, credential.tenantId, idOf(params, 'run_id')),
    'llm_runs.trace': (deps, { credential, params, query }) =>
      runTrace(deps, credential.tenantId, idOf(params, 'run_id'), query),
    'llm_runs.governance': (deps, { credential, params, query }) =>
      runGovernance(deps, credential.tenantId, idOf(params, 'run_id'), query),
    'llm_runs.replay': (deps, { credential, params, query }) =>
      runReplay(deps, credential.tenantId, idOf(params, 'run_id'), { query, isAuditor: isAuditor(credential) }),
    'system.list': (deps, { credential, query }) => listSystem(deps, credential.tenantId, query),
    'system.audit': (deps, { credential, query }) => systemAudit(deps, credential.tenantId, query),
    'system.events': (deps, { credential, params, query }) =>
      systemEvents(deps, credential.tenantId, idOf(params, 'run_id'), query),
    'system.replay': (deps, { credential, params, query }) =>
      systemReplay(deps, credential.tenantId, idOf(params, 'run_id'), query),
    'system.snapshot': (deps, { credential, params }) => runSnapshot(deps, credential.tenantId, idOf(params, 'run_id')),
    'system.telemetry': (deps, { credential, params, query }) =>
      runTelemetry(deps, credential.tenantId, idOf(params, 'run_id'), query),
    'llm_runs.export': (deps, { credential, params }) => runExport(deps, credential, idOf(params, 'run_id')),
    'audit.list': (deps, { credential, query }) => listAudit(deps, credential.tenantId, query),
    'audit.identity': (deps, { credential, query }) => listIdentity(deps, credential.tenantId, query),
    'audit.authorization': (deps, { credential, query }) => listAuthorization(deps, credential.tenantId, query),
    'audit.access': (deps, { credential, query }) => listAccess(deps, credential.tenantId, query),
    'audit.integrity': (deps, { credential, query }) => integrity(deps, credential.tenantId, query),
    'audit.exports': (deps, { credential, query }) => listExports(deps, credential.tenantId, query),
    'audit.entry': (deps, { credential, params }) => auditEntry(deps, credential.tenantId, idOf(params, 'entry_id')),
  };

/** Member of an answer that holds its items, for streams. */
export const ITEMS: Readonly<Partial<Record<EndpointId, string>>> = {
  'llm_runs.list': 'items',
  'llm_runs.trace': 'steps',
  'llm_runs.governance': 'events',
  'llm_runs.replay': 'events',
  'system.list': 'items',
  'system.audit': 'items',
  'system.events': 'events',
  'system.replay': 'events',
  'system.telemetry': 'series',
  'audit.list': 'items',
  'audit.identity': 'items',
  'audit.authorization': 'items',
  'audit.access': 'items',
  'audit.exports': 'items',
};

/** Whether a key may see records of `audit`: in an answer of several topics each is shown by its own permission (CONTRACT.md §8). */
function isAuditor({ permissions }: Credential): boolean {
  return permissions.has(TOPIC_PERMISSIONS.audit);
}

function idOf(params: Question['params'], name: 'run_id' | 'entry_id'): string {
  const id = params[name];
  if (id === undefined) throw new Error(`the route has no ${name}`);
  return id;
}
