import type { Attack, Beside, Family, Mark } from './attack.js';
import { beside, flip, mark, ofTarget, ONE } from './marks.js';
import type { Scene } from './scene.js';

/** The tables beside the leaves, with the log whose leaves they are of. */
const PROJECTIONS = [
  ['llm_run_records', 'llm-runs'],
  ['run_members', 'llm-runs'],
  ['run_names', 'llm-runs'],
  ['resources', 'system'],
  ['system_records', 'system'],
  ['audit_ledger', 'audit'],
  ['access_records', 'access'],
  ['control_records', 'control'],
] as const;

/** How a column of a type gets another value than it has. */
const OTHERWISE: Readonly<Record<string, (column: string) => string>> = {
  text: (c) => `coalesce(${c}, '') || 'x'`,
  int2: (c) => `coalesce(${c}, 0) + 100`,
  int4: (c) => `coalesce(${c}, 0) + 100`,
  int8: (c) => `coalesce(${c}, 0) + 100`,
  bool: (c) => `not coalesce(${c}, false)`,
  timestamptz: (c) => `coalesce(${c}, now()) + interval '1 second'`,
  bytea: (c) => `coalesce(set_byte(${c}, 0, get_byte(${c}, 0) # 1), '\\x00')`,
  uuid: () => 'gen_random_uuid()',
  _text: (c) => `array_append(coalesce(${c}, '{}'), 'x')`,
  _bytea: (c) => `array_append(coalesce(${c}, '{}'), '\\x0011223344556677'::bytea)`,
};

/** Rows between those whose columns are changed, so that each is the mark of one column. */
const ROWS_APART = 3;

/** Every column of a table takes another value, each in a row of its own as far as there are rows. */
async function changeEveryColumn(scene: Scene, table: string, log: string): Promise<readonly Mark[]> {
  const columns = await scene.read<{ name: string; type: string }>(
    `select column_name as name, udt_name as type from information_schema.columns
      where table_schema = 'sworn' and table_name = $1 and is_generated = 'NEVER' and column_name not in ('tenant_id', 'log', 'leaf_index')
      order by ordinal_position`,
    [table],
  );
  await dropChecks(scene, table);
  const rows = await scene.read<{ index: number }>(
    `select distinct leaf_index::float8 as index from sworn.${table} where tenant_id = $1 order by index desc`,
    [scene.target.id],
  );
  const indexes = new Set<number>();
  for (const [i, { name, type }] of columns.entries()) {
    const index = rows[(i * ROWS_APART) % rows.length]?.index ?? 0;
    const otherwise = OTHERWISE[type];
    if (otherwise === undefined) throw new Error(`no other value for ${table}.${name}, which is a ${type}`);
    await scene.strike(`update sworn.${table} set ${name} = ${otherwise(name)} where ${ONE}`, [
      scene.target.id,
      log,
      index,
    ]);
    indexes.add(index);
  }
  return [...indexes].map((index) => mark(ofTarget(scene, log), index, 'V6 PROJECTION_MISMATCH'));
}

/** A superuser is held by no constraint. */
async function dropChecks(scene: Scene, table: string): Promise<void> {
  const checks = await scene.read<{ name: string }>(
    `select conname as name from pg_constraint where conrelid = $1::regclass and contype in ('c', 'u')`,
    [`sworn.${table}`],
  );
  for (const { name } of checks) await scene.strike(`alter table sworn.${table} drop constraint ${name}`);
}

const everyColumn = PROJECTIONS.map(
  ([table, log]): Attack => ({
    name: `every column of ${table}, row by row`,
    foundBy: 'fsck',
    plain: null,
    strike: async (scene) => ({
      found: await changeEveryColumn(scene, table, log),
      beside: blinded(scene, table),
    }),
  }),
);

/** What else must fail where a projection says no more what it said: runs count their steps by it, checkpoints find their keys. */
function blinded(scene: Scene, table: string): readonly Beside[] {
  if (table === 'run_members') return [beside(ofTarget(scene), 'V9 RUN_TREE_MISMATCH')];
  return table === 'control_records' ? [{ tenantId: scene.target.id, check: 'V1' }] : [];
}

