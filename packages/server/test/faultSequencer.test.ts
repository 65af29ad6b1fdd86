import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY_ROOT, hex } from '@sworn/evidence';
import { compileScript, compileServer } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LeafDraft } from '../src/record/draft.js';
import { type DraftOnFile, writeDrafts } from './draftFile.js';
import { newTrace, type SpanText } from './facadeSpans.js';
import { buildStage, DEPLOYMENT, type Scene, type Stage, stepsOf } from './faultStage.js';
import type { Acknowledged, Moment, Order } from './sequencer.child.js';

/** An append has a dozen statements, with a conflict twice that. */
const STATEMENTS_AT_MOST = 60;

let stage: Stage;
let code: string;
let script: string;

beforeAll(async () => {
  stage = await buildStage();
  code = compileServer('record', 'store');
  compileScript(code, 'draftFile.ts');
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

const BATCHES: readonly (readonly [name: string, make: () => Batch])[] = [
  ['steps with their resource', () => ({ before: [], spans: stepsOf(newTrace(), 5) })],
  ['leaves that fill a tile', () => ({ before: stepsOf(newTrace(), 250), spans: stepsOf(newTrace(), 12) })],
  [
    'a contradicting copy among new steps',
    () => {
      const [first, ...more] = stepsOf(newTrace(), 3);
      return { before: [first as SpanText], spans: [{ ...(first as SpanText), name: 'another' }, ...more] };
    },
  ],
];

/** Lets a process of its own sequence `drafts`. @returns what it acknowledged; null when it died first. */
async function sequenceInChild(
  scene: Scene,
  drafts: readonly LeafDraft[],
  fatal: { readonly statement: number; readonly moment: Moment },
): Promise<Acknowledged | null> {
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
    ...fatal,
  };
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const { exitCode, signal } = await new Promise<{ exitCode: number | null; signal: string | null }>((resolve) =>
    child.once('close', (exit, by) => resolve({ exitCode: exit, signal: by })),
  );
  rmSync(file);
  if (signal === 'SIGKILL' && said === '') return null;
  expect({ exitCode, signal }).toEqual({ exitCode: 0, signal: null });
  return JSON.parse(said) as Acknowledged;
}

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
 * One life and the next: a process dies at a statement, the producer sends the same again.
 * @returns whether it died, and whether the new steps were stored by then.
 */
async function liveTwice(make: () => Batch, statement: number, moment: Moment) {
  const { before, spans } = make();
  const scene = await stage.newScene();
  if (before.length > 0) await scene.sequence(await scene.prepare(before));
  const acknowledged = await sequenceInChild(scene, await scene.prepare(spans), { statement, moment });
  await expectSound(scene, acknowledged === null ? before : spans);
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
  return { died: acknowledged === null, wasStored: fresh.has('duplicate') };
}

describe.each(BATCHES)('a process that sequences %s', (_, make) => {
  it.each(['before', 'sent', 'answered'] as const)(
    'may die at every statement, %s: never twice, never in part, the same root',
    async (moment) => {
      const stored: boolean[] = [];
      let statement = 1;
      for (; statement <= STATEMENTS_AT_MOST; statement++) {
        const { died, wasStored } = await liveTwice(make, statement, moment);
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
    },
  );
});
