import type pg from 'pg';
import { expect } from 'vitest';
import { type RunningApp, startApp } from '../src/app.js';
import type { Config } from '../src/config.js';
import { newSite, type Site } from './deploymentHouse.js';

/** A row of `checkpoint`. */
export interface CheckpointRow {
  readonly log: string;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly signedAt: string;
}

/** A site whose servers are started and stopped, and whose database is backed up and restored under them. */
export interface RunningSite extends Site {
  start(config?: Config): Promise<RunningApp>;
  stop(app: RunningApp): Promise<void>;
  /** Status and text of /readyz, once it has the asked status. */
  untilReady(app: RunningApp, status: number): Promise<string>;
  /** Of one log, by size. */
  checkpoints(tenantId: string, log: string): Promise<CheckpointRow[]>;
  /** Resolves when every leaf of the log is covered by a checkpoint. */
  covered(tenantId: string, log: string): Promise<void>;
  /** Copies all that tenants have in the database; one copy at a time. */
  backUp(): Promise<void>;
  /** Puts the copy in the place of what is there. */
  restore(): Promise<void>;
}

/** Makes a site with no server running yet. */
export async function newRunningSite(): Promise<RunningSite> {
  const site = await newSite();
  const running: RunningApp[] = [];

  async function checkpoints(tenantId: string, log: string): Promise<CheckpointRow[]> {
    return site.admin<CheckpointRow & pg.QueryResultRow>(
      `select log, size::int, root, note, signed_at as "signedAt" from sworn.checkpoint where tenant_id = $1 and log = $2 order by size`,
      [tenantId, log],
    );
  }

  async function tables(): Promise<string[]> {
    const rows = await site.admin<{ name: string }>(
      `select c.relname as name from pg_class c where c.relnamespace = 'sworn'::regnamespace and c.relkind = 'r'
          and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')`,
    );
    return rows.map(({ name }) => name);
  }

  /** Those that are stored, not computed from others. */
  async function columnsOf(table: string): Promise<string[]> {
    const rows = await site.admin<{ name: string }>(
      `select quote_ident(attname) as name from pg_attribute
        where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
      [`sworn.${table}`],
    );
    return rows.map(({ name }) => name);
  }

  return {
    ...site,
    checkpoints,
    async start(config = site.config) {
      const app = await startApp(config);
      running.push(app);
      return app;
    },
    async stop(app) {
      running.splice(running.indexOf(app), 1);
      await app.stop();
    },
    async untilReady(app, status) {
      const look = async () => {
        const response = await fetch(`${app.addresses.http}/readyz`);
        return { status: response.status, text: await response.text() };
      };
      await expect.poll(async () => (await look()).status, { timeout: 60_000, interval: 100 }).toBe(status);
      return (await look()).text;
    },
    async covered(tenantId, log) {
      // The record a day of what was checked comes with the first round: nobody is to count leaves before it.
      const isToldOf = async (): Promise<boolean> =>
        (await site.leaves(tenantId, log)).some((leaf) => leaf['kind'] === 'VERIFIED');
      if (log === 'control') await expect.poll(isToldOf, { timeout: 60_000, interval: 100 }).toBe(true);
      // Both anew each time: the sealer goes on appending.
      const uncovered = async (): Promise<number> =>
        (await site.leaves(tenantId, log)).length - ((await checkpoints(tenantId, log)).at(-1)?.size ?? 0);
      await expect.poll(uncovered, { timeout: 60_000, interval: 100 }).toBe(0);
    },
    async backUp() {
      for (const name of await tables()) {
        await site.admin(`drop table if exists public.old_${name}`);
        await site.admin(`create table public.old_${name} as select * from sworn.${name}`);
      }
    },
    async restore() {
      for (const name of await tables()) {
        await site.attack(`delete from sworn.${name}`);
        const columns = (await columnsOf(name)).join(', ');
        await site.attack(`insert into sworn.${name} (${columns}) select ${columns} from public.old_${name}`);
      }
    },
    async drop() {
      for (const app of running) await app.stop();
      await site.drop();
    },
  };
}
