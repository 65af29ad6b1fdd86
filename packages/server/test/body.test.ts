import { createHash, createHmac, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DataKey, extractKey, openBody, sealBody } from '../src/record/body.js';
import { createDataKeys, type DataKeys, dayScope, traceScope } from '../src/record/dataKeys.js';
import { createDirectory } from '../src/record/directory.js';
import { EPOCH_DAYS, type KeyStore, openKeyStore } from '../src/record/keyStore.js';
import { originOf } from '../src/record/origin.js';

const TENANT = '3f2b8c1e-0d4a-4f6b-9a77-5c1d2e3f4a5b';
const ORIGIN = originOf('sworn-0011223344556677', TENANT, 'llm-runs');
const address = { origin: ORIGIN, eventKey: randomBytes(24), path: 'body' };
const dataKeyOf = (key: Uint8Array): DataKey => ({ id: randomUUID(), prk: extractKey(key) });

describe('a sealed body', () => {
  const key = dataKeyOf(randomBytes(32));

  it('opens to the value it was made of, long or short, and says its size class', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (value) => {
        const sealed = sealBody(key, address, value);
        const opened = openBody(key, address, sealed);
        const read = opened.kind === 'open' ? opened.value : null;
        expect(read !== null && Buffer.from(read).equals(value)).toBe(true);
        expect(sealed.n).toBeGreaterThanOrEqual(Math.max(16, value.length));
        expect(sealed.n & (sealed.n - 1)).toBe(0);
      }),
    );
  });

  it('is smaller where deflating saves a tenth, and says of its length no more than the class', () => {
    expect(sealBody(key, address, Buffer.alloc(4000, 'weather in Berlin ')).body.length).toBeLessThan(400);
    expect(sealBody(key, address, randomBytes(4000)).body.length).toBe(12 + 1 + 4000 + 16);
  });

  it('commits as the specification says, which anyone can compute again', () => {
    const raw = randomBytes(32);
    const value = Buffer.from('the value');
    const sealed = sealBody(dataKeyOf(raw), address, value);
    const info = Buffer.concat([
      Buffer.from(`sworn.salt/1\0${ORIGIN}\0`),
      Buffer.from([24]),
      address.eventKey,
      Buffer.from('body'),
    ]);
    const salt = Buffer.from(hkdfSync('sha256', raw, '', info, 32));
    const pc = createHmac('sha256', salt).update('sworn.commit/1\0body\0').update(value).digest('hex');
    expect(sealed.pc).toBe(pc);
    expect(sealed.ch).toBe(createHash('sha256').update(sealed.body).digest('hex'));
  });

  it('does not open elsewhere: other log generation, record, path or key', () => {
    const sealed = sealBody(key, address, Buffer.from('secret'));
    const elsewhere = [
      { ...address, origin: `${ORIGIN}.2` },
      { ...address, eventKey: randomBytes(24) },
      { ...address, path: 'body2' },
    ];
    for (const other of elsewhere) expect(openBody(key, other, sealed)).toEqual({ kind: 'damaged', check: 'key' });
    expect(openBody(dataKeyOf(randomBytes(32)), address, sealed)).toEqual({ kind: 'damaged', check: 'key' });
  });

  it('is found out when a bit of it, or what the leaf says of it, is changed', () => {
    const sealed = sealBody(key, address, Buffer.from('secret'));
    const bent = sealed.body.map((byte, at) => (at === 15 ? byte ^ 1 : byte));
    expect(openBody(key, address, { ...sealed, body: bent })).toEqual({ kind: 'damaged', check: 'ciphertext' });
    const rehashed = createHash('sha256').update(bent).digest('hex');
    expect(openBody(key, address, { ...sealed, body: bent, ch: rehashed })).toEqual({ kind: 'damaged', check: 'key' });
    expect(openBody(key, address, { ...sealed, pc: '00'.repeat(32) })).toEqual({
      kind: 'damaged',
      check: 'commitment',
    });
  });

  it('does not inflate past the size class of its leaf', () => {
    const sealed = sealBody(key, address, Buffer.alloc(1_000_000));
    expect(openBody(key, address, { ...sealed, n: 1024 })).toEqual({ kind: 'damaged', check: 'key' });
  });
});

