import { randomBytes } from 'node:crypto';
import { hex } from '@sworn/evidence';
import type { Attack, Family } from './attack.js';
import { appendCoherently, insertBatch, macOf } from './forge.js';
import { beside, mark, ofTarget, ONE } from './marks.js';
import { sendControlKinds } from './producers.js';
import type { LogPlace, Scene } from './scene.js';

/** Appends a leaf of a kind to a log coherently; with the stolen recorder key where `vouched`. @returns its index. */
async function forge(
  scene: Scene,
  log: string,
  like: readonly [kind: string, log: string],
  fields: Readonly<Record<string, unknown>>,
  vouched = false,
): Promise<{ readonly place: LogPlace; readonly index: number }> {
  const place = ofTarget(scene, log);
  const [head] = await scene.read<{ root: Buffer }>(
    `select root from sworn.log_head where tenant_id = $1 and log = $2`,
    [place.tenantId, log],
  );
  const model = await scene.leaf(like[0], -1, like[1]);
  const change = { event_key: hex(randomBytes(32)), r: hex(randomBytes(16)), ...fields };
  const { index, at, tree } = await appendCoherently(scene, place, model, change);
  await scene.strike(
    `update sworn.leaf set kind = $4, trace_id = null, run_id = null, body = null, dk = null, digest = sha256(event_key) where ${ONE}`,
    [place.tenantId, log, index, String(fields['kind'])],
  );
  if (vouched) {
    const batch = { first: index, count: 1, at, before: head?.root ?? Buffer.alloc(32), after: tree.rootAt(index + 1) };
    await insertBatch(scene, place, batch, macOf(scene, place, batch));
  }
  return { place, index };
}

/** Adds the row that lists of `control` read. */
async function project(scene: Scene, { tenantId, log }: LogPlace, index: number, kind: string): Promise<void> {
  await scene.strike(
    `insert into sworn.control_records (tenant_id, log, leaf_index, kind, subject) values ($1, $2, $3, $4, null)`,
    [tenantId, log, index, kind],
  );
}

/** A forged leaf that excuses a deletion, and the deletion. */
function excused(
  name: string,
  kind: 'ERASURE' | 'RETENTION',
  how: 'row' | 'leaf' | 'signed row of a checkpoint',
): Attack {
  return {
    name,
    foundBy: 'fsck',
    plain: kind === 'ERASURE' ? 'edit' : 'delete one',
    async strike(scene) {
      const place = ofTarget(scene);
      const control = ofTarget(scene, 'control');
      const victim = await scene.leaf('STEP', 30);
      const lost = await scene.read<{ index: number }>(
        `select leaf_index::float8 as index from sworn.leaf where tenant_id = $1 and log = $2 and dk = $3::uuid and body is not null order by leaf_index`,
        [place.tenantId, place.log, victim.dk],
      );
      const fields = kind === 'ERASURE' ? { kind, keys: [victim.dk] } : { kind, of: 'llm-runs', below: 5 };
      let forged: { readonly index: number } = { index: await scene.sizeOf(control) };
      if (how !== 'row') forged = await forge(scene, 'control', ['KEY_CREATED', 'control'], fields);
      await project(scene, control, forged.index, kind);
      if (how === 'signed row of a checkpoint')
        await scene.strike(
          `insert into sworn.checkpoint select tenant_id, log, $3, root, note, now() from sworn.checkpoint where tenant_id = $1 and log = $2 order by size desc limit 1`,
          [control.tenantId, control.log, forged.index + 1],
        );
      if (kind === 'ERASURE') {
        await scene.strike(`update sworn.leaf set body = null where tenant_id = $1 and dk = $2::uuid`, [
          place.tenantId,
          victim.dk,
        ]);
        await scene.strike(`delete from sworn.data_key where tenant_id = $1 and dk = $2::uuid`, [
          place.tenantId,
          victim.dk,
        ]);
      } else {
        await scene.strike(`delete from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and leaf_index < 5`, [
          place.tenantId,
        ]);
      }
      const gone =
        kind === 'ERASURE'
          ? lost.map(({ index }) => mark(place, index, 'V5 BODY_MISSING_UNAUTHORISED'))
          : [mark(place, 0, 'V5 MISSING_UNAUTHORISED')];
      const forgery =
        how === 'row'
          ? mark(control, forged.index, 'V10 BEYOND_HEAD')
          : mark(control, forged.index, 'V3 UNAUTHENTICATED_APPEND');
      return {
        found: [...gone, forgery],
        beside: [
          { ...control },
          { ...place, check: 'V9' },
          { ...place, check: 'V10' },
          { ...place, check: 'V3' },
          { ...ofTarget(scene, 'system'), check: 'V5' },
        ],
      };
    },
  };
}

