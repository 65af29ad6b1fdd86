import { statfsSync } from 'node:fs';
import { Gauge, type Registry } from 'prom-client';
import type { KeyCredential } from './access/credential.js';
import type { Authenticate } from './access/authenticate.js';
import { Refusal } from './access/refusal.js';
import type { Config } from './config.js';

/** Milliseconds between two looks: at 100 MB/s, more than a disk of this class is given, less than half of the least reserve worth having. */
const LOOK_EVERY_MS = 1_000;
/** Records are taken again with this share of the reserve free on top of it: at the edge they would be taken and refused by turns. */
const ROOM_ABOVE = 1 / 16;
/** Seconds after which a sender comes again: somebody has to make room first. */
const RETRY_SECONDS = 30;

/** Room on the disk of the embedded database that no producer may fill: it is for access records, without which no read is answered. */
export interface DiskReserve {
  /** The same, but nobody gets in who would write while there is only the reserve. */
  keep(authenticate: Authenticate<KeyCredential>): Authenticate<KeyCredential>;
  /** For `/readyz`. */
  missing(): readonly string[];
  stop(): void;
}

/** Looks at the disk that the data directory is on, at once and from then on. With a database by URL nothing is watched: its disk is not seen from here. */
export function createDiskReserve(
  { dataDir, databaseUrl, diskReserveBytes }: Pick<Config, 'dataDir' | 'databaseUrl' | 'diskReserveBytes'>,
  registry: Registry,
  log: { warn(fields: object, message: string): void },
): DiskReserve {
  if (databaseUrl !== null) return { keep: (authenticate) => authenticate, missing: () => [], stop: () => undefined };
  let isLow = false;
  const look = (): void => {
    const free = freeBytes(dataDir);
    const wasLow = isLow;
    isLow = free < diskReserveBytes * (wasLow ? 1 + ROOM_ABOVE : 1);
    if (isLow && !wasLow) log.warn({ free, reserve: diskReserveBytes }, 'the disk is nearly full: records are refused');
    if (!isLow && wasLow) log.warn({ free, reserve: diskReserveBytes }, 'the disk has room: records are taken again');
  };
  new Gauge({
    name: 'sworn_database_disk_free_bytes',
    help: 'Bytes free on the disk of the embedded database; below SWORN_DISK_RESERVE_BYTES no records are taken.',
    registers: [registry],
    collect() {
      this.set(freeBytes(dataDir));
    },
  });
  look();
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return {
    keep: (authenticate) => async (headers, source) => {
      const credential = await authenticate(headers, source);
      if (isLow)
        throw new Refusal('unavailable', 'the disk of the database is nearly full', { retryAfter: RETRY_SECONDS });
      return credential;
    },
    missing: () => (isLow ? ['disk: nearly full, no records are taken'] : []),
    stop: () => clearInterval(timer),
  };
}

/** As whoever is not root may use them. */
function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
