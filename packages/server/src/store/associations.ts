import type { Tx } from './database.js';
import { MAX_EXAMINED } from './runLead.js';
import { type Sql, sql } from './sql.js';

/** What ties a system record to a run: an id that both say, the instance or host on which both happened. */
export type Tie = 'TRACE' | 'RUN' | 'CORRELATION' | 'INSTANCE' | 'HOST' | 'SERVICE';

/** One of the ties, by its values: a range of one index each. */
export interface TieLane {
  readonly tie: Tie;
  /** Trace ids in hex, run or correlation ids, instances, hosts; of services the signals that may be silent. */
  readonly values: readonly string[];
  /** Of each instance its service, within which its id tells it from others; of each signal whose it is; null: none. */
  readonly services?: readonly (string | null)[];
  /** `from` ≤ occurred_at < `before`; null: no bound. */
  readonly from: string | null;
  readonly before: string | null;
}

/** Which records of one log of `system`, in the order of time. */
export interface TieWindow {
  readonly log: string;
  /** Records with a leaf index below it. */
  readonly below: number;
  /** Goes on behind this one. */
  readonly after: TiedPlace | null;
  /** Records wanted of all lanes together. */
  readonly limit: number;
}

/** Where a record stands, and when what it says happened. */
export interface TiedPlace {
  readonly log: string;
  readonly index: number;
  readonly occurredAt: string;
}

/** What a lane has. */
export interface FoundTied {
  /** By time, then leaf index. */
  readonly places: readonly TiedPlace[];
  /** Not null: it has more, and up to here `places` is all there is. */
  readonly end: TiedPlace | null;
}

/**
 * The records of one log that a lane ties, oldest first: for each value one range of its own index (`system_records_trace`, `…_hinted_run`, `…_bound`,
 * `…_instance`, `…_gap_time`), hosts by `…_hosted`, and of each as many as are wanted, at most `MAX_EXAMINED` of all. What contradicts an earlier record (CONFLICT)
 * is left out: the first counts. In a transaction with `inIndexOrder`.
 */
export async function findTied(tx: Tx, tenantId: string, lane: TieLane, window: TieWindow): Promise<FoundTied> {
  if (lane.values.length === 0) return { places: [], end: null };
  if (lane.tie === 'HOST') return findHosted(tx, tenantId, lane, window);
  const each = Math.max(1, Math.min(window.limit, Math.floor(MAX_EXAMINED / lane.values.length)));
  const rows = await tx.query<FoundRow>(sql`
    select asked.ordinal::int as of, t.leaf_index as index, t.occurred_at as "occurredAt"
      from unnest(${valuesOf(lane)}, ${[...(lane.services ?? lane.values)]}::text[]) with ordinality as asked(value, service, ordinal)
     cross join lateral (
       select leaf_index, occurred_at from sworn.system_records
        where tenant_id = ${tenantId}::uuid and ${TIED_BY[lane.tie]} and conflict_of is null and ${inWindow(lane, window)}
        order by occurred_at, leaf_index limit ${each}) t`);
  return upTo(rows, each, window);
}

interface FoundRow {
  /** Which value it was found by. */
  readonly of: number;
  readonly index: number;
  readonly occurredAt: string;
}

/** Merges what was found by each value; past the last row of a value that may have more, nothing is known to be whole. */
function upTo(rows: readonly FoundRow[], each: number, { log, limit }: TieWindow): FoundTied {
  const counts = new Map<number, number>();
  let end: TiedPlace | null = null;
  for (const { of, index, occurredAt } of rows) {
    const count = (counts.get(of) ?? 0) + 1;
    counts.set(of, count);
    const place = { log, index, occurredAt };
    if (count === each && (end === null || byTime(place, end) < 0)) end = place;
  }
  const known = rows.map(({ index, occurredAt }) => ({ log, index, occurredAt })).sort(byTime);
  const whole = end === null ? known : known.filter((place) => byTime(place, end) <= 0);
  if (whole.length <= limit) return { places: whole, end };
  const places = whole.slice(0, limit);
  return { places, end: places.at(-1) ?? null };
}

/** Sworn's newest word of a gap before a moment. */
export interface GapWord {
  /** Which value of the lane it is of: the place in its list, from 1. */
  readonly of: number;
  readonly place: TiedPlace;
  /** It says that the gap opened. */
  readonly isOpen: boolean;
}

/** For each signal of a lane of services the newest word of its gaps in one log that is dated before it: one row each of `system_records_gap_time`. */
export async function findGapsBefore(
  tx: Tx,
  tenantId: string,
  { values, services = [], from }: TieLane,
  { log, below }: Pick<TieWindow, 'log' | 'below'>,
): Promise<readonly GapWord[]> {
  if (from === null) return [];
  const rows = await tx.query<FoundRow & { readonly isOpen: boolean }>(sql`
    select asked.ordinal::int as of, t.leaf_index as index, t.occurred_at as "occurredAt", t.event_name = 'sworn.producer.silent' as "isOpen"
      from unnest(${[...values]}::text[], ${[...services]}::text[]) with ordinality as asked(value, service, ordinal)
     cross join lateral (
       select leaf_index, occurred_at, event_name from sworn.system_records
        where tenant_id = ${tenantId}::uuid and ${TIED_BY.SERVICE} and log is not distinct from ${log}::text
          and leaf_index < ${below}::bigint and occurred_at < ${from}::timestamptz
        order by occurred_at desc, leaf_index desc limit 1) t`);
  return rows.map(({ of, index, occurredAt, isOpen }) => ({ of, place: { log, index, occurredAt }, isOpen }));
}

