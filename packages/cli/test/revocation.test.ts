import { randomBytes } from 'node:crypto';
import { testDatabase, type TestDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Home, makeHome, type Serving } from './swornProcess.js';

/** Long enough for a slow machine, and much shorter than a key lives: what is promised is 5 seconds. */
const DEAD_BY_MS = 60_000;

let database: TestDatabase;
let name: string;
let home: Home;
let settings: Record<string, string>;
let servers: Serving[];
let tenant: string;

beforeAll(async () => {
  database = await testDatabase();
  name = `sworn_${database.rolePrefix}_${randomBytes(4).toString('hex')}`;
  await database.admin(`create database ${name}`);
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  settings = { SWORN_DATABASE_URL: url.href, SWORN_DATABASE_ROLE_PREFIX: `${database.rolePrefix}_doors` };
  home = makeHome();
  servers = [await home.serve([], settings), await home.serve([], settings)];
  tenant = (await command('tenant', 'create', 'acme'))['tenant'] ?? '';
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  home.remove();
  await database.admin(`drop database ${name} with (force)`);
  await database.drop();
});

async function command(...args: string[]): Promise<Record<string, string>> {
  const { out, err, code } = await home.run([...args, '--json'], settings);
  expect(code, err).toBe(0);
  return JSON.parse(out) as Record<string, string>;
}

const keyOf = (role: string) => command('key', 'create', '--tenant', tenant, '--role', role);

async function read(server: Serving, key = ''): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${server.http}/api/v1/logs/llm-runs`, { headers })).status;
}

async function send(server: Serving, key = ''): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return (await fetch(`${server.otlpHttp}/v1/traces`, { method: 'POST', headers, body: '{}' })).status;
}

describe('a key that is revoked', () => {
  test.each([
    ['reader', read],
    ['ingest', send],
  ] as const)(
    'by the command is refused by each of two servers that knew it, and no other key is: %s',
    async (role, knock) => {
      const [revoked, other] = [await keyOf(role), await keyOf(role)];
      const answers = (key: string | undefined) => Promise.all(servers.map((server) => knock(server, key)));
      expect(await answers(revoked['key'])).toEqual([200, 200]);
      // Used until it is dead: an answer that each use would make young again were believed for ever.
      await command('key', 'revoke', revoked['key_id'] ?? '', '--tenant', tenant);
      await expect.poll(() => answers(revoked['key']), { timeout: DEAD_BY_MS, interval: 100 }).toEqual([401, 401]);
      expect(await answers(other['key'])).toEqual([200, 200]);
      expect(await answers(revoked['key'])).toEqual([401, 401]);
    },
  );
});
