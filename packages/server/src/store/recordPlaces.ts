import type { Tx } from './database.js';
import { MAX_NARROW } from './runLead.js';
import { type Sql, sql } from './sql.js';

/** Rows beside leaves that a list asks for. The table has a primary key (tenant_id, log, leaf_index) and an index (tenant_id, log, occurred_at, leaf_index). */
export interface RecordSource {
  /** Its name, qualified. */
  readonly table: Sql;
  /** What must hold of a row. */
  readonly conditions: readonly Sql[];
  /** The conditions that have an index (tenant_id, column, leaf_index), the likely most selective first. */
  readonly leads: readonly Sql[];
}

/** Which part of one log a list looks at, and in which order. */
export interface RecordWindow {
  readonly log: string;
  /** By place, or by when it happened. */
  readonly order: 'desc' | 'asc' | 'occurred';
  /** `from` ≤ leaf index < `below`. */
  readonly from: number;
  readonly below: number;
  /** `occurredAfter` ≤ time < `occurredBefore`; null: open. */
  readonly occurredAfter: string | null;
  readonly occurredBefore: string | null;
  /** `occurred`: where the page before ended. */
  readonly after: { readonly at: string; readonly index: number } | null;
  readonly limit: number;
  /** Index entries examined at most. */
  readonly examine: number;
}

/** Where a record stands, and the time that orders it among other logs: when it was recorded, or when it happened. Null: its leaf is gone. */
export interface RecordPlace {
  readonly index: number;
  readonly at: string | null;
}

/** What was found in one log. */
export interface FoundRecords {
  /** In the asked order, at most `limit`. */
  readonly places: readonly RecordPlace[];
  /** Not null: fewer than `limit` were found, and `examine` entries had been looked at here. */
  readonly examinedEnd: RecordPlace | null;
}

/**
 * The rows of a window that match. By place along the index of the condition that leads, else the primary key; by occurrence along its index, but for
 * a condition that is narrow: its rows are all looked at, and sorted. In a transaction with `inIndexOrder`.
 */
export async function findRecords(
  tx: Tx,
  tenantId: string,
  source: RecordSource,
  window: RecordWindow,
): Promise<FoundRecords> {
  return window.order === 'occurred'
    ? byOccurrence(tx, tenantId, source, window)
    : byPlace(tx, tenantId, source, window);
}

