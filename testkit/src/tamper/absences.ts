import type { Attack, Beside, Family, Mark } from './attack.js';
import { rewriteTree } from './forge.js';
import { beside, mark, ofTarget, ONE } from './marks.js';
import type { LogPlace, Scene } from './scene.js';

/** What follows wherever leaves are gone: rows of lists without a leaf, runs that lack steps, keys of nothing. */
function consequences({ tenantId }: Pick<LogPlace, 'tenantId'>): readonly Beside[] {
  return [
    { tenantId, check: 'V10', code: 'STRAY_ROW' },
    { tenantId, check: 'V9', code: 'RUN_TREE_MISMATCH' },
  ];
}

/** Indexes of the last two batches: what a tail is cut at, so that what is left ends where a batch did. */
async function tailFrom(scene: Scene, { tenantId, log }: LogPlace): Promise<number> {
  const [row] = await scene.read<{ first: number }>(
    `select first_index::float8 as first from sworn.batch_authenticator where tenant_id = $1 and log = $2
      order by first_index desc offset 1 limit 1`,
    [tenantId, log],
  );
  return row?.first ?? 0;
}

const RECORDED = ['leaf', 'llm_run_records', 'run_members', 'run_names'] as const;

/** Deletes the tail of a log and of what is derived from it. */
async function cutTail(scene: Scene, place: LogPlace, from: number, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const index = table === 'batch_authenticator' ? 'first_index' : table === 'checkpoint' ? 'size - 1' : 'leaf_index';
    await scene.read(`delete from sworn.${table} where tenant_id = $1 and log = $2 and ${index} >= $3`, [
      place.tenantId,
      place.log,
      from,
    ]);
  }
}

/** The evidence tables, and what must be said when one of them is empty. */
const EMPTIED: readonly (readonly [table: string, said: (scene: Scene) => Promise<readonly Mark[]>])[] = [
  ['tile', async (scene) => [mark(ofTarget(scene), 0, 'V3 TILE_MISSING')]],
  ['batch_authenticator', async (scene) => [mark(ofTarget(scene), 0, 'V3 UNAUTHENTICATED_APPEND')]],
  // Nothing says how many there were. What they signed is remembered by the signer, who signs the newest again.
  ['checkpoint', async () => []],
  [
    'llm_run_records',
    async (scene) => [mark(ofTarget(scene), (await scene.leaf('RUN')).index, 'V6 PROJECTION_MISSING')],
  ],
  [
    'run_members',
    async (scene) => [mark(ofTarget(scene), (await scene.leaf('MEMBER')).index, 'V6 PROJECTION_MISSING')],
  ],
  ['run_names', async (scene) => [mark(ofTarget(scene), (await scene.leaf('RUN')).index, 'V6 PROJECTION_MISSING')]],
  ['resources', async (scene) => [mark(ofTarget(scene, 'system'), 0, 'V6 PROJECTION_MISSING')]],
  ['access_records', async (scene) => [mark(ofTarget(scene, 'access'), 0, 'V6 PROJECTION_MISSING')]],
  ['control_records', async (scene) => [mark(ofTarget(scene, 'control'), 0, 'V6 PROJECTION_MISSING')]],
];

const truncated = EMPTIED.map(
  ([table, said]): Attack => ({
    name: `${table} truncated`,
    foundBy: table === 'checkpoint' ? 'nobody' : 'fsck',
    plain: null,
    async strike(scene) {
      const found = await said(scene);
      await scene.strike(`truncate sworn.${table}`);
      // Every tenant is struck, and every log that has rows there.
      // Runs count their steps by the one, checkpoints find their keys by the other.
      const blind = { run_members: [{ check: 'V9' }], control_records: [{ check: 'V1' }] }[table] ?? [];
      return { found, beside: [...found.map(({ check, code }) => ({ check, code })), ...blind], everywhere: true };
    },
  }),
);

