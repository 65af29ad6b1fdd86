import { randomUUID } from 'node:crypto';
import { createKeyNamed } from './access/authenticate.js';
import { permissionsOf, type Rules } from './access/rules.js';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import { createExportDesk, type ExportDesk } from './export/exportDesk.js';
import type { KeptBundles } from './export/keptBundles.js';
import { exportingDepsOf } from './exportByHand.js';
import type { BundleDeps } from './http/askBundle.js';
import { loggable } from './loggable.js';
import type { ReadDeps } from './read/reading.js';
import { outsideTenants } from './store/database.js';
import { dropLease, takeLease } from './store/lease.js';

/** What serving bundles needs. */
interface Serving {
  readonly config: Config;
  readonly deployment: Deployment;
  readonly rules: Rules;
  readonly kept: KeptBundles;
  readonly read: ReadDeps;
  readonly log: { warn(fields: object, message: string): void };
}

/** Bundles over HTTP: built, kept, linked to. */
export function createBundles({ rules, ...serving }: Serving): BundleDeps {
  const { config, deployment } = serving;
  const { keyStore, doors, originOf } = deployment;
  const keyNamed = createKeyNamed({
    db: doors,
    pepper: keyStore.deployment.apiKeyPepper,
    permissionsOf: (role) => permissionsOf(rules, [role]),
    directoryKey: keyStore.deployment.directory,
    originOf,
    now: Date.now,
  });
  return {
    exports: deskOf(serving),
    links: { key: keyStore.linkKey, seconds: config.exportLinkSeconds, keyNamed },
  };
}

function deskOf({ config, deployment, kept, read, log }: Omit<Serving, 'rules'>): ExportDesk {
  const { db } = deployment;
  // The embedded database has one server at a time: a lease that a killed one left behind is its own, and need not run out first.
  const holder = deployment.embedded === null ? randomUUID() : deployment.id;
  const leaseOf = (tenantId: string) => `export:${tenantId}`;
  return createExportDesk({
    exporting: exportingDepsOf(deployment, config, read),
    kept,
    takeTurn: (tenantId, ms) => outsideTenants(db, 'recorder', (tx) => takeLease(tx, leaseOf(tenantId), holder, ms)),
    giveTurn: (tenantId) => outsideTenants(db, 'recorder', (tx) => dropLease(tx, leaseOf(tenantId), holder)),
    tell: (error, message) => log.warn(loggable(error), message),
  });
}
