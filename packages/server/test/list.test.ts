import { finished } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linesOf, ndjson, type StreamEnd } from '../src/http/ndjson.js';
import { listRuns } from '../src/read/listRuns.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
let house: House;
beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());

async function newTenant(): Promise<{ tenant: string; key: string }> {
  const tenant = await house.tenants.create({ name: 'acme' });
  return { tenant, key: (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key };
}

/** Runs in the order they came. */
async function runs(tenant: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, newTrace);
  for (const id of ids) await house.ingest(tenant, agentRun(id));
  await house.seal(tenant);
  return ids;
}

async function crawl(key: string, query: string, between: () => Promise<unknown> = () => Promise.resolve()) {
  const ids: string[] = [];
  let pages = 0;
  for (let cursor: string | null = ''; cursor !== null; ) {
    const got = await get(house, `${LIST}?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`, key);
    expect(got.status, got.text).toBe(200);
    ids.push(...got.json.items.map((item: { run_id: string }) => item.run_id));
    expect(got.json.next_cursor === null).toBe(!got.json.has_more);
    cursor = got.json.next_cursor;
    pages++;
    await between();
  }
  return { ids, pages };
}

describe('the list of runs', () => {
  it('shows each run once, newest first, also while others come, are sealed and open again', async () => {
    const { tenant, key } = await newTenant();
    const ids = await runs(tenant, 7);
    const { ids: seen, pages } = await crawl(key, 'limit=2', async () => {
      await runs(tenant, 1);
      await house.ingest(tenant, agentRun(ids[0] as string));
      await house.seal(tenant);
    });
    expect(seen).toEqual(ids.toReversed());
    expect(pages).toBe(4);
  });

  it('pins what an item says, too: a revision sealed after the first page is not seen by the crawl', async () => {
    const { tenant, key } = await newTenant();
    const ids = await runs(tenant, 2);
    const first = await get(house, `${LIST}?limit=1`, key);
    await house.ingest(tenant, agentRun(ids[0] as string));
    await house.seal(tenant);
    const second = await get(house, `${LIST}?limit=1&cursor=${first.json.next_cursor}`, key);
    expect(second.json.items[0].total_steps).toBe(2);
    expect((await get(house, `${LIST}?run_id=${ids[0]}`, key)).json.items[0].total_steps).toBe(4);
  });

  it('counts exactly what the same filters and pin show', async () => {
    const { tenant, key } = await newTenant();
    await runs(tenant, 5);
    const first = await get(house, `${LIST}?limit=2&include_total=true&provider=openai`, key);
    await runs(tenant, 3);
    const second = await get(
      house,
      `${LIST}?limit=2&include_total=true&provider=openai&cursor=${first.json.next_cursor}`,
      key,
    );
    expect([first.json.total, second.json.total]).toEqual([5, 5]);
    expect((await get(house, `${LIST}?provider=none&include_total=true`, key)).json).toMatchObject({
      total: 0,
      items: [],
      has_more: false,
    });
  });

  it('says of a count that takes too long what to do, and answers the page without it', async () => {
    const { tenant, key } = await newTenant();
    await runs(tenant, 1);
    // Only the count looks at it here, and waits until its statement is ended.
    const locker = await house.database.connect('superuser');
    await locker.query(
      'set idle_in_transaction_session_timeout = 0; begin; lock table sworn.open_run in access exclusive mode',
    );
    const got = await get(house, `${LIST}?include_total=true&had_errors=false`, key);
    expect(got.json).toMatchObject({
      code: 'invalid_parameter',
      status: 400,
      errors: [{ parameter: 'include_total' }],
    });
    expect(got.json.errors[0].detail).toMatch(/narrow the range with recorded_\* or occurred_\*/);
    expect((await get(house, `${LIST}?had_errors=false`, key)).json.items.length).toBe(1);
    await locker.query('rollback');
    expect((await get(house, `${LIST}?include_total=true&had_errors=false`, key)).json.total).toBe(1);
  }, 30_000);

  it('refuses a cursor of another query, another tenant, or that nobody gave', async () => {
    const { tenant, key } = await newTenant();
    const { tenant: other, key: otherKey } = await newTenant();
    await runs(tenant, 3);
    await runs(other, 3);
    const cursor = (await get(house, `${LIST}?limit=1`, key)).json.next_cursor as string;
    const forged = Buffer.from(cursor, 'base64url');
    forged.writeUInt8((forged.at(-1) ?? 0) ^ 1, forged.length - 1);
    const wrong: [string, string][] = [
      [`${LIST}?limit=1&provider=openai&cursor=${cursor}`, key],
      [`${LIST}?limit=1&order=asc&cursor=${cursor}`, key],
      [`${LIST}?limit=1&cursor=${cursor}`, otherKey],
      [`${LIST}?limit=1&cursor=${forged.toString('base64url')}`, key],
    ];
    for (const [path, who] of wrong) {
      const got = await get(house, path, who);
      expect(got.json.code, path).toBe('invalid_parameter');
      expect(got.json.errors[0].parameter).toBe('cursor');
    }
    expect((await get(house, `${LIST}?limit=2&cursor=${cursor}`, key)).status).toBe(200);
  });

  it('filters by what the newest revision says', async () => {
    const { tenant, key } = await newTenant();
    const [good, bad, plain] = [newTrace(), newTrace(), newTrace()];
    await house.ingest(tenant, agentRun(good, { 'gen_ai.conversation.id': 'chat-1', 'user.id': 'jane@example.org' }));
    await house.ingest(
      tenant,
      otlp([
        {
          traceId: bad,
          spanId: newSpan(),
          end: 5000,
          status: 2,
          attributes: {
            'gen_ai.operation.name': 'execute_tool',
            'gen_ai.tool.name': 'search',
            'error.type': 'rate_limited',
          },
        },
      ]),
    );
    await house.ingest(
      tenant,
      otlp([{ traceId: plain, spanId: newSpan(), end: 1 }], {
        'service.name': 'billing',
        'deployment.environment.name': 'staging',
      }),
    );
    await house.seal(tenant);
    const found = async (query: string) => (await crawl(key, query)).ids.toSorted();
    const all = [good, bad, plain].toSorted();
    const expected: [string, string[]][] = [
      [`run_id=${good}`, [good]],
      [`trace_id=${bad}`, [bad]],
      ['conversation_id=chat-1', [good]],
      ['conversation_id=chat-2', []],
      ['agent_id=helper', [good]],
      [`human_actor_id=${encodeURIComponent('jane@example.org')}`, [good]],
      ['provider=openai', [good]],
      ['model=gpt-4o', [good]],
      ['tool=search', [bad]],
      ['service=billing', [plain]],
      ['environment=staging', [plain]],
      ['execution_status=FAILED', [bad]],
      ['execution_status=RUNNING', []],
      ['outcome=SUCCESS', [good, plain].toSorted()],
      ['error_type=rate_limited', [bad]],
      ['had_errors=true', [bad]],
      ['is_synthetic=false', all],
      ['is_synthetic=true', []],
      ['source=API', all],
      ['policy_id=p-1', []],
      ['incident_id=i-1', []],
      ['min_duration_ms=5000', [bad]],
      ['min_duration_ms=5001', []],
      ['min_cost_usd=0', [good]],
      ['min_cost_usd=1', []],
      ['occurred_after=2026-11-20&occurred_before=2026-11-21', all],
      ['occurred_after=2026-11-20T00:00:00.000001Z', []],
      ['occurred_before=2026-11-20', []],
      ['recorded_after=2020-01-01', all],
      ['recorded_before=2020-01-01', []],
    ];
    for (const [query, ids] of expected) expect(await found(`${query}&limit=1`), query).toEqual(ids);
  });

  it('shows human ids as tokens, in answers and in the filters it applied', async () => {
    const { tenant, key } = await newTenant();
    await house.ingest(tenant, agentRun(newTrace(), { 'user.id': 'jane@example.org' }));
    await house.seal(tenant);
    const got = await get(house, `${LIST}?human_actor_id=${encodeURIComponent('jane@example.org')}`, key);
    expect(got.json.filters_applied.human_actor_id).toMatch(/^tok_[0-9a-f]{32}$/);
    expect(got.json.items[0].metadata.human_actor_id).toBe(got.json.filters_applied.human_actor_id);
    expect(JSON.stringify({ ...got.json, clear: null })).not.toContain('jane');
    const byToken = await get(house, `${LIST}?human_actor_id=${got.json.filters_applied.human_actor_id}`, key);
    expect(byToken.json.items.length).toBe(1);
  });

  it('narrows recorded_* to a range of leaves, half open', async () => {
    const { tenant, key } = await newTenant();
    const ids = await runs(tenant, 3);
    const rows = await house.database.admin<{ at: string }>(
      `select to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from sworn.leaf where tenant_id = $1 and kind = 'OPENED' order by leaf_index`,
      [tenant],
    );
    // All three opened in one batch have one time; each was opened in the same turn.
    const at = rows[0]?.at ?? '';
    expect((await crawl(key, `recorded_after=${at}`)).ids.length).toBe(ids.length);
    expect((await crawl(key, `recorded_before=${at}`)).ids.length).toBe(0);
  });

  it('orders by when it happened under occurred_*, across pages', async () => {
    const { tenant, key } = await newTenant();
    const [early, late, middle] = [newTrace(), newTrace(), newTrace()];
    for (const [id, start] of [
      [late, 3000],
      [early, 1000],
      [middle, 2000],
    ] as const) {
      await house.ingest(tenant, otlp([{ traceId: id, spanId: newSpan(), start, end: start + 1 }]));
    }
    await house.seal(tenant);
    expect((await crawl(key, 'limit=1&occurred_after=2026-11-20')).ids).toEqual([late, middle, early]);
    expect((await get(house, `${LIST}?order=asc&occurred_after=2026-11-20`, key)).json.errors[0].parameter).toBe(
      'order',
    );
  });

  it('is a tail under order=asc: its cursor stays valid past the end and gives what comes later', async () => {
    const { tenant, key } = await newTenant();
    const before = await runs(tenant, 3);
    const seen: string[] = [];
    let cursor = '';
    const next = async () => {
      const got = await get(house, `${LIST}?order=asc&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, key);
      cursor = got.json.next_cursor;
      seen.push(...got.json.items.map((item: { run_id: string }) => item.run_id));
      return got.json.has_more as boolean;
    };
    expect([await next(), await next(), await next()]).toEqual([true, false, false]);
    const after = await runs(tenant, 1);
    await next();
    await next();
    expect(seen).toEqual([...before, ...after]);
  });

  it('answers a tenant that has no runs with the time of its creation, not of the request', async () => {
    const { tenant, key } = await newTenant();
    const got = await get(house, LIST, key);
    const [row] = await house.database.admin<{ at: string }>(
      `select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from sworn.tenant where tenant_id = $1`,
      [tenant],
    );
    expect(got.json.metadata).toMatchObject({
      recorded_at: row?.at,
      occurred_at: row?.at,
      checksum: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    });
    expect((await get(house, LIST, key)).text).toBe(got.text);
  });

  it('shows a run that is still open with live figures, and says that they are provisional', async () => {
    const slow = await buildHouse({ graceMs: 3_600_000, idleMs: 3_600_000 });
    try {
      const tenant = await slow.tenants.create({ name: 'slow' });
      const { key } = await slow.keys.issue({ tenantId: tenant, role: 'reader' });
      const id = newTrace();
      await slow.ingest(tenant, agentRun(id));
      await slow.seal(tenant);
      const [item] = (await get(slow, LIST, key)).json.items;
      expect(item).toMatchObject({
        run_id: id,
        execution_status: 'RUNNING',
        provisional: true,
        total_steps: 2,
        executor_type: 'AGENT',
        executor_id: 'helper',
        provider: 'openai',
        model: 'gpt-4o',
        input_tokens: 12,
        output_tokens: 3,
        completed_at: null,
        duration_ms: null,
      });
      const envelope = (await get(slow, `${LIST}/${id}/envelope`, key)).json;
      expect(envelope).toMatchObject({
        revision: 0,
        provisional: true,
        executor_id: 'helper',
        provider: 'openai',
        model: 'gpt-4o',
        metadata: { immutable: false, integrity: { state: 'DURABLE', covered_at: null } },
        proof: { size: null, path: [], checkpoint: null },
      });
      const trace = (await get(slow, `${LIST}/${id}/trace`, key)).json;
      expect(trace).toMatchObject({ provisional: true, total_steps: 2, total_tokens: 15, total_duration_ms: null });
    } finally {
      await slow.close();
    }
  });

  it('says of a page that is short because it had looked at its share of rows that it is, and goes on', async () => {
    const { tenant, key } = await newTenant();
    await runs(tenant, 1);
    expect((await get(house, LIST, key)).json).toMatchObject({ has_more: false, examined_limit_reached: false });
    const [ours] = (await get(house, LIST, key)).json.items;
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `insert into sworn.llm_run_records (tenant_id, log, leaf_index, kind, run_id, revision, run_index, run_occurred_at, execution_status,
         had_errors, is_synthetic, source, started_at)
       select $1::uuid, 'llm-runs', i, 'OPENED', 'run-' || i, 0, i, now(), 'RUNNING', true, false, 'API', now() from generate_series(101, 20100) i`,
      [tenant],
    );
    await house.database.admin(
      `update sworn.log_head set next_index = 20101 where tenant_id = $1 and log = 'llm-runs'`,
      [tenant],
    );
    await house.database.admin('set session_replication_role = origin');
    const short = (await get(house, `${LIST}?had_errors=false`, key)).json;
    expect(short).toMatchObject({ items: [], has_more: true, examined_limit_reached: true });
    const rest = (await get(house, `${LIST}?had_errors=false&cursor=${short.next_cursor}`, key)).json;
    expect(rest).toMatchObject({ items: [{ run_id: ours.run_id }], has_more: false, examined_limit_reached: false });
  });

  it('never lets a field be the time of the request: the same pin gives the same bytes', async () => {
    const { tenant, key } = await newTenant();
    await runs(tenant, 2);
    await house.sign(tenant);
    const first = await get(house, LIST, key);
    house.advance(86_400_000);
    const { key: later } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    expect((await get(house, LIST, later)).text).toBe(first.text);
  });

  it('streams the whole result as lines at one pin, with one record before the first byte and one at the end', async () => {
    const { tenant, key } = await newTenant();
    const ids = await runs(tenant, 5);
    const before = (await accessRecords(house, tenant)).length;
    for (const coding of ['identity', 'br', 'gzip']) {
      const got = await get(house, `${LIST}?limit=2`, key, {
        accept: 'application/x-ndjson',
        'accept-encoding': coding,
      });
      expect(got.headers.get('content-type')).toContain('application/x-ndjson');
      const lines = got.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { run_id?: string });
      expect(lines.slice(0, -1).map((line) => line.run_id)).toEqual(ids.toReversed());
      expect(lines.at(-1)).toEqual({ complete: true, count: 5 });
    }
    const records = (await accessRecords(house, tenant)).slice(before);
    expect(records.map((record) => record.kind)).toEqual([
      'READ',
      'READ_ENDED',
      'READ',
      'READ_ENDED',
      'READ',
      'READ_ENDED',
    ]);
    expect(records[1]).toMatchObject({ count: 5, complete: true, status: 200, request_id: records[0]?.request_id });
  });

  /** Does it before the house tells the token of a human, which each page of a list by `human_actor_id` asks for. */
  function beforeTokens(work: (asked: number) => Promise<unknown>): () => void {
    const read = house.read as { tokenOf: House['read']['tokenOf'] };
    const { tokenOf } = read;
    let asked = 0;
    read.tokenOf = async (tenantId, value) => {
      await work(++asked);
      return tokenOf(tenantId, value);
    };
    return () => void (read.tokenOf = tokenOf);
  }

  it('ends a stream when its key is revoked, and says so', async () => {
    const { tenant } = await newTenant();
    const { key, keyId } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    for (let i = 0; i < 4; i++) await house.ingest(tenant, agentRun(newTrace(), { 'user.id': 'jane' }));
    await house.seal(tenant);
    const restore = beforeTokens(async (page) => {
      if (page !== 2) return;
      await house.keys.revoke(tenant, keyId);
      house.advance(5_000);
    });
    const query = 'human_actor_id=jane&limit=1';
    const got = await get(house, `${LIST}?${query}`, key, { accept: 'application/x-ndjson' }).finally(restore);
    const lines = got.text.trimEnd().split('\n');
    expect(lines.length).toBe(3);
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ complete: false, count: 2, code: 'not_authenticated' });
    const records = (await accessRecords(house, tenant)).slice(-1);
    expect(records).toMatchObject([
      { kind: 'READ_ENDED', count: 2, complete: false, reason_code: 'not_authenticated' },
    ]);
  });

  it('does not count for a stream, which says at its end how many there were', async () => {
    const { tenant, key } = await newTenant();
    await runs(tenant, 3);
    const { pool } = house.database.db.as('reader');
    const transactionsOf = async (query: string) => {
      let taken = 0;
      const take = () => void taken++;
      pool.on('acquire', take);
      const got = await get(house, `${LIST}?limit=1${query}`, key, { accept: 'application/x-ndjson' });
      pool.off('acquire', take);
      expect(JSON.parse(got.text.trimEnd().split('\n').at(-1) ?? '')).toEqual({ complete: true, count: 3 });
      return taken;
    };
    await transactionsOf('');
    // One more for each page, if it did; the key is looked up once in a while.
    expect(await transactionsOf('&include_total=true')).toBeLessThan((await transactionsOf('')) + 3);
  });

  it('goes on from a cursor whose query has its parameters in another order', async () => {
    const { tenant, key } = await newTenant();
    const ids = await runs(tenant, 2);
    const first = await get(house, `${LIST}?limit=1&provider=openai&service=shop`, key);
    const second = await get(house, `${LIST}?service=shop&cursor=${first.json.next_cursor}&provider=openai`, key);
    expect([first, second].map((got) => got.json.items[0].run_id)).toEqual(ids.toReversed());
    const other = await get(house, `${LIST}?service=openai&cursor=${first.json.next_cursor}&provider=shop`, key);
    expect(other.status).toBe(400);
  });

  it('names a bounded number of the parameters it refuses', async () => {
    const { key } = await newTenant();
    const got = await get(house, `${LIST}?${'a&'.repeat(7_000)}`, key);
    expect(got.status).toBe(400);
    expect(got.json.errors.length).toBe(32);
    expect(got.text.length).toBeLessThan(8_192);
  });

  it('records how far a stream came whose client went away', async () => {
    const { tenant } = await newTenant();
    await runs(tenant, 5);
    const page = async (cursor?: string) => {
      const query = { limit: 2, ...(cursor !== undefined && { cursor }) };
      return linesOf((await listRuns(house.read, tenant, query)).answer, 'items');
    };
    const ends: StreamEnd[] = [];
    const stream = ndjson({
      coding: 'identity',
      first: await page(),
      next: page,
      ended: (end) => Promise.resolve(void ends.push(end)),
      opened: () => undefined,
      log: () => undefined,
    });
    const lines = stream[Symbol.asyncIterator]();
    await lines.next();
    await lines.return?.();
    await finished(stream).catch(() => undefined);
    expect(ends).toMatchObject([{ complete: false, code: null }]);
    expect(ends[0]?.count).toBeLessThan(5);
  });

  it('puts a damaged run in its place as an item with id and finding, and the page stays 200', async () => {
    const { tenant, key } = await newTenant();
    const ids = await runs(tenant, 3);
    const damaged = ids[1] as string;
    const edit = async (text: string) => {
      await house.database.admin('set session_replication_role = replica');
      await house.database.admin(text, [tenant, damaged]);
      await house.database.admin('set session_replication_role = origin');
    };
    const item = async () => (await get(house, LIST, key)).json.items[1];
    const envelope = async () => get(house, `${LIST}/${damaged}/envelope`, key);
    expect((await envelope()).status).toBe(200);

    await edit(
      `update sworn.llm_run_records set provider = 'nobody' where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );
    expect(await item()).toMatchObject({ compromised: true, finding: { check: 'V6', code: 'PROJECTION_MISMATCH' } });
    const refused = await envelope();
    expect(refused.json).toMatchObject({ code: 'evidence_compromised', status: 409, finding: { check: 'V6' } });
    expect(JSON.parse(Buffer.from(refused.json.leaf, 'base64').toString('utf8'))).toMatchObject({
      kind: 'RUN',
      run_id: damaged,
    });
    expect((await accessRecords(house, tenant)).at(-1)).toMatchObject({
      decision: 'DENY',
      reason_code: 'evidence_compromised',
      status: 409,
    });
    await edit(
      `update sworn.llm_run_records set provider = 'openai' where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );
    expect((await envelope()).status).toBe(200);

    await edit(
      `insert into sworn.run_names select tenant_id, log, leaf_index, 'tool', 'never-used', run_index from sworn.llm_run_records
        where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );
    expect(await item()).toMatchObject({
      finding: { check: 'V6', code: 'PROJECTION_MISMATCH', detail: expect.stringContaining('run_names') },
    });
    expect((await get(house, `${LIST}?tool=never-used&include_total=true`, key)).json).toMatchObject({
      items: [],
      total: 0,
    });
    await edit(
      `delete from sworn.run_names n using sworn.llm_run_records r where r.tenant_id = $1 and r.run_id = $2 and n.tenant_id = r.tenant_id
         and n.log = r.log and n.leaf_index = r.leaf_index and n.value = 'never-used'`,
    );
    expect((await envelope()).status).toBe(200);

    await edit(
      `update sworn.leaf set recorded_at = recorded_at - interval '1 day' where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );
    expect(await item()).toMatchObject({
      finding: { check: 'V6', code: 'COLUMN_MISMATCH', detail: expect.stringContaining('recorded_at') },
    });
    await edit(
      `update sworn.leaf set recorded_at = recorded_at + interval '1 day' where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );

    await edit(
      `update sworn.leaf set leaf = set_byte(leaf, 20, get_byte(leaf, 20) # 1) where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );
    expect(await item()).toMatchObject({ compromised: true, finding: { check: 'V4' } });
    const list = (await get(house, LIST, key)).json;
    expect(list.metadata.immutable).toBe(false);
    expect(list.items.filter((i: { compromised?: boolean }) => i.compromised === true).length).toBe(1);
    await edit(
      `update sworn.leaf set leaf = set_byte(leaf, 20, get_byte(leaf, 20) # 1) where tenant_id = $1 and run_id = $2 and kind = 'RUN'`,
    );

    await edit(`delete from sworn.leaf where tenant_id = $1 and run_id = $2 and kind = 'RUN'`);
    expect((await get(house, `${LIST}?include_total=true`, key)).json.total).toBe(3);
    expect(await item()).toMatchObject({ compromised: true, finding: { check: 'V10', code: 'STRAY_ROW' } });
    expect((await envelope()).status).toBe(409);
  });
});