const rowsGone = PROJECTIONS.map(
  ([table, log]): Attack => ({
    name: `a row of ${table} deleted`,
    foundBy: 'fsck',
    plain: null,
    async strike(scene) {
      const [row] = await scene.read<{ index: number }>(
        `select leaf_index::float8 as index from sworn.${table} where tenant_id = $1 order by leaf_index desc offset 1 limit 1`,
        [scene.target.id],
      );
      const index = row?.index ?? 0;
      await scene.strike(`delete from sworn.${table} where ${ONE}`, [scene.target.id, log, index]);
      const place = ofTarget(scene, log);
      return { found: [mark(place, index, 'V6 PROJECTION_MISSING')], beside: blinded(scene, table) };
    },
  }),
);

const rowsMadeUp = PROJECTIONS.map(
  ([table, log]): Attack => ({
    name: `a row of ${table} made up, without a leaf`,
    foundBy: 'fsck',
    plain: null,
    async strike(scene) {
      const index = await scene.sizeOf(ofTarget(scene, log));
      await dropChecks(scene, table);
      const columns = await scene.read<{ name: string }>(
        `select column_name as name from information_schema.columns
          where table_schema = 'sworn' and table_name = $1 and is_generated = 'NEVER' order by ordinal_position`,
        [table],
      );
      const names = columns.map(({ name }) => name);
      const values = names.map((name) => (name === 'leaf_index' ? String(index) : name));
      await scene.strike(
        `insert into sworn.${table} (${names.join(', ')}) select ${values.join(', ')} from sworn.${table}
          where tenant_id = $1 and log = $2 order by leaf_index desc limit 1`,
        [scene.target.id, log],
      );
      return { found: [mark(ofTarget(scene, log), index, 'V10 BEYOND_HEAD')] };
    },
  }),
);

/** Columns of `leaf` that its bytes say, and the kind of leaf they are changed at. */
const LEAF_COLUMNS = [
  ['kind', 'STEP', `'NOTE'`],
  ['event_key', 'STEP', `set_byte(event_key, 0, get_byte(event_key, 0) # 1)`],
  ['trace_id', 'STEP', `set_byte(trace_id, 0, get_byte(trace_id, 0) # 1)`],
  ['run_id', 'RUN', `run_id || 'x'`],
  ['occurred_at', 'STEP', `occurred_at + interval '1 second'`],
  ['dk', 'STEP', 'gen_random_uuid()'],
] as const;

/** Attacks at what stands beside the leaves. */
export const columnAttacks: Family = {
  title: 'Columns and projections',
  attacks: [
    {
      name: 'every column beside a leaf, row by row',
      foundBy: 'fsck',
      plain: 'edit',
      async strike(scene) {
        const place = ofTarget(scene);
        const found: Mark[] = [];
        for (const [i, [column, kind, value]] of LEAF_COLUMNS.entries()) {
          const { index } = await scene.leaf(kind, 10 + i);
          await scene.strike(`update sworn.leaf set ${column} = ${value} where ${ONE}`, [
            place.tenantId,
            place.log,
            index,
          ]);
          found.push(mark(place, index, 'V6 COLUMN_MISMATCH'));
        }
        return { found, beside: [beside(place, 'V8'), beside(place, 'V5'), beside(place, 'V9')] };
      },
    },
    {
      name: 'a run hidden from a filter',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        const { index, leaf } = await scene.leaf('RUN', -3);
        const { run_id: id } = JSON.parse(leaf.toString('utf8')) as { run_id: string };
        await scene.strike(`update sworn.llm_run_records set provider = 'nobody' where ${ONE}`, [
          place.tenantId,
          place.log,
          index,
        ]);
        const code = 'PROJECTION_MISMATCH';
        return {
          found: [mark(place, index, 'V6 PROJECTION_MISMATCH')],
          asked: [
            { kind: 'refused', path: `/${id}/envelope`, code },
            { kind: 'item', path: `?run_id=${id}`, index, code },
          ],
        };
      },
    },
    {
      name: 'what a run cost hidden from a filter, in a column that the database makes',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('RUN', -3);
        await scene.strike(`alter table sworn.llm_run_records alter column duration_magnitude drop expression`);
        await scene.strike(`update sworn.llm_run_records set duration_magnitude = 60 where ${ONE}`, [
          place.tenantId,
          place.log,
          index,
        ]);
        return { found: [mark(place, index, 'V6 PROJECTION_MISMATCH')], advisory: true };
      },
    },
    {
      name: 'one bit of a digest, by which copies are compared',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('STEP', 3);
        await scene.strike(`update sworn.leaf set ${flip('digest')} where ${ONE}`, [place.tenantId, place.log, index]);
        return { found: [mark(place, index, 'V6 COLUMN_MISMATCH')] };
      },
    },
    ...everyColumn,
    ...rowsGone,
    ...rowsMadeUp,
  ],
};
