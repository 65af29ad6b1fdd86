import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Home, makeHome, type Serving } from './swornProcess.js';

/** What an application writes, in every place that takes a text. */
const PROMPT = `canary-${randomBytes(12).toString('hex')}`;
/** Of the shape of a token of an identity provider. */
const JWT = ['{"alg":"RS256","kid":"canary"}', `{"sub":"${randomBytes(9).toString('hex')}"}`, randomBytes(32)]
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.');
const FORGED_KEY = `swk_${randomBytes(8).toString('hex')}_${randomBytes(24).toString('base64url')}`;
/** Makes the server throw what quotes a prompt, where nothing catches it. */
const CRASHING = `--import "data:text/javascript,process.on('SIGUSR2',()=>JSON.parse(process.env.SWORN_TEST_CANARY))"`;
const REJECTING = `--import "data:text/javascript,process.on('SIGUSR2',()=>void%20Promise.reject(new%20Error(process.env.SWORN_TEST_CANARY)))"`;

let home: Home;
let ingest: string;
let reader: string;
/** Everything that any server of this file has said. */
let said = '';

const serve = (nodeOptions = ''): Promise<Serving> =>
  home.serve([], {
    SWORN_LOG_LEVEL: 'debug',
    SWORN_TEST_CANARY: PROMPT,
    ...(nodeOptions !== '' && { NODE_OPTIONS: nodeOptions }),
  });
const json = async (...args: string[]): Promise<any> => JSON.parse((await home.run([...args, '--json'])).out);

beforeAll(async () => {
  home = makeHome();
  const server = await serve();
  await json('tenant', 'create', 'acme');
  ingest = (await json('key', 'create', '--tenant', 'acme', '--role', 'ingest')).key;
  reader = (await json('key', 'create', '--tenant', 'acme', '--role', 'reader')).key;
  await server.stop();
});
afterAll(() => home.remove());

/** A request of traces in which the prompt stands wherever a text may. */
const traces = () => {
  const attributes = ['gen_ai.prompt', 'user.id', 'gen_ai.conversation.id', PROMPT].map((key) => ({
    key,
    value: { stringValue: PROMPT },
  }));
  const ids = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
  const events = [{ name: PROMPT, attributes }];
  const spans = [
    { ...ids, name: PROMPT, attributes, events, status: { code: 2, message: PROMPT }, traceState: PROMPT },
  ];
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: PROMPT }, spans }] }],
  });
};

const post = (server: Serving, body: string, headers: Record<string, string> = {}): Promise<number | null> =>
  fetch(`${server.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': ingest, ...headers },
    body,
  }).then(
    ({ status }) => status,
    () => null,
  );

/** Sends the canaries wherever a request has a place for them. */
async function plant(server: Serving): Promise<void> {
  const places = [`?run_id=${PROMPT}&nosuch=${PROMPT}`, `/${PROMPT}/trace`, `?cursor=${reader}`, `/%zz${PROMPT}`];
  for (const credential of [reader, ingest, FORGED_KEY, JWT]) {
    for (const place of places) {
      const headers = {
        authorization: `Bearer ${credential}`,
        'user-agent': PROMPT,
        'x-note': JWT,
        'sworn-purpose': PROMPT,
      };
      await fetch(`${server.http}/api/v1/logs/llm-runs${place}`, { headers });
    }
  }
  await fetch(`${server.http}/api/v1/logs/${PROMPT}`, { method: 'POST', body: PROMPT });
  for (const bytes of [`${PROMPT} ${reader}\r\n\r\n`, `GET / HTTP/1.1\r\n${PROMPT}\u0000: ${JWT}\r\n\r\n`])
    await new Promise((resolve) => {
      const socket = connect(Number(new URL(server.http).port), '127.0.0.1', () => socket.write(bytes));
      socket
        .on('error', () => undefined)
        .on('close', resolve)
        .resume();
    });
  expect(await post(server, traces())).toBe(200);
  expect(await post(server, `{"resourceSpans": "${PROMPT}"`)).toBe(400);
  expect(await post(server, PROMPT, { 'content-type': 'application/x-protobuf' })).toBe(400);
  expect(await post(server, PROMPT, { 'content-encoding': 'gzip' })).toBe(400);
  expect(await post(server, traces(), { 'x-api-key': FORGED_KEY })).toBe(401);
}

/** Sends without a pause until it is told to stop; resolves to how much was acknowledged. */
function load(server: Serving): { stop(): Promise<number> } {
  let stopping = false;
  const running = Promise.all(
    Array.from({ length: 4 }, async () => {
      let acknowledged = 0;
      while (!stopping) if ((await post(server, traces())) === 200) acknowledged++;
      return acknowledged;
    }),
  );
  return {
    async stop() {
      stopping = true;
      return (await running).reduce((sum, one) => sum + one, 0);
    },
  };
}

async function superuser<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client((await home.run(['db', 'url', '--superuser'])).out.trim());
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe('a server that is told secrets', () => {
  it('stops under load, its database’s connections having been cut', async () => {
    const server = await serve();
    await plant(server);
    const sending = load(server);
    await sleep(500);
    await superuser((client) =>
      client.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename like 'sworn\\_%'`),
    );
    await sleep(500);
    expect(await server.stop()).toBe(0);
    expect(await sending.stop()).toBeGreaterThan(0);
    said += server.said();
  });

  it.each([
    ['an exception that nobody catches', CRASHING, 'SyntaxError'],
    ['a rejection that nobody handles', REJECTING, 'Error'],
  ])('ends by %s, and says where', async (_what, nodeOptions, name) => {
    const server = await serve(nodeOptions);
    await plant(server);
    process.kill(server.pid, 'SIGUSR2');
    expect(await server.gone).toBe(70);
    expect(server.said()).toMatch(new RegExp(`sworn: a bug: ${name}\\n    at `));
    said += server.said();
  });

  it('ends with its database', async () => {
    const server = await serve();
    const sending = load(server);
    await superuser((client) => client.query('select 1'));
    process.kill(
      Number(readFileSync(join(home.dataDir, 'pgdata', 'postmaster.pid'), 'utf8').split('\n')[0]),
      'SIGQUIT',
    );
    expect(await server.gone).not.toBe(0);
    await sending.stop();
    said += server.said();
  });

  it('has said none of them to anybody', () => {
    // What stands there is what servers of this level say, of these very requests.
    for (const line of ['bytes that are no request', '"msg":"postgres"', 'Sworn is running'])
      expect(said).toContain(line);
    const keys = readdirSync(home.keyDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.key'),
    );
    expect(keys.length).toBeGreaterThan(5);
    const secrets = [
      PROMPT,
      ingest,
      reader,
      FORGED_KEY,
      JWT,
      ...JWT.split('.'),
      readFileSync(join(home.keyDir, 'postgres-superuser'), 'utf8').trim(),
      ...keys.map((name) => readFileSync(join(home.keyDir, name), 'utf8').trim().split(' ').at(-1) ?? ''),
    ];
    const forms = secrets.flatMap((secret) => {
      const bytes = /^[0-9a-f]{64}$/.test(secret) ? Buffer.from(secret, 'hex') : Buffer.from(secret);
      return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
    });
    expect(said.split('\n').filter((line) => forms.some((form) => line.includes(form)))).toEqual([]);
    expect(secrets.every((secret) => secret.length >= 20)).toBe(true);
  });
});
