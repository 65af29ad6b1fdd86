import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { token } from '@sworn/evidence';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import pino from 'pino';
import { Registry } from 'prom-client';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { AccessRecordDeps } from '../src/access/accessRecord.js';
import { createAuthenticator, createKeyNamed } from '../src/access/authenticate.js';
import type { KeyCredential } from '../src/access/credential.js';
import { createEnteredTokens } from '../src/access/enteredToken.js';
import { createFirstUses } from '../src/access/firstUse.js';
import { createLatestTime } from '../src/access/latestTime.js';
import { createLivingTenant } from '../src/access/livingTenant.js';
import { BUILT_IN_OIDC, readOidcFile } from '../src/oidcIssuers.js';
import { createRateLimits, type Rates } from '../src/access/rateLimits.js';
import { createReaderAuthenticator } from '../src/access/reader.js';
import { createKeys, type Keys } from '../src/access/keys.js';
import { type AccessRecorder, createAccessRecorder } from '../src/access/recorder.js';
import { type Environment, permissionsOf, sessionRoles, type Rules } from '../src/access/rules.js';
import { createRuling } from '../src/access/ruling.js';
import { createSyntheticTenant } from '../src/access/syntheticTenant.js';
import { createTenants, type Tenants } from '../src/access/tenants.js';
import { type Checking, createChecking } from '../src/check/checking.js';
import { type CheckReport, checkDeployment } from '../src/check/engine.js';
import { createRegister, type Register } from '../src/check/register.js';
import { createExportDesk } from '../src/export/exportDesk.js';
import type { ExportingDeps } from '../src/export/exportRun.js';
import { createFileStore } from '../src/export/fileStore.js';
import { createKeptBundles, type KeptBundles } from '../src/export/keptBundles.js';
import type { BundleDeps } from '../src/http/askBundle.js';
import { createFacade } from '../src/http/facade.js';
import { UNSENT_LIMITS, type UnsentLimits } from '../src/http/unsent.js';
import { createLife, type Life } from '../src/life.js';
import { createPreparer } from '../src/ingest/prepare.js';
import { BUILT_IN_ATTRIBUTION, readAttribution } from '../src/mapping/files.js';
import { decodeLogsJson, decodeMetricsJson, decodeTracesJson } from '../src/otlp/json.js';
import { decodeLogs, decodeTraces } from '../src/otlp/wire.js';
import { decodeMetrics } from '../src/otlp/wireMetrics.js';
import { createCheckpointVerifier } from '../src/read/checkpoints.js';
import { createOpenFindings } from '../src/read/openFindings.js';
import { createHeldOrders } from '../src/read/heldOrders.js';
import type { ReadDeps } from '../src/read/reading.js';
import { sealBody } from '../src/record/body.js';
import { createClockGuard } from '../src/record/clockGuard.js';
import { createDataKeys, dayScope } from '../src/record/dataKeys.js';
import type { Appended, LeafDraft } from '../src/record/draft.js';
import { createDirectory } from '../src/record/directory.js';
import { type KeyStore, openKeyStore } from '../src/record/keyStore.js';
import { createRedactor } from '../src/record/redact/redactor.js';
import { readRedactionRules } from '../src/redactionRules.js';
import { createSequencer } from '../src/record/sequencer.js';
import { createSealer } from '../src/seal/sealer.js';
import { rememberedBySinks } from '../src/sign/fileSink.js';
import { openJournal } from '../src/sign/journal.js';
import { readRecovered } from '../src/sign/recovered.js';
import { createSigner } from '../src/sign/signer.js';
import { outsideTenants } from '../src/store/database.js';
import { settleDeployment } from '../src/store/deployment.js';
import { dropLease, takeLease } from '../src/store/lease.js';
import { RULES } from './accessRules.js';
import { GOVERNANCE, MAPPER, TELEMETRY_RULES, VOCABULARY } from './mapper.js';
import type { Capture } from './otlpCaptures.js';
import { signsAll, soleKey } from './soleKey.js';

