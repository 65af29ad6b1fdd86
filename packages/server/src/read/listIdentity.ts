import {
  IDENTITY_EVENTS,
  type IdentityList,
  type IdentityQuery,
  type InEitherFormat,
  OWN_IDENTITY_EVENTS,
} from '@sworn/contract';
import { controlSelection, ledgerSelection } from '../store/auditSelections.js';
import { inTenant } from '../store/database.js';
import type { EntrySelection } from '../store/entryPlaces.js';
import { readReportedTypes } from '../store/reportedTypes.js';
import { type EntryTokens, inClearAndToken, readEntryTokens, SIGN_IN_DECISIONS, subjectsOf } from './auditQuery.js';
import { aggregateOfEntries, entrySpine } from './entryMetadata.js';
import { entryFormat } from './entryFormat.js';
import { identityItem } from './identityItem.js';
import { readListAsked } from './listAsked.js';
import { listEntries } from './listEntries.js';
import type { ReadDeps, Reading } from './reading.js';

/** Endpoint 14: Sworn's own records of its keys, and what producers report of theirs, newest first. */
export async function listIdentity(
  deps: ReadDeps,
  tenantId: string,
  query: IdentityQuery,
): Promise<Reading<InEitherFormat<IdentityList>>> {
  const { tokens, shown } = await readEntryTokens(query, (value) => deps.tokenOf(tenantId, value));
  const reading = await listEntries(deps, tenantId, {
    id: 'audit.identity',
    topics: ['audit', 'control'],
    asked: readListAsked(query, shown),
    selectionOf: (topic) => (topic === 'audit' ? reported(query, tokens) : own(query, tokens)),
    ...entryFormat(deps, query.format, identityItem),
    spineOf: entrySpine,
    aggregateOf: aggregateOfEntries,
  });
  const seen = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readReportedTypes(tx, tenantId, NOT_OWN, reading.pins),
    { readOnly: true },
  );
  const unseen = NOT_OWN.filter((type) => !seen.has(type));
  return { ...reading, answer: { ...reading.answer, without_producer: unseen } };
}

const OWN: ReadonlySet<string> = new Set(OWN_IDENTITY_EVENTS);
/** Types that only producers report. */
const NOT_OWN = IDENTITY_EVENTS.filter((type) => !OWN.has(type));

function reported(query: IdentityQuery, tokens: EntryTokens): EntrySelection {
  return ledgerSelection({
    eventTypes: query.event_type === undefined ? IDENTITY_EVENTS : [query.event_type],
    category: null,
    entityType: null,
    entityIds: inClearAndToken(query.entity_id, tokens.entity_id),
    actorType: null,
    actorIds: inClearAndToken(query.actor_id, tokens.actor_id),
    decision: query.decision ?? null,
    runId: query.run_id ?? null,
    policyId: null,
    incidentId: null,
    correlationId: null,
  });
}

/** Of Sworn's own nothing is recorded beside the type, and the key or the person. Sign-ins alone are somebody's, and decided. */
function own(query: IdentityQuery, tokens: EntryTokens): EntrySelection | null {
  const { event_type: type, run_id, actor_id, decision } = query;
  if (run_id !== undefined) return null;
  const kinds = OWN_IDENTITY_EVENTS.filter(
    (kind) =>
      (type === undefined || kind === type) &&
      (actor_id === undefined || kind === 'LOGIN') &&
      (decision === undefined || decision === SIGN_IN_DECISIONS[kind]),
  );
  return kinds.length === 0 ? null : controlSelection({ kinds, subjects: subjectsOf(query, tokens) });
}
