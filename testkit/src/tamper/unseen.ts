import { randomBytes } from 'node:crypto';
import { hex } from '@sworn/evidence';
import type { Attack, Family } from './attack.js';
import { appendCoherently, insertBatch, macOf } from './forge.js';
import { ofTarget } from './marks.js';
import type { Scene } from './scene.js';

/** A change of how the database is made, and of no row. */
function posture(name: string, ...statements: readonly string[]): Attack {
  return {
    name,
    foundBy: 'advisory',
    plain: name.startsWith('triggers') ? 'triggers off' : null,
    async strike(scene) {
      for (const statement of statements) await scene.strike(statement);
      return { found: [], advisory: true };
    },
  };
}

/** The newest batch as the recorder committed it, before any signer saw it; then all of it is taken back. */
async function takeBackUnsigned(scene: Scene): Promise<void> {
  const place = ofTarget(scene, 'system');
  const at = [place.tenantId, place.log];
  const here = 'tenant_id = $1 and log = $2';
  const [head] = await scene.read<{ next: number; frontier: Buffer; root: Buffer; last: string }>(
    `select next_index::float8 as next, frontier, root, last_recorded_at::text as last from sworn.log_head where ${here}`,
    at,
  );
  if (head === undefined) throw new Error('no head');
  // What the recorder does, with the recorder's key: this is the honest part.
  const like = await scene.leaf('RESOURCE', -1, 'system');
  const { index, at: time, tree } = await appendCoherently(scene, place, like, { event_key: hex(randomBytes(32)) });
  const batch = { first: index, count: 1, at: time, before: head.root, after: tree.rootAt(index + 1) };
  await insertBatch(scene, place, batch, macOf(scene, place, batch));
  await scene.strike(
    `insert into sworn.resources select tenant_id, log, $3, part, leaf_hash, service, service_instance, host_id, environment
       from sworn.resources where ${here} order by leaf_index desc limit 1`,
    [...at, index],
  );
  // And this is the attack.
  for (const [table, column] of [
    ['leaf', 'leaf_index'],
    ['resources', 'leaf_index'],
    ['batch_authenticator', 'first_index'],
  ] as const)
    await scene.strike(`delete from sworn.${table} where ${here} and ${column} = $3`, [...at, index]);
  await scene.strike(
    `update sworn.log_head set next_index = $3, frontier = $4, root = $5, last_recorded_at = $6::timestamptz where ${here}`,
    [...at, head.next, head.frontier, head.root, head.last],
  );
}

/** What is told without being a finding, what leaves no trace, and what is honest. */
export const unseenAttacks: Family = {
  title: 'Advisory only, unseen, honest',
  attacks: [
    posture('triggers disabled, and nothing else', 'alter table sworn.leaf disable trigger all'),
    posture(
      'row security taken off',
      'alter table sworn.leaf no force row level security',
      'alter table sworn.leaf disable row level security',
    ),
    posture('a right to delete handed out', 'grant delete on sworn.leaf to public'),
    posture(
      'the function that refuses changes made to refuse nothing',
      `create or replace function sworn.refuse_truncate() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return null; end $$`,
    ),
    {
      name: 'the last batch taken back between commit and signature',
      foundBy: 'nobody',
      plain: 'delete the tail',
      async strike(scene) {
        await takeBackUnsigned(scene);
        return { found: [] };
      },
    },
    {
      name: 'retries, contradicting copies, late steps, producers that name control kinds',
      foundBy: 'no attack',
      plain: null,
      // All of them are part of the stage.
      async strike(scene) {
        const kinds = await scene.read<{ n: number }>(
          `select count(*)::int as n from sworn.leaf where tenant_id = $1 and kind = 'CONFLICT'`,
          [scene.target.id],
        );
        if (kinds[0]?.n !== 2) throw new Error('the stage has no contradicting copy of a step and of a log record');
        return { found: [] };
      },
    },
  ],
};
