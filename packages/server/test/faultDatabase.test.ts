import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import {
  auditDatabase,
  type IssuedAccess,
  type Load,
  serverHome,
  type ServerHome,
  type ServerPlace,
  type ServerProcess,
  startLoad,
  testDatabase,
  type TestDatabase,
} from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Longer than an answer may take that only says that there is none. */
const PATIENCE_MS = 5_000;

/** The way to a database, which can be cut. */
interface Way {
  readonly port: number;
  cut(): void;
  mend(): Promise<void>;
}

let database: TestDatabase;
let name: string;
let home: ServerHome;
let way: Way;
let server: ServerProcess;
let place: ServerPlace;
let access: IssuedAccess;
let load: Load;

beforeAll(async () => {
  database = await testDatabase();
  name = `sworn_${database.rolePrefix}_${randomBytes(4).toString('hex')}`;
  await database.admin(`create database ${name}`);
  home = serverHome();
  way = await makeWay();
  const url = new URL(database.url);
  const { user, password } = database.superuser;
  server = home.start({
    SWORN_DATABASE_URL: `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${way.port}/${name}${url.searchParams.has('sslmode') ? url.search : ''}`,
    SWORN_DATABASE_ROLE_PREFIX: `${database.rolePrefix}_away`,
  });
  place = await server.ready;
  if (place.issued === null) throw new Error('the first start issues keys');
  access = place.issued;
  load = startLoad({
    target: () => ({ otlpHttp: place.otlpHttp, ingestKey: access.ingestKey }),
    senders: 3,
    pauseMs: 20,
  });
});
afterAll(async () => {
  way.cut();
  await home.close();
  await database.admin(`drop database if exists ${name} with (force)`);
  await database.drop();
});

async function makeWay(): Promise<Way> {
  const { host, port } = database.address;
  const open = new Set<Socket>();
  let server: Server;
  const listen = (at: number): Promise<void> => {
    server = createServer((from) => {
      const to = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        open.add(one);
        one.on('error', () => undefined).on('close', () => (open.delete(one), other.destroy()));
        one.pipe(other);
      }
    });
    return new Promise((resolve) => server.listen(at, '127.0.0.1', resolve));
  };
  await listen(0);
  const at = (server!.address() as AddressInfo).port;
  return {
    port: at,
    cut() {
      server.close();
      for (const socket of open) socket.destroy();
    },
    mend: () => listen(at),
  };
}

/** Everything that answers from the database: a read, a refusal that is to be recorded, records on their way in. */
const ASKED = {
  'a read': () =>
    ask(`${place.http}/api/v1/logs/llm-runs`, { headers: { authorization: `Bearer ${access.readerKey}` } }),
  'a guessed key': () => ask(`${place.http}/api/v1/logs/llm-runs`, { headers: { authorization: 'Bearer guessed' } }),
  records: () =>
    ask(`${place.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': access.ingestKey },
      body: '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"chat"}]}]}]}',
    }),
};
const ask = (url: string, init: RequestInit): Promise<Response> =>
  fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });

describe('a server whose database is away', () => {
  it('answers 503 and when to come back, says that it is not ready, and lives', async () => {
    await expect.poll(() => load.acknowledged.size, { timeout: 60_000 }).toBeGreaterThan(40);
    way.cut();
    for (const asked of Object.values(ASKED)) {
      const answer = await asked();
      expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
    }
    expect((await ASKED['a read']().then((answer) => answer.json())) as unknown).toMatchObject({ code: 'unavailable' });
    expect((await ask(`${place.http}/readyz`, {})).status).toBe(503);
    expect((await ask(`${place.http}/healthz`, {})).status).toBe(200);
    await expect.poll(() => load.putOff(), { timeout: 60_000 }).toBeGreaterThan(0);
  });

  it('answers again once it is back, without a restart, and has lost nothing that it acknowledged', async () => {
    await way.mend();
    const status = async (asked: () => Promise<Response>) => (await asked()).status;
    await expect.poll(() => status(ASKED['a read']), { timeout: 60_000, interval: 200 }).toBe(200);
    await expect.poll(() => status(ASKED.records), { timeout: 60_000, interval: 200 }).toBe(200);
    expect(await status(ASKED['a guessed key'])).toBe(401);
    await expect
      .poll(() => status(() => ask(`${place.http}/readyz`, {})), { timeout: 60_000, interval: 200 })
      .toBe(200);
    await load.stop();
    const { problems, steps } = await auditDatabase({
      connection: { ...database.superuser, ...database.address, database: name, ssl: database.address.tls !== null },
      deploymentId: place.deploymentId,
      keyDir: home.keyDir,
      signerDir: home.signerDir,
      settled: false,
    });
    expect(problems).toEqual([]);
    expect([...load.acknowledged].filter((key) => !steps.has(`${access.tenantId}/${key}`))).toEqual([]);
    expect(await server.stop()).toBe(0);
  });
});
