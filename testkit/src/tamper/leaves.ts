import type { Attack, Family } from './attack.js';
import { editLeaf, rehashLeaf, setLeaf } from './forge.js';
import { batchOf, beside, flip, mark, ofTarget, ONE, unheld } from './marks.js';
import type { LeafSeen, Scene } from './scene.js';

const FOUND = 'V4 LEAF_HASH_MISMATCH';

/** An attack at one leaf of a kind, which check V4 must find at its index. */
function atLeaf(
  name: string,
  [kind, log]: readonly [kind: string, log: string],
  strike: (scene: Scene, leaf: LeafSeen) => Promise<unknown>,
): Attack {
  return {
    name,
    foundBy: 'fsck',
    plain: 'edit',
    async strike(scene) {
      const leaf = await scene.leaf(kind, 3, log);
      await strike(scene, leaf);
      const place = ofTarget(scene, log);
      return {
        found: [mark(place, leaf.index, FOUND)],
        beside: [beside(place, 'V9 RUN_TREE_MISMATCH'), unheld(place, leaf.index)],
      };
    },
  };
}

/** The same record, written with a space: whoever reads JSON sees no difference. */
function spelledOtherwise(leaf: Buffer): Buffer {
  return Buffer.from(leaf.toString('utf8').replace('":', '": '));
}

/** Attacks at the bytes of a leaf. */
export const leafAttacks: Family = {
  title: 'Leaves',
  attacks: [
    {
      name: 'one bit of a run’s leaf',
      foundBy: 'fsck',
      plain: 'edit',
      async strike(scene) {
        const { index, leaf } = await scene.leaf('RUN', 3);
        const { run_id: id } = JSON.parse(leaf.toString('utf8')) as { run_id: string };
        const place = ofTarget(scene);
        await scene.strike(`update sworn.leaf set ${flip('leaf', leaf.indexOf('"r":"') + 6)} where ${ONE}`, [
          place.tenantId,
          place.log,
          index,
        ]);
        const code = 'LEAF_HASH_MISMATCH';
        return {
          found: [mark(place, index, FOUND)],
          beside: [unheld(place, index)],
          asked: [
            { kind: 'refused', path: `/${id}/envelope`, code },
            { kind: 'refused', path: `/${id}/trace`, code },
            { kind: 'item', path: `?run_id=${id}`, index, code },
          ],
        };
      },
    },
    atLeaf('one bit of a step’s leaf', ['STEP', 'llm-runs'], (scene, { index, leaf }) =>
      scene.strike(`update sworn.leaf set ${flip('leaf', leaf.length - 3)} where ${ONE}`, [
        scene.target.id,
        'llm-runs',
        index,
      ]),
    ),
    {
      name: 'one bit of a leaf hash',
      foundBy: 'fsck',
      plain: 'edit',
      async strike(scene) {
        const place = ofTarget(scene);
        await scene.strike(`update sworn.leaf set ${flip('leaf_hash')} where ${ONE}`, [place.tenantId, place.log, 3]);
        // A run's tree is taken over that column.
        return { found: [mark(place, 3, 'V6 COLUMN_MISMATCH')], beside: [beside(place, 'V9 RUN_TREE_MISMATCH')] };
      },
    },
    atLeaf('same meaning, other bytes', ['STEP', 'llm-runs'], (scene, { index, leaf }) =>
      setLeaf(scene, ofTarget(scene), index, spelledOtherwise(leaf)),
    ),
    atLeaf('same meaning, other bytes, hash recomputed', ['STEP', 'llm-runs'], async (scene, { index, leaf }) => {
      await setLeaf(scene, ofTarget(scene), index, spelledOtherwise(leaf));
      await rehashLeaf(scene, ofTarget(scene), index);
    }),
    atLeaf('a step’s tokens changed, hash recomputed', ['STEP', 'llm-runs'], async (scene, { index }) => {
      await editLeaf(scene, ofTarget(scene), index, { input_tokens: 1 });
      await rehashLeaf(scene, ofTarget(scene), index);
    }),
    atLeaf('a read made another’s', ['READ', 'access'], (scene, { index }) =>
      editLeaf(scene, ofTarget(scene, 'access'), index, { credential_id: '00000000-0000-4000-8000-000000000000' }),
    ),
    {
      name: 'a role raised in a key’s leaf',
      foundBy: 'fsck',
      plain: 'edit',
      async strike(scene) {
        const place = ofTarget(scene, 'control');
        // The reader's: the auditor's was made after it.
        const { index } = await scene.leaf('KEY_CREATED', -2, 'control');
        await editLeaf(scene, place, index, { role: 'auditor' });
        return { found: [mark(place, index, FOUND)], beside: [unheld(place, index)] };
      },
    },
    {
      name: 'a service renamed in a resource’s leaf',
      foundBy: 'fsck',
      plain: 'edit',
      async strike(scene) {
        const place = ofTarget(scene, 'system');
        const { index } = await scene.leaf('RESOURCE', 0, 'system');
        await editLeaf(scene, place, index, { occurred_basis: 'start' });
        return { found: [mark(place, index, FOUND)], beside: [unheld(place, index)] };
      },
    },
    {
      name: 'leaf and hash changed where no full tile holds them',
      foundBy: 'fsck',
      plain: 'edit and recompute',
      async strike(scene) {
        const place = ofTarget(scene);
        const { index } = await scene.leaf('RUN', -1);
        await editLeaf(scene, place, index, { steps: 99 });
        await rehashLeaf(scene, place, index);
        // The leaf now says another count than its own tree has.
        const batch = await batchOf(scene, place, index);
        return {
          found: [mark(place, batch, 'V3 ROOT_MISMATCH')],
          beside: [beside(place, 'V9 RUN_TREE_MISMATCH', index)],
        };
      },
    },
  ],
};
