import type { Tx } from './database.js';
import { matches, type RunFilters } from './runFilters.js';
import { allRuns, entriesOf, inWindow, type Lead, leadOf, MAX_EXAMINED, type RunWindow } from './runLead.js';
import { type Sql, sql } from './sql.js';

/** One page of one log. */
export interface RunPage extends RunWindow {
  /** `occurred_desc`: where the page before ended. */
  readonly after: { readonly occurredAt: string; readonly place: number } | null;
  readonly limit: number;
}

/** The place of a run in a page: what the page's next cursor is made of. */
export interface RunPlace {
  readonly index: number;
  readonly place: number;
  readonly occurredAt: string;
}

/** What one page found in one log. */
export interface FoundPlaces {
  /** The newest revision below the pin of each run that matches, in the asked order, at most `limit`. */
  readonly places: readonly RunPlace[];
  /** Not null: fewer than `limit` were found, and it had looked at its share of rows when it was here. */
  readonly examinedEnd: Pick<RunPlace, 'place' | 'occurredAt'> | null;
}

/**
 * Walks one index in the asked order, from where the page begins, and looks at the newest revision below the pin of each run on the way, until
 * the page is full or `MAX_EXAMINED` entries were examined. The index is that of the filter which leads (store/runLead.ts), else
 * `llm_run_records_place`, or `…_occurred`. In a transaction with `inIndexOrder`.
 */
export async function findRunPlaces(
  tx: Tx,
  tenantId: string,
  filters: RunFilters,
  page: RunPage,
): Promise<FoundPlaces> {
  const walk = await walkOf(tx, tenantId, filters, page);
  const places = await tx.query<RunPlace>(sql`
    select r.leaf_index as index, r.run_index as place, r.run_occurred_at as "occurredAt"
      from (select distinct ${walk.columns} from (${walk.entries}) e order by ${walk.along}) as ${walk.names}
     cross join lateral (${newestAt(tenantId, page)}) r
     where ${matches(filters)} and ${inWindow(page)} and ${isAfter(page)}
     order by ${walk.order} limit ${page.limit}`);
  if (places.length === page.limit || walk.isComplete) return { places, examinedEnd: null };
  const [end] = await tx.query<{ place: number; occurredAt: string }>(sql`
    select ${walk.ends} from (${walk.entries}) e offset ${MAX_EXAMINED - 1} limit 1`);
  return { places, examinedEnd: end ?? null };
}

/** Entries of one index in the order of the page, at most `MAX_EXAMINED`. */
interface Walk {
  readonly entries: Sql;
  /** What of an entry says where it is, its order, and what it is called from there on. */
  readonly columns: Sql;
  readonly along: Sql;
  readonly names: Sql;
  /** An entry as the place where a page ends. */
  readonly ends: Sql;
  /** Order of the runs found along it. */
  readonly order: Sql;
  /** It is known to hold all there is. */
  readonly isComplete: boolean;
}

async function walkOf(tx: Tx, tenantId: string, filters: RunFilters, page: RunPage): Promise<Walk> {
  const isByOccurrence = page.order === 'occurred_desc';
  const lead = await leadOf(tx, tenantId, filters, page, { mustKnow: isByOccurrence });
  if (!isByOccurrence) return byPlace(lead?.branches ?? [allRuns(tenantId, page)], page);
  // No index has each filter's runs by the time they happened as well: that would double them. What is narrow is looked at whole and sorted; in
  // what is wide, the next match is not far.
  if (lead?.isNarrow === true) {
    return { ...byPlace(lead.branches, page), order: sql`r.run_occurred_at desc, r.run_index desc`, isComplete: true };
  }
  return byOccurrence(tenantId, filters, page);
}

function byPlace(branches: Lead['branches'], page: RunPage): Walk {
  const isAscending = page.order === 'place_asc';
  return {
    entries: entriesOf(branches, page),
    columns: sql`run_index`,
    along: isAscending ? sql`run_index` : sql`run_index desc`,
    names: sql`c(place)`,
    ends: sql`run_index as place, '' as "occurredAt"`,
    order: isAscending ? sql`c.place` : sql`c.place desc`,
    isComplete: false,
  };
}

function byOccurrence(tenantId: string, f: RunFilters, page: RunPage): Walk {
  // Not the window of places: entries outside it would be read past without being counted.
  const parts = [sql`tenant_id = ${tenantId}::uuid and log = ${page.log}`];
  if (f.occurredAfter !== null) parts.push(sql`run_occurred_at >= ${f.occurredAfter}::timestamptz`);
  if (f.occurredBefore !== null) parts.push(sql`run_occurred_at < ${f.occurredBefore}::timestamptz`);
  const along = sql`run_occurred_at desc, run_index desc`;
  return {
    entries: sql`select run_occurred_at, run_index from sworn.llm_run_records
      where ${sql.join(parts, ' and ')} and ${isAfter(page)} order by ${along} limit ${MAX_EXAMINED}`,
    along,
    columns: sql`run_occurred_at, run_index`,
    names: sql`c(at, place)`,
    ends: sql`run_index as place, run_occurred_at as "occurredAt"`,
    order: sql`c.at desc, c.place desc`,
    isComplete: false,
  };
}

/** The newest revision below the pin of the run at a place. Index `llm_run_records_place`, backwards. */
export function newestAt(tenantId: string, { log, pin }: RunWindow): Sql {
  return sql`select * from sworn.llm_run_records
    where tenant_id = ${tenantId}::uuid and log = ${log} and run_index = c.place and leaf_index < ${pin}
    order by revision desc limit 1`;
}

function isAfter({ after }: RunPage): Sql {
  if (after === null) return sql`true`;
  return sql`(run_occurred_at, run_index) < (${after.occurredAt}::timestamptz, ${after.place}::bigint)`;
}

/**
 * First place whose leaf was recorded at or after `time`: `recorded_at` never goes back, so a binary search over the primary key finds it. The
 * leaf in the middle is asked for by a subquery, which can only be a look at one row: a join may be planned as one over the whole log.
 */
export async function findPlaceOf(tx: Tx, tenantId: string, log: string, size: number, time: string): Promise<number> {
  const [row] = await tx.query<{ place: number }>(sql`
    with recursive search(lo, hi) as (
      select 0::bigint, ${size}::bigint
      union all
      select case when is_before then mid + 1 else lo end, case when is_before then hi else mid end
        from search
       cross join lateral (select (lo + hi) / 2 as mid) middle
       cross join lateral (
         select coalesce((select recorded_at from sworn.leaf where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = mid)
                         < ${time}::timestamptz, true) as is_before) looked
       where lo < hi)
    select lo as place from search where lo >= hi limit 1`);
  return row?.place ?? 0;
}