describe('data keys', () => {
  let database: TestDatabase;
  let root: string;
  let keyStore: KeyStore;
  let tenantId: string;
  let now: number;

  beforeAll(async () => {
    database = await testDatabase();
    root = await mkdtemp(join(tmpdir(), 'sworn-body-'));
    keyStore = await openKeyStore({ keyDir: join(root, 'keys'), dataDir: join(root, 'data'), now: () => now });
  });
  afterAll(async () => {
    await database.drop();
    await rm(root, { recursive: true });
  });
  beforeEach(async () => {
    now = Date.UTC(2026, 10, 25);
    tenantId = randomUUID();
    await keyStore.createTenant(tenantId);
  });

  const keysFor = (role: 'writer' | 'recorder' | 'reader'): DataKeys =>
    createDataKeys({ db: database.db, keyStore, role, now: () => now });

  /** A superuser's statement, past the triggers. */
  const attack = (statement: string) =>
    database.admin(`begin; set local session_replication_role = replica; ${statement}; commit`);

  it('are one for each trace and day, and the same to every process', async () => {
    const scopes = [
      ...Array.from({ length: 20 }, () => traceScope(randomBytes(16))),
      dayScope('system', null, '2026-11-25'),
      dayScope('system', 'tok_00', '2026-11-25'),
    ];
    const processes = Array.from({ length: 4 }, () => keysFor('writer'));
    const found = await Promise.all(
      processes.map((keys, at) => keys.forScopes(tenantId, at % 2 === 0 ? scopes : scopes.toReversed())),
    );
    for (const keys of found) for (const scope of scopes) expect(keys.get(scope)).toEqual(found[0]?.get(scope));
    expect(new Set([...(found[0]?.values() ?? [])].map((key) => key.id)).size).toBe(scopes.length);
    const [count] = await database.admin<{ count: number }>(
      'select count(*)::int from sworn.data_key where tenant_id = $1',
      [tenantId],
    );
    expect(count?.count).toBe(scopes.length);
  });

  it('asked for by many requests at once are made together, once', async () => {
    const keys = keysFor('writer');
    const scope = traceScope(randomBytes(16));
    const others = Array.from({ length: 50 }, () => traceScope(randomBytes(16)));
    const found = await Promise.all(others.map((other) => keys.forScopes(tenantId, [scope, other])));
    expect(new Set(found.map((each) => each.get(scope)?.id)).size).toBe(1);
  });

  it('are read by their ids, and an erased one is gone at once', async () => {
    const scope = traceScope(randomBytes(16));
    const made = (await keysFor('writer').forScopes(tenantId, [scope])).get(scope);
    const reader = keysFor('reader');
    expect((await reader.open(tenantId, [made?.id ?? ''])).get(made?.id ?? '')).toEqual(made);
    await database.admin('delete from sworn.data_key where tenant_id = $1', [tenantId]);
    expect((await reader.open(tenantId, [made?.id ?? ''])).size).toBe(0);
  });

  it('that were swapped between rows do not open', async () => {
    const scopes = [traceScope(randomBytes(16)), traceScope(randomBytes(16))];
    await keysFor('writer').forScopes(tenantId, scopes);
    await attack(`update sworn.data_key d set wrapped = o.wrapped from sworn.data_key o
      where d.tenant_id = '${tenantId}' and o.tenant_id = d.tenant_id and d.dk <> o.dk`);
    await expect(keysFor('writer').forScopes(tenantId, scopes)).rejects.toMatchObject({ code: 'wrong_key' });
  });

  it('live on when the epoch turns, while an old dump opens no more', async () => {
    const scopes = Array.from({ length: 5 }, () => traceScope(randomBytes(16)));
    const before = await keysFor('writer').forScopes(tenantId, scopes);
    const dump = await database.admin<{ dk: string; epoch: number; wrapped: Uint8Array }>(
      'select dk, epoch, wrapped from sworn.data_key where tenant_id = $1',
      [tenantId],
    );
    await attack(
      `insert into sworn.data_key values ('${tenantId}', '${randomUUID()}', 'planted', ${keyStore.currentEpoch()}, '\\x00', now())`,
    );
    now += EPOCH_DAYS * 86_400_000;
    const first = await keysFor('recorder').rewrapEpoch(tenantId);
    expect(first).toMatchObject({ count: 5 });
    expect(first.lost.length).toBe(1);
    now += 2 * 3_600_000;
    await keysFor('recorder').rewrapEpoch(tenantId);
    expect(await keyStore.epochs(tenantId)).toEqual([keyStore.currentEpoch()]);
    expect(await keysFor('writer').forScopes(tenantId, scopes)).toEqual(before);
    const fresh = await openKeyStore({ keyDir: join(root, 'keys'), dataDir: join(root, 'data'), now: () => now });
    for (const row of dump)
      await expect(fresh.unwrap(tenantId, row.dk, row)).rejects.toMatchObject({ code: 'missing' });
  });

  it('of the directory give a token its person back until the entry is erased', async () => {
    const directory = createDirectory({ db: database.db, dataKeys: keysFor('writer'), role: 'writer' });
    const names = new Map([
      ['tok_aa', 'ada@example.com'],
      ['tok_bb', 'Grüße'],
    ]);
    await directory.enter(tenantId, names);
    await directory.enter(tenantId, names);
    const read = createDirectory({ db: database.db, dataKeys: keysFor('reader'), role: 'reader' });
    expect(await read.look(tenantId, ['tok_aa', 'tok_bb', 'tok_cc'])).toEqual(names);
    const dump = JSON.stringify(
      await database.admin('select token, encode(value, $2) from sworn.directory where tenant_id = $1', [
        tenantId,
        'escape',
      ]),
    );
    expect(dump).not.toContain('ada@');
    await database.admin(
      `delete from sworn.data_key where tenant_id = $1 and dk = (select dk from sworn.directory where tenant_id = $1 and token = 'tok_aa')`,
      [tenantId],
    );
    expect([...(await read.look(tenantId, ['tok_aa', 'tok_bb'])).keys()]).toEqual(['tok_bb']);
  });
});