/** A whole installation on a database of its own, without loops: tests say when it seals and signs. */
export interface House {
  readonly database: TestDatabase;
  readonly keyStore: KeyStore;
  readonly platformTenant: string;
  readonly tenants: Tenants;
  readonly keys: Keys;
  readonly read: ReadDeps;
  readonly app: ReturnType<typeof createFacade>;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Milliseconds the house's clock is ahead. */
  advance(ms: number): void;
  /** To the beginning of another minute: what is counted by the minute is in one then. */
  toNextMinute(): void;
  /** The house's recorder of reads; nothing settles its folds unasked. */
  readonly access: AccessRecorder;
  /** What that told of each request: `ALLOW own`. */
  readonly told: readonly string[];
  /** Makes the next access records fail, of all or of one tenant, as if the recorder's database were away. */
  breakRecorder(broken: boolean | string): void;
  /** What the house logged. */
  readonly logged: readonly string[];
  /** Records a request as a producer with the scope `ingest:assert` or without it, whose key is bound to these services or to none. Returns trace ids. */
  ingest(
    tenantId: string,
    capture: Pick<Capture, 'encoding' | 'body'>,
    scopes?: readonly string[],
    services?: readonly string[],
  ): Promise<string[]>;
  /** The same of log records. Returns the drafts, those of resources first, and what became of each. */
  ingestLogs(
    tenantId: string,
    capture: Pick<Capture, 'encoding' | 'body'>,
    by?: { readonly scopes?: readonly string[]; readonly services?: readonly string[] },
  ): Promise<{ readonly drafts: readonly LeafDraft[]; readonly appended: readonly Appended[] }>;
  /** The same of metrics. */
  ingestMetrics(
    tenantId: string,
    capture: Pick<Capture, 'encoding' | 'body'>,
    by?: { readonly services?: readonly string[] },
  ): Promise<{ readonly drafts: readonly LeafDraft[]; readonly appended: readonly Appended[] }>;
  /** Records of Sworn's own life, at the house's time. */
  readonly life: Life;
  /** The writer's sequencer. */
  readonly append: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  /** The same of records that only Sworn writes. */
  readonly appendOwn: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  /** What exporting needs; bundles lie in a directory of the house. */
  readonly exporting: ExportingDeps;
  /** Bundles that are kept, and those served over HTTP. */
  readonly kept: KeptBundles;
  readonly bundles: BundleDeps;
  /** Opens runs; with a grace of 0 seals what has a root. */
  seal(tenantId: string): Promise<void>;
  sign(tenantId: string): Promise<void>;
  readonly checking: Checking;
  readonly register: Register;
  /** Checks everything of a tenant, without writing what was found. */
  check(tenantId: string): Promise<CheckReport>;
  close(): Promise<void>;
}

interface HouseOptions {
  /** Milliseconds of quiet after the root until a run is sealed. */
  readonly graceMs?: number;
  readonly idleMs?: number;
  /** Whose X-Forwarded-For is the source. */
  readonly trustedProxies?: readonly string[];
  /** How often one may ask, by a clock that stands still until it is advanced; as often as one likes unless told otherwise. */
  readonly rates?: Rates;
  /** First uses of keys are recorded. */
  readonly firstUses?: boolean;
  /** Gives the path of a file of issuers, whose tenants it may create. */
  readonly oidc?: (createTenant: (name: string) => Promise<string>) => Promise<string>;
  readonly rules?: Rules;
  readonly environment?: Environment;
  readonly isLoopback?: boolean;
  /** When its build was made, milliseconds since 1970. */
  readonly builtAt?: number;
  readonly unsentLimits?: UnsentLimits;
  /** How long links to bundles hold; none are made unless told. */
  readonly linkSeconds?: number;
}

