import { setTimeout as sleep } from 'node:timers/promises';
import { ENDPOINTS } from '@sworn/contract';
import { parseCheckpoint, parseRecordId, recordId, unbase64, verifyInclusion, leafHash } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { accessRecords, get, type Got } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { LOGGED_AT, logsRequest, type Line } from './logLines.js';
import { agentRun, newTrace } from './facadeSpans.js';

const AUDIT = '/api/v1/logs/audit';
const RUNS = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let auditor: string;
let reader: { readonly keyId: string; readonly key: string };

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test reads or damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  reader = await house.keys.issue({ tenantId: tenant, role: 'reader' });
});
afterAll(() => house.close());

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;

const ask = (query = '', path = AUDIT) => get(house, path + query, auditor);
const read = (path = RUNS, headers: Record<string, string> = {}) => get(house, path, reader.key, headers);

async function items(query = '', path = AUDIT): Promise<Item[]> {
  const { status, json, text } = await ask(query, path);
  expect(status, text).toBe(200);
  return json.items;
}

const entryId = (topic: 'access' | 'control' | 'llm-runs', index: number) => recordId({ topic, generation: 1, index });
const placeOf = ({ metadata }: Item) => `${metadata.integrity.log} ${metadata.integrity.leaf_index}`;

async function crawl(query: string, path = AUDIT, between: () => Promise<unknown> = () => Promise.resolve()) {
  const all: Item[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const got: Got = await ask(`?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`, path);
    expect(got.status, got.text).toBe(200);
    all.push(...got.json.items);
    expect(got.json.next_cursor === null).toBe(!got.json.has_more);
    cursor = got.json.next_cursor;
    await between();
  }
  return all;
}

