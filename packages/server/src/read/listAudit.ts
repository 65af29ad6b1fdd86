import {
  type AccessList,
  type AuditList,
  type AuditQuery,
  AUDIT_TOPICS,
  type AuthorizationList,
  type AuthorizationQuery,
  type EndpointId,
  type InEitherFormat,
  type OcsfEvent,
} from '@sworn/contract';
import { accessItem, auditItem, authorizationItem, type ShowEntry } from './auditItem.js';
import { readAuditQuery } from './auditQuery.js';
import { entryFormat } from './entryFormat.js';
import { aggregateOfEntries, entrySpine } from './entryMetadata.js';
import { type EntryList, listEntries } from './listEntries.js';
import type { ReadDeps, Reading } from './reading.js';

/** Endpoint 13: entries of `audit`, `access` and `control`, newest first, at one pin for a whole crawl. */
export function listAudit(
  deps: ReadDeps,
  tenantId: string,
  query: AuditQuery,
): Promise<Reading<InEitherFormat<AuditList>>> {
  return list(deps, tenantId, query, { id: 'audit.list', topics: AUDIT_TOPICS, itemOf: auditItem });
}

/** Endpoint 15: every access record as a decision. */
export function listAuthorization(
  deps: ReadDeps,
  tenantId: string,
  query: AuthorizationQuery,
): Promise<Reading<InEitherFormat<AuthorizationList>>> {
  return list(deps, tenantId, query, { id: 'audit.authorization', topics: ['access'], itemOf: authorizationItem });
}

/** Endpoint 16: every access record as an access. */
export function listAccess(
  deps: ReadDeps,
  tenantId: string,
  query: AuditQuery,
): Promise<Reading<InEitherFormat<AccessList>>> {
  return list(deps, tenantId, query, { id: 'audit.access', topics: ['access'], itemOf: accessItem });
}

/** One of the lists: which logs it shows, and how. */
interface Shown<I> {
  readonly id: EndpointId;
  readonly topics: readonly string[];
  readonly itemOf: ShowEntry<I>;
}

async function list<I>(
  deps: ReadDeps,
  tenantId: string,
  query: AuditQuery & AuthorizationQuery,
  shown: Shown<I>,
): Promise<Reading<EntryList<I | OcsfEvent>>> {
  const { selectionOf, ...asked } = await readAuditQuery(query, (value) => deps.tokenOf(tenantId, value));
  return listEntries(deps, tenantId, {
    ...shown,
    ...entryFormat(deps, query.format, shown.itemOf),
    selectionOf,
    asked,
    spineOf: entrySpine,
    aggregateOf: aggregateOfEntries,
  });
}
