import type { Tx } from './database.js';
import { MAX_NARROW } from './runLead.js';
import { type Sql, sql } from './sql.js';

/** What a list of audit entries asks for. Null: not asked. What has members beside `kinds` is asked of `access_records` alone. */
export interface AuditFilters {
  /** Kinds of leaves. */
  readonly kinds: readonly string[] | null;
  readonly runId: string | null;
  readonly credentialId: string | null;
  readonly decision: string | null;
  readonly endpoint: string | null;
  /** Tokens. */
  readonly correlationId: string | null;
  readonly view: string | null;
}

/** Which part of one log a list looks at, and in which order. */
export interface AuditWindow {
  readonly topic: 'audit' | 'access' | 'control';
  readonly log: string;
  readonly order: 'desc' | 'asc';
  /** `from` ≤ leaf index < `below`. */
  readonly from: number;
  readonly below: number;
  readonly limit: number;
  /** Index entries examined at most. */
  readonly examine: number;
}

/** Where an entry stands, and when it was recorded; null: its leaf is gone. */
export interface AuditPlace {
  readonly index: number;
  readonly recordedAt: string | null;
}

/** What was found in one log. */
export interface FoundEntries {
  /** In the asked order, at most `limit`. */
  readonly places: readonly AuditPlace[];
  /** Not null: fewer than `limit` were found, and `examine` entries had been looked at here. */
  readonly examinedEnd: AuditPlace | null;
}

/**
 * The entries of a window that match. Without filters by the leaves themselves (primary key), so that a row that is gone hides no leaf; with kinds
 * by `control_records_kind`; in `access` by the index of the filter that leads. In a transaction with `inIndexOrder`.
 */
export async function findEntries(
  tx: Tx,
  tenantId: string,
  filters: AuditFilters,
  window: AuditWindow,
): Promise<FoundEntries> {
  const asked = conditionsOf(filters);
  if (window.topic === 'access' && asked.length > 0) return findAccess(tx, tenantId, { filters, asked }, window);
  const entries =
    window.topic === 'control' && filters.kinds !== null
      ? ofKinds(tenantId, filters.kinds, window)
      : sql`select leaf_index from sworn.leaf
             where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inWindow(window)}
             order by ${along(window)} limit ${window.limit}`;
  return { places: await recorded(tx, tenantId, entries, window), examinedEnd: null };
}

async function findAccess(
  tx: Tx,
  tenantId: string,
  { filters, asked }: { readonly filters: AuditFilters; readonly asked: readonly Sql[] },
  window: AuditWindow,
): Promise<FoundEntries> {
  const entries = await entriesOf(tx, tenantId, filters, window);
  const places = await recorded(
    tx,
    tenantId,
    sql`select leaf_index from (${entries}) e where ${sql.join(asked, ' and ')} order by ${along(window)} limit ${window.limit}`,
    window,
  );
  if (places.length === window.limit) return { places, examinedEnd: null };
  const last = sql`select leaf_index from (${entries}) e offset ${window.examine - 1} limit 1`;
  const [examinedEnd] = await recorded(tx, tenantId, last, window);
  return { places, examinedEnd: examinedEnd ?? null };
}

/** Rows of `access_records` in the asked order, at most `examine`: those that the leading filter names, by its index; of none, all by the primary key. */
async function entriesOf(tx: Tx, tenantId: string, filters: AuditFilters, window: AuditWindow): Promise<Sql> {
  const leads = leadsOf(filters).map((lead) => rowsOf(tenantId, lead, window));
  const [first] = leads;
  if (first === undefined)
    return sql`select * from sworn.access_records
      where tenant_id = ${tenantId}::uuid and log = ${window.log} and ${inWindow(window)}
      order by ${along(window)} limit ${window.examine}`;
  if (leads.length === 1) return first;
  for (const rows of leads) {
    const [more] = await tx.query(sql`select leaf_index from (${rows}) e offset ${MAX_NARROW} limit 1`);
    if (more === undefined) return rows;
  }
  return first;
}

