import { randomUUID } from 'node:crypto';
import { Counter, Gauge, type Registry } from 'prom-client';
import { type ProofDeps, readVouched } from './access/directory.js';
import type { AccessRecorder } from './access/recorder.js';
import { type Finding, findingOf, isOfSigner } from './check/finding.js';
import { createPatrol } from './check/patrol.js';
import type { OpenFinding } from './check/register.js';
import { timestamp } from './access/keys.js';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import type { IngestQuotas } from './ingest/ingestQuotas.js';
import { loggable } from './loggable.js';
import { type Loop, startLoop } from './loop.js';
import { findAcceptedClock } from './operate.js';
import type { Sequencer } from './record/sequencer.js';
import type { ExpectedProducer } from './otlp/map/producerRules.js';
import { listenForProducers, PRODUCERS_LEASE } from './producerListening.js';
import { checkingOf, registerOf } from './fsck.js';
import type { VerifyCheckpoint } from './read/checkpoints.js';
import { countingOpenRuns, createRunMetrics } from './runMetrics.js';
import { createSealer } from './seal/sealer.js';
import { createSinkMetrics } from './sign/delivery.js';
import type { SignerFinding } from './sign/finding.js';
import { openJournal } from './sign/journal.js';
import { type Recovered, readRecovered } from './sign/recovered.js';
import { createSigner } from './sign/signer.js';
import { createSinks } from './sign/sinks.js';
import { keyAt } from './sign/signingKeys.js';
import { readControlSize } from './store/control.js';
import { inTenant, outsideTenants } from './store/database.js';
import { dropLease, takeLease } from './store/lease.js';

/** At most one checkpoint a second for a log that grew (INTEGRITY.md). All tenants have their turn: another process may have written. */
const SIGN_EVERY_MS = 1_000;
/** A sink gets the newest checkpoint of a log this often; those between are implied by it. */
const DELIVER_EVERY_MS = 5_000;
const SEAL_EVERY_MS = 200;
/** All tenants are looked at this often, also those this process wrote nothing for: others may have. */
const SWEEP_EVERY_MS = 1_000;
const COUNT_EVERY_MS = 5_000;
/** A log may be recovered beside this process: until it has looked, what it appends to that log is refused and sent again. */
const OPEN_LOGS_EVERY_MS = 1_000;
/** New records are checked within a minute; a slice of the old ones goes with them. */
const CHECK_EVERY_MS = 10_000;
const CLEAR_EVERY_MS = 60_000;
/** Folded reads are written when their minute is over. */
const SETTLE_READS_EVERY_MS = 1_000;
/** A holder that is silent for this long has lost its lease. */
const LEASE_MS = 10_000;
/** Epochs are 30 days; a few looks a day keep their turn on its day. */
const EPOCHS_EVERY_MS = 6 * 3_600_000;

/** What runs beside the requests: sealer, signer, turns of the key epochs, the recorded acceptance of a clock jump. */
export interface Background {
  start(): void;
  /** What keeps this process from being ready; empty: nothing. */
  missing(): Promise<readonly string[]>;
  /** Ends the loops, then the writer's sequencer, writes what reads were folded, then signs what is left. */
  stop(): Promise<void>;
}

