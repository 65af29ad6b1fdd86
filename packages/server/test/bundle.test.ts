import { parseVkey, vkeyOf } from '@sworn/evidence';
import { bytesSource, openArchive, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { exported } from './exporting.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;
let run: string;

beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  await house.sign(tenant);
});
afterAll(() => house.close());

const keys = () =>
  ['llm-runs', 'system', 'audit', 'access'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(tenant, log), house.keyStore.noteSigner.publicKey)),
  );

/** A file of a bundle. */
async function fileOf(bundle: Uint8Array, name: string): Promise<Buffer> {
  const { entries } = await openArchive(bytesSource(bundle));
  const chunks: Uint8Array[] = [];
  for await (const chunk of entries.find((entry) => entry.name === name)?.chunks(() => undefined) ?? [])
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Members of a step that depend on the tenant and the time it came. */
const OF_ITS_PLACE = ['leaf_index', 'checksum', 'recorded_at', 'input_hash', 'output_hash'];

/** What a step says, wherever it was recorded. */
function saidOf(step: Readonly<Record<string, unknown>>): unknown {
  const textOf = (content: unknown) => (content as { readonly text?: string } | null)?.text ?? null;
  const said = Object.entries(step).filter(([name]) => !OF_ITS_PLACE.includes(name));
  return { ...Object.fromEntries(said), input: textOf(step['input']), output: textOf(step['output']) };
}

describe('a bundle of a run', () => {
  it('is verified by a stranger who pinned the key', async () => {
    const { bytes } = await exported(house, { tenantId: tenant, runId: run, disclosure: 'all' });
    const found = await verifyBundle(bytesSource(bytes), { keys: keys(), verify: verifyEd25519 });
    expect(found.findings).toEqual([]);
    expect(found.verdict).toBe('VERIFIED');
  });

  it('gives the run back as OTLP where all of it is disclosed: sent to another tenant, it is the same run', async () => {
    const other = await house.tenants.create({ name: 'other' });
    const traceOf = async (of: string) => {
      const { key } = await house.keys.issue({ tenantId: of, role: 'reader' });
      return (await get(house, `/api/v1/logs/llm-runs/${run}/trace?fields=io`, key)).json;
    };
    const { bytes } = await exported(house, { tenantId: tenant, runId: run, disclosure: 'all' });
    await house.ingest(other, { encoding: 'json', body: await fileOf(bytes, 'data/spans.otlp.json') });
    await house.seal(other);
    const [mine, theirs] = [await traceOf(tenant), await traceOf(other)];
    expect(theirs.steps.map(saidOf)).toEqual(mine.steps.map(saidOf));
    expect(mine.steps.length).toBeGreaterThan(1);
  });

  it('has no contents where none are disclosed', async () => {
    const { bytes } = await exported(house, { tenantId: tenant, runId: run, disclosure: 'none' });
    const names = (await openArchive(bytesSource(bytes))).entries.map(({ name }) => name);
    expect(names.filter((name) => /disclosures|spans/.test(name))).toEqual([]);
  });
});
