import { randomBytes } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Config,
  type DatabaseAddress,
  type Login,
  openDeployment,
  readConfig,
  rotateSigner,
  startApp,
} from '@sworn/server';
import pg from 'pg';
import { readKey } from '../auditKeys.js';
import { sendContradictions, sendControlKinds, sendLogs, sendRuns } from './producers.js';

/** A tenant of the stage, and who may do what in it. */
export interface StageTenant {
  readonly name: string;
  readonly id: string;
  readonly ingestKey: string;
  readonly readerKey: string;
  readonly auditorKey: string;
}

/** How much is recorded before anybody strikes. */
export interface StageSize {
  /** Runs of the tenant that is struck, six leaves each. */
  readonly runs: number;
  /** Runs of each of its two neighbours. */
  readonly neighbourRuns: number;
}

/** Two to three full tiles and thousands of records, in half a minute on a slow machine. */
export const USUAL_SIZE: StageSize = { runs: 220, neighbourRuns: 60 };

/** One database of the stage, with a copy of the signer's memory: what an attack is struck at. */
export interface StageCopy {
  readonly config: Config;
  readonly signerDir: string;
  /** A superuser's connection to it. */
  readonly connection: pg.ClientConfig;
  drop(): Promise<void>;
}

/** A sound deployment that attacks are struck at, each at a copy of its own. */
export interface Stage {
  readonly deploymentId: string;
  readonly keyDir: string;
  /** Seed of the signing key that was retired by a rotation, as whoever stole it in its time has it. */
  readonly retiredSeed: Buffer;
  /** Directory of the file sink that checkpoints were sent to; it may trail. */
  readonly sinkDir: string;
  /** Who is struck. */
  readonly target: StageTenant;
  readonly neighbours: readonly StageTenant[];
  readonly platformTenant: string;
  /**
   * A copy as it is now, or as its data directory was earlier, when a tenth of it was not recorded yet. `withSink`: whoever judges it knows the sink
   * that was sent every checkpoint.
   */
  copy(when?: 'now' | 'earlier', withSink?: boolean): Promise<StageCopy>;
  close(): Promise<void>;
}

/** Where the stage's databases are made. */
export interface StagePlace {
  readonly address: DatabaseAddress;
  readonly superuser: Login;
}

/** Rounds of a fifth of a second until all runs are sealed and all logs signed: two minutes. */
const SETTLE_ROUNDS = 600;

/** Records a sound deployment with three tenants through a real server, stops it, and keeps it as a template. */
export async function buildStage(
  place: StagePlace,
  size: StageSize = USUAL_SIZE,
  told: (line: string) => void = () => undefined,
): Promise<Stage> {
  const dir = mkdtempSync('/tmp/sworn-tamper-');
  chmodSync(dir, 0o711);
  const prefix = `tamper${randomBytes(4).toString('hex')}`;
  const template = `${prefix}_sound`;
  const earlier = `${prefix}_earlier`;
  const root = new pg.Client(connectionTo(place, 'postgres'));
  root.on('error', () => undefined);
  await root.connect();
  await root.query(`create database ${template}`);
  const signerDir = join(dir, 'signer');
  const sink = { SWORN_CHECKPOINT_SINKS: `file://${join(dir, 'sink')}` };
  const configOf = (database: string, memory: string, more: Readonly<Record<string, string>> = {}): Config =>
    readConfig({
      SWORN_DATA_DIR: join(dir, 'data'),
      SWORN_KEY_DIR: join(dir, 'keys'),
      SWORN_SIGNER_STATE: memory,
      SWORN_DATABASE_URL: urlOf(place, database),
      SWORN_DATABASE_ROLE_PREFIX: prefix,
      SWORN_HTTP_PORT: '0',
      SWORN_OTLP_HTTP_PORT: '0',
      SWORN_OTLP_GRPC_PORT: '0',
      SWORN_SEAL_GRACE_MS: '0',
      SWORN_SEAL_IDLE_MS: '0',
      SWORN_LOG_LEVEL: 'error',
      ...more,
    });
  let copies = 0;

  async function dropAll(): Promise<void> {
    const left = await root.query<{ name: string }>('select datname as name from pg_database where datname like $1', [
      `${prefix}\\_%`,
    ]);
    for (const { name } of left.rows) await root.query(`drop database ${name} with (force)`);
    const roles = await root.query<{ name: string }>('select rolname as name from pg_roles where rolname like $1', [
      `${prefix}\\_%`,
    ]);
    for (const { name } of roles.rows) await root.query(`drop role ${name}`);
    await root.end();
    rmSync(dir, { recursive: true, force: true });
  }

  try {
    told(`recording three tenants, ${size.runs + 2 * size.neighbourRuns} runs`);
    mkdirSync(join(dir, 'sink'), { mode: 0o700 });
    const config = configOf(template, signerDir, sink);
    const made = await record(config, connectionTo(place, template), size);
    await root.query(`create database ${earlier} template ${template}`);
    told('an older copy of the data is kept; the signing key is rotated, and the deployment goes on');
    const retiredSeed = await rotate(config, join(dir, 'keys'));
    await goOn(config, connectionTo(place, template), made.target, size);
    return {
      ...made,
      retiredSeed,
      sinkDir: join(dir, 'sink'),
      keyDir: join(dir, 'keys'),
      async copy(when = 'now', withSink = false) {
        const ordinal = ++copies;
        const name = `${prefix}_c${ordinal}`;
        await root.query(`create database ${name} template ${when === 'now' ? template : earlier}`);
        const memory = join(dir, `signer-${ordinal}`);
        cpSync(signerDir, memory, { recursive: true });
        return {
          config: configOf(name, memory, withSink ? sink : {}),
          signerDir: memory,
          connection: connectionTo(place, name),
          async drop() {
            await root.query(`drop database ${name} with (force)`);
            rmSync(memory, { recursive: true, force: true });
          },
        };
      },
      close: dropAll,
    };
  } catch (error) {
    await dropAll();
    throw error;
  }
}

