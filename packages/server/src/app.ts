import { createHash } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import { createAcceptors } from './acceptors.js';
import { createAuthenticator } from './access/authenticate.js';
import { createFirstUses } from './access/firstUse.js';
import { createLivingTenant } from './access/livingTenant.js';
import type { Issuer } from './access/oidcFile.js';
import { createReaderAuthenticator } from './access/reader.js';
import { createAccessRecorder } from './access/recorder.js';
import { permissionsOf, type Rules, sessionRoles } from './access/rules.js';
import { BUILT_IN_RULES, readAccessRules, rulingOf } from './accessRules.js';
import { createBackground } from './background.js';
import { createBundles } from './bundles.js';
import type { Config } from './config.js';
import { type Deployment, openDeployment } from './deployment.js';
import { createDiskReserve } from './diskReserve.js';
import { createFacade } from './http/facade.js';
import { baseUrl, listening } from './listeners.js';
import { createKeeping } from './keeping.js';
import { createLifetime } from './lifetime.js';
import { loggable } from './loggable.js';
import { Admission } from './ingest/admission.js';
import { createIngestQuotas } from './ingest/ingestQuotas.js';
import { Intake } from './ingest/intake.js';
import { createOtlpGrpc } from './ingest/otlpGrpc.js';
import { createOtlpHttp } from './ingest/otlpHttp.js';
import { createPreparer } from './ingest/prepare.js';
import {
  BUILT_IN_ATTRIBUTION,
  BUILT_IN_GOVERNANCE,
  BUILT_IN_MAPPING,
  BUILT_IN_PRODUCERS,
  BUILT_IN_TELEMETRY,
  BUILT_IN_VOCABULARY,
  readAttribution,
  readGovernance,
  readMapping,
  readProducers,
  readTelemetryRules,
  readVocabulary,
} from './mapping/files.js';
import { createPricer } from './mapping/prices.js';
import type { Attribution } from './otlp/map/attribution.js';
import type { ExpectedProducer } from './otlp/map/producerRules.js';
import type { Mapper } from './otlp/map/step.js';
import type { TelemetryRules } from './otlp/map/telemetryRules.js';
import type { GovernanceRules } from './otlp/map/governanceRules.js';
import type { Vocabulary } from './otlp/map/vocabulary.js';
import { createDirectory } from './record/directory.js';
import { createRedactor } from './record/redact/redactor.js';
import { readRedactionRules } from './redactionRules.js';
import { BUILT_IN_OIDC, readOidcFile } from './oidcIssuers.js';
import { VERSION } from './ownVersion.js';
import { createQuotaMetrics } from './quotaMetrics.js';
import { createCountedRates } from './rateMetrics.js';
import { createSequencer } from './record/sequencer.js';
import { readTls } from './tls.js';
import { createReadDeps } from './readDeps.js';
import { keepCertificates } from './tlsMetrics.js';

/** A server in this process. */
export interface RunningApp {
  /** Base URLs, without a slash at the end. */
  readonly addresses: { readonly http: string; readonly otlpHttp: string; readonly otlpGrpc: string };
  readonly deploymentId: string;
  /** `SHA256:<base64>` of the public signing key. */
  readonly keyFingerprint: string;
  readonly producers: readonly ExpectedProducer[];
  /** Rejects when the server cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Commits everything accepted, signs it, then stops. */
  stop(): Promise<void>;
}

