import { parseCheckpoint, unbase64, verifyConsistency, verifyInclusion } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPatrol } from '../src/check/patrol.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const INTEGRITY = '/api/v1/logs/audit/integrity';
const told: string[] = [];
let house: House;
let tenant: string;
let auditor: string;
let reader: string;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

async function sealedRun(): Promise<string> {
  const id = newTrace();
  await house.ingest(tenant, agentRun(id));
  await house.seal(tenant);
  await house.sign(tenant);
  return id;
}

/** As a superuser whom no trigger binds. */
async function tamper(statement: string, values: readonly unknown[] = []): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  await house.database.admin(statement, [...values]);
  await house.database.admin('set session_replication_role = origin');
}

const patrolOf = () =>
  createPatrol({
    checking: house.checking,
    register: house.register,
    tenants: () => Promise.resolve([tenant]),
    everyMs: 10_000,
    now: Date.now,
    holdsLease: () => Promise.resolve(true),
    stopping: new AbortController().signal,
    onFinding: (finding) => void told.push(finding.code),
  });

const ask = (query = '') => get(house, INTEGRITY + query, auditor);
const logOf = async (log: string) => (await ask()).json.logs.find((of: { log: string }) => of.log === log);

describe('whether the record is intact', () => {
  it('is not said before anybody looked, and is verified a round of the checks later', async () => {
    await sealedRun();
    expect(await logOf('llm-runs')).toMatchObject({ verdict: 'not_verified', verified_size: 0, checked_at: null });
    await patrolOf().round();
    const { status, json } = await ask();
    expect(status).toBe(200);
    const runs = json.logs.find((of: { log: string }) => of.log === 'llm-runs');
    expect(runs).toMatchObject({ verdict: 'verified', open_findings: 0, closed: false });
    expect(runs.verified_size).toBe(runs.size);
    expect(runs.checked_at).not.toBeNull();
    expect(parseCheckpoint(runs.checkpoint)).toMatchObject({ origin: runs.origin, size: runs.checkpoint_size });
    expect(json).toMatchObject({ findings: [], more_findings: 0, proof: null });
  });

  it('is for auditors only', async () => {
    expect((await get(house, INTEGRITY, reader)).status).toBe(403);
  });

  it('says what is wrong and where as soon as a check has met it, in every answer about that record, and of no other', async () => {
    const [hurt, whole] = [await sealedRun(), await sealedRun()];
    const patrol = patrolOf();
    await patrol.round();
    await tamper(
      `update sworn.leaf set leaf = set_byte(leaf, 40, get_byte(leaf, 40) # 1) where tenant_id = $1 and log = 'llm-runs' and kind = 'STEP' and encode(trace_id, 'hex') = $2`,
      [tenant, hurt],
    );
    await house.register.met((await house.check(tenant)).findings);
    // Reads look at the register every two seconds.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const { json } = await ask();
    const runs = json.logs.find((of: { log: string }) => of.log === 'llm-runs');
    expect(runs).toMatchObject({ verdict: 'compromised', open_findings: 2 });
    for (const finding of json.findings)
      expect(finding).toMatchObject({ check: 'V4', code: 'LEAF_HASH_MISMATCH', log: 'llm-runs', table: 'leaf' });
    expect(json.logs.filter((of: { verdict: string }) => of.verdict === 'compromised')).toHaveLength(1);
    const trace = await get(house, `/api/v1/logs/llm-runs/${hurt}/trace`, reader);
    expect(trace.json.steps.filter((step: { compromised?: boolean }) => step.compromised === true)).toHaveLength(2);
    expect((await get(house, `/api/v1/logs/llm-runs/${whole}/envelope`, reader)).json.metadata.immutable).toBe(true);
  });

  it('answers a record that a finding is open on with 409 by its id, and as a damaged item in a list, though its own rows agree', async () => {
    const id = await sealedRun();
    const [row] = await house.database.admin<{ leaf_index: number }>(
      `select leaf_index::int from sworn.llm_run_records where tenant_id = $1 and run_id = $2 order by leaf_index desc limit 1`,
      [tenant, id],
    );
    await house.register.met([
      {
        check: 'V9',
        code: 'RUN_TREE_MISMATCH',
        tenantId: tenant,
        log: 'llm-runs',
        index: row?.leaf_index ?? 0,
        table: 'leaf',
        expected: '2 steps',
        found: '1',
      },
    ]);
    const byId = await get(house, `/api/v1/logs/llm-runs/${id}/envelope`, reader);
    expect(byId.status).toBe(409);
    expect(byId.json.finding).toMatchObject({ check: 'V9', code: 'RUN_TREE_MISMATCH', leaf_index: row?.leaf_index });
    const list = await get(house, '/api/v1/logs/llm-runs', reader);
    expect(list.json.items[0]).toMatchObject({ compromised: true, finding: { code: 'RUN_TREE_MISMATCH' } });
    expect(list.json.metadata.immutable).toBe(false);
  });
});

