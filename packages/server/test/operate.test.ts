import { execFileSync } from 'node:child_process';
import { existsSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hex, leafHash, parseCheckpoint, recordId, treeHash } from '@sworn/evidence';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningApp, startApp } from '../src/app.js';
import { readConfig } from '../src/config.js';
import { type Deployment, openDeployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { readLeaf } from '../src/leafByHand.js';
import { adoptSigner, databaseUrl, logKeys } from '../src/operate.js';
import { rememberedBySinks } from '../src/sign/fileSink.js';
import { type Members, newSite, type Site } from './deploymentHouse.js';

let site: Site;
let running: RunningApp[];
beforeEach(async () => {
  site = await newSite();
  running = [];
});
afterEach(async () => {
  for (const app of running) await app.stop();
  await site.drop();
});

async function start(config = site.config): Promise<RunningApp> {
  const app = await startApp(config);
  running.push(app);
  return app;
}

async function stop(app: RunningApp): Promise<void> {
  running.splice(running.indexOf(app), 1);
  await app.stop();
}

interface StoredCheckpoint {
  readonly tenant_id: string;
  readonly log: string;
  readonly size: number;
  readonly note: string;
}

async function checkpoints(tenantId: string, log: string): Promise<StoredCheckpoint[]> {
  return site.admin<StoredCheckpoint & pg.QueryResultRow>(
    `select tenant_id, log, size::int, note from sworn.checkpoint where tenant_id = $1 and log = $2 order by size`,
    [tenantId, log],
  );
}

/** Resolves when every leaf of the log is covered. */
async function covered(tenantId: string, log: string): Promise<void> {
  // Both anew each time: the sealer goes on appending.
  const uncovered = async (): Promise<number> =>
    (await site.leaves(tenantId, log)).length - ((await checkpoints(tenantId, log)).at(-1)?.size ?? 0);
  await expect.poll(uncovered, { timeout: 60_000, interval: 50 }).toBe(0);
}

async function ready(app: RunningApp): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${app.addresses.http}/readyz`);
  return { status: response.status, text: await response.text() };
}

async function untilReady(app: RunningApp, status: number): Promise<string> {
  await expect.poll(async () => (await ready(app)).status, { timeout: 60_000, interval: 50 }).toBe(status);
  return (await ready(app)).text;
}

const ofKind = (leaves: readonly Members[], kind: string): Members[] => leaves.filter((leaf) => leaf['kind'] === kind);

describe('reading a leaf by hand', () => {
  let deployment: Deployment;
  let tenantId: string;
  beforeEach(async () => {
    deployment = await site.open();
    tenantId = await deployment.tenants.create({ name: 'acme' });
  });

  it('gives the exact stored bytes, and records who read them', async () => {
    const id = recordId({ topic: 'control', generation: 1, index: 0 });
    const bytes = await readLeaf(deployment, tenantId, id, 'uid 1000');
    const [stored] = await site.admin<{ leaf: Buffer; leaf_hash: Buffer }>(
      `select leaf, leaf_hash from sworn.leaf where tenant_id = $1 and log = 'control' and leaf_index = 0`,
      [tenantId],
    );
    expect(hex(bytes ?? new Uint8Array())).toBe(stored?.leaf.toString('hex'));
    expect(hex(leafHash(bytes ?? new Uint8Array()))).toBe(stored?.leaf_hash.toString('hex'));
    const access = await site.leaves(tenantId, 'access');
    expect(access).toMatchObject([
      {
        kind: 'READ',
        endpoint: 'cli:leaf',
        permission: 'logs.audit',
        decision: 'ALLOW',
        status: 200,
        record_id: id,
        count: 1,
        answer: `sha256:${stored?.leaf_hash.toString('hex')}`,
      },
    ]);
    // Who it was is no text of a leaf: it may be a person's name.
    expect(JSON.stringify(access)).not.toContain('uid 1000');
  });

  it('records the attempt where there is none, and answers nothing', async () => {
    const absent = recordId({ topic: 'llm-runs', generation: 1, index: 7 });
    expect(await readLeaf(deployment, tenantId, absent, 'uid 1000')).toBeNull();
    expect(await readLeaf(deployment, tenantId, 'Jane Doe', 'uid 1000')).toBeNull();
    const access = await site.leaves(tenantId, 'access');
    const denied = { decision: 'DENY', reason_code: 'not_found', status: 404, permission: 'logs.read' };
    expect(access).toMatchObject([denied, denied]);
    // What named nothing may be anything.
    expect(JSON.stringify(access)).not.toContain('Jane');
    expect(access.some((leaf) => 'record_id' in leaf)).toBe(false);
  });

  it('is refused when it cannot be recorded', async () => {
    await site.admin(`alter table sworn.access_records add constraint refuse_all check (false) not valid`);
    const id = recordId({ topic: 'control', generation: 1, index: 0 });
    await expect(readLeaf(deployment, tenantId, id, 'uid 1000')).rejects.toThrow();
  });
});

describe('the keys of the logs', () => {
  it('are one for each log in the order of the topics, and openssl verifies a checkpoint with what is printed', async () => {
    await start();
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme' });
    await covered(tenantId, 'control');
    const keys = await logKeys(deployment, tenantId);
    const origins = ['llm-runs', 'system', 'audit', 'access', 'control'].map(
      (l) => `${deployment.id}/${tenantId}/${l}`,
    );
    expect(keys.map((key) => key.origin)).toEqual(origins);
    for (const { origin, vkey } of keys) expect(vkey.startsWith(`${origin}+`)).toBe(true);
    const [stored] = await checkpoints(tenantId, 'control');
    const { note, root } = parseCheckpoint(stored?.note ?? '');
    writeFileSync(join(site.dir, 'key.pem'), keys.at(-1)?.pem ?? '');
    writeFileSync(join(site.dir, 'text'), note.text);
    writeFileSync(join(site.dir, 'signature'), note.signatures[0]?.signature ?? '');
    const said = execFileSync(
      'openssl',
      ['pkeyutl', '-verify', '-pubin', '-inkey', 'key.pem', '-rawin', '-in', 'text', '-sigfile', 'signature'],
      { cwd: site.dir, encoding: 'utf8' },
    );
    expect(said).toContain('Signature Verified Successfully');
    const leaves = await site.admin<{ leaf: Buffer }>(
      `select leaf from sworn.leaf where tenant_id = $1 and log = 'control' and leaf_index < $2 order by leaf_index`,
      [tenantId, stored?.size],
    );
    expect(hex(root)).toBe(hex(treeHash(leaves.map((row) => leafHash(row.leaf)))));
  });
});

describe("the signer's memory", () => {
  it('once lost, is a finding and keeps the server from being ready, until it is adopted beside it', async () => {
    const app = await start();
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme' });
    await covered(tenantId, 'control');
    await covered(deployment.platformTenant, 'control');
    await untilReady(app, 200);
    rmSync(join(site.dir, 'signer', 'journal.ndjson'));
    expect(await untilReady(app, 503)).toContain('SIGNER_MEMORY_LOST');
    await expect.poll(async () => ofKind(await site.leaves(tenantId, 'control'), 'FINDING').length).toBe(1);
    expect(ofKind(await site.leaves(tenantId, 'control'), 'FINDING')).toMatchObject([
      { finding: 'SIGNER_MEMORY_LOST', of_log: 'control', by: 'sworn', found: 'no memory' },
    ]);
    const sizes = (await checkpoints(tenantId, 'control')).map((c) => c.size);
    const adopted = await adoptSigner(deployment);
    expect(adopted).toContainEqual({ origin: deployment.originOf(tenantId, 'control'), size: sizes.at(-1) });
    await untilReady(app, 200);
    await covered(tenantId, 'control');
    expect((await checkpoints(tenantId, 'control')).map((c) => c.size).slice(0, sizes.length)).toEqual(sizes);
    expect(ofKind(await site.leaves(tenantId, 'control'), 'SIGNER_ADOPTED')).toMatchObject([
      { of_log: 'control', size: sizes.at(-1) },
    ]);
    expect(await adoptSigner(deployment)).toEqual([]);
  });

  it('is not adopted from a checkpoint that does not carry our signature, and then from none', async () => {
    const app = await start();
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme' });
    await covered(tenantId, 'control');
    await covered(deployment.platformTenant, 'control');
    await stop(app);
    rmSync(join(site.dir, 'signer', 'journal.ndjson'));
    const [stored] = await checkpoints(tenantId, 'control');
    const note = stored?.note ?? '';
    for (const forged of [
      // Another root under the old signature; another tenant's checkpoint; no note at all.
      note.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${Buffer.alloc(32).toString('base64')}\n`),
      (await checkpoints(deployment.platformTenant, 'control'))[0]?.note ?? '',
      'nothing',
    ]) {
      await site.attack(`update sworn.checkpoint set note = $2 where tenant_id = $1`, [tenantId, forged]);
      await expect(adoptSigner(deployment)).rejects.toThrow('nothing was adopted');
      for (const id of [tenantId, deployment.platformTenant])
        expect(ofKind(await site.leaves(id, 'control'), 'SIGNER_ADOPTED')).toEqual([]);
    }
    await site.attack(`update sworn.checkpoint set note = $2 where tenant_id = $1`, [tenantId, note]);
    expect((await adoptSigner(deployment)).length).toBeGreaterThanOrEqual(2);
  });

  it('that cannot be read keeps the server from starting', async () => {
    const app = await start();
    const deployment = await site.open();
    await covered(deployment.platformTenant, 'control');
    writeFileSync(join(site.dir, 'signer', 'journal.ndjson'), 'garbage\n');
    expect(await untilReady(app, 503)).toContain('signer');
    await stop(app);
    await expect(startApp(site.config)).rejects.toThrow('line 1 is not what the signer wrote');
  });

  it('that was removed and adopted from an old copy, which goes on under the real key, is outlived by a sink', async () => {
    const sunk = join(site.dir, 'sunk');
    const config = site.with({ SWORN_CHECKPOINT_SINKS: `file://${sunk}` });
    const app = await start(config);
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme' });
    await covered(tenantId, 'control');
    const tables = ['leaf', 'control_records', 'batch_authenticator', 'log_head', 'checkpoint'];
    for (const table of tables)
      await site.admin(
        `create table public.old_${table} as select * from sworn.${table} where tenant_id = '${tenantId}'`,
      );
    await deployment.keys.issue({ tenantId, role: 'reader' });
    await deployment.keys.issue({ tenantId, role: 'reader' });
    await covered(tenantId, 'control');
    const newest = (await checkpoints(tenantId, 'control')).at(-1);
    const origin = deployment.originOf(tenantId, 'control');
    await expect
      .poll(async () => (await rememberedBySinks(config.checkpointSinks).newest(origin))[0]?.size, { timeout: 60_000 })
      .toBe(newest?.size);
    await stop(app);
    // The attacker has the key files: he takes the signer's memory away and has the older copy adopted, and nothing inside can tell.
    for (const table of [...tables, 'sink_confirmation'])
      await site.attack(`delete from sworn.${table} where tenant_id = $1`, [tenantId]);
    for (const table of tables) await site.attack(`insert into sworn.${table} select * from public.old_${table}`);
    rmSync(join(site.dir, 'signer', 'journal.ndjson'));
    const after = await site.open();
    await adoptSigner(after);
    const again = await start(config);
    await untilReady(again, 200);
    for (let i = 0; i < 4; i++) await after.keys.issue({ tenantId, role: 'reader' });
    await expect
      .poll(async () => ofKind(await site.leaves(tenantId, 'control'), 'FINDING').map((leaf) => leaf['finding']), {
        timeout: 60_000,
      })
      .toContain('LOG_DIFFERS_FROM_SIGNED');
    const found = ofKind(await site.leaves(tenantId, 'control'), 'FINDING');
    const isOfSink = (leaf: Record<string, unknown>) =>
      `${String(leaf['expected'])} ${String(leaf['found'])}`.includes(`the sink file://${sunk}`);
    expect(found.filter((leaf) => !isOfSink(leaf))).toEqual([]);
    expect((await rememberedBySinks(config.checkpointSinks).newest(origin))[0]?.note).toBe(newest?.note);
    const report = await fsck(config, { tenant: tenantId, log: 'control' });
    expect(report.findings).toMatchObject([{ check: 'V2', code: 'LOG_DIFFERS_FROM_SIGNED', log: 'control' }]);
    expect(report.findings[0]?.expected).toContain(`file://${sunk}`);
    // The same database without the sink: nothing in it is wrong.
    expect((await fsck(site.config, { tenant: tenantId, log: 'control' })).findings).toEqual([]);
  });

  it('outlives an old copy of the database that is put in its place', async () => {
    const app = await start();
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme' });
    await covered(tenantId, 'control');
    const tables = ['leaf', 'control_records', 'batch_authenticator', 'log_head', 'checkpoint'];
    for (const table of tables)
      await site.admin(
        `create table public.old_${table} as select * from sworn.${table} where tenant_id = '${tenantId}'`,
      );
    await deployment.keys.issue({ tenantId, role: 'reader' });
    await covered(tenantId, 'control');
    await stop(app);
    for (const table of tables) {
      await site.attack(`delete from sworn.${table} where tenant_id = $1`, [tenantId]);
      await site.attack(`insert into sworn.${table} select * from public.old_${table}`);
    }
    const again = await start();
    await untilReady(again, 503);
    // Its own findings make the log as long again as what was signed, and longer: it stays another log, and unsigned.
    const kinds = async () =>
      new Set(ofKind(await site.leaves(tenantId, 'control'), 'FINDING').map((leaf) => leaf['finding']));
    await expect.poll(kinds, { timeout: 60_000 }).toContain('LOG_SHORTER_THAN_SIGNED');
    await expect.poll(async () => (await kinds()).size, { timeout: 60_000 }).toBeGreaterThan(1);
    const told = ['LOG_SHORTER_THAN_SIGNED', 'LOG_DIFFERS_FROM_SIGNED', 'UNAUTHENTICATED_APPEND'];
    expect([...(await kinds())].filter((kind) => !told.includes(String(kind)))).toEqual([]);
    expect((await ready(again)).status).toBe(503);
    const kept = await site.admin<{ size: number }>(
      `select size::int from public.old_checkpoint where log = 'control' order by size`,
    );
    expect((await checkpoints(tenantId, 'control')).map((c) => c.size)).toEqual(kept.map(({ size }) => size));
  });
});

