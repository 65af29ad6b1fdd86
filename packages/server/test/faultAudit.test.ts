import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newTrace } from './facadeSpans.js';
import { buildStage, type Scene, type Stage, stepsOf } from './faultStage.js';

let stage: Stage;
let sound: Scene;

beforeAll(async () => {
  stage = await buildStage();
  sound = await recorded();
});
afterAll(() => stage.close());

/** A tenant whose log has a full tile and two batches. */
async function recorded(): Promise<Scene> {
  const scene = await stage.newScene();
  await scene.sequence(await scene.prepare(stepsOf(newTrace(), 258)));
  await scene.sequence(await scene.prepare(stepsOf(newTrace(), 4)));
  return scene;
}

const HERE = `tenant_id = $1 and log = 'llm-runs'`;
const FLIP = (column: string): string => `${column} = set_byte(${column}, 0, get_byte(${column}, 0) # 1)`;

/** What a superuser may do to the tables, and what must be said of it. */
const TAMPERINGS: readonly (readonly [what: string, text: string, said: RegExp])[] = [
  [
    'a leaf hash flipped',
    `update sworn.leaf set ${FLIP('leaf_hash')} where ${HERE} and leaf_index = 7`,
    /leaf 7: has another hash/,
  ],
  ['a leaf taken out', `delete from sworn.leaf where ${HERE} and leaf_index = 7`, /leaf 8: stands where 7 is due/],
  ['the last leaf taken out', `delete from sworn.leaf where ${HERE} and leaf_index = 261`, /head at 262, 261 leaves/],
  [
    'a kind renamed',
    `update sworn.leaf set kind = 'NOTE' where ${HERE} and leaf_index = 7`,
    /leaf 7: says other than its row/,
  ],
  [
    'a time moved',
    `update sworn.leaf set recorded_at = recorded_at + interval '1 s' where ${HERE} and leaf_index = 7`,
    /leaf 7: has other times/,
  ],
  ['a body edited', `update sworn.leaf set ${FLIP('body')} where ${HERE} and leaf_index = 7`, /7: another ciphertext/],
  ['a data key lost', `delete from sworn.data_key where tenant_id = $1`, /the data key is missing/],
  ['a head with another root', `update sworn.log_head set ${FLIP('root')} where ${HERE}`, /head has root/],
  ['a head with another frontier', `update sworn.log_head set ${FLIP('frontier')} where ${HERE}`, /another frontier/],
  ['a tile edited', `update sworn.tile set ${FLIP('hashes')} where ${HERE}`, /tile 0\/0 has other hashes/],
  ['a tile lost', `delete from sworn.tile where ${HERE}`, /tile 0\/0 is missing/],
  [
    'an authenticator forged',
    `update sworn.batch_authenticator set ${FLIP('mac')} where ${HERE} and first_index > 0`,
    /batch 258: is not authenticated/,
  ],
  [
    'an authenticator lost',
    `delete from sworn.batch_authenticator where ${HERE} and first_index > 0`,
    /authenticated to 258 of 262/,
  ],
  ['a projection row lost', `delete from sworn.resources where tenant_id = $1`, /resources: no row for system 0/],
  ['a log lost', `delete from sworn.log_head where tenant_id = $1 and log = 'access'`, /has no log access/],
];

describe('an audit', () => {
  it('has nothing to say of a sound history', async () => {
    const { problems, steps } = await sound.audit();
    expect(problems).toEqual([]);
    expect(steps.size).toBe(262);
  });

  it.each(TAMPERINGS)('finds %s, and leaves its neighbour in peace', async (_, text, said) => {
    const scene = await recorded();
    const superuser = await stage.database.connect('superuser');
    await superuser.query('set session_replication_role = replica');
    const { rowCount } = await superuser.query(text, [scene.tenantId]);
    expect(rowCount).toBeGreaterThan(0);
    const { problems } = await scene.audit();
    expect(problems.join('\n')).toMatch(said);
    expect((await sound.audit()).problems).toEqual([]);
  });
});
