import { AUDIT_EVENTS, type AuditQuery as Parameters, DEFAULT_PAGE } from '@sworn/contract';
import type { AuditFilters, AuditWindow } from '../store/auditPlaces.js';
import { asToken } from './runQuery.js';
import { filterTime } from './time.js';

/** A list of audit entries, as asked: filters parsed, values that may name people as tokens. */
export interface AuditAsked {
  readonly filters: AuditFilters;
  /** Topics that can have what is asked. */
  readonly topics: readonly AuditWindow['topic'][];
  readonly recordedAfter: string | null;
  readonly recordedBefore: string | null;
  readonly order: 'desc' | 'asc';
  readonly limit: number;
  readonly cursor: string | null;
  /** As shown in the answer, and as the cursor is bound to. */
  readonly applied: Readonly<Record<string, string | number | boolean>>;
}

const NOT_FILTERS: ReadonlySet<string> = new Set(['limit', 'cursor']);

/** Parses a list's parameters, which passed their schema; `topics` are those of the endpoint. @throws Refusal `invalid_parameter`. */
export async function readAuditQuery(
  query: Parameters,
  topics: AuditAsked['topics'],
  tokenOf: (value: string) => Promise<string>,
): Promise<AuditAsked> {
  const time = (name: 'recorded_after' | 'recorded_before') =>
    query[name] === undefined ? null : filterTime(name, query[name]);
  const correlationId = await asToken(query.correlation_id, tokenOf);
  const view = await asToken(query.view, tokenOf);
  const tokens = {
    ...(correlationId !== undefined && { correlation_id: correlationId }),
    ...(view !== undefined && { view }),
  };
  const filters: AuditFilters = {
    kinds: kindsOf(query),
    runId: query.run_id ?? null,
    credentialId: query.actor_id ?? null,
    decision: query.decision ?? null,
    endpoint: query.endpoint ?? null,
    correlationId: correlationId ?? null,
    view: view ?? null,
  };
  return {
    filters,
    topics: topics.filter((topic) => mayHave(topic, query, filters)),
    recordedAfter: time('recorded_after'),
    recordedBefore: time('recorded_before'),
    order: query.order ?? 'desc',
    limit: query.limit ?? DEFAULT_PAGE,
    cursor: query.cursor ?? null,
    applied: Object.fromEntries(
      Object.entries({ ...query, ...tokens }).filter(
        (entry): entry is [string, string | number] => entry[1] !== undefined && !NOT_FILTERS.has(entry[0]),
      ),
    ),
  };
}

/** The kinds that are asked for; null: all those of the topics. */
function kindsOf({ event_type: kind, category }: Parameters): readonly string[] | null {
  if (kind !== undefined) return [kind];
  return category === undefined || category === 'ACCESS' ? null : AUDIT_EVENTS[category];
}

const ACCESS_KINDS: ReadonlySet<string> = new Set(AUDIT_EVENTS.ACCESS);

/** Whether records of the topic can have what is asked; `audit` has no records of Sworn's own kinds. */
function mayHave(topic: AuditWindow['topic'], query: Parameters, filters: AuditFilters): boolean {
  const { kinds: _, ...ofAccess } = filters;
  const { log, event_type: kind, category } = query;
  if (log !== undefined && log !== topic) return false;
  if (topic !== 'access' && Object.values(ofAccess).some((value) => value !== null)) return false;
  if (kind !== undefined && topicOf(ACCESS_KINDS.has(kind)) !== topic) return false;
  if (category !== undefined && topicOf(category === 'ACCESS') !== topic) return false;
  const named: readonly string[] = category === undefined ? [] : AUDIT_EVENTS[category];
  return kind === undefined || category === undefined || named.includes(kind);
}

const topicOf = (isAccess: boolean): AuditWindow['topic'] => (isAccess ? 'access' : 'control');
