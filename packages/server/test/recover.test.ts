import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { base64, hex, leafHash, parseCheckpoint, treeHash, unbase64, verifyInclusion } from '@sworn/evidence';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { adoptSigner } from '../src/operate.js';
import { createCheckpointVerifier } from '../src/read/checkpoints.js';
import { recoverLogs } from '../src/recoverLogs.js';
import { rotateSigner } from '../src/rotateSigner.js';
import { openJournal } from '../src/sign/journal.js';
import type { Members } from './deploymentHouse.js';
import { type CheckpointRow, newRunningSite, type RunningSite } from './runningSite.js';

let site: RunningSite;
let deployment: Deployment;
let tenantId: string;
let ingestKey: string;
let readerKey: string;
beforeEach(async () => {
  site = await newRunningSite();
  deployment = await site.open();
  tenantId = await deployment.tenants.create({ name: 'acme' });
  ingestKey = (await deployment.keys.issue({ tenantId, role: 'ingest' })).key;
  readerKey = (await deployment.keys.issue({ tenantId, role: 'auditor' })).key;
});
afterEach(() => site.drop());

const WHY = { reason: 'the disk was lost', approver: 'Ada Lovelace' };
const all = { tenantId: null, topic: null, ...WHY };
const ofKind = (leaves: readonly Members[], kind: string): Members[] => leaves.filter((leaf) => leaf['kind'] === kind);
const grow = (id = tenantId) => deployment.keys.issue({ tenantId: id, role: 'reader' });
const settings = { SWORN_SEAL_GRACE_MS: '100', SWORN_SEAL_IDLE_MS: '300' };
const start = (): Promise<RunningApp> => site.start(site.with(settings));

/** Sends one step that is a run of its own; resolves to the status. */
async function send(app: RunningApp, traceId: string): Promise<number> {
  const span = { traceId, spanId: traceId.slice(16), name: 'x', startTimeUnixNano: '1', endTimeUnixNano: '2' };
  const response = await fetch(`${app.addresses.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${ingestKey}` },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  });
  return response.status;
}

/** Resolves when it is sealed, covered and read with its proof. */
async function envelope(app: RunningApp, runId: string): Promise<Envelope> {
  const read = async (): Promise<{ status: number; answer: Envelope }> => {
    const response = await fetch(`${app.addresses.http}/api/v1/logs/llm-runs/${runId}/envelope`, {
      headers: { authorization: `Bearer ${readerKey}` },
    });
    return { status: response.status, answer: (await response.json()) as Envelope };
  };
  await expect
    .poll(async () => (await read()).answer.proof?.checkpoint ?? null, { timeout: 60_000, interval: 300 })
    .not.toBeNull();
  return (await read()).answer;
}

interface Envelope {
  readonly id: string;
  readonly proof?: {
    readonly leaf: string;
    readonly index: number;
    readonly size: number | null;
    readonly path: readonly string[];
    readonly checkpoint: string | null;
  };
}

/** Whether the leaf of an answer lies under the checkpoint that came with it. */
function proves({ proof }: Envelope): boolean {
  if (proof?.size == null || proof.checkpoint === null) return false;
  const { root } = parseCheckpoint(proof.checkpoint);
  const leaf = unbase64(proof.leaf);
  return verifyInclusion({
    index: proof.index,
    size: proof.size,
    leafHash: leafHash(leaf),
    path: proof.path.map(unbase64),
    root,
  });
}

async function isOurs(log: string, row: CheckpointRow): Promise<boolean> {
  return createCheckpointVerifier(deployment)(tenantId, log, row);
}

const [OLD, LOST, NEW] = ['0a', '0b', '0c'].map((byte) => byte.repeat(16)) as [string, string, string];