/** Of one value of one column, by its own index: which log the rows are of must not lead to the primary key. */
function rowsOf(tenantId: string, lead: Sql, window: AuditWindow): Sql {
  return sql`select * from sworn.access_records
    where tenant_id = ${tenantId}::uuid and ${lead} and log is not distinct from ${window.log}::text and ${inWindow(window)}
    order by ${along(window)} limit ${window.examine}`;
}

/**
 * The asked filters as their indexes have them (`access_records_run`, `…_view`, `…_correlation`, `…_kind`, `…_decision`, `…_endpoint`,
 * `…_credential`), the likely most selective first. READ and ALLOW are what nearly all records are, and lead to nothing.
 */
function leadsOf(f: AuditFilters): readonly Sql[] {
  const leads: Sql[] = [];
  if (f.runId !== null) leads.push(sql`run_id = ${f.runId}`);
  if (f.view !== null) leads.push(sql`view = ${f.view}`);
  if (f.correlationId !== null) leads.push(sql`correlation_id = ${f.correlationId}`);
  const [kind, ...others] = f.kinds ?? [];
  if (kind !== undefined && others.length === 0 && kind !== 'READ') leads.push(sql`kind = ${kind} and kind <> 'READ'`);
  if (f.decision === 'DENY') leads.push(sql`decision = ${f.decision}`);
  if (f.endpoint !== null) leads.push(sql`endpoint = ${f.endpoint}`);
  if (f.credentialId !== null) leads.push(sql`credential_id = ${f.credentialId}`);
  return leads;
}

function conditionsOf(f: AuditFilters): readonly Sql[] {
  const parts: Sql[] = [];
  if (f.kinds !== null) parts.push(sql`kind = any(${[...f.kinds]}::text[])`);
  if (f.runId !== null) parts.push(sql`run_id = ${f.runId}`);
  if (f.credentialId !== null) parts.push(sql`credential_id = ${f.credentialId}`);
  if (f.decision !== null) parts.push(sql`decision = ${f.decision}`);
  if (f.endpoint !== null) parts.push(sql`endpoint = ${f.endpoint}`);
  if (f.correlationId !== null) parts.push(sql`correlation_id = ${f.correlationId}`);
  if (f.view !== null) parts.push(sql`view = ${f.view}`);
  return parts;
}

/** One branch a kind, each in order by itself. Index `control_records_kind`. */
function ofKinds(tenantId: string, kinds: readonly string[], window: AuditWindow): Sql {
  const branches = kinds.map(
    (kind) => sql`(select leaf_index from sworn.control_records
      where tenant_id = ${tenantId}::uuid and kind = ${kind} and log is not distinct from ${window.log}::text and ${inWindow(window)}
      order by ${along(window)} limit ${window.limit})`,
  );
  return sql`select leaf_index from (${sql.join(branches, ' union all ')}) b order by ${along(window)} limit ${window.limit}`;
}

/** Places with the time of their leaves. Primary key of `leaf`, looked up one by one. */
async function recorded(tx: Tx, tenantId: string, entries: Sql, window: AuditWindow): Promise<AuditPlace[]> {
  return tx.query<AuditPlace>(sql`
    select e.leaf_index as index, l.recorded_at as "recordedAt"
      from (${entries}) e
      left join lateral (
        select recorded_at from sworn.leaf
         where tenant_id = ${tenantId}::uuid and log = ${window.log} and leaf_index = e.leaf_index limit 1) l on true
     order by e.${along(window)}`);
}

function along({ order }: AuditWindow): Sql {
  return order === 'asc' ? sql`leaf_index` : sql`leaf_index desc`;
}

function inWindow({ from, below }: AuditWindow): Sql {
  return sql`leaf_index >= ${from}::bigint and leaf_index < ${below}::bigint`;
}