type Made = Pick<Stage, 'deploymentId' | 'target' | 'neighbours' | 'platformTenant'>;

/** First life of the deployment: its tenants, most of the target's records and all of its neighbours'. */
async function record(config: Config, connection: pg.ClientConfig, size: StageSize): Promise<Made> {
  const app = await startApp(config);
  try {
    const deployment = await openDeployment(config, { database: 'beside' });
    const tenants: StageTenant[] = [];
    for (const name of ['acme', 'bolt', 'cray']) {
      const id = await deployment.tenants.create({ name });
      const ingest = await deployment.keys.issue({ tenantId: id, role: 'ingest', scopes: ['ingest:assert'] });
      const reader = await deployment.keys.issue({ tenantId: id, role: 'reader' });
      const auditor = await deployment.keys.issue({ tenantId: id, role: 'auditor' });
      tenants.push({ name, id, ingestKey: ingest.key, readerKey: reader.key, auditorKey: auditor.key });
    }
    const { platformTenant } = deployment;
    await deployment.close();
    const [target, ...neighbours] = tenants;
    if (target === undefined) throw new Error('no tenant was made');
    const settle = () => settled(connection);
    for (const tenant of tenants) {
      const to = { otlpHttp: app.addresses.otlpHttp, ingestKey: tenant.ingestKey };
      await sendRuns(to, tenant === target ? Math.ceil(size.runs * 0.9) : size.neighbourRuns, 'one');
      await sendContradictions(to, settle);
      await sendControlKinds(to);
      await sendLogs(to);
      await read(app.addresses.http, tenant);
    }
    await settle();
    return { deploymentId: app.deploymentId, target, neighbours, platformTenant };
  } finally {
    await app.stop();
  }
}

/** Gives the deployment its second signing key. @returns the seed of the first, which is destroyed. */
async function rotate(config: Config, keyDir: string): Promise<Buffer> {
  const retired = readKey(join(keyDir, 'deployment', 'signing.key'));
  const deployment = await openDeployment(config, { database: 'beside' });
  await rotateSigner(deployment);
  await deployment.close();
  return retired;
}

/** Second life: the target's last tenth. */
async function goOn(config: Config, connection: pg.ClientConfig, target: StageTenant, size: StageSize): Promise<void> {
  const app = await startApp(config);
  try {
    const to = { otlpHttp: app.addresses.otlpHttp, ingestKey: target.ingestKey };
    await sendRuns(to, Math.floor(size.runs * 0.1), 'two');
    await read(app.addresses.http, target);
    await settled(connection);
  } finally {
    await app.stop();
  }
}

/** Reads leave access records; a refused one too. */
async function read(http: string, tenant: StageTenant): Promise<void> {
  const ask = (path: string, key: string) =>
    fetch(`${http}/api/v1/logs/llm-runs${path}`, { headers: { authorization: `Bearer ${key}` } });
  const list = (await (await ask('?limit=5', tenant.readerKey)).json()) as { items: { run_id: string }[] };
  for (const { run_id: id } of list.items) await (await ask(`/${id}/envelope`, tenant.readerKey)).text();
  await (await ask('', tenant.ingestKey)).text();
}

/** Until every run is sealed, with all that `audit` says of it, and every log signed to its end. */
async function settled(connection: pg.ClientConfig): Promise<void> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      const { rows } = await client.query<{ left: number }>(`
        select (select count(*) from sworn.open_run)::int + (
          select count(*) from sworn.log_head h
           where next_index > coalesce((select max(size) from sworn.checkpoint c where c.tenant_id = h.tenant_id and c.log = h.log), 0))::int + (
          select count(*) from sworn.log_head h
           where topic = 'audit' and next_index > coalesce((select c.next_index from sworn.seal_cursor c where c.tenant_id = h.tenant_id and c.log = h.log), 0))::int as left`);
      if (rows[0]?.left === 0) return;
      await sleep(200);
    }
    throw new Error('runs are still open, or logs unsigned');
  } finally {
    await client.end();
  }
}

function connectionTo({ address, superuser }: StagePlace, database: string): pg.ClientConfig {
  const { host, port, tls } = address;
  return { host, port, database, user: superuser.user, password: superuser.password, ssl: tls !== null };
}

/** A socket's directory cannot stand where a URL has its host, so it is a parameter, which wins. */
function urlOf({ address, superuser }: StagePlace, database: string): string {
  const isSocket = address.host.startsWith('/');
  const login = `${encodeURIComponent(superuser.user)}:${encodeURIComponent(superuser.password)}`;
  const where = `${isSocket ? 'localhost' : address.host}:${address.port}/${database}`;
  return `postgres://${login}@${where}${isSocket ? `?host=${encodeURIComponent(address.host)}` : ''}`;
}
