import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from './config.js';
import { hasCluster, makeDataDir } from './embedded/places.js';
import { claimKeys, keyOwner, otherOwner } from './record/keyOwner.js';
import { type KeyStore, openKeyStore } from './record/keyStore.js';

/** Which deployment the settings name, and its keys. */
export interface Opening {
  readonly id: string;
  readonly keyDir: string;
  readonly keyStore: KeyStore;
}

/** Finds the deployment of the data directory and opens its keys; what is missing is made, unless it `mustExist`: then nothing is touched. */
export async function openPlaces(config: Config, mustExist: boolean): Promise<Opening> {
  const { dataDir } = config;
  const found = findId(dataDir);
  if (found === null && mustExist) throw noData(dataDir);
  if (found === null && config.keyDir !== null) {
    const owner = keyOwner(config.keyDir);
    if (owner !== null) throw otherOwner(config.keyDir, owner, `and ${dataDir} holds no deployment yet`);
  }
  makeDataDir(dataDir);
  const id = found ?? makeId(dataDir);
  const keyDir = config.keyDir ?? join(config.stateDir, id, 'keys');
  // A database that is there was made with keys: new ones would open nothing of it.
  if ((mustExist || hasCluster(dataDir)) && !existsSync(join(keyDir, 'deployment')))
    throw new Error(`no keys in ${keyDir}: is SWORN_KEY_DIR right?`);
  const owner = keyOwner(keyDir);
  if (owner !== null && owner !== id) throw otherOwner(keyDir, owner, `and ${dataDir} to ${id}`);
  const keyStore = await openKeyStore({ keyDir, dataDir, now: Date.now });
  claimKeys(keyDir, id);
  return { id, keyDir, keyStore };
}

/** What is said when a command finds nothing to work on. */
export function noData(dataDir: string): Error {
  return new Error(`no Sworn data in ${dataDir}: is SWORN_DATA_DIR right? (sworn serve makes a new deployment)`);
}

function findId(dataDir: string): string | null {
  const file = idFile(dataDir);
  if (!existsSync(file)) return null;
  const id = readFileSync(file, 'utf8').trim();
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(id)) throw new Error(`${file} does not hold a deployment id`);
  return id;
}

/** Made once, whole or not at all, also when two processes start at once. */
function makeId(dataDir: string): string {
  const file = idFile(dataDir);
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `sworn-${randomBytes(8).toString('hex')}\n`, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  rmSync(draft);
  chmodSync(file, 0o600);
  const id = findId(dataDir);
  if (id === null) throw new Error(`${file} vanished while it was made`);
  return id;
}

function idFile(dataDir: string): string {
  return join(dataDir, 'deployment');
}
