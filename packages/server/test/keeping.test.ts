import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createKeeping } from '../src/keeping.js';

const DAY_MS = 86_400_000;
const TENANT = '0e1f2a3b-0000-4000-8000-000000000001';
const dataDir = mkdtempSync(join(tmpdir(), 'sworn-keeping-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

it('a server removes the bundles whose time is over and says which; of the others none', async () => {
  const dir = join(dataDir, 'exports', 'kept', TENANT);
  mkdirSync(dir, { recursive: true });
  const keptFor = (digit: string, days: number) => {
    const file = join(dir, `exp_${digit.repeat(32)}`);
    writeFileSync(file, 'sealed');
    utimesSync(file, new Date(Date.now() - days * DAY_MS), new Date(Date.now() - days * DAY_MS));
    return file;
  };
  const [over, within] = [keptFor('a', 8), keptFor('b', 6)];
  const told: object[] = [];
  const keeping = createKeeping({
    config: { dataDir, diskReserveBytes: 0, exportRetentionDays: 7, exportS3: null },
    deployment: { id: 'here', dataKeysFor: () => ({}) as never },
    log: { info: (fields) => void told.push(fields), error: (fields) => void told.push(fields) },
  });
  keeping.start();
  await expect.poll(() => existsSync(over)).toBe(false);
  await keeping.stop();
  expect(existsSync(within)).toBe(true);
  expect(told).toMatchObject([{ tenant: TENANT, export: `exp_${'a'.repeat(32)}`, days: 7 }]);
});
