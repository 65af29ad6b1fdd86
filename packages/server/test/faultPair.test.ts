import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** Looks until both must have become quiet, a quarter of a second apart; a dead holder's lease takes ten seconds of it. */
const QUIET_LOOKS = 120;
/** Longer than PostgreSQL leaves a lock with a transaction that idles. */
const SLEEP_MS = 6_000;

let database: TestDatabase;
let name: string;
let home: ServerHome;
let load: Load;
let access: IssuedAccess;
const servers: ServerProcess[] = [];
const places: (ServerPlace | null)[] = [null, null];
const said: string[] = [];

beforeAll(async () => {
  database = await testDatabase();
  // The run's prefix, so that whatever is left goes with the run.
  name = `sworn_${database.rolePrefix}_${randomBytes(4).toString('hex')}`;
  await database.admin(`create database ${name}`);
  home = serverHome();
});
afterAll(async () => {
  await home.close();
  await database.admin(`drop database ${name} with (force)`);
  await database.drop();
});

function start(which: 0 | 1, env: Readonly<Record<string, string>>): ServerProcess {
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  const server = home.start({
    SWORN_DATABASE_URL: url.href,
    SWORN_DATABASE_ROLE_PREFIX: `${database.rolePrefix}_pair`,
    SWORN_SEAL_GRACE_MS: '200',
    SWORN_SEAL_IDLE_MS: '600',
    ...env,
  });
  servers[which] = server;
  return server;
}

async function audit(settled: boolean) {
  const acknowledged = [...load.acknowledged];
  const deploymentId = places.find((place) => place !== null)?.deploymentId ?? '';
  const found = await auditDatabase({
    connection: { ...database.superuser, ...database.address, database: name, ssl: database.address.tls !== null },
    deploymentId,
    keyDir: home.keyDir,
    signerDir: home.signerDir,
    settled,
  });
  const lost = acknowledged.filter((key) => !found.steps.has(`${access.tenantId}/${key}`));
  return { ...found, lost };
}

describe('two servers on one database', () => {
  it('may both make it, at once', async () => {
    const both = [start(0, {}), start(1, { SWORN_TEST_TENANT: 'somebody else’s care' })];
    for (const [i, server] of both.entries()) places[i] = await server.ready;
    expect(places[0]?.deploymentId).toBe(places[1]?.deploymentId);
    const issued = places[0]?.issued;
    if (issued == null) throw new Error('the first server issues keys');
    access = issued;
  });

  it('neither fork nor deadlock while one after the other is killed', async () => {
    load = startLoad({
      // As behind a balancer: what one did not acknowledge may go to the other.
      target: () => {
        const place = places[Math.random() < 0.5 ? 0 : 1];
        return place == null ? null : { otlpHttp: place.otlpHttp, ingestKey: access.ingestKey };
      },
      senders: 6,
      pauseMs: 30,
    });
    for (let kill = 0; kill < 6; kill++) {
      await sleep(Math.random() * 900);
      const which = kill % 2 === 0 ? 0 : 1;
      const server = servers[which] as ServerProcess;
      await server.kill();
      places[which] = null;
      said.push(...server.said);
      await sleep(Math.random() * 400);
      places[which] = await start(which, { SWORN_TEST_TENANT: access.tenantId }).ready;
      const { problems, lost } = await audit(false);
      expect(problems).toEqual([]);
      expect(lost).toEqual([]);
    }
    expect(load.cut()).toBeGreaterThan(0);
  });

  it('do not wait for ever for one that sleeps, whatever it holds, and whatever it does when it wakes', async () => {
    const [server] = servers as [ServerProcess];
    process.kill(server.pid, 'SIGSTOP');
    await sleep(SLEEP_MS);
    process.kill(server.pid, 'SIGCONT');
    const { problems, lost } = await audit(false);
    expect(problems).toEqual([]);
    expect(lost).toEqual([]);
  });

  it('leave every run sealed, every log signed and no finding', async () => {
    await load.stop();
    let last = await audit(true);
    for (let look = 1; look < QUIET_LOOKS && last.problems.length > 0; look++) {
      await sleep(250);
      last = await audit(true);
    }
    expect(last.problems).toEqual([]);
    expect(last.lost).toEqual([]);
    expect(last.steps.size).toBe(load.sent.size);
    const [row] = await database.admin<{ deadlocks: number }>(
      `select deadlocks::int from pg_stat_database where datname = $1`,
      [name],
    );
    expect(row?.deadlocks).toBe(0);
    said.push(...servers.flatMap((server) => server.said));
    expect(said.filter((line) => line.includes('"finding"'))).toEqual([]);
  });
});
