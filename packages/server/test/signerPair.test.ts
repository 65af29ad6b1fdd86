import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  serverHome,
  type ServerHome,
  type ServerPlace,
  type ServerProcess,
  testDatabase,
  type TestDatabase,
} from '@sworn/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.js';
import { openDeployment } from '../src/deployment.js';
import { adoptSigner } from '../src/operate.js';
import { openJournal } from '../src/sign/journal.js';

/** A holder that is silent for ten seconds has lost its lease; on a busy machine its successor needs a few more to say so. */
const LEASE_PASSES_MS = 60_000;

let database: TestDatabase;
let name: string;
let home: ServerHome;
let dir: string;
let client: pg.Client;
let tenantId: string;
let settings: Record<string, string>;
const servers: ServerProcess[] = [];
const places: ServerPlace[] = [];
const states = (): [string, string] => [home.signerDir, join(dir, 'signer')];

beforeAll(async () => {
  database = await testDatabase();
  name = `sworn_${database.rolePrefix}_${randomBytes(4).toString('hex')}`;
  await database.admin(`create database ${name}`);
  home = serverHome();
  dir = mkdtempSync(join(tmpdir(), 'sworn-pair-'));
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  settings = { SWORN_DATABASE_URL: url.href, SWORN_DATABASE_ROLE_PREFIX: `${database.rolePrefix}_two` };
  client = new pg.Client({
    ...database.superuser,
    ...database.address,
    database: name,
    ssl: database.address.tls !== null,
  });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await home.close();
  rmSync(dir, { recursive: true, force: true });
  await database.admin(`drop database ${name} with (force)`);
  await database.drop();
});

/** Starts a server with the first or the second state directory. */
async function start(which: 0 | 1, env: Record<string, string>): Promise<void> {
  servers[which] = home.start({ ...settings, SWORN_SIGNER_STATE: states()[which], ...env });
  places[which] = await servers[which].ready;
}

async function readiness(which: 0 | 1): Promise<string> {
  const response = await fetch(`${places[which]?.http}/readyz`);
  return `${response.status} ${await response.text()}`;
}

async function checkpoints(): Promise<{ readonly log: string; readonly size: number; readonly note: string }[]> {
  const { rows } = await client.query<{ log: string; size: number; note: string }>(
    `select tenant_id || '/' || log as log, size::int, note from sworn.checkpoint order by 1, 2`,
  );
  return rows;
}

async function uncovered(): Promise<number> {
  const { rows } = await client.query<{ left: number }>(
    `select count(*)::int as left from sworn.log_head h where next_index > coalesce(
       (select max(size) from sworn.checkpoint c where c.tenant_id = h.tenant_id and c.log = h.log), 0)`,
  );
  return rows[0]?.left ?? 0;
}

async function openBeside(which: 0 | 1) {
  const config = readConfig({
    ...settings,
    HOME: dir,
    SWORN_DATA_DIR: join(home.keyDir, '..', 'data'),
    SWORN_KEY_DIR: home.keyDir,
    SWORN_SIGNER_STATE: states()[which],
  });
  return openDeployment(config, { database: 'beside' });
}

/** A record more, in the tenant's `control`. */
async function grow(): Promise<void> {
  const deployment = await openBeside(0);
  await deployment.keys.issue({ tenantId, role: 'reader' });
  await deployment.close();
}

describe('two servers on one database, each with a memory of its own', () => {
  it('the first one signs, the second one waits for its turn', async () => {
    await start(0, {});
    tenantId = places[0]?.issued?.tenantId ?? '';
    await expect.poll(uncovered, { timeout: 30_000, interval: 200 }).toBe(0);
    await start(1, { SWORN_TEST_TENANT: tenantId });
    expect(await readiness(1)).toMatch(/^200/);
  });

  it('the second one takes the lease of one that sleeps, and signs nothing that it does not remember', async () => {
    const before = await checkpoints();
    process.kill(servers[0]?.pid ?? 0, 'SIGSTOP');
    await grow();
    await expect
      .poll(() => readiness(1), { timeout: LEASE_PASSES_MS, interval: 300 })
      .toMatch(/^503.*SIGNER_MEMORY_LOST/s);
    expect(await checkpoints()).toEqual(before);
    expect(openJournal(states()[1]).origins()).toEqual([]);
  });

  it('the first one wakes without the lease, and signs nothing either', async () => {
    const before = await checkpoints();
    const remembered = openJournal(states()[0]).origins().length;
    process.kill(servers[0]?.pid ?? 0, 'SIGCONT');
    await grow();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await checkpoints()).toEqual(before);
    expect(openJournal(states()[0]).origins()).toHaveLength(remembered);
  });

  it('once its memory is adopted the second one signs on, alone, and never another content for a size', async () => {
    const before = await checkpoints();
    const deployment = await openBeside(1);
    await adoptSigner(deployment);
    await deployment.close();
    await expect.poll(uncovered, { timeout: 60_000, interval: 300 }).toBe(0);
    await expect.poll(() => readiness(1), { timeout: 30_000, interval: 300 }).toMatch(/^200/);
    const after = await checkpoints();
    // All that was signed stands as it was; what came is more, and was signed once: size and log are the key of the table.
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after.length).toBeGreaterThan(before.length);
    const { size = 0 } = openJournal(states()[1]).load(after[0]?.note.split('\n')[0] ?? '') ?? {};
    expect(size).toBeGreaterThan(0);
  });

  it('the first one, when the lease comes back to it, knows that its memory is older', async () => {
    const before = await checkpoints();
    await servers[1]?.stop();
    await grow();
    await expect
      .poll(() => readiness(0), { timeout: LEASE_PASSES_MS, interval: 300 })
      .toMatch(/^503.*SIGNER_MEMORY_LOST/s);
    // The second one signed what it had left when it stopped; the first one adds logs that only it remembers to the end, if any.
    const sizes = new Map((await checkpoints()).map(({ log, size, note }) => [`${log} ${size}`, note]));
    for (const { log, size, note } of before) expect(sizes.get(`${log} ${size}`)).toBe(note);
    const deployment = await openBeside(0);
    await adoptSigner(deployment);
    await deployment.close();
    await expect.poll(() => readiness(0), { timeout: 60_000, interval: 300 }).toMatch(/^200/);
    await expect.poll(uncovered, { timeout: 60_000, interval: 300 }).toBe(0);
  });
});