describe('an older copy of the database that is put in the place of a newer one', () => {
  it('is signed by nobody until its logs are recovered; then all goes on, and what was proven before still is', async () => {
    const first = await start();
    expect(await send(first, OLD)).toBe(200);
    const before = await envelope(first, OLD);
    for (const log of ['llm-runs', 'access', 'control']) await site.covered(tenantId, log);
    await site.backUp();
    expect(await send(first, LOST)).toBe(200);
    await envelope(first, LOST);
    await grow();
    for (const log of ['llm-runs', 'access', 'control']) await site.covered(tenantId, log);
    const kept = (await site.checkpoints(tenantId, 'llm-runs')).at(-1);
    if (kept === undefined) throw new Error('nothing was signed');
    await site.stop(first);
    await site.restore();
    const signed = await site.checkpoints(tenantId, 'llm-runs');

    const app = await start();
    expect(await site.untilReady(app, 503)).toMatch(/LOG_SHORTER_THAN_SIGNED/);
    // It goes on recording, unsigned.
    expect(await send(app, NEW)).toBe(200);
    await expect
      .poll(async () => ofKind(await site.leaves(tenantId, 'control'), 'FINDING').length, { timeout: 30_000 })
      .toBeGreaterThan(1);
    expect(await site.checkpoints(tenantId, 'llm-runs')).toEqual(signed);

    const recovered = await recoverLogs(deployment, all);
    const llmRuns = recovered.find((one) => one.tenantId === tenantId && one.log === 'llm-runs');
    expect(llmRuns).toMatchObject({
      toLog: 'llm-runs.2',
      sizeSigned: kept.size,
      lostFrom: signed.at(-1)?.size,
    });
    expect(recovered.map(({ tenantId: id, log }) => `${id === tenantId} ${log}`)).toEqual(
      expect.arrayContaining(['true control', 'true access', 'true llm-runs']),
    );
    await site.untilReady(app, 200);
    const leaves = await site.leaves(tenantId, 'control.2');
    expect(ofKind(leaves, 'LOG_RECOVERED').find((leaf) => leaf['of_log'] === 'llm-runs')).toMatchObject({
      log: deployment.originOf(tenantId, 'control.2'),
      by: 'sworn',
      of_tenant: tenantId,
      to_log: 'llm-runs.2',
      size_signed: kept.size,
      root_signed: hex(kept.root),
      lost_from: signed.at(-1)?.size,
      lost_below: kept.size,
      approver: expect.stringMatching(/^tok_[0-9a-f]{32}$/),
    });
    expect(JSON.stringify(leaves)).not.toMatch(/Ada|disk/);
    expect(ofKind(leaves, 'FINDING')).toEqual([]);

    // Another run, and the same one again that was lost: both are recorded, sealed, signed and read in the new generation.
    for (const traceId of ['0d'.repeat(16), LOST]) {
      expect(await send(app, traceId)).toBe(200);
      const now = await envelope(app, traceId);
      expect(proves(now)).toBe(true);
      expect(now.proof?.checkpoint).toMatch(new RegExp(`^${deployment.originOf(tenantId, 'llm-runs.2')}\n`));
    }
    await grow();
    for (const log of ['llm-runs.2', 'access.2', 'control.2']) {
      await site.covered(tenantId, log);
      const newest = (await site.checkpoints(tenantId, log)).at(-1);
      const hashes = (
        await site.admin<{ leaf: Buffer }>(
          `select leaf from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index limit $3`,
          [tenantId, log, newest?.size],
        )
      ).map(({ leaf }) => leafHash(leaf));
      expect(base64(newest?.root ?? new Uint8Array())).toBe(base64(treeHash(hashes)));
    }
    // What was proven before the loss reads as it did; what an auditor kept of the lost part is still a signature of ours.
    expect(await envelope(app, OLD)).toEqual(before);
    expect(proves(before)).toBe(true);
    expect(await isOurs('llm-runs', kept)).toBe(true);
    const listed = await fetch(`${app.addresses.http}/api/v1/logs/llm-runs?limit=10`, {
      headers: { authorization: `Bearer ${readerKey}` },
    });
    const { items } = (await listed.json()) as { items: { run_id: string }[] };
    expect(items.map((item) => item.run_id)).toEqual(expect.arrayContaining([OLD, LOST, '0d'.repeat(16)]));

    expect(await recoverLogs(deployment, all)).toEqual([]);
    await site.stop(app);
    const report = await fsck(site.config, { tenant: null, log: null });
    expect(report.findings).toEqual([]);
    expect(report.logs.some(({ log }) => log === 'llm-runs.2')).toBe(true);
    const again = await start();
    await site.untilReady(again, 200);
    expect(await send(again, '0e'.repeat(16))).toBe(200);
    expect(proves(await envelope(again, '0e'.repeat(16)))).toBe(true);
    // Keys rotate over generations like over any logs.
    await rotateSigner(deployment);
    await grow();
    await site.covered(tenantId, 'control.2');
    await site.untilReady(again, 200);
    for (const row of await site.checkpoints(tenantId, 'control.2')) expect(await isOurs('control.2', row)).toBe(true);
  }, 300_000);

  it('of before a tenant was made, is told in the platform’s control', async () => {
    const first = await start();
    await site.covered(deployment.platformTenant, 'control');
    await site.backUp();
    const young = await deployment.tenants.create({ name: 'young' });
    await site.covered(young, 'control');
    await site.stop(first);
    await site.restore();
    const app = await start();
    await site.untilReady(app, 503);
    const recovered = await recoverLogs(deployment, all);
    expect(recovered).toContainEqual(
      expect.objectContaining({ tenantId: young, log: 'control', toLog: null, sizeFound: 0 }),
    );
    await site.untilReady(app, 200);
    await site.stop(app);
    expect((await fsck(site.config, { tenant: null, log: null })).findings).toEqual([]);
  });

  it('of before a recovery, goes on under an origin that was never signed', async () => {
    const first = await start();
    await site.covered(tenantId, 'control');
    await site.backUp();
    await grow();
    await site.covered(tenantId, 'control');
    await site.stop(first);
    await site.restore();
    await recoverLogs(deployment, all);
    const second = await start();
    await site.covered(tenantId, 'control.2');
    await site.stop(second);
    await site.restore();
    const recovered = await recoverLogs(await site.open(), all);
    expect(recovered.filter((one) => one.tenantId === tenantId && one.log.startsWith('control'))).toMatchObject([
      { log: 'control.2', toLog: 'control.3', sizeFound: 0 },
      { log: 'control', toLog: 'control.3' },
    ]);
    const app = await start();
    await site.untilReady(app, 200);
    await site.covered(tenantId, 'control.3');
    expect(openJournal(deployment.signerDir).load(deployment.originOf(tenantId, 'control.3'))?.size).toBeGreaterThan(0);
  });
});

