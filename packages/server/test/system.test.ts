import { SYSTEM_EVENT_TYPES } from '@sworn/contract';
import { recordId } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SYSTEM_EVENT_TYPES as KINDS } from '../src/otlp/map/vocabulary.js';
import { type Got, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { type Line, LOGGED_AT, lineBytes, logsRequest } from './logLines.js';
import { any, keyValue, message } from './otlpBytes.js';

const SYSTEM = '/api/v1/logs/system';
let house: House;
let tenant: string;
let reader: string;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test writes or damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  reader = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;

const ask = (query = '', headers: Record<string, string> = {}) => get(house, SYSTEM + query, reader, headers);
async function items(query = ''): Promise<Item[]> {
  const { status, json, text: said } = await ask(query);
  expect(status, said).toBe(200);
  return json.items;
}
const bodies = (listed: Item[]): string[] => listed.map((item) => item.summary);

async function log(lines: readonly (Line | Uint8Array)[], service?: string): Promise<void> {
  await house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines, service) });
}

/** Pages of two until there is no more. */
async function crawl(query: string): Promise<{ readonly seen: Item[]; readonly pages: Got[] }> {
  const pages: Got[] = [];
  for (let cursor = ''; ; ) {
    const got = await ask(`?limit=2${query}${cursor}`);
    expect(got.status, got.text).toBe(200);
    pages.push(got);
    if (!got.json.has_more) return { seen: pages.flatMap((page) => page.json.items), pages };
    cursor = `&cursor=${got.json.next_cursor}`;
  }
}

/** As a superuser whom no trigger binds. */
async function tamper(statement: string, values: readonly unknown[] = []): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  await house.database.admin(statement, [...values]);
  await house.database.admin('set session_replication_role = origin');
}

it('knows the kinds that the vocabulary makes', () => {
  expect(SYSTEM_EVENT_TYPES).toEqual(KINDS);
});

