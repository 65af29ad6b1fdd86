import { DEFAULT_PAGE } from '@sworn/contract';
import { invalidParameter } from '../access/refusal.js';
import type { OccurredRange } from '../store/entryPlaces.js';
import type { ListOrder } from './entryMerge.js';
import { filterTime } from './time.js';

/** What every list of records takes beside its filters. */
export interface ListParameters {
  readonly occurred_after?: string;
  readonly occurred_before?: string;
  readonly recorded_after?: string;
  readonly recorded_before?: string;
  readonly order?: 'desc' | 'asc';
  readonly include_total?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

/** Which page of which order is asked for. */
export interface ListAsked {
  /** Not null: an `occurred_*` filter is set, and orders the list. */
  readonly occurred: OccurredRange | null;
  readonly recordedAfter: string | null;
  readonly recordedBefore: string | null;
  readonly order: ListOrder;
  readonly limit: number;
  readonly cursor: string | null;
  readonly includeTotal: boolean;
  /** Filters as shown in the answer, and as the cursor is bound to. */
  readonly applied: Readonly<Record<string, string | number | boolean>>;
}

const NOT_FILTERS: ReadonlySet<string> = new Set(['limit', 'cursor', 'include_total', 'format']);

/**
 * Parses what a list takes beside its filters; `tokens` stand in `applied` for what was asked in clear.
 * @throws Refusal `invalid_parameter`.
 */
export function readListAsked(query: ListParameters, tokens: Readonly<Record<string, string | undefined>>): ListAsked {
  const time = (name: 'occurred_after' | 'occurred_before' | 'recorded_after' | 'recorded_before') =>
    query[name] === undefined ? null : filterTime(name, query[name]);
  const [after, before] = [time('occurred_after'), time('occurred_before')];
  const isByTime = after !== null || before !== null;
  if (isByTime && query.order === 'asc') throw invalidParameter('order', 'asc is a tail and cannot go with occurred_*');
  return {
    occurred: isByTime ? { after, before } : null,
    recordedAfter: time('recorded_after'),
    recordedBefore: time('recorded_before'),
    order: isByTime ? 'occurred' : (query.order ?? 'desc'),
    limit: query.limit ?? DEFAULT_PAGE,
    cursor: query.cursor ?? null,
    includeTotal: query.include_total ?? false,
    applied: Object.fromEntries(
      Object.entries({ ...query, ...tokens }).filter(
        (entry): entry is [string, string | number | boolean] => entry[1] !== undefined && !NOT_FILTERS.has(entry[0]),
      ),
    ),
  };
}
