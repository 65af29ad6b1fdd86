import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hex } from '@sworn/evidence';
import type { Attack, Beside, Family, Mark } from './attack.js';
import {
  authenticateAnew,
  checkpointsOf,
  editLeaf,
  noteOf,
  rewriteTree,
  setCheckpoint,
  signAnew,
  stolenSeed,
  type Tree,
} from './forge.js';
import { mark, ofTarget } from './marks.js';
import type { LogPlace, Scene } from './scene.js';

const journalOf = (scene: Scene): string => join(scene.signerDir, 'journal.ndjson');

const anyOf = ({ tenantId, log }: LogPlace, ...checks: string[]): readonly Beside[] =>
  checks.map((check) => ({ tenantId, log, check }));

/** Rewrites the target's `llm-runs` from this leaf on. */
async function rewriteFrom(
  scene: Scene,
  nth: number,
): Promise<{ readonly place: LogPlace; readonly tree: Tree; readonly index: number }> {
  const place = ofTarget(scene);
  const { index } = await scene.leaf('RUN', nth);
  await editLeaf(scene, place, index, { r: hex(randomBytes(16)) });
  return { place, index, tree: await rewriteTree(scene, place) };
}

/** Everything rewritten with every key that the deployment ever had in hand: leaves, tree, authenticators, checkpoints. */
async function rewriteWithKeys(scene: Scene, nth = 3): Promise<{ readonly place: LogPlace; readonly tree: Tree }> {
  const { place, tree } = await rewriteFrom(scene, nth);
  await authenticateAnew(scene, place, tree);
  await signAnew(scene, place, tree, null);
  return { place, tree };
}

/** The journal's last word on every log: `<tenant>/<log>` to size. */
function journalSizes(scene: Scene): ReadonlyMap<string, number> {
  const lines = readFileSync(journalOf(scene), 'utf8').split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const { origin, size } = JSON.parse(line) as { origin: string; size: number };
      return [origin.split('/').slice(1).join('/'), size];
    }),
  );
}

/** Size of the newest checkpoint of a log that the sink holds. */
function heldBySink({ stage, originOf }: Scene, place: LogPlace): number {
  const notes = readdirSync(stage.sinkDir).map((name) => readFileSync(join(stage.sinkDir, name), 'utf8'));
  const sizes = [...notes.join('').matchAll(new RegExp(`^${originOf(place)}\\n(\\d+)$`, 'gm'))].map(([, size]) =>
    Number(size),
  );
  return Math.max(...sizes);
}

/** Rewrites what the journal remembers of a log. */
function rewriteJournal(scene: Scene, change: (line: { origin: string; size: number; root: string }) => object): void {
  const lines = readFileSync(journalOf(scene), 'utf8').split('\n').filter(Boolean);
  const changed = lines.map((line) =>
    JSON.stringify(change(JSON.parse(line) as { origin: string; size: number; root: string })),
  );
  writeFileSync(journalOf(scene), `${changed.join('\n')}\n`);
}

/** Leaves, tree, authenticators, checkpoints and the signer's memory: all that one machine has. */
async function rewriteAll(scene: Scene): Promise<LogPlace> {
  const { place, tree } = await rewriteWithKeys(scene);
  const origin = scene.originOf(place);
  rewriteJournal(scene, (line) => (line.origin === origin ? { ...line, root: hex(tree.rootAt(line.size)) } : line));
  return place;
}

/** An attack at one checkpoint row in the middle. */
function atCheckpoint(
  name: string,
  code: string,
  change: (
    scene: Scene,
    place: LogPlace,
    checkpoint: { readonly size: number; readonly note: string },
  ) => Promise<void>,
): Attack {
  return {
    name,
    foundBy: 'fsck',
    plain: null,
    async strike(scene) {
      const place = ofTarget(scene);
      const checkpoint = (await checkpointsOf(scene, place))[2];
      if (checkpoint === undefined) throw new Error('too few checkpoints');
      await change(scene, place, checkpoint);
      return { found: [mark(place, checkpoint.size - 1, code)], beside: anyOf(place, 'V1', 'V3') };
    },
  };
}

