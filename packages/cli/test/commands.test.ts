import { createHash, createPublicKey } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from './swornProcess.js';

let home: Home;
let server: Serving;
let tenant: string;

const json = async (...args: string[]): Promise<any> => JSON.parse((await home.run([...args, '--json'])).out);
const get = (path: string, key: string) =>
  fetch(`${server.http}${path}`, { headers: { authorization: `Bearer ${key}` } });

beforeAll(async () => {
  home = makeHome();
  server = await home.serve();
  tenant = (await json('tenant', 'create', 'acme')).tenant;
});

afterAll(async () => {
  await server.stop();
  home.remove();
});

describe('a command line that cannot be meant', () => {
  test.each([
    [['nosuch']],
    [['key', 'create', '--role', 'king']],
    [['key', 'create', '--role', 'ingest', '--scope', 'wat']],
    [['key', 'create', '--role', 'reader', '--scope', 'ingest:assert']],
    [['key', 'create', '--role', 'auditor', '--service', 'checkout']],
    [['key', 'create', '--role', 'ingest', '--topic', 'AUDIT']],
    [['key', 'create', '--role', 'auditor', '--topic', 'audit']],
    [['key', 'create', '--role', 'auditor', '--from', 'yesterday']],
    [['key', 'create', '--role', 'auditor', '--from', '2026-10-01', '--before', '2026-07-01']],
    [['key', 'create', '--role', 'auditor', '--payloads', 'some']],
    [['leaf']],
    [['log', 'recover', '--all']],
    [['log', 'recover', '--reason', 'x', '--approver', 'y']],
    [['log', 'recover', '--all', '--log', 'audit', '--reason', 'x', '--approver', 'y']],
    [['tenant', 'create', 'x', '--no-such-option']],
    [['tenant', 'quota', '--bytes-a-day', '2 GiB']],
    [['tenant', 'quota', '--keys', '-1']],
  ])('%j leaves with 2 and says how', async (args) => {
    const said = await home.run(args);
    expect(said.code).toBe(2);
    expect(said.out).toBe('');
    expect(said.err).toMatch(/--help/);
  });

  test('names the option that does not fit', async () => {
    const wrongScope = await home.run(['key', 'create', '--role', 'ingest', '--scope', 'wat']);
    expect(wrongScope.err).toMatch(/--scope.*wat.*ingest:assert/);
    const wrongRole = await home.run(['key', 'create', '--role', 'reader', '--service', 'checkout']);
    expect(wrongRole.err).toMatch(/--service is for --role ingest/);
  });

  test('names every wrong setting at once', async () => {
    const said = await home.run(['tenant', 'list'], {
      SWORN_HTTP_PORT: 'x',
      SWORN_NO_SUCH: '1',
      SWORN_HOST: '0.0.0.0',
    });
    expect(said.code).toBe(2);
    for (const name of ['SWORN_HTTP_PORT', 'SWORN_NO_SUCH', 'SWORN_HOST']) expect(said.err).toContain(name);
  });

  test('help gives examples and the exit codes', async () => {
    expect((await home.run(['--help'])).out).toContain('Exit codes:');
    for (const path of [
      '',
      'tenant',
      'key',
      'key create',
      'db',
      'log',
      'log recover',
      'signer',
      'signer rotate',
      'clock',
      'demo',
      'watch',
      'version',
    ]) {
      const help = await home.run([...path.split(' ').filter(Boolean), '--help']);
      expect([path, help.code]).toEqual([path, 0]);
      expect(help.out, path).toMatch(/Examples?:\n/);
    }
  });
});

describe('a key for less than its role', () => {
  test('is listed with what it is for, and is held to it', async () => {
    const range = ['--from', '2026-07-01', '--before', '2026-10-01T12:00:00+02:00'];
    const { key, key_id: id } = await json(
      'key',
      'create',
      '--role',
      'auditor',
      '--topic',
      'AUDIT',
      ...range,
      '--payloads',
      'hashes',
    );
    const listed = (await json('key', 'list')).find((one: { key_id: string }) => one.key_id === id);
    expect(listed).toMatchObject({
      topics: ['AUDIT'],
      occurred_from: '2026-07-01T00:00:00.000000Z',
      occurred_before: '2026-10-01T10:00:00.000000Z',
      payloads: 'hashes',
    });
    const shown = (await home.run(['key', 'list'])).out.split('\n').find((line) => line.startsWith(id));
    expect(shown).toContain('2026-07-01T00:00:00..2026-10-01T10:00:00 payloads hashes');
    await expect(get('/api/v1/logs/llm-runs', key)).resolves.toMatchObject({ status: 403 });
    const answer = await get('/api/v1/logs/audit', key);
    expect(await answer.json()).toMatchObject({ items: [], filters_applied: { occurred_after: listed.occurred_from } });
  });
});

