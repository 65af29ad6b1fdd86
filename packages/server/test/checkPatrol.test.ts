import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPatrol } from '../src/check/patrol.js';
import { createOpenFindings } from '../src/read/openFindings.js';
import { inTenant } from '../src/store/database.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;

beforeEach(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  for (let i = 0; i < 3; i++) await house.ingest(tenant, agentRun(newTrace()));
  await house.seal(tenant);
  await house.sign(tenant);
});
afterEach(() => house.close());

/** As a superuser whom no trigger binds. */
async function tamper(...statements: readonly string[]): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  for (const statement of statements) await house.database.admin(statement, statement.includes('$1') ? [tenant] : []);
}

const HERE = `tenant_id = $1 and log = 'llm-runs'`;
/** A row that stands beyond the head. */
const STRAY = `insert into sworn.run_members (tenant_id, log, leaf_index, run_id, trace_id, whole)
  select tenant_id, log, 5000, run_id, trace_id, whole from sworn.run_members where ${HERE} limit 1`;

const patrolOf = () =>
  createPatrol({
    checking: house.checking,
    register: house.register,
    tenants: () => Promise.resolve([tenant]),
    everyMs: 10_000,
    now: Date.now,
    holdsLease: () => Promise.resolve(true),
    stopping: () => false,
    onFinding: () => undefined,
  });
const open = async () => (await house.register.open(tenant)).map(({ code, table }) => `${code} ${table}`);
/** A way round the five logs of a tenant, and one more. */
async function goRound(patrol: ReturnType<typeof patrolOf>): Promise<void> {
  for (let i = 0; i < 12; i++) await patrol.round();
}

describe('the checks that nobody asks for', () => {
  it('meet a row beyond the head of a log that does not grow, and go on saying so', async () => {
    const patrol = patrolOf();
    await goRound(patrol);
    await tamper(STRAY);
    await goRound(patrol);
    expect(await open()).toEqual(['BEYOND_HEAD run_members']);
    await goRound(patrol);
    expect(await open()).toEqual(['BEYOND_HEAD run_members']);
    const leaves = await house.database.admin(
      `select from sworn.control_records where tenant_id = $1 and kind = 'FINDING_CLEARED'`,
      [tenant],
    );
    expect(leaves).toEqual([]);
  });

  it('clear nothing while the end of a log is not proven', async () => {
    const patrol = patrolOf();
    await goRound(patrol);
    await house.ingest(tenant, agentRun(newTrace()));
    await tamper(
      `delete from sworn.batch_authenticator where ${HERE} and first_index = (select max(first_index) from sworn.batch_authenticator where ${HERE})`,
    );
    await patrol.round();
    expect(await open()).toEqual(['UNAUTHENTICATED_APPEND batch_authenticator']);
    await goRound(patrol);
    expect(await open()).toEqual(['UNAUTHENTICATED_APPEND batch_authenticator']);
  });

  it('clear nothing because a row says when it was met, or where they are', async () => {
    const first = patrolOf();
    await goRound(first);
    await tamper(`update sworn.llm_run_records set provider = 'another' where ${HERE}`);
    await goRound(first);
    const before = await open();
    expect(before.length).toBeGreaterThan(0);
    await tamper(
      `update sworn.finding_seen set last_seen_at = '2001-01-01' where tenant_id = $1`,
      `update sworn.check_cursor set scrub_index = 0, scrub_frontier = '', scrub_began_at = '2040-01-01' where ${HERE}`,
    );
    const second = patrolOf();
    for (let i = 0; i < 6; i++) await second.round();
    expect(await open()).toEqual([...before, 'CHECK_STATE_MISMATCH check_cursor']);
  });

  it('vouch for nothing while readers may see something else, but tell what they find', async () => {
    const patrol = patrolOf();
    await patrol.round();
    await house.ingest(tenant, agentRun(newTrace()));
    const verified = async () =>
      (
        await house.database.admin<{ verified: string }>(`select verified from sworn.check_cursor where ${HERE}`, [
          tenant,
        ])
      )[0]?.verified;
    const before = await verified();
    await tamper('create policy hide on sworn.tile as restrictive using (false)', STRAY);
    await expect(patrol.round()).rejects.toThrow('tile (policy hide)');
    expect(await verified()).toEqual(before);
    expect(await open()).toEqual(['BEYOND_HEAD run_members']);
  });

  it('go on with all other logs where one cannot be asked', async () => {
    const patrol = patrolOf();
    await patrol.round();
    await house.ingest(tenant, agentRun(newTrace()));
    const asked = house.checking.verifyCheckpoint;
    (house.checking as { verifyCheckpoint: typeof asked }).verifyCheckpoint = (id, log, row) =>
      log === 'access' || log === 'control' ? Promise.reject(new Error('away')) : asked(id, log, row);
    await house.keys.issue({ tenantId: tenant, role: 'reader' });
    await expect(patrol.round()).rejects.toThrow('away');
    const [row] = await house.database.admin<{ whole: boolean }>(
      `select c.verified = h.next_index as whole from sworn.check_cursor c join sworn.log_head h using (tenant_id, log) where tenant_id = $1 and log = 'llm-runs'`,
      [tenant],
    );
    expect(row?.whole).toBe(true);
  });

  it('are stopped by no row of theirs', async () => {
    await patrolOf().round();
    await tamper(
      `update sworn.check_cursor set checked_at = 'infinity', verified = 9223372036854775807 where tenant_id = $1`,
    );
    await goRound(patrolOf());
    expect(new Set(await open())).toEqual(new Set(['CHECK_STATE_MISMATCH check_cursor']));
  });

  it('see a data key that was changed after they used it', async () => {
    const patrol = patrolOf();
    await goRound(patrol);
    await tamper(`update sworn.data_key set epoch = epoch + 1 where tenant_id = $1`);
    await goRound(patrol);
    expect(await open()).toContain('KEY_DOES_NOT_OPEN data_key');
  });
});

describe('what is said of a log', () => {
  it('is not that it is verified, where records have waited for their check for longer than checks take', async () => {
    await patrolOf().round();
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'auditor' });
    await house.ingest(tenant, agentRun(newTrace()));
    const verdict = async () =>
      (await get(house, '/api/v1/logs/audit/integrity?log=llm-runs', key)).json.logs[0].verdict as string;
    expect(await verdict()).toBe('verified');
    await tamper(`update sworn.leaf set recorded_at = recorded_at - interval '3 minutes' where ${HERE}`);
    expect(await verdict()).toBe('not_verified');
  });
});

describe('a finding whose row in control was taken away', () => {
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
  const hide = () => tamper(`delete from sworn.control_records where tenant_id = $1 and kind = 'FINDING'`);

  it('is opened again when it is met again', async () => {
    await house.register.met([finding()]);
    await hide();
    expect(await open()).toEqual([]);
    await house.register.met([finding()]);
    expect(await open()).toEqual(['LEAF_HASH_MISMATCH leaf']);
  });

  it('is still held against its record by who knew of it', async () => {
    await house.register.met([finding()]);
    const openFindings = createOpenFindings(house.read);
    const ask = () => inTenant(house.database.db, 'reader', tenant, (tx) => openFindings(tx, tenant));
    expect(await ask()).toHaveLength(1);
    await hide();
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(await ask()).toHaveLength(1);
  });
});
