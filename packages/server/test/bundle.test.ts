import { parseVkey, vkeyOf } from '@sworn/evidence';
import { bytesSource, openArchive, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildCore } from '../src/export/core.js';
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
    const { bytes } = await exported(house, {
      tenantId: tenant,
      scope: { kind: 'RUN', runId: run },
      disclosure: 'all',
    });
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
    const { bytes } = await exported(house, {
      tenantId: tenant,
      scope: { kind: 'RUN', runId: run },
      disclosure: 'all',
    });
    await house.ingest(other, { encoding: 'json', body: await fileOf(bytes, 'data/spans.otlp.json') });
    await house.seal(other);
    const [mine, theirs] = [await traceOf(tenant), await traceOf(other)];
    expect(theirs.steps.map(saidOf)).toEqual(mine.steps.map(saidOf));
    expect(mine.steps.length).toBeGreaterThan(1);
  });

  it('has no contents where none are disclosed', async () => {
    const { bytes } = await exported(house, {
      tenantId: tenant,
      scope: { kind: 'RUN', runId: run },
      disclosure: 'none',
    });
    const names = (await openArchive(bytesSource(bytes))).entries.map(({ name }) => name);
    expect(names.filter((name) => /disclosures|spans/.test(name))).toEqual([]);
  });

  it('is one export however often it is asked for: same id, same files but the attestation, and each time counted', async () => {
    const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'governance' } as const;
    const [first, second] = [await exported(house, asked), await exported(house, asked)];
    expect(second.made.exportId).toBe(first.made.exportId);
    for (const name of first.made.files.map((file) => file.name)) {
      const [a, b] = [await fileOf(first.bytes, name), await fileOf(second.bytes, name)];
      expect(a.equals(b), name).toBe(name !== 'attestation.dsse.json');
    }
    expect(await exportsOf(tenant)).toMatchObject([
      {
        export_id: first.made.exportId,
        scope: { kind: 'RUN', run_id: run },
        disclosure: 'governance',
        export_status: 'COMPLETED',
        requests: 2,
        downloads: 2,
        content_checksum: `sha256:${first.made.core.manifest}`,
        metadata: { export_id: first.made.exportId, run_id: run },
      },
    ]);
  });

  it('is another export of another disclosure, and nobody else’s', async () => {
    for (const disclosure of ['none', 'all'] as const)
      await exported(house, { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure });
    expect(new Set((await exportsOf(tenant)).map(({ export_id }) => export_id)).size).toBe(2);
    const other = await house.tenants.create({ name: 'other' });
    expect(await exportsOf(other)).toEqual([]);
    await expect(
      exported(house, { tenantId: other, scope: { kind: 'RUN', runId: run }, disclosure: 'none' }),
    ).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('is not built of a run that is open, or that no checkpoint covers; nothing is recorded as asked for', async () => {
    const open = newTrace();
    await house.ingest(tenant, agentRun(open));
    const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: open }, disclosure: 'none' } as const;
    await expect(buildCore(house.exporting, asked)).rejects.toMatchObject({ code: 'not_found' });
    await house.seal(tenant);
    await expect(buildCore(house.exporting, asked)).rejects.toMatchObject({ code: 'not_covered' });
    expect(await exportsOf(tenant)).toEqual([]);
  });

  it('never leaves with a record that is not what was recorded', async () => {
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '"step_kind":"LLM"', '"step_kind":"TOOL"')::bytea
        where tenant_id = $1 and kind = 'STEP'`,
      [tenant],
    );
    await house.database.admin('set session_replication_role = origin');
    const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'none' } as const;
    await expect(exported(house, asked)).rejects.toMatchObject({ code: 'evidence_compromised' });
  });
});

async function exportsOf(of: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { key } = await house.keys.issue({ tenantId: of, role: 'auditor' });
  return (await get(house, '/api/v1/logs/audit/exports', key)).json.items;
}
