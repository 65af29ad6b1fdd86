import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningApp, startApp } from '../src/app.js';
import type { Deployment } from '../src/deployment.js';
import { type Members, newSite, type Site } from './deploymentHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
/** As many as the writer has connections. */
const TENANTS = 6;

interface Tenant {
  readonly id: string;
  readonly ingestKey: string;
  readonly readerKey: string;
}

let site: Site;
let app: RunningApp;
let deployment: Deployment;
let tenants: Tenant[];
const runId = newTrace();

beforeAll(async () => {
  site = await newSite({ SWORN_SEAL_GRACE_MS: '0', SWORN_MAX_IN_FLIGHT_BYTES: '16384' });
  app = await startApp(site.config);
  deployment = await site.open();
  tenants = [];
  for (let i = 0; i < TENANTS; i++) {
    const id = await deployment.tenants.create({ name: `tenant ${i}` });
    const [ingest, reader] = [
      await deployment.keys.issue({ tenantId: id, role: 'ingest' }),
      await deployment.keys.issue({ tenantId: id, role: 'reader' }),
    ];
    tenants.push({ id, ingestKey: ingest.key, readerKey: reader.key });
  }
  await send(one(), agentRun(runId).body);
  const isOpened = async () => (await read(one(), `${LIST}/${runId}/trace`)).status === 200;
  await vi.waitUntil(isOpened, { timeout: 60_000 });
});
afterAll(async () => {
  await app.stop();
  await site.drop();
});

const one = (): Tenant => tenants[0] as Tenant;

async function send({ ingestKey }: Tenant, body: Uint8Array): Promise<number> {
  const answer = await fetch(`${app.addresses.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${ingestKey}` },
    body: new Uint8Array(body),
  });
  await answer.arrayBuffer();
  return answer.status;
}

async function read({ readerKey }: Tenant, path = LIST): Promise<Response> {
  const answer = await fetch(app.addresses.http + path, { headers: { authorization: `Bearer ${readerKey}` } });
  await answer.arrayBuffer();
  return answer;
}

/** Sends bytes; resolves to what came back until `until` says that it is enough, and then breaks the connection. */
function talk(request: string, until: (answer: string) => boolean = () => false): Promise<string> {
  const { port } = new URL(app.addresses.http);
  return new Promise((resolve, reject) => {
    let answer = '';
    connect(Number(port), '127.0.0.1', function (this: Socket) {
      this.write(request);
    })
      .on('data', function (this: Socket, chunk: Buffer) {
        answer += chunk.toString('latin1');
        if (until(answer)) this.destroy();
      })
      .on('error', reject)
      .on('close', () => resolve(answer));
  });
}

/** Holds the head of a log of these tenants as a writer would, until told to let go. */
async function holdHeads(log: string, of: readonly Tenant[]): Promise<() => Promise<void>> {
  const client = new pg.Client(site.config.databaseUrl ?? '');
  await client.connect();
  await client.query('set idle_in_transaction_session_timeout = 0');
  await client.query('begin');
  await client.query(`select from sworn.log_head where log = $1 and tenant_id = any($2::uuid[]) for update`, [
    log,
    of.map((tenant) => tenant.id),
  ]);
  return async () => {
    await client.query('rollback');
    await client.end();
  };
}

/** How many of the server's connections of a role wait for a lock. */
async function waiting(role: string): Promise<number> {
  const [row] = await site.admin<{ n: number }>(
    `select count(distinct a.pid)::int as n from pg_stat_activity a join pg_locks l on l.pid = a.pid and not l.granted
      where a.datname = current_database() and a.usename = $1`,
    [`${site.config.rolePrefix}_${role}`],
  );
  return row?.n ?? 0;
}

const leavesOf = (tenant: Tenant, log: string): Promise<Members[]> => site.leaves(tenant.id, log);