describe('the list of audit entries', () => {
  it('shows what was done to the tenant and its keys, and every read, newest first, and never its own', async () => {
    await read();
    const first = await items();
    expect(first.map(({ event_type: kind }) => kind)).toEqual(['READ', 'KEY_CREATED', 'KEY_CREATED', 'TENANT_CREATED']);
    expect(first[0]).toMatchObject({
      log: 'access',
      category: 'ACCESS',
      actor_type: 'API_KEY',
      actor_id: reader.keyId,
      actor_role: 'reader',
      endpoint: 'llm_runs.list',
      permission: 'logs.read',
      decision: 'ALLOW',
      status: 200,
      metadata: { system_id: reader.keyId, actor_basis: 'AUTHENTICATED', source_domain: 'LOGS' },
    });
    expect(first[1]).toMatchObject({
      log: 'control',
      category: 'IDENTITY',
      entity_type: 'KEY',
      entity_id: reader.keyId,
      actor_type: 'SWORN',
      decision: null,
    });
    // Having asked is an entry of the next answer.
    const second = await items();
    expect(second.slice(1)).toEqual(first);
    expect(second[0]).toMatchObject({ endpoint: 'audit.list', count: 4 });
  });

  it('shows each entry once to a crawl, as of its first page, in one order over all logs, whoever reads meanwhile', async () => {
    for (let n = 0; n < 9; n++) {
      await read();
      await house.keys.issue({ tenantId: tenant, role: 'reader' });
    }
    const before = await items('?limit=100');
    const seen = await crawl('limit=3', AUDIT, async () => {
      await read();
      await house.keys.issue({ tenantId: tenant, role: 'reader' });
    });
    // The look at all of them is the newest entry of the crawl.
    expect(seen.slice(1)).toEqual(before);
    expect(new Set(seen.map(placeOf)).size).toBe(seen.length);
    const order = seen.map(({ metadata: m }) => [m.recorded_at, m.integrity.log, m.integrity.leaf_index] as const);
    for (const [i, later] of order.entries()) {
      const earlier = order[i + 1];
      if (earlier === undefined) continue;
      expect(later[0] >= earlier[0]).toBe(true);
      if (later[1] === earlier[1]) expect(later[2]).toBe(earlier[2] + 1);
    }
  });

  it('is a tail with order=asc: it goes on where it ended, for each log, also past the end', async () => {
    const first = await ask('?order=asc&limit=2');
    expect(first.json.items.map((item: Item) => item.event_type)).toEqual(['TENANT_CREATED', 'KEY_CREATED']);
    expect(first.json.has_more).toBe(true);
    const rest = await ask(`?order=asc&cursor=${first.json.next_cursor}`);
    expect(rest.json.items.map((item: Item) => item.event_type)).toEqual(['KEY_CREATED', 'READ']);
    expect(rest.json.has_more).toBe(false);
    await house.keys.revoke(tenant, reader.keyId);
    const more = await ask(`?order=asc&cursor=${rest.json.next_cursor}`);
    expect(more.json.items.map((item: Item) => item.event_type)).toEqual(['READ', 'KEY_REVOKED']);
    expect((await ask(`?order=asc&cursor=${more.json.next_cursor}`)).json.items).toHaveLength(1);
  });

  it('filters by what the records say, and what no record of a log has leads to none of it', async () => {
    const run = newTrace();
    await house.ingest(tenant, agentRun(run));
    await house.seal(tenant);
    await read(`${RUNS}/${run}/envelope`);
    await read(RUNS, { 'x-correlation-id': 'case-17', 'sworn-view': 'view-3' });
    await read(AUDIT);
    await get(house, RUNS, reader.key, {}, 'DELETE');
    await get(house, RUNS, auditor, { accept: 'application/x-ndjson' });
    await sleep(5);
    const before = `recorded_before=${new Date().toISOString()}`;
    const shown = (entries: Item[]) =>
      entries.map((item) => `${item.event_type} ${item.endpoint ?? item.entity_type} ${item.decision}`);
    const found = async (query: string) => shown(await crawl(`${before}&${query}&limit=2`));
    const envelope = 'READ llm_runs.envelope ALLOW';
    const list = 'READ llm_runs.list ALLOW';
    const denied = 'READ audit.list DENY';
    const change = 'READ method_not_allowed DENY';
    const ended = 'READ_ENDED llm_runs.list ALLOW';
    const expected: [string, string[]][] = [
      ['log=control', ['KEY_CREATED KEY null', 'KEY_CREATED KEY null', 'TENANT_CREATED TENANT null']],
      ['log=audit', []],
      ['log=access', [ended, list, change, denied, list, envelope]],
      ['event_type=KEY_CREATED', ['KEY_CREATED KEY null', 'KEY_CREATED KEY null']],
      ['event_type=READ_ENDED', [ended]],
      ['event_type=READ', [list, change, denied, list, envelope]],
      ['event_type=READ&log=control', []],
      ['category=IDENTITY', ['KEY_CREATED KEY null', 'KEY_CREATED KEY null', 'TENANT_CREATED TENANT null']],
      ['category=ACCESS', [ended, list, change, denied, list, envelope]],
      ['category=RETENTION', []],
      ['category=IDENTITY&event_type=READ', []],
      ['decision=DENY', [change, denied]],
      ['decision=ALLOW', [ended, list, list, envelope]],
      [`run_id=${run}`, [envelope]],
      [`run_id=${newTrace()}`, []],
      [`actor_id=${reader.keyId}`, [change, denied, list, envelope]],
      ['endpoint=llm_runs.list', [ended, list, list]],
      ['endpoint=llm_runs.list&decision=DENY', []],
      [`endpoint=llm_runs.list&actor_id=${reader.keyId}`, [list]],
      ['correlation_id=case-17', [list]],
      ['correlation_id=case-18', []],
      ['view=view-3', [list]],
      ['view=view-3&decision=DENY', []],
      [
        'recorded_after=2020-01-01',
        [
          ended,
          list,
          change,
          denied,
          list,
          envelope,
          'KEY_CREATED KEY null',
          'KEY_CREATED KEY null',
          'TENANT_CREATED TENANT null',
        ],
      ],
      ['recorded_after=2999-01-01', []],
    ];
    for (const [query, entries] of expected) expect(await found(query), query).toEqual(entries);
    const claiming = (await items(`?${before}&correlation_id=case-17`))[0];
    expect(claiming.correlation_id).toMatch(/^tok_[0-9a-f]{32}$/);
    const byToken = await items(`?${before}&correlation_id=${claiming.correlation_id}&view=${claiming.view}`);
    expect(byToken.map(placeOf)).toEqual([placeOf(claiming)]);
    expect((await ask('?correlation_id=case-17&view=view-3')).text).not.toMatch(/case-17|view-3/);
  });

  it('streams as lines at one pin, with a record before and one after, neither of them in it', async () => {
    await read();
    const { text } = await get(house, AUDIT, auditor, { accept: 'application/x-ndjson' });
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.pop()).toEqual({ complete: true, count: 4 });
    expect(lines.map(({ event_type: kind }: Item) => kind)).toEqual([
      'READ',
      'KEY_CREATED',
      'KEY_CREATED',
      'TENANT_CREATED',
    ]);
    const after = (await accessRecords(house, tenant)).slice(-2);
    expect(after).toMatchObject([
      { kind: 'READ', endpoint: 'audit.list' },
      { kind: 'READ_ENDED', endpoint: 'audit.list', count: 4, complete: true },
    ]);
  });

  it('is for keys that may audit, and of their own tenant alone', async () => {
    for (const path of [AUDIT, `${AUDIT}/authorization`, `${AUDIT}/access`, `${AUDIT}/${entryId('control', 0)}`])
      expect((await read(path)).json.code).toBe('permission_denied');
    const other = await house.tenants.create({ name: 'other' });
    const theirs = (await house.keys.issue({ tenantId: other, role: 'auditor' })).key;
    const got = await get(house, AUDIT, theirs);
    expect(got.json.items).toHaveLength(2);
    expect(got.text).not.toContain(tenant);
  });
});

