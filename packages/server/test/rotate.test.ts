import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { copyFileSync, existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointBody, formatNote, hex, parseVkey } from '@sworn/evidence';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { adoptSigner, logKeys } from '../src/operate.js';
import { createCheckpointVerifier } from '../src/read/checkpoints.js';
import { ownLeaf } from '../src/record/ownLeaf.js';
import { rotateSigner } from '../src/rotateSigner.js';
import { signedCheckpoint } from '../src/sign/ourCheckpoint.js';
import type { Members } from './deploymentHouse.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

let site: RunningSite;
let deployment: Deployment;
let tenantId: string;
let control: string;
beforeEach(async () => {
  site = await newRunningSite();
  deployment = await site.open();
  tenantId = await deployment.tenants.create({ name: 'acme' });
  control = deployment.originOf(tenantId, 'control');
});
afterEach(() => site.drop());

const keyFile = (name: string): string => join(site.dir, 'keys', 'deployment', name);
const ofKind = (leaves: readonly Members[], kind: string): Members[] => leaves.filter((leaf) => leaf['kind'] === kind);
const grow = (of: Deployment, id = tenantId) => of.keys.issue({ tenantId: id, role: 'reader' });

/** Every stored checkpoint of a log, whether it verifies under the key of its size. */
async function verified(of: Deployment, id: string, log: string): Promise<boolean[]> {
  const verifier = createCheckpointVerifier({ signingKeysOf: of.signingKeysOf, originOf: of.originOf });
  return Promise.all((await site.checkpoints(id, log)).map((row) => verifier(id, log, row)));
}

/** Who signed the newest checkpoint of a log, of these public keys (hex). */
async function signerOf(id: string, log: string, keys: readonly string[]): Promise<string | undefined> {
  const { note } = (await site.checkpoints(id, log)).at(-1) ?? { note: '' };
  return keys.find((key) => signedCheckpoint(note, deployment.originOf(id, log), Buffer.from(key, 'hex')) !== null);
}

