import { randomBytes } from 'node:crypto';
import { hex } from '@sworn/evidence';
import type { Attack, Beside, Family, Struck } from './attack.js';
import { appendCoherently, editLeaf, insertBatch, rewriteCheckpointRows, rewriteTree } from './forge.js';
import { batchOf, beside, flip, mark, ofTarget, ONE, unheld } from './marks.js';
import { sendRuns } from './producers.js';
import type { LogPlace, Scene, SceneServer } from './scene.js';

/** An attack at the rows that make the tree of the target's `llm-runs`. */
function atTree(name: string, strike: (scene: Scene, place: LogPlace) => Promise<Struck>): Attack {
  return { name, foundBy: 'fsck', plain: null, strike: (scene) => strike(scene, ofTarget(scene)) };
}

const at = ({ tenantId, log }: LogPlace): readonly unknown[] => [tenantId, log];
const HERE = 'tenant_id = $1 and log = $2';

/** A log that was rewritten contradicts what vouched for it in several ways at once. */
function rewritten({ tenantId, log }: LogPlace): readonly Beside[] {
  return [
    { tenantId, log, check: 'V1' },
    { tenantId, log, check: 'V2' },
    { tenantId, log, check: 'V3' },
  ];
}

/** Appends a made-up step coherently, with this authenticator or none. */
async function append(
  scene: Scene,
  mac: Uint8Array | null,
): Promise<{ readonly place: LogPlace; readonly index: number }> {
  const place = ofTarget(scene);
  const before = await scene.read<{ root: Buffer }>(`select root from sworn.log_head where ${HERE}`, at(place));
  const like = await scene.leaf('STEP', -1);
  const [traceId, spanId] = [randomBytes(16), randomBytes(8)];
  // At once: a server may be looking.
  await scene.read('begin');
  const {
    index,
    tree,
    at: time,
  } = await appendCoherently(scene, place, like, {
    trace_id: hex(traceId),
    span_id: hex(spanId),
    event_key: hex(traceId) + hex(spanId),
  });
  await scene.strike(`update sworn.leaf set trace_id = $4 where ${ONE}`, [...at(place), index, traceId]);
  if (mac !== null) {
    const batch = {
      first: index,
      count: 1,
      at: time,
      before: before[0]?.root ?? Buffer.alloc(32),
      after: tree.rootAt(index + 1),
    };
    await insertBatch(scene, place, batch, mac);
  }
  await scene.read('commit');
  return { place, index };
}

/** Leaf 40 says something else, and its hash and its tile say so too. */
async function changeWithTile(scene: Scene, place: LogPlace): Promise<void> {
  await editLeaf(scene, place, 40, { r: hex(randomBytes(16)) });
  await scene.strike(
    `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where ${HERE} and leaf_index = 40`,
    at(place),
  );
  await scene.strike(
    `update sworn.tile t set hashes = overlay(hashes placing (select leaf_hash from sworn.leaf l where l.tenant_id = $1 and l.log = $2 and l.leaf_index = 40)
           from 40 * 32 + 1 for 32) where ${HERE} and level = 0 and tile_index = 0`,
    at(place),
  );
}

/** Honest records go on behind a forged one: what fsck then misses is a batch of ours between two others. */
async function between(scene: Scene, { otlpHttp }: SceneServer, place: LogPlace, index: number): Promise<Struck> {
  await sendRuns({ otlpHttp, ingestKey: scene.target.ingestKey }, 2, 'after');
  return { found: [mark(place, index, 'V3 AUTHENTICATOR_MISMATCH')], beside: [borrowedBody(place, index)] };
}

/** A copied step has the ciphertext of another event key. */
const borrowedBody = (place: LogPlace, index: number): Beside => ({ ...place, index, check: 'V8' });