/** The composition root: opens the deployment, puts the parts together, listens. Resolves when requests are served. */
export async function startApp(config: Config): Promise<RunningApp> {
  const log = pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
  const touched = new Set<string>();
  const onCommit = (tenantId: string): void => void touched.add(tenantId);
  const rules = readAccessRules(config.rbacFile ?? BUILT_IN_RULES);
  const redactor = createRedactor(readRedactionRules(config.redactionFile));
  const mapping = readMapping(config.mappingDir ?? BUILT_IN_MAPPING);
  const mapper: Mapper = { mapping, pricer: createPricer(mapping) };
  const vocabulary = readVocabulary(BUILT_IN_VOCABULARY);
  const telemetryRules = readTelemetryRules(config.telemetryFile ?? BUILT_IN_TELEMETRY);
  const governance = readGovernance(BUILT_IN_GOVERNANCE);
  const attribution = readAttribution(BUILT_IN_ATTRIBUTION);
  const issuers = readOidcFile(config.oidcFile ?? BUILT_IN_OIDC, sessionRoles(rules));
  const producers = readProducers(config.producersFile ?? BUILT_IN_PRODUCERS);
  const deployment = await openDeployment(config, {
    database: 'start',
    onCommit,
    databaseLog: (line) => log.debug({ line }, 'postgres'),
  });
  try {
    return await assemble({
      config,
      log,
      deployment,
      rules,
      redactor,
      mapper,
      vocabulary,
      governance,
      attribution,
      producers,
      telemetryRules,
      issuers,
      touched,
      onCommit,
    });
  } catch (error) {
    await deployment.close();
    throw error;
  }
}

interface Parts {
  readonly config: Config;
  readonly log: Logger;
  readonly deployment: Deployment;
  readonly rules: Rules;
  readonly redactor: ReturnType<typeof createRedactor>;
  readonly mapper: Mapper;
  readonly vocabulary: Vocabulary;
  readonly telemetryRules: TelemetryRules;
  readonly governance: GovernanceRules;
  readonly attribution: Attribution;
  readonly issuers: readonly Issuer[];
  readonly producers: readonly ExpectedProducer[];
  readonly touched: Set<string>;
  readonly onCommit: (tenantId: string) => void;
}

