import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatNote, vkeyOf } from '@sworn/evidence';
import { buildTlogread, missingForGo } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildHouse, type House } from './facadeHouse.js';
import { ask, attack, grow, type LoggedTenant, storedLeaves, tenantWithLogs } from './tlogHouse.js';

const missing = missingForGo();

let dir: string;
let program: string;
let house: House;
let tenant: LoggedTenant;
/** Checkpoint of a size within the first tile. */
let older: string;

beforeAll(async () => {
  if (missing !== null) return;
  dir = mkdtempSync(join(tmpdir(), 'sworn-tlogread-'));
  program = buildTlogread(dir);
  house = await buildHouse();
  tenant = await tenantWithLogs(house, 40);
  older = (await ask(house, `${tenant.prefix}checkpoint`, tenant.auditor)).bytes.toString('utf8');
  writeFileSync(join(dir, 'older'), older);
  for (let i = 0; i < 3; i++) await grow(house, tenant.id, 200);
}, 300_000);
afterAll(async () => {
  if (missing !== null) return;
  await house.close();
  rmSync(dir, { recursive: true });
});
beforeEach((context) => context.skip(missing !== null, missing ?? ''));
if (missing !== null) process.stderr.write(`Go reads no log in this run: it ${missing}\n`);

/** What the reader says of a log: its exit code, and what it wrote. */
function tlogread(
  prefix: string,
  { key = tenant.auditor, log = 'llm-runs', of = tenant.id, args = [] as string[] } = {},
): Promise<{ code: number; said: string }> {
  const vkey = vkeyOf(house.read.originOf(of, log), house.keyStore.noteSigner.publicKey);
  return new Promise((resolve) => {
    execFile(
      program,
      ['-prefix', prefix.replace(/\/$/, ''), '-vkey', vkey, ...args],
      { env: { SWORN_KEY: key } },
      (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stdout + stderr }),
    );
  });
}

describe('Go’s sumdb/note and sumdb/tlog', () => {
  it('prove every record, and that the log continues an older checkpoint', async () => {
    const args = ['-old', join(dir, 'older'), '-leaves', join(dir, 'leaves')];
    const { code, said } = await tlogread(house.url + tenant.prefix, { args });
    const leaves = await storedLeaves(house, tenant.id);
    expect(leaves.length).toBeGreaterThan(2 * 256);
    expect({ code, said }).toEqual({ code: 0, said: `${leaves.length} records proven\n` });
    expect(readFileSync(join(dir, 'leaves'), 'utf8')).toBe(
      leaves.map(({ hash }) => `${hash.toString('hex')}\n`).join(''),
    );
  });

  it.each(['control', 'access'])('prove the log %s, too', async (log) => {
    await house.sign(tenant.id);
    expect(await tlogread(`${house.url}/tlog/${tenant.id}/${log}`, { log })).toMatchObject({ code: 0 });
  });

  it('prove a log of exactly one tile, and of one record more', async () => {
    const short = await tenantWithLogs(house, 256);
    const of = { of: short.id, key: short.auditor };
    const size = (await storedLeaves(house, short.id)).length;
    expect(size).toBe(256);
    expect(await tlogread(house.url + short.prefix, of)).toEqual({ code: 0, said: '256 records proven\n' });
    await grow(house, short.id, 1);
    expect(await tlogread(house.url + short.prefix, of)).toEqual({ code: 0, said: '257 records proven\n' });
  });

  it('get nothing with a reader’s key', async () => {
    const { code, said } = await tlogread(house.url + tenant.prefix, { key: tenant.reader });
    expect(code).toBe(1);
    expect(said).toContain('permission_denied');
  });

  it('refuse the key of another log', async () => {
    const { code, said } = await tlogread(house.url + tenant.prefix, { log: 'audit' });
    expect(code).toBe(1);
    expect(said).toContain('the checkpoint');
  });

  it.each([
    ['the checkpoint', /\/checkpoint$/, 'checkpoint'],
    ['a full tile', /\/tile\/0\/000$/, 'tile'],
    ['an unfinished tile', /\/tile\/0\/\d{3}\.p\/\d+$/, 'tile'],
    ['a tile of the level above', /\/tile\/1\/000\.p\/\d+$/, 'tile'],
    ['a record', /\/tile\/entries\/001$/, 'record'],
    ['a record of the unfinished tile', /\/tile\/entries\/\d{3}\.p\/\d+$/, 'record'],
  ])('refuse %s of which one bit was turned on the way', async (_, path, named) => {
    const { prefix, close } = await turningOneBit(path);
    try {
      const { code, said } = await tlogread(prefix);
      expect(code).toBe(1);
      expect(said).toContain(named);
    } finally {
      await close();
    }
  });

  it('refuse an older checkpoint that the log does not continue', async () => {
    const other = await tenantWithLogs(house, 40);
    // Signed by the same key under the name of this log, of a tree that this log never had.
    const root = (await ask(house, `${other.prefix}checkpoint`, other.auditor)).bytes.toString('utf8').split('\n')[2];
    const [origin, size] = older.split('\n');
    writeFileSync(join(dir, 'fork'), formatNote(`${origin}\n${size}\n${root}\n`, [noteSigner(origin ?? '')]));
    const { code, said } = await tlogread(house.url + tenant.prefix, { args: ['-old', join(dir, 'fork')] });
    expect(code).toBe(1);
    expect(said).toMatch(/from \d+ to \d+/);
  });

  it('get no further than our own refusal when the database was changed', async () => {
    const damaged = await tenantWithLogs(house, 300);
    await attack(
      house,
      `update sworn.tile set hashes = set_byte(hashes, 99, 255 - get_byte(hashes, 99)) where tenant_id = $1 and log = 'llm-runs'`,
      [damaged.id],
    );
    const { code, said } = await tlogread(house.url + damaged.prefix, { of: damaged.id, key: damaged.auditor });
    expect(code).toBe(1);
    expect(said).toContain('NOT_UNDER_CHECKPOINT');
  });
});

function noteSigner(name: string) {
  const { publicKey, sign } = house.keyStore.noteSigner;
  return { name, publicKey, sign };
}

/** A server in front of the house that turns one bit in answers of these paths: of the last hash or leaf, or in the middle of a checkpoint. */
async function turningOneBit(path: RegExp): Promise<{ prefix: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    void ask(house, request.url ?? '', tenant.auditor).then(({ status, bytes }) => {
      if (path.test(request.url ?? '')) {
        const at = path.test('/checkpoint') ? Math.floor(bytes.length / 2) : bytes.length - 1;
        bytes[at] = (bytes[at] as number) ^ 1;
      }
      response.writeHead(status).end(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    prefix: `http://127.0.0.1:${port}${tenant.prefix}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
