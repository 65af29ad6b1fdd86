import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  auditDatabase,
  type IssuedAccess,
  type Load,
  openWay,
  serverHome,
  type ServerHome,
  type ServerPlace,
  type ServerProcess,
  startLoad,
  testDatabase,
  type TestDatabase,
  type Way,
} from '@sworn/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Longer than an answer may take that only says that there is none: nobody is to wait for a database that is known to be away. */
const PATIENCE_MS = 5_000;
/** The same where that is found out by waiting (docs/operate/hardening.md). */
const LONG_PATIENCE_MS = 60_000;

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
  way = await openWay(database.address);
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

/** Everything that answers from the database: a read, a refusal that is to be recorded, records on their way in. */
const guesses = ['llm-runs', 'system', 'system/audit', 'audit', 'audit/access', 'audit/exports', 'audit/identity'];
const ASKED = {
  'a read': () =>
    ask(`${place.http}/api/v1/logs/llm-runs`, { headers: { authorization: `Bearer ${access.readerKey}` } }),
  // Another endpoint each time: alike refusals are folded, and one that is only counted needs no database.
  'a guessed key': () =>
    ask(`${place.http}/api/v1/logs/${guesses.shift()}`, { headers: { authorization: 'Bearer guessed' } }),
  records: () =>
    ask(`${place.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': access.ingestKey },
      body: '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"chat"}]}]}]}',
    }),
};
let patienceMs = PATIENCE_MS;
const ask = (url: string, init: RequestInit): Promise<Response> =>
  fetch(url, { ...init, signal: AbortSignal.timeout(patienceMs) });
const probe = async (path: string): Promise<number> => (await ask(`${place.http}${path}`, {})).status;
const hasMore = async (): Promise<void> => {
  const before = load.acknowledged.size;
  await expect.poll(() => load.acknowledged.size, { timeout: 60_000 }).toBeGreaterThan(before + 40);
};
const answersAgain = async (): Promise<void> => {
  const status = async (asked: () => Promise<Response>) => (await asked()).status;
  await expect.poll(() => status(ASKED['a read']), { timeout: 60_000, interval: 200 }).toBe(200);
  await expect.poll(() => status(ASKED.records), { timeout: 60_000, interval: 200 }).toBe(200);
  expect(await status(ASKED['a guessed key'])).toBe(401);
  await expect.poll(() => probe('/readyz'), { timeout: 60_000, interval: 200 }).toBe(200);
};

describe('a server whose readers all wait', () => {
  it('puts further ones off, and takes records all the while', async () => {
    await hasMore();
    patienceMs = LONG_PATIENCE_MS;
    const holder = new pg.Client({
      ...database.superuser,
      ...database.address,
      database: name,
      ssl: database.address.tls !== null,
    });
    await holder.connect();
    try {
      // What every list of runs reads and no sender of spans writes.
      await holder.query('set idle_in_transaction_session_timeout = 0');
      await holder.query('begin; lock table sworn.checkpoint in access exclusive mode');
      const putOff = load.putOff();
      const reads: Promise<Response>[] = [];
      // There is always one that has waited longer than whoever sends, who is asked for his key again every five seconds.
      while (reads.length < 240) {
        reads.push(ASKED['a read']());
        await sleep(50);
      }
      await hasMore();
      expect(await probe('/healthz')).toBe(200);
      for (const answer of await Promise.all(reads))
        expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
      expect(load.putOff()).toBe(putOff);
    } finally {
      await holder.end();
    }
    await answersAgain();
  });
});

describe('a server whose database takes what it is asked and says nothing', () => {
  it('answers 503 and when to come back, says that it is not ready, and lives', async () => {
    await hasMore();
    const putOff = load.putOff();
    way.freeze();
    const answers = await Promise.all(Object.values(ASKED).map((asked) => asked()));
    for (const answer of answers)
      expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
    expect(await probe('/readyz')).toBe(503);
    expect(await probe('/healthz')).toBe(200);
    await expect.poll(() => load.putOff(), { timeout: 60_000 }).toBeGreaterThan(putOff);
  });

  it('answers again once it speaks, without a restart', async () => {
    way.thaw();
    await answersAgain();
    await hasMore();
    patienceMs = PATIENCE_MS;
  });
});

describe('a server whose database is away', () => {
  it('answers 503 and when to come back, says that it is not ready, and lives', async () => {
    await hasMore();
    const putOff = load.putOff();
    way.cut();
    for (const asked of Object.values(ASKED)) {
      const answer = await asked();
      expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
    }
    expect((await ASKED['a read']().then((answer) => answer.json())) as unknown).toMatchObject({ code: 'unavailable' });
    expect(await probe('/readyz')).toBe(503);
    expect(await probe('/healthz')).toBe(200);
    await expect.poll(() => load.putOff(), { timeout: 60_000 }).toBeGreaterThan(putOff);
  });

  it('answers again once it is back, without a restart, and has lost nothing that it acknowledged', async () => {
    await way.mend();
    await answersAgain();
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
