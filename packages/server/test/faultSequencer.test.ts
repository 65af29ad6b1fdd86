import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMPTY_ROOT, hex } from '@sworn/evidence';
import { auditDatabase, compileScript, compileServer, testDatabase, type TestDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Credential } from '../src/access/credential.js';
import { createPreparer, type Preparer } from '../src/ingest/prepare.js';
import type { SpanSlice } from '../src/otlp/decoded.js';
import { decodeTracesJson } from '../src/otlp/json.js';
import { createClockGuard } from '../src/record/clockGuard.js';
import { createDataKeys } from '../src/record/dataKeys.js';
import { createDirectory } from '../src/record/directory.js';
import type { Appended, LeafDraft } from '../src/record/draft.js';
import { type KeyStore, openKeyStore } from '../src/record/keyStore.js';
import { originOf } from '../src/record/origin.js';
import { createRedactor } from '../src/record/redact/redactor.js';
import { createSequencer, type Sequencer } from '../src/record/sequencer.js';
import { inTenant } from '../src/store/database.js';
import { insertTenant } from '../src/store/tenant.js';
import { type DraftOnFile, writeDrafts } from './draftFile.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import type { Acknowledged, Moment, Order } from './sequencer.child.js';

const DEPLOYMENT = 'sworn-00112233aabbccdd';
/** An append has a dozen statements, with a conflict twice that. */
const STATEMENTS_AT_MOST = 60;

let database: TestDatabase;
let dir: string;
let code: string;
let script: string;
let keyStore: KeyStore;
let preparer: Preparer;

beforeAll(async () => {
  database = await testDatabase();
  dir = mkdtempSync(join(tmpdir(), 'sworn-statements-'));
  code = compileServer('record', 'store');
  compileScript(code, 'draftFile.ts');
  script = compileScript(code, 'sequencer.child.ts');
  const { db } = database;
  keyStore = await openKeyStore({ keyDir: join(dir, 'keys'), dataDir: join(dir, 'data'), now: Date.now });
  const dataKeys = createDataKeys({ db, keyStore, role: 'writer', now: Date.now });
  preparer = createPreparer({
    keyStore,
    dataKeys,
    directory: createDirectory({ db, dataKeys, role: 'writer' }),
    redactor: createRedactor([]),
    originOf: origin,
    now: Date.now,
  });
});
afterAll(async () => {
  await database.drop();
  rmSync(dir, { recursive: true });
  rmSync(code, { recursive: true });
});

function origin(tenantId: string, log: string): string {
  return originOf(DEPLOYMENT, tenantId, log);
}

/** A tenant of its own, and what one process after another does to its logs. */
interface Scene {
  readonly tenantId: string;
  readonly prepare: (spans: readonly SpanText[]) => Promise<LeafDraft[]>;
  /** A sequencer that remembers nothing: a process that has just started. */
  readonly sequence: (drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
}

async function newScene(): Promise<Scene> {
  const tenantId = randomUUID();
  await keyStore.createTenant(tenantId);
  await inTenant(database.db, 'recorder', tenantId, (tx) =>
    insertTenant(tx, { tenantId, name: 'test', synthetic: false, platform: false }, EMPTY_ROOT),
  );
  const credential: Credential = {
    tenantId,
    keyId: randomUUID(),
    role: 'ingest',
    permissions: new Set(['logs.ingest']),
    scopes: [],
    services: [],
    tenantSynthetic: false,
    expiresAt: new Date(Date.now() + 86_400_000),
  };
  return {
    tenantId,
    prepare: (spans) => preparer.prepareTraces(credential, slices(spans)),
    sequence: (drafts) => freshSequencer().append(tenantId, drafts),
  };
}

function slices(spans: readonly SpanText[]): readonly SpanSlice[] {
  return decodeTracesJson(otlp(spans).body).spans;
}

function freshSequencer(): Sequencer {
  return createSequencer({
    db: database.db,
    role: 'writer',
    recorderKey: keyStore.deployment.recorder,
    originOf: origin,
    clock: createClockGuard(() => performance.now()),
    onCommit: () => undefined,
  });
}

/** What lies in the log before, and what the process that dies was about to append. */
interface Batch {
  readonly before: readonly SpanText[];
  readonly spans: readonly SpanText[];
}

const BATCHES: readonly (readonly [name: string, make: () => Batch])[] = [
  ['steps with their resource', () => ({ before: [], spans: spansOf(newTrace(), 5) })],
  ['leaves that fill a tile', () => ({ before: spansOf(newTrace(), 250), spans: spansOf(newTrace(), 12) })],
  [
    'a contradicting copy among new steps',
    () => {
      const [first, ...more] = spansOf(newTrace(), 3);
      return { before: [first as SpanText], spans: [{ ...(first as SpanText), name: 'another' }, ...more] };
    },
  ],
];

function spansOf(traceId: string, count: number): SpanText[] {
  return Array.from({ length: count }, (_, i) => ({ traceId, spanId: newSpan(), name: `step ${i}` }));
}

/** Lets a process of its own sequence `drafts`. @returns what it acknowledged; null when it died first. */
async function sequenceInChild(
  scene: Scene,
  drafts: readonly LeafDraft[],
  fatal: { readonly statement: number; readonly moment: Moment },
): Promise<Acknowledged | null> {
  const file = join(dir, `${randomBytes(8).toString('hex')}.json`);
  writeDrafts(file, await Promise.all(drafts.map(onFile)));
  const order: Order = {
    address: database.address,
    rolePrefix: database.rolePrefix,
    password: database.passwordOf('writer'),
    recorderKey: hex(keyStore.deployment.recorder),
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
  const { problems, steps } = await auditDatabase({
    connection: { ...database.superuser, ...database.address, ssl: database.address.tls !== null },
    deploymentId: DEPLOYMENT,
    keyDir: join(dir, 'keys'),
    signerDir: null,
    tenants: [scene.tenantId],
  });
  expect(problems).toEqual([]);
  expect(spans.filter((span) => !steps.has(`${scene.tenantId}/${span.traceId}${span.spanId}`))).toEqual([]);
}

/** Kinds of the leaves of `llm-runs`, counted. */
async function kinds({ tenantId }: Scene): Promise<Record<string, number>> {
  const rows = await database.admin<{ kind: string; n: number }>(
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
  const scene = await newScene();
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
