import type { Family } from './attack.js';
import { editLeaf, rewriteTree } from './forge.js';
import { batchOf, beside, mark, ofTarget, ONE } from './marks.js';
import type { LogPlace, Scene } from './scene.js';

/** Columns of `leaf` that go with a record wherever it is moved. */
const ALONG = [
  'kind',
  'leaf',
  'leaf_hash',
  'event_key',
  'trace_id',
  'run_id',
  'occurred_at',
  'recorded_at',
  'body',
  'digest',
  'dk',
];

/** Moves a row of `leaf` to another place. */
async function moveLeaf(
  scene: Scene,
  from: LogPlace,
  index: number,
  to: LogPlace & { readonly index: number },
): Promise<void> {
  await scene.strike(`update sworn.leaf set tenant_id = $4, log = $5, leaf_index = $6 where ${ONE}`, [
    from.tenantId,
    from.log,
    index,
    to.tenantId,
    to.log,
    to.index,
  ]);
}

/** Attacks at where, and when, records stand. */
export const orderAttacks: Family = {
  title: 'Order and place',
  attacks: [
    {
      name: 'a row backdated by a day',
      foundBy: 'fsck',
      plain: 'backdate',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('STEP', 30);
        await scene.strike(`update sworn.leaf set recorded_at = recorded_at - interval '1 day' where ${ONE}`, [
          place.tenantId,
          place.log,
          index,
        ]);
        return {
          found: [mark(place, index, 'V6 COLUMN_MISMATCH'), mark(place, index, 'V7 TIME_WENT_BACK')],
        };
      },
    },
    {
      name: 'a record backdated in its leaf, everything rewritten coherently',
      foundBy: 'fsck',
      plain: 'backdate',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index, leaf } = await scene.leaf('STEP', 30);
        const { recorded_at: at } = JSON.parse(leaf.toString('utf8')) as { recorded_at: string };
        const earlier = `2020${at.slice(4)}`;
        await scene.strike(`update sworn.leaf set recorded_at = $4::timestamptz where ${ONE}`, [
          place.tenantId,
          place.log,
          index,
          earlier,
        ]);
        await editLeaf(scene, place, index, { recorded_at: earlier });
        await rewriteTree(scene, place);
        return {
          found: [
            mark(place, index, 'V7 TIME_WENT_BACK'),
            mark(place, await batchOf(scene, place, index), 'V3 ROOT_MISMATCH'),
          ],
          beside: [{ ...place, check: 'V2' }, { ...place, check: 'V3' }, beside(place, 'V9 RUN_TREE_MISMATCH')],
        };
      },
    },
    {
      name: 'an index twice, its primary key dropped',
      foundBy: 'fsck',
      plain: 'duplicate',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('STEP', 30);
        await scene.strike('alter table sworn.leaf drop constraint leaf_pkey, drop constraint leaf_event_key');
        await scene.strike(
          `insert into sworn.leaf (tenant_id, log, leaf_index, ${ALONG.join(', ')}) select tenant_id, log, leaf_index, ${ALONG.join(', ')} from sworn.leaf where ${ONE}`,
          [place.tenantId, place.log, index],
        );
        return {
          found: [mark(place, index, 'V5 DUPLICATE_INDEX')],
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH')],
          advisory: true,
        };
      },
    },
    {
      name: 'two indexes swapped',
      foundBy: 'fsck',
      plain: 'swap',
      async strike(scene) {
        const place = ofTarget(scene);
        const [one, other] = [await scene.leaf('STEP', 30), await scene.leaf('STEP', 32)];
        const far = 1_000_000;
        await moveLeaf(scene, place, one.index, { ...place, index: far });
        await moveLeaf(scene, place, other.index, { ...place, index: one.index });
        await moveLeaf(scene, place, far, { ...place, index: other.index });
        return {
          found: [one, other].map(({ index }) => mark(place, index, 'V4 LEAF_HASH_MISMATCH')),
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH'), beside(place, 'V7 TIME_WENT_BACK')],
        };
      },
    },
    {
      name: 'a row moved to another tenant',
      foundBy: 'fsck',
      plain: 'move',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('STEP', 30);
        const there = { tenantId: scene.stage.neighbours[0]?.id ?? '', log: place.log };
        const end = await scene.sizeOf(there);
        await moveLeaf(scene, place, index, { ...there, index: end });
        return {
          found: [mark(place, index, 'V5 MISSING_UNAUTHORISED'), mark(there, end, 'V10 BEYOND_HEAD')],
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH')],
        };
      },
    },
    {
      name: 'a row moved to another log',
      foundBy: 'fsck',
      plain: 'move',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('STEP', 30);
        const there = ofTarget(scene, 'audit');
        const end = await scene.sizeOf(there);
        await moveLeaf(scene, place, index, { ...there, index: end });
        return {
          found: [mark(place, index, 'V5 MISSING_UNAUTHORISED'), mark(there, end, 'V10 BEYOND_HEAD')],
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH')],
        };
      },
    },
    {
      name: 'a row moved to a log that is not there',
      foundBy: 'fsck',
      plain: 'move',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('STEP', 30);
        const there = ofTarget(scene, 'llm-runs.7');
        await moveLeaf(scene, place, index, { ...there, index: 0 });
        return {
          found: [mark(place, index, 'V5 MISSING_UNAUTHORISED'), mark(there, null, 'V10 UNKNOWN_LOG')],
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH')],
        };
      },
    },
    {
      name: 'a run’s membership given to another run',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('MEMBER', 5);
        const [other] = await scene.read<{ run: string }>(
          `select run_id as run from sworn.run_members where tenant_id = $1 order by leaf_index desc limit 1`,
          [place.tenantId],
        );
        await scene.strike(`update sworn.run_members set run_id = $4 where ${ONE}`, [
          place.tenantId,
          place.log,
          index,
          other?.run,
        ]);
        return {
          found: [mark(place, index, 'V6 PROJECTION_MISMATCH')],
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH')],
        };
      },
    },
  ],
};
