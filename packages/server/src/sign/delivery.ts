import { Counter, Gauge, type Registry } from 'prom-client';
import { loggable } from '../loggable.js';
import type { VerifyCheckpoint } from '../read/checkpoints.js';
import { type Database, inTenant } from '../store/database.js';
import { type Deliverable, dropConfirmation, readDeliverable, saveConfirmation } from '../store/sinks.js';
import { confirmationMac, isConfirmation } from './confirmation.js';
import type { Signed } from './journal.js';
import type { SignerFinding } from './finding.js';
import { type Delivery, type Offered, type Sink, SinkFailure } from './sink.js';

/** All logs are held against the sink at the first round and then this often, also those that it confirmed: the database may be an older copy since. */
const WHOLE_EVERY_MS = 3_600_000;
/** Tenants in a row of which nothing was taken, until the rest of a round is left for a later one. */
const MAX_FAILED_IN_ROW = 3;
const FIRST_BACKOFF_MS = 5_000;
const MAX_BACKOFF_MS = 300_000;

/** What delivering needs. */
export interface DeliveryDeps {
  readonly db: Database;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly tenants: () => Promise<readonly string[]>;
  readonly verifyCheckpoint: VerifyCheckpoint;
  /** Whether a log was recovered into its next generation: what was lost of it stands in a leaf of ours, and sinks hold it rightly. */
  readonly isGivenUp: (tenantId: string, log: string) => Promise<boolean>;
  readonly directoryKey: Uint8Array;
  /** Whether it is this process's turn to deliver. */
  readonly holdsLease: () => Promise<boolean>;
  /** Records a finding; called again in a later round when it rejects. */
  readonly onFinding: (finding: SignerFinding) => Promise<void>;
  readonly metrics: SinkMetrics;
  readonly log: { warn(fields: object, message: string): void };
  /** The process ends: what is under way is given up, and delivered after the next start. */
  readonly stopping: AbortSignal;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

/** Brings the newest stored checkpoint of every log to one sink, again and again until it confirms; older ones are implied by newer. */
export interface SinkDelivery {
  /** One round; does nothing while it waits after failures. Never rejects for what the sink does. */
  round(): Promise<void>;
}

/** Counters of all sinks; they know no tenant. */
export type SinkMetrics = ReturnType<typeof createSinkMetrics>;

/** Registers the metrics of the sinks. */
export function createSinkMetrics(registry: Registry) {
  const of: { labelNames: 'sink'[]; registers: Registry[] } = { labelNames: ['sink'], registers: [registry] };
  return {
    confirmed: new Counter({
      name: 'sworn_checkpoint_sink_confirmed_total',
      help: 'Checkpoints that a sink confirmed.',
      ...of,
    }),
    failures: new Counter({
      name: 'sworn_checkpoint_sink_failures_total',
      help: 'Deliveries that a sink did not confirm.',
      ...of,
    }),
    lag: new Gauge({
      name: 'sworn_checkpoint_sink_lag_seconds',
      help: 'Age of the oldest signed checkpoint that neither it nor a larger one was confirmed of, as of the last round.',
      ...of,
    }),
    contradictions: new Gauge({
      name: 'sworn_checkpoint_sink_contradictions',
      help: 'Logs of which a sink holds another history than ours.',
      ...of,
    }),
  };
}

/** The deliveries to one sink. */
export function createDelivery(deps: DeliveryDeps, sink: Sink): SinkDelivery {
  const { db, originOf, metrics } = deps;
  const label = { sink: sink.name };
  /** Findings by origin; the same one again is not recorded again. */
  const open = new Map<string, SignerFinding['finding']>();
  let nextWhole = Number.NEGATIVE_INFINITY;
  let notBefore = Number.NEGATIVE_INFINITY;
  let backoffMs = 0;
  /** Where the next round begins after one that gave up, so that the same tenants do not always come last. */
  let resumeAfter: string | null = null;

  async function round(): Promise<void> {
    if (deps.now() < notBefore || !(await deps.holdsLease())) return;
    const isWhole = deps.now() >= nextWhole;
    const seen = new Set<string>();
    let [lagMs, good, failed, failedInRow] = [0, 0, 0, 0];
    let gaveUp: string | null = null;
    for (const tenantId of startingAfter(await deps.tenants(), resumeAfter)) {
      if (deps.stopping.aborted) return;
      const logs = await inTenant(db, 'signer', tenantId, (tx) => readDeliverable(tx, tenantId, sink.name));
      for (const { log } of logs) seen.add(originOf(tenantId, log));
      const due = isWhole ? logs : logs.filter((log) => !isConfirmed(tenantId, log));
      const taken = await Promise.all(due.map((log) => handOver(tenantId, log)));
      lagMs = Math.max(lagMs, ...due.map((log, i) => (taken[i] === 'confirmed' ? 0 : (log.behindMs ?? 0))));
      const failedHere = taken.filter((outcome) => outcome === 'failed').length;
      failed += failedHere;
      good += taken.length - failedHere;
      if (due.length > 0) failedInRow = failedHere === due.length ? failedInRow + 1 : 0;
      if (failedInRow < MAX_FAILED_IN_ROW) continue;
      gaveUp = tenantId;
      break;
    }
    resumeAfter = gaveUp;
    backoffMs = failed > 0 && good === 0 ? Math.min(Math.max(backoffMs * 2, FIRST_BACKOFF_MS), MAX_BACKOFF_MS) : 0;
    notBefore = deps.now() + backoffMs;
    if (isWhole && gaveUp === null) {
      await findGone(seen);
      nextWhole = deps.now() + (failed === 0 ? WHOLE_EVERY_MS : MAX_BACKOFF_MS);
    }
    metrics.lag.set(label, lagMs / 1000);
    metrics.contradictions.set(label, open.size);
  }

  function isConfirmed(tenantId: string, { log, size, root, confirmed }: Deliverable): boolean {
    return (
      confirmed?.size === size &&
      Buffer.compare(confirmed.root, root) === 0 &&
      confirmed.outside === sink.outside &&
      isConfirmation(deps.directoryKey, originOf(tenantId, log), confirmed)
    );
  }

  async function handOver(tenantId: string, stored: Deliverable): Promise<'confirmed' | 'contradicted' | 'failed'> {
    try {
      let offered = await offer(tenantId, stored);
      let said = await sink.deliver(offered, deps.stopping);
      if (said.kind === 'contradicted' && said.how === 'shorter') {
        // Another process may have signed and delivered since.
        const logs = await inTenant(db, 'signer', tenantId, (tx) => readDeliverable(tx, tenantId, sink.name));
        const now = logs.find(({ log }) => log === stored.log);
        if (now !== undefined && now.size >= said.held.size) {
          offered = await offer(tenantId, now);
          said = await sink.deliver(offered, deps.stopping);
        }
      }
      await settle(offered, said);
      return said.kind;
    } catch (error) {
      if (deps.stopping.aborted) return 'failed';
      metrics.failures.inc(label);
      const why = error instanceof SinkFailure ? { why: error.message } : loggable(error);
      deps.log.warn({ sink: sink.name, tenant: tenantId, log: stored.log, ...why }, 'a checkpoint was not delivered');
      return 'failed';
    }
  }

  /** @throws SinkFailure when the row does not carry our signature: nobody is asked to keep what we did not sign */
  async function offer(tenantId: string, stored: Deliverable): Promise<Offered> {
    const { log, size, root, note } = stored;
    if (!(await deps.verifyCheckpoint(tenantId, log, stored)))
      throw new SinkFailure('the newest stored checkpoint does not carry our signature');
    return { tenantId, log, origin: originOf(tenantId, log), size, root, note };
  }

  async function settle(offered: Offered, said: Delivery): Promise<void> {
    const { tenantId, log, origin, size, root } = offered;
    if (said.kind === 'contradicted') {
      await contradict(offered, said.how, said.held);
      return;
    }
    const row = { sink: sink.name, size, root, outside: sink.outside };
    const mac = confirmationMac(deps.directoryKey, origin, row);
    await inTenant(db, 'signer', tenantId, (tx) => saveConfirmation(tx, tenantId, log, { ...row, mac }));
    open.delete(origin);
    metrics.confirmed.inc(label);
  }

  /** `held`: null when only its being there is known. */
  async function contradict(
    { tenantId, log, origin }: Pick<Offered, 'tenantId' | 'log' | 'origin'>,
    how: 'shorter' | 'differs' | 'gone',
    held: Signed | null,
  ): Promise<void> {
    const finding = how === 'differs' ? 'LOG_DIFFERS_FROM_SIGNED' : 'LOG_SHORTER_THAN_SIGNED';
    if (open.get(origin) === finding || (await deps.isGivenUp(tenantId, log))) return;
    await inTenant(db, 'signer', tenantId, (tx) => dropConfirmation(tx, tenantId, log, sink.name));
    const has = { shorter: 'fewer leaves', differs: 'another history', gone: 'no such log' }[how];
    await deps.onFinding({
      finding,
      tenantId,
      log,
      // The last leaf that the sink's checkpoint speaks of: it stays the same while our log goes on.
      index: Math.max(0, (held?.size ?? 0) - 1),
      expected: held === null ? 'a log' : `what continues a checkpoint of ${held.size} leaves`,
      found: `${has}, says the sink ${sink.name}`,
    });
    open.set(origin, finding);
  }

  /** Logs that the sink holds checkpoints of, of this deployment, and the database knows nothing of. */
  async function findGone(seen: ReadonlySet<string>): Promise<void> {
    for (const origin of await sink.origins()) {
      const [, tenantId, log] = origin.split('/');
      const isOurs =
        tenantId !== undefined && log !== undefined && isUuid(tenantId) && originOf(tenantId, log) === origin;
      if (isOurs && !seen.has(origin)) await contradict({ tenantId, log, origin }, 'gone', null);
    }
  }

  return { round };
}

function startingAfter(tenants: readonly string[], last: string | null): string[] {
  const at = last === null ? 0 : tenants.indexOf(last) + 1;
  return [...tenants.slice(at), ...tenants.slice(0, at)];
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
