import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hmacSha256, token, utf8 } from '@sworn/evidence';
import type { AccessRecordDeps } from './access/accessRecord.js';
import { createDirectory } from './record/directory.js';
import { createEnteredTokens } from './access/enteredToken.js';
import type { ProofDeps } from './access/directory.js';
import { createKeys, type Keys } from './access/keys.js';
import { createTenantQuotas, type TenantQuotas } from './access/tenantQuotas.js';
import { createTenants, type Tenants } from './access/tenants.js';
import type { Config } from './config.js';
import { findRunning } from './embedded/beside.js';
import { type EmbeddedCluster, startEmbedded } from './embedded/cluster.js';
import { createLife, type Life, tellingKeys, tellingQuotas, tellingTenants } from './life.js';
import { noData, openPlaces } from './opening.js';
import { keepPlatform, keyLeaves } from './platform.js';
import { sealBody } from './record/body.js';
import { type ClockGuard, createClockGuard } from './record/clockGuard.js';
import { createDataKeys, type DataKeys, dayScope } from './record/dataKeys.js';
import type { Appended, LeafDraft } from './record/draft.js';
import type { KeyStore } from './record/keyStore.js';
import { createOpenLogs, type OpenLogs } from './record/openLogs.js';
import { originOf } from './record/origin.js';
import { createSequencer, type Sequencer } from './record/sequencer.js';
import { createSigningKeys, type SigningKeysOf } from './sign/signingKeys.js';
import { type DatabaseAddress, type Login, parseDatabaseUrl } from './store/address.js';
import { type Database, openDatabase, type Role } from './store/database.js';
import { settleDeployment } from './store/deployment.js';
import { migrate } from './store/migrate.js';

/** A deployment, open: its database, keys and Sworn's own logs. What the server is built on, and what the commands work with. */
export interface Deployment {
  readonly id: string;
  readonly platformTenant: string;
  readonly db: Database;
  /** Connections that only credentials are looked up on: however many read, whoever sends and reads is known. */
  readonly doors: Database;
  readonly keyStore: KeyStore;
  readonly clock: ClockGuard;
  readonly signerDir: string;
  /** Origin of a log by its stored name. */
  readonly originOf: (tenantId: string, log: string) => string;
  /** Which generation of a log is the open one. */
  readonly openLogs: OpenLogs;
  /** The keys that sign a tenant's logs, by its `control`. */
  readonly signingKeysOf: SigningKeysOf;
  /** Sequencer of the recorder's role: `access`, `control`, the platform's `system`. */
  readonly recorder: Sequencer;
  /** The record of Sworn's own life. */
  readonly life: Life;
  readonly tenants: Tenants;
  readonly keys: Keys;
  readonly quotas: TenantQuotas;
  /** What preparing an access record needs. */
  readonly accessRecords: AccessRecordDeps;
  /** Data keys as one role may use them. */
  readonly dataKeysFor: (role: 'writer' | 'recorder' | 'reader') => DataKeys;
  /** Null: not embedded. */
  readonly embedded: { readonly address: DatabaseAddress; readonly superuser: Login; readonly owner: Login } | null;
  /** Calls back when the embedded PostgreSQL of this process ends unasked. */
  onDatabaseEnd(callback: (reason: string) => void): void;
  close(): Promise<void>;
}

/** How to open it: `start` the embedded database (the server), or work `beside` whoever runs it, starting it for the time being when nobody does. */
export interface OpenOptions {
  readonly database: 'start' | 'beside';
  /** True: a deployment that is not there is an error, and nothing is made for it. Otherwise it is made. */
  readonly mustExist?: boolean;
  readonly onCommit?: (tenantId: string, logs: readonly string[]) => void;
  /** Lines of the embedded PostgreSQL. */
  readonly databaseLog?: (line: string) => void;
}

/** Connections for looking up credentials: those known already wait for no stranger, of whom two are looked up at a time. */
const DOORS = 4;