async function assemble(parts: Parts): Promise<RunningApp> {
  const {
    config,
    log,
    deployment,
    rules,
    redactor,
    mapper,
    vocabulary,
    governance,
    attribution,
    producers,
    telemetryRules,
    issuers,
    touched,
    onCommit,
  } = parts;
  const { db, doors, keyStore, originOf, clock, accessRecords, platformTenant, recorder } = deployment;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const edge = { rates: createCountedRates(config.rates, registry), trustedProxies: config.trustedProxies.networks };
  const tls = config.tls === null ? null : readTls(config.tls);
  const writer = createSequencer({
    db,
    role: 'writer',
    recorderKey: keyStore.deployment.recorder,
    originOf,
    clock,
    onCommit,
  });
  const authenticate = createAuthenticator({
    db: doors,
    pepper: keyStore.deployment.apiKeyPepper,
    permissionsOf: (role) => permissionsOf(rules, [role]),
    directoryKey: keyStore.deployment.directory,
    originOf,
    now: Date.now,
  });
  const ownLeaves = {
    append: recorder.append.bind(recorder),
    openOriginOf: deployment.openLogs.originOf,
    now: Date.now,
  };
  const withFirstUse = createFirstUses({ db: doors, ...ownLeaves });
  const dataKeys = deployment.dataKeysFor('writer');
  const preparer = createPreparer({
    keyStore,
    dataKeys,
    directory: createDirectory({ db, dataKeys, role: 'writer' }),
    redactor,
    mapper,
    vocabulary,
    governance,
    openOriginOf: deployment.openLogs.originOf,
    now: Date.now,
  });
  const quotas = createIngestQuotas({
    db,
    doors,
    directoryKey: keyStore.deployment.directory,
    originOf,
    now: Date.now,
    tell: createQuotaMetrics(registry),
  });
  const disk = createDiskReserve(config, registry, log);
  const intake = new Intake({
    authenticate: disk.keep(withFirstUse(authenticate, 'INGEST')),
    accept: createAcceptors({ preparer, writer, quotas, registry }),
    quotas,
    admission: new Admission({ processBytes: config.maxInFlightBytes, tenantBytes: config.maxInFlightBytes / 4 }),
    maxBodyBytes: config.maxRequestBytes,
    ...edge,
    log,
  });
  const receiving = { intake, ...(tls !== null && { tls: tls.ingest }) };
  const otlpHttp = createOtlpHttp(receiving);
  const otlpGrpc = createOtlpGrpc(receiving);
  const reads = new Counter({
    name: 'sworn_reads_total',
    help: 'Requests of the facade by decision and by access record: of their own, folded (counted in one), none (not written: answered 503).',
    labelNames: ['decision', 'record'],
    registers: [registry],
  });
  const access = createAccessRecorder({
    ...accessRecords,
    ...ownLeaves,
    tell: (decision, record) => reads.inc({ decision, record }),
  });
  const { mapping } = mapper;
  const read = createReadDeps(deployment, { mapping, telemetryRules, vocabulary, governance, attribution });
  const background = createBackground({
    config,
    deployment,
    writer,
    access,
    quotas,
    touched,
    registry,
    log,
    verifyCheckpoint: read.verifyCheckpoint,
    producers,
  });
  const keeping = createKeeping({ config, deployment, log });
  const bundles = createBundles({ config, deployment, rules, kept: keeping.bundles, read, log });
  const lifetime = createLifetime({ config, deployment, version: VERSION, log });
  const ruling = rulingOf(config, rules, deployment);
  const facadeLog = log.child({});
  const facade = createFacade({
    authenticate: createReaderAuthenticator({
      keys: withFirstUse(authenticate, 'READ'),
      issuers,
      permissionsOf: (role) => permissionsOf(rules, [role]),
      livingTenant: createLivingTenant({ db: doors, directoryKey: keyStore.deployment.directory, originOf }),
      ...accessRecords,
      ...ownLeaves,
      platformTenant,
      tell: (issuer, error) => log.warn({ issuer, ...loggable(error) }, 'the keys of an issuer could not be fetched'),
    }),
    ruling,
    recordAccess: access.record,
    enter: access.enter,
    read,
    bundles,
    platformTenant,
    ...edge,
    now: Date.now,
    version: VERSION,
    allowedHosts: new Set([config.host, ...config.allowedHosts]),
    metrics: { token: config.metricsToken, proxied: config.proxied },
    registry,
    missing: async () => [...disk.missing(), ...(await background.missing())],
    log: facadeLog,
    tls: tls?.facade ?? null,
  });
  const listeners = { facade: facade.server, ingest: [otlpHttp.server, otlpGrpc.server] };
  const certificates = keepCertificates(config.tls, listeners, { registry, log });

  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined);
  deployment.onDatabaseEnd((reason) => fail(new Error(`the embedded PostgreSQL ended: ${reason}`)));
  const stop = async (): Promise<void> => {
    await Promise.all([otlpHttp.stop(), otlpGrpc.stop(), facade.close(), bundles.exports.stop(), certificates?.stop()]);
    await lifetime.stop();
    disk.stop();
    await keeping.stop();
    await background.stop();
    await deployment.close();
  };
  try {
    background.start();
    lifetime.start();
    keeping.start();
    // The framework says where it listens, in a line of its log; `serve` says it to a person.
    const { level } = facadeLog;
    facadeLog.level = 'silent';
    await facade.listen({ host: config.host, port: config.httpPort });
    facadeLog.level = level;
    await listening(otlpHttp.server, config.host, config.otlpHttpPort);
    await listening(otlpGrpc.server, config.host, config.otlpGrpcPort);
  } catch (error) {
    await stop().catch((failure: unknown) => log.error(loggable(failure), 'not stopped cleanly'));
    throw error;
  }
  return {
    addresses: {
      http: baseUrl(config, facade.server.address()),
      otlpHttp: baseUrl(config, otlpHttp.server.address()),
      otlpGrpc: baseUrl(config, otlpGrpc.server.address()),
    },
    deploymentId: deployment.id,
    keyFingerprint: `SHA256:${createHash('sha256').update(keyStore.noteSigner.publicKey).digest('base64').replace(/=$/, '')}`,
    producers,
    failed,
    stop,
  };
}