/** How many rows match, all of them. Bounded by the reader's statement timeout alone. */
export async function countRecords(
  tx: Tx,
  tenantId: string,
  { table, conditions }: RecordSource,
  window: RecordWindow,
): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total from ${table}
     where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inPlaces(window)} and ${all([...conditions, ...inTime(window)])}`);
  return row?.total ?? 0;
}

async function byPlace(tx: Tx, tenantId: string, source: RecordSource, window: RecordWindow): Promise<FoundRecords> {
  const { conditions, leads } = source;
  const lead = await leadOf(tx, tenantId, source, window);
  const entries =
    lead === null ? rowsOfLog(tenantId, source, window) : rowsOfLead(tenantId, source, lead.condition, window);
  // What leads alone needs no second look.
  const rest = conditions.length === leads.length && leads.length === 1 ? [] : conditions;
  const places = await recorded(
    tx,
    tenantId,
    sql`select leaf_index from (${entries}) e where ${all(rest)} order by ${along(window)} limit ${window.limit}`,
    window,
  );
  if (places.length === window.limit) return { places, examinedEnd: null };
  const last = sql`select leaf_index from (${entries}) e offset ${window.examine - 1} limit 1`;
  const [examinedEnd] = await recorded(tx, tenantId, last, window);
  return { places, examinedEnd: examinedEnd ?? null };
}

async function byOccurrence(
  tx: Tx,
  tenantId: string,
  source: RecordSource,
  window: RecordWindow,
): Promise<FoundRecords> {
  const { table, conditions } = source;
  const narrow = await leadOf(tx, tenantId, source, window, { mustKnow: true });
  const order = sql`order by occurred_at desc, leaf_index desc`;
  const entries =
    narrow?.isNarrow === true
      ? rowsOfLead(tenantId, source, narrow.condition, { ...window, order: 'desc', examine: MAX_NARROW })
      : // Not the window of places: entries outside of it would be read past without being counted.
        sql`select * from ${table} where tenant_id = ${tenantId}::uuid and log = ${window.log}
             and ${all([...inTime(window), isAfter(window)])} ${order} limit ${window.examine}`;
  const asked = all([...conditions, ...inTime(window), isAfter(window), inPlaces(window)]);
  const places = await tx.query<RecordPlace>(sql`
    select leaf_index as index, occurred_at as at from (${entries}) e where ${asked} ${order} limit ${window.limit}`);
  if (places.length === window.limit || narrow?.isNarrow === true) return { places, examinedEnd: null };
  const [examinedEnd] = await tx.query<RecordPlace>(sql`
    select leaf_index as index, occurred_at as at from (${entries}) e offset ${window.examine - 1} limit 1`);
  return { places, examinedEnd: examinedEnd ?? null };
}

/** The condition to go along: one that is narrow in the window, else the first; null: none has an index. */
async function leadOf(
  tx: Tx,
  tenantId: string,
  source: RecordSource,
  window: RecordWindow,
  { mustKnow }: { readonly mustKnow: boolean } = { mustKnow: false },
): Promise<{ readonly condition: Sql; readonly isNarrow: boolean } | null> {
  const [first] = source.leads;
  if (first === undefined) return null;
  if (source.leads.length === 1 && !mustKnow) return { condition: first, isNarrow: false };
  for (const condition of source.leads) {
    const rows = rowsOfLead(tenantId, source, condition, { ...window, order: 'desc', examine: MAX_NARROW + 1 });
    const [more] = await tx.query(sql`select leaf_index from (${rows}) e offset ${MAX_NARROW} limit 1`);
    if (more === undefined) return { condition, isNarrow: true };
  }
  return { condition: first, isNarrow: false };
}

function rowsOfLog(tenantId: string, { table }: RecordSource, window: RecordWindow): Sql {
  return sql`select * from ${table} where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inPlaces(window)}
    order by ${along(window)} limit ${window.examine}`;
}

/** Of one condition, by its own index: which log the rows are of must not lead to the primary key. */
function rowsOfLead(tenantId: string, { table }: RecordSource, condition: Sql, window: RecordWindow): Sql {
  return sql`select * from ${table} where tenant_id = ${tenantId}::uuid and ${condition}
    and log is not distinct from ${window.log}::text and ${inPlaces(window)} order by ${along(window)} limit ${window.examine}`;
}

/** Places with the time of their leaves. Primary key of `leaf`, looked up one by one. */
async function recorded(tx: Tx, tenantId: string, entries: Sql, window: RecordWindow): Promise<RecordPlace[]> {
  return tx.query<RecordPlace>(sql`
    select e.leaf_index as index, l.recorded_at as at
      from (${entries}) e
      left join lateral (
        select recorded_at from sworn.leaf
         where tenant_id = ${tenantId}::uuid and log = ${window.log} and leaf_index = e.leaf_index limit 1) l on true
     order by e.${along(window)}`);
}

function along({ order }: RecordWindow): Sql {
  return order === 'asc' ? sql`leaf_index` : sql`leaf_index desc`;
}

function inPlaces({ from, below }: RecordWindow): Sql {
  return sql`leaf_index >= ${from}::bigint and leaf_index < ${below}::bigint`;
}

function inTime({ occurredAfter, occurredBefore }: RecordWindow): readonly Sql[] {
  return [
    ...(occurredAfter === null ? [] : [sql`occurred_at >= ${occurredAfter}::timestamptz`]),
    ...(occurredBefore === null ? [] : [sql`occurred_at < ${occurredBefore}::timestamptz`]),
  ];
}

function isAfter({ after }: RecordWindow): Sql {
  return after === null
    ? sql`true`
    : sql`(occurred_at, leaf_index) < (${after.at}::timestamptz, ${after.index}::bigint)`;
}

function all(conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? sql`true` : sql.join(conditions, ' and ');
}