/**
 * Records that name no instance, of these hosts: walked in the order of time by `system_records_hosted`, at most `MAX_EXAMINED`; each one's host is
 * that of the RESOURCE record that its leaf names (primary key of `leaf`, index `resources_hash`). What the leaf says is checked where it is shown.
 */
async function findHosted(tx: Tx, tenantId: string, lane: TieLane, window: TieWindow): Promise<FoundTied> {
  const { log, limit } = window;
  const walked = sql`
    select leaf_index, occurred_at from sworn.system_records
     where tenant_id = ${tenantId}::uuid and log = ${log} and instance is null and conflict_of is null and ${bounds(lane, window)}
     order by occurred_at, leaf_index limit ${MAX_EXAMINED}`;
  const found = await tx.query<Omit<TiedPlace, 'log'>>(sql`
    select w.leaf_index as index, w.occurred_at as "occurredAt"
      from (${walked}) w
     cross join lateral (
       select substring(encode(leaf, 'escape') from '"resource":"([0-9a-f]{64})"') as resource from sworn.leaf
        where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index = w.leaf_index limit 1) l
     cross join lateral (
       select host_id from sworn.resources
        where tenant_id = ${tenantId}::uuid and leaf_hash = decode(l.resource, 'hex') limit 1) r
     where r.host_id = any(${[...lane.values]}::text[])
     order by w.occurred_at, w.leaf_index limit ${limit}`);
  const places = found.map((place) => ({ log, ...place }));
  if (places.length === limit) return { places, end: places.at(-1) ?? null };
  const [last] = await tx.query<Omit<TiedPlace, 'log'>>(sql`
    select leaf_index as index, occurred_at as "occurredAt" from (${walked}) w offset ${MAX_EXAMINED - 1} limit 1`);
  return { places, end: last === undefined ? null : { log, ...last } };
}

/**
 * The records of a log of the platform that it shares, walked in the order of time by `system_records_occurred`, at most `MAX_EXAMINED`. `name`: what
 * the log is called among those of a tenant.
 */
export async function findShared(
  tx: Tx,
  platformTenant: string,
  lane: Pick<TieLane, 'from' | 'before'>,
  { name, ...window }: TieWindow & { readonly name: string },
): Promise<FoundTied> {
  const { log, limit } = window;
  const walked = sql`
    select leaf_index, occurred_at, shared from sworn.system_records
     where tenant_id = ${platformTenant}::uuid and log = ${log} and ${bounds(lane, { ...window, log: name })}
     order by occurred_at, leaf_index limit ${MAX_EXAMINED}`;
  const found = await tx.query<Omit<TiedPlace, 'log'>>(sql`
    select leaf_index as index, occurred_at as "occurredAt" from (${walked}) w where shared order by occurred_at, leaf_index limit ${limit}`);
  const places = found.map((place) => ({ log: name, ...place }));
  if (places.length === limit) return { places, end: places.at(-1) ?? null };
  const [last] = await tx.query<Omit<TiedPlace, 'log'>>(sql`
    select leaf_index as index, occurred_at as "occurredAt" from (${walked}) w offset ${MAX_EXAMINED - 1} limit 1`);
  return { places, end: last === undefined ? null : { log: name, ...last } };
}

/** By time, log and leaf: the order of events. */
export function byTime(a: TiedPlace, b: TiedPlace): number {
  if (a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt ? -1 : 1;
  return a.log === b.log ? a.index - b.index : a.log < b.log ? -1 : 1;
}

function valuesOf({ tie, values }: TieLane): Sql {
  return tie === 'TRACE' ? sql`${values.map((id) => Buffer.from(id, 'hex'))}::bytea[]` : sql`${[...values]}::text[]`;
}

/** The column, and what makes its index one of these rows. */
const TIED_BY: Readonly<Record<Exclude<Tie, 'HOST'>, Sql>> = {
  TRACE: sql`trace_id = asked.value`,
  RUN: sql`hinted_run = asked.value`,
  CORRELATION: sql`correlation_id = asked.value and correlation_id is distinct from encode(trace_id, 'hex')`,
  INSTANCE: sql`instance = asked.value and service is not distinct from asked.service`,
  SERVICE: sql`service = asked.service and signal = asked.value`,
};

/** Which log it is must not lead to the primary key. */
function inWindow(lane: TieLane, window: TieWindow): Sql {
  return sql`log is not distinct from ${window.log}::text and ${bounds(lane, window)}`;
}

function bounds({ from, before }: Pick<TieLane, 'from' | 'before'>, { log, below, after }: TieWindow): Sql {
  const parts = [sql`leaf_index < ${below}::bigint`];
  if (from !== null) parts.push(sql`occurred_at >= ${from}::timestamptz`);
  if (before !== null) parts.push(sql`occurred_at < ${before}::timestamptz`);
  if (after !== null) {
    const behind = log === after.log ? after.index : log < after.log ? Number.MAX_SAFE_INTEGER : -1;
    parts.push(sql`(occurred_at, leaf_index) > (${after.occurredAt}::timestamptz, ${behind}::bigint)`);
  }
  return sql.join(parts, ' and ');
}
