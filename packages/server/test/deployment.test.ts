import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hex } from '@sworn/evidence';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDeployment } from '../src/deployment.js';
import { acceptClock, findAcceptedClock } from '../src/operate.js';
import { openKeyStore } from '../src/record/keyStore.js';
import { newSite, type Site } from './deploymentHouse.js';

let site: Site;
beforeEach(async () => {
  site = await newSite();
});
afterEach(() => site.drop());

const kinds = (leaves: readonly { readonly kind?: unknown }[]): unknown[] => leaves.map((leaf) => leaf.kind);
const CREATED = ['TENANT_CREATED', 'SIGNING_KEY_ADDED', 'KEYS_CHECK', 'KEYS_CHECK'];

describe('a deployment', () => {
  it('makes on first use whatever is missing, and finds all of it again', async () => {
    const first = await site.open();
    expect(first.id).toMatch(/^sworn-[0-9a-f]{16}$/);
    expect(readFileSync(join(site.config.dataDir, 'deployment'), 'utf8')).toBe(`${first.id}\n`);
    expect(statSync(join(site.config.dataDir, 'deployment')).mode & 0o777).toBe(0o600);
    expect(await first.tenants.list()).toMatchObject([{ tenantId: first.platformTenant, platform: true }]);
    expect(kinds(await site.leaves(first.platformTenant, 'control'))).toEqual(CREATED);
    await first.close();
    const second = await site.open();
    expect([second.id, second.platformTenant]).toEqual([first.id, first.platformTenant]);
    expect(hex(second.keyStore.noteSigner.publicKey)).toBe(hex(first.keyStore.noteSigner.publicKey));
    expect(kinds(await site.leaves(first.platformTenant, 'control'))).toEqual(CREATED);
  });

  it('records with a tenant which key signs its logs, and the check values of its keys', async () => {
    const deployment = await site.open();
    const tenantId = await deployment.tenants.create({ name: 'acme', synthetic: true });
    const control = await site.leaves(tenantId, 'control');
    expect(kinds(control)).toEqual(CREATED);
    expect(control[0]).toMatchObject({ log: `${deployment.id}/${tenantId}/control`, by: 'sworn', synthetic: true });
    expect(control[1]).toMatchObject({
      public_key: hex(deployment.keyStore.noteSigner.publicKey),
      algorithm: 'ed25519',
      from_size: 0,
    });
    expect(control[2]).toMatchObject({ checks: await deployment.keyStore.checkValues(tenantId) });
    expect(control[3]).toMatchObject({ checks: await deployment.keyStore.checkValues(null) });
    // No secret and no name of a customer: check values only.
    expect(JSON.stringify(control)).not.toMatch(/acme/);
  });

  it('refuses a key directory that is not the one it was made with, and opens with the right one again', async () => {
    const { id } = await site.open();
    await expect(site.open(site.with({ SWORN_KEY_DIR: join(site.dir, 'others') }))).rejects.toMatchObject({
      name: 'Error',
      code: 'wrong_key',
    });
    expect((await site.open()).id).toBe(id);
  });

  it('refuses a single wrong key: of signing, of the deployment, of the platform tenant', async () => {
    const { platformTenant } = await site.open();
    const other = await newSite();
    const { platformTenant: othersPlatform } = await other.open();
    for (const [mine, theirs] of [
      ['deployment/signing.key', 'deployment/signing.key'],
      ['deployment/recorder.key', 'deployment/recorder.key'],
      ['deployment/cursor.key', 'deployment/cursor.key'],
      ['deployment/directory.key', 'deployment/directory.key'],
      [`tenants/${platformTenant}/pseudonym.key`, `tenants/${othersPlatform}/pseudonym.key`],
    ] as const) {
      const keys = join(site.dir, 'keys');
      const kept = join(site.dir, 'kept');
      renameSync(join(keys, mine), kept);
      cpSync(join(other.dir, 'keys', theirs), join(keys, mine));
      await expect(site.open(), mine).rejects.toMatchObject({ code: 'wrong_key' });
      renameSync(kept, join(keys, mine));
    }
    await site.open();
    await other.drop();
  });

  it('refuses another key whose check value somebody wrote into the control log', async () => {
    const { platformTenant, keyStore } = await site.open();
    const before = (await keyStore.checkValues(null)).recorder ?? '';
    const file = join(site.dir, 'keys', 'deployment', 'recorder.key');
    writeFileSync(file, `sworn.key/1 recorder ${'5'.repeat(64)}\n`);
    const other = await openKeyStore({ keyDir: join(site.dir, 'keys'), dataDir: site.config.dataDir, now: Date.now });
    const after = (await other.checkValues(null)).recorder ?? '';
    const where = `where tenant_id = $1 and log = 'control' and kind = 'KEYS_CHECK'`;
    await site.attack(`update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), $2, $3)::bytea ${where}`, [
      platformTenant,
      before,
      after,
    ]);
    await site.attack(`update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) ${where}`, [platformTenant]);
    await expect(site.open()).rejects.toMatchObject({ code: 'wrong_key' });
    await site.attack(`delete from sworn.leaf ${where}`, [platformTenant]);
    await expect(site.open()).rejects.toMatchObject({ code: 'wrong_key' });
  });

  it('does not refill a key of the platform tenant that was lost', async () => {
    const { platformTenant } = await site.open();
    const file = join(site.dir, 'keys', 'tenants', platformTenant, 'duplicate.key');
    rmSync(file);
    await expect(site.open()).rejects.toMatchObject({ code: 'missing' });
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('refuses keys and signer memory inside the data directory', async () => {
    for (const name of ['SWORN_KEY_DIR', 'SWORN_SIGNER_STATE']) {
      expect(() => site.with({ [name]: join(site.config.dataDir, 'here') })).toThrow(name);
    }
    const inside = { ...site.config, keyDir: join(site.config.dataDir, 'keys') };
    await expect(openDeployment(inside, { database: 'beside' })).rejects.toMatchObject({
      code: 'inside_data_directory',
    });
  });

  it("refuses another deployment's database, naming both", async () => {
    const mine = await site.open();
    const strange = site.with({ SWORN_DATA_DIR: join(site.dir, 'strange'), SWORN_KEY_DIR: join(site.dir, 'theirs') });
    await expect(site.open(strange)).rejects.toThrow(`the database belongs to deployment ${mine.id}`);
    const id = readFileSync(join(strange.dataDir, 'deployment'), 'utf8').trim();
    await expect(site.open(strange)).rejects.toThrow(`the data directory to ${id}`);
  });

  it("refuses another deployment's keys, naming it, and makes nothing where they were to be used", async () => {
    const mine = await site.open();
    const strange = site.with({ SWORN_DATA_DIR: join(site.dir, 'strange') });
    await expect(site.open(strange)).rejects.toMatchObject({
      code: 'wrong_key',
      message: expect.stringContaining(
        `belong to deployment ${mine.id}, and ${strange.dataDir} holds no deployment yet`,
      ),
    });
    expect(existsSync(strange.dataDir)).toBe(false);
    mkdirSync(strange.dataDir);
    writeFileSync(join(strange.dataDir, 'deployment'), 'sworn-other\n');
    await expect(site.open(strange)).rejects.toThrow(`${strange.dataDir} to sworn-other`);
  });

  it('is not made by what needs one that is there: nothing is touched, and the sentence names the setting', async () => {
    await expect(openDeployment(site.config, { database: 'beside', mustExist: true })).rejects.toThrow(
      `no Sworn data in ${site.config.dataDir}: is SWORN_DATA_DIR right?`,
    );
    expect([site.config.dataDir, join(site.dir, 'keys')].filter((dir) => existsSync(dir))).toEqual([]);
    await site.open();
    const keyless = site.with({ SWORN_KEY_DIR: join(site.dir, 'mistyped') });
    await expect(openDeployment(keyless, { database: 'beside', mustExist: true })).rejects.toThrow(
      `no keys in ${keyless.keyDir}: is SWORN_KEY_DIR right?`,
    );
    expect(existsSync(join(site.dir, 'mistyped'))).toBe(false);
  });

  it('is made once when two processes start at once on one directory, and by one of two on two directories', async () => {
    const [one, two] = await Promise.all([site.open(), site.open()]);
    expect([two?.id, two?.platformTenant]).toEqual([one?.id, one?.platformTenant]);
    expect(kinds(await site.leaves(one?.platformTenant ?? '', 'control'))).toEqual(CREATED);
    const shared = await newSite();
    const results = await Promise.allSettled(
      [0, 1, 2].map((n) => shared.open(shared.with({ SWORN_DATA_DIR: join(shared.dir, `data${n}`) }))),
    );
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(1);
    expect(await shared.admin('select id from sworn.deployment')).toHaveLength(1);
    await shared.drop();
  });

  it('heals at the next start when it died anywhere while the platform tenant was made', async () => {
    const { platformTenant } = await site.open();
    const wipe = async (...tables: readonly string[]): Promise<void> => {
      for (const table of ['leaf', 'control_records', 'batch_authenticator', ...tables])
        await site.attack(`delete from sworn.${table} where tenant_id = $1`, [platformTenant]);
    };
    const deaths: readonly (() => Promise<void>)[] = [
      // After the deployment was named and the keys were made.
      () => wipe('tenant', 'log_head'),
      // After the tenant and its empty logs were entered.
      async () => {
        await wipe('log_head');
        await site.attack(
          `insert into sworn.log_head (tenant_id, topic, log, generation, next_index, frontier, root)
           select $1, topic, topic, 1, 0, '', sha256('') from unnest(array['llm-runs', 'system', 'audit', 'access', 'control']) as t(topic)`,
          [platformTenant],
        );
      },
      // After its leaves were appended, before the directory noted where.
      () => site.attack(`update sworn.tenant set control_index = null where tenant_id = $1`, [platformTenant]),
    ];
    for (const die of deaths) {
      await die();
      const healed = await site.open();
      expect(healed.platformTenant).toBe(platformTenant);
      expect(kinds(await site.leaves(platformTenant, 'control'))).toEqual(CREATED);
      expect(await healed.tenants.list()).toMatchObject([{ tenantId: platformTenant, platform: true }]);
    }
  });

  it('serves what a second one beside it makes', async () => {
    const [one, two] = [await site.open(), await site.open()];
    const tenantId = await two.tenants.create({ name: 'acme' });
    expect((await one.tenants.list()).map((t) => t.tenantId)).toContain(tenantId);
    await Promise.all([one.tenants.create({ name: 'b' }), two.keys.issue({ tenantId, role: 'reader' })]);
    expect(await two.tenants.list()).toHaveLength(3);
  });

  it('takes a clock as accepted only by a leaf of its own that is newer than the jump', async () => {
    const deployment = await site.open();
    const { platformTenant } = deployment;
    const sizeOf = async (): Promise<number> => (await site.leaves(platformTenant, 'control')).length;
    expect(await findAcceptedClock(deployment, 0)).toBeNull();
    const before = await sizeOf();
    await acceptClock(deployment);
    expect(await findAcceptedClock(deployment, before)).toBe(before);
    const atJump = await sizeOf();
    expect(await findAcceptedClock(deployment, atJump)).toBeNull();
    // The old acceptance moved to the end, its size edited or not, and a bare projection row.
    for (const table of ['leaf', 'control_records'])
      await site.attack(
        `update sworn.${table} set leaf_index = $2 where tenant_id = $1 and log = 'control' and kind = 'CLOCK_ACCEPTED'`,
        [platformTenant, atJump],
      );
    await site.attack(`update sworn.log_head set next_index = $2 where tenant_id = $1 and log = 'control'`, [
      platformTenant,
      atJump + 1,
    ]);
    expect(await findAcceptedClock(deployment, atJump)).toBeNull();
    const where = `where tenant_id = $1 and log = 'control' and kind = 'CLOCK_ACCEPTED'`;
    await site.attack(
      `update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '"size":${before}', '"size":9999')::bytea ${where}`,
      [platformTenant],
    );
    await site.attack(`update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) ${where}`, [platformTenant]);
    expect(await findAcceptedClock(deployment, atJump)).toBeNull();
  });

  it('refuses a damaged deployment file', async () => {
    await site.open();
    writeFileSync(join(site.config.dataDir, 'deployment'), `${randomUUID()}/x\n`);
    await expect(site.open()).rejects.toThrow('does not hold a deployment id');
  });
});
