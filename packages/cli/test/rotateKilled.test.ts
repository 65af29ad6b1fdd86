import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from './swornProcess.js';

/** Several tenants, so that a kill may come between two of them. */
const TENANTS = ['a', 'b', 'c', 'd', 'e', 'f'];
const KILLS = 8;
/** Longer than a rotation of so few tenants takes. */
const LONGEST_MS = 200;

let home: Home;
let server: Serving;
let keys: string;

beforeAll(async () => {
  home = makeHome();
  server = await home.serve();
  keys = join(dirname(home.dataDir), 'keys', 'deployment');
  for (const name of TENANTS) await home.run(['tenant', 'create', name]);
});
afterAll(async () => {
  await server.stop();
  home.remove();
});

const isReady = () => eventually(async () => ((await fetch(`${server.http}/readyz`)).status === 200 ? true : null));

/** Resolves when the rotation has begun, or is over. */
async function begun(gone: () => boolean): Promise<void> {
  while (!gone() && !existsSync(join(keys, 'signing.next.key'))) await sleep(1);
}

describe('a rotation of the signing key that is killed again and again', () => {
  test('leaves at every moment a server that signs and a deployment that checks, and one key at its end', async () => {
    let cut = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const child = home.start(['signer', 'rotate'], {});
      let isGone = false;
      const gone = new Promise<void>((resolve) => {
        child.once('close', () => {
          isGone = true;
          resolve();
        });
      });
      await begun(() => isGone);
      await sleep((kill / KILLS) * LONGEST_MS);
      child.kill('SIGKILL');
      await gone;
      if (existsSync(join(keys, 'signing.next.key'))) cut++;
      await home.run(['key', 'create', '--tenant', TENANTS[kill % TENANTS.length] ?? '', '--role', 'reader']);
      await isReady();
    }
    expect(cut).toBeGreaterThan(0);
    const finished = await home.run(['signer', 'rotate']);
    expect([finished.code, finished.err]).toEqual([0, '']);
    expect(readdirSync(keys).filter((name) => name.startsWith('signing'))).toEqual(['signing.key']);
    for (const name of TENANTS) await home.run(['key', 'create', '--tenant', name, '--role', 'reader']);
    await isReady();
    const checked = await home.run(['fsck']);
    expect(checked.code, checked.out + checked.err).toBe(0);
  }, 180_000);
});