describe('two servers on one database', () => {
  it('sign by turns and never contradict each other: who stops hands over, and nobody finds anything', async () => {
    const one = await start();
    const two = await start();
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme', synthetic: true });
    const ingest = await deployment.keys.issue({ tenantId, role: 'ingest' });
    const trace = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      name: 'x',
      startTimeUnixNano: '1',
      endTimeUnixNano: '2',
    };
    const send = async (app: RunningApp, spanId: string): Promise<number> => {
      const response = await fetch(`${app.addresses.otlpHttp}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${ingest.key}` },
        body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...trace, spanId }] }] }] }),
      });
      return response.status;
    };
    const statuses = await Promise.all(
      Array.from({ length: 40 }, (_, i) => send(i % 2 === 0 ? one : two, (i + 1).toString(16).padStart(16, '0'))),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    await covered(tenantId, 'llm-runs');
    expect([(await ready(one)).status, (await ready(two)).status]).toEqual([200, 200]);
    await stop(one);
    expect(await send(two, 'f'.repeat(16))).toBe(200);
    await covered(tenantId, 'llm-runs');
    expect(ofKind(await site.leaves(tenantId, 'control'), 'FINDING')).toEqual([]);
    const runs = await site.leaves(tenantId, 'llm-runs');
    expect(ofKind(runs, 'STEP')).toHaveLength(41);
    expect(ofKind(runs, 'OPENED')).toMatchObject([{ is_synthetic: true }]);
    expect((await ready(two)).status).toBe(200);
  });
});

