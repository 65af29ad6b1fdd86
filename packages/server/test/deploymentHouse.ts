import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { testDatabase, type TestDatabase } from '@sworn/testkit';
import { type Config, readConfig } from '../src/config.js';
import { type Deployment, openDeployment } from '../src/deployment.js';

/** What one leaf of a log says. */
export type Members = Readonly<Record<string, unknown>>;

/** Directories and an empty, unmigrated database of a deployment's own, on the run's PostgreSQL. */
export interface Site {
  readonly config: Config;
  /** The configuration with other settings. */
  with(settings: Readonly<Record<string, string>>): Config;
  /** `beside`; closed by `drop` at the latest. */
  open(config?: Config): Promise<Deployment>;
  /** As a superuser of the database. */
  admin: TestDatabase['admin'];
  /** As a superuser, past triggers and row-level security. */
  attack(text: string, values?: unknown[]): Promise<void>;
  /** Members of a log's leaves, in order. */
  leaves(tenantId: string, log: string): Promise<Members[]>;
  readonly dir: string;
  drop(): Promise<void>;
}

/** Makes a site. */
export async function newSite(settings: Readonly<Record<string, string>> = {}): Promise<Site> {
  const database = await testDatabase();
  const dir = mkdtempSync('/tmp/sworn-site-');
  chmodSync(dir, 0o711);
  // Roles belong to the whole cluster, so the site has its own; the run takes them away at its end, by their prefix.
  const rolePrefix = `${database.rolePrefix}_${randomBytes(3).toString('hex')}`;
  await database.admin(`drop schema sworn cascade`);
  const base = {
    SWORN_DATA_DIR: join(dir, 'data'),
    SWORN_KEY_DIR: join(dir, 'keys'),
    SWORN_SIGNER_STATE: join(dir, 'signer'),
    SWORN_DATABASE_URL: database.url,
    SWORN_DATABASE_ROLE_PREFIX: rolePrefix,
    SWORN_HTTP_PORT: '0',
    SWORN_OTLP_HTTP_PORT: '0',
    SWORN_OTLP_GRPC_PORT: '0',
    SWORN_LOG_LEVEL: 'error',
    HOME: dir,
    ...settings,
  };
  const open: Deployment[] = [];
  const site: Site = {
    dir,
    config: readConfig(base),
    with: (more) => readConfig({ ...base, ...more }),
    async open(config = site.config) {
      const deployment = await openDeployment(config, { database: 'beside' });
      open.push(deployment);
      return deployment;
    },
    admin: (text, values) => database.admin(text, values),
    async attack(text, values = []) {
      await database.admin(`set session_replication_role = replica`);
      await database.admin(text, values);
      await database.admin(`set session_replication_role = origin`);
    },
    async leaves(tenantId, log) {
      const rows = await database.admin<{ leaf: Buffer }>(
        `select leaf from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index`,
        [tenantId, log],
      );
      return rows.map((row) => JSON.parse(row.leaf.toString('utf8')) as Members);
    },
    async drop() {
      for (const deployment of open) await deployment.close();
      await database.drop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return site;
}
