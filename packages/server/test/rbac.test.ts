import { afterEach, describe, expect, it } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { SessionCredential } from '../src/access/credential.js';
import { type AccessRule, permissionsOf, type Rules } from '../src/access/rules.js';
import { productionRuling, RULES } from './accessRules.js';
import { accessRecords, get, type Got } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
const DAY_MS = 86_400_000;
let house: House;
let built: House | null = null;
afterEach(async () => {
  await built?.close();
  built = null;
});

async function build(options: Parameters<typeof buildHouse>[0] = {}): Promise<void> {
  house = built = await buildHouse(options);
}

/** The rules that come with Sworn, with those of an id said otherwise. */
function rulesWith(id: string, said: Partial<AccessRule>): Rules {
  return { ...RULES, rules: RULES.rules.map((rule) => (rule.id === id ? { ...rule, ...said } : rule)) };
}

async function tenantOf(synthetic = false) {
  const tenant = await house.tenants.create({ name: 'acme', synthetic });
  const keyOf = async (role: 'reader' | 'auditor') => (await house.keys.issue({ tenantId: tenant, role })).key;
  const run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  return { tenant, run, reader: await keyOf('reader'), auditor: await keyOf('auditor') };
}

const recordOf = async (tenant: string, got: Got) =>
  (await accessRecords(house, tenant)).find((one) => one['request_id'] === got.headers.get('x-request-id'));

describe('LOGS_READ_PREFLIGHT', () => {
  const UNTIL = Date.parse('2026-03-01T00:00:00Z');
  /** A preflight house whose clock stands so many milliseconds from when the rule ends. */
  async function preflightAt(ms: number, more: Parameters<typeof buildHouse>[0] = {}): Promise<void> {
    await build({ environment: 'preflight', ...more });
    house.advance(UNTIL + ms - Date.now());
  }

  it('reads the synthetic tenant without a credential until its day, and not from then on', async () => {
    await preflightAt(-60_000);
    const { tenant, run } = await tenantOf(true);
    const before = await get(house, LIST, null);
    expect(before.status, before.text).toBe(200);
    expect(before.json.items).toMatchObject([{ run_id: run, is_synthetic: true }]);
    expect(await recordOf(tenant, before)).toMatchObject({
      rule: 'LOGS_READ_PREFLIGHT',
      decision: 'ALLOW',
      permission: 'logs.read',
    });
    house.advance(60_001);
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
    house.advance(-120_000);
    expect((await get(house, LIST, null)).status).toBe(200);
  });

  it('is not revived by a clock that is set back: a record under a checkpoint tells the time too', async () => {
    await preflightAt(-60_000);
    const { tenant } = await tenantOf(true);
    expect((await get(house, LIST, null)).status).toBe(200);
    // The database's own clock, which numbers records, is long past that day.
    await house.sign(tenant);
    house.advance(-120_000);
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
  });

  it('is over for a build that was made after its day', async () => {
    await preflightAt(-60_000, { builtAt: UNTIL });
    await tenantOf(true);
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
  });

  it('holds on loopback alone, in preflight alone, and for the runs alone', async () => {
    await preflightAt(-60_000, { isLoopback: false });
    await tenantOf(true);
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
    await house.close();
    await preflightAt(-60_000, { environment: 'production' });
    await tenantOf(true);
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
    await house.close();
    await preflightAt(-60_000);
    await tenantOf(true);
    for (const path of ['/api/v1/logs/audit', '/api/v1/logs/audit/access'])
      expect((await get(house, path, null)).json.code).toBe('not_authenticated');
  });

  it('knows no tenant that is real, and none where it would have to choose', async () => {
    await preflightAt(-60_000);
    const real = await tenantOf();
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
    await tenantOf(true);
    house.advance(6_000);
    expect((await get(house, `${LIST}/${real.run}/envelope`, null)).json.code).toBe('not_found');
    await tenantOf(true);
    house.advance(6_000);
    expect((await get(house, LIST, null)).json.code).toBe('not_authenticated');
  });

  it('makes no bad credential a good one', async () => {
    await preflightAt(-60_000);
    await tenantOf(true);
    for (const headers of [{ authorization: 'Bearer nonsense' }, { 'x-api-key': 'x' }])
      expect((await get(house, LIST, null, headers)).status).toBe(401);
  });
});