/** Opens a deployment, making on first use what is missing: id, keys, database, roles, schema, platform tenant. */
export async function openDeployment(config: Config, options: OpenOptions): Promise<Deployment> {
  const { id, keyDir, keyStore } = await openPlaces(config, options.mustExist === true);
  const passwordOf = (role: Role): string => rolePassword(keyStore, role);
  const cluster = await reachDatabase(config, keyDir, options);
  let db: Database | null = null;
  try {
    await migrate({ address: cluster.address, admin: cluster.admin, rolePrefix: config.rolePrefix, passwordOf });
    const connecting = { address: cluster.address, rolePrefix: config.rolePrefix, passwordOf };
    db = openDatabase(connecting);
    const doors = openDatabase({ ...connecting, poolSizes: { reader: DOORS } });
    return await assemble({ config, id, keyStore, db, doors, cluster, options });
  } catch (error) {
    await db?.close();
    await cluster.stop();
    throw error;
  }
}

/** Brings the schema up to date and nothing else. @returns names of the files applied now. */
export async function migrateDeployment(config: Config): Promise<readonly string[]> {
  const { keyDir, keyStore } = await openPlaces(config, false);
  const cluster = await reachDatabase(config, keyDir, { database: 'beside' });
  try {
    const passwordOf = (role: Role): string => rolePassword(keyStore, role);
    return await migrate({ address: cluster.address, admin: cluster.admin, rolePrefix: config.rolePrefix, passwordOf });
  } finally {
    await cluster.stop();
  }
}

/** A deployment as whoever judges it opens it: nothing of the database is believed, migrated or written. */
export interface Judged {
  readonly id: string;
  readonly db: Database;
  readonly keyStore: KeyStore;
  readonly signerDir: string;
  readonly originOf: (tenantId: string, log: string) => string;
  close(): Promise<void>;
}

/**
 * Opens a deployment for the checks, beside a server or alone. Unlike `openDeployment` it does not stop at a `control` log that was changed: that is
 * what the checks are to say.
 */
export async function openForJudging(config: Config): Promise<Judged> {
  const { id, keyDir, keyStore } = await openPlaces(config, true);
  const cluster = await reachDatabase(config, keyDir, { database: 'beside', mustExist: true });
  const passwordOf = (role: Role): string => rolePassword(keyStore, role);
  const db = openDatabase({ address: cluster.address, rolePrefix: config.rolePrefix, passwordOf });
  return {
    id,
    db,
    keyStore,
    signerDir: signerDirOf(config, id),
    originOf: (tenantId, log) => originOf(id, tenantId, log),
    async close() {
      await db.close();
      await cluster.stop();
    },
  };
}

function signerDirOf(config: Config, id: string): string {
  return config.signerState ?? join(config.stateDir, id, 'signer');
}

interface Parts {
  readonly config: Config;
  readonly id: string;
  readonly keyStore: KeyStore;
  readonly db: Database;
  readonly doors: Database;
  readonly cluster: Reached;
  readonly options: OpenOptions;
}

