import { equalBytes, hex } from '@sworn/evidence';
import { runColumnsOf } from '../read/check.js';
import type { Cell, LogPlace, ProjectedRow } from '../store/checking.js';
import { PROJECTION_COLUMNS, type ProjectionTable } from '../store/projection.js';
import type { StoredLeaf } from '../store/runs.js';
import { ownEventKey } from '../record/ownLeaf.js';
import { AUDIT_KIND, GOVERNANCE_KIND } from '../otlp/map/log.js';
import { SYSTEM_EVENT_TYPES } from '../otlp/map/vocabulary.js';
import { hintedRun } from '../seal/membership.js';
import { OVERRIDE_KIND } from '../seal/overrides.js';
import type { Tell } from './finding.js';
import type { ReadLeaf } from './leaves.js';

/** What of a leaf says which row stands beside it. */
type SayingLeaf = Pick<ReadLeaf, 'said' | 'hash'> & {
  readonly row: Pick<StoredLeaf, 'kind' | 'index' | 'eventKey' | 'occurredAt'>;
};

/** What stands beside leaves of a topic: for each table, the cells that a leaf asks for; null: it has no row there. */
type Expected = (leaf: SayingLeaf, origin: string) => Readonly<Record<string, Cell>> | null;

/** Tables beside each topic's leaves. */
export const TABLES_OF: Readonly<Record<string, readonly ProjectionTable[]>> = {
  'llm-runs': ['llm_run_records', 'run_members'],
  system: ['resources', 'system_records', 'telemetry_batches'],
  audit: ['audit_ledger'],
  access: ['access_records'],
  control: ['control_records'],
};

const EXPECTED: Readonly<Record<ProjectionTable, Expected>> = {
  llm_run_records: ({ row, said }) => {
    if (row.kind !== 'OPENED' && row.kind !== 'RUN') return null;
    const { run_names: _, ...cells } = runColumnsOf(said, row) as Readonly<Record<string, Cell>>;
    return {
      ...cells,
      cost_magnitude: magnitude(said.count('cost_nano_usd')),
      duration_magnitude: magnitude(said.count('duration_us')),
    };
  },
  run_members: ({ row, said }) => {
    if (row.kind !== 'MEMBER') return null;
    const roots = said.texts('roots');
    return {
      run_id: said.text('run_id'),
      trace_id: said.text('trace_id'),
      whole: said.flag('whole'),
      roots: roots.length === 0 ? null : roots,
    };
  },
  resources: ({ row, said, hash }) => {
    if (row.kind !== 'RESOURCE') return null;
    return {
      part: said.text('part'),
      leaf_hash: hash,
      service: said.text('service'),
      service_instance: said.text('service_instance'),
      host_id: said.text('host_id'),
      environment: said.text('environment'),
    };
  },
  system_records: ({ row, said }) => {
    if (!SYSTEM_KINDS.has(row.kind)) return null;
    return {
      event_type: said.text('event_type') ?? row.kind,
      conflict_of: said.count('first_index'),
      event_name: said.text('event_name'),
      severity: said.text('severity'),
      component: said.text('component'),
      service: said.text('service'),
      instance: said.text('instance'),
      correlation_id: said.text('correlation_id'),
      hinted_run: hintedRun({
        runHint: said.text('run_hint'),
        runAsserted: said.flag('run_asserted') ?? false,
        service: said.text('service'),
        foreign: said.flag('foreign') ?? false,
      }),
      trace_id: said.text('trace_id'),
      occurred_at: said.text('occurred_at'),
      shared: said.text('by') === 'sworn' ? said.flag('shared') : null,
      signal: said.text('signal'),
    };
  },
  audit_ledger: ({ row, said }) => {
    if (!LEDGER_KINDS.has(row.kind)) return null;
    const actor = ACTORS.find(([member]) => said.text(member) !== null);
    return {
      event_type: said.text('event_type'),
      conflict_of: said.count('first_index'),
      category: said.text('category'),
      entity_type: said.text('entity_type'),
      entity_id: said.text('entity_id'),
      actor_type: actor?.[1] ?? null,
      actor_id: actor === undefined ? null : said.text(actor[0]),
      action: said.text('action'),
      decision: said.text('decision'),
      run_id: said.text('run_id'),
      hinted_run: said.text('hinted_run'),
      policy_id: said.text('policy_id'),
      incident_id: said.text('incident_id'),
      correlation_id: said.text('correlation_id'),
      trace_id: said.text('trace_id'),
      service: said.text('service'),
      occurred_at: said.text('occurred_at'),
    };
  },
  telemetry_batches: ({ row, said }) => {
    if (row.kind !== 'TELEMETRY') return null;
    return {
      service: said.text('service'),
      environment: said.text('environment'),
      instance: said.text('instance'),
      host_id: said.text('host_id'),
      host_name: said.text('host_name'),
      process_pid: said.count('process_pid'),
      container_id: said.text('container_id'),
      pod_uid: said.text('pod_uid'),
      metrics: said.count('metrics'),
      points: said.count('points'),
      first_at: said.text('first_at'),
      occurred_at: said.text('occurred_at'),
    };
  },
  access_records: ({ row, said }) => ({
    kind: row.kind,
    request_id: said.text('request_id'),
    endpoint: said.text('endpoint'),
    credential_id: said.text('credential_id'),
    decision: said.text('decision'),
    permission: said.text('permission'),
    run_id: said.text('run_id'),
    status: said.count('status'),
    view: said.text('view'),
    correlation_id: said.text('correlation_id'),
    record_id: said.text('record_id'),
    export_id: said.text('export_id'),
  }),
  control_records: (leaf, origin) => ({ kind: leaf.row.kind, subject: subjectOf(leaf, origin) }),
};