/** An audit event of a producer's, its attributes without their prefix; `second` after LOGGED_AT. */
function event(second: number, name: string, said: Record<string, string> = {}): Line {
  const attributes = Object.fromEntries(Object.entries(said).map(([key, value]) => [`sworn.audit.${key}`, value]));
  return { event: `sworn.audit.${name}`, attributes, timeNs: LOGGED_AT + BigInt(second) * 1_000_000_000n };
}

const report = (...lines: Line[]) => house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) });

describe('what producers report', () => {
  it('stands beside Sworn’s own records, marked as their claim, with the key it came in with', async () => {
    await report(
      event(0, 'event', {
        action: 'refund.approved',
        'entity.type': 'order',
        'entity.id': 'order-7',
        'actor.id': 'alice@example.com',
        decision: 'approved',
        'run.id': 'run-1',
        'policy.id': 'refunds',
        'correlation.id': 'case-17',
        category: 'APPROVAL_DECISION',
      }),
      event(1, 'incident.linked', { 'incident.id': 'INC-9', 'actor.id': 'triage-bot', 'actor.type': 'agent' }),
    );
    const [linked, approved, ...own] = await items();
    expect(own.map(({ log }: Item) => log)).toEqual(['control', 'control', 'control']);
    expect(approved).toMatchObject({
      log: 'audit',
      event_type: 'EVENT',
      category: 'APPROVAL_DECISION',
      action: 'refund.approved',
      entity_type: 'order',
      entity_id: 'order-7',
      actor_type: 'HUMAN',
      actor_id: expect.stringMatching(/^tok_[0-9a-f]{32}$/),
      decision: 'ALLOW',
      native_decision: 'approved',
      policy_id: 'refunds',
      correlation_id: 'case-17',
      service: 'shop',
      reported_by: 'CLIENT',
      key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      conflict_of: null,
      metadata: {
        run_id: 'run-1',
        policy_ids: ['refunds'],
        actor_basis: 'CLAIMED',
        source_domain: 'POLICY',
        source_component: 'otlp:shop',
        origin: 'HUMAN',
        occurred_at: '2025-11-25T00:53:20.123456Z',
      },
    });
    expect(linked).toMatchObject({
      event_type: 'INCIDENT_LINKED',
      actor_type: 'AGENT',
      actor_id: 'triage-bot',
      incident_id: 'INC-9',
      metadata: { agent_id: 'triage-bot', incident_ids: ['INC-9'], source_domain: 'INCIDENTS', origin: 'AGENT' },
    });
    const { json } = await ask('?log=audit');
    expect(json.metadata).toMatchObject({ actor_basis: 'CLAIMED', incident_ids: ['INC-9'], policy_ids: ['refunds'] });
    const one = (await ask('', `${AUDIT}/${approved.id}`)).json;
    expect(one).toMatchObject({ id: approved.id, after_state: null });
  });

  it('is found by each of its columns, a person in clear or by the token, and nothing of it under what only reads have', async () => {
    await report(
      event(0, 'note', { 'actor.id': 'alice@example.com', 'entity.type': 'customer', 'entity.id': 'bob@example.com' }),
      event(1, 'review', { 'actor.id': 'bot', 'actor.type': 'agent', decision: 'blocked', 'run.id': 'run-2' }),
      event(2, 'policy.published', { 'policy.id': 'refunds', 'incident.id': 'INC-1', category: 'VIOLATION' }),
      event(3, 'event', { 'entity.type': 'order', 'entity.id': 'o-1', 'correlation.id': 'case-17' }),
    );
    await read(RUNS, { 'x-correlation-id': 'case-17' });
    const [note, key] = [(await items('?event_type=NOTE'))[0], reader.keyId];
    const found = async (query: string) =>
      (await crawl(`recorded_before=2999-01-01&${query}&limit=1&log=audit`)).map(({ event_type: type }) => type);
    const expected: [string, string[]][] = [
      ['event_type=REVIEW', ['REVIEW']],
      ['category=VIOLATION', ['POLICY_PUBLISHED']],
      ['category=IDENTITY', []],
      ['entity_type=order', ['EVENT']],
      ['entity_id=o-1', ['EVENT']],
      ['entity_id=bob@example.com', ['NOTE']],
      [`entity_id=${note.entity_id}`, ['NOTE']],
      ['actor_type=HUMAN', ['NOTE']],
      ['actor_type=API_KEY', []],
      ['actor_id=alice@example.com', ['NOTE']],
      [`actor_id=${note.actor_id}`, ['NOTE']],
      ['actor_id=bot', ['REVIEW']],
      ['decision=DENY', ['REVIEW']],
      ['decision=NONE', []],
      ['run_id=run-2', ['REVIEW']],
      ['policy_id=refunds', ['POLICY_PUBLISHED']],
      ['incident_id=INC-1', ['POLICY_PUBLISHED']],
      ['correlation_id=case-17', ['EVENT']],
      ['endpoint=audit.list', []],
      ['view=v', []],
      ['decision=DENY&actor_id=bot', ['REVIEW']],
    ];
    for (const [query, types] of expected) expect(await found(query), query).toEqual(types);
    // The correlation of a read is a claim of its own, and stands as a token.
    expect((await items('?correlation_id=case-17')).map(({ log }: Item) => log)).toEqual(['access', 'audit']);
    expect((await items(`?entity_type=KEY&entity_id=${key}`)).map(({ event_type: type }: Item) => type)).toEqual([
      'KEY_CREATED',
    ]);
    expect((await items('?actor_type=SWORN')).every(({ log }: Item) => log === 'control')).toBe(true);
    const { json } = await ask('?actor_id=alice@example.com&entity_id=bob@example.com');
    expect(JSON.stringify({ ...json, clear: null })).not.toMatch(/alice|bob/);
  });

  it('comes in the order of its time under occurred_*, over all logs, each once, and is counted exactly', async () => {
    await report(event(5, 'note'), event(3, 'review'), event(9, 'note'), event(4, 'event'));
    await read();
    const range = 'occurred_after=2025-11-25T00:53:23&occurred_before=2999-01-01'.replace(':23', ':23Z');
    const seen = await crawl(`${range}&limit=2`);
    const times = seen.map(({ metadata }) => metadata.occurred_at);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(new Set(seen.map(placeOf)).size).toBe(seen.length);
    expect(seen.filter(({ log }) => log === 'audit').map(({ metadata: m }) => m.integrity.leaf_index)).toEqual([
      2, 0, 3, 1,
    ]);
    const notes = await ask('?event_type=NOTE&include_total=true&limit=1');
    expect(notes.json).toMatchObject({ total: 2, has_more: true });
    const all = await ask('?include_total=true&limit=1');
    expect(all.json.total).toBe((await crawl(`limit=100&cursor=${all.json.next_cursor}`)).length + 1);
    const timed = await ask(`?${range}&log=audit&include_total=true&limit=1`);
    expect(timed.json.total).toBe(4);
    const tail = await ask('?order=asc&occurred_after=2025-01-01');
    expect([tail.status, tail.json.errors[0].parameter]).toEqual([400, 'order']);
  });

  it('that was sent again with other content is an entry of its own, which names the first', async () => {
    const uid = 'log.record.uid';
    const line = (id: string) => ({
      event: 'sworn.audit.note',
      attributes: { [uid]: 'u-1', 'sworn.audit.entity.id': id },
    });
    await report(line('a'));
    await report(line('b'));
    const [copy, first] = await items('?log=audit');
    expect([copy.event_type, copy.entity_id, copy.conflict_of]).toEqual(['NOTE', 'b', first.id]);
    expect(first.conflict_of).toBeNull();
  });
});

