import type { Attack, Family, Struck } from './attack.js';
import { beside, flip, mark, ofTarget, ONE } from './marks.js';
import type { LeafSeen, Scene } from './scene.js';

/** An attack at the body of one step, or at its key. */
function atBody(
  name: string,
  plain: Attack['plain'],
  strike: (scene: Scene, leaf: LeafSeen) => Promise<Struck>,
): Attack {
  return { name, foundBy: 'fsck', plain, strike: async (scene) => strike(scene, await scene.leaf('STEP', 30)) };
}

const at = (scene: Scene, index: number): readonly unknown[] => [scene.target.id, 'llm-runs', index];

/** Leaves under the same key: one trace has one. */
async function underKey(scene: Scene, dk: string | null): Promise<readonly { index: number; log: string }[]> {
  return scene.read(
    `select leaf_index::float8 as index, log from sworn.leaf where tenant_id = $1 and dk = $2::uuid and body is not null order by log, leaf_index`,
    [scene.target.id, dk],
  );
}

/** Attacks at ciphertexts and at the keys that open them. */
export const bodyAttacks: Family = {
  title: 'Bodies and keys',
  attacks: [
    atBody('one bit of a ciphertext', 'edit', async (scene, { index }) => {
      await scene.strike(`update sworn.leaf set ${flip('body', 30)} where ${ONE}`, at(scene, index));
      return { found: [mark(ofTarget(scene), index, 'V8 BODY_MISMATCH')] };
    }),
    atBody('two bodies swapped', 'swap', async (scene, { index }) => {
      const other = await scene.leaf('STEP', 31);
      await scene.strike(
        `update sworn.leaf l set body = o.body from sworn.leaf o where l.tenant_id = $1 and l.log = $2 and l.leaf_index in ($3, $4)
          and o.tenant_id = $1 and o.log = $2 and o.leaf_index = $3::bigint + $4::bigint - l.leaf_index`,
        [...at(scene, index), other.index],
      );
      return { found: [index, other.index].map((i) => mark(ofTarget(scene), i, 'V8 BODY_MISMATCH')) };
    }),
    atBody('a body taken', 'edit', async (scene, { index, traceId }) => {
      await scene.strike(`update sworn.leaf set body = null where ${ONE}`, at(scene, index));
      return {
        found: [mark(ofTarget(scene), index, 'V5 BODY_MISSING_UNAUTHORISED')],
        asked: [
          { kind: 'refused', path: `/${traceId?.toString('hex')}/envelope`, code: 'BODY_MISSING_UNAUTHORISED' },
          { kind: 'step', path: `/${traceId?.toString('hex')}/trace`, index, code: 'BODY_MISSING_UNAUTHORISED' },
        ],
      };
    }),
    atBody('a body put beside a leaf that has none', 'edit', async (scene) => {
      const { index } = await scene.leaf('RUN', 3);
      await scene.strike(
        `update sworn.leaf l set body = o.body, dk = o.dk from sworn.leaf o where l.tenant_id = $1 and l.log = $2 and l.leaf_index = $3
          and o.tenant_id = $1 and o.log = $2 and o.leaf_index = $4`,
        [...at(scene, index), (await scene.leaf('STEP', 30)).index],
      );
      const place = ofTarget(scene);
      return {
        found: [mark(place, index, 'V6 COLUMN_MISMATCH')],
        beside: [beside(place, 'V8', index), beside(place, 'V10', index)],
      };
    }),
    atBody('a data key deleted', null, async (scene, { dk }) => {
      const lost = await underKey(scene, dk);
      await scene.strike(`delete from sworn.data_key where tenant_id = $1 and dk = $2::uuid`, [scene.target.id, dk]);
      return { found: lost.map(({ index, log }) => mark(ofTarget(scene, log), index, 'V5 KEY_MISSING_UNAUTHORISED')) };
    }),
    atBody('one bit of a wrapped key', null, async (scene, { dk }) => {
      const lost = await underKey(scene, dk);
      await scene.strike(`update sworn.data_key set ${flip('wrapped', 20)} where tenant_id = $1 and dk = $2::uuid`, [
        scene.target.id,
        dk,
      ]);
      return {
        found: lost.slice(0, 1).map(({ index, log }) => mark(ofTarget(scene, log), index, 'V8 KEY_DOES_NOT_OPEN')),
      };
    }),
    {
      name: 'an entry of the directory deleted: a token that leads to no name any more',
      foundBy: 'nobody',
      plain: null,
      async strike(scene) {
        await scene.strike(
          `delete from sworn.directory where (tenant_id, token) in (select tenant_id, token from sworn.directory where tenant_id = $1 limit 1)`,
          [scene.target.id],
        );
        return { found: [] };
      },
    },
    atBody('two wrapped keys swapped', null, async (scene, { dk }) => {
      const { dk: other } = await scene.leaf('STEP', 60);
      const lost = [(await underKey(scene, dk))[0], (await underKey(scene, other))[0]];
      await scene.strike(
        `update sworn.data_key k set wrapped = o.wrapped, epoch = o.epoch from sworn.data_key o
          where k.tenant_id = $1 and o.tenant_id = $1 and ((k.dk = $2 and o.dk = $3) or (k.dk = $3 and o.dk = $2))`,
        [scene.target.id, dk, other],
      );
      // A key is told once, at the first leaf that needs it.
      return { found: lost.map((leaf) => mark(ofTarget(scene), leaf?.index ?? null, 'V8 KEY_DOES_NOT_OPEN')) };
    }),
  ],
};