describe('a recovery', () => {
  it('does nothing where nothing is wrong, and waits for the memory where it is lost', async () => {
    const app = await start();
    for (const id of [tenantId, deployment.platformTenant]) await site.covered(id, 'control');
    expect(await recoverLogs(deployment, all)).toEqual([]);
    expect(await recoverLogs(deployment, { ...all, tenantId, topic: 'control' })).toEqual([]);
    await site.stop(app);
    rmSync(join(site.dir, 'signer', 'journal.ndjson'));
    await expect(recoverLogs(deployment, all)).rejects.toThrow('run sworn signer adopt first');
    expect(await site.leaves(tenantId, 'control.2')).toEqual([]);
    for (const wrong of [{ reason: ' ' }, { reason: 'x'.repeat(1001) }, { approver: '' }])
      await expect(recoverLogs(deployment, { ...all, ...wrong })).rejects.toThrow('characters');
  });

  it('that was killed before its record, is a finding of its own, and is completed by the next one', async () => {
    const first = await start();
    await site.covered(tenantId, 'control');
    await site.backUp();
    await grow();
    await site.covered(tenantId, 'control');
    await site.stop(first);
    await site.restore();
    const append = () => Promise.reject(new Error('killed'));
    const dying: Deployment = { ...deployment, recorder: { ...deployment.recorder, append } };
    await expect(recoverLogs(dying, { ...all, tenantId })).rejects.toThrow('killed');
    // What Sworn recorded of its own life since is lost too.
    await recoverLogs(deployment, { ...all, tenantId: deployment.platformTenant });
    const app = await start();
    expect(await site.untilReady(app, 503)).toContain('LOG_NOT_RECOVERED');
    const again = await site.open();
    expect(await recoverLogs(again, { ...all, tenantId, topic: 'control' })).toMatchObject([
      { log: 'control', toLog: 'control.2' },
    ]);
    await recoverLogs(again, all);
    await site.untilReady(app, 200);
    await site.covered(tenantId, 'control.2');
  });

  it('by rows alone is none: a generation that somebody opened is not signed, and the one he closed is not forgotten', async () => {
    const app = await start();
    await site.covered(tenantId, 'control');
    await site.attack(`update sworn.log_head set closed = true where tenant_id = $1 and log = 'control'`, [tenantId]);
    await site.attack(
      `insert into sworn.log_head (tenant_id, topic, log, generation, next_index, frontier, root, last_recorded_at)
       values ($1, 'control', 'control.2', 2, 0, '', sha256(''), null)`,
      [tenantId],
    );
    expect(await site.untilReady(app, 503)).toContain('LOG_NOT_RECOVERED');
    await expect
      .poll(async () => (await site.leaves(tenantId, 'control.2')).length, { timeout: 30_000 })
      .toBeGreaterThan(0);
    expect(await site.checkpoints(tenantId, 'control.2')).toEqual([]);
    // The way on names what was done.
    expect(await recoverLogs(deployment, { ...all, tenantId })).toMatchObject([
      { log: 'control', toLog: 'control.2', lostFrom: 7 },
    ]);
    await site.untilReady(app, 200);
    await site.covered(tenantId, 'control.2');
  });
});