describe('on the embedded database', () => {
  it('a directory in use is refused with the pid, commands work beside it, and its URLs open what they say', async () => {
    const dir = mkdtempSync('/tmp/sworn-op-');
    chmodSync(dir, 0o711);
    const config = readConfig({
      SWORN_DATA_DIR: join(dir, 'd'),
      SWORN_KEY_DIR: join(dir, 'k'),
      SWORN_SIGNER_STATE: join(dir, 's'),
      HOME: dir,
    });
    const first = await openDeployment(config, { database: 'start' });
    await expect(openDeployment(config, { database: 'start' })).rejects.toThrow(`pid ${process.pid}`);
    const beside = await openDeployment(config, { database: 'beside' });
    expect(beside.platformTenant).toBe(first.platformTenant);

    const readOnly = await connect(await databaseUrl(beside, false));
    // The tables are found by their names alone; the newest record is of this very look.
    const { rows } = await readOnly.query(
      `select kind from leaf where log = 'control' order by leaf_index desc limit 1`,
    );
    expect(rows).toEqual([{ kind: 'DATABASE_URL' }]);
    await expect(readOnly.query(`delete from sworn.lease`)).rejects.toThrow(/read-only|permission denied/);
    await readOnly.end();
    const control = async (): Promise<string[]> => {
      const superuser = await connect(await databaseUrl(beside, true));
      const { rows } = await superuser.query<{ kind: string }>(
        `select kind from sworn.leaf where log = 'control' order by leaf_index`,
      );
      await superuser.end();
      return rows.map((row) => row.kind);
    };
    // Recorded before it is given out: the very first look finds its own record.
    expect((await control()).filter((kind) => kind === 'SUPERUSER_URL')).toHaveLength(1);
    expect((await control()).filter((kind) => kind === 'SUPERUSER_URL')).toHaveLength(2);
    await beside.close();
    await first.close();

    const alone = await openDeployment(config, { database: 'beside' });
    expect(alone.id).toBe(first.id);
    await alone.close();

    const keyless = { ...config, keyDir: join(dir, 'mistyped') };
    await expect(openDeployment(keyless, { database: 'start' })).rejects.toThrow('is SWORN_KEY_DIR right?');
    expect(existsSync(keyless.keyDir)).toBe(false);
    rmSync(dir, { recursive: true });
  }, 120_000);

  it('is the only one that has a URL to give', async () => {
    const deployment = await site.open();
    expect(await databaseUrl(deployment, true)).toBeNull();
    expect(ofKind(await site.leaves(deployment.platformTenant, 'control'), 'SUPERUSER_URL')).toEqual([]);
  });
});

async function connect(url: string | null): Promise<pg.Client> {
  // The empty host of the URL stands for the socket that its parameter names, which this driver wants spelled out.
  const client = new pg.Client((url ?? '').replace('@/', '@localhost/'));
  await client.connect();
  return client;
}
