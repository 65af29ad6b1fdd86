import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseVkey, vkeyOf } from '@sworn/evidence';
import { bytesSource, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildCore, type Core, type ExportDeps } from '../src/export/core.js';
import { zipArchive } from '../src/export/zipArchive.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { soleKey } from './soleKey.js';

let house: House;
let tenant: string;
let run: string;
let deps: ExportDeps;
const directory = mkdtempSync(join(tmpdir(), 'sworn-bundle-'));

beforeAll(async () => {
  house = await buildHouse();
  deps = { read: house.read, signingKeysOf: soleKey(house.keyStore.noteSigner), directory };
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  await house.sign(tenant);
});
afterAll(async () => {
  await house.close();
  rmSync(directory, { recursive: true });
});

async function archive(core: Core): Promise<Uint8Array> {
  const files = [...core.files].map(([name, file]) => ({ name, size: file.size, crc32: file.crc32, chunks: () => file.chunks() }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of zipArchive(files)) chunks.push(chunk);
  await core.close();
  return Buffer.concat(chunks);
}

const keys = () =>
  ['llm-runs', 'system', 'audit'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(tenant, log), house.keyStore.noteSigner.publicKey)),
  );

describe('a bundle of a run', () => {
  it('is verified by a stranger who pinned the key', async () => {
    const core = await buildCore(deps, { tenantId: tenant, runId: run, disclosure: 'all' });
    const bytes = await archive(core);
    const found = await verifyBundle(bytesSource(bytes), { keys: keys(), verify: verifyEd25519 });
    console.log(JSON.stringify(found, null, 1), [...core.files.keys()]);
    expect(found.findings).toEqual([]);
    expect(found.verdict).toBe('VERIFIED');
  });
});