describe('Sworn’s own queue', () => {
  it('goes on while ingest stands still: every writing connection waits, admission is full, and reads are answered and recorded', async () => {
    const release = await holdHeads('llm-runs', tenants);
    const answered: number[] = [];
    const sending = tenants.map((tenant) => send(tenant, agentRun(newTrace()).body).then((n) => answered.push(n)));
    try {
      await expect.poll(() => waiting('writer'), { timeout: 60_000 }).toBe(TENANTS);
      // What is in flight fills each tenant's share, so that more is refused at the door.
      const more = await Promise.all(tenants.map((tenant) => send(tenant, Buffer.alloc(8_192, 0x20))));
      expect(more).toEqual(Array(TENANTS).fill(429));
      for (const tenant of tenants) {
        const before = (await leavesOf(tenant, 'access')).length;
        for (let i = 0; i < 5; i++) expect((await read(tenant)).status).toBe(200);
        expect((await leavesOf(tenant, 'access')).length).toBe(before + 5);
      }
      expect(answered).toEqual([]);
      expect(await waiting('writer')).toBe(TENANTS);
    } finally {
      await release();
    }
    await Promise.all(sending);
    expect(answered).toEqual(Array(TENANTS).fill(200));
  });

  it('when it stands still stops no ingest, refuses reads that could not be recorded, and answers the others when it moves', async () => {
    const tenant = one();
    const release = await holdHeads('access', [tenant]);
    const before = (await leavesOf(tenant, 'llm-runs')).length;
    const recorded = (await leavesOf(tenant, 'access')).length;
    const refused: Response[] = [];
    const reading = Array.from({ length: 600 }, async () => {
      const answer = await read(tenant);
      if (answer.status !== 200) refused.push(answer);
      return answer.status;
    });
    try {
      // 512 may be under way; one commit waits for the lock, and the other records for it.
      await expect.poll(() => refused.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(600 - 512);
      await expect.poll(() => waiting('recorder'), { timeout: 60_000 }).toBe(1);
      expect(await send(tenant, agentRun(newTrace()).body)).toBe(200);
      expect((await leavesOf(tenant, 'llm-runs')).length).toBeGreaterThan(before);
      expect((await read(tenants[1] as Tenant)).status).toBe(200);
      expect((await leavesOf(tenant, 'access')).length).toBe(recorded);
    } finally {
      await release();
    }
    for (const answer of refused) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(answer.headers.get('sworn-log-sizes')).toBeNull();
    }
    // On a slow machine some of them wait longer than a record may: they are refused too. None is answered without its record.
    const answered = (await Promise.all(reading)).filter((status) => status === 200).length;
    expect(answered).toBe(600 - refused.length);
    expect((await leavesOf(tenant, 'access')).length).toBeGreaterThanOrEqual(recorded + answered);
    expect((await read(tenant)).status).toBe(200);
    const metrics = await (await fetch(`${app.addresses.http}/metrics`)).text();
    expect(
      Number(/sworn_reads_total\{decision="DENY",record="none"\} (\d+)/.exec(metrics)?.[1]),
    ).toBeGreaterThanOrEqual(600 - 512);
    expect(metrics).toMatch(/sworn_reads_total\{decision="ALLOW",record="own"\} [1-9]/);
  });
});