describe('a data directory that holds no deployment', () => {
  test('is named by a command that reads, which makes nothing', async () => {
    const mistyped = `${home.dataDir}.mistyped`;
    for (const args of [['tenant', 'list'], ['key', 'list'], ['db', 'url'], ['demo']]) {
      const said = await home.run(args, { SWORN_DATA_DIR: mistyped, SWORN_HTTP_PORT: new URL(server.http).port });
      expect([said.code, said.out]).toEqual([2, '']);
      expect(said.err).toContain(`no Sworn data in ${mistyped}: is SWORN_DATA_DIR right?`);
    }
    expect(existsSync(mistyped)).toBe(false);
  });

  test("is not made with another deployment's keys either", async () => {
    const mistyped = `${home.dataDir}.mistyped`;
    const said = await home.run(['serve'], { SWORN_DATA_DIR: mistyped });
    expect(said.code).toBe(2);
    expect(said.err).toMatch(/the keys in \S+ belong to deployment sworn-\w+/);
    expect(existsSync(mistyped)).toBe(false);
  });
});

describe('keys, made beside a running server', () => {
  test('open what their role allows at once, and nothing after they are revoked', async () => {
    const reader = await json('key', 'create', '--tenant', 'acme', '--role', 'reader', '--expires', '1h');
    expect(reader).toMatchObject({ tenant, role: 'reader' });
    expect((await get('/api/v1/logs/llm-runs', reader.key)).status).toBe(200);
    expect((await home.run(['key', 'revoke', reader.key_id, '--tenant', tenant])).code).toBe(0);
    await eventually(async () => ((await get('/api/v1/logs/llm-runs', reader.key)).status === 401 ? true : null));
    const listed = (await json('key', 'list')).find((key: any) => key.key_id === reader.key_id);
    expect(listed.state).toBe('revoked');
  });

  test('show a label that would move the cursor as what it is', async () => {
    await home.run(['key', 'create', '--role', 'reader', '--label', 'a\u001b[2J\u202eb']);
    const { out } = await home.run(['key', 'list']);
    expect(out).toContain('a\\u{1b}[2J\\u{202e}b');
    expect(out).not.toContain('\u001b');
  });

  test('that are not there cannot be revoked: the answer is no', async () => {
    const said = await home.run(['key', 'revoke', 'nosuch']);
    expect([said.code, said.out]).toEqual([1, '']);
  });
});

describe('the leaf of a record', () => {
  test('is written byte for byte: with a zero before it, it hashes to the checksum that the API shows', async () => {
    const { key: ingest } = await json('key', 'create', '--role', 'ingest');
    const { key: reader } = await json('key', 'create', '--role', 'reader');
    const now = BigInt(Date.now()) * 1_000_000n;
    const span = {
      traceId: 'ab'.repeat(16),
      spanId: 'cd'.repeat(8),
      name: 'chat',
      kind: 3,
      startTimeUnixNano: `${now}`,
      endTimeUnixNano: `${now}`,
    };
    const sent = await fetch(`${server.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${ingest}` },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
    });
    expect(sent.status).toBe(200);
    const item = await eventually(
      async () => (await (await get('/api/v1/logs/llm-runs', reader)).json()).items[0] ?? null,
    );
    const { bytes, code } = await home.run(['leaf', item.id, '--tenant', tenant]);
    expect(code).toBe(0);
    expect(`sha256:${createHash('sha256').update('\0').update(bytes).digest('hex')}`).toBe(item.metadata.checksum);
  });

  test('that is not there is a no, and nothing is written', async () => {
    const said = await home.run(['leaf', '00000001-0100-8000-8000-0000000fffff', '--tenant', tenant]);
    expect([said.code, said.out]).toEqual([1, '']);
  });
});

describe('a start', () => {
  test.each(['RBAC_FILE', 'OIDC_FILE', 'REDACTION_FILE', 'PRODUCERS_FILE', 'TELEMETRY_FILE', 'MAPPING_DIR'])(
    'is refused by SWORN_%s that cannot be used, before anything is made',
    async (name) => {
      const place = mkdtempSync('/tmp/sworn-rules-');
      const named = name === 'MAPPING_DIR' ? place : `${place}/own.yaml`;
      writeFileSync(`${place}/own.yaml`, 'version: 1\nno_such: 1\n');
      const said = await home.run(['serve'], { [`SWORN_${name}`]: named, SWORN_DATA_DIR: `${place}/data` });
      expect([said.code, said.out]).toEqual([2, '']);
      expect(said.err).toContain(`(SWORN_${name}) cannot be used:\n  - ${place}/own.yaml:`);
      expect(said.err).toMatch(/own\.yaml:2: no_such: is no /);
      expect(existsSync(`${place}/data`)).toBe(false);
      rmSync(place, { recursive: true });
    },
  );
});