async function assemble({ config, id, keyStore, db, doors, cluster, options }: Parts): Promise<Deployment> {
  const settled = await settleDeployment(db, { id, platformTenant: randomUUID() });
  if (settled.id !== id) {
    throw new Error(
      `the database belongs to deployment ${settled.id}, the data directory to ${id}: set SWORN_DATA_DIR or SWORN_DATABASE_URL right`,
    );
  }
  const origin = (tenantId: string, log: string): string => originOf(id, tenantId, log);
  const clock = createClockGuard(() => performance.now());
  const recorder = createSequencer({
    db,
    role: 'recorder',
    recorderKey: keyStore.deployment.recorder,
    originOf: origin,
    clock,
    onCommit: options.onCommit ?? (() => undefined),
  });
  const append = (tenantId: string, drafts: readonly LeafDraft[]): Promise<readonly Appended[]> =>
    recorder.append(tenantId, drafts);
  const proof: ProofDeps = { directoryKey: keyStore.deployment.directory, originOf: origin };
  const openLogs = createOpenLogs({ db, originOf: origin });
  await openLogs.refresh();
  const { originOf: openOriginOf } = openLogs;
  const directory = { db, append, ...proof, openOriginOf, pepper: keyStore.deployment.apiKeyPepper, now: Date.now };
  const dataKeysFor = rememberByRole((role: 'writer' | 'recorder' | 'reader') =>
    createDataKeys({ db, keyStore, role, now: Date.now }),
  );

  const { platformTenant } = settled;
  const life = createLife({ recorder, platformTenant, openOriginOf, now: Date.now });
  const tenants = createTenants({
    ...directory,
    async createTenantKeys(tenantId) {
      await keyStore.createTenant(tenantId);
      return keyLeaves(keyStore, tenantId, origin(tenantId, 'control'));
    },
  });

  const tokenOf = async (tenantId: string, value: string) => token((await keyStore.tenant(tenantId)).pseudonym, value);
  const people = createDirectory({ db, dataKeys: dataKeysFor('recorder'), role: 'recorder' });
  const deployment: Deployment = {
    id,
    platformTenant,
    db,
    doors,
    keyStore,
    clock,
    signerDir: signerDirOf(config, id),
    originOf: origin,
    openLogs,
    signingKeysOf: createSigningKeys({ db, ...proof }),
    recorder,
    life,
    tenants: tellingTenants(tenants, life),
    keys: tellingKeys(createKeys(directory), life),
    quotas: tellingQuotas(createTenantQuotas(directory), life),
    accessRecords: {
      openOriginOf,
      tokenOf,
      enteredTokenOf: createEnteredTokens({ tokenOf, directory: people }),
      async sealBody(tenantId, { origin: of, eventKey, actorToken, day }, value) {
        const scope = dayScope('access', actorToken, day);
        const key = (await dataKeysFor('recorder').forScopes(tenantId, [scope])).get(scope);
        if (key === undefined) throw new Error('no data key for a scope that was asked for');
        return { dk: key.id, ...sealBody(key, { origin: of, eventKey, path: 'body' }, value) };
      },
    },
    dataKeysFor,
    embedded:
      config.databaseUrl === null
        ? {
            address: cluster.address,
            superuser: cluster.admin,
            owner: { user: `${config.rolePrefix}_checker`, password: rolePassword(keyStore, 'checker') },
          }
        : null,
    onDatabaseEnd: (callback) => cluster.onExit(callback),
    async close() {
      await recorder.close();
      await Promise.all([db.close(), doors.close()]);
      await cluster.stop();
    },
  };
  await keepPlatform(deployment);
  return deployment;
}

/** A database to migrate and serve, and how to let go of it. */
interface Reached {
  readonly address: DatabaseAddress;
  /** Superuser of the embedded cluster, or whoever the URL names. */
  readonly admin: Login;
  stop(): Promise<void>;
  onExit(callback: (reason: string) => void): void;
}

async function reachDatabase(config: Config, keyDir: string, options: OpenOptions): Promise<Reached> {
  const nothing = { stop: () => Promise.resolve(), onExit: () => undefined };
  if (config.databaseUrl !== null) {
    const { address, login } = parseDatabaseUrl(config.databaseUrl);
    return { address, admin: login, ...nothing };
  }
  if (options.database === 'beside') {
    const running = await findRunning(config.dataDir, keyDir);
    if (running !== null) return { address: running.address, admin: running.superuser, ...nothing };
    if (options.mustExist === true && !existsSync(join(config.dataDir, 'pgdata'))) throw noData(config.dataDir);
  }
  const cluster: EmbeddedCluster = await startEmbedded({
    dataDir: config.dataDir,
    secretsDir: keyDir,
    log: options.databaseLog ?? (() => undefined),
  });
  return {
    address: cluster.address,
    admin: cluster.superuser,
    stop: () => cluster.stop(),
    onExit: (callback) => cluster.onExit(callback),
  };
}

/** Passwords of roles are derived, so that there is one secret to keep and none to hand out. */
function rolePassword(keyStore: KeyStore, role: Role): string {
  return Buffer.from(hmacSha256(keyStore.deployment.databaseSecret, utf8(`sworn.role/1\0${role}`))).toString(
    'base64url',
  );
}

function rememberByRole<R extends string, T>(make: (role: R) => T): (role: R) => T {
  const made = new Map<R, T>();
  return (role) => {
    let one = made.get(role);
    if (one === undefined) made.set(role, (one = make(role)));
    return one;
  };
}