describe('a record of what happened around runs', () => {
  it('says what the producer said, in our bands and in its own words', async () => {
    const trace = newTrace();
    await log(
      [
        {
          body: 'card refused',
          severity: 17,
          severityText: 'ERROR',
          event: 'shop.refused',
          traceId: Buffer.from(trace, 'hex'),
        },
      ],
      'shop',
    );
    const [item] = await items();
    expect(item).toMatchObject({
      scope: 'TENANT',
      component: 'shop',
      event_type: 'LOG',
      event_name: 'shop.refused',
      severity: 'CRITICAL',
      severity_text: 'ERROR',
      severity_number: 17,
      summary: 'card refused',
      summary_cut: false,
      caused_by: null,
      correlation_id: trace,
      service: 'shop',
      trace_id: trace,
      conflict_of: null,
      resource: { service: 'shop', checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
    });
    expect(item.metadata).toMatchObject({
      tenant_id: tenant,
      trace_id: trace,
      run_id: null,
      source_domain: 'SYSTEM',
      source_component: 'otlp:shop',
      occurred_at: '2025-11-25T00:53:20.123456Z',
      integrity: { log: 'system', state: 'DURABLE' },
    });
    await house.sign(tenant);
    expect((await items())[0].metadata).toMatchObject({ immutable: true, integrity: { state: 'COVERED' } });
  });

  it('is summed up by its body: a text, other values as JSON, no more than its first 1,024 characters, nothing of what is very long', async () => {
    const structured = message([[5, message([[6, message([[1, keyValue('code', any('E7'))]])]])]]);
    const wide = `${'x'.repeat(1_023)}💬 and more`;
    await log([structured, { body: wide }, { body: 'y'.repeat(70_000) }, lineBytes({})]);
    const shown = (await items()).map(({ summary, summary_cut: cut }) => [summary, cut]);
    expect(shown.toReversed()).toEqual([
      ['{"code":"E7"}', false],
      ['x'.repeat(1_023), true],
      [null, true],
      [null, false],
    ]);
  });

  it('is told from the one that came first under its uid', async () => {
    const uid = { 'log.record.uid': '01J' };
    await log([{ body: 'first', attributes: uid, event: 'device.app.lifecycle' }]);
    await log([{ body: 'second', attributes: uid, event: 'device.app.lifecycle' }]);
    const [second, first] = await items();
    expect([first.summary, first.conflict_of]).toEqual(['first', null]);
    expect([second.summary, second.conflict_of, second.event_type]).toEqual(['second', first.id, first.event_type]);
  });

  it('is nobody else’s', async () => {
    await log([{ body: 'ours' }]);
    const other = await house.tenants.create({ name: 'other' });
    const key = (await house.keys.issue({ tenantId: other, role: 'reader' })).key;
    const { json } = await get(house, SYSTEM, key);
    expect([json.items, json.metadata.tenant_id]).toEqual([[], other]);
    const mine = await ask('?limit=1&order=asc');
    const { status } = await get(house, `${SYSTEM}?order=asc&cursor=${mine.json.next_cursor}`, key);
    expect(status).toBe(400);
  });
});

describe('the list', () => {
  const at = (seconds: number) => LOGGED_AT + BigInt(seconds) * 1_000_000_000n;

  it('goes newest first by place, at one pin, and by the time it happened under occurred_*', async () => {
    await log([3, 1, 2].map((n) => ({ body: `late ${n}`, timeNs: at(n) })));
    await house.ingest(tenant, agentRun(newTrace()));
    await log([
      { body: 'early', timeNs: at(-60) },
      { body: 'five', timeNs: at(5) },
    ]);
    const first = await ask('?limit=2');
    await log([{ body: 'new', timeNs: at(9) }]);
    const rest = await ask(`?limit=50&cursor=${first.json.next_cursor}`);
    expect(bodies([...first.json.items, ...rest.json.items])).toEqual(['five', 'early', 'late 2', 'late 1', 'late 3']);
    const range = '&occurred_after=2025-11-25T00:53:20Z';
    expect(bodies((await crawl(range)).seen)).toEqual(['new', 'five', 'late 3', 'late 2', 'late 1']);
    expect(bodies((await crawl(`${range}&service=shop&severity=INFO`)).seen)).toHaveLength(5);
    expect(bodies((await crawl(`${range}&service=none`)).seen)).toEqual([]);
    expect(bodies((await crawl('&occurred_before=2025-11-25T00:53:22Z')).seen)).toEqual(['late 1', 'early']);
    expect((await ask(`?order=asc${range}`)).status).toBe(400);
  });

  it('counts what matches, whatever the page', async () => {
    await log([1, 2, 3].map((n) => ({ body: `line ${n}`, severity: n === 2 ? 13 : 9, timeNs: at(n) })));
    for (const [query, total] of [
      ['', 3],
      ['&severity=WARN', 1],
      ['&severity=INFO&occurred_after=2025-11-25T00:53:22Z', 1],
      ['&service=none', 0],
    ] as const) {
      const { json } = await ask(`?limit=1&include_total=true${query}`);
      expect(json.total, query).toBe(total);
      expect((await crawl(query)).seen).toHaveLength(total);
    }
  });

  it('is a tail with order=asc that goes on past the end', async () => {
    await log([{ body: 'one' }, { body: 'two' }, { body: 'three' }]);
    const first = await ask('?order=asc&limit=2');
    expect([bodies(first.json.items), first.json.has_more]).toEqual([['one', 'two'], true]);
    const second = await ask(`?order=asc&cursor=${first.json.next_cursor}`);
    expect([bodies(second.json.items), second.json.has_more]).toEqual([['three'], false]);
    const end = await ask(`?order=asc&cursor=${second.json.next_cursor}`);
    expect(end.json.items).toEqual([]);
    await log([{ body: 'four' }]);
    expect(bodies((await ask(`?order=asc&cursor=${end.json.next_cursor}`)).json.items)).toEqual(['four']);
  });

  it('filters by what records say, and by when they were recorded', async () => {
    await log(
      [
        { body: 'a', event: 'device.app.lifecycle' },
        { body: 'b', severity: 13 },
      ],
      'shop',
    );
    await log([{ body: 'c', attributes: { 'gen_ai.conversation.id': 'chat-1' } }], 'bank');
    const whole = await items();
    for (const [query, expected] of [
      ['service=shop', ['b', 'a']],
      ['component=bank', ['c']],
      ['correlation_id=chat-1', ['c']],
      ['severity=WARN', ['b']],
      ['event_type=LOG&service=shop', ['b', 'a']],
      ['event_type=OOM', []],
    ] as const)
      expect([query, bodies(await items(`?${query}`))]).toEqual([query, expected]);
    const edge = whole[0].metadata.recorded_at;
    expect(bodies(await items(`?recorded_after=${edge}`))).toEqual(['c']);
    expect(bodies(await items(`?recorded_before=${edge}`))).toEqual(['b', 'a']);
  });

  it('is a line a record as NDJSON', async () => {
    await log(Array.from({ length: 5 }, (_, n) => ({ body: `line ${n}` })));
    const { text: lines } = await ask('?limit=2', { accept: 'application/x-ndjson' });
    const parsed = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(parsed.map((line) => line.summary ?? line)).toEqual([
      'line 4',
      'line 3',
      'line 2',
      'line 1',
      'line 0',
      { complete: true, count: 5 },
    ]);
  });
});

describe('a record that is not as it was written', () => {
  const wrongs: [what: string, statement: string, check: string, code: string][] = [
    ['its row', `update sworn.system_records set severity = 'INFO'`, 'V6', 'PROJECTION_MISMATCH'],
    ['a row that is gone', `delete from sworn.system_records`, 'V6', 'PROJECTION_MISSING'],
    ['its leaf', `update sworn.leaf set leaf = convert_to('{}', 'UTF8')`, 'V4', 'LEAF_HASH_MISMATCH'],
    ['a column beside its leaf', `update sworn.leaf set occurred_at = now()`, 'V6', 'COLUMN_MISMATCH'],
    ['its body', `update sworn.leaf set body = body || '\\x00'::bytea`, 'V8', 'BODY_MISMATCH'],
    ['a body that is gone', `update sworn.leaf set body = null`, 'V5', 'BODY_MISSING_UNAUTHORISED'],
    ['a leaf that is gone', `delete from sworn.leaf`, 'V10', 'STRAY_ROW'],
  ];
  it.each(wrongs)('is an item with its finding: %s', async (_, statement, check, code) => {
    await log([{ body: 'one', severity: 17 }, { body: 'two' }]);
    const index = (await items())[1].metadata.integrity.leaf_index;
    await tamper(`${statement} where tenant_id = $1 and log = 'system' and leaf_index = $2`, [tenant, index]);
    const listed = await items();
    const found = listed.find((item) => item.compromised === true);
    expect(found).toMatchObject({
      id: recordId({ topic: 'system', generation: 1, index }),
      leaf_index: index,
      finding: { check, code, log: 'system', leaf_index: index },
    });
    expect(listed.filter((item) => item.compromised !== true).map((item) => item.summary)).toEqual(['two']);
    expect((await ask()).json.metadata.immutable).toBe(false);
  });
});
