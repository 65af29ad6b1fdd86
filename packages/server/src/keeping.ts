import { join } from 'node:path';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import { exportDirectory } from './export/core.js';
import { createFileStore } from './export/fileStore.js';
import { createKeptBundles, type KeptBundles } from './export/keptBundles.js';
import { type ObjectStore, StoreFailed } from './export/objectStore.js';
import { createS3Store } from './export/s3Store.js';
import { loggable } from './loggable.js';
import { type Loop, startLoop } from './loop.js';

/** Keeping ends on its day, and what a killed writer left is an hour old when it is freed. */
const SWEEP_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** The bundles that a server keeps, and the end of their keeping. */
export interface Keeping {
  readonly bundles: KeptBundles;
  start(): void;
  stop(): Promise<void>;
}

/** What keeping stands on. */
export interface KeepingDeps {
  readonly config: Pick<Config, 'dataDir' | 'diskReserveBytes' | 'exportRetentionDays' | 'exportS3'>;
  readonly deployment: Pick<Deployment, 'id' | 'dataKeysFor'>;
  readonly log: { error(fields: object, message: string): void; info(fields: object, message: string): void };
}

export function createKeeping({ config, deployment, log }: KeepingDeps): Keeping {
  const bundles = createKeptBundles({
    store: storeOf(config, deployment.id),
    dataKeys: deployment.dataKeysFor('recorder'),
    now: Date.now,
  });
  let loop: Loop | null = null;

  /** What is recorded of an export in `access` stays as long as that log does. */
  async function sweep(): Promise<void> {
    for await (const { tenantId, exportId, keptAt } of bundles.sweep(Date.now() - config.exportRetentionDays * DAY_MS))
      log.info(
        {
          tenant: tenantId,
          export: exportId,
          kept_at: new Date(keptAt).toISOString(),
          days: config.exportRetentionDays,
        },
        'a bundle was kept long enough and is removed',
      );
  }

  return {
    bundles,
    start() {
      loop = startLoop(SWEEP_EVERY_MS, sweep, (error) =>
        log.error(
          { ...loggable(error), detail: error instanceof StoreFailed ? error.message : null },
          'bundles whose time is over could not be removed',
        ),
      );
    },
    stop: async () => loop?.stop(),
  };
}

/** A bucket where one is named, else files in the data directory. */
function storeOf({ dataDir, diskReserveBytes, exportS3 }: KeepingDeps['config'], deployment: string): ObjectStore {
  const scratch = exportDirectory(dataDir);
  return exportS3 === null
    ? createFileStore({ root: join(scratch, 'kept'), reserveBytes: diskReserveBytes, now: Date.now })
    : createS3Store({ address: exportS3, deployment, scratch });
}