describe('a changed mapping', () => {
  test('is told of in a dry run, then brings the sealed runs up to it, once; one that cannot be used says where', async () => {
    const { key: reader } = await json('key', 'create', '--role', 'reader');
    await eventually(async () => {
      const [run] = (await (await get('/api/v1/logs/llm-runs', reader)).json()).items;
      return run?.execution_status === 'SUCCEEDED' ? true : null;
    });
    const dir = mkdtempSync('/tmp/sworn-mapping-');
    cpSync(new URL('../../../config/mapping', import.meta.url), dir, { recursive: true });
    const env = { SWORN_MAPPING_DIR: dir };
    writeFileSync(`${dir}/mapping.yaml`, 'version: 99\n');
    const dry = await home.run(['remap', '--tenant', tenant, '--dry-run'], env);
    expect([dry.code, dry.out]).toEqual([0, '1 runs would be mapped again\n']);
    const done = await home.run(['remap', '--tenant', tenant, '--json'], env);
    expect(JSON.parse(done.out)).toEqual({ remapped: 1, dry_run: false, changed: {}, left: [] });
    expect((await home.run(['remap', '--tenant', tenant], env)).out).toBe('0 runs were mapped again\n');
    writeFileSync(`${dir}/mapping.yaml`, 'version: none\n');
    const refused = await home.run(['remap', '--tenant', tenant], env);
    expect([refused.code, refused.out]).toEqual([2, '']);
    expect(refused.err).toContain(`${dir}/mapping.yaml:1: version: must be a whole number from 1`);
    rmSync(dir, { recursive: true });
  });
});

describe('the keys of the logs', () => {
  test('are one vkey a log, named by the origin, and one PEM that openssl reads', async () => {
    const lines = (await home.run(['log', 'key'])).out.trim().split('\n');
    expect(lines.map((line) => /\/([a-z-]+)\+[0-9a-f]{8}\+/.exec(line)?.[1])).toEqual([
      'llm-runs',
      'system',
      'audit',
      'access',
      'control',
    ]);
    expect(lines.every((line) => line.includes(`/${tenant}/`))).toBe(true);
    const pem = (await home.run(['log', 'key', '--pem'])).out;
    expect(createPublicKey(pem).asymmetricKeyType).toBe('ed25519');
  });
});

describe('the keys and logs of the signer, beside a running server', () => {
  test('rotate: both keys are printed with their sizes, and the newest one as PEM', async () => {
    const before = await home.run(['log', 'key', '--tenant', 'acme', '--pem']);
    const rotated = await json('signer', 'rotate');
    expect(rotated.tenants).toBe(2);
    const keys = (await json('log', 'key', '--tenant', 'acme')).filter((key: any) => key.origin.endsWith('/control'));
    expect(keys.map((key: any) => key.last_size === null)).toEqual([false, true]);
    expect([keys[0].from_size, keys[1].from_size]).toEqual([0, keys[0].last_size + 1]);
    expect([keys[0].pem, keys[0].pem === keys[1].pem]).toEqual([before.out, false]);
    expect((await home.run(['log', 'key', '--tenant', 'acme', '--pem'])).out).toBe(keys[1].pem);
    const printed = await home.run(['log', 'key', '--tenant', 'acme']);
    expect(printed.out.split('\n')).toEqual(expect.arrayContaining(keys.map((key: any) => key.vkey)));
    expect(printed.err).toContain(`sizes from ${keys[1].from_size}`);
    await home.run(['key', 'create', '--role', 'reader']);
    await eventually(async () => ((await fetch(`${server.http}/readyz`)).status === 200 ? true : null));
  });

  test('are not recovered where nothing is wrong: the answer is no', async () => {
    const said = await home.run(['log', 'recover', '--all', '--reason', 'none', '--approver', 'Ada Lovelace']);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err).toContain('nothing is wrong with any log');
  });
});

describe('a log of the server, watched by a stranger', () => {
  test('is proven to continue as it grows, with an auditor’s key and the pinned keys; a reader’s key is refused', async () => {
    const dir = mkdtempSync('/tmp/sworn-watch-');
    writeFileSync(`${dir}/keys.txt`, (await home.run(['log', 'key', '--tenant', tenant])).out);
    const watch = (log: string, token: string) => {
      const args = [
        'watch',
        `${server.http}/tlog/${tenant}/${log}`,
        '--key',
        `${dir}/keys.txt`,
        '--state',
        dir,
        '--once',
      ];
      return home.run(args, { SWORN_WATCH_TOKEN: token });
    };
    const { key: auditor } = await json('key', 'create', '--tenant', tenant, '--role', 'auditor');
    for (const log of ['control', 'access']) {
      const first = await watch(log, auditor);
      expect([first.code, first.out]).toEqual([0, expect.stringContaining('there was nothing to compare with')]);
      // `access` grows by being read.
      await json('key', 'create', '--tenant', tenant, '--role', 'reader');
      await eventually(async () => ((await watch(log, auditor)).out.includes('proven to continue') ? true : null));
    }
    const { key: reader } = await json('key', 'create', '--tenant', tenant, '--role', 'reader');
    const refused = await watch('control', reader);
    expect([refused.code, refused.out]).toEqual([2, expect.stringContaining('answered 403')]);
    rmSync(dir, { recursive: true });
  });
});

