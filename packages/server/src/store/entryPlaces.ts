import type { Tx } from './database.js';
import { MAX_NARROW } from './runLead.js';
import { type Sql, sql } from './sql.js';

/** A table of rows beside the leaves of one topic that a list shows one by one. */
export type EntryTable = 'audit_ledger' | 'access_records' | 'control_records' | 'system_records';

/** Their names in statements. */
export const ENTRY_TABLES: Readonly<Record<EntryTable, Sql>> = {
  audit_ledger: sql`sworn.audit_ledger`,
  access_records: sql`sworn.access_records`,
  control_records: sql`sworn.control_records`,
  system_records: sql`sworn.system_records`,
};

/** Tables whose rows say when it happened; of the others the leaves do. */
const TIMED: ReadonlySet<EntryTable> = new Set(['audit_ledger', 'system_records']);

/**
 * A leaf by its primary key. Which log it is of the planner is not to see: it takes `leaf_occurred`, an index of some logs, for as good a way to one leaf, as its
 * statistics tell neither tenants nor logs apart, and then walks all of the log for each.
 */
export function isLeafAt(tenantId: string, log: string, index: Sql): Sql {
  return sql`tenant_id = ${tenantId}::uuid and log = (select ${log}::text) and leaf_index = ${index}`;
}

/** Leaves that have a row in the table, in the order of places: by the primary key; in `system`, where others stand between, by `leaf_system_entries`. */
function besideOf(table: EntryTable, log: string): Sql {
  return table === 'system_records'
    ? sql`log is not distinct from ${log}::text and log > 's' and kind <> 'RESOURCE' and kind <> 'TELEMETRY'`
    : sql`log = ${log}`;
}

/** What a list asks of the records of one log. */
export interface EntrySelection {
  readonly table: EntryTable;
  /** What a row must say, all of it. */
  readonly conditions: readonly Sql[];
  /**
   * Those of them that have an index of their own with `leaf_index` behind it, the likely most selective first; each as the values that it
   * may have, one condition a value.
   */
  readonly leads: readonly (readonly Sql[])[];
}

/** A range of times, half open; null: no end. Its order is then that of `occurred_at`, newest first. */
export interface OccurredRange {
  readonly after: string | null;
  readonly before: string | null;
}

/** Where an entry stands, and its times; null: its leaf is gone. */
export interface EntryPlace {
  readonly index: number;
  readonly recordedAt: string | null;
  readonly occurredAt: string | null;
}

/** Which part of one log a list looks at, and in which order. */
export interface EntryWindow {
  readonly log: string;
  readonly order: 'desc' | 'asc';
  /** `from` ≤ leaf index < `below`. */
  readonly from: number;
  readonly below: number;
  /** Not null: by time, newest first, and `order` is desc. */
  readonly occurred: OccurredRange | null;
  /** Of a list by time: where the page before ended. */
  readonly after: Pick<EntryPlace, 'index' | 'occurredAt'> | null;
  readonly limit: number;
  /** Index entries examined at most. */
  readonly examine: number;
}

/** What was found in one log. */
export interface FoundEntries {
  /** In the asked order, at most `limit`. */
  readonly places: readonly EntryPlace[];
  /** Not null: fewer than `limit` were found, and `examine` entries had been looked at here. */
  readonly examinedEnd: EntryPlace | null;
}

/**
 * The entries of a window that match. Without conditions by leaves and rows both, so that neither is hidden where the other is gone; by time, by
 * `leaf_occurred`, or the rows of `system`. Else by the index of the condition that leads, or by the primary key of the rows. In a transaction with
 * `inIndexOrder`.
 */
export async function findEntries(
  tx: Tx,
  tenantId: string,
  selection: EntrySelection,
  window: EntryWindow,
): Promise<FoundEntries> {
  const walk = await walkOf(tx, { tenantId, selection, window });
  const matching = sql`select place, at from (${walk.matching}) m order by ${walk.order} limit ${window.limit}`;
  const places = await timed(tx, tenantId, matching, walk.order, window);
  if (places.length === window.limit || walk.isComplete) return { places, examinedEnd: null };
  const last = sql`select place, at from (${walk.entries}) e offset ${window.examine - 1} limit 1`;
  const [examinedEnd] = await timed(tx, tenantId, last, walk.order, window);
  return { places, examinedEnd: examinedEnd ?? null };
}

interface Asked {
  readonly tenantId: string;
  readonly selection: EntrySelection;
  readonly window: EntryWindow;
}

/** Entries of one index in the order of the list, at most `examine`, and those of them that match, both as (place, at). */
interface Walk {
  readonly entries: Sql;
  readonly matching: Sql;
  readonly order: Sql;
  /** It is known to hold all there is. */
  readonly isComplete: boolean;
}

