import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY_ROOT, hex } from '@sworn/evidence';
import { compileScript, compileServer } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LeafDraft } from '../src/record/draft.js';
import { openDatabase } from '../src/store/database.js';
import { type DraftOnFile, writeDrafts } from './draftFile.js';
import { newTrace, type SpanText } from './facadeSpans.js';
import { buildStage, DEPLOYMENT, type Scene, type Stage, stepsOf } from './faultStage.js';
import { cut, type Fate, type Moment, mortal } from './mortal.js';
import type { Order } from './sequencer.child.js';

/** An append has a dozen statements, with a conflict twice that. */
const STATEMENTS_AT_MOST = 60;

let stage: Stage;
let code: string;
let script: string;

beforeAll(async () => {
  stage = await buildStage();
  code = compileServer('record', 'store');
  for (const part of ['draftFile.ts', 'mortal.ts']) compileScript(code, part);
  script = compileScript(code, 'sequencer.child.ts');
});
afterAll(async () => {
  await stage.close();
  rmSync(code, { recursive: true });
});

/** What lies in the log before, and what the process that dies was about to append. */
interface Batch {
  readonly before: readonly SpanText[];
  readonly spans: readonly SpanText[];
}

const BATCHES = [
  ['steps with their resource', () => ({ before: [], spans: stepsOf(newTrace(), 5) })],
  ['leaves that fill a tile', () => ({ before: stepsOf(newTrace(), 250), spans: stepsOf(newTrace(), 12) })],
  [
    'a contradicting copy among new steps',
    () => {
      const [first, ...more] = stepsOf(newTrace(), 3);
      return { before: [first as SpanText], spans: [{ ...(first as SpanText), name: 'another' }, ...more] };
    },
  ],
] as const satisfies readonly (readonly [name: string, make: () => Batch])[];

/** Sequences `drafts` and may die of it. @returns whether it died before it acknowledged them. */
type Life = (scene: Scene, drafts: readonly LeafDraft[], fate: Fate) => Promise<boolean>;

/** A process of its own, killed. */
const inChild: Life = async (scene, drafts, fate) => {
  const file = join(stage.dir, `${randomBytes(8).toString('hex')}.json`);
  writeDrafts(file, await Promise.all(drafts.map(onFile)));
  const order: Order = {
    address: stage.database.address,
    rolePrefix: stage.database.rolePrefix,
    password: stage.database.passwordOf('writer'),
    recorderKey: hex(stage.keyStore.deployment.recorder),
    deploymentId: DEPLOYMENT,
    tenantId: scene.tenantId,
    drafts: file,
    fate,
  };
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const { exitCode, signal } = await new Promise<{ exitCode: number | null; signal: string | null }>((resolve) =>
    child.once('close', (exit, by) => resolve({ exitCode: exit, signal: by })),
  );
  rmSync(file);
  if (signal === 'SIGKILL' && said === '') return true;
  expect({ exitCode, signal }).toEqual({ exitCode: 0, signal: null });
  expect(JSON.parse(said)).toHaveLength(drafts.length);
  return false;
};

/** What the database sees of a death is a connection that ends, and what the next life sees is the database: no process need start for that. */
const inConnection: Life = async (scene, drafts, fate) => {
  const db = openDatabase(stage.database);
  const died = await new Promise<boolean>((resolve, reject) => {
    const dying = mortal(db, fate, (client) => {
      cut(client);
      resolve(true);
    });
    scene.sequence(drafts, dying).then(() => resolve(false), reject);
  });
  await db.close();
  return died;
};

/** The first copy's place is not known here; a CONFLICT leaf that names place 0 is as good for the sequencer. */
async function onFile(draft: LeafDraft): Promise<DraftOnFile> {
  const conflict = await draft.conflict?.({ index: 0, leafHash: EMPTY_ROOT });
  return { draft, conflict: conflict ?? null };
}

async function expectSound(scene: Scene, spans: readonly SpanText[]): Promise<void> {
  const { problems, steps } = await scene.audit();
  expect(problems).toEqual([]);
  expect(spans.filter((span) => !steps.has(`${scene.tenantId}/${span.traceId}${span.spanId}`))).toEqual([]);
}

/** Kinds of the leaves of `llm-runs`, counted. */
async function kinds({ tenantId }: Scene): Promise<Record<string, number>> {
  const rows = await stage.database.admin<{ kind: string; n: number }>(
    `select kind, count(*)::int as n from sworn.leaf where tenant_id = $1 and log = 'llm-runs' group by kind`,
    [tenantId],
  );
  return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]));
}

/**
 * One life and the next: the first dies at a statement, the producer sends the same again.
 * @returns whether it died, and whether the new steps were stored by then.
 */
async function liveTwice(make: () => Batch, life: Life, fate: Fate) {
  const { before, spans } = make();
  const scene = await stage.newScene();
  if (before.length > 0) await scene.sequence(await scene.prepare(before));
  const died = await life(scene, await scene.prepare(spans), fate);
  await expectSound(scene, died ? before : spans);
  // The audit shares no code with what it judges; the checks are what an installation has.
  expect(await scene.findings()).toEqual([]);
  const again = await scene.sequence(await scene.prepare(spans));
  await expectSound(scene, spans);
  const contradicted = spans.filter((span) => before.some(({ spanId }) => spanId === span.spanId)).length;
  const expected = {
    STEP: before.length + spans.length - contradicted,
    ...(contradicted > 0 && { CONFLICT: contradicted }),
  };
  expect(await kinds(scene)).toEqual(expected);
  // A batch is stored whole or not at all.
  const fresh = new Set(again.slice(-(spans.length - contradicted)).map(({ outcome }) => outcome));
  expect(fresh.size).toBe(1);
  return { died, wasStored: fresh.has('duplicate') };
}

async function dieAtEvery(make: () => Batch, life: Life, moment: Moment): Promise<void> {
  const stored: boolean[] = [];
  let statement = 1;
  for (; statement <= STATEMENTS_AT_MOST; statement++) {
    const { died, wasStored } = await liveTwice(make, life, { statement, moment });
    stored.push(wasStored);
    if (!died) break;
  }
  // The last one lived, and acknowledged; the first never began.
  expect(statement).toBeGreaterThan(8);
  expect(statement).toBeLessThanOrEqual(STATEMENTS_AT_MOST);
  expect(stored.at(-1)).toBe(true);
  expect(stored[0]).toBe(false);
  // Once stored, stored for good: there is one statement before which nothing is there, and after which all is.
  expect(stored).toEqual([...stored].sort());
}

describe.each(BATCHES)('a process that sequences %s', (_, make) => {
  it.each(['before', 'sent', 'answered'] as const)(
    'may die at every statement, %s: never twice, never in part, the same root',
    (moment) => dieAtEvery(make, inConnection, moment),
  );
});

it('a process that is killed leaves what a connection that is cut leaves, at every statement', async () => {
  const [, , [, contradicting]] = BATCHES;
  await dieAtEvery(contradicting, inChild, 'sent');
});