describe('a rotation of the signing key', () => {
  it('changes over beside a running server, without a gap or an overlap, and says so in every control log', async () => {
    const app = await site.start();
    await site.covered(tenantId, 'control');
    await site.covered(deployment.platformTenant, 'control');
    const before = hex(deployment.keyStore.noteSigner.publicKey);
    const { publicKey: after, retired, tenants } = await rotateSigner(deployment);
    expect([retired, tenants]).toEqual([before, 2]);
    await grow(deployment);
    for (const id of [tenantId, deployment.platformTenant]) {
      await site.covered(id, 'control');
      const leaves = await site.leaves(id, 'control');
      const [last] = ofKind(leaves, 'SIGNING_KEY_RETIRED') as [{ public_key: string; last: Record<string, number> }];
      expect(last.public_key).toBe(before);
      const added = ofKind(leaves, 'SIGNING_KEY_ADDED').at(-1) ?? {};
      expect(added).toMatchObject({ public_key: after, previous: before, by: 'sworn' });
      expect(added['from']).toEqual(
        Object.fromEntries(Object.entries(last.last).map(([log, size]) => [log, size + 1])),
      );
      // From the specification: what the old key signed of the new one.
      const from = added['from'] as Record<string, number>;
      const text = `sworn.signing-key/1\n${String(added['log'])}\n${after}\naccess ${from['access']}\naudit ${from['audit']}\ncontrol ${from['control']}\nllm-runs ${from['llm-runs']}\nsystem ${from['system']}\n`;
      const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(before, 'hex')]);
      const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
      expect(verify(null, Buffer.from(text), key, Buffer.from(String(added['signature']), 'base64'))).toBe(true);
      expect(await signerOf(id, 'control', [before, after])).toBe(after);
      expect(new Set(await verified(deployment, id, 'control'))).toEqual(new Set([true]));
    }
    const keys = (await logKeys(deployment, tenantId)).filter(({ origin }) => origin === control);
    expect(keys.map(({ vkey }) => hex(parseVkey(vkey).publicKey))).toEqual([before, after]);
    const [old, now] = keys;
    expect([old?.fromSize, now?.lastSize]).toEqual([0, null]);
    expect(now?.fromSize).toBe((old?.lastSize ?? 0) + 1);
    // A log that nobody had signed is the new key's from its first leaf on.
    const audit = (await logKeys(deployment, tenantId)).filter(({ origin }) => origin.endsWith('/audit'));
    expect(audit.map(({ vkey, fromSize }) => [hex(parseVkey(vkey).publicKey), fromSize])).toEqual([[after, 1]]);
    for (const left of ['signing.next.key', 'signing.retired.key']) expect(existsSync(keyFile(left))).toBe(false);
    await site.untilReady(app, 200);
  });

  it('takes from a retired key what it signs later, and from the new one what came before it', async () => {
    const app = await site.start();
    await site.covered(tenantId, 'control');
    const { noteSigner: old } = deployment.keyStore;
    await rotateSigner(deployment);
    await grow(deployment);
    await site.covered(tenantId, 'control');
    await site.stop(app);
    expect((await fsck(site.config, { tenant: null, log: null })).findings).toEqual([]);
    const rows = await site.checkpoints(tenantId, 'control');
    const [first, newest] = [rows[0], rows.at(-1)];
    if (first === undefined || newest === undefined) throw new Error('nothing was signed');
    const verifier = createCheckpointVerifier(deployment);
    const { noteSigner: now } = await site.open().then((d) => d.keyStore);
    const signedBy = (row: typeof first, key: typeof old) => {
      const { size, root } = row;
      const signer = { name: control, publicKey: key.publicKey, sign: (message: Uint8Array) => key.sign(message) };
      return { ...row, note: formatNote(checkpointBody({ origin: control, size, root }), [signer]) };
    };
    expect(await verifier(tenantId, 'control', first)).toBe(true);
    expect(await verifier(tenantId, 'control', newest)).toBe(true);
    // Valid signatures, each by a key of ours, over what really is the log.
    const stolen = signedBy(newest, old);
    expect(signedCheckpoint(stolen.note, control, old.publicKey)?.size).toBe(newest.size);
    expect(await verifier(tenantId, 'control', stolen)).toBe(false);
    expect(await verifier(tenantId, 'control', signedBy(first, now))).toBe(false);
    await site.attack(`update sworn.checkpoint set note = $3 where tenant_id = $1 and log = 'control' and size = $2`, [
      tenantId,
      newest.size,
      stolen.note,
    ]);
    expect((await fsck(site.config, { tenant: null, log: null })).findings).toMatchObject([
      { code: 'CHECKPOINT_INVALID', tenantId, log: 'control', index: newest.size - 1 },
    ]);
    // Hiding one of the two records of its end does not bring the old key back.
    for (const kind of ['SIGNING_KEY_ADDED', 'SIGNING_KEY_RETIRED']) {
      await site.attack(
        `delete from sworn.control_records where tenant_id = $1 and kind = $2 and leaf_index = (select max(leaf_index) from sworn.control_records where tenant_id = $1 and kind = $2)`,
        [tenantId, kind],
      );
      const anew = await site.open();
      expect(await createCheckpointVerifier(anew)(tenantId, 'control', stolen)).toBe(kind !== 'SIGNING_KEY_ADDED');
    }
  });

  it('is believed only of a leaf that the key before signed for, and that Sworn wrote', async () => {
    const app = await site.start();
    await site.covered(tenantId, 'control');
    await site.stop(app);
    await rotateSigner(deployment);
    await site.attack(
      `update sworn.leaf set leaf = convert_to(regexp_replace(convert_from(leaf, 'UTF8'), '"signature":".{4}', '"signature":"AAAA'), 'UTF8') where tenant_id = $1 and kind = 'SIGNING_KEY_ADDED' and leaf_index > 3`,
      [tenantId],
    );
    await site.attack(
      `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where tenant_id = $1 and kind = 'SIGNING_KEY_ADDED'`,
      [tenantId],
    );
    expect(await deployment.signingKeysOf(tenantId, 0)).toHaveLength(1);
  });
});

describe('a key', () => {
  it('that nobody signed for is none, though a leaf of ours names it', async () => {
    const { keyStore, recorder } = deployment;
    const stranger = hex(randomBytes(32));
    await recorder.append(tenantId, [
      ownLeaf({
        topic: 'control',
        origin: control,
        kind: 'SIGNING_KEY_ADDED',
        identity: [stranger],
        occurredAt: '2026-11-25T00:00:00.000000Z',
        fields: {
          public_key: stranger,
          algorithm: 'ed25519',
          from: { control: 1 },
          previous: hex(keyStore.noteSigner.publicKey),
          signature: randomBytes(64).toString('base64'),
        },
        vouchedBy: keyStore.deployment.directory,
        projection: { table: 'control_records', kind: 'SIGNING_KEY_ADDED', subject: stranger },
      }),
    ]);
    const keys = await deployment.signingKeysOf(tenantId, 0);
    expect(keys.map(({ publicKey }) => hex(publicKey))).toEqual([hex(keyStore.noteSigner.publicKey)]);
  });

  it('that is gone leaves what it signs unsigned, and the server not ready, until it is back', async () => {
    await deployment.keyStore.signing.beginRotation();
    const young = await deployment.tenants.create({ name: 'young' });
    renameSync(keyFile('signing.next.key'), join(site.dir, 'next.key'));
    const app = await site.start();
    expect(await site.untilReady(app, 503)).toContain('SIGNING_KEY_MISSING');
    expect(await site.checkpoints(young, 'control')).toEqual([]);
    await site.covered(tenantId, 'control');
    renameSync(join(site.dir, 'next.key'), keyFile('signing.next.key'));
    await site.untilReady(app, 200);
    await site.covered(young, 'control');
  });
});