export async function buildHouse({
  graceMs = 0,
  idleMs = 0,
  trustedProxies = [],
  rates = { address: 0, loopback: 0, credential: 0 },
  firstUses = false,
  oidc = () => Promise.resolve(BUILT_IN_OIDC),
  rules = RULES,
  environment = 'production',
  isLoopback = true,
  builtAt = 0,
  unsentLimits = UNSENT_LIMITS,
  linkSeconds = 0,
}: HouseOptions = {}): Promise<House> {
  const database = await testDatabase();
  const dir = mkdtempSync(join(tmpdir(), 'sworn-house-'));
  const { db } = database;
  let ahead = 0;
  let broken: boolean | string = false;
  const now = () => Date.now() + ahead;
  const keyStore = await openKeyStore({ keyDir: join(dir, 'keys'), dataDir: join(dir, 'data'), now });
  const originOf = (tenantId: string, log: string): string => `test/${tenantId}/${log}`;
  const clock = createClockGuard(() => performance.now());
  const shared = { db, recorderKey: keyStore.deployment.recorder, originOf, clock, onCommit: () => undefined };
  const recorder = createSequencer({ ...shared, role: 'recorder' });
  const writer = createSequencer({ ...shared, role: 'writer' });
  const { platformTenant } = await settleDeployment(db, { id: 'test', platformTenant: crypto.randomUUID() });
  const append: typeof recorder.append = (tenantId, drafts) => recorder.append(tenantId, drafts);
  const proof = { directoryKey: keyStore.deployment.directory, originOf };
  const directoryDeps = { db, append, ...proof, openOriginOf: originOf, pepper: keyStore.deployment.apiKeyPepper, now };
  const tenants = createTenants({
    ...directoryDeps,
    createTenantKeys: (id) => keyStore.createTenant(id).then(() => []),
  });
  await tenants.create({ name: 'platform', platformId: platformTenant });
  const keysOf = (role: 'writer' | 'recorder' | 'reader') => createDataKeys({ db, keyStore, role, now });
  const [recorderKeys, writerKeys, readerKeys] = [keysOf('recorder'), keysOf('writer'), keysOf('reader')];
  const tokenOf = async (tenantId: string, value: string) => token((await keyStore.tenant(tenantId)).pseudonym, value);
  const people = createDirectory({ db, dataKeys: recorderKeys, role: 'recorder' });
  const accessRecords: AccessRecordDeps = {
    openOriginOf: originOf,
    tokenOf,
    enteredTokenOf: createEnteredTokens({ tokenOf, directory: people }),
    async sealBody(tenantId, place, value) {
      const scope = dayScope('access', place.actorToken, place.day);
      const key = (await recorderKeys.forScopes(tenantId, [scope])).get(scope);
      if (key === undefined) throw new Error('no key');
      return { dk: key.id, ...sealBody(key, { origin: place.origin, eventKey: place.eventKey, path: 'body' }, value) };
    },
  };
  const breakable: typeof append = (tenantId, drafts) =>
    broken === true || broken === tenantId
      ? Promise.reject(new Error('the recorder is away'))
      : append(tenantId, drafts);
  const told: string[] = [];
  const access = createAccessRecorder({
    ...accessRecords,
    now,
    tell: (decision, record) => void told.push(`${decision} ${record}`),
    append: breakable,
  });
  const read: ReadDeps = {
    db,
    platformTenant,
    originOf,
    verifyCheckpoint: createCheckpointVerifier({ signingKeysOf: soleKey(keyStore.noteSigner), originOf }),
    directoryKey: keyStore.deployment.directory,
    openFindings: createOpenFindings(proof),
    cursorKey: keyStore.deployment.cursor,
    tokenOf,
    contentKeyOf: async (tenantId) => (await keyStore.tenant(tenantId)).contentHash,
    dataKeys: readerKeys,
    directory: createDirectory({ db, dataKeys: readerKeys, role: 'reader' }),
    mapping: MAPPER.mapping,
    telemetryRules: TELEMETRY_RULES,
    vocabulary: VOCABULARY,
    governance: GOVERNANCE,
    heldOrders: createHeldOrders(),
    attribution: readAttribution(BUILT_IN_ATTRIBUTION),
  };
  const logged: string[] = [];
  const keysAre = {
    db,
    ...proof,
    pepper: keyStore.deployment.apiKeyPepper,
    permissionsOf: (role: KeyCredential['role']) => permissionsOf(rules, [role]),
    now,
    monotonicMs: now,
  };
  const authenticate = createAuthenticator(keysAre);
  const exporting: ExportingDeps = {
    read,
    signingKeysOf: soleKey(keyStore.noteSigner),
    directory: join(dir, 'exports'),
    accessRecords,
    append: breakable,
    attestation: keyStore.attestation,
    now,
  };
  const kept = createKeptBundles({
    store: createFileStore({ root: join(dir, 'kept'), reserveBytes: 0, now }),
    dataKeys: recorderKeys,
    now,
  });
  const lease = (tenantId: string) => `export:${tenantId}`;
  const bundles: BundleDeps = {
    exports: createExportDesk({
      exporting,
      kept,
      takeTurn: (id, ms) => outsideTenants(db, 'recorder', (tx) => takeLease(tx, lease(id), 'house', ms)),
      giveTurn: (id) => outsideTenants(db, 'recorder', (tx) => dropLease(tx, lease(id), 'house')),
      tell: (error, message) => logged.push(`${message}: ${String(error)}`),
    }),
    links: { key: keyStore.linkKey, seconds: linkSeconds, keyNamed: createKeyNamed(keysAre) },
  };
  const app = createFacade({
    unsentLimits,
    authenticate: createReaderAuthenticator({
      keys: firstUses
        ? createFirstUses({ db, append, openOriginOf: originOf, now })(authenticate, 'READ')
        : authenticate,
      issuers: readOidcFile(await oidc((name) => tenants.create({ name })), sessionRoles(rules)),
      permissionsOf: (role) => permissionsOf(rules, [role]),
      livingTenant: createLivingTenant({ db, ...proof, monotonicMs: now }),
      ...accessRecords,
      now,
      monotonicMs: now,
      tell: (issuer, error) => logged.push(`${issuer}: ${String(error)}`),
      append,
      openOriginOf: originOf,
      platformTenant,
    }),
    ruling: createRuling({
      rules,
      environment,
      isLoopback,
      syntheticTenant: createSyntheticTenant({ db, ...proof, now }),
      latestTime: createLatestTime({ db, platformTenant, now, builtAt }),
    }),
    recordAccess: access.record,
    enter: access.enter,
    read,
    bundles,
    platformTenant,
    trustedProxies: new Set(trustedProxies),
    rates: createRateLimits({ rates, monotonicMs: () => ahead }),
    now,
    version: '0.0.0',
    allowedHosts: new Set(['evidence.example']),
    registry: new Registry(),
    missing: () => Promise.resolve([]),
    log: pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) }),
    tls: null,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const preparer = createPreparer({
    keyStore,
    dataKeys: writerKeys,
    directory: createDirectory({ db, dataKeys: writerKeys, role: 'writer' }),
    redactor: createRedactor(readRedactionRules(null)),
    mapper: MAPPER,
    vocabulary: VOCABULARY,
    governance: GOVERNANCE,
    openOriginOf: originOf,
    now,
  });
  const producer = (tenantId: string, { scopes = [], services = [] }: Partial<KeyCredential>): KeyCredential => ({
    kind: 'key',
    tenantId,
    // What a key is bound to never changes: another binding is another key.
    keyId: `00000000-0000-4000-8000-00000000000${services.length === 0 ? 1 : 2}`,
    role: 'ingest',
    permissions: new Set(['logs.ingest'] as const),
    scopes,
    services,
    tenantSynthetic: false,
    bounds: UNBOUNDED,
    expiresAt: new Date(now() + 1000),
  });
  const isSynthetic = async (tenantId: string) =>
    (await tenants.list()).find((t) => t.tenantId === tenantId)?.synthetic ?? false;
  const sealer = createSealer({ db, append: (t, d) => writer.append(t, d), originOf, isSynthetic, graceMs, idleMs });
  const memory = openJournal(join(dir, 'signer'));
  const checking = createChecking({
    db,
    keyStore,
    recorderKey: keyStore.deployment.recorder,
    directoryKey: keyStore.deployment.directory,
    originOf,
    verifyCheckpoint: read.verifyCheckpoint,
    recoveredOf: (tenantId) => readRecovered({ db, ...proof }, tenantId, tenantId),
    memory,
    sinks: rememberedBySinks([]),
  });
  const signer = createSigner({
    db,
    memory,
    ...signsAll(keyStore.noteSigner),
    recorderKey: keyStore.deployment.recorder,
    originOf,
    onFinding: (finding) => logged.push(JSON.stringify(finding)),
    holdsLease: () => Promise.resolve(true),
  });
  return {
    database,
    keyStore,
    platformTenant,
    tenants,
    keys: createKeys(directoryDeps),
    read,
    app,
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    advance: (ms) => {
      ahead += ms;
    },
    toNextMinute() {
      ahead += 60_000 - (now() % 60_000);
    },
    access,
    told,
    breakRecorder: (is) => {
      broken = is;
    },
    logged,
    async ingest(tenantId, { encoding, body }, scopes = [], services = []) {
      const { spans } = encoding === 'json' ? decodeTracesJson(body) : decodeTraces(body);
      await writer.append(tenantId, await preparer.prepareTraces(producer(tenantId, { scopes, services }), spans));
      return [...new Set(spans.map((span) => Buffer.from(span.traceId).toString('hex')))];
    },
    async ingestLogs(tenantId, { encoding, body }, by = {}) {
      const { records } = encoding === 'json' ? decodeLogsJson(body) : decodeLogs(body);
      const drafts = await preparer.prepareLogs(producer(tenantId, by), records);
      return { drafts, appended: await writer.append(tenantId, drafts) };
    },
    async ingestMetrics(tenantId, { encoding, body }, by = {}) {
      const { batches } = encoding === 'json' ? decodeMetricsJson(body) : decodeMetrics(body);
      const drafts = await preparer.prepareMetrics(producer(tenantId, by), batches);
      return { drafts, appended: await writer.append(tenantId, drafts) };
    },
    life: createLife({ recorder, platformTenant, openOriginOf: originOf, now }),
    append: (tenantId, drafts) => writer.append(tenantId, drafts),
    appendOwn: append,
    exporting,
    kept,
    bundles,
    async seal(tenantId) {
      while (await sealer.turn(tenantId));
      await sealer.turn(tenantId);
    },
    sign: (tenantId) => signer.signTenant(tenantId),
    checking,
    register: createRegister({
      ...proof,
      openOriginOf: originOf,
      db,
      append,
      platformTenant,
      isThere: async (tenantId) => (await tenants.list()).some((of) => of.tenantId === tenantId),
      now,
    }),
    check: (tenantId) => checkDeployment(checking, { platformTenant, tenants: [tenantId] }, { tenantId, log: null }),
    async close() {
      await app.close();
      await bundles.exports.stop();
      await writer.close();
      await recorder.close();
      await database.drop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