describe('a rule of access', () => {
  it('is named by the record of what it allowed, and by that of what it denied, with what to do', async () => {
    await build();
    const { tenant, reader } = await tenantOf();
    const allowed = await get(house, LIST, reader);
    expect(await recordOf(tenant, allowed)).toMatchObject({
      rule: 'LOGS_READ_MACHINE',
      role: 'reader',
      permission: 'logs.read',
      decision: 'ALLOW',
    });
    const denied = await get(house, '/api/v1/logs/audit', reader);
    expect(denied.json).toMatchObject({
      code: 'permission_denied',
      detail: 'LOGS_AUDIT_MACHINE: a key of role reader lacks logs.audit',
    });
    expect(await recordOf(tenant, denied)).toMatchObject({
      rule: 'LOGS_AUDIT_MACHINE',
      role: 'reader',
      decision: 'DENY',
      reason_code: 'permission_denied',
    });
  });

  it('that is not there lets nobody read', async () => {
    await build({
      rules: { ...RULES, rules: RULES.rules.filter(({ id }) => id !== 'LOGS_READ_MACHINE') },
    });
    const { tenant, reader } = await tenantOf();
    const got = await get(house, LIST, reader);
    expect(got.json).toMatchObject({ code: 'permission_denied', detail: expect.stringContaining('no rule lets') });
    expect(await recordOf(tenant, got)).toMatchObject({ decision: 'DENY', permission: 'logs.read' });
  });

  it('expires: on its day it is as if it were not there', async () => {
    const expires = Date.now() + DAY_MS;
    await build({ rules: rulesWith('LOGS_READ_MACHINE', { expires }) });
    const { reader } = await tenantOf();
    expect((await get(house, LIST, reader)).status).toBe(200);
    house.advance(DAY_MS);
    expect((await get(house, LIST, reader)).json).toMatchObject({
      code: 'permission_denied',
      detail: expect.stringContaining('LOGS_READ_MACHINE expired on'),
    });
  });

  it('may be for one role: the first that matches decides', async () => {
    const read = RULES.rules.find(({ id }) => id === 'LOGS_READ_MACHINE') as AccessRule;
    const narrow = { ...read, id: 'READERS', roles: new Set(['reader']), maxRows: 1 };
    await build({ rules: { ...RULES, rules: [narrow, ...RULES.rules] } });
    const { tenant, reader, auditor } = await tenantOf();
    expect(await recordOf(tenant, await get(house, LIST, reader))).toMatchObject({ rule: 'READERS' });
    expect(await recordOf(tenant, await get(house, LIST, auditor))).toMatchObject({ rule: 'LOGS_READ_MACHINE' });
  });

  it('for another environment is not asked', async () => {
    await build({ rules: rulesWith('LOGS_READ_MACHINE', { environment: 'preflight' }) });
    const { reader } = await tenantOf();
    expect((await get(house, LIST, reader)).json.code).toBe('permission_denied');
  });

  it('leaves out what is synthetic where it says so', async () => {
    await build({ rules: rulesWith('LOGS_READ_MACHINE', { includeSynthetic: false }) });
    const [made, real] = [await tenantOf(true), await tenantOf()];
    expect((await get(house, LIST, made.reader)).json).toMatchObject({
      code: 'permission_denied',
      detail: expect.stringContaining('synthetic'),
    });
    expect((await get(house, LIST, real.reader)).status).toBe(200);
  });

  it('bounds the records on a page', async () => {
    await build({ rules: rulesWith('LOGS_READ_MACHINE', { maxRows: 2 }) });
    const { tenant, run, reader } = await tenantOf();
    for (let i = 0; i < 3; i++) await house.ingest(tenant, agentRun(newTrace()));
    await house.seal(tenant);
    expect((await get(house, LIST, reader)).json.items).toHaveLength(2);
    expect((await get(house, `${LIST}?limit=1`, reader)).json.items).toHaveLength(1);
    expect((await get(house, `${LIST}?limit=3`, reader)).json).toMatchObject({
      code: 'invalid_parameter',
      errors: [{ parameter: 'limit', detail: 'LOGS_READ_MACHINE allows at most 2' }],
    });
    expect((await get(house, `${LIST}/${run}/trace`, reader)).json.steps).toHaveLength(2);
  });
});