describe('what is odd about what producers sent', () => {
  it('is counted once, and touches neither findings nor verdict', async () => {
    const id = newTrace();
    const sent = agentRun(id);
    await house.ingest(tenant, sent);
    await house.ingest(tenant, { ...sent, body: Buffer.from(sent.body.toString().replaceAll('gpt-4o', 'gpt-4x')) });
    await house.seal(tenant);
    await house.sign(tenant);
    const patrol = patrolOf();
    for (let i = 0; i < 3; i++) await patrol.round();
    const { json } = await ask('?log=llm-runs');
    expect(json.anomalies.map(({ kind }: { kind: string }) => kind)).toContain('CONFLICTS');
    const again = (await ask('?log=llm-runs')).json;
    expect(again.anomalies).toEqual(json.anomalies);
    expect(json).toMatchObject({ findings: [], logs: [{ verdict: 'verified' }] });
    expect((await house.check(tenant)).logs.find(({ log }) => log === 'llm-runs')?.anomalies?.conflicts).toBe(
      json.anomalies.find(({ kind }: { kind: string }) => kind === 'CONFLICTS').count,
    );
  });
});

describe('a finding', () => {
  const finding = () =>
    ({
      check: 'V4',
      code: 'LEAF_HASH_MISMATCH',
      tenantId: tenant,
      log: 'llm-runs',
      index: 3,
      table: 'leaf',
      expected: 'a',
      found: 'b',
    }) as const;

  it('is opened once however often it is met, cleared when a later check does not meet it, and opened again after that', async () => {
    const { register } = house;
    await register.met([finding()]);
    await register.met([finding(), finding()]);
    const [open] = await register.open(tenant);
    expect(await register.open(tenant)).toHaveLength(1);
    expect(
      await register.clear(tenant, new Date(Date.now() + 60_000).toISOString().replace('Z', '000Z'), () => true),
    ).toBe(1);
    expect(await register.open(tenant)).toEqual([]);
    await register.met([finding()]);
    const [again] = await register.open(tenant);
    expect(again?.id).toBe(open?.id);
    expect(again?.controlIndex).toBeGreaterThan(open?.controlIndex ?? 0);
    const kinds = await house.database.admin<{ kind: string }>(
      `select kind from sworn.control_records where tenant_id = $1 and subject = $2 order by leaf_index`,
      [tenant, open?.id],
    );
    expect(kinds.map(({ kind }) => kind)).toEqual(['FINDING', 'FINDING_CLEARED', 'FINDING']);
  });

  it('is one of at most a thousand that are open together: an emptied table does not fill the log', async () => {
    const many = Array.from({ length: 1_100 }, (_, index) => ({ ...finding(), index }));
    await house.register.met(many);
    await house.register.met([{ ...finding(), index: 5_000 }]);
    expect(await house.register.open(tenant)).toHaveLength(1_000);
  });

  it('is not cleared by a check that began before it was met last', async () => {
    const before = new Date(Date.now() - 60_000).toISOString().replace('Z', '000Z');
    await house.register.met([finding()]);
    expect(await house.register.clear(tenant, before, () => true)).toBe(0);
  });

  it('that somebody wrote into the log without our key neither opens nor clears anything', async () => {
    await house.register.met([finding()]);
    const [open] = await house.register.open(tenant);
    await tamper(
      `insert into sworn.control_records (tenant_id, log, leaf_index, kind, subject)
       select tenant_id, log, leaf_index, 'FINDING_CLEARED', $2 from sworn.leaf where tenant_id = $1 and log = 'control' and kind = 'TENANT_CREATED'
       on conflict (tenant_id, log, leaf_index) do update set kind = excluded.kind, subject = excluded.subject`,
      [tenant, open?.id],
    );
    expect(await house.register.open(tenant)).toHaveLength(1);
  });
});

