import { Counter, Gauge, type Registry } from 'prom-client';
import type { Deployment } from './deployment.js';
import { loggable } from './loggable.js';
import { type Loop, startLoop } from './loop.js';
import type { ExpectedProducer } from './otlp/map/producerRules.js';
import { createProducerWatch } from './producerWatch.js';
import type { Sequencer } from './record/sequencer.js';
import { outsideTenants } from './store/database.js';
import { takeLease } from './store/lease.js';

/** Who holds it listens for producers. */
export const PRODUCERS_LEASE = 'producers';

/** How late a silence is noticed. */
const LISTEN_EVERY_MS = 10_000;
/** Longer than from one round to the next: it is renewed once a round. */
const LEASE_MS = 30_000;

/** What listening needs of the server. */
export interface ListeningDeps {
  readonly deployment: Pick<Deployment, 'db' | 'platformTenant' | 'openLogs' | 'clock'>;
  readonly producers: readonly ExpectedProducer[];
  readonly tenants: () => Promise<readonly string[]>;
  readonly append: Sequencer['append'];
  /** Of the lease. */
  readonly holder: string;
  readonly registry: Registry;
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Listens for the producers that should report, and counts their gaps; where nobody is expected, there is no loop. */
export function listenForProducers(deps: ListeningDeps): { loops(): readonly Loop[] } {
  const { deployment, producers, holder, registry, log } = deps;
  const { db, platformTenant, openLogs, clock } = deployment;
  const gaps = new Counter({
    name: 'sworn_telemetry_gaps_total',
    help: 'Gaps of producers that should report, recorded by this process as they opened, by signal.',
    labelNames: ['signal'],
    registers: [registry],
  });
  const watch = createProducerWatch({
    db,
    expected: producers,
    tenants: deps.tenants,
    platformTenant,
    append: deps.append,
    openOriginOf: openLogs.originOf,
    holdsLease: () => outsideTenants(db, 'writer', (tx) => takeLease(tx, PRODUCERS_LEASE, holder, LEASE_MS)),
    isDeaf: () => clock.jumped() !== null,
    now: Date.now,
    monotonicMs: () => performance.now(),
    tell(tenantId, { service, signal, isOpen }) {
      if (isOpen) gaps.inc({ signal });
      log.warn({ tenant: tenantId, service, signal, open: isOpen }, 'telemetry gap');
    },
    onError: (tenantId, error) => log.error({ tenant: tenantId, ...loggable(error) }, 'listening for producers failed'),
  });
  new Gauge({
    name: 'sworn_producers_silent',
    help: 'Signals of producers that should report and are silent, as of the last round of the process that listens.',
    registers: [registry],
    collect() {
      this.set(watch.silent());
    },
  });
  const tellFailure = (error: unknown): void => log.error(loggable(error), 'listening for producers failed');
  return {
    loops: () => (producers.length === 0 ? [] : [startLoop(LISTEN_EVERY_MS, () => watch.round(), tellFailure)]),
  };
}