describe('over a socket', () => {
  const headers = (key: string | null, host = 'localhost'): string =>
    `HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${key === null ? '' : `authorization: Bearer ${key}\r\n`}`;
  const common = {
    by: 'sworn',
    kind: 'READ',
    request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    source: expect.stringMatching(/^tok_[0-9a-f]{32}$/),
    credential_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    role: 'reader',
  };

  /** Records that a request added, as soon as there are so many. */
  async function recordsOf(request: string, many: number, until?: (answer: string) => boolean): Promise<Members[]> {
    const before = (await leavesOf(one(), 'access')).length;
    await talk(request, until);
    await expect.poll(async () => (await leavesOf(one(), 'access')).length, { timeout: 60_000 }).toBe(before + many);
    return (await leavesOf(one(), 'access')).slice(before);
  }

  it.each([
    [
      'HEAD',
      `HEAD ${LIST}/{run}/trace?kind=LLM`,
      'localhost',
      {
        status: 200,
        decision: 'ALLOW',
        endpoint: 'llm_runs.trace',
        permission: 'logs.read',
        filters: { kind: expect.stringMatching(/^tok_/) },
        pins: [{ log: 'llm-runs', size: expect.any(Number) }],
        count: 1,
        answer: expect.stringMatching(/^sha256:/),
      },
    ],
    [
      'a read by id',
      `GET ${LIST}/{run}/envelope`,
      'localhost',
      {
        status: 200,
        decision: 'ALLOW',
        endpoint: 'llm_runs.envelope',
        permission: 'logs.read',
        count: 1,
        answer: expect.stringMatching(/^sha256:/),
        pins: [{ log: 'llm-runs', size: expect.any(Number) }],
      },
    ],
    [
      'a verb that changes',
      `DELETE ${LIST}/{run}/trace`,
      'localhost',
      { status: 405, decision: 'DENY', endpoint: 'method_not_allowed', reason_code: 'method_not_allowed' },
    ],
    [
      'an unknown route',
      'GET /api/v1/logs/nope',
      'localhost',
      { status: 404, decision: 'DENY', endpoint: 'unknown_route', reason_code: 'not_found' },
    ],
    [
      'a path that cannot be decoded',
      'GET /%zz',
      'localhost',
      { status: 404, decision: 'DENY', endpoint: 'unknown_route', reason_code: 'not_found' },
    ],
    [
      'another host',
      `GET ${LIST}`,
      'evil.example',
      { status: 421, decision: 'DENY', endpoint: 'misdirected', reason_code: 'misdirected' },
    ],
    [
      'an unknown record',
      `GET ${LIST}/jane/trace`,
      'localhost',
      {
        status: 404,
        decision: 'DENY',
        endpoint: 'llm_runs.trace',
        permission: 'logs.read',
        reason_code: 'not_found',
        filters: { run_id: expect.stringMatching(/^tok_/) },
      },
    ],
    [
      'a bad parameter',
      `GET ${LIST}?nope=jane`,
      'localhost',
      {
        status: 400,
        decision: 'DENY',
        endpoint: 'llm_runs.list',
        permission: 'logs.read',
        reason_code: 'invalid_parameter',
      },
    ],
  ] as const)('%s has its record', async (_, line, host, said) => {
    const [record] = await recordsOf(`${line.replace('{run}', runId)} ${headers(one().readerKey, host)}\r\n`, 1);
    expect(record).toMatchObject({ ...common, ...said, method: line.split(' ', 1)[0] });
    if (line.includes('{run}') && said.decision === 'ALLOW') expect(record).toMatchObject({ run_id: runId });
    expect(JSON.stringify(record)).not.toContain('jane');
    const [row] = await site.admin(
      `select kind, request_id::text, endpoint, credential_id, decision, permission, run_id, status from sworn.access_records
        where tenant_id = $1 order by leaf_index desc limit 1`,
      [one().id],
    );
    const { kind, request_id, endpoint, credential_id, decision, permission, run_id, status } = record ?? {};
    expect(row).toEqual({
      kind,
      request_id,
      endpoint,
      credential_id,
      decision,
      permission: permission ?? null,
      run_id: run_id ?? null,
      status,
    });
  });

  it('a stream has a record before its first byte and one of its end', async () => {
    const request = `GET ${LIST}/${runId}/trace ${headers(one().readerKey)}accept: application/x-ndjson\r\n\r\n`;
    const [begun, ended] = await recordsOf(request, 2);
    expect(begun).toMatchObject({ ...common, endpoint: 'llm_runs.trace', run_id: runId, status: 200 });
    expect(ended).toMatchObject({
      ...common,
      kind: 'READ_ENDED',
      request_id: begun?.['request_id'],
      complete: true,
      count: 2,
      answer: expect.stringMatching(/^sha256:/),
    });
  });

  it.each([
    ['in the middle', (answer: string) => answer.includes('step_index')],
    ['before its first line', (answer: string) => answer.length > 0],
  ])('a stream that breaks %s has a record of its end', async (_, until) => {
    const tenant = one();
    // More than the socket takes at once.
    const wide = newTrace();
    for (let i = 0; i < 8; i++) expect(await send(tenant, wideTrace(wide, i))).toBe(200);
    const size = async () => (await read(tenant, `${LIST}/${wide}/trace?limit=1`)).status;
    await expect.poll(size, { timeout: 60_000 }).toBe(200);
    const request = `GET ${LIST}/${wide}/trace?limit=1 ${headers(tenant.readerKey)}accept: application/x-ndjson\r\n\r\n`;
    const [begun, ended] = await recordsOf(request, 2, until);
    expect(ended).toMatchObject({ kind: 'READ_ENDED', complete: false, request_id: begun?.['request_id'] });
  });
});

/** Eight steps of a trace that is read a page each. */
function wideTrace(traceId: string, part: number): Uint8Array {
  const spans = Array.from({ length: 8 }, (_, i) => ({
    traceId,
    spanId: (part * 8 + i + 1).toString(16).padStart(16, '0'),
    ...(part + i === 0 ? {} : { parentSpanId: '0000000000000001' }),
    name: 'step',
    kind: 1,
    startTimeUnixNano: String(1_795_132_800_000_000_000n + BigInt(part * 8 + i)),
    endTimeUnixNano: '1795132801000000000',
  }));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'wide' } }] };
  return Buffer.from(JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }));
}
