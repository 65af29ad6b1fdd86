import type { Tx } from './database.js';
import { matches, type RunFilters } from './runFilters.js';
import { allRuns, entriesOf, inWindow, leadOf, runningLead, type RunWindow } from './runLead.js';
import { newestAt } from './runPlaces.js';
import { type Sql, sql } from './sql.js';

/**
 * How many runs match, all of them, below the pin: exactly those that a crawl of the same filters and pin shows. What is narrow is looked at run
 * by run; else it counts rows, and takes off those that have a newer one. Bounded by the reader's statement timeout alone.
 */
export async function countRuns(tx: Tx, tenantId: string, filters: RunFilters, window: RunWindow): Promise<number> {
  const asked = Object.values(filters).some((value) => value !== null);
  if (!asked) return (await countAll(tx, tenantId, window)) - (await countSuperseded(tx, tenantId, window));
  const lead = await leadOf(tx, tenantId, filters, window, { mustKnow: true });
  if (lead?.isNarrow === true) return countAlong(tx, tenantId, entriesOf(lead.branches, window), filters, window);
  const sealed = await countSealed(tx, tenantId, filters, window);
  const replaced = await countReplaced(tx, tenantId, filters, window);
  return sealed - replaced + (await countOpen(tx, tenantId, filters, window));
}

/** Index `llm_run_records_opened`; and the runs whose OPENED leaf retention has removed while a later one is there. */
async function countAll(tx: Tx, tenantId: string, window: RunWindow): Promise<number> {
  const opened = sql`select run_index from sworn.llm_run_records
    where tenant_id = ${tenantId}::uuid and log = ${window.log} and revision = 0`;
  const [row] = await tx.query<{ total: number }>(sql`
    select (select count(*) from (${opened} and ${inWindow(window)}) o)
         + (select count(distinct run_index) from (${allRuns(tenantId, window)} and ${inWindow(window)}
             and run_index < coalesce((${opened} order by run_index limit 1), ${window.belowPlace})) e) as total`);
  return row?.total ?? 0;
}

/** Runs whose newest revision says that they went into another. Index `llm_run_records_superseded`. */
async function countSuperseded(tx: Tx, tenantId: string, window: RunWindow): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total
      from (${allRuns(tenantId, window)} and ${inWindow(window)} and superseded_by is not null and leaf_index < ${window.pin}) e
     cross join lateral (select e.run_index) c(place)
     cross join lateral (${newestAt(tenantId, window)}) r
     where r.superseded_by is not null`);
  return row?.total ?? 0;
}

/** Runs among these places, each once. */
async function countAlong(
  tx: Tx,
  tenantId: string,
  entries: Sql,
  filters: RunFilters,
  window: RunWindow,
): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total
      from (select distinct run_index from (${entries}) e) as c(place)
     cross join lateral (${newestAt(tenantId, window)}) r
     where ${matches(filters)}`);
  return row?.total ?? 0;
}

/** RUN rows below the pin that match, newest or not. The index of a filter, or all rows. */
async function countSealed(tx: Tx, tenantId: string, filters: RunFilters, window: RunWindow): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total from sworn.llm_run_records
     where tenant_id = ${tenantId}::uuid and log = ${window.log} and leaf_index < ${window.pin} and ${inWindow(window)}
       and kind = 'RUN' and ${matches(filters)}`);
  return row?.total ?? 0;
}

/** Of those, the ones that have a newer one below the pin: revisions are dense. Index `llm_run_records_again`, then the unique one. */
async function countReplaced(tx: Tx, tenantId: string, filters: RunFilters, window: RunWindow): Promise<number> {
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total
      from (select run_id, revision from sworn.llm_run_records
             where tenant_id = ${tenantId}::uuid and log = ${window.log} and leaf_index < ${window.pin} and ${inWindow(window)}
               and revision >= 2) n
     cross join lateral (
       select * from sworn.llm_run_records
        where tenant_id = ${tenantId}::uuid and log = ${window.log} and run_id = n.run_id and revision = n.revision - 1 limit 1) r
     where ${matches(filters)}`);
  return row?.total ?? 0;
}

/** Runs that were never sealed below the pin. */
async function countOpen(tx: Tx, tenantId: string, filters: RunFilters, window: RunWindow): Promise<number> {
  const branches = (await runningLead(tx, tenantId, window)) ?? [allRuns(tenantId, window)];
  const every = branches.map((branch) => sql`(${branch} and ${inWindow(window)})`);
  const [row] = await tx.query<{ total: number }>(sql`
    select count(*) as total
      from (select distinct run_index from (${sql.join(every, ' union all ')}) e) as c(place)
     cross join lateral (${newestAt(tenantId, window)}) r
     where r.revision = 0 and ${matches(filters)}`);
  return row?.total ?? 0;
}