describe('every access record', () => {
  it('is a decision: who asked for what, and what was decided, refusals too', async () => {
    await read(AUDIT);
    await read();
    const decisions = await items('', `${AUDIT}/authorization`);
    expect(decisions).toMatchObject([
      { actor_id: reader.keyId, resource: 'llm_runs.list', action: 'GET', permission: 'logs.read', decision: 'ALLOW' },
      {
        actor_id: reader.keyId,
        resource: 'audit.list',
        decision: 'DENY',
        reason_code: 'permission_denied',
        status: 403,
      },
    ]);
    expect((await items('?decision=DENY', `${AUDIT}/authorization`)).map(placeOf)).toEqual(['access 0']);
  });

  it('is an access: what was looked at, with which filters, how much, and what tried to change it', async () => {
    await read(`${RUNS}?service=shop&limit=3`);
    await get(house, RUNS, reader.key, {}, 'DELETE');
    const [change, view] = await items('', `${AUDIT}/access`);
    expect(change).toMatchObject({ action: 'CHANGE', decision: 'DENY', reason_code: 'method_not_allowed' });
    expect(view).toMatchObject({ action: 'VIEW', endpoint: 'llm_runs.list', count: 0, folded: false });
    expect(view.filters).toEqual([{ name: 'service', value: expect.stringMatching(/^tok_/) }]);
    expect(view.pins).toEqual([{ log: 'llm-runs', size: 0 }]);
    expect(view.answer).toMatch(/^sha256:/);
  });

  it('is a decision by a rule of its key’s role, found by what it took and what was asked', async () => {
    const run = newTrace();
    await house.ingest(tenant, agentRun(run));
    await house.seal(tenant);
    await read(AUDIT);
    await read(`${RUNS}/${run}/envelope`);
    await get(house, RUNS, reader.key, {}, 'DELETE');
    const decisions = await items('', `${AUDIT}/authorization`);
    expect(decisions).toMatchObject([
      { resource: 'method_not_allowed', subject: reader.keyId, rule: null, override: null },
      { subject: reader.keyId, resource_id: run, rule: 'LOGS_READ_MACHINE' },
      { subject: reader.keyId, resource_id: null, rule: 'LOGS_AUDIT_MACHINE' },
    ]);
    const found = async (query: string) =>
      (await items(`?${query}&recorded_before=2999-01-01`, `${AUDIT}/authorization`)).map(({ resource }) => resource);
    expect(await found('permission=logs.read&limit=100')).toEqual(['llm_runs.envelope']);
    expect(await found('resource=audit.list')).toEqual(['audit.list']);
    expect(await found('permission=logs.audit&decision=DENY')).toEqual(['audit.list']);
    const nobody = await get(house, RUNS, 'swk_unknown');
    expect(nobody.status).toBe(401);
  });

  it('is an access for a purpose that the client claims: a token here, and in clear under its key alone', async () => {
    await read(`${RUNS}?limit=1`, { 'sworn-purpose': 'complaint of Ada Example, case 17' });
    await read(RUNS, { 'sworn-purpose': 'x'.repeat(257) });
    await get(house, RUNS, reader.key, {}, 'DELETE');
    const [change, none, asked] = await items('', `${AUDIT}/access`);
    expect([change.scope, none.scope, none.purpose, asked.scope]).toEqual(['NOTHING', 'MANY', null, 'MANY']);
    expect(asked.purpose).toMatch(/^tok_[0-9a-f]{32}$/);
    const rows = await house.database.admin<{ leaf: Buffer }>(`select leaf from sworn.leaf where tenant_id = $1`, [
      tenant,
    ]);
    expect(rows.some(({ leaf }) => leaf.toString('utf8').includes('Ada'))).toBe(false);
    expect((await house.check(tenant)).findings).toEqual([]);
  });

  it('has a cursor that is its own list’s', async () => {
    for (let n = 0; n < 3; n++) await read();
    const { next_cursor: cursor } = (await ask('?limit=1', `${AUDIT}/access`)).json;
    const got = await ask(`?limit=1&cursor=${cursor}`, `${AUDIT}/authorization`);
    expect(got.json.errors[0].parameter).toBe('cursor');
  });
});