/** Kinds of `audit`, all of which have a row. */
const LEDGER_KINDS: ReadonlySet<string> = new Set([AUDIT_KIND, GOVERNANCE_KIND, OVERRIDE_KIND, 'CONFLICT']);

const SYSTEM_KINDS: ReadonlySet<string> = new Set([...SYSTEM_EVENT_TYPES, 'CONFLICT', 'GAP']);

/** Members that name who acted, and what of, the first that is there. */
const ACTORS = [
  ['human_actor_id', 'HUMAN'],
  ['agent_id', 'AGENT'],
  ['system_id', 'SYSTEM'],
] as const;

/** Binary digits, as the generated columns count them; 0 has none. */
function magnitude(value: number | null): number | null {
  if (value === null || value < 0) return value === null ? null : 64;
  return value === 0 ? 0 : value.toString(2).length;
}

/** The member that a `control` leaf's subject repeats; of a kind that is not here, none: it has no subject. */
const SUBJECTS: Readonly<Record<string, string>> = {
  TENANT_CREATED: 'tenant_id',
  QUOTA_SET: 'tenant_id',
  KEY_CREATED: 'key_id',
  KEY_REVOKED: 'key_id',
  TOKEN_FIRST_USED: 'key_id',
  LOGIN: 'human_actor_id',
  SIGNING_KEY_ADDED: 'public_key',
  SIGNING_KEY_RETIRED: 'public_key',
  FINDING: 'id',
  FINDING_CLEARED: 'id',
};

function subjectOf({ row, said }: SayingLeaf, origin: string): string | null {
  const ownLog = said.text('of_log');
  switch (row.kind) {
    case 'KEYS_CHECK':
      // Whose keys they are stands in the event key alone.
      return (
        ['tenant', 'deployment'].find((whose) => equalBytes(row.eventKey, ownEventKey('KEYS_CHECK', whose))) ?? null
      );
    case 'LOG_RECOVERED':
      // Of another tenant where that one is gone.
      return ownLog === null ? null : origin.replace(/[^/]+\/[^/]+$/, `${said.text('of_tenant')}/${ownLog}`);
    case 'SIGNER_ADOPTED':
      return ownLog === null ? null : origin.replace(/[^/]+$/, ownLog);
    case 'FINDING':
      // Findings of before checks had names are called by their code.
      return said.text('id') ?? said.text('finding');
    default:
      return said.text(SUBJECTS[row.kind] ?? '');
  }
}

/** Columns of the row beside a leaf that are not what it says (V6); null: no row of this table stands beside such a leaf. */
export function differingColumns(
  { table, origin }: { readonly table: ProjectionTable; readonly origin: string },
  leaf: SayingLeaf,
  cells: Readonly<Record<string, Cell>>,
): readonly string[] | null {
  const expected = EXPECTED[table](leaf, origin);
  if (expected === null) return null;
  return PROJECTION_COLUMNS[table].map(([name]) => name).filter((name) => !same(expected[name], cells[name]));
}