async function walkOf(tx: Tx, asked: Asked): Promise<Walk> {
  const { selection, window } = asked;
  if (selection.conditions.length === 0) return window.occurred === null ? ofAll(asked) : ofAllByOccurrence(asked);
  const lead = await leadOf(tx, asked);
  if (window.occurred === null) return byPlace(asked, lead?.rows ?? rowsOf(asked, null));
  // As for runs (store/runPlaces.ts): what is narrow is looked at whole and sorted; in what is wide, the next match is not far.
  return lead?.isNarrow === true ? narrow(asked, lead.rows) : byOccurrence(asked);
}

/** What either a leaf or a row is there of: of the two, a superuser may have taken one. */
function ofAll({ tenantId, selection, window }: Asked): Walk {
  const inOrder = sql`${inWindow(window)} order by ${along(window)} limit ${window.limit}`;
  const entries = sql`
    select place, null::timestamptz as at from (
      (select leaf_index as place from sworn.leaf where tenant_id = ${tenantId}::uuid and ${besideOf(selection.table, window.log)} and ${inOrder})
      union
      (select leaf_index from ${ENTRY_TABLES[selection.table]} where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inOrder})) e`;
  return { entries, matching: entries, order: orderOf(window), isComplete: true };
}

/** By the leaves; of `system`, whose leaves have no index by time, by the rows. */
function ofAllByOccurrence(asked: Asked): Walk {
  const { tenantId, selection, window } = asked;
  if (selection.table === 'system_records') return byOccurrence(asked);
  const entries = sql`select leaf_index as place, occurred_at as at from sworn.leaf
    where tenant_id = ${tenantId}::uuid and log = ${window.log} and log < 'd' and ${hasOccurred(window)}
    order by occurred_at desc, leaf_index desc limit ${window.examine}`;
  return {
    entries,
    matching: sql`select place, at from (${entries}) e where place >= ${window.from}::bigint and place < ${window.below}::bigint`,
    order: orderOf(window),
    isComplete: false,
  };
}

function byPlace({ selection, window }: Asked, rows: Sql): Walk {
  const order = orderOf(window);
  return {
    entries: sql`select leaf_index as place, null::timestamptz as at from (${rows}) r`,
    matching: sql`select leaf_index as place, null::timestamptz as at from (${rows}) r where ${all(selection.conditions)}
      order by ${along(window)} limit ${window.limit}`,
    order,
    isComplete: false,
  };
}

/** All rows of a lead, sorted by when they happened. */
function narrow({ tenantId, selection, window }: Asked, rows: Sql): Walk {
  const said = TIMED.has(selection.table);
  const at = said ? sql`r.occurred_at` : sql`l.at`;
  const leaf = said
    ? sql.empty
    : sql`cross join lateral (select occurred_at as at from sworn.leaf
           where ${isLeafAt(tenantId, window.log, sql`r.leaf_index`)} limit 1) l`;
  const matching = sql`select place, at from (
    select r.leaf_index as place, ${at} as at from (select * from (${rows}) r where ${all(selection.conditions)}) r ${leaf}) o
     where ${inRange(window, sql`at`)} and ${isAfter(window, sql`at, place`)}`;
  return { entries: matching, matching, order: orderOf(window), isComplete: true };
}

/** Entries of the log by time, each looked at: by the rows' own index, or by `leaf_occurred` and the row beside each leaf. */
function byOccurrence({ tenantId, selection, window }: Asked): Walk {
  const { conditions, table } = selection;
  const ofLog = sql`tenant_id = ${tenantId}::uuid and log = ${window.log}`;
  const along = sql`order by occurred_at desc, leaf_index desc limit ${window.examine}`;
  const order = orderOf(window);
  if (TIMED.has(table)) {
    const rows = sql`select * from ${ENTRY_TABLES[table]} where ${ofLog} and ${hasOccurred(window)} ${along}`;
    return {
      entries: sql`select leaf_index as place, occurred_at as at from (${rows}) r`,
      matching: sql`select leaf_index as place, occurred_at as at from (${rows}) r where ${all(conditions)} and ${inWindow(window)}`,
      order,
      isComplete: false,
    };
  }
  const entries = sql`select leaf_index as place, occurred_at as at from sworn.leaf
    where ${ofLog} and log < 'd' and ${hasOccurred(window)} ${along}`;
  return {
    entries,
    matching: sql`select place, at from (${entries}) e
      cross join lateral (select * from ${ENTRY_TABLES[table]} where ${ofLog} and leaf_index between e.place and e.place limit 1) r
      where ${all(conditions)} and ${inWindow(window)}`,
    order,
    isComplete: false,
  };
}

interface Lead {
  /** At most `examine` rows in the order of their places. */
  readonly rows: Sql;
  /** At most `MAX_NARROW` of them, and these are all; null: nobody asked. */
  readonly isNarrow: boolean | null;
}