/** Attacks at tiles, authenticators and heads, and coherent rewriting and appending. */
export const treeAttacks: Family = {
  title: 'The tree',
  attacks: [
    atTree('one bit of a tile', async (scene, place) => {
      await scene.strike(
        `update sworn.tile set ${flip('hashes', 320)} where ${HERE} and level = 0 and tile_index = 1`,
        at(place),
      );
      return { found: [mark(place, 266, 'V3 TILE_MISMATCH')], beside: [unheld(place, 266)] };
    }),
    {
      ...atTree('one bit of a tile of the second level', async (scene, place) => {
        await scene.strike(
          `update sworn.tile set ${flip('hashes')} where ${HERE} and level = 1 and tile_index = 0`,
          at(place),
        );
        return { found: [mark(place, 0, 'V3 TILE_MISMATCH')] };
      }),
      needs: 65_536,
    },
    atTree('a tile deleted', async (scene, place) => {
      await scene.strike(`delete from sworn.tile where ${HERE} and level = 0 and tile_index = 1`, at(place));
      return { found: [mark(place, 256, 'V3 TILE_MISSING')] };
    }),
    atTree('a leaf and its tile changed together', async (scene, place) => {
      await changeWithTile(scene, place);
      return {
        found: [mark(place, await batchOf(scene, place, 40), 'V3 ROOT_MISMATCH')],
        beside: [beside(place, 'V9 RUN_TREE_MISMATCH')],
      };
    }),
    atTree('the same, and one bit of a later leaf', async (scene, place) => {
      await changeWithTile(scene, place);
      await scene.strike(`update sworn.leaf set ${flip('leaf', 20)} where ${ONE}`, [...at(place), 700]);
      const found = [
        mark(place, await batchOf(scene, place, 40), 'V3 ROOT_MISMATCH'),
        mark(place, 700, 'V4 LEAF_HASH_MISMATCH'),
      ];
      return { found, beside: [beside(place, 'V9 RUN_TREE_MISMATCH'), unheld(place, 700)] };
    }),
    atTree('one bit of an authenticator', async (scene, place) => {
      const [batch] = await scene.read<{ first: number }>(
        `update sworn.batch_authenticator set ${flip('mac')} where ${HERE} and first_index = (
           select first_index from sworn.batch_authenticator where ${HERE} order by first_index offset 3 limit 1) returning first_index::float8 as first`,
        at(place),
      );
      return { found: [mark(place, batch?.first ?? 0, 'V3 AUTHENTICATOR_MISMATCH')] };
    }),
    atTree('an authenticator deleted', async (scene, place) => {
      const [batch] = await scene.read<{ first: number }>(
        `delete from sworn.batch_authenticator where ${HERE} and first_index = (
           select first_index from sworn.batch_authenticator where ${HERE} order by first_index offset 3 limit 1) returning first_index::float8 as first`,
        at(place),
      );
      return { found: [mark(place, batch?.first ?? 0, 'V3 AUTHENTICATOR_MISMATCH')] };
    }),
    atTree('the root of a head', async (scene, place) => {
      await scene.strike(`update sworn.log_head set ${flip('root')} where ${HERE}`, at(place));
      return { found: [mark(place, await scene.sizeOf(place), 'V3 HEAD_MISMATCH')] };
    }),
    atTree('the frontier of a head', async (scene, place) => {
      await scene.strike(`update sworn.log_head set ${flip('frontier')} where ${HERE}`, at(place));
      return { found: [mark(place, await scene.sizeOf(place), 'V3 HEAD_MISMATCH')] };
    }),
    atTree('a head deleted', async (scene, place) => {
      await scene.strike(`delete from sworn.log_head where ${HERE}`, at(place));
      return { found: [mark(place, 0, 'V2 LOG_SHORTER_THAN_SIGNED')], beside: [beside(place, 'V10 UNKNOWN_LOG')] };
    }),
    atTree('a head set back by one', async (scene, place) => {
      const size = await scene.sizeOf(place);
      await scene.strike(`update sworn.log_head set next_index = next_index - 1 where ${HERE}`, at(place));
      return {
        found: [mark(place, size - 1, 'V10 BEYOND_HEAD'), mark(place, size - 1, 'V2 LOG_SHORTER_THAN_SIGNED')],
        beside: [...rewritten(place), beside(place, 'V10 BEYOND_HEAD')],
      };
    }),
    {
      ...atTree('leaf, hashes, columns, tiles and head rewritten coherently', async (scene, place) => {
        const { index } = await scene.leaf('RUN', 3);
        await editLeaf(scene, place, index, { termination_reason: 'rewritten' });
        await rewriteTree(scene, place);
        return {
          found: [mark(place, await batchOf(scene, place, index), 'V3 ROOT_MISMATCH')],
          beside: rewritten(place),
        };
      }),
      plain: 'edit and recompute',
    },
    {
      ...atTree('the same, and the rows of the checkpoints', async (scene, place) => {
        const { index } = await scene.leaf('RUN', 3);
        await editLeaf(scene, place, index, { termination_reason: 'rewritten' });
        await rewriteCheckpointRows(scene, place, await rewriteTree(scene, place));
        const [first] = await scene.read<{ size: number }>(
          `select min(size)::float8 as size from sworn.checkpoint where ${HERE} and size > $3`,
          [...at(place), index],
        );
        return { found: [mark(place, (first?.size ?? 0) - 1, 'V1 CHECKPOINT_INVALID')], beside: rewritten(place) };
      }),
      plain: 'edit and recompute',
    },
    {
      name: 'a record appended coherently, while nobody serves',
      foundBy: 'fsck',
      plain: 'append',
      async strike(scene) {
        const { place, index } = await append(scene, null);
        return { found: [mark(place, index, 'V3 UNAUTHENTICATED_APPEND')], beside: [borrowedBody(place, index)] };
      },
    },
    {
      name: 'the same with a made-up authenticator',
      foundBy: 'fsck',
      plain: 'append',
      async strike(scene) {
        const { place, index } = await append(scene, randomBytes(32));
        return {
          found: [mark(place, index, 'V3 AUTHENTICATOR_MISMATCH'), mark(place, index, 'V3 UNAUTHENTICATED_APPEND')],
          beside: [borrowedBody(place, index)],
        };
      },
    },
    {
      name: 'a record appended coherently while the server runs',
      foundBy: 'signer',
      plain: 'append',
      strike: (scene) =>
        scene.serve(async (server) => {
          const since = performance.now();
          const { place, index } = await append(scene, null);
          const signer = await server.finding(place, since);
          return { ...(await between(scene, server, place, index)), signer };
        }),
    },
    {
      name: 'a record appended coherently across a restart, honest ones after it',
      foundBy: 'signer',
      plain: 'append',
      async strike(scene) {
        const { place, index } = await append(scene, null);
        const since = performance.now();
        return scene.serve(async (server) => {
          const signer = await server.finding(place, since);
          return { ...(await between(scene, server, place, index)), signer };
        });
      },
    },
  ],
};