describe('a rule that bounds the days of a list', () => {
  async function bounded() {
    await build({ rules: rulesWith('LOGS_READ_MACHINE', { maxRangeDays: 7 }) });
    return tenantOf();
  }
  const day = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10);

  it('shows the last so many where no range is given, and says so', async () => {
    const { run, reader } = await bounded();
    const got = await get(house, LIST, reader);
    expect(got.json.items).toMatchObject([{ run_id: run }]);
    expect(got.json.filters_applied.recorded_after.slice(0, 10)).toBe(day(7));
    house.advance(8 * DAY_MS);
    expect((await get(house, LIST, reader)).json.items).toEqual([]);
    // By its id it is there all the same.
    expect((await get(house, `${LIST}/${run}/envelope`, reader)).status).toBe(200);
  });

  it('keeps a crawl where its first page began, also when days pass, and takes no window that it did not give', async () => {
    const { tenant, run, reader } = await bounded();
    const newer = newTrace();
    await house.ingest(tenant, agentRun(newer));
    await house.seal(tenant);
    const first = await get(house, `${LIST}?limit=1`, reader);
    const cursor = first.json.next_cursor as string;
    house.advance(6 * DAY_MS);
    const second = await get(house, `${LIST}?limit=1&cursor=${cursor}`, reader);
    expect(second.json.items, second.text).toMatchObject([{ run_id: run }]);
    expect(second.json.filters_applied).toEqual(first.json.filters_applied);
    for (const forged of [
      `${cursor[0] === 'A' ? 'B' : 'A'}${cursor.slice(1)}`,
      cursor.slice(32),
      `${cursor.slice(0, 31)}${cursor[31] === 'A' ? 'B' : 'A'}${cursor.slice(32)}`,
    ])
      expect((await get(house, `${LIST}?limit=1&cursor=${forged}`, reader)).json.code).toBe('invalid_parameter');
  });

  it('takes a narrower range, ends an open one, and refuses a wider one', async () => {
    const { reader } = await bounded();
    const ask = async (query: string) => (await get(house, `${LIST}?${query}`, reader)).json;
    expect((await ask(`recorded_after=${day(7)}`)).code).toBeUndefined();
    expect((await ask(`occurred_after=${day(9)}&occurred_before=${day(2)}`)).code).toBeUndefined();
    expect((await ask(`recorded_before=${day(1)}`)).filters_applied.recorded_after).toMatch(day(8));
    for (const wide of [
      `recorded_after=${day(9)}`,
      `occurred_after=${day(9)}&occurred_before=${day(1)}`,
      `recorded_after=${day(3)}&occurred_after=2020-01-01`,
    ])
      expect(await ask(wide), wide).toMatchObject({
        code: 'permission_denied',
        detail: expect.stringContaining('LOGS_READ_MACHINE'),
      });
  });
});

describe('a rule that withholds payloads', () => {
  async function withheld(payloads: 'none' | 'hashes') {
    await build({ rules: rulesWith('LOGS_READ_MACHINE', { payloads }) });
    const { run, reader } = await tenantOf();
    const trace = await get(house, `${LIST}/${run}/trace`, reader);
    const envelope = await get(house, `${LIST}/${run}/envelope`, reader);
    const io = await get(house, `${LIST}/${run}/trace?fields=io`, reader);
    return { trace, envelope, io };
  }

  it.each(['hashes', 'none'] as const)(
    'to %s shows no text of a step, and refuses inputs and outputs',
    async (payloads) => {
      const { trace, envelope, io } = await withheld(payloads);
      const steps = trace.json.steps as Record<string, unknown>[];
      expect(steps.length).toBeGreaterThan(1);
      for (const step of steps) expect(step).toMatchObject({ name: null });
      for (const text of ['invoke_agent helper', 'Where is my order']) expect(trace.text).not.toContain(text);
      const hashes = [...steps.flatMap((step) => [step['input_hash'], step['output_hash']]), envelope.json.prompt_hash];
      expect(hashes.some((hash) => hash !== null)).toBe(payloads === 'hashes');
      expect(io.json).toMatchObject({
        code: 'permission_denied',
        detail: `fields: LOGS_READ_MACHINE shows no inputs and outputs (payloads: ${payloads}): leave it out`,
      });
    },
  );
});

describe('a session', () => {
  it('is let in by rules of sessions, with the permissions of its roles, and by none of keys', async () => {
    const permissions = permissionsOf(RULES, ['reader', 'unheard-of']);
    const session: SessionCredential = {
      kind: 'session',
      tenantId: crypto.randomUUID(),
      actorId: 'tok_00000000000000000000000000000000',
      issuer: 'corporate',
      sessionId: 'tok_00000000000000000000000000000001',
      roles: ['reader', 'unheard-of'],
      permissions,
      tenantSynthetic: false,
      bounds: UNBOUNDED,
      expiresAt: new Date('2100-01-01'),
    };
    const ruling = productionRuling();
    expect((await ruling.admit(session, 'llm_runs.list')).rule.id).toBe('LOGS_READ_PRODUCTION');
    await expect(ruling.admit(session, 'audit.list')).rejects.toMatchObject({
      code: 'permission_denied',
      rule: 'LOGS_AUDIT_PRODUCTION',
      message: 'LOGS_AUDIT_PRODUCTION: a session of role reader+unheard-of lacks logs.audit',
    });
  });
});
