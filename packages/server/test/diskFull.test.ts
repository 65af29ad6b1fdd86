import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync, appendFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  auditDatabase,
  type IssuedAccess,
  type Load,
  serverHome,
  type ServerHome,
  type ServerPlace,
  type ServerProcess,
  startLoad,
} from '@sworn/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const MIB = 1024 * 1024;
const RESERVE = 128 * MIB;

/** A disk of 640 MiB; null where who runs this may not make one. */
const disk = smallDisk();
let home: ServerHome;
let server: ServerProcess;
let place: ServerPlace;
let access: IssuedAccess;
let load: Load;

beforeAll(async () => {
  if (disk === null) return;
  home = serverHome();
  server = home.start({ SWORN_DATA_DIR: join(disk, 'data'), SWORN_DISK_RESERVE_BYTES: String(RESERVE) });
  place = await server.ready;
  if (place.issued === null) throw new Error('the first start issues keys');
  access = place.issued;
  load = startLoad({
    target: () => ({ otlpHttp: place.otlpHttp, ingestKey: access.ingestKey }),
    senders: 2,
    pauseMs: 20,
  });
});
afterAll(async () => {
  if (disk === null) return;
  await home.close();
  execFileSync('umount', [disk]);
  rmdirSync(disk);
});

function smallDisk(): string | null {
  const dir = mkdtempSync('/tmp/sworn-disk-');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=640m', 'tmpfs', dir], { stdio: 'ignore' });
    chmodSync(dir, 0o711);
    return dir;
  } catch {
    rmdirSync(dir);
    process.stderr.write('skipped: who runs this may mount no small disk\n');
    return null;
  }
}

const freeBytes = (): number => {
  const { bavail, bsize } = statfsSync(disk ?? '/');
  return bavail * bsize;
};
/** Leaves at most `bytes` free. */
function fill(bytes: number): void {
  const ballast = join(disk ?? '', 'ballast');
  writeFileSync(ballast, '', { flag: 'a' });
  while (freeBytes() > bytes) appendFileSync(ballast, Buffer.alloc(Math.min(MIB, freeBytes() - bytes)));
}
const read = async (): Promise<number> =>
  (await fetch(`${place.http}/api/v1/logs/llm-runs`, { headers: { authorization: `Bearer ${access.readerKey}` } }))
    .status;
const ready = async (): Promise<[number, string]> => {
  const answer = await fetch(`${place.http}/readyz`);
  return [answer.status, await answer.text()];
};

test.skipIf(disk === null)('a disk with only the reserve left takes no records, and answers who reads', async () => {
  await expect.poll(() => load.acknowledged.size, { timeout: 60_000 }).toBeGreaterThan(40);
  expect(await read()).toBe(200);
  fill(RESERVE - 8 * MIB);
  await expect.poll(() => load.putOff(), { timeout: 60_000 }).toBeGreaterThan(10);
  expect(await ready()).toEqual([503, expect.stringContaining('disk: nearly full')]);
  for (let n = 0; n < 500; n++) expect(await read()).toBe(200);
});

test.skipIf(disk === null)(
  'one that is full answers nobody, and has lost nothing when there is room again',
  async () => {
    // What PostgreSQL frees meanwhile is filled too.
    const readOnFull = (): Promise<number> => {
      fill(0);
      return read();
    };
    await expect.poll(readOnFull, { timeout: 60_000, interval: 20 }).toBe(503);
    expect((await ready())[0]).toBe(503);
    rmSync(join(disk ?? '', 'ballast'));
    await expect.poll(read, { timeout: 60_000, interval: 200 }).toBe(200);
    const before = load.acknowledged.size;
    await expect.poll(() => load.acknowledged.size, { timeout: 60_000 }).toBeGreaterThan(before);
    await load.stop();
    const { problems, steps } = await auditDatabase({
      connection: place.database ?? {},
      deploymentId: place.deploymentId,
      keyDir: home.keyDir,
      signerDir: home.signerDir,
      settled: false,
    });
    expect(problems).toEqual([]);
    expect([...load.acknowledged].filter((key) => !steps.has(`${access.tenantId}/${key}`))).toEqual([]);
    expect(await server.stop()).toBe(0);
  },
);