describe('a fork', () => {
  it('made by a copy that went on elsewhere is refused by the first memory, and is proven by two checkpoints', async () => {
    const first = await start();
    await site.covered(tenantId, 'control');
    await site.backUp();
    await grow();
    await site.covered(tenantId, 'control');
    const here = (await site.checkpoints(tenantId, 'control')).at(-1);
    await site.stop(first);
    await site.restore();
    const elsewhere = site.with({ SWORN_SIGNER_STATE: mkdtempSync(join(site.dir, 'elsewhere-')) });
    const deployed = await site.open(elsewhere);
    await adoptSigner(deployed);
    const copy = await site.start(elsewhere);
    const size = here?.size ?? 0;
    const there = async (): Promise<CheckpointRow | undefined> =>
      (await site.checkpoints(tenantId, 'control')).find((row) => row.size === size);
    await expect.poll(there, { timeout: 30_000 }).toBeDefined();
    await deployed.keys.issue({ tenantId, role: 'reader' });
    await site.covered(tenantId, 'control');
    await site.stop(copy);
    const other = await there();
    if (here === undefined || other === undefined) throw new Error('a branch was not signed');
    expect(hex(here.root)).not.toBe(hex(other.root));
    expect([await isOurs('control', here), await isOurs('control', other)]).toEqual([true, true]);

    const app = await start();
    await site.untilReady(app, 503);
    await expect
      .poll(async () => ofKind(await site.leaves(tenantId, 'control'), 'FINDING').map((leaf) => leaf['finding']))
      .toEqual(['LOG_DIFFERS_FROM_SIGNED']);
    // The first memory is older than what the copy signed, but it is no loss of memory: nobody can adopt the other branch with it.
    await expect(adoptSigner(deployment)).rejects.toThrow('another history');
    expect(await recoverLogs(deployment, { ...all, tenantId })).toMatchObject([
      { log: 'control', toLog: 'control.2', sizeSigned: size, lostFrom: 0 },
    ]);
    // Both wrote of their own lives into the platform's.
    expect(await recoverLogs(deployment, { ...all, tenantId: deployment.platformTenant })).toMatchObject([
      { log: 'system', toLog: 'system.2' },
    ]);
    // Of the platform's other log the copy only went on: that is older memory, and adopted.
    await adoptSigner(deployment);
    await site.untilReady(app, 200);
    await site.covered(tenantId, 'control.2');
  });
});