describe('the database', () => {
  test('has a URL for its owner that leads to a socket, and nothing to migrate', async () => {
    const url = new URL((await json('db', 'url', '--superuser')).url.replace('@/', '@socket/'));
    const socket = connect(`${url.searchParams.get('host')}/.s.PGSQL.${url.searchParams.get('port')}`);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.destroy();
    expect(await json('migrate')).toEqual({ applied: [] });
    const reading = new URL((await json('db', 'url')).url.replace('@/', '@socket/'));
    expect(reading.searchParams.get('options')).toBe('-csearch_path=sworn');
  });

  test('belongs to one server: a second one is told which, and leaves', async () => {
    const said = await home.run(['serve']);
    expect(said.code).toBe(2);
    expect(said.err).toMatch(/in use by the Sworn process with pid \d+.*SWORN_DATA_DIR/);
    expect(said.err).toContain(home.dataDir);
  });

  test('is looked for before npm start installs or compiles anything under a running server', async () => {
    const said = await home.npmStart();
    expect(said.code).toBe(2);
    expect(said.err).toMatch(/^sworn: the data directory \S+ is in use by the Sworn process with pid \d+.*\n$/);
  });
});

describe('a tenant', () => {
  test('of a name that is taken is not made: every --tenant of that name would be ambiguous', async () => {
    const said = await home.run(['tenant', 'create', ' acme ']);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err).toContain(`there is a tenant called acme already: ${tenant}`);
    expect((await json('tenant', 'list')).filter((row: any) => row.name === 'acme')).toHaveLength(1);
  });

  test('that has to be named and is not is wrong usage; one that is not there is a no', async () => {
    const other = (await json('tenant', 'create', 'other')).tenant;
    const unnamed = await home.run(['key', 'list']);
    expect([unnamed.code, unnamed.out]).toEqual([2, '']);
    for (const known of [tenant, other]) expect(unnamed.err).toContain(known);
    expect((await home.run(['key', 'list', '--tenant', 'nosuch'])).code).toBe(1);
  });
});

describe('a reader of the output that leaves', () => {
  test('ends nothing: no stack, and the command does what it was asked', async () => {
    const said = await home.runUnread(['tenant', 'create', 'unread']);
    expect([said.code, said.err]).toEqual([0, '']);
    expect((await json('tenant', 'list')).map((row: any) => row.name)).toContain('unread');
  });
});

describe('without a server', () => {
  test('the commands start the database for as long as they need it', async () => {
    expect(await server.stop()).toBe(0);
    expect((await json('tenant', 'list')).map((row: any) => row.name)).toEqual(['platform', 'acme', 'other', 'unread']);
    // No renewal of keys for a server that nobody could ask.
    const demo = await home.run(['demo'], { SWORN_HTTP_PORT: new URL(server.http).port });
    expect([demo.code, demo.out]).toEqual([2, '']);
    expect(demo.err).toContain(`no server answers at ${server.http} (ECONNREFUSED)`);
    server = await home.serve();
  });
});

describe('what a tenant may use', () => {
  test('is shown, said anew in part, held to, and taken back', async () => {
    const { tenant: id } = await json('tenant', 'create', 'measured');
    const quota = (...args: string[]) => json('tenant', 'quota', '--tenant', id, ...args);
    const before = await quota();
    expect(before).toEqual({
      tenant: id,
      bytes_a_day: { quota: null, used: 0 },
      open_runs: { quota: 100_000, used: 0 },
      keys: { quota: 1_000, used: 0 },
    });
    const said = await quota('--bytes-a-day', '2GiB', '--keys', '1');
    expect(said).toEqual({
      ...before,
      bytes_a_day: { quota: 2_147_483_648, used: 0 },
      keys: { quota: 1, used: 0 },
    });
    const create = () => home.run(['key', 'create', '--tenant', id, '--role', 'reader']);
    expect((await create()).code).toBe(0);
    const refused = await create();
    expect([refused.code === 0, refused.out]).toEqual([false, '']);
    expect(refused.err).toMatch(/1 living keys and may have 1: revoke one/);
    expect((await quota('--keys', 'none')).keys).toEqual({ quota: null, used: 1 });
    expect((await create()).code).toBe(0);
    expect((await home.run(['tenant', 'quota', '--tenant', id])).out).toMatch(/bytes_a_day +2147483648 +0\n/);
  });
});