/** Attacks at checkpoints, signer and keys. */
export const signatureAttacks: Family = {
  title: 'Checkpoints, keys and the signer’s memory',
  attacks: [
    atCheckpoint('the root of a checkpoint’s row', 'V1 CHECKPOINT_INVALID', async (scene, place, { size, note }) =>
      setCheckpoint(scene, place, { size, note, root: randomBytes(32) }),
    ),
    atCheckpoint(
      'a checkpoint signed with a key of the attacker’s',
      'V1 CHECKPOINT_INVALID',
      async (scene, place, { size }) => {
        const root = randomBytes(32);
        await setCheckpoint(scene, place, {
          size,
          root,
          note: noteOf(scene.originOf(place), { size, root }, randomBytes(32)),
        });
      },
    ),
    atCheckpoint(
      'a checkpoint signed with the stolen key, over another root',
      'V3 CHECKPOINT_DIFFERS',
      async (scene, place, { size, note }) => {
        const root = randomBytes(32);
        const seed = stolenSeed(scene, place, note);
        await setCheckpoint(scene, place, { size, root, note: noteOf(scene.originOf(place), { size, root }, seed) });
      },
    ),
    {
      name: 'the newest checkpoint signed with a key that was retired before, over the right root',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        const newest = (await checkpointsOf(scene, place)).at(-1);
        if (newest === undefined) throw new Error('no checkpoint');
        const { size, root } = newest;
        const note = noteOf(scene.originOf(place), { size, root }, scene.stage.retiredSeed);
        await setCheckpoint(scene, place, { size, root, note });
        return { found: [mark(place, size - 1, 'V1 CHECKPOINT_INVALID')] };
      },
    },
    {
      name: 'a history rewritten and signed with a key of the attacker’s',
      foundBy: 'fsck',
      plain: 'edit and recompute',
      async strike(scene) {
        const { place, tree } = await rewriteFrom(scene, 3);
        await signAnew(scene, place, tree, randomBytes(32));
        const newest = (await checkpointsOf(scene, place)).at(-1)?.size ?? 0;
        return {
          found: [mark(place, newest - 1, 'V1 CHECKPOINT_INVALID')],
          beside: anyOf(place, 'V1', 'V2', 'V3', 'V9'),
        };
      },
    },
    {
      name: 'a history rewritten and signed with all stolen keys',
      foundBy: 'outside memory',
      plain: 'edit and recompute',
      async strike(scene) {
        const { place } = await rewriteWithKeys(scene);
        return {
          found: [mark(place, (await scene.sizeOf(place)) - 1, 'V2 LOG_DIFFERS_FROM_SIGNED')],
          beside: anyOf(place, 'V2'),
        };
      },
    },
    {
      name: 'the same, and the signer’s memory rewritten',
      foundBy: 'elsewhere',
      plain: 'edit and recompute',
      async strike(scene) {
        await rewriteAll(scene);
        return { found: [] };
      },
    },
    {
      name: 'the same, where a sink holds the checkpoints',
      foundBy: 'sink',
      withSink: true,
      plain: 'edit and recompute',
      async strike(scene) {
        const place = await rewriteAll(scene);
        return { found: [mark(place, heldBySink(scene, place), 'V2 LOG_DIFFERS_FROM_SIGNED')] };
      },
    },
    {
      name: 'a fork: the last batch replaced by one that the same keys signed',
      foundBy: 'outside memory',
      plain: 'replace the tail',
      async strike(scene) {
        const { place } = await rewriteWithKeys(scene, -1);
        return {
          found: [mark(place, (await scene.sizeOf(place)) - 1, 'V2 LOG_DIFFERS_FROM_SIGNED')],
          beside: anyOf(place, 'V2'),
        };
      },
    },
    {
      name: 'an older data directory restored',
      foundBy: 'outside memory',
      copyOf: 'earlier',
      plain: 'delete the tail',
      async strike(scene) {
        const heads = await scene.read<{ tenant: string; log: string; size: number }>(
          `select tenant_id::text as tenant, log, next_index::float8 as size from sworn.log_head`,
        );
        const remembered = journalSizes(scene);
        const found: Mark[] = heads
          .filter(({ tenant, log, size }) => size < (remembered.get(`${tenant}/${log}`) ?? 0))
          .map(({ tenant, log, size }) => mark({ tenantId: tenant, log }, size, 'V2 LOG_SHORTER_THAN_SIGNED'));
        return { found, everywhere: true };
      },
    },
    {
      name: 'the signer’s memory deleted',
      foundBy: 'signer',
      plain: null,
      async strike(scene) {
        rmSync(journalOf(scene));
        const logs = await scene.read<{ tenant: string; log: string }>(
          `select distinct tenant_id::text as tenant, log from sworn.checkpoint`,
        );
        const since = performance.now();
        const signer = await scene.serve((server) => server.finding(ofTarget(scene), since));
        return {
          found: logs.map(({ tenant, log }) => mark({ tenantId: tenant, log }, 0, 'V2 SIGNER_MEMORY_LOST')),
          everywhere: true,
          signer,
        };
      },
    },
    {
      name: 'the signer’s memory replaced by an older one',
      foundBy: 'fsck',
      plain: null,
      async strike(scene) {
        const place = ofTarget(scene);
        const older = (await checkpointsOf(scene, place))[2];
        if (older === undefined) throw new Error('too few checkpoints');
        const origin = scene.originOf(place);
        const lines = readFileSync(journalOf(scene), 'utf8').split('\n').filter(Boolean);
        const kept = lines.filter((line) => {
          const said = JSON.parse(line) as { origin: string; size: number };
          return said.origin !== origin || said.size <= older.size;
        });
        writeFileSync(journalOf(scene), `${kept.join('\n')}\n`);
        return { found: [mark(place, older.size, 'V2 SIGNER_MEMORY_LOST')] };
      },
    },
  ],
};
