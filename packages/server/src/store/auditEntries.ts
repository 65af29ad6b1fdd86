import type { Cell } from './checking.js';
import type { StoredCheckpoint } from './checkpointRead.js';
import type { Tx } from './database.js';
import { ENTRY_TABLES, type EntryTable, isLeafAt } from './entryPlaces.js';
import { PROJECTION_COLUMNS } from './projection.js';
import type { StoredLeaf } from './runs.js';
import { type Sql, sql } from './sql.js';

/** Cells of the projection row beside a leaf by column; null: there is no row. */
type Beside = Readonly<Record<string, Cell>> | null;

/** An entry's leaf, and the row beside it. */
export interface StoredEntry extends StoredLeaf {
  /** The first checkpoint row that would cover it, unverified; null until there is one. */
  readonly covering: StoredCheckpoint | null;
  /** Null also of a topic that has no table. */
  readonly cells: Beside;
}

/** A row whose leaf is not there. */
export interface LeaflessEntry {
  readonly log: string;
  readonly index: number;
  readonly leaf: null;
}

type EntryRow = Omit<StoredLeaf, 'index' | 'log'> & {
  readonly at: number;
  readonly beside: boolean;
  readonly coverSize: number | null;
  readonly coverRoot: Uint8Array;
  readonly coverNote: string;
  readonly coverAt: string;
  readonly [cell: `cell_${string}`]: Cell;
};

/**
 * The entries of one log at these indexes, in their order; one that neither leaf nor row names is left out. Primary keys, looked up leaf by leaf;
 * rows by a range of one, as `readRunsAt` does.
 */
export async function readEntriesAt(
  tx: Tx,
  tenantId: string,
  { topic, log, table: asked }: { readonly topic: string; readonly log: string; readonly table?: BesideTable },
  indexes: readonly number[],
): Promise<(StoredEntry | LeaflessEntry)[]> {
  const table = asked ?? TABLES[topic];
  const beside = table === undefined ? sql`select false as there` : rowOf(table, tenantId, log);
  const cells = table === undefined ? sql.empty : cellsOf(table);
  const rows = await tx.query<EntryRow>(sql`
    select asked.leaf_index as at, l.kind, l.leaf, l.leaf_hash as "leafHash", l.event_key as "eventKey", l.trace_id as "traceId",
           l.run_id as "runId", l.occurred_at as "occurredAt", l.recorded_at as "recordedAt", l.dk,
           c.size as "coverSize", c.root as "coverRoot", c.note as "coverNote", c.signed_at as "coverAt",
           coalesce(p.there, false) as beside ${cells}
      from unnest(${[...indexes]}::bigint[]) with ordinality as asked(leaf_index, ordinal)
      left join lateral (
        select * from sworn.leaf where ${isLeafAt(tenantId, log, sql`asked.leaf_index`)} limit 1) l on true
      left join lateral (
        select size, root, note, signed_at from sworn.checkpoint
         where tenant_id = ${tenantId}::uuid and log = ${log} and size > asked.leaf_index
         order by size limit 1) c on true
      left join lateral (${beside}) p on true
     where l.leaf is not null or p.there
     order by asked.ordinal`);
  return rows.map((row) => toEntry(row, log));
}

/** Tables beside leaves of `system` that are asked for by their names; of a topic, its entries' own is meant. */
type BesideTable = 'telemetry_batches' | 'resources';

/** Names in statements. */
const BESIDE_TABLES: Readonly<Record<EntryTable | BesideTable, Sql>> = {
  ...ENTRY_TABLES,
  telemetry_batches: sql`sworn.telemetry_batches`,
  resources: sql`sworn.resources`,
};

/** Rows beside the entries of each topic. */
const TABLES: Readonly<Record<string, EntryTable>> = {
  system: 'system_records',
  audit: 'audit_ledger',
  access: 'access_records',
  control: 'control_records',
};

function rowOf(table: EntryTable | BesideTable, tenantId: string, log: string): Sql {
  return sql`
    select true as there, * from ${BESIDE_TABLES[table]}
     where tenant_id = ${tenantId}::uuid and log = ${log} and leaf_index between asked.leaf_index and asked.leaf_index
     order by leaf_index limit 1`;
}

/** Names that stand in the code, never data. */
function cellsOf(table: EntryTable | BesideTable): Sql {
  const names = PROJECTION_COLUMNS[table].map(([name]) => `p.${name} as cell_${name}`);
  return { strings: [`, ${names.join(', ')}`], values: [] };
}

function toEntry(row: EntryRow, log: string): StoredEntry | LeaflessEntry {
  if (row.leaf === null) return { log, index: row.at, leaf: null };
  const cells = Object.entries(row).flatMap(([name, value]) =>
    name.startsWith('cell_') ? [[name.slice('cell_'.length), value] as const] : [],
  );
  return {
    log,
    index: row.at,
    kind: row.kind,
    leaf: row.leaf,
    leafHash: row.leafHash,
    eventKey: row.eventKey,
    traceId: row.traceId,
    runId: row.runId,
    occurredAt: row.occurredAt,
    recordedAt: row.recordedAt,
    dk: row.dk,
    covering:
      row.coverSize === null
        ? null
        : { size: row.coverSize, root: row.coverRoot, note: row.coverNote, signedAt: row.coverAt },
    cells: row.beside ? Object.fromEntries(cells) : null,
  };
}