/** What the background needs. `touched`: tenants whose logs this process wrote since the last round. */
export interface BackgroundDeps {
  readonly config: Config;
  readonly deployment: Deployment;
  readonly writer: Sequencer;
  readonly access: AccessRecorder;
  readonly quotas: Pick<IngestQuotas, 'settle'>;
  readonly touched: Set<string>;
  readonly registry: Registry;
  readonly verifyCheckpoint: VerifyCheckpoint;
  /** Who should report. */
  readonly producers: readonly ExpectedProducer[];
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** What a finding of the signer is about. */
const TABLE_OF: Readonly<Record<SignerFinding['finding'], string>> = {
  SIGNER_MEMORY_LOST: 'checkpoint',
  UNAUTHENTICATED_APPEND: 'batch_authenticator',
  LOG_SHORTER_THAN_SIGNED: 'leaf',
  LOG_DIFFERS_FROM_SIGNED: 'leaf',
  LOG_NOT_RECOVERED: 'log_head',
  SIGNING_KEY_MISSING: 'control_records',
  NOT_DURABLE: 'settings',
};

export function createBackground(deps: BackgroundDeps): Background {
  const { config, deployment, writer, access, touched, log } = deps;
  const { db, keyStore, originOf, openLogs, tenants, clock } = deployment;
  // The embedded database has one server at a time: a lease that a killed one left behind is its own, and need not run out first.
  const holder = deployment.embedded === null ? randomUUID() : deployment.id;
  const proof: ProofDeps = { directoryKey: keyStore.deployment.directory, originOf };
  const synthetic = new Map<string, boolean>();
  const loops: Loop[] = [];
  let lastSweep = 0;
  /** Tenants that had rows when the signer's round began. */
  let known: ReadonlySet<string> = new Set();
  /** Tenants that the last round of the signer failed for. */
  let unsigned = 0;
  /** Tenants of the last round of the checks. */
  let checked: readonly string[] = [];

  const signer = createSigner({
    db,
    memory: openJournal(deployment.signerDir),
    async signingKeysOf(tenantId) {
      const keys = await deployment.signingKeysOf(tenantId, 0);
      return async (of, size) => {
        const publicKey = keyAt(keys, of, size);
        return publicKey === null ? null : keyStore.signing.find(publicKey);
      };
    },
    recoveredOf,
    recorderKey: keyStore.deployment.recorder,
    originOf,
    onFinding: recordFinding,
    holdsLease: (tx) => takeLease(tx, 'signer', holder, LEASE_MS),
  });
  let lastCleared = performance.now();
  const stopping = new AbortController();
  const sinks = createSinks(
    {
      db,
      originOf,
      tenants: allTenants,
      verifyCheckpoint: deps.verifyCheckpoint,
      isGivenUp: async (tenantId, log) => (await recoveredOf(tenantId)).closed.has(log),
      directoryKey: keyStore.deployment.directory,
      holdsLease: () => outsideTenants(db, 'signer', (tx) => takeLease(tx, 'sinks', holder, LEASE_MS)),
      onFinding: recordFinding,
      metrics: createSinkMetrics(deps.registry),
      log,
      stopping: stopping.signal,
      now: () => performance.now(),
    },
    config.checkpointSinks,
  );
  const append: Sequencer['append'] = (tenantId, drafts) => writer.append(tenantId, drafts);
  const sealer = createSealer({
    db,
    append,
    originOf,
    isSynthetic,
    graceMs: config.sealGraceMs,
    idleMs: config.sealIdleMs,
    onSealed: createRunMetrics(deps.registry).sealed,
  });
  const register = registerOf(deployment);
  const holdsChecks = () => outsideTenants(db, 'recorder', (tx) => takeLease(tx, 'checks', holder, LEASE_MS));
  const patrol = createPatrol({
    checking: checkingOf(deployment, config, { tenants: () => checked, platform: deployment.platformTenant }),
    register,
    tenants: async () => (checked = await allTenants()),
    everyMs: CHECK_EVERY_MS,
    now: Date.now,
    holdsLease: holdsChecks,
    stopping: stopping.signal,
    onFinding: tellFinding,
  });
  const listening = listenForProducers({ ...deps, tenants: allTenants, append, holder });
  const findingsOpened = new Counter({
    name: 'sworn_findings_opened_total',
    help: 'Findings that this process opened, by check.',
    labelNames: ['check'],
    registers: [deps.registry],
  });
  new Gauge({
    name: 'sworn_records_unchecked',
    help: 'Records of all tenants that no check has looked at yet, as of the last round of the process that checks.',
    registers: [deps.registry],
    collect() {
      this.set(patrol.behind());
    },
  });
  const countRound = countingOpenRuns(deps.registry, db, allTenants);
  new Gauge({
    name: 'sworn_signer_findings',
    help: 'Logs that the signer refuses to sign.',
    registers: [deps.registry],
    collect() {
      this.set(signer.open().length);
    },
  });

  async function allTenants(): Promise<string[]> {
    return (await tenants.list()).map((row) => row.tenantId);
  }

  /** By its TENANT_CREATED leaf: the row in the directory is no evidence. */
  async function isSynthetic(tenantId: string): Promise<boolean> {
    const known = synthetic.get(tenantId);
    if (known !== undefined) return known;
    const created = await inTenant(db, 'reader', tenantId, (tx) =>
      readVouched(proof, tx, tenantId, 'TENANT_CREATED', tenantId),
    );
    if (created === null) return false;
    const said = created.synthetic === true;
    synthetic.set(tenantId, said);
    return said;
  }

  /** Tenants whose turn of the sealer has come: those written to, and once in a while all of them. */
  async function dueForSealing(): Promise<Set<string>> {
    const round = new Set(touched);
    touched.clear();
    if (performance.now() - lastSweep >= SWEEP_EVERY_MS) {
      lastSweep = performance.now();
      for (const id of await allTenants()) round.add(id);
    }
    return round;
  }

  async function sealRound(): Promise<void> {
    if (!(await outsideTenants(db, 'writer', (tx) => takeLease(tx, 'sealer', holder, LEASE_MS)))) return;
    for (const id of await dueForSealing()) {
      try {
        if (await sealer.turn(id)) touched.add(id);
      } catch (error) {
        log.error(loggable(error), 'a turn of the sealer failed');
      }
    }
  }

  async function signRound(): Promise<void> {
    if (!(await outsideTenants(db, 'signer', (tx) => takeLease(tx, 'signer', holder, LEASE_MS)))) return;
    unsigned = await signAll().catch((error: unknown) => {
      log.error(loggable(error), 'signing failed');
      return 1;
    });
    await clearSigned();
  }

  /** Resolves to how many tenants' rounds failed. Whoever removes every row of a tenant is found by what is remembered outside. */
  async function signAll(): Promise<number> {
    let failed = 0;
    known = new Set(await allTenants());
    for (const id of new Set([...known, ...signer.remembered()])) {
      try {
        await signer.signTenant(id);
      } catch (error) {
        failed++;
        log.error(loggable(error), 'a round of the signer failed');
      }
    }
    return failed;
  }

  function tellFinding({ check, code, tenantId, log: of, index, table }: Finding): void {
    findingsOpened.inc({ check });
    log.error({ finding: code, check, tenant: tenantId, log: of, index, table }, 'finding');
  }

  async function recordFinding({ finding: code, ...where }: SignerFinding): Promise<void> {
    for (const opened of await register.met([findingOf({ code, ...where, table: TABLE_OF[code] })]))
      tellFinding(opened);
  }

  function recoveredOf(tenantId: string): Promise<Recovered> {
    return readRecovered({ db, ...proof }, tenantId, recordedIn(tenantId));
  }

  /** What remains of a tenant whose rows are gone is told where it can be. */
  function recordedIn(tenantId: string): string {
    return known.has(tenantId) ? tenantId : deployment.platformTenant;
  }

  /** What only the signer looks for is over where it signs again. By the process that signs. */
  async function clearSigned(): Promise<void> {
    if (performance.now() - lastCleared < CLEAR_EVERY_MS) return;
    lastCleared = performance.now();
    const holds = signer.open();
    const isOver = (of: OpenFinding): boolean =>
      isOfSigner(of) &&
      !holds.some((one) => one.finding === of.code && one.tenantId === of.tenantId && one.log === of.log);
    for (const id of known) await register.clear(id, timestamp(Date.now()), isOver);
  }

  /** At most one process looks; which is no matter. */
  async function checkRound(): Promise<void> {
    if (await holdsChecks()) await patrol.round();
  }

  async function epochRound(): Promise<void> {
    for (const id of await allTenants()) {
      const { count, lost } = await deployment.dataKeysFor('recorder').rewrapEpoch(id);
      if (count > 0 || lost.length > 0)
        log.warn({ tenant: id, rewrapped: count, lost: lost.length }, 'data keys moved to a new epoch');
    }
  }

  /** Size of the platform's `control` when its clock was last right. After a jump nothing is sequenced until a CLOCK_ACCEPTED of ours names this size or more. */
  let rightAt: number | null = null;
  async function clockRound(): Promise<void> {
    const id = deployment.platformTenant;
    if (rightAt === null || clock.jumped() === null) {
      rightAt = await inTenant(db, 'reader', id, (tx) => readControlSize(tx, id));
      return;
    }
    const index = await findAcceptedClock(deployment, rightAt);
    if (index === null) return;
    clock.accept();
    log.warn({ index }, 'clock jump accepted');
  }

  return {
    start() {
      const tell = (message: string) => (error: unknown) => log.error(loggable(error), message);
      loops.push(
        startLoop(SEAL_EVERY_MS, sealRound, tell('sealing failed')),
        startLoop(SIGN_EVERY_MS, signRound, tell('signing failed')),
        startLoop(SETTLE_READS_EVERY_MS, () => access.settle(), tell('folded reads could not be written')),
        startLoop(COUNT_EVERY_MS, () => deps.quotas.settle(), tell('counting what tenants sent failed')),
        startLoop(COUNT_EVERY_MS, countRound, tell('counting open runs failed')),
        startLoop(EPOCHS_EVERY_MS, epochRound, tell('the turn of the key epochs failed')),
        startLoop(OPEN_LOGS_EVERY_MS, () => openLogs.refresh(), tell('looking for recovered logs failed')),
        startLoop(CHECK_EVERY_MS, checkRound, tell('checking failed')),
        ...listening.loops(),
        startLoop(SIGN_EVERY_MS, clockRound, tell('looking for an accepted clock failed')),
        ...sinks.map((sink) => startLoop(DELIVER_EVERY_MS, sink.round, tell('delivering checkpoints failed'))),
      );
    },
    async missing() {
      const missing: string[] = [];
      await outsideTenants(db, 'reader', () => Promise.resolve()).catch(() => missing.push('database'));
      for (const kind of new Set(signer.open().map((finding) => finding.finding))) missing.push(`signer: ${kind}`);
      if (unsigned > 0) missing.push('signer: fails');
      if (clock.jumped() !== null) missing.push('clock: jumped, see sworn clock accept');
      return missing;
    },
    async stop() {
      stopping.abort();
      await Promise.all(loops.map((loop) => loop.stop()));
      await writer.close();
      await deps.quotas.settle().catch((error: unknown) => log.error(loggable(error), 'bytes were lost count of'));
      await access.close().catch((error: unknown) => log.error(loggable(error), 'folded reads were lost'));
      await signRound().catch((error: unknown) => log.error(loggable(error), 'the last round of the signer failed'));
      for (const [role, name] of [
        ['writer', 'sealer'],
        ['signer', 'signer'],
        ['signer', 'sinks'],
        ['recorder', 'checks'],
        ['writer', PRODUCERS_LEASE],
      ] as const) {
        await outsideTenants(db, role, (tx) => dropLease(tx, name, holder)).catch(() => undefined);
      }
    },
  };
}
