import { AUDIT_EVENTS, type AuditCategory, type AuditQuery, type AuthorizationQuery } from '@sworn/contract';
import { parseRecordId } from '@sworn/evidence';
import {
  accessSelection,
  type ReaderType,
  READERS,
  type ControlFilters,
  controlSelection,
  ledgerSelection,
  type LedgerFilters,
} from '../store/auditSelections.js';
import type { EntrySelection } from '../store/entryPlaces.js';
import { ENTITIES } from './auditItem.js';
import { type ListAsked, readListAsked } from './listAsked.js';
import { asToken } from './runQuery.js';

/** Parameters of the lists of audit entries, of any of them. */
type Parameters = AuditQuery & Pick<AuthorizationQuery, 'permission' | 'resource'>;

/** A list of audit entries, as asked: filters parsed, values that may name people as tokens. */
export interface AuditAsked extends ListAsked {
  /** What is asked of a topic's rows; null: none of its records can have it. */
  readonly selectionOf: (topic: string) => EntrySelection | null;
}

/** Parses a list's parameters, which passed their schema. @throws Refusal `invalid_parameter`. */
export async function readAuditQuery(
  query: Parameters,
  tokenOf: (value: string) => Promise<string>,
): Promise<AuditAsked> {
  const { tokens, shown } = await readEntryTokens(query, tokenOf);
  return {
    ...readListAsked(query, shown),
    selectionOf(topic) {
      if (query.log !== undefined && query.log !== topic) return null;
      if (topic === 'audit') return ofLedger(query, tokens);
      return topic === 'access' ? ofAccess(query, tokens) : ofControl(query, tokens);
    },
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Filters whose values may name somebody, as tokens. */
export type EntryTokens = Readonly<Record<'correlation_id' | 'view' | 'actor_id' | 'entity_id', string | undefined>>;

/** Reads them. `shown`: as the answer repeats them: ids of keys and records as they were asked for, since what else is asked for may be a name. */
export async function readEntryTokens(
  query: { readonly [name in keyof EntryTokens]?: string },
  tokenOf: (value: string) => Promise<string>,
): Promise<{ readonly tokens: EntryTokens; readonly shown: EntryTokens }> {
  const tokens = {
    correlation_id: await asToken(query.correlation_id, tokenOf),
    view: await asToken(query.view, tokenOf),
    actor_id: await asToken(query.actor_id, tokenOf),
    entity_id: await asToken(query.entity_id, tokenOf),
  };
  const shown = (name: 'actor_id' | 'entity_id') => (UUID.test(query[name] ?? '') ? query[name] : tokens[name]);
  return { tokens, shown: { ...tokens, actor_id: shown('actor_id'), entity_id: shown('entity_id') } };
}

const OWN_ACTORS: ReadonlySet<string> = new Set(['API_KEY', 'COMMAND', 'UNKNOWN', 'SWORN']);

function ofLedger(query: Parameters, tokens: EntryTokens): EntrySelection | null {
  const { actor_type: actorType, category } = query;
  if (query.endpoint !== undefined || query.view !== undefined) return null;
  if (actorType !== undefined && OWN_ACTORS.has(actorType)) return null;
  if (ownKinds(category) !== null) return null;
  const filters: LedgerFilters = {
    eventTypes: query.event_type === undefined ? null : [query.event_type],
    category: category ?? null,
    entityType: query.entity_type ?? null,
    entityIds: inClearAndToken(query.entity_id, tokens.entity_id),
    actorType: actorType ?? null,
    actorIds: inClearAndToken(query.actor_id, tokens.actor_id),
    decision: query.decision ?? null,
    runId: query.run_id ?? null,
    policyId: query.policy_id ?? null,
    incidentId: query.incident_id ?? null,
    correlationId: query.correlation_id ?? null,
  };
  return ledgerSelection(filters);
}

const isReader = (type: string): type is ReaderType => Object.hasOwn(READERS, type);

const ACCESS_DECISIONS: ReadonlySet<string> = new Set(['ALLOW', 'DENY']);

function ofAccess(query: Parameters, tokens: EntryTokens): EntrySelection | null {
  const { actor_type: actorType, entity_type: about, decision } = query;
  if (query.policy_id !== undefined || query.incident_id !== undefined) return null;
  if (decision !== undefined && !ACCESS_DECISIONS.has(decision)) return null;
  if (actorType !== undefined && !isReader(actorType)) return null;
  if (about !== undefined && about !== 'RUN' && about !== 'RECORD') return null;
  if (query.category !== undefined && query.category !== 'ACCESS') return null;
  const named = namedEntity(query);
  if (named === null) return null;
  return accessSelection({
    kinds: query.event_type === undefined ? null : [query.event_type],
    runId: named.runId,
    recordId: named.recordId,
    about: query.entity_id === undefined ? (about ?? null) : null,
    credentialIds: inClearAndToken(query.actor_id, tokens.actor_id),
    actorType: actorType ?? null,
    decision: decision ?? null,
    permission: query.permission ?? null,
    endpoint: query.endpoint ?? query.resource ?? null,
    correlationId: tokens.correlation_id ?? null,
    view: tokens.view ?? null,
  });
}

/** The run or record that a read was of; a record's id has a form that tells it from a run's. Null: one that no read can be of. */
function namedEntity(query: Parameters): { readonly runId: string | null; readonly recordId: string | null } | null {
  const { entity_id: id, entity_type: type, run_id: runId = null } = query;
  if (id === undefined) return { runId, recordId: null };
  if (type === 'RECORD' || (type === undefined && parseRecordId(id) !== null)) return { runId, recordId: id };
  return runId === null || runId === id ? { runId: id, recordId: null } : null;
}

/** What was decided of sign-ins, by kind: of no other control record anything was. */
export const SIGN_IN_DECISIONS: Readonly<Record<string, string>> = { LOGIN: 'ALLOW', LOGIN_FAILED: 'DENY' };

/** Who acted, by kind; of all others Sworn did. */
const CONTROL_ACTORS: Readonly<Record<string, string>> = { LOGIN: 'HUMAN', LOGIN_FAILED: 'UNKNOWN' };

/** Of a control record nothing is recorded beside its kind and its subject: of a sign-in whoever signed in. */
function ofControl(query: Parameters, tokens: EntryTokens): EntrySelection | null {
  const { run_id, policy_id, incident_id, correlation_id, view, endpoint, permission } = query;
  const others = [run_id, policy_id, incident_id, correlation_id, view, endpoint, permission];
  if (others.some((value) => value !== undefined)) return null;
  const kinds = controlKinds(query);
  if (kinds !== null && kinds.length === 0) return null;
  const filters: ControlFilters = { kinds, subjects: subjectsOf(query, tokens) };
  return controlSelection(filters);
}

/** What a control record is about and who acted is one subject: asked for both, it must be both. */
export function subjectsOf(
  { entity_id, actor_id }: Pick<Parameters, 'entity_id' | 'actor_id'>,
  tokens: EntryTokens,
): readonly string[] | null {
  const about = inClearAndToken(entity_id, tokens.entity_id);
  const actors = inClearAndToken(actor_id, tokens.actor_id);
  return about === null || actors === null ? (about ?? actors) : about.filter((one) => actors.includes(one));
}

/** Kinds of records in `control`. */
const CONTROL_KINDS: readonly string[] = Object.entries(AUDIT_EVENTS).flatMap(([category, kinds]) =>
  category === 'ACCESS' ? [] : kinds,
);

/** Kinds that are what is asked for: of a type, a category, about a type of entity. Null: nothing of that is asked. */
function controlKinds({
  event_type: kind,
  category,
  entity_type: about,
  actor_type: actor,
  actor_id,
  decision,
}: Parameters): readonly string[] | null {
  const lists: (readonly string[])[] = [];
  if (kind !== undefined) lists.push([kind]);
  if (category !== undefined) lists.push(category === 'ACCESS' ? [] : (ownKinds(category) ?? []));
  if (about !== undefined) lists.push(Object.keys(ENTITIES).filter((one) => ENTITIES[one] === about));
  if (actor !== undefined) lists.push(CONTROL_KINDS.filter((one) => (CONTROL_ACTORS[one] ?? 'SWORN') === actor));
  if (actor_id !== undefined) lists.push(['LOGIN']);
  if (decision !== undefined) lists.push(CONTROL_KINDS.filter((one) => SIGN_IN_DECISIONS[one] === decision));
  const [first, ...others] = lists;
  return first === undefined ? null : first.filter((one) => others.every((list) => list.includes(one)));
}

/** Kinds of a category of Sworn's own records; null: it is none. */
function ownKinds(category: AuditCategory | undefined): readonly string[] | null {
  const kinds: Readonly<Record<string, readonly string[]>> = AUDIT_EVENTS;
  return category === undefined || !Object.hasOwn(kinds, category) ? null : (kinds[category] ?? null);
}

/** A value as producers may have sent it, and as it stands where it is a person's. */
export function inClearAndToken(value: string | undefined, token: string | undefined): readonly string[] | null {
  return value === undefined || token === undefined ? null : [value, token];
}
