import { copyOut, literal } from './copyOut.js';
import type { LogPlace } from './checking.js';
import type { Tx } from './database.js';
import { PROJECTION_COLUMNS } from './projection.js';
import { sql } from './sql.js';

// What the checks ask about rows that stand where no row can stand.

/** Levels of tiles that a log can have. */
const LEVELS = 8;

/** Tables of evidence that are led by tenant and log. */
const LOGGED = ['leaf', 'tile', 'batch_authenticator', 'checkpoint', 'run_names'] as const;

/** All that the checks read records from. */
const TABLES: readonly string[] = [...LOGGED, ...Object.keys(PROJECTION_COLUMNS), 'log_head'];

/** The policy by which readers see what is their tenant's, as the catalogue writes it. */
const TENANT_WALL = `(tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)`;

/**
 * Rows that stand beyond a log's head or before its first place, by table, with the first place of each. One statement: head and rows of one
 * moment. Primary keys.
 */
export async function readBeyondHead(
  tx: Tx,
  place: LogPlace,
): Promise<{ readonly table: string; readonly first: number; readonly rows: number }[]> {
  const { tenantId, log } = place;
  const rowsOf = (table: string, column: string, which: string) =>
    `select '${table}' as table, min(t.${column})::int8 as first, count(*)::int8 as rows from sworn.${table} t, head
      where t.tenant_id = ${literal(tenantId)} and t.log = ${literal(log)} and ${which} having count(*) > 0`;
  // By two conditions that each walk the primary key.
  const outside = (table: string, column: string, conditions: readonly string[]) =>
    conditions.map((which) => rowsOf(table, column, which));
  const indexed = ['leaf', ...Object.keys(PROJECTION_COLUMNS), 'run_names'].flatMap((table) =>
    outside(table, 'leaf_index', ['t.leaf_index >= head.size', 't.leaf_index < 0']),
  );
  const tiles = Array.from({ length: LEVELS }, (_, level) => {
    const end = `head.size / ${256n ** BigInt(level + 1)}`;
    return [`t.level = ${level} and t.tile_index >= ${end}`, `t.level = ${level} and t.tile_index < 0`];
  }).flat();
  const rows = await copyOut(
    tx,
    `with head as (select coalesce((select max(next_index) from sworn.log_head where tenant_id = ${literal(tenantId)} and log = ${literal(log)}), 0) as size)
     ${[
       ...indexed,
       ...outside('batch_authenticator', 'first_index', ['t.first_index >= head.size', 't.first_index < 0']),
       ...outside('checkpoint', 'size', ['t.size > head.size', 't.size < 1']),
       ...outside('tile', 'tile_index', [...tiles, 't.level < 0', `t.level >= ${LEVELS}`]),
     ].join(' union all ')}`,
  );
  const found: { table: string; first: number; rows: number }[] = [];
  while (rows.next())
    found.push({ table: rows.text() as string, first: rows.number() as number, rows: rows.number() as number });
  return found;
}

/** Whether a log is one now: its tenant is listed, and it has a head. Primary keys. */
export async function readIsLog(tx: Tx, { tenantId, log }: LogPlace): Promise<boolean> {
  const rows = await tx.query<{ one: number }>(sql`
    select 1 as one from sworn.tenant t join sworn.log_head h on h.tenant_id = t.tenant_id
     where t.tenant_id = ${tenantId}::uuid and h.log = ${log} limit 1`);
  return rows.length > 0;
}

/**
 * Tables of evidence that are not what the checks take them for, with what is odd about each: what one role reads there need not be what another
 * does, or what the checks ask for need not be all there is.
 */
export async function readOddTables(tx: Tx): Promise<readonly string[]> {
  const rows = await tx.query<{ odd: string }>(sql`
    select 'sworn.' || c.relname || ' (' || why || ')' as odd
      from pg_catalog.pg_class c cross join lateral (
        select 'not a plain table' as why where c.relkind <> 'r' or c.relispartition
        union all
        select 'inherits or is inherited from' where exists (
          select from pg_catalog.pg_inherits i where i.inhparent = c.oid or i.inhrelid = c.oid)
        union all
        select 'column ' || a.attname || ' may be null' from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and c.relkind = 'r' and not a.attnotnull
           and a.attname = any(${['tenant_id', 'log', 'leaf_index', 'first_index', 'size', 'level', 'tile_index']}::text[])
        union all
        select 'no primary key' where c.relkind = 'r' and not exists (
          select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and i.indisvalid)
        union all
        select 'policy ' || p.polname from pg_catalog.pg_policy p
         where p.polrelid = c.oid and c.relrowsecurity and p.polcmd in ('*', 'r')
           and not (p.polpermissive and case p.polname when 'checker_reads_all' then pg_catalog.pg_get_expr(p.polqual, c.oid) = 'true'
             when 'tenant_wall' then pg_catalog.pg_get_expr(p.polqual, c.oid) = ${TENANT_WALL} else false end)
        union all
        select 'the checks do not see all of it' where c.relkind = 'r' and c.relrowsecurity and not exists (
          select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'checker_reads_all')) as odd
     where c.relnamespace = 'sworn'::regnamespace and c.relname = any(${TABLES}::text[])
     order by 1`);
  return rows.map(({ odd }) => odd);
}

/** Which logs of which tenants each table of evidence has rows of: a step along the primary key for each, however many rows. */
export async function readLogsInTables(
  tx: Tx,
): Promise<{ readonly table: string; readonly tenantId: string; readonly log: string }[]> {
  const found: { table: string; tenantId: string; log: string }[] = [];
  for (const table of TABLES.filter((name) => name !== 'log_head')) {
    const rows = await copyOut(
      tx,
      `with recursive place as (
         (select tenant_id, log from sworn.${table} order by tenant_id, log limit 1)
         union all
         select n.tenant_id, n.log from place p cross join lateral (
           select tenant_id, log from sworn.${table} where (tenant_id, log) > (p.tenant_id, p.log) order by tenant_id, log limit 1) n)
       select tenant_id, log from place`,
    );
    while (rows.next()) found.push({ table, tenantId: rows.uuid() ?? '', log: rows.text() ?? '' });
  }
  return found;
}
