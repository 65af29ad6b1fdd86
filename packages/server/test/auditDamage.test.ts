import { readFileSync } from 'node:fs';
import { recordId } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { logsRequest } from './logLines.js';

const AUDIT = '/api/v1/logs/audit';
const RUNS = '/api/v1/logs/llm-runs';
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

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;

const ask = (query = '', path = AUDIT) => get(house, path + query, auditor);
const read = (path = RUNS, headers: Record<string, string> = {}) => get(house, path, reader, headers);
const entryId = (topic: 'access' | 'control', index: number) => recordId({ topic, generation: 1, index });

async function items(query = ''): Promise<Item[]> {
  const { status, json, text } = await ask(query);
  expect(status, text).toBe(200);
  return json.items;
}

/** As a superuser whom no trigger binds. */
async function tamper(statement: string, values: readonly unknown[] = []): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  await house.database.admin(statement, [...values]);
  await house.database.admin('set session_replication_role = origin');
}

describe('a record that is not as it was written', () => {
  const wrongs: [what: string, statement: string, check: string, code: string][] = [
    [
      'a row that says something else',
      `update sworn.access_records set decision = 'DENY'`,
      'V6',
      'PROJECTION_MISMATCH',
    ],
    [
      'a row that says another correlation',
      `update sworn.access_records set correlation_id = 'tok_x'`,
      'V6',
      'PROJECTION_MISMATCH',
    ],
    ['a row that is gone', `delete from sworn.access_records`, 'V6', 'PROJECTION_MISSING'],
    [
      'a leaf that says something else',
      `update sworn.leaf set leaf = convert_to('{}', 'UTF8')`,
      'V4',
      'LEAF_HASH_MISMATCH',
    ],
    ['a column beside the leaf', `update sworn.leaf set kind = 'READ_ENDED'`, 'V6', 'COLUMN_MISMATCH'],
  ];
  it.each(wrongs)('is an item with its finding in lists, and 409 by id: %s', async (_, statement, check, code) => {
    await read();
    await read();
    await tamper(`${statement} where tenant_id = $1 and log = 'access' and leaf_index = 0`, [tenant]);
    const listed = await items('?log=access');
    expect(listed.map((item) => item.compromised ?? false)).toEqual([false, true]);
    expect(listed[1]).toMatchObject({ id: entryId('access', 0), leaf_index: 0, finding: { check, code } });
    const { status, json } = await ask('', `${AUDIT}/${entryId('access', 0)}`);
    expect([status, json.code]).toEqual([409, 'evidence_compromised']);
    expect(json.finding).toMatchObject({ check, code, log: 'access', leaf_index: 0 });
  });

  it('is an item with its finding where a producer reported it, whichever filter leads there', async () => {
    const body = logsRequest([{ event: 'sworn.audit.note' }, { event: 'sworn.audit.review' }]);
    await house.ingestLogs(tenant, { encoding: 'protobuf', body });
    await tamper(`update sworn.audit_ledger set decision = 'ALLOW' where tenant_id = $1 and leaf_index = 0`, [tenant]);
    for (const query of ['?log=audit', '?decision=ALLOW', '?occurred_after=2025-01-01&log=audit'])
      expect((await items(query)).find((item) => item.compromised === true)).toMatchObject({
        leaf_index: 0,
        finding: { check: 'V6', code: 'PROJECTION_MISMATCH' },
      });
  });

  it('is 409 by id where its body is another', async () => {
    const body = logsRequest([{ event: 'sworn.audit.note', attributes: { 'sworn.audit.after': '{"a":1}' } }]);
    await house.ingestLogs(tenant, { encoding: 'protobuf', body });
    const [{ id }] = await items('?log=audit');
    await tamper(
      `update sworn.leaf set body = set_byte(body, 20, get_byte(body, 20) # 1) where tenant_id = $1 and log = 'audit'`,
      [tenant],
    );
    const { status, json } = await ask('', `${AUDIT}/${id}`);
    expect([status, json.code, json.finding.check]).toEqual([409, 'evidence_compromised', 'V8']);
  });

  it('is seen where only its row is left', async () => {
    await read();
    await tamper(`delete from sworn.leaf where tenant_id = $1 and log = 'control' and leaf_index = 2`, [tenant]);
    for (const query of ['', '?event_type=KEY_CREATED', '?order=asc&log=control']) {
      const [found] = (await items(query)).filter((item) => item.compromised === true);
      expect(found, query).toMatchObject({ leaf_index: 2, finding: { check: 'V10', code: 'STRAY_ROW' } });
    }
    expect((await ask('', `${AUDIT}/${entryId('control', 2)}`)).status).toBe(409);
  });

  it('is said of a record whose own check passes while a finding is open on it', async () => {
    // Refused before anything is read: open findings are held for a moment.
    await read(AUDIT);
    await house.register.met([
      {
        check: 'V3',
        code: 'TILE_MISMATCH',
        tenantId: tenant,
        log: 'access',
        index: 0,
        table: 'tile',
        expected: 'x',
        found: 'y',
      },
    ]);
    const shown = await items('?log=access');
    expect(shown.at(-1)).toMatchObject({ compromised: true, finding: { code: 'TILE_MISMATCH' } });
    expect((await ask('', `${AUDIT}/${entryId('access', 0)}`)).status).toBe(409);
    expect((await items('?event_type=FINDING'))[0]).toMatchObject({ category: 'INTEGRITY', entity_type: 'FINDING' });
  });

  it('does not lead a crawl astray: times in rows order nothing within a log', async () => {
    for (let n = 0; n < 6; n++) await read();
    await tamper(
      `update sworn.leaf set recorded_at = recorded_at + '1 hour' where tenant_id = $1 and log = 'access' and leaf_index = 2`,
      [tenant],
    );
    const seen: Item[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { json }: Awaited<ReturnType<typeof ask>> = await ask(
        `?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...json.items);
      cursor = json.next_cursor;
    }
    expect(seen).toHaveLength(9);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(9);
    expect(seen.filter((item) => item.compromised === true)).toHaveLength(1);
  });
});

it('finds records of before the column by their correlation, once the database is brought up to date', async () => {
  await read(RUNS, { 'x-correlation-id': 'case-old' });
  await read();
  await tamper('update sworn.access_records set correlation_id = null where tenant_id = $1', [tenant]);
  expect(await items('?correlation_id=case-old')).toEqual([]);
  const migration = readFileSync(new URL('../sql/0013_audit.sql', import.meta.url), 'utf8');
  const backfill = migration.slice(
    migration.indexOf('alter table sworn.access_records no force'),
    migration.indexOf('create index'),
  );
  const [owner] = await house.database.admin<{ name: string }>(
    `select tableowner as name from pg_tables where schemaname = 'sworn' and tablename = 'access_records'`,
  );
  await house.database.admin(`set role ${owner?.name}; ${backfill} reset role`);
  const [found, ...others] = await items('?correlation_id=case-old');
  expect([found.correlation_id, others]).toEqual([expect.stringMatching(/^tok_/), []]);
  expect((await items('?log=access')).filter((item) => item.compromised === true)).toEqual([]);
});