/** The condition that leads: one that is narrow, else the first; null: none has an index. */
async function leadOf(tx: Tx, asked: Asked): Promise<Lead | null> {
  const [first, ...others] = asked.selection.leads.map((lead) => rowsOf(asked, lead));
  if (first === undefined) return null;
  if (others.length === 0 && asked.window.occurred === null) return { rows: first, isNarrow: null };
  // Fewer than the rows that are looked at, or it would pass over those beyond.
  const narrowest = Math.min(MAX_NARROW, asked.window.examine - 1);
  for (const rows of [first, ...others]) {
    const [more] = await tx.query(sql`select leaf_index from (${rows}) e offset ${narrowest} limit 1`);
    if (more === undefined) return { rows, isNarrow: true };
  }
  return { rows: first, isNarrow: false };
}

/**
 * Rows of one condition by its own index: which log they are of must not lead to the primary key. A branch a value, each in order by itself, or
 * the planner reads all of them before it puts them in order. Of none, all rows by the primary key.
 */
function rowsOf({ tenantId, selection, window }: Asked, lead: readonly Sql[] | null): Sql {
  const table = ENTRY_TABLES[selection.table];
  const inOrder = sql`${inWindow(window)} order by ${along(window)} limit ${window.examine}`;
  if (lead === null)
    return sql`select * from ${table} where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inOrder}`;
  const branches = lead.map(
    (value) => sql`(select * from ${table}
      where tenant_id = ${tenantId}::uuid and ${value} and log is not distinct from ${window.log}::text and ${inOrder})`,
  );
  const [only, ...more] = branches;
  if (only === undefined) return sql`select * from ${table} limit 0`;
  if (more.length === 0) return only;
  return sql`select * from (${sql.join(branches, ' union all ')}) b order by ${along(window)} limit ${window.examine}`;
}

/** How many entries match in a window, all of them: as many as a crawl shows. Bounded by the reader's statement timeout alone. */
export async function countEntries(
  tx: Tx,
  tenantId: string,
  { table, conditions }: EntrySelection,
  window: Pick<EntryWindow, 'log' | 'from' | 'below' | 'occurred'>,
): Promise<number> {
  // Leaves of `system` are many more, and are wide.
  const isOfLeaves = conditions.length === 0 && table !== 'system_records';
  const from = isOfLeaves ? sql`sworn.leaf` : ENTRY_TABLES[table];
  const isTimed = window.occurred !== null && !isOfLeaves && !TIMED.has(table);
  const range = window.occurred === null || isTimed ? sql`true` : inRange(window, sql`occurred_at`);
  const rows = sql`select * from ${from}
    where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inWindow(window)} and ${all(conditions)} and ${range}`;
  // Leaf by leaf: without statistics a join of the two would be one of each with each.
  const leaf = isTimed
    ? sql`cross join lateral (
            select occurred_at from sworn.leaf
             where ${isLeafAt(tenantId, window.log, sql`r.leaf_index`)} limit 1) l
          where ${inRange(window, sql`l.occurred_at`)}`
    : sql.empty;
  const [row] = await tx.query<{ total: number }>(sql`select count(*) as total from (${rows}) r ${leaf}`);
  return row?.total ?? 0;
}

/** Places with the times of their leaves. Primary key of `leaf`, looked up one by one. */
async function timed(tx: Tx, tenantId: string, places: Sql, order: Sql, { log }: EntryWindow): Promise<EntryPlace[]> {
  return tx.query<EntryPlace>(sql`
    select place as index, l.recorded_at as "recordedAt", coalesce(at, l.occurred_at) as "occurredAt"
      from (${places}) p
      left join lateral (
        select recorded_at, occurred_at from sworn.leaf
         where ${isLeafAt(tenantId, log, sql`p.place`)} limit 1) l on true
     order by ${order}`);
}

/** Of places with their times. */
function orderOf({ order, occurred }: EntryWindow): Sql {
  if (occurred !== null) return sql`at desc, place desc`;
  return order === 'asc' ? sql`place` : sql`place desc`;
}

function along({ order }: EntryWindow): Sql {
  return order === 'asc' ? sql`leaf_index` : sql`leaf_index desc`;
}

function inWindow({ from, below }: Pick<EntryWindow, 'from' | 'below'>): Sql {
  return sql`leaf_index >= ${from}::bigint and leaf_index < ${below}::bigint`;
}

/** Not the window of places: entries outside it would be read past without being counted. */
function hasOccurred(window: EntryWindow): Sql {
  return sql`${inRange(window, sql`occurred_at`)} and ${isAfter(window, sql`occurred_at, leaf_index`)}`;
}

function inRange({ occurred }: Pick<EntryWindow, 'occurred'>, at: Sql): Sql {
  const parts: Sql[] = [];
  if (occurred?.after != null) parts.push(sql`${at} >= ${occurred.after}::timestamptz`);
  if (occurred?.before != null) parts.push(sql`${at} < ${occurred.before}::timestamptz`);
  return all(parts);
}

function isAfter({ after }: EntryWindow, columns: Sql): Sql {
  return after === null ? sql`true` : sql`(${columns}) < (${after.occurredAt}::timestamptz, ${after.index}::bigint)`;
}

function all(parts: readonly Sql[]): Sql {
  return parts.length === 0 ? sql`true` : sql.join(parts, ' and ');
}