/** Attacks with the kinds that mean something in `control`. */
export const controlAttacks: Family = {
  title: 'Records that Sworn acts on',
  attacks: [
    {
      name: 'control kinds sent over OTLP',
      foundBy: 'no attack',
      plain: null,
      strike: (scene) =>
        scene.serve(async (server) => {
          await sendControlKinds({ otlpHttp: server.otlpHttp, ingestKey: scene.target.ingestKey });
          return { found: [] };
        }),
    },
    {
      name: 'a control kind among a producer’s records',
      foundBy: 'fsck',
      plain: 'append',
      async strike(scene) {
        const { place, index } = await forge(scene, 'llm-runs', ['STEP', 'llm-runs'], { kind: 'ERASURE', keys: [] });
        return {
          found: [mark(place, index, 'V10 CONTROL_KIND_OUTSIDE'), mark(place, index, 'V3 UNAUTHENTICATED_APPEND')],
          beside: [{ ...place, index }],
        };
      },
    },
    {
      name: 'the same with the stolen recorder key',
      foundBy: 'fsck',
      plain: 'append',
      async strike(scene) {
        const { place, index } = await forge(
          scene,
          'llm-runs',
          ['STEP', 'llm-runs'],
          { kind: 'ERASURE', keys: [] },
          true,
        );
        return { found: [mark(place, index, 'V10 CONTROL_KIND_OUTSIDE')], beside: [{ ...place, index }] };
      },
    },
    {
      name: 'how far the checks have come, written by hand',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        await scene.strike(
          `insert into sworn.check_cursor (tenant_id, log, next_index, frontier, verified, checked_at, scrub_index, scrub_frontier, scrub_began_at, scrubbed_at, mac)
           select tenant_id, log, 0, '', next_index, now(), 0, '', now(), now(), sha256('x') from sworn.log_head where tenant_id = $1 and log = $2
               on conflict (tenant_id, log) do update set verified = excluded.verified, checked_at = excluded.checked_at,
                  scrub_began_at = excluded.scrub_began_at, scrubbed_at = excluded.scrubbed_at`,
          [place.tenantId, place.log],
        );
        return {
          found: [mark(place, null, 'V10 CHECK_STATE_MISMATCH')],
          asked: [{ kind: 'not verified', path: `audit/integrity?log=${place.log}` }],
        };
      },
    },
    excused('an erasure excused by a row, without a leaf', 'ERASURE', 'row'),
    excused('an erasure excused by a forged leaf', 'ERASURE', 'leaf'),
    excused('the same under a made-up checkpoint', 'ERASURE', 'signed row of a checkpoint'),
    excused('a retention excused by a row, without a leaf', 'RETENTION', 'row'),
    excused('a retention excused by a forged leaf', 'RETENTION', 'leaf'),
    {
      name: 'a signing key of the attacker’s, added by a forged leaf',
      foundBy: 'fsck',
      plain: 'append',
      async strike(scene) {
        const key = hex(randomBytes(32));
        const fields = { kind: 'SIGNING_KEY_ADDED', public_key: key, algorithm: 'ed25519', from_size: 0 };
        const { place, index } = await forge(scene, 'control', ['SIGNING_KEY_ADDED', 'control'], fields);
        await scene.strike(
          `insert into sworn.control_records (tenant_id, log, leaf_index, kind, subject) values ($1, $2, $3, 'SIGNING_KEY_ADDED', $4)`,
          [place.tenantId, place.log, index, key],
        );
        return { found: [mark(place, index, 'V3 UNAUTHENTICATED_APPEND')], beside: [beside(place, 'V1')] };
      },
    },
  ],
};
