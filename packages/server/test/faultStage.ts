import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMPTY_ROOT } from '@sworn/evidence';
import { type Audit, auditDatabase, testDatabase, type TestDatabase } from '@sworn/testkit';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { KeyCredential } from '../src/access/credential.js';
import { createPreparer } from '../src/ingest/prepare.js';
import { decodeTracesJson } from '../src/otlp/json.js';
import { createClockGuard } from '../src/record/clockGuard.js';
import { createDataKeys } from '../src/record/dataKeys.js';
import { createDirectory } from '../src/record/directory.js';
import type { Appended, LeafDraft } from '../src/record/draft.js';
import { type KeyStore, openKeyStore } from '../src/record/keyStore.js';
import { originOf } from '../src/record/origin.js';
import { createRedactor } from '../src/record/redact/redactor.js';
import { createSequencer } from '../src/record/sequencer.js';
import { type Database, inTenant } from '../src/store/database.js';
import { insertTenant } from '../src/store/tenant.js';
import { findingsOf } from './findings.js';
import { GOVERNANCE, MAPPER, VOCABULARY } from './mapper.js';
import { newSpan, otlp, type SpanText } from './facadeSpans.js';

/** First part of every origin on a stage. */
export const DEPLOYMENT = 'sworn-00112233aabbccdd';

/** A database with its keys, on which scenes are played: everything of the recorder, nothing that runs by itself. */
export interface Stage {
  readonly database: TestDatabase;
  readonly keyStore: KeyStore;
  /** For files of the scenes. */
  readonly dir: string;
  newScene(): Promise<Scene>;
  close(): Promise<void>;
}

/** A tenant of its own, and what one process after another does to its logs. */
export interface Scene {
  readonly tenantId: string;
  readonly prepare: (spans: readonly SpanText[]) => Promise<LeafDraft[]>;
  /** By a sequencer that remembers nothing: a process that has just started. On the stage's database when none is named. */
  readonly sequence: (drafts: readonly LeafDraft[], on?: Database) => Promise<readonly Appended[]>;
  readonly audit: () => Promise<Audit>;
  /** What every check says of the tenant. */
  readonly findings: () => Promise<readonly string[]>;
}

/** Steps of one trace. */
export function stepsOf(traceId: string, count: number): SpanText[] {
  return Array.from({ length: count }, (_, i) => ({ traceId, spanId: newSpan(), name: `step ${i}` }));
}

export async function buildStage(): Promise<Stage> {
  const database = await testDatabase();
  const { db } = database;
  const dir = mkdtempSync(join(tmpdir(), 'sworn-stage-'));
  const keyDir = join(dir, 'keys');
  const keyStore = await openKeyStore({ keyDir, dataDir: join(dir, 'data'), now: Date.now });
  const dataKeys = createDataKeys({ db, keyStore, role: 'writer', now: Date.now });
  const origin = (tenantId: string, log: string): string => originOf(DEPLOYMENT, tenantId, log);
  const preparer = createPreparer({
    keyStore,
    dataKeys,
    directory: createDirectory({ db, dataKeys, role: 'writer' }),
    redactor: createRedactor([]),
    mapper: MAPPER,
    vocabulary: VOCABULARY,
    governance: GOVERNANCE,
    openOriginOf: origin,
    now: Date.now,
  });
  return {
    database,
    keyStore,
    dir,
    async newScene() {
      const tenantId = randomUUID();
      await keyStore.createTenant(tenantId);
      await inTenant(db, 'recorder', tenantId, (tx) =>
        insertTenant(tx, { tenantId, name: 'test', synthetic: false, platform: false }, EMPTY_ROOT),
      );
      const credential = ingestCredential(tenantId);
      return {
        tenantId,
        prepare: (spans) => preparer.prepareTraces(credential, decodeTracesJson(otlp(spans).body).spans),
        sequence: (drafts, on = db) =>
          createSequencer({
            db: on,
            role: 'writer',
            recorderKey: keyStore.deployment.recorder,
            originOf: origin,
            clock: createClockGuard(() => performance.now()),
            onCommit: () => undefined,
          }).append(tenantId, drafts),
        findings: () => findingsOf({ db, keyStore, originOf: origin }, tenantId),
        audit: () =>
          auditDatabase({
            connection: { ...database.superuser, ...database.address, ssl: database.address.tls !== null },
            deploymentId: DEPLOYMENT,
            keyDir,
            signerDir: null,
            tenants: [tenantId],
          }),
      };
    },
    async close() {
      await database.drop();
      rmSync(dir, { recursive: true });
    },
  };
}

function ingestCredential(tenantId: string): KeyCredential {
  return {
    kind: 'key',
    tenantId,
    keyId: randomUUID(),
    role: 'ingest',
    permissions: new Set(['logs.ingest']),
    scopes: [],
    services: [],
    tenantSynthetic: false,
    bounds: UNBOUNDED,
    expiresAt: new Date(Date.now() + 86_400_000),
  };
}