describe('a rotation that was killed', () => {
  it('after the next key was made, leaves the old tenants theirs, begins new ones with it, and is gone on with', async () => {
    const { outgoing, incoming } = await deployment.keyStore.signing.beginRotation();
    const app = await site.start();
    const young = await deployment.tenants.create({ name: 'young' });
    await site.covered(tenantId, 'control');
    await site.covered(young, 'control');
    const both = [hex(outgoing.publicKey), hex(incoming.publicKey)];
    expect(await signerOf(tenantId, 'control', both)).toBe(both[0]);
    expect(await signerOf(young, 'control', both)).toBe(both[1]);
    await site.covered(deployment.platformTenant, 'control');
    await site.untilReady(app, 200);
    expect(await rotateSigner(deployment)).toEqual({ publicKey: both[1], retired: both[0], tenants: 3 });
    await grow(deployment);
    await site.covered(tenantId, 'control');
    expect(await signerOf(tenantId, 'control', both)).toBe(both[1]);
    await site.untilReady(app, 200);
  });

  it('among the tenants, leaves some with the new key and some with the old, all signed, and is gone on with', async () => {
    const first = await site.start();
    for (const id of [tenantId, deployment.platformTenant]) await site.covered(id, 'control');
    await site.stop(first);
    const before = hex(deployment.keyStore.noteSigner.publicKey);
    const dying: Deployment = {
      ...deployment,
      recorder: {
        ...deployment.recorder,
        append: (id, drafts) =>
          id === tenantId ? Promise.reject(new Error('killed')) : deployment.recorder.append(id, drafts),
      },
    };
    await expect(rotateSigner(dying)).rejects.toThrow('killed');
    const after = hex(deployment.keyStore.noteSigner.publicKey);
    const app = await site.start();
    await grow(deployment);
    await site.covered(tenantId, 'control');
    await site.covered(deployment.platformTenant, 'control');
    expect(await signerOf(tenantId, 'control', [before, after])).toBe(before);
    expect(await signerOf(deployment.platformTenant, 'control', [before, after])).toBe(after);
    await site.untilReady(app, 200);
    expect(await rotateSigner(deployment)).toEqual({ publicKey: after, retired: before, tenants: 2 });
    await grow(deployment);
    await site.covered(tenantId, 'control');
    expect(await signerOf(tenantId, 'control', [before, after])).toBe(after);
    expect(new Set(await verified(deployment, tenantId, 'control'))).toEqual(new Set([true]));
    expect(ofKind(await site.leaves(deployment.platformTenant, 'control'), 'SIGNING_KEY_RETIRED')).toHaveLength(1);
  });

  it('while the files changed places, never leaves the deployment without its key, and no old key for long', async () => {
    await deployment.keyStore.signing.beginRotation();
    const whole = readFileSync(keyFile('signing.key'), 'utf8');
    linkSync(keyFile('signing.key'), keyFile('signing.retired.key'));
    await site.open();
    expect(readFileSync(keyFile('signing.key'), 'utf8')).toBe(whole);
    expect(existsSync(keyFile('signing.retired.key'))).toBe(false);
    const { publicKey } = await rotateSigner(deployment);
    // Killed after the rename: what was the old key is still there under its other name.
    writeFileSync(keyFile('signing.retired.key'), whole, { mode: 0o600 });
    const again = await site.open();
    expect(existsSync(keyFile('signing.retired.key'))).toBe(false);
    expect(hex(again.keyStore.noteSigner.publicKey)).toBe(publicKey);
  });
});

describe('a rotation is refused', () => {
  it('while the signer does not remember, or remembers more than is stored; a key directory from before it, too', async () => {
    copyFileSync(keyFile('signing.key'), join(site.dir, 'old.key'));
    const app = await site.start();
    for (const id of [tenantId, deployment.platformTenant]) await site.covered(id, 'control');
    await site.stop(app);
    const journal = join(site.dir, 'signer', 'journal.ndjson');
    renameSync(journal, join(site.dir, 'journal'));
    await expect(rotateSigner(deployment)).rejects.toThrow('run sworn signer adopt first');
    await adoptSigner(deployment);
    await site.admin(`create table public.kept as select * from sworn.checkpoint where tenant_id = '${tenantId}'`);
    await site.attack(`delete from sworn.checkpoint where tenant_id = $1`, [tenantId]);
    await expect(rotateSigner(deployment)).rejects.toThrow('sworn log recover');
    await site.attack(`insert into sworn.checkpoint select * from public.kept`);
    await rotateSigner(deployment);
    rmSync(keyFile('signing.key'));
    copyFileSync(join(site.dir, 'old.key'), keyFile('signing.key'));
    await expect(site.open()).rejects.toMatchObject({ code: 'wrong_key' });
  });
});
