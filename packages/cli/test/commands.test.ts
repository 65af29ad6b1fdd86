import { createHash, createPublicKey } from 'node:crypto';
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
    [['leaf']],
    [['tenant', 'create', 'x', '--no-such-option']],
  ])('%j leaves with 2 and says how', async (args) => {
    const said = await home.run(args);
    expect(said.code).toBe(2);
    expect(said.out).toBe('');
    expect(said.err).toMatch(/--help/);
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
    const help = await home.run(['key', 'create', '--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('Examples:');
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

describe('the database', () => {
  test('has a URL for its owner that leads to a socket, and nothing to migrate', async () => {
    const url = new URL((await json('db', 'url', '--superuser')).url.replace('@/', '@socket/'));
    const socket = connect(`${url.searchParams.get('host')}/.s.PGSQL.${url.searchParams.get('port')}`);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.destroy();
    expect(await json('migrate')).toEqual({ applied: [] });
  });

  test('belongs to one server: a second one is told which, and leaves', async () => {
    const said = await home.run(['serve']);
    expect(said.code).toBe(2);
    expect(said.err).toMatch(/in use by the Sworn process with pid \d+/);
  });
});

describe('without a server', () => {
  test('the commands start the database for as long as they need it', async () => {
    expect(await server.stop()).toBe(0);
    expect((await json('tenant', 'list')).map((row: any) => row.name)).toEqual(['platform', 'acme']);
    server = await home.serve();
  });
});