it('has no exports where nobody exported, and still records who asked', async () => {
  const { json } = await ask('?include_total=true', `${AUDIT}/exports`);
  expect(json).toMatchObject({ items: [], total: 0, has_more: false });
  expect((await accessRecords(house, tenant)).at(-1)).toMatchObject({ endpoint: 'audit.exports', count: 0 });
});

describe('one entry', () => {
  it('says what a control record says of its subject, without what vouches for it, and proves it', async () => {
    await house.sign(tenant);
    const { json, headers } = await ask('', `${AUDIT}/${entryId('control', 2)}`);
    expect(json).toMatchObject({
      event_type: 'KEY_CREATED',
      entity_id: reader.keyId,
      before_state: null,
      after_state: { key_id: reader.keyId, role: 'reader', scopes: [], services: [] },
      metadata: { immutable: true, integrity: { log: 'control', leaf_index: 2, state: 'COVERED' } },
    });
    expect(Object.keys(json.after_state)).not.toContain('mac');
    const { leaf, index, size, path, checkpoint } = json.proof;
    const said = parseCheckpoint(checkpoint);
    const hash = leafHash(unbase64(leaf));
    expect(json.metadata.checksum).toBe(`sha256:${Buffer.from(hash).toString('hex')}`);
    expect(verifyInclusion({ index, size, leafHash: hash, path: path.map(unbase64), root: said.root })).toBe(true);
    const again = await get(house, `${AUDIT}/${json.id}`, auditor, { 'if-none-match': headers.get('etag') ?? '' });
    expect(again.status).toBe(304);
  });

  it('says what something was and became, as the producer sent it, from the encrypted body', async () => {
    const states: [Record<string, string>, unknown, unknown][] = [
      [
        { before: '{"limit":100}', after: '{"limit":500,"by":"Ada Example"}' },
        { limit: 100 },
        { limit: 500, by: 'Ada Example' },
      ],
      [{ after: 'on' }, null, { value: 'on' }],
      [{ after: 'x'.repeat(70_000) }, null, { left_out_bytes: 70_000 }],
      [
        { after: `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}` },
        null,
        expect.objectContaining({ a: expect.anything() }),
      ],
      [{}, null, null],
    ];
    await report(...states.map(([said], i) => event(i, 'policy.published', said)));
    const listed = (await items('?log=audit')).toReversed();
    for (const [i, [, before, after]] of states.entries()) {
      const { json, headers, status } = await ask('', `${AUDIT}/${listed[i].id}`);
      expect([status, json.before_state, json.after_state]).toEqual([200, before, after]);
      expect(headers.get('cache-control')).toBe('no-store');
    }
    const rows = await house.database.admin<{ leaf: Buffer }>(`select leaf from sworn.leaf where tenant_id = $1`, [
      tenant,
    ]);
    expect(rows.some(({ leaf }) => leaf.toString('utf8').includes('Ada'))).toBe(false);
  });

  it('is the same as in the list, and being read is a record that names it', async () => {
    await read();
    await house.sign(tenant);
    const listed = (await items('?log=access&limit=1'))[0];
    const { json } = await ask('', `${AUDIT}/${listed.id}`);
    const { before_state: before, after_state: after, proof, clear: _, ...rest } = json;
    expect([before, after, proof.index]).toEqual([null, null, 0]);
    expect(rest).toEqual(listed);
    const looked = (await items('?endpoint=audit.entry'))[0];
    expect(looked).toMatchObject({ record_id: listed.id, entity_type: 'RECORD', entity_id: listed.id });
  });

  it('is not there under an id of another topic, of no record, or of another shape', async () => {
    await house.ingest(tenant, agentRun(newTrace()));
    for (const id of [entryId('llm-runs', 0), entryId('access', 10_000), newTrace(), 'entry', crypto.randomUUID()]) {
      const { json, status } = await ask('', `${AUDIT}/${id}`);
      expect([status, json.code, json.detail]).toEqual([404, 'not_found', 'there is no such entry']);
    }
  });

  it('never stands in the way of an endpoint with a name: ids are UUIDs of a form that no name has', async () => {
    const named = ENDPOINTS.filter(({ path }) => path.startsWith(`${AUDIT}/`) && !path.includes('{'));
    expect(named.map(({ id }) => id)).toEqual([
      'audit.identity',
      'audit.authorization',
      'audit.access',
      'audit.integrity',
      'audit.exports',
    ]);
    for (const { id, path } of named) {
      expect(parseRecordId(path.slice(AUDIT.length + 1))).toBeNull();
      expect((await ask('', path)).status).toBe(200);
      expect((await accessRecords(house, tenant)).at(-1)).toMatchObject({ endpoint: id });
    }
  });
});
