import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPatrol } from '../src/check/patrol.js';
import { readRegister, type RegisterRead } from '../src/check/register.js';
import { createOpenFindings } from '../src/read/openFindings.js';
import { inTenant } from '../src/store/database.js';
import { sql } from '../src/store/sql.js';
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
    stopping: new AbortController().signal,
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

describe('the findings of a tenant, read on from what was read before', () => {
  const at = (index: number) =>
    ({
      check: 'V4',
      code: 'LEAF_HASH_MISMATCH',
      tenantId: tenant,
      log: 'llm-runs',
      index,
      table: 'leaf',
      expected: 'a',
      found: 'b',
    }) as const;
  const met = (...indices: readonly number[]) => house.register.met(indices.map(at));
  /** What is read, and how many rows of `leaf` were fetched for it. */
  const read = (known?: RegisterRead) =>
    inTenant(house.database.db, 'reader', tenant, async (tx) => {
      const fetched = async () =>
        (
          await tx.query<{ leaves: number }>(sql`
            select coalesce(sum(idx_tup_fetch + seq_tup_read), 0)::int as leaves from pg_stat_xact_user_tables where relname = 'leaf'`)
        )[0]?.leaves ?? 0;
      // As in a table that is too large to be read whole.
      await tx.query(sql`select set_config('enable_seqscan', 'off', true)`);
      const before = await fetched();
      const register = await readRegister(house.read, tx, tenant, known);
      return { register, leaves: (await fetched()) - before };
    });
  const indices = ({ open }: RegisterRead) => [...open.values()].map(({ index }) => index);
  /** Leaves of findings whose rows are not what they were; what was there is kept beside them. */
  const hide = (index: number) =>
    tamper(
      `create table if not exists public.hidden as select * from sworn.control_records where false`,
      `with gone as (delete from sworn.control_records where tenant_id = $1 and kind = 'FINDING' and leaf_index =
        (select leaf_index from sworn.control_records where tenant_id = $1 and kind = 'FINDING' order by leaf_index offset ${index} limit 1) returning *)
       insert into public.hidden select * from gone`,
    );
  const putBack = () => tamper(`insert into sworn.control_records select * from public.hidden`);

  it('costs the leaves that are new, and says the same as when all are read', async () => {
    await met(1, 2, 3, 4);
    const first = await read();
    expect((await read(first.register)).leaves).toBe(0);
    await met(5);
    await house.register.clear(tenant, '9999-01-01T00:00:00.000Z', ({ index }) => index === 2);
    const second = await read(first.register);
    expect(indices(second.register)).toEqual([1, 3, 4, 5]);
    const whole = await read();
    expect(second.register).toEqual(whole.register);
    // Two are new of six; PostgreSQL counts a look-up as one or two.
    expect(second.leaves).toBeGreaterThan(0);
    expect(second.leaves * 2).toBeLessThan(whole.leaves);
    await met(2);
    const third = await read(second.register);
    expect(indices(third.register)).toEqual([1, 3, 4, 5, 2]);
    expect(third.register).toEqual((await read()).register);
  });

  it('misses none whose row was away for a moment', async () => {
    await met(1, 2, 3);
    await hide(1);
    const without = await read();
    expect(indices(without.register)).toEqual([1, 3]);
    await putBack();
    expect(indices((await read(without.register)).register)).toEqual([1, 2, 3]);
  });

  it('is read anew where a row says something that we did not', async () => {
    await met(1, 2);
    const first = await read();
    await tamper(`update sworn.control_records set kind = 'FINDING' where tenant_id = $1 and kind = 'TENANT_CREATED'`);
    const second = await read(first.register);
    expect(second.leaves).toBeGreaterThan(2);
    expect(indices(second.register)).toEqual([1, 2]);
  });
});
