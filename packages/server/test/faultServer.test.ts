import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Audit,
  auditDatabase,
  type IssuedAccess,
  type Load,
  serverHome,
  type ServerHome,
  type ServerPlace,
  type ServerProcess,
  startLoad,
} from '@sworn/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Runs seal soon, so that the sealer and the signer are at work whenever a kill comes. */
const EAGER = { SWORN_SEAL_GRACE_MS: '200', SWORN_SEAL_IDLE_MS: '600' };
/** Looks at a server until it must have become quiet, a quarter of a second apart. */
const QUIET_LOOKS = 60;

let home: ServerHome;
let load: Load;
let access: IssuedAccess;
let server: ServerProcess | null = null;
let place: ServerPlace | null = null;
const said: string[] = [];

beforeAll(() => {
  home = serverHome();
});
afterAll(() => home.close());

/** Starts a server on the home and sends the load to it. */
async function start(): Promise<ServerProcess> {
  server = home.start({ ...EAGER, ...(access === undefined ? {} : { SWORN_TEST_TENANT: access.tenantId }) });
  place = await server.ready;
  return server;
}

/** Told of a server that has ended: nobody listens until the next one does. */
function ended(one: ServerProcess): void {
  place = null;
  said.push(...one.said);
}

/** A moment of the load, different each time. */
function moment(longestMs: number): Promise<void> {
  return sleep(Math.random() * longestMs);
}

/** `looks`: it is looked at anew until nothing is found, so often. */
async function audit({ settled = false, looks = 1 } = {}): Promise<Audit> {
  const database = place?.database;
  if (place === null || database == null) throw new Error('nothing runs to be audited');
  const acknowledged = [...load.acknowledged];
  const { deploymentId } = place;
  const { keyDir, signerDir } = home;
  const look = () => auditDatabase({ connection: database, deploymentId, keyDir, signerDir, settled });
  let found = await look();
  for (let more = 1; more < looks && found.problems.length > 0; more++) {
    await sleep(250);
    found = await look();
  }
  expect(found.problems).toEqual([]);
  expect(acknowledged.filter((key) => !found.steps.has(`${access.tenantId}/${key}`))).toEqual([]);
  return found;
}

/** SIGKILL to the process that serves a connection of the writer: PostgreSQL ends all others too, and recovers. */
async function killBackend(): Promise<void> {
  const client = new pg.Client(place?.database ?? {});
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ pid: number }>(
    `select pid from pg_stat_activity where usename = 'sworn_writer' order by state <> 'idle' desc limit 1`,
  );
  const pid = rows[0]?.pid;
  if (pid === undefined) throw new Error('nobody writes');
  process.kill(pid, 'SIGKILL');
  await client.end().catch(() => undefined);
}

/** Audits until everything is sealed and signed. */
const auditWhenQuiet = (): Promise<Audit> => audit({ settled: true, looks: QUIET_LOOKS });

describe('a server under load', () => {
  it('comes up whole although it was killed again and again while it first started', async () => {
    for (let patience = 150; ; patience *= 1.7) {
      server = home.start(EAGER);
      const outcome = await Promise.race([server.ready, sleep(patience)]);
      if (outcome === undefined) {
        await server.kill();
        ended(server);
        continue;
      }
      place = outcome;
      if (place.issued === null) throw new Error('the first start issues keys');
      access = place.issued;
      break;
    }
    load = startLoad({
      target: () => (place === null ? null : { otlpHttp: place.otlpHttp, ingestKey: access.ingestKey }),
      senders: 6,
      pauseMs: 30,
    });
    await audit();
  });

  it('loses nothing acknowledged and stores nothing twice when it is killed', async () => {
    for (let kill = 0; kill < 8; kill++) {
      await moment(900);
      const one = server as ServerProcess;
      await one.kill();
      ended(one);
      await start();
      await audit();
    }
    expect(load.cut()).toBeGreaterThan(0);
  });

  it('ends and comes back when its PostgreSQL is killed', async () => {
    for (let kill = 0; kill < 2; kill++) {
      await moment(900);
      const one = server as ServerProcess;
      expect(home.killPostgres()).toBe(true);
      expect(await one.gone).toBe(1);
      ended(one);
      await start();
      await audit();
    }
  });

  it('lives on when one process of its PostgreSQL is killed, which then begins anew', async () => {
    for (let kill = 0; kill < 2; kill++) {
      await moment(600);
      const before = load.acknowledged.size;
      await killBackend();
      // It goes on acknowledging: the same process, on connections that it made anew.
      for (let look = 0; look < 200 && load.acknowledged.size < before + 100; look++) await sleep(50);
      expect(load.acknowledged.size).toBeGreaterThanOrEqual(before + 100);
      await audit();
    }
    expect(await Promise.race([server?.gone, sleep(0, 'lives')])).toBe('lives');
  });

  it('comes back when it and its PostgreSQL are killed together', async () => {
    for (let kill = 0; kill < 2; kill++) {
      await moment(600);
      const one = server as ServerProcess;
      home.killPostgres();
      await one.kill();
      ended(one);
      await start();
      await audit();
    }
  });

  it('commits what it accepted when it is asked to stop', async () => {
    for (let stop = 0; stop < 2; stop++) {
      await moment(600);
      const one = server as ServerProcess;
      expect(await one.stop()).toBe(0);
      ended(one);
      await start();
      await audit();
    }
  });

  it('has every run sealed, every log signed and no finding once it is left in peace', async () => {
    await load.stop();
    const { steps } = await auditWhenQuiet();
    expect(steps.size).toBe(load.sent.size);
    expect(load.acknowledged.size).toBe(load.sent.size);
    said.push(...(server as ServerProcess).said);
    expect(said.filter((line) => line.includes('"finding"'))).toEqual([]);
  });
});
