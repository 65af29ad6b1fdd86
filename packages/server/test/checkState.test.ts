import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPatrol } from '../src/check/patrol.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;
let auditor: string;

beforeEach(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  await record();
});
afterEach(() => house.close());

async function record(): Promise<void> {
  await house.ingest(tenant, agentRun(newTrace()));
  await house.seal(tenant);
  await house.sign(tenant);
}

/** As a superuser whom no trigger binds. */
async function tamper(statement: string): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  await house.database.admin(statement, statement.includes('$1') ? [tenant] : []);
}

const MINUTE_MS = 60_000;
/** The checks of another process, at a time in the past. */
const patrolOf = (agoMs = 0) =>
  createPatrol({
    checking: house.checking,
    register: house.register,
    tenants: () => Promise.resolve([tenant]),
    everyMs: 10_000,
    now: () => Date.now() - agoMs,
    holdsLease: () => Promise.resolve(true),
    stopping: new AbortController().signal,
    onFinding: () => undefined,
  });
const runs = async () => (await get(house, '/api/v1/logs/audit/integrity?log=llm-runs', auditor)).json.logs[0];
const open = async () => (await house.register.open(tenant)).map(({ code, log }) => `${code} ${log}`);
const HERE = `tenant_id = $1 and log = 'llm-runs'`;
const FOREIGN = 'CHECK_STATE_MISMATCH llm-runs';

describe('somebody who writes how far the checks have come', () => {
  const WHOLE = `update sworn.check_cursor c set verified = h.next_index from sworn.log_head h where c.tenant_id = $1 and c.log = 'llm-runs' and h.tenant_id = $1 and h.log = 'llm-runs'`;

  it('has nobody say that new records were looked at: not the server, which says what he did, nor fsck', async () => {
    await patrolOf().round();
    await record();
    await tamper(
      `update sworn.leaf set leaf_hash = sha256('x') where ${HERE} and leaf_index = (select max(leaf_index) from sworn.leaf where ${HERE})`,
    );
    await tamper(WHOLE);
    expect(await runs()).toMatchObject({ verdict: 'not_verified', verified_size: 0, checked_at: null });
    const said = (await house.check(tenant)).findings.map(({ code, log }) => `${code} ${log}`);
    expect(said).toEqual(expect.arrayContaining([FOREIGN, 'COLUMN_MISMATCH llm-runs']));
    await patrolOf().round();
    expect((await open()).toSorted()).toEqual([FOREIGN, 'COLUMN_MISMATCH llm-runs'].toSorted());
  });

  it('is told also by a process that knows where it is, which writes its own again; that it happened stays open until all was checked by hand', async () => {
    const patrol = patrolOf();
    await patrol.round();
    await tamper(WHOLE.replace('h.next_index', '1'));
    await patrol.round();
    expect(await open()).toEqual([FOREIGN]);
    for (let i = 0; i < 12; i++) await patrol.round();
    expect(await open()).toEqual([FOREIGN]);
    const { verdict, size, verified_size: verified } = await runs();
    expect([verdict, verified]).toEqual(['compromised', size]);
    // As `sworn fsck --record` does, which finds nothing.
    expect((await house.check(tenant)).findings).toEqual([]);
    const now = new Date(Date.now() + MINUTE_MS).toISOString().replace('Z', '000Z');
    expect(await house.register.clear(tenant, now, () => true)).toBe(1);
  });

  it('cannot take the row of another log for it, nor one without a MAC', async () => {
    await patrolOf().round();
    await tamper(
      `update sworn.check_cursor c set mac = o.mac, next_index = o.next_index, frontier = o.frontier, verified = o.verified, checked_at = o.checked_at, scrub_index = o.scrub_index,
         scrub_frontier = o.scrub_frontier, scrub_began_at = o.scrub_began_at, scrubbed_at = o.scrubbed_at, conflicts = o.conflicts, skewed = o.skewed
         from sworn.check_cursor o where c.tenant_id = $1 and o.tenant_id = $1 and c.log = 'llm-runs' and o.log = 'control'`,
    );
    expect(await runs()).toMatchObject({ verdict: 'not_verified', verified_size: 0 });
    await tamper(`update sworn.check_cursor set mac = null where ${HERE}`);
    expect(await runs()).toMatchObject({ verdict: 'not_verified', verified_size: 0 });
    await patrolOf().round();
    expect(await open()).toEqual([]);
    expect(await runs()).toMatchObject({ verdict: 'verified' });
  });
});

describe('that the record is verified', () => {
  it('is not said when nobody has gone round for longer than that takes, whoever says that he has', async () => {
    await patrolOf(11 * MINUTE_MS).round();
    expect(await runs()).toMatchObject({ verdict: 'not_verified' });
    await tamper('update sworn.check_round set at = now()');
    expect(await runs()).toMatchObject({ verdict: 'not_verified' });
    await patrolOf().round();
    expect(await runs()).toMatchObject({ verdict: 'verified' });
  });

  it('is not said when old records were not looked at in their seven days', async () => {
    await patrolOf(9 * 24 * 60 * MINUTE_MS).round();
    await tamper('delete from sworn.check_round');
    const patrol = patrolOf();
    // One that goes round, but is kept from the way through this log.
    await patrol.round();
    const { verdict, scrubbed_at: scrubbedAt } = await runs();
    expect([verdict, scrubbedAt === null || Date.parse(scrubbedAt) < Date.now() - MINUTE_MS]).toEqual([
      'not_verified',
      true,
    ]);
    for (let i = 0; i < 6; i++) await patrol.round();
    expect(await runs()).toMatchObject({ verdict: 'verified' });
  });
});
