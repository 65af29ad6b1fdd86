import type { AggregateMetadata, EndpointId, RecordMetadata } from '@sworn/contract';
import { type Grant, maySee } from '../access/ruling.js';
import { auditEntry } from '../read/auditEntry.js';
import { integrity } from '../read/integrity.js';
import { listAccess, listAudit, listAuthorization } from '../read/listAudit.js';
import { listExports } from '../read/listExports.js';
import { listIdentity } from '../read/listIdentity.js';
import { listRuns } from '../read/listRuns.js';
import { ocsfIntegrity } from '../read/ocsfIntegrity.js';
import { listSystem } from '../read/listSystem.js';
import type { ReadDeps, Reading } from '../read/reading.js';
import { systemAudit } from '../read/systemAudit.js';
import { runEnvelope } from '../read/runEnvelope.js';
import { runGovernance } from '../read/runGovernance.js';
import { runSnapshot } from '../read/runSnapshot.js';
import { runTelemetry } from '../read/runTelemetry.js';
import { type AskBundle, runExport } from '../read/runExport.js';
import { runTrace } from '../read/runTrace.js';
import { runReplay, systemReplay } from '../read/replay.js';
import { systemEvents } from '../read/systemEvents.js';
import type { QueryValues } from './query.js';

/** A request that a rule lets in, and whose parameters are good. */
export interface Question {
  readonly grant: Grant;
  readonly params: Readonly<Record<string, string>>;
  readonly query: QueryValues;
  /** Asks for bundles in the name of whoever asks this. */
  readonly askBundle: AskBundle;
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
    'llm_runs.list': (deps, { grant, query }) => listRuns(deps, grant.tenantId, query),
    'llm_runs.envelope': (deps, { grant, params }) => runEnvelope(deps, grant, idOf(params, 'run_id')),
    'llm_runs.trace': (deps, { grant, params, query }) =>
      runTrace(deps, grant.tenantId, idOf(params, 'run_id'), { query, payloads: grant.payloads }),
    'llm_runs.governance': (deps, { grant, params, query }) =>
      runGovernance(deps, grant.tenantId, idOf(params, 'run_id'), { query, isAuditor: maySee(grant, 'audit') }),
    'llm_runs.replay': (deps, { grant, params, query }) =>
      runReplay(deps, grant.tenantId, idOf(params, 'run_id'), { query, isAuditor: maySee(grant, 'audit') }),
    'system.list': (deps, { grant, query }) => listSystem(deps, grant.tenantId, query),
    'system.audit': (deps, { grant, query }) => systemAudit(deps, grant.tenantId, query),
    'system.events': (deps, { grant, params, query }) =>
      systemEvents(deps, grant.tenantId, idOf(params, 'run_id'), query),
    'system.replay': (deps, { grant, params, query }) =>
      systemReplay(deps, grant.tenantId, idOf(params, 'run_id'), query),
    'system.snapshot': (deps, { grant, params }) => runSnapshot(deps, grant.tenantId, idOf(params, 'run_id')),
    'system.telemetry': (deps, { grant, params, query }) =>
      runTelemetry(deps, grant.tenantId, idOf(params, 'run_id'), query),
    'llm_runs.export': (deps, { grant, params, query, askBundle }) =>
      runExport(deps, grant, idOf(params, 'run_id'), { query, askBundle }),
    'audit.list': (deps, { grant, query }) => listAudit(deps, grant.tenantId, query),
    'audit.identity': (deps, { grant, query }) => listIdentity(deps, grant.tenantId, query),
    'audit.authorization': (deps, { grant, query }) => listAuthorization(deps, grant.tenantId, query),
    'audit.access': (deps, { grant, query }) => listAccess(deps, grant.tenantId, query),
    async 'audit.integrity'(deps, { grant, query }) {
      const reading = await integrity(deps, grant, query);
      return query.format === 'ocsf' ? { ...reading, answer: { ...ocsfIntegrity(reading.answer) } } : reading;
    },
    'audit.exports': (deps, { grant, query }) => listExports(deps, grant.tenantId, query),
    'audit.entry': (deps, { grant, params }) => auditEntry(deps, grant.tenantId, idOf(params, 'entry_id')),
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

function idOf(params: Question['params'], name: 'run_id' | 'entry_id'): string {
  const id = params[name];
  if (id === undefined) throw new Error(`the route has no ${name}`);
  return id;
}