/** Check V6 for the rows beside a chunk of leaves, V10 for those that stand beside none. Both come in index order. */
export function checkProjection(
  at: {
    readonly place: LogPlace;
    readonly origin: string;
    readonly table: ProjectionTable;
    /** Leaves that are there and cannot be read, of which V4 tells: what stands beside them is beside something. */
    readonly damaged: ReadonlySet<number>;
  },
  leaves: readonly ReadLeaf[],
  rows: readonly ProjectedRow[],
  tell: Tell,
): void {
  const { place, table, damaged } = at;
  const beside = new Map<number, ProjectedRow>();
  for (const row of rows) {
    if (beside.has(row.index))
      tell({ ...place, code: 'STRAY_ROW', index: row.index, table, expected: 'one row beside the leaf', found: 'two' });
    beside.set(row.index, row);
  }
  for (const leaf of leaves) {
    const { index } = leaf.row;
    const row = beside.get(index);
    beside.delete(index);
    const differing = differingColumns(at, leaf, row?.cells ?? {});
    if (differing === null && row === undefined) continue;
    if (differing === null)
      tell({ ...place, code: 'STRAY_ROW', index, table, expected: `no row beside a ${leaf.row.kind}`, found: 'one' });
    else if (row === undefined)
      tell({
        ...place,
        code: 'PROJECTION_MISSING',
        index,
        table,
        expected: `the row of a ${leaf.row.kind}`,
        found: 'none',
      });
    else if (differing.length > 0)
      tell({
        ...place,
        code: 'PROJECTION_MISMATCH',
        index,
        table,
        expected: `${differing.join(', ')} as the leaf says`,
        found: 'another value',
      });
  }
  for (const index of beside.keys())
    if (!damaged.has(index))
      tell({ ...place, code: 'STRAY_ROW', index, table, expected: 'a leaf beside the row', found: 'none' });
}

/** The names that runs of a chunk use, each a row of `run_names`. */
export function checkRunNames(
  { place, damaged }: { readonly place: LogPlace; readonly damaged: ReadonlySet<number> },
  leaves: readonly ReadLeaf[],
  rows: readonly { readonly index: number; readonly name: string; readonly runIndex: number }[],
  tell: Tell,
): void {
  const found = new Map<number, string[]>();
  for (const { index, name, runIndex } of rows) {
    const said = `${name} ${runIndex}`;
    const names = found.get(index);
    if (names === undefined) found.set(index, [said]);
    else names.push(said);
  }
  for (const { row, said } of leaves) {
    if (row.kind !== 'OPENED' && row.kind !== 'RUN') continue;
    const columns = runColumnsOf(said, row);
    const names = (columns['run_names'] as readonly string[]).map((name) => `${name} ${String(columns['run_index'])}`);
    const there = found.get(row.index)?.sort() ?? [];
    found.delete(row.index);
    if (JSON.stringify(names.toSorted()) === JSON.stringify(there)) continue;
    const at = { ...place, index: row.index, table: 'run_names' };
    const [expected, count] = [`${names.length} names as the leaf says`, `${there.length}, of which some differ`];
    tell({
      ...at,
      code: there.length < names.length ? 'PROJECTION_MISSING' : 'PROJECTION_MISMATCH',
      expected,
      found: count,
    });
  }
  for (const index of found.keys())
    if (!damaged.has(index))
      tell({ ...place, code: 'STRAY_ROW', index, table: 'run_names', expected: 'a run beside the row', found: 'none' });
}

/** A leaf's value and a cell: bytes and their hex are the same, nothing and an empty list too. */
function same(a: Cell | undefined, b: Cell | undefined): boolean {
  if (a === b) return true;
  return plain(a) === plain(b);
}

function plain(cell: Cell | undefined): string | number | boolean | null {
  if (cell === undefined || cell === null) return null;
  if (cell instanceof Uint8Array) return hex(cell);
  if (typeof cell === 'object') return cell.length === 0 ? null : JSON.stringify(cell.map(plain));
  return cell;
}