describe('the checks that nobody asks for', () => {
  it('meet a change in old records on their way round, and clear it on the next when it was put right', async () => {
    await sealedRun();
    const patrol = patrolOf();
    await patrol.round();
    const swap = `update sworn.llm_run_records set provider = $2 where tenant_id = $1 and kind = 'RUN'`;
    await tamper(swap, [tenant, 'another']);
    for (let i = 0; i < 5; i++) await patrol.round();
    expect((await house.register.open(tenant)).map(({ code, table }) => [code, table])).toEqual([
      ['PROJECTION_MISMATCH', 'llm_run_records'],
    ]);
    await tamper(swap, [tenant, 'openai']);
    for (let i = 0; i < 10; i++) await patrol.round();
    expect(await house.register.open(tenant)).toEqual([]);
  });

  it('say nothing of a long log, slice by slice, while it grows', async () => {
    const patrol = patrolOf();
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 25; i++) await house.ingest(tenant, agentRun(newTrace()));
      await house.seal(tenant);
      await house.sign(tenant);
      await patrol.round();
    }
    const { size } = await logOf('llm-runs');
    expect(size).toBeGreaterThan(1_200);
    for (let i = 0; i < 12; i++) await patrol.round();
    expect(await house.register.open(tenant)).toEqual([]);
    expect(await logOf('llm-runs')).toMatchObject({
      verdict: 'verified',
      verified_size: size,
      scrubbed_at: expect.any(String),
    });
  });

  it('leave one record a day of what they found', async () => {
    await sealedRun();
    for (const patrol of [patrolOf(), patrolOf()]) for (let i = 0; i < 2; i++) await patrol.round();
    const rows = await house.database.admin<{ leaf: Buffer }>(
      `select leaf from sworn.leaf where tenant_id = $1 and log = 'control' and kind = 'VERIFIED'`,
      [tenant],
    );
    const said = rows.map(({ leaf }) => JSON.parse(leaf.toString('utf8')) as { findings: number; logs: object[] });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ findings: 0, day: new Date().toISOString().slice(0, 10) });
    expect(said[0]?.logs).toHaveLength(5);
    expect((await house.check(tenant)).findings).toEqual([]);
  });
});

describe('a proof on demand', () => {
  it('of a leaf leads to the first checkpoint that covers it, or to another', async () => {
    await sealedRun();
    await sealedRun();
    const { json } = await ask('?log=llm-runs&leaf_index=1');
    const { proof } = json;
    const { root, size } = parseCheckpoint(proof.checkpoint);
    const claim = {
      index: 1,
      size,
      leafHash: Buffer.from(proof.leaf_hash, 'hex'),
      path: proof.path.map(unbase64),
      root,
    };
    expect(verifyInclusion(claim)).toBe(true);
    const later = (await logOf('llm-runs')).checkpoint_size;
    expect(later).toBeGreaterThan(size);
    const other = (await ask(`?log=llm-runs&leaf_index=1&size=${later}`)).json.proof;
    expect(other.size).toBe(later);
  });

  it('between two checkpoints shows one history', async () => {
    await sealedRun();
    const from = (await logOf('llm-runs')).checkpoint_size;
    await sealedRun();
    const { proof } = (await ask(`?log=llm-runs&from_size=${from}`)).json;
    const [old, now] = [parseCheckpoint(proof.from_checkpoint), parseCheckpoint(proof.checkpoint)];
    const claim = {
      from: old.size,
      to: now.size,
      fromRoot: old.root,
      toRoot: now.root,
      path: proof.path.map(unbase64),
    };
    expect(verifyConsistency(claim)).toBe(true);
    expect(verifyConsistency({ ...claim, fromRoot: now.root })).toBe(false);
  });

  it('that is half asked for is refused with the parameter that is wrong', async () => {
    await sealedRun();
    const wrong = async (query: string) => {
      const { status, json } = await ask(query);
      return [status, json.errors?.[0]?.parameter];
    };
    expect(await wrong('?leaf_index=1')).toEqual([400, 'log']);
    expect(await wrong('?log=llm-runs&leaf_index=1&from_size=1')).toEqual([400, 'from_size']);
    expect(await wrong('?log=llm-runs&size=1')).toEqual([400, 'size']);
    expect(await wrong('?log=llm-runs&leaf_index=999999&size=1')).toEqual([400, 'size']);
    expect(await wrong('?log=llm-runs&from_size=1')).toEqual([400, 'from_size']);
    expect(await wrong('?log=llm-runs.2')).toEqual([400, 'log']);
    expect(await wrong('?log=audit&leaf_index=0')).toEqual([400, 'leaf_index']);
  });

  it('is none when the leaf was changed: 409 with the bytes that are there', async () => {
    await sealedRun();
    await tamper(
      `update sworn.leaf set leaf_hash = sha256('x') where tenant_id = $1 and log = 'llm-runs' and leaf_index = 1`,
      [tenant],
    );
    const { status, json } = await ask('?log=llm-runs&leaf_index=1');
    expect(status).toBe(409);
    expect(json.finding).toMatchObject({ check: 'V3', leaf_index: 1 });
  });
});
