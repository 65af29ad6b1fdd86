import { randomUUID } from 'node:crypto';
import { decodeLeaf, type JsonValue } from '@sworn/evidence';
import type { Config } from './config.js';
import { changedNames, type ConfigurationPrint, configurationPrints } from './configurationPrints.js';
import type { Deployment } from './deployment.js';
import { loggable } from './loggable.js';
import { type Loop, startLoop } from './loop.js';
import type { LifeEvent } from './record/lifeEvents.js';
import { inTenant } from './store/database.js';
import { readNewestLife } from './store/life.js';
import { readMigrations } from './store/migrate.js';

/** What cannot be recorded now is tried again this often: the database may be away, or its clock not accepted. */
const TELL_EVERY_MS = 1_000;

/** One life of a server: records its start, and what is other than at the last one, until it could; and its stop. */
export interface Lifetime {
  start(): void;
  /** Before the last round of the signer, which covers it. */
  stop(): Promise<void>;
}

/** What a lifetime needs. */
export interface LifetimeDeps {
  readonly config: Config;
  readonly deployment: Pick<Deployment, 'db' | 'keyStore' | 'platformTenant' | 'life'>;
  /** Of Sworn. */
  readonly version: string;
  readonly log: { error(fields: object, message: string): void };
}

export function createLifetime(deps: LifetimeDeps): Lifetime {
  const { deployment, log } = deps;
  /** Names this process in what it records; a stop without its start, or the other way round, is seen by it. */
  const instance = randomUUID();
  let isTold = false;
  let loop: Loop | null = null;
  const tellStart = async (): Promise<void> => {
    if (isTold) return;
    await deployment.life.tell(await startEvents(deps, instance));
    isTold = true;
  };
  return {
    start() {
      loop = startLoop(TELL_EVERY_MS, tellStart, (error) =>
        log.error(loggable(error), 'the start could not be recorded'),
      );
    },
    async stop() {
      await loop?.stop();
      const stopped: LifeEvent = { name: 'sworn.stopped', identity: [instance], fields: { instance } };
      try {
        await tellStart();
        await deployment.life.tell([stopped]);
      } catch (error) {
        log.error(loggable(error), 'the stop could not be recorded');
      }
    },
  };
}

async function startEvents({ config, deployment, version }: LifetimeDeps, instance: string): Promise<LifeEvent[]> {
  const prints = configurationPrints(config, deployment.keyStore.deployment.directory);
  const changed = changedNames(await lastPrints(deployment), prints);
  const schema = readMigrations().length;
  const configuration = prints.map(({ name, print }) => ({ name, print }));
  return [
    // Told at each start, and kept at the first that has this schema.
    { name: 'sworn.migrated', identity: [String(schema)], fields: { schema } },
    ...(changed.length === 0
      ? []
      : [{ name: 'sworn.configuration.changed' as const, identity: [instance], fields: { instance, changed } }]),
    { name: 'sworn.started', identity: [instance], fields: { instance, version, schema, configuration } },
  ];
}

/** What the newest start said of its configuration; null: there was none. */
async function lastPrints({ db, platformTenant }: LifetimeDeps['deployment']): Promise<ConfigurationPrint[] | null> {
  const newest = await inTenant(db, 'reader', platformTenant, (tx) => readNewestLife(tx, platformTenant, 'STARTUP'));
  if (newest === null) return null;
  const said = decodeLeaf(newest.leaf).fields['configuration'];
  return Array.isArray(said) ? said.flatMap(printOf) : null;
}

function printOf(said: JsonValue): ConfigurationPrint[] {
  if (typeof said !== 'object' || said === null || Array.isArray(said)) return [];
  const { name, print } = said as Readonly<Record<string, JsonValue>>;
  return typeof name === 'string' && typeof print === 'string' ? [{ name, print }] : [];
}
