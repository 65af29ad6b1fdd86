import { DEFAULT_PAGE, type SystemListQuery } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import type { RecordWindow } from '../store/recordPlaces.js';
import type { SystemFilters } from '../store/systemPlaces.js';
import { filterTime } from './time.js';

/** A list of `system` records, as asked. */
export interface SystemAsked {
  readonly filters: Omit<SystemFilters, 'shared'>;
  /** Null: both. */
  readonly scope: 'TENANT' | 'PLATFORM' | null;
  readonly occurredAfter: string | null;
  readonly occurredBefore: string | null;
  readonly recordedAfter: string | null;
  readonly recordedBefore: string | null;
  readonly order: RecordWindow['order'];
  readonly limit: number;
  readonly cursor: string | null;
  readonly includeTotal: boolean;
  /** As shown in the answer, and as the cursor is bound to. */
  readonly applied: Readonly<Record<string, string | number | boolean>>;
}

const NOT_FILTERS: ReadonlySet<string> = new Set(['limit', 'cursor', 'include_total']);

/** Parses a list's parameters, which passed their schema. @throws Refusal `invalid_parameter`. */
export function readSystemQuery(query: SystemListQuery): SystemAsked {
  const time = (name: 'occurred_after' | 'occurred_before' | 'recorded_after' | 'recorded_before') =>
    query[name] === undefined ? null : filterTime(name, query[name]);
  const [occurredAfter, occurredBefore] = [time('occurred_after'), time('occurred_before')];
  const isByOccurrence = occurredAfter !== null || occurredBefore !== null;
  if (isByOccurrence && query.order === 'asc')
    throw invalidParameter('order', 'asc is a tail and cannot go with occurred_*');
  return {
    filters: {
      component: query.component ?? null,
      eventType: query.event_type ?? null,
      severity: query.severity ?? null,
      correlationId: query.correlation_id ?? null,
      service: query.service ?? null,
    },
    scope: query.scope ?? null,
    occurredAfter,
    occurredBefore,
    recordedAfter: time('recorded_after'),
    recordedBefore: time('recorded_before'),
    order: isByOccurrence ? 'occurred' : (query.order ?? 'desc'),
    limit: query.limit ?? DEFAULT_PAGE,
    cursor: query.cursor ?? null,
    includeTotal: query.include_total ?? false,
    applied: Object.fromEntries(
      Object.entries(query).filter(
        (entry): entry is [string, string | number | boolean] => entry[1] !== undefined && !NOT_FILTERS.has(entry[0]),
      ),
    ),
  };
}