/** Attacks that take something away. */
export const absenceAttacks: Family = {
  title: 'Something gone',
  attacks: [
    {
      name: 'a leaf in the middle deleted',
      foundBy: 'fsck',
      plain: 'delete one',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index, traceId } = await scene.leaf('STEP', 30);
        await scene.strike(`delete from sworn.leaf where ${ONE}`, [place.tenantId, place.log, index]);
        return {
          found: [mark(place, index, 'V5 MISSING_UNAUTHORISED')],
          beside: consequences(place),
          asked: [{ kind: 'refused', path: `/${traceId?.toString('hex')}/envelope`, code: 'RUN_TREE_MISMATCH' }],
        };
      },
    },
    {
      name: 'a middle leaf deleted, everything after it renumbered and rehashed',
      foundBy: 'fsck',
      plain: 'edit and recompute',
      async strike(scene) {
        const place = ofTarget(scene);
        const size = await scene.sizeOf(place);
        const { index } = await scene.leaf('STEP', -1);
        await cutTail(scene, place, size - 1, []);
        await scene.strike(`delete from sworn.leaf where ${ONE}`, [place.tenantId, place.log, index]);
        for (const table of RECORDED)
          await scene.read(
            `update sworn.${table} set leaf_index = leaf_index - 1 where tenant_id = $1 and log = $2 and leaf_index > $3`,
            [place.tenantId, place.log, index],
          );
        await rewriteTree(scene, place);
        return {
          found: [mark(place, size - 1, 'V2 LOG_SHORTER_THAN_SIGNED')],
          beside: [
            ...consequences(place),
            { ...place, check: 'V10' },
            { ...place, check: 'V3' },
            { ...place, check: 'V6' },
            { ...place, check: 'V9' },
          ],
        };
      },
    },
    {
      name: 'the tail deleted, nothing else',
      foundBy: 'fsck',
      plain: 'delete the tail',
      async strike(scene) {
        const place = ofTarget(scene);
        const from = await tailFrom(scene, place);
        await cutTail(scene, place, from, RECORDED);
        // Leaves that are gone in a row are told at the first of them.
        return { found: [mark(place, from, 'V5 MISSING_UNAUTHORISED')], beside: consequences(place) };
      },
    },
    {
      name: 'the tail deleted with authenticators and head, checkpoints left',
      foundBy: 'fsck',
      plain: 'delete the tail',
      async strike(scene) {
        const place = ofTarget(scene);
        const from = await tailFrom(scene, place);
        await cutTail(scene, place, from, [...RECORDED, 'batch_authenticator']);
        await rewriteTree(scene, place);
        return {
          found: [mark(place, from, 'V2 LOG_SHORTER_THAN_SIGNED')],
          beside: [...consequences(place), beside(place, 'V10 BEYOND_HEAD')],
        };
      },
    },
    {
      name: 'the tail deleted with tiles, authenticators, head and checkpoints',
      foundBy: 'outside memory',
      plain: 'delete the tail',
      async strike(scene) {
        const place = ofTarget(scene);
        const from = await tailFrom(scene, place);
        await cutTail(scene, place, from, [...RECORDED, 'batch_authenticator', 'checkpoint']);
        await rewriteTree(scene, place);
        return { found: [mark(place, from, 'V2 LOG_SHORTER_THAN_SIGNED')], beside: consequences(place) };
      },
    },
    {
      name: 'a whole tenant wiped',
      foundBy: 'outside memory',
      plain: 'delete a tenant',
      async strike(scene) {
        const { id } = scene.target;
        const logs = await scene.read<{ log: string }>(
          `select log from sworn.log_head where tenant_id = $1 and next_index > 0`,
          [id],
        );
        const tables = await scene.read<{ name: string }>(
          `select table_name as name from information_schema.columns where table_schema = 'sworn' and column_name = 'tenant_id'`,
        );
        for (const { name } of tables) await scene.read(`delete from sworn.${name} where tenant_id = $1`, [id]);
        return { found: logs.map(({ log }) => mark({ tenantId: id, log }, 0, 'V2 LOG_SHORTER_THAN_SIGNED')) };
      },
    },
    {
      name: 'leaf truncated',
      foundBy: 'fsck',
      plain: 'truncate',
      async strike(scene) {
        await scene.strike('truncate sworn.leaf');
        const found = [mark(ofTarget(scene), 0, 'V5 MISSING_UNAUTHORISED')];
        return { found, beside: [{}], everywhere: true };
      },
    },
    ...truncated,
  ],
};
